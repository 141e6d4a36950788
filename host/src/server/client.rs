//! Whom a request comes from, and how many of its requests are under way.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use ipnet::IpNet;

/// The address that a request comes from: that of the connection, or, where that is of a trusted proxy, the last one in
/// `X-Forwarded-For` that is not.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let peer = peer.to_canonical();
    if trusted.is_empty() || !is_trusted(peer) {
        return peer;
    }
    let lines: Vec<_> =
        headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    let named = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut last = peer;
    for address in named.map_while(|text| text.trim().parse::<IpAddr>().ok()) {
        last = address.to_canonical();
        if !is_trusted(last) {
            break;
        }
    }
    last
}

/// How many requests of each client are under way. Those with none take no room.
#[derive(Default)]
pub(crate) struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A request that is under way.
pub(crate) struct Permit {
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
    client: IpAddr,
}

impl Clients {
    /// Admits a request, if fewer than `limit` of its client are under way.
    pub(crate) fn admit(&self, address: IpAddr, limit: usize) -> Option<Permit> {
        let client = client_of(address);
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

/// What counts as one client: an IPv4 address, or the network of the first half of an IPv6 address, all of which one
/// client has.
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
            address(peer.parse().unwrap(), &headers, &trusted).to_string()
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
