//! Asking again, after what may well have been an accident. Everything that is asked of a registry here is idempotent.

use core::time::Duration;

use downshift_registry::Fault;
use tokio::time;

use crate::error::Error;

/// How often something is asked at the most.
const MAX_ATTEMPTS: u32 = 3;

/// How long to wait before the second attempt; four times as long before each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Asks until there is an answer, or an error that would stay.
pub(super) async fn retry<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, Error> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        match ask().await {
            Err(error) if is_transient(&error) && attempt < MAX_ATTEMPTS => time::sleep(pause).await,
            answered => return answered,
        }
        pause *= 4;
        attempt += 1;
    }
}

fn is_transient(error: &Error) -> bool {
    error.upstream_fault().is_some_and(Fault::is_transient)
}
