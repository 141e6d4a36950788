//! The threads of commands that ask registries.

use std::io;

use tokio::runtime::Runtime;

use crate::error::Error;

/// Threads for what waits for registries and disks.
///
/// # Errors
/// [`Error::InvalidSettings`], where the system gives no threads.
pub(super) fn runtime() -> Result<Runtime, Error> {
    Runtime::new().map_err(|error: io::Error| Error::InvalidSettings { problem: error.to_string() })
}
