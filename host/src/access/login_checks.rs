//! Logins that are checked: few at once, so that they leave the machine to others, and few of each client, so that one
//! with many keeps nobody else waiting.

use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use moka::Expiry;
use moka::future::Cache;
use tokio::sync::Semaphore;
use tokio::task;

use super::callers::{MAX_REMEMBERED, REMEMBERED};
use crate::metrics::METRICS;
use crate::server::client::Clients;

/// How many logins of one client may be checked or wait for it: two, for a client that changes its password, or two
/// users behind one address. Requests with the same name and password share a check.
const MAX_OF_CLIENT: usize = 2;

/// How many logins may be checked or wait for it, in all. At the cost of 10, which is some 50 ms, the last one waits for
/// about three seconds on two cores.
const MAX_IN_ALL: usize = 64;

/// How long it is remembered that a name and password are wrong: long enough that a client which tries the same ones
/// over and over costs next to nothing, and too short to be in the way of anybody.
const FAILURE_REMEMBERED: Duration = Duration::from_secs(10);

/// How often a login is tried that was refused along with another client's of the same name and password.
const MAX_ATTEMPTS: usize = 3;

/// The number of the reading of the users, and the keyed hash of a name and password.
pub(super) type LoginKey = (u64, [u8; 32]);

/// The checks that are under way and the verdicts of those that were lately.
pub(super) struct LoginChecks {
    /// By keyed hash, true for those that were right. Failures cannot push out many of them: in the time for which they
    /// are remembered, no more than some thousand can be checked.
    verdicts: Cache<LoginKey, bool>,
    clients: Clients,
    places: Arc<Semaphore>,
    processors: Arc<Semaphore>,
}

/// Why a login was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotChecked {
    /// There are [`MAX_OF_CLIENT`] of this client already.
    ClientBusy,
    /// There are [`MAX_IN_ALL`] already.
    AllBusy,
}

/// A login that was not checked, and whose it was.
struct Refused {
    client: IpAddr,
    why: NotChecked,
}

/// How long verdicts are remembered.
struct Lifetimes;

impl Expiry<LoginKey, bool> for Lifetimes {
    fn expire_after_create(&self, _: &LoginKey, is_right: &bool, _: Instant) -> Option<Duration> {
        Some(if *is_right { REMEMBERED } else { FAILURE_REMEMBERED })
    }
}

impl LoginChecks {
    pub(super) fn new() -> Self {
        // Half of the machine is left to those who are logged in.
        let processors = thread::available_parallelism().map_or(1, usize::from).div_ceil(2);
        Self {
            verdicts: Cache::builder().max_capacity(MAX_REMEMBERED).expire_after(Lifetimes).build(),
            clients: Clients::default(),
            places: Arc::new(Semaphore::new(MAX_IN_ALL)),
            processors: Arc::new(Semaphore::new(processors)),
        }
    }

    /// The verdict on the login `key` of `client`: as it is remembered, or else as `is_right` finds, which takes a
    /// processor for as long as bcrypt does.
    ///
    /// # Errors
    /// [`NotChecked`].
    pub(super) async fn check(
        &self,
        key: LoginKey,
        client: IpAddr,
        is_right: impl FnOnce() -> bool + Clone + Send + 'static,
    ) -> Result<bool, NotChecked> {
        let mut attempts = 1..=MAX_ATTEMPTS;
        loop {
            attempts.next();
            let run = Box::pin(self.run(client, is_right.clone()));
            match self.verdicts.try_get_with(key, run).await {
                Ok(verdict) => return Ok(verdict),
                Err(refused) if refused.client == client || attempts.is_empty() => {
                    METRICS.refused.with_label_values(&["logins"]).inc();
                    return Err(refused.why);
                }
                // The check that this one would have shared is another client's, which has too many.
                Err(_) => {}
            }
        }
    }

    async fn run(
        &self,
        client: IpAddr,
        is_right: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<bool, Refused> {
        let refused = |why| Refused { client, why };
        let of_client = self.clients.admit(client, MAX_OF_CLIENT);
        let of_client = of_client.ok_or_else(|| refused(NotChecked::ClientBusy))?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| refused(NotChecked::AllBusy))?;
        // In the order in which they came. A client that hangs up leaves the queue.
        let processor = Arc::clone(&self.processors).acquire_owned().await;
        let processor = processor.map_err(|_| refused(NotChecked::AllBusy))?;
        let checked = task::spawn_blocking(move || {
            let is_right = is_right();
            // Here, for the check goes on when its client has hung up.
            drop((of_client, place, processor));
            is_right
        });
        Ok(checked.await.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const ATTACKER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2));

    fn key(number: u8) -> LoginKey {
        (0, [number; 32])
    }

    /// A check that goes on until the sender is gone.
    fn slow() -> (mpsc::Sender<()>, impl FnOnce() -> bool + Clone + Send + 'static) {
        let (sender, receiver) = mpsc::channel::<()>();
        let receiver = Arc::new(std::sync::Mutex::new(receiver));
        (sender, move || receiver.lock().unwrap().recv().is_ok())
    }

    /// What comes of a check that waits for no other one; a failure is told rather than waited for.
    async fn soon<T>(check: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(60), check).await.expect("it waits for others")
    }

    /// Waits until as many logins are checked or wait for it.
    async fn until_waiting(checks: &LoginChecks, number: usize) {
        while checks.places.available_permits() != MAX_IN_ALL - number {
            task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_client_with_many_logins_keeps_nobody_else_waiting() {
        let checks = Arc::new(LoginChecks::new());
        let mut held = Vec::new();
        let mut running = Vec::new();
        for number in 0..MAX_OF_CLIENT {
            let (sender, is_right) = slow();
            held.push(sender);
            let checks = Arc::clone(&checks);
            running.push(task::spawn(async move {
                checks.check(key(u8::try_from(number).unwrap()), ATTACKER, is_right).await
            }));
        }
        until_waiting(&checks, MAX_OF_CLIENT).await;
        for number in 100..200 {
            let refused = soon(checks.check(key(number), ATTACKER, || true)).await;
            assert_eq!(refused, Err(NotChecked::ClientBusy), "{number}");
        }
        // Another client waits for those two, and for nothing else.
        let other = {
            let checks = Arc::clone(&checks);
            task::spawn(async move { checks.check(key(99), OTHER, || true).await })
        };
        until_waiting(&checks, MAX_OF_CLIENT + 1).await;
        drop(held);
        assert_eq!(other.await.unwrap(), Ok(true));
        for running in running {
            assert_eq!(running.await.unwrap(), Ok(false));
        }
        assert_eq!(checks.check(key(100), ATTACKER, || true).await, Ok(true));
    }

    #[tokio::test]
    async fn the_queue_has_an_end() {
        let checks = Arc::new(LoginChecks::new());
        let _all = Arc::clone(&checks.places).try_acquire_many_owned(MAX_IN_ALL as u32).unwrap();
        assert_eq!(soon(checks.check(key(1), OTHER, || true)).await, Err(NotChecked::AllBusy));
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_leaves_the_queue() {
        let checks = Arc::new(LoginChecks::new());
        let all = checks.processors.available_permits() as u32;
        let processors = Arc::clone(&checks.processors).try_acquire_many_owned(all).unwrap();
        let waiting = {
            let checks = Arc::clone(&checks);
            task::spawn(async move { checks.check(key(1), ATTACKER, || panic!("it is checked")).await })
        };
        until_waiting(&checks, 1).await;
        waiting.abort();
        until_waiting(&checks, 0).await;
        drop(processors);
        assert_eq!(checks.check(key(1), ATTACKER, || true).await, Ok(true));
    }

    #[tokio::test]
    async fn the_same_login_is_checked_once() {
        let checks = LoginChecks::new();
        let count = Arc::new(AtomicUsize::new(0));
        for verdict in [true, false] {
            let check = || {
                let count = Arc::clone(&count);
                let is_right = move || {
                    count.fetch_add(1, Ordering::Relaxed);
                    verdict
                };
                checks.check(key(u8::from(verdict)), ATTACKER, is_right)
            };
            let all = tokio::join!(check(), check(), check(), check());
            assert_eq!(all, (Ok(verdict), Ok(verdict), Ok(verdict), Ok(verdict)));
            assert_eq!(check().await, Ok(verdict));
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
        // Of other users, who may have other passwords.
        assert_eq!(checks.check((1, [0; 32]), ATTACKER, || true).await, Ok(true));
    }

    #[test]
    fn a_failure_is_remembered_for_less_long() {
        let lifetime = |is_right| Lifetimes.expire_after_create(&key(0), &is_right, Instant::now());
        assert_eq!((lifetime(true), lifetime(false)), (Some(REMEMBERED), Some(FAILURE_REMEMBERED)));
    }
}
