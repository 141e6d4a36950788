//! Passes over layers: each once for all who wait for what comes of it, and of each client no more than its share.
//!
//! A pass begins with the first who waits for it and whose turn it is, and not at all where nobody does any more. One that has
//! begun goes on to the end of its layer, for what it learns is kept.

use core::hash::Hash;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use downshift_pull::{BlobAt, Learnt};
use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::work_budget::Asker;

/// How many layers are read at the same time. Each holds a connection to its registry, and they take turns to be unpacked.
pub(crate) const PASSES_AT_ONCE: usize = 16;

/// How many layers may wait to be read, or be read, at the same time. Who wants one more is told to come again.
const MAX_PASSES: usize = 1_000;

/// How many clients there are before those that are gone are forgotten.
const SHARES: usize = 1024;

/// What a pass has to read once nobody waits for it, 64 KiB in a second: a registry that is slower must not keep it from others
/// for ever. Passes that take turns read nothing for some seconds.
const ABANDONED_PACE: Pace = Pace { bytes: 60 * 64 * 1024, each: Duration::from_secs(60) };

/// So many bytes in such a time.
#[derive(Clone, Copy)]
struct Pace {
    bytes: u64,
    each: Duration,
}

/// Layers that are being read.
pub(crate) struct LayerPasses<K = BlobAt, T = Learnt> {
    passes: Mutex<HashMap<K, watch::Sender<State<T>>>>,
    room: Arc<Semaphore>,
    at_once: usize,
    abandoned_pace: Pace,
    of_clients: Mutex<HashMap<Asker, Weak<Share>>>,
}

/// How far a pass is.
#[derive(Clone)]
enum State<T> {
    /// It begins when it is the turn of somebody who waits.
    Waiting,
    Running,
    /// What has come of it, if anything has.
    Ended(Option<T>),
}

/// What a client may have of all passes.
struct Share {
    room: Arc<Semaphore>,
    /// How many of its may wait.
    waiting: Semaphore,
}

/// The right to read a layer.
struct Room {
    /// Of the client's share, which is one as long as somebody has it.
    _own: (Arc<Share>, OwnedSemaphorePermit),
    _all: OwnedSemaphorePermit,
}

/// Somebody who waits for a pass. With the last of them goes one that has not begun.
struct Waiter<K: Eq + Hash, T> {
    passes: Arc<LayerPasses<K, T>>,
    key: K,
    state: Option<watch::Receiver<State<T>>>,
}

impl<K, T> LayerPasses<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// No passes, of which so many go on at once.
    pub(crate) fn new(at_once: usize) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            passes: Mutex::default(),
            room: Arc::new(Semaphore::new(at_once)),
            at_once,
            abandoned_pace: ABANDONED_PACE,
            of_clients: Mutex::default(),
        }
    }

    /// What comes of reading a layer, by the pass that is under way or by `pass`, which counts what it has read. Nothing where
    /// there is no room for one more, or where nothing came of it: whoever comes again begins anew.
    pub(super) async fn join<F>(
        self: &Arc<Self>,
        key: K,
        asker: Asker,
        pass: impl FnOnce(Arc<AtomicU64>) -> F,
    ) -> Option<T>
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let mut waiter = self.wait(key)?;
        let state = waiter.state.as_mut()?;
        let is_waiting = matches!(*state.borrow_and_update(), State::Waiting);
        if is_waiting {
            tokio::select! {
                biased;
                _ = state.wait_for(|state| !matches!(state, State::Waiting)) => {}
                room = self.room(asker) => self.begin(&waiter.key, room?, pass),
            }
        }
        let ended = waiter.state.as_mut()?.wait_for(|state| matches!(state, State::Ended(_))).await;
        match &*ended.ok()? {
            State::Ended(outcome) => outcome.clone(),
            State::Waiting | State::Running => None,
        }
    }

    fn wait(self: &Arc<Self>, key: K) -> Option<Waiter<K, T>> {
        let mut passes = self.lock();
        let state = match passes.get(&key) {
            Some(pass) => pass.subscribe(),
            None if passes.len() >= MAX_PASSES => return None,
            None => {
                let (pass, state) = watch::channel(State::Waiting);
                passes.insert(key.clone(), pass);
                state
            }
        };
        drop(passes);
        Some(Waiter { passes: Arc::clone(self), key, state: Some(state) })
    }

    /// Waits for the turn of a client, if not too many wait for that.
    async fn room(&self, asker: Asker) -> Option<Room> {
        let share = self.share(asker);
        let permit = {
            let _waiting = share.waiting.try_acquire().ok()?;
            Arc::clone(&share.room).acquire_owned().await.ok()?
        };
        // Of each client no more wait here than it may have.
        let all = Arc::clone(&self.room).acquire_owned().await.ok()?;
        Some(Room { _own: (share, permit), _all: all })
    }

    /// A client's share, or that of an address that many clients may have, which leaves as much as one's to others.
    fn share(&self, asker: Asker) -> Arc<Share> {
        let mut of_clients = self.of_clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = of_clients.get(&asker).and_then(Weak::upgrade) {
            return share;
        }
        if of_clients.len() >= SHARES {
            of_clients.retain(|_, share| share.strong_count() > 0);
        }
        let part = |all: usize| Semaphore::new(asker.part_of(all));
        let share = Arc::new(Share { room: Arc::new(part(self.at_once)), waiting: part(MAX_PASSES) });
        of_clients.insert(asker, Arc::downgrade(&share));
        share
    }

    /// Begins a pass, unless somebody else has.
    fn begin<F>(self: &Arc<Self>, key: &K, room: Room, pass: impl FnOnce(Arc<AtomicU64>) -> F)
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let passes = self.lock();
        let Some(state) = passes.get(key).filter(|state| matches!(*state.borrow(), State::Waiting)) else {
            return;
        };
        state.send_replace(State::Running);
        let (state, read) = (state.clone(), Arc::new(AtomicU64::new(0)));
        let work = AssertUnwindSafe(pass(Arc::clone(&read))).catch_unwind();
        let (passes, key) = (Arc::clone(self), key.clone());
        tokio::spawn(async move {
            let _room = room;
            // Where it panics, or takes too long for nobody, those who come next begin anew.
            let outcome = tokio::select! {
                outcome = work => outcome.ok().flatten(),
                () = is_too_slow(&state, &read, passes.abandoned_pace) => None,
            };
            passes.lock().remove(&key);
            state.send_replace(State::Ended(outcome));
        });
    }
}

impl<K, T> LayerPasses<K, T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, watch::Sender<State<T>>>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends where nobody waits for a pass, and hardly anything comes of its layer.
async fn is_too_slow<T>(state: &watch::Sender<State<T>>, read: &AtomicU64, pace: Pace) {
    loop {
        state.closed().await;
        let before = read.load(Ordering::Relaxed);
        tokio::time::sleep(pace.each).await;
        if state.is_closed() && read.load(Ordering::Relaxed).saturating_sub(before) < pace.bytes {
            return;
        }
    }
}

impl<K: Eq + Hash, T> Drop for Waiter<K, T> {
    fn drop(&mut self) {
        self.state = None;
        let mut passes = self.passes.lock();
        let is_unwanted =
            |pass: &watch::Sender<State<T>>| pass.is_closed() && matches!(*pass.borrow(), State::Waiting);
        if passes.get(&self.key).is_some_and(is_unwanted) {
            passes.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::future::{pending, ready};
    use core::pin::Pin;

    use futures_util::future::join;
    use tokio::sync::oneshot;

    use super::*;

    fn passes(at_once: usize) -> Arc<LayerPasses<u32, u32>> {
        Arc::new(LayerPasses::new(at_once))
    }

    /// The same, where one that nobody waits for has to read so many bytes each moment.
    fn passes_with_pace(bytes: u64) -> Arc<LayerPasses<u32, u32>> {
        let abandoned_pace = Pace { bytes, each: Duration::from_millis(1) };
        Arc::new(LayerPasses { abandoned_pace, ..LayerPasses::new(1) })
    }

    fn asker(number: u8) -> Asker {
        Asker { client: [192, 0, 2, number].into(), is_shared: false }
    }

    type Joined = Pin<Box<dyn Future<Output = Option<u32>>>>;

    /// Somebody who waits for a pass that ends when it is told to, and what tells it.
    fn joined(passes: &Arc<LayerPasses<u32, u32>>, key: u32, from: u8) -> (Joined, oneshot::Sender<u32>) {
        let (end, ended) = oneshot::channel();
        let passes = Arc::clone(passes);
        let join = async move {
            let pass = |read: Arc<AtomicU64>| async move {
                let _read = read;
                ended.await.ok()
            };
            passes.join(key, asker(from), pass).await
        };
        (Box::pin(join), end)
    }

    /// Has everything that can go on do so.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    fn is_pending(future: &mut Joined) -> bool {
        future.as_mut().now_or_never().is_none()
    }

    #[tokio::test]
    async fn a_layer_is_read_once_for_all_who_wait() {
        let passes = passes(4);
        let (first, end) = joined(&passes, 1, 1);
        let second =
            passes.join(1, asker(2), |_| -> core::future::Ready<Option<u32>> { panic!("it is read twice") });
        let (first, second) = join(first, async {
            settle().await;
            let (outcome, ()) = join(second, async { end.send(7).unwrap() }).await;
            outcome
        })
        .await;
        assert_eq!((first, second), (Some(7), Some(7)));
        assert!(passes.lock().is_empty());
    }

    #[tokio::test]
    async fn a_pass_that_nobody_waits_for_goes_on_to_the_end_of_its_layer() {
        let passes = passes_with_pace(0);
        let (mut leaves, end) = joined(&passes, 1, 1);
        assert!(is_pending(&mut leaves));
        drop(leaves);
        // Long enough that it would have been looked at.
        tokio::time::sleep(Duration::from_millis(10)).await;
        // Whoever comes then has its outcome, and whoever wants another layer waits for the end of this one.
        let (comes, _) = joined(&passes, 1, 1);
        let (mut other, _other_end) = joined(&passes, 2, 2);
        assert!(is_pending(&mut other));
        let (comes, ()) = join(comes, async { end.send(7).unwrap() }).await;
        assert_eq!(comes, Some(7));
    }

    #[tokio::test]
    async fn a_pass_that_nobody_waits_for_ends_where_its_registry_is_too_slow() {
        let passes = passes_with_pace(1);
        let (mut leaves, _end) = joined(&passes, 1, 1);
        assert!(is_pending(&mut leaves));
        drop(leaves);
        assert_eq!(passes.join(2, asker(2), |_| ready(Some(7))).await, Some(7));
        settle().await;
        assert!(passes.lock().is_empty());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_begun() {
        let passes = passes(1);
        let (mut running, end) = joined(&passes, 1, 1);
        assert!(is_pending(&mut running));
        let (mut waits, _) = joined(&passes, 2, 2);
        assert!(is_pending(&mut waits));
        assert_eq!(passes.lock().len(), 2);
        drop(waits);
        assert_eq!(passes.lock().len(), 1);
        // Of two who wait for the same the second keeps it.
        let (mut third, third_end) = joined(&passes, 3, 2);
        let (mut fourth, fourth_end) = joined(&passes, 3, 3);
        assert!(is_pending(&mut third) && is_pending(&mut fourth));
        drop((third, third_end));
        end.send(1).unwrap();
        assert_eq!(running.await, Some(1));
        fourth_end.send(4).unwrap();
        assert_eq!(fourth.await, Some(4));
    }

    #[tokio::test]
    async fn one_client_has_its_share_of_the_passes_and_no_more() {
        let passes = passes(4);
        let (mut first, end) = joined(&passes, 1, 1);
        let (mut second, second_end) = joined(&passes, 2, 1);
        assert!(is_pending(&mut first) && is_pending(&mut second));
        settle().await;
        assert_eq!(passes.room.available_permits(), 3);
        // Somebody else is not behind it, neither with a layer of its own nor with one that this client waits for.
        assert_eq!(passes.join(3, asker(2), |_| ready(Some(3))).await, Some(3));
        let (same, same_end) = joined(&passes, 2, 2);
        same_end.send(5).unwrap();
        assert_eq!(join(same, second).await, (Some(5), Some(5)));
        drop(second_end);
        end.send(1).unwrap();
        assert_eq!(first.await, Some(1));
        // Many clients at one address leave room for another one.
        let many = Asker { is_shared: true, ..asker(1) };
        let mut all: Vec<_> = (10..14).map(|key| Box::pin(passes.join(key, many, |_| pending()))).collect();
        assert!(all.iter_mut().all(|one| one.as_mut().now_or_never().is_none()));
        assert_eq!(passes.room.available_permits(), 1);
    }

    #[tokio::test]
    async fn who_waits_for_more_layers_than_may_wait_comes_again() {
        let passes = passes(1);
        let wait = |key: usize, from: u8| {
            let (mut waits, end) = joined(&passes, u32::try_from(key).unwrap(), from);
            (waits.as_mut().now_or_never(), waits, end)
        };
        let of_client = asker(1).part_of(MAX_PASSES);
        // One is read, and does not wait.
        let waiting: Vec<_> = (0..=of_client).map(|key| wait(key, 1)).collect();
        assert!(waiting.iter().all(|(outcome, ..)| outcome.is_none()));
        assert_eq!(wait(5000, 1).0, Some(None));
        assert_eq!(wait(5000, 2).0, None);
        drop(waiting);
        assert_eq!(wait(5000, 1).0, None);
    }

    #[tokio::test]
    async fn a_pass_that_panics_is_no_pass() {
        let passes = passes(1);
        let panics = |_| async { panic!("a test of panics") };
        assert_eq!(passes.join(1, asker(1), panics).await, None);
        assert_eq!(passes.join(1, asker(1), |_| ready(Some(1))).await, Some(1));
    }
}
