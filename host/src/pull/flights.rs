//! Single flight: what several pulls ask for at the same time is asked once.
//!
//! What is shared is the outcome of an effect, which has in it all that decides it, credentials included. It is told to
//! those who wait for it, and to those who were under way before somebody kept it: they have found nothing kept. It is told
//! to nobody who comes later. A flight that nobody waits for any more is called off.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// How many flights there are before those that were called off are forgotten.
const MIN_SWEEP: usize = 256;

/// Flights under way, by what is asked.
pub(super) struct Flights<K, T: Clone> {
    flights: Mutex<Table<K, T>>,
    /// How many have landed, and how many of these are settled.
    moments: AtomicU64,
    /// For how long an outcome is there for those who were under way: longer than they take from one look to the next.
    lingering: fn(&T) -> Duration,
}

struct Table<K, T: Clone> {
    flights: HashMap<K, Flight<T>>,
    /// How many there may be before the next sweep.
    sweep: usize,
}

enum Flight<T: Clone> {
    Flying(WeakShared<BoxFuture<'static, T>>),
    /// Its outcome is there, and since this moment it is kept.
    Landed {
        number: u64,
        settled: Option<u64>,
        outcome: T,
    },
}

/// A moment, by what had landed and was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

/// A flight that was joined.
pub(super) enum Joined<T: Clone> {
    /// It has just landed.
    Landed(T),
    /// It is under way.
    Flying(Shared<BoxFuture<'static, T>>),
    /// It is a new one.
    New(Shared<BoxFuture<'static, T>>),
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + core::hash::Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// No flights yet, whose outcomes linger for as long as `lingering` says.
    pub(super) fn new(lingering: fn(&T) -> Duration) -> Self {
        let flights = Mutex::new(Table { flights: HashMap::new(), sweep: MIN_SWEEP });
        Self { flights, moments: AtomicU64::new(0), lingering }
    }

    /// Now.
    pub(super) fn now(&self) -> Moment {
        Moment(self.moments.load(Ordering::Acquire))
    }

    /// The flight for `key` that was under way at `since`, or a new one.
    pub(super) fn join(
        self: &Arc<Self>,
        key: K,
        since: Moment,
        begin: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Joined<T> {
        let mut table = self.lock();
        match table.flights.get(&key) {
            Some(Flight::Landed { settled, outcome, .. })
                if settled.is_none_or(|settled| settled > since.0) =>
            {
                return Joined::Landed(outcome.clone());
            }
            Some(Flight::Flying(flight)) => {
                if let Some(flight) = flight.upgrade() {
                    return Joined::Flying(flight);
                }
            }
            _ => {}
        }
        if table.flights.len() >= table.sweep {
            table.flights.retain(|_, flight| match flight {
                Flight::Flying(flight) => flight.upgrade().is_some(),
                Flight::Landed { .. } => true,
            });
            table.sweep = MIN_SWEEP.max(2 * table.flights.len());
        }
        let (flights, asked, landing) = (Arc::clone(self), begin(), key.clone());
        let flight = async move {
            let outcome = asked.await;
            flights.land(landing, outcome.clone());
            outcome
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            table.flights.insert(key, Flight::Flying(weak));
        }
        Joined::New(flight)
    }

    fn land(self: &Arc<Self>, key: K, outcome: T) {
        let lingering = (self.lingering)(&outcome);
        let number = {
            let mut table = self.lock();
            let number = self.next();
            table.flights.insert(key.clone(), Flight::Landed { number, settled: None, outcome });
            number
        };
        let flights = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(lingering).await;
            let mut table = flights.lock();
            let is_it =
                matches!(table.flights.get(&key), Some(Flight::Landed { number: n, .. }) if *n == number);
            if is_it {
                table.flights.remove(&key);
            }
        });
    }

    /// What came of the flight for `key` is to be kept by whoever has this, until they drop it.
    pub(super) fn settling(self: &Arc<Self>, key: K) -> Settling<K, T> {
        Settling { flights: Arc::clone(self), key }
    }

    fn next(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn lock(&self) -> MutexGuard<'_, Table<K, T>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An outcome that is about to be kept.
pub(super) struct Settling<K: Eq + core::hash::Hash, T: Clone> {
    flights: Arc<Flights<K, T>>,
    key: K,
}

impl<K: Eq + core::hash::Hash, T: Clone> Drop for Settling<K, T> {
    fn drop(&mut self) {
        let mut table = self.flights.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Flight::Landed { settled: settled @ None, .. }) = table.flights.get_mut(&self.key) {
            *settled = Some(self.flights.moments.fetch_add(1, Ordering::AcqRel) + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicUsize;

    use tokio::join;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_several_ask_for_at_once_is_asked_once_and_later_anew() {
        let flights = Arc::new(Flights::new(|_| Duration::from_secs(60)));
        let (asked, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let join = |since| {
            let (asked, go) = (Arc::clone(&asked), Arc::clone(&go));
            flights.join("a", since, move || {
                async move {
                    go.notified().await;
                    asked.fetch_add(1, Ordering::Relaxed)
                }
                .boxed()
            })
        };
        let before = flights.now();
        let (Joined::New(first), Joined::Flying(second)) = (join(before), join(before)) else {
            panic!("it is asked twice")
        };
        let (first, second, ()) = join!(first, second, async { go.notify_one() });
        assert_eq!((first, second), (0, 0));
        // Nobody has kept it yet, and then somebody has.
        assert!(matches!(join(flights.now()), Joined::Landed(0)));
        drop(flights.settling("a"));
        assert!(matches!(join(before), Joined::Landed(0)));
        assert!(matches!(join(flights.now()), Joined::New(_)));
    }

    #[tokio::test]
    async fn a_flight_ends_with_the_last_who_waits() {
        struct Dropped(Arc<AtomicUsize>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (flights, dropped) =
            (Arc::new(Flights::<u32, ()>::new(|()| Duration::ZERO)), Arc::new(AtomicUsize::new(0)));
        for round in 1..1000 {
            let guard = Dropped(Arc::clone(&dropped));
            let begin = || {
                async move {
                    let _guard = guard;
                    core::future::pending::<()>().await;
                }
                .boxed()
            };
            let Joined::New(flight) = flights.join(1, flights.now(), begin) else { panic!("it is not new") };
            let waiting = flight.clone();
            drop(flight);
            assert_eq!(dropped.load(Ordering::Relaxed), round - 1);
            drop(waiting);
            assert_eq!(dropped.load(Ordering::Relaxed), round);
        }
    }
}
