//! The memory of all work in flight: one bound for the documents and answers of all requests together.
//!
//! What a request needs is known bit by bit. A charge that grows waits for room, and so requests could wait for each
//! other's; that is why one of them may always go past the bound, and comes to its end.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;

use crate::error::Error;
use crate::metrics::METRICS;

/// How long a request waits for room: less than clients and proxies wait for a response.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Bytes that are counted as one.
const UNIT_BYTES: usize = 1024;

/// Bytes of an answer up to which it does not count while it is sent: that of an ordinary image, of which there are no
/// more than requests.
pub(crate) const FREE_BYTES: usize = 16 * 1024;

/// The room for work in flight.
#[derive(Debug)]
pub(crate) struct WorkBudget {
    room: Arc<Semaphore>,
    /// The right to go past the bound, which one charge may have.
    overdraft: Arc<Semaphore>,
}

/// The bytes of one piece of work, as long as they count.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<WorkBudget>,
    room: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
    /// Units past the bound.
    overdrawn: usize,
}

impl WorkBudget {
    /// Room for so many bytes.
    pub(crate) fn new(bytes: u64) -> Arc<Self> {
        let units = usize::try_from(bytes).unwrap_or(usize::MAX).div_ceil(UNIT_BYTES);
        Arc::new(Self {
            room: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
            overdraft: Arc::new(Semaphore::new(1)),
        })
    }

    /// A charge of no bytes.
    pub(crate) fn open(self: &Arc<Self>) -> Charge {
        Charge { budget: Arc::clone(self), room: None, overdraft: None, overdrawn: 0 }
    }

    /// A charge of `bytes`.
    ///
    /// # Errors
    /// As [`Charge::grow_to`].
    pub(crate) async fn charge(self: &Arc<Self>, bytes: usize) -> Result<Charge, Error> {
        let mut charge = self.open();
        charge.grow_to(bytes).await?;
        Ok(charge)
    }
}

impl Charge {
    /// Counts at least `bytes` from now on.
    ///
    /// # Errors
    /// [`Error::Busy`] if there is no room for some time.
    pub(crate) async fn grow_to(&mut self, bytes: usize) -> Result<(), Error> {
        self.grow_within(bytes, MAX_WAIT).await
    }

    async fn grow_within(&mut self, bytes: usize, wait: Duration) -> Result<(), Error> {
        if self.try_grow_to(bytes) {
            return Ok(());
        }
        let more = self.missing(bytes);
        let room = Arc::clone(&self.budget.room);
        let overdraft = Arc::clone(&self.budget.overdraft);
        tokio::select! {
            biased;
            Ok(permit) = room.acquire_many_owned(permits(more)) => self.add(permit),
            Ok(permit) = overdraft.acquire_owned() => {
                self.overdraft = Some(permit);
                self.overdrawn += more;
            }
            () = time::sleep(wait) => {
                METRICS.refused.with_label_values(&["work"]).inc();
                return Err(Error::Busy);
            }
        }
        Ok(())
    }

    /// Counts at least `bytes` from now on, if that is possible without waiting.
    pub(crate) fn try_grow_to(&mut self, bytes: usize) -> bool {
        let more = self.missing(bytes);
        if more == 0 {
            return true;
        }
        if self.overdraft.is_some() {
            self.overdrawn += more;
            return true;
        }
        let permit = Arc::clone(&self.budget.room).try_acquire_many_owned(permits(more));
        permit.map(|permit| self.add(permit)).is_ok()
    }

    /// Counts no more than `bytes` from now on.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let mut surplus = self.units().saturating_sub(bytes.div_ceil(UNIT_BYTES));
        let overdrawn = surplus.min(self.overdrawn);
        self.overdrawn -= overdrawn;
        surplus -= overdrawn;
        if self.overdrawn == 0 {
            self.overdraft = None;
        }
        drop(self.room.as_mut().and_then(|room| room.split(surplus)));
    }

    /// What counts.
    fn units(&self) -> usize {
        self.overdrawn + self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn missing(&self, bytes: usize) -> usize {
        bytes.div_ceil(UNIT_BYTES).saturating_sub(self.units())
    }

    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.room {
            Some(room) => room.merge(permit),
            None => self.room = Some(permit),
        }
    }
}

/// Bytes that count as long as they are there: hyper has them in its own buffers when the body of a response is long gone.
struct Charged {
    bytes: Bytes,
    _charge: Arc<Charge>,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// `bytes`, which keep `charge` as long as any part of them is there.
pub(crate) fn charged(bytes: Bytes, charge: Option<Arc<Charge>>) -> Bytes {
    match charge {
        Some(charge) if !bytes.is_empty() => Bytes::from_owner(Charged { bytes, _charge: charge }),
        _ => bytes,
    }
}

/// As many as tokio can count, which is terabytes.
fn permits(units: usize) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn budget() -> Arc<WorkBudget> {
        WorkBudget::new(MIB as u64)
    }

    /// A charge of this many bytes, if there is room for it, or the overdraft.
    async fn charge(budget: &Arc<WorkBudget>, bytes: usize) -> Option<Charge> {
        let mut charge = budget.open();
        charge.grow_within(bytes, Duration::ZERO).await.ok().map(|()| charge)
    }

    #[tokio::test]
    async fn all_together_have_one_bound_and_one_goes_past_it() {
        let budget = budget();
        let mut first = charge(&budget, MIB / 2).await.unwrap();
        let second = charge(&budget, MIB / 2).await.unwrap();
        assert!(!first.try_grow_to(MIB));
        // The two would wait for each other, but one goes on, however much it needs.
        let mut third = charge(&budget, 4 * MIB).await.unwrap();
        assert!(third.try_grow_to(100 * MIB));
        assert!(charge(&budget, 1).await.is_none());
        assert!(first.grow_within(MIB, Duration::ZERO).await.is_err());
        drop(second);
        assert!(first.try_grow_to(MIB));
        assert!(charge(&budget, 1).await.is_none());
        // Whoever is next may go past it when that one is done.
        third.shrink_to(0);
        assert!(charge(&budget, 2 * MIB).await.is_some());
        drop(first);
        assert_eq!(budget.room.available_permits(), MIB / UNIT_BYTES);
    }

    #[tokio::test]
    async fn what_shrinks_makes_room() {
        let budget = budget();
        let _overdraft = charge(&budget, 2 * MIB).await.unwrap();
        let mut large = charge(&budget, MIB).await.unwrap();
        assert!(charge(&budget, MIB / 2).await.is_none());
        large.shrink_to(MIB / 2);
        large.shrink_to(MIB);
        assert!(charge(&budget, MIB / 2).await.is_some());
    }

    #[tokio::test]
    async fn bytes_count_until_the_last_part_of_them_is_gone() {
        let budget = budget();
        let _overdraft = charge(&budget, 2 * MIB).await.unwrap();
        let held = charge(&budget, MIB).await.unwrap();
        let mut bytes = charged(Bytes::from(vec![7; MIB]), Some(Arc::new(held)));
        let part = bytes.split_to(10);
        drop(bytes);
        assert!(charge(&budget, 1).await.is_none());
        drop(part);
        assert!(charge(&budget, MIB).await.is_some());
    }

    #[tokio::test]
    async fn who_waits_gets_the_room_that_comes() {
        let budget = budget();
        let _overdraft = charge(&budget, 2 * MIB).await.unwrap();
        let first = charge(&budget, MIB).await.unwrap();
        let (second, ()) = tokio::join!(budget.charge(MIB), async { drop(first) });
        assert!(second.is_ok());
        assert!(charge(&budget, 1).await.is_none());
    }
}
