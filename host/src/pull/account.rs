//! The memory that one pull takes of what all have together.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error::Error;
use crate::work_budget::{Asker, Charge, WorkBudget};

/// The charge of one pull, to which everything adds that it has in memory, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Account(Arc<Mutex<Charge>>);

impl Account {
    /// An account on which nothing stands.
    pub(super) fn open(work: &Arc<WorkBudget>, asker: Asker) -> Self {
        Self(Arc::new(Mutex::new(work.open(Some(asker)))))
    }

    /// Counts so many bytes more.
    ///
    /// # Errors
    /// [`Error::Busy`] if there is no room for some time.
    pub(super) async fn add(&self, bytes: usize) -> Result<(), Error> {
        let mut charge = self.0.lock().await;
        let all = charge.bytes() + bytes;
        charge.grow_to(all).await
    }

    /// The charge itself, for somebody who knows all that is to count.
    pub(super) async fn lock(&self) -> OwnedMutexGuard<Charge> {
        Arc::clone(&self.0).lock_owned().await
    }

    /// The same, if nobody else has it.
    pub(super) fn try_lock(&self) -> Option<OwnedMutexGuard<Charge>> {
        Arc::clone(&self.0).try_lock_owned().ok()
    }

    /// Counts no more than `bytes` from now on, and gives what it takes to keep that counted.
    pub(super) fn settle(&self, bytes: usize) -> Option<Arc<Charge>> {
        let mut charge = self.0.try_lock().ok()?;
        charge.shrink_to(bytes);
        if charge.bytes() == 0 {
            return None;
        }
        let empty = charge.another();
        Some(Arc::new(core::mem::replace(&mut *charge, empty)))
    }
}
