//! The memory of all work in flight: one bound for the documents and answers of all requests together.
//!
//! What a request needs is known bit by bit. A charge that grows waits for room, and so requests could wait for each
//! other's; that is why one of them may always go past the bound, and comes to its end. One client has a share of all,
//! within which its requests wait for each other and for nobody else's. An address that many clients may have has all but
//! such a share.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;

use crate::error::Error;
use crate::metrics::METRICS;

/// How long a request waits for room: less than clients and proxies wait for a response.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Bytes that are counted as one.
const UNIT_BYTES: usize = 1024;

/// How many clients it takes at least to use up all room.
const CLIENTS_TO_FILL: usize = 4;

/// How many clients there are before those that are gone are forgotten.
const SHARES: usize = 1024;

/// Bytes of an answer up to which it does not count while it is sent: that of an ordinary image, of which there are no
/// more than requests.
pub(crate) const FREE_BYTES: usize = 16 * 1024;

/// The client that something is done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asker {
    /// Its address, or that of its network.
    pub(crate) client: IpAddr,
    /// True if many clients may have this address.
    pub(crate) is_shared: bool,
}

impl Asker {
    /// How much of `all` it may have: a client's share, or, as one of many at its address, all but such a share.
    pub(crate) fn part_of(self, all: usize) -> usize {
        let of_one = all.div_ceil(CLIENTS_TO_FILL);
        if self.is_shared { all.saturating_sub(of_one).max(1) } else { of_one }
    }
}

/// The room for work in flight.
#[derive(Debug)]
pub(crate) struct WorkBudget {
    all: Arc<Room>,
    units: usize,
    of_clients: Mutex<HashMap<Asker, Weak<Room>>>,
}

/// A bound, and the right to go past it.
#[derive(Debug)]
struct Room {
    units: Arc<Semaphore>,
    /// What one at a time may have.
    overdraft: Arc<Semaphore>,
}

impl Room {
    fn new(units: usize) -> Arc<Self> {
        Arc::new(Self {
            units: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
            overdraft: Arc::new(Semaphore::new(1)),
        })
    }
}

impl WorkBudget {
    /// Room for so many bytes.
    pub(crate) fn new(bytes: u64) -> Arc<Self> {
        let units = usize::try_from(bytes).unwrap_or(usize::MAX).div_ceil(UNIT_BYTES);
        Arc::new(Self { all: Room::new(units), units, of_clients: Mutex::default() })
    }

    /// A charge of no bytes, for this client if one is to blame.
    pub(crate) fn open(self: &Arc<Self>, asker: Option<Asker>) -> Charge {
        Charge { budget: Arc::clone(self), asker, holds: None }
    }

    /// A charge of `bytes`.
    ///
    /// # Errors
    /// As [`Charge::grow_to`].
    pub(crate) async fn charge(
        self: &Arc<Self>,
        asker: Option<Asker>,
        bytes: usize,
    ) -> Result<Charge, Error> {
        let mut charge = self.open(asker);
        charge.grow_to(bytes).await?;
        Ok(charge)
    }

    /// The room that a client has, or the many behind one address.
    fn share(&self, asker: Asker) -> Arc<Room> {
        let mut of_clients = self.of_clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = of_clients.get(&asker).and_then(Weak::upgrade) {
            return room;
        }
        if of_clients.len() >= SHARES {
            of_clients.retain(|_, room| room.strong_count() > 0);
        }
        let room = Room::new(asker.part_of(self.units));
        of_clients.insert(asker, Arc::downgrade(&room));
        room
    }
}

/// The bytes of one piece of work, as long as they count.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<WorkBudget>,
    asker: Option<Asker>,
    /// Nothing until it counts something, which most never do.
    holds: Option<Box<Holds>>,
}

/// What is taken of all room.
#[derive(Debug)]
struct Holds {
    /// Of the client's share.
    own: Option<Hold>,
    all: Hold,
}

impl Charge {
    /// A charge of no bytes for the same client.
    pub(crate) fn another(&self) -> Self {
        self.budget.open(self.asker)
    }

    /// How many bytes it counts.
    pub(crate) fn bytes(&self) -> usize {
        self.holds.as_ref().map_or(0, |holds| holds.all.units() * UNIT_BYTES)
    }

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
        let Holds { own, all } = self.holds();
        let grown = time::timeout(wait, async {
            if let Some(own) = own {
                own.grow_to(bytes).await;
            }
            all.grow_to(bytes).await;
        });
        grown.await.map_err(|_| {
            METRICS.refused.with_label_values(&["work"]).inc();
            Error::Busy
        })
    }

    /// Counts at least `bytes` from now on, if that is possible without waiting.
    pub(crate) fn try_grow_to(&mut self, bytes: usize) -> bool {
        let Holds { own, all } = self.holds();
        own.as_mut().is_none_or(|own| own.try_grow_to(bytes)) && all.try_grow_to(bytes)
    }

    /// Counts no more than `bytes` from now on.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let Some(Holds { own, all }) = self.holds.as_deref_mut() else { return };
        for hold in own.iter_mut().chain([all]) {
            hold.shrink_to(bytes);
        }
    }

    fn holds(&mut self) -> &mut Holds {
        self.holds.get_or_insert_with(|| {
            let own = self.asker.map(|asker| Hold::new(self.budget.share(asker)));
            Box::new(Holds { own, all: Hold::new(Arc::clone(&self.budget.all)) })
        })
    }
}

/// What is taken of a room.
#[derive(Debug)]
struct Hold {
    of: Arc<Room>,
    within: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
    /// Units past the bound.
    overdrawn: usize,
}

impl Hold {
    fn new(of: Arc<Room>) -> Self {
        Self { of, within: None, overdraft: None, overdrawn: 0 }
    }

    async fn grow_to(&mut self, bytes: usize) {
        if self.try_grow_to(bytes) {
            return;
        }
        let more = self.missing(bytes);
        let (units, overdraft) = (Arc::clone(&self.of.units), Arc::clone(&self.of.overdraft));
        // The semaphores are never closed.
        tokio::select! {
            biased;
            Ok(permit) = units.acquire_many_owned(permits(more)) => self.add(permit),
            Ok(permit) = overdraft.acquire_owned() => {
                self.overdraft = Some(permit);
                self.overdrawn += more;
            }
            else => {}
        }
    }

    fn try_grow_to(&mut self, bytes: usize) -> bool {
        let more = self.missing(bytes);
        if more == 0 {
            return true;
        }
        if self.overdraft.is_some() {
            self.overdrawn += more;
            return true;
        }
        let permit = Arc::clone(&self.of.units).try_acquire_many_owned(permits(more));
        permit.map(|permit| self.add(permit)).is_ok()
    }

    fn shrink_to(&mut self, bytes: usize) {
        let mut surplus = self.units().saturating_sub(bytes.div_ceil(UNIT_BYTES));
        let overdrawn = surplus.min(self.overdrawn);
        self.overdrawn -= overdrawn;
        surplus -= overdrawn;
        if self.overdrawn == 0 {
            self.overdraft = None;
        }
        drop(self.within.as_mut().and_then(|within| within.split(surplus)));
    }

    /// What counts.
    fn units(&self) -> usize {
        self.overdrawn + self.within.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn missing(&self, bytes: usize) -> usize {
        bytes.div_ceil(UNIT_BYTES).saturating_sub(self.units())
    }

    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.within {
            Some(within) => within.merge(permit),
            None => self.within = Some(permit),
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
        let mut charge = budget.open(None);
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
        assert_eq!(budget.all.units.available_permits(), MIB / UNIT_BYTES);
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
        let (second, ()) = tokio::join!(budget.charge(None, MIB), async { drop(first) });
        assert!(second.is_ok());
        assert!(charge(&budget, 1).await.is_none());
    }

    #[tokio::test]
    async fn a_client_has_its_share_and_no_more() {
        let budget = budget();
        let asker = |number, is_shared| Some(Asker { client: [192, 0, 2, number].into(), is_shared });
        let charge = |asker, bytes| {
            let mut charge = budget.open(asker);
            async move { charge.grow_within(bytes, Duration::ZERO).await.ok().map(|()| charge) }
        };
        let first = charge(asker(1, false), MIB / 4).await.unwrap();
        // One past its share, and no more.
        let past = charge(asker(1, false), MIB / 4).await.unwrap();
        assert!(charge(asker(1, false), 1).await.is_none());
        let other = charge(asker(2, false), MIB / 4).await.unwrap();
        let many = charge(asker(3, true), MIB / 4).await.unwrap();
        drop((first, past, other, many));
        assert!(charge(asker(3, true), MIB).await.is_some());
        // Many behind one address leave room for others.
        let many = charge(asker(3, true), MIB / 4 * 3).await.unwrap();
        let past = charge(asker(3, true), MIB / 4).await.unwrap();
        assert!(charge(asker(3, true), 1).await.is_none());
        let other = charge(asker(4, true), MIB / 4).await.unwrap();
        drop((many, past, other));
        assert_eq!(budget.all.units.available_permits(), MIB / UNIT_BYTES);
        assert!(charge(asker(1, false), MIB / 4).await.is_some());
    }
}
