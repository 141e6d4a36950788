//! Failed logins, as the log tells of them: each client's first one, and then how many more there are.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{task, time};

use crate::log;
use crate::server::client::client_of;

/// How often the log tells of one client, so that nobody can flood it.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// How many clients the log tells of one by one. More are counted together.
const MAX_CLIENTS: usize = 256;

/// How many characters of a user's name are logged.
const MAX_NAME_CHARS: usize = 64;

/// The clients that have failed to log in lately.
pub(super) struct FailedLogins(Arc<Mutex<Counts>>);

/// How many failed logins each client has had since the log told of it; without an address, all others.
#[derive(Default)]
struct Counts(HashMap<Option<IpAddr>, u64>);

/// Why a login failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// There is no such user, or the password is another one.
    Wrong,
    /// The password is longer than bcrypt looks at, or has a NUL.
    Password,
}

impl FailedLogins {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Notes a failed login, and logs it if it is the client's first one for a while.
    pub(super) fn note(&self, client: IpAddr, username: &str, reason: Reason) {
        let Some(counted) = lock(&self.0).note(client) else { return };
        let name: String = username.chars().take(MAX_NAME_CHARS).collect();
        let reason = match reason {
            Reason::Wrong => "the user name or the password is wrong",
            Reason::Password => {
                "the password has more than 72 bytes or a NUL: bcrypt cannot tell it from others"
            }
        };
        log::warn(format_args!("a login of `{name}` from {client} failed: {reason}"));
        let counts = Arc::clone(&self.0);
        task::spawn(async move {
            loop {
                time::sleep(LOG_INTERVAL).await;
                let Some(more) = lock(&counts).take(counted) else { return };
                let from = counted.map_or_else(|| "other clients".to_owned(), |client| client.to_string());
                let seconds = LOG_INTERVAL.as_secs();
                log::warn(format_args!(
                    "{more} more logins from {from} failed in the last {seconds} seconds"
                ));
            }
        });
    }
}

impl Counts {
    /// Counts a failed login. If the log has to tell of it, it gives the key to [`take`](Self::take) what follows.
    fn note(&mut self, client: IpAddr) -> Option<Option<IpAddr>> {
        let client = Some(client_of(client));
        let is_one_by_one = self.0.contains_key(&client) || self.0.len() < MAX_CLIENTS;
        match self.0.entry(client.filter(|_| is_one_by_one)) {
            Entry::Occupied(mut count) => {
                *count.get_mut() += 1;
                None
            }
            Entry::Vacant(place) => {
                let key = *place.key();
                place.insert(0);
                Some(key)
            }
        }
    }

    /// How many there were since the log told of them; `None` if there were none, and the next one is a first one again.
    fn take(&mut self, key: Option<IpAddr>) -> Option<u64> {
        let count = core::mem::take(self.0.get_mut(&key)?);
        if count == 0 {
            self.0.remove(&key);
        }
        Some(count).filter(|count| *count > 0)
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    fn client(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    #[test]
    fn a_client_is_told_of_once_and_then_counted() {
        let mut counts = Counts::default();
        let key = counts.note(client(1)).unwrap();
        for _ in 0..99 {
            assert_eq!(counts.note(client(1)), None);
        }
        assert!(counts.note(client(2)).is_some());
        assert_eq!(counts.take(key), Some(99));
        // It is still told of by count only, until there is nothing to count.
        assert_eq!(counts.note(client(1)), None);
        assert_eq!((counts.take(key), counts.take(key)), (Some(1), None));
        assert_eq!(counts.note(client(1)), Some(key));
    }

    #[test]
    fn a_network_is_one_client() {
        let mut counts = Counts::default();
        assert!(counts.note("2001:db8::1".parse().unwrap()).is_some());
        assert!(counts.note("2001:db8::2".parse().unwrap()).is_none());
        assert!(counts.note("2001:db8:0:1::1".parse().unwrap()).is_some());
    }

    #[test]
    fn clients_that_are_too_many_are_counted_together() {
        let mut counts = Counts::default();
        let told = (0..10_000).filter(|number| counts.note(client(*number)).is_some()).count();
        assert_eq!((told, counts.0.len()), (MAX_CLIENTS + 1, MAX_CLIENTS + 1));
        assert_eq!(counts.take(None), Some(10_000 - MAX_CLIENTS as u64 - 1));
    }
}
