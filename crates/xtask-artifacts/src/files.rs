//! Files, read and written.

use std::fs;
use std::path::Path;

use anyhow::Context;

pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))
}

/// Writes a file, unless it has these bytes already: cargo builds again what embeds a newer file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("the file has no folder")?)?;
    fs::write(path, bytes).with_context(|| format!("`{}` cannot be written", path.display()))
}
