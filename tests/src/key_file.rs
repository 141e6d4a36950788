//! The suite's key as a file, for programs that sign.

use std::fs;

use downshift_cases::fixed_key::FixedKey;
use tempfile::TempDir;

/// Writes the key of [`FixedKey`] into a folder, which is gone when it is dropped, and gives the path of the file.
///
/// # Errors
/// If it cannot be written.
pub fn write() -> anyhow::Result<(TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("key.pem");
    fs::write(&file, FixedKey::read()?.pem())?;
    let file = file.display().to_string();
    Ok((folder, file))
}
