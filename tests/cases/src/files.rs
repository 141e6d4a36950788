//! The files with the cases.

use std::path::{Path, PathBuf};

/// The file or folder at `path` in the folder of the tests.
pub(crate) fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
