//! The clients behind requests and connections, and how many of these each has.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use ipnet::IpNet;

use crate::settings::Settings;
use crate::work_budget::Asker;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The address of the client, as far as that is known.
    pub(super) address: IpAddr,
    /// Why it may be that of many clients.
    pub(super) shared: Option<Shared>,
}

/// Why an address may be that of many clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shared {
    /// It is this machine, where proxies run as well.
    Loopback {
        /// Whether the request has an `X-Forwarded-For`, which is not believed.
        forwards: bool,
    },
    /// It is a trusted proxy that does not say in `X-Forwarded-For` whom it asks for.
    Proxy,
}

impl Origin {
    /// The origin of a request on a connection from `peer`: that address, or, where it is of a trusted proxy, the last
    /// one in `X-Forwarded-For` that is not.
    pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: IpAddr| is_trusted(address, trusted);
        let peer = peer.to_canonical();
        if !is_trusted(peer) {
            let forwards = headers.contains_key(FORWARDED_FOR);
            let shared = peer.is_loopback().then_some(Shared::Loopback { forwards });
            return Self { address: peer, shared };
        }
        let lines: Vec<_> =
            headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        let named = lines.iter().rev().flat_map(|line| line.rsplit(','));
        let mut last = peer;
        for address in named.map_while(|text| text.trim().parse::<IpAddr>().ok()) {
            last = address.to_canonical();
            if !is_trusted(last) {
                break;
            }
        }
        Self { address: last, shared: is_trusted(last).then_some(Shared::Proxy) }
    }

    /// Whom it is worked for.
    pub(super) fn asker(&self) -> Asker {
        Asker { client: client_of(self.address), is_shared: self.shared.is_some() }
    }
}

/// The header in which proxies say whom they ask for.
const FORWARDED_FOR: &str = "x-forwarded-for";

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// How many connections from `peer` there may be at once, if that is limited: the connections of a trusted proxy are
/// those of many clients.
pub(super) fn connection_limit(settings: &Settings, peer: IpAddr) -> Option<usize> {
    let peer = peer.to_canonical();
    if is_trusted(peer, &settings.trusted_proxy) {
        return None;
    }
    settings.connections_of_one(peer.is_loopback())
}

/// How many requests, or connections, each client has. Clients without any take no room.
#[derive(Default)]
pub(crate) struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A request or a connection of a client, as long as it counts.
pub(crate) struct Permit {
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
    client: IpAddr,
}

impl Clients {
    /// Admits one more of the client with this address, if it has fewer than `limit`.
    pub(crate) fn admit(&self, address: IpAddr, limit: usize) -> Option<Permit> {
        let client = client_of(address.to_canonical());
        let mut requests = lock(&self.0);
        let count = requests.entry(client).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Permit { clients: Arc::clone(&self.0), client })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut requests = lock(&self.clients);
        if let Some(count) = requests.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                requests.remove(&self.client);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, or the first half of an IPv6 address.
pub(crate) fn client_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

fn lock(requests: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_believed_as_far_as_they_are_trusted() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let from = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            Origin::of(peer.parse().unwrap(), &headers, &trusted).address.to_string()
        };
        assert_eq!(from("192.0.2.1", &["192.0.2.9"]), "192.0.2.1");
        assert_eq!(from("10.0.0.1", &["192.0.2.9"]), "192.0.2.9");
        assert_eq!(from("::ffff:10.0.0.1", &["192.0.2.8, 192.0.2.9, 10.1.1.1"]), "192.0.2.9");
        assert_eq!(from("10.0.0.1", &["192.0.2.8", "192.0.2.9"]), "192.0.2.9");
        assert_eq!(from("::1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(from("10.0.0.1", &["nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn addresses_that_may_be_of_many_clients_are_known_as_such() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let shared = |peer: &str, line: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(line) = line {
                headers.insert(FORWARDED_FOR, line.parse().unwrap());
            }
            Origin::of(peer.parse().unwrap(), &headers, &trusted).shared
        };
        let line = Some("192.0.2.9");
        assert_eq!(shared("192.0.2.1", line), None);
        assert_eq!(shared("10.0.0.1", line), None);
        assert_eq!(shared("10.0.0.1", None), Some(Shared::Proxy));
        assert_eq!(shared("10.0.0.1", Some("unknown")), Some(Shared::Proxy));
        assert_eq!(shared("::ffff:127.0.0.1", None), Some(Shared::Loopback { forwards: false }));
        assert_eq!(shared("::1", line), Some(Shared::Loopback { forwards: true }));
    }

    #[test]
    fn connections_are_limited_by_client_where_that_is_one() {
        let trusted_proxy = vec!["10.0.0.0/8".parse().unwrap()];
        let limit = |settings: &Settings, peer: &str| connection_limit(settings, peer.parse().unwrap());
        let usual = Settings { trusted_proxy, ..Settings::default() };
        assert_eq!(limit(&usual, "192.0.2.1"), Some(512));
        assert_eq!(limit(&usual, "2001:db8::1"), Some(512));
        for many in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1"] {
            assert_eq!(limit(&usual, many), None, "{many}");
        }
        let few = Settings { max_connections: 100, ..usual.clone() };
        assert_eq!(limit(&few, "192.0.2.1"), Some(25));
        let said = Settings { client_connections: Some(7), ..usual };
        assert_eq!((limit(&said, "127.0.0.1"), limit(&said, "10.0.0.1")), (Some(7), None));
    }

    #[test]
    fn a_client_has_so_many_requests_and_no_more() {
        let clients = Clients::default();
        let admit = |address: &str| clients.admit(address.parse().unwrap(), 2);
        let held = (admit("2001:db8::1"), admit("2001:db8::2"));
        assert!(held.0.is_some() && held.1.is_some() && admit("2001:db8::3").is_none());
        assert!(admit("2001:db8:0:1::1").is_some());
        drop(held);
        assert!(admit("2001:db8::3").is_some());
        assert!(lock(&clients.0).is_empty());
    }
}
