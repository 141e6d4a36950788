//! Waiting for what comes by itself.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use anyhow::ensure;

/// How long a busy machine may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is true.
///
/// # Errors
/// If it does not come true.
pub fn await_true(what: &str, mut is_true: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_true()? {
        ensure!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
