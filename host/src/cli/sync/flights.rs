//! What is under way, so that nothing is fetched twice, and what waits for the disk.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use downshift::Digest;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task;

use crate::error::Error;

/// What is being fetched, one at a time for each digest.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Digest, Arc<AsyncMutex<()>>>>);

impl Flights {
    /// The one who fetches what has this digest has this locked.
    pub(super) fn of(&self, digest: &Digest) -> Arc<AsyncMutex<()>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody waits for any more.
        if flights.len() > 1024 {
            flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        }
        Arc::clone(flights.entry(digest.clone()).or_default())
    }
}

/// Blobs that were looked at, by repository.
pub(super) type Verified = Mutex<HashSet<(String, Digest)>>;

/// Runs what waits for the disk where that keeps nobody waiting.
pub(super) async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // Only a panic, which is on stderr already, gives no result.
    task::spawn_blocking(job).await.unwrap_or(Err(Error::Panicked))
}
