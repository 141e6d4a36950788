//! Addresses to listen on.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

use downshift_text::Printable;

/// The characters of the longest name of a host (RFC 1035, 2.3.4).
const MAX_HOST: usize = 253;

/// An address to listen on, as it is written: `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`, or `:5000` for every address
/// of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// `None` for every address.
    pub(crate) host: Option<Host>,
    /// The port; 0 for a free one.
    pub(crate) port: u16,
}

/// The host part of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// An address.
    Address(IpAddr),
    /// A name, for all addresses that it has.
    Name(String),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.rsplit_once(':').and_then(|(host, port)| {
            // Not what `parse` takes as well, such as a sign.
            let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())??;
            Some(Self { host: host_of(host)?, port })
        });
        parsed.ok_or_else(|| {
            format!(
                "`{}` is not an address to listen on: write HOST:PORT, such as 127.0.0.1:5000, [::1]:5000 or \
                 localhost:5000, or :PORT for every address",
                Printable::new(text)
            )
        })
    }
}

/// The host that `text` writes, which may be none; `None` if it is not one.
fn host_of(text: &str) -> Option<Option<Host>> {
    if text.is_empty() {
        return Some(None);
    }
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().ok().map(|address| Some(Host::Address(address.into())));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Some(Host::Address(address.into())));
    }
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    // A name that ends in a number is an IPv4 address that is not one (WHATWG URL, 3.5).
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = text.len() <= MAX_HOST && text.bytes().all(in_name) && !last.is_empty() && !is_number;
    is_name.then(|| Some(Host::Name(text.to_owned())))
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host {
            None => write!(f, ":{port}"),
            Some(Host::Address(address)) => SocketAddr::new(*address, *port).fmt(f),
            Some(Host::Name(name)) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in [
            "127.0.0.1:5000",
            "0.0.0.0:0",
            "[::1]:5000",
            "[::]:65535",
            ":5000",
            "localhost:5000",
            "my-host_1.example.org.:80",
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_address_is_told_with_how_to_write_one() {
        for text in [
            "",
            "5000",
            "localhost",
            "127.0.0.1",
            ":",
            ":65536",
            ":+5",
            "localhost:",
            "localhost:http",
            "::1:5000",
            "[localhost]:5000",
            "[127.0.0.1]:5000",
            "256.0.0.1:5000",
            "1.2.3:5000",
            "http://localhost:5000",
            "a b:5000",
            "*:5000",
            ".:5000",
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(
                error.starts_with(&format!("`{text}` is not an address")) && error.contains(":PORT"),
                "{error}"
            );
        }
    }
}
