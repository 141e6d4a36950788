//! Mirrors: by which names clients know the registries that they ask this server for.
//!
//! containerd says in its query which registry an image is of (`?ns=ghcr.io`); others put its host before the name
//! (`ghcr.io/owner/app`). Neither is ever an address to dial: it is looked up among the registries that there are.

use alloc::string::String;
use core::fmt;

use crate::query::query_pairs;
use crate::registry_name::{NAMESPACE, RegistryName};
use crate::{Response, error};

/// Which registry the query of a request names, if any. An empty one names none.
///
/// # Errors
/// The response where it names two, of which another reader could take the other one, or no host: 400, and 404.
pub(crate) fn asked_for(query: &str) -> Result<Option<RegistryName>, Response> {
    let mut asked: Option<RegistryName> = None;
    for (_, value) in query_pairs(query).filter(|(key, value)| key == NAMESPACE && !value.is_empty()) {
        let name = RegistryName::parse(&value).ok_or_else(|| error::unknown_registry(&value))?;
        match &asked {
            Some(other) if *other != name => {
                return Err(error::registry_mismatch(name.as_str(), other.as_str()));
            }
            _ => asked = Some(name),
        }
    }
    Ok(asked)
}

/// The hosts of registries, of which some labels may be any: `*.azurecr.io`, `*.dkr.ecr.*.amazonaws.com`. A `*` stands for
/// one label, as in certificates (RFC 9525, 6.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern(String);

impl HostPattern {
    /// Reads a pattern; nothing if the text is not one, or would match an address or any host at all: the last label is always a
    /// name, and there are others.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (host, port) = split_port(&text);
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let mut labels = host.split('.');
        let last = labels.next_back()?;
        let is_name = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let mut others = labels.peekable();
        let is_pattern = others.peek().is_some() && others.all(|label| label == "*" || is_label(label));
        (is_port && is_name && is_pattern && host.contains('*') && text.len() <= 255).then_some(Self(text))
    }

    /// Whether a host, with its port if that is not HTTPS's own, is one of them.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let ((own, own_port), (host, port)) = (split_port(&self.0), split_port(host));
        let mut labels = host.split('.');
        let fits = |own: &str, label: &str| is_label(label) && (own == "*" || own == label);
        let is_same = own.split('.').all(|own| labels.next().is_some_and(|label| fits(own, label)));
        is_same && labels.next().is_none() && own_port == port
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port)))
}

/// Whether this can be a part of a host's name (RFC 1123, 2.1).
fn is_label(text: &str) -> bool {
    let in_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= 63
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(in_label)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::split_registry;

    #[test]
    fn docker_hub_is_one_registry_under_all_its_names() {
        for name in ["docker.io", "Docker.IO", "index.docker.io", "registry-1.docker.io"] {
            assert!(RegistryName::parse(name).unwrap().is_docker_hub(), "{name}");
        }
        for name in ["docker.io.example.org", "docker.io:443", "quay.io"] {
            assert!(!RegistryName::parse(name).unwrap().is_docker_hub(), "{name}");
        }
    }

    #[test]
    fn the_query_names_one_registry_or_none() {
        let asked = |query| {
            asked_for(query).map(|name| name.map(|name| name.to_string())).map_err(|error| error.status)
        };
        for query in ["", "n=1", "ns=", "ns", "xns=a.org", "NS=a.org"] {
            assert_eq!(asked(query), Ok(None), "{query}");
        }
        for query in
            ["ns=ghcr.io", "n=1&ns=GHCR.io", "ns=ghcr.io&ns=ghcr.io", "%6es=ghcr%2eio", "ns=&ns=ghcr.io"]
        {
            assert_eq!(asked(query), Ok(Some("ghcr.io".to_string())), "{query}");
        }
        assert_eq!(asked("ns=127.0.0.1%3A5000"), Ok(Some("127.0.0.1:5000".to_string())));
        assert_eq!(asked("ns=ghcr.io&ns=quay.io"), Err(400));
        for query in
            ["ns=http://ghcr.io", "ns=a%2f..", "ns=user%40ghcr.io", "ns=gh+cr.io", "ns=%0a", "ns=a%3fb"]
        {
            assert_eq!(asked(query), Err(404), "{query}");
        }
    }

    #[test]
    fn the_first_component_may_be_a_registry() {
        for (name, registry) in [
            ("ghcr.io/owner/app", Some("ghcr.io")),
            ("localhost/app", Some("localhost")),
            ("localhost:5000/app", Some("localhost:5000")),
            ("owner/app.io", None),
            ("ghcr.io", None),
            ("localhosts/app", None),
        ] {
            assert_eq!(split_registry(name).map(|(registry, _)| registry), registry, "{name}");
        }
    }

    #[test]
    fn a_star_is_one_label() {
        let pattern = |text| HostPattern::parse(text).unwrap();
        let ecr = pattern("*.dkr.ecr.*.amazonaws.com");
        assert!(ecr.matches("123456789012.dkr.ecr.eu-west-1.amazonaws.com"));
        for other in [
            "dkr.ecr.eu-west-1.amazonaws.com",
            "a.b.dkr.ecr.x.amazonaws.com",
            "a.dkr.ecr.x.amazonaws.com.evil.org",
        ] {
            assert!(!ecr.matches(other), "{other}");
        }
        let azure = pattern("*.AzureCR.io");
        assert!(azure.matches("team.azurecr.io"));
        for other in [
            "azurecr.io",
            ".azurecr.io",
            "a.b.azurecr.io",
            "evilazurecr.io",
            "a.azurecr.io:5000",
            "*.azurecr.io",
            "-.azurecr.io",
        ] {
            assert!(!azure.matches(other), "{other}");
        }
        assert!(pattern("*.example.org:5000").matches("a.example.org:5000"));
        assert!(!pattern("*.example.org:5000").matches("a.example.org"));
    }

    #[test]
    fn patterns_are_of_names() {
        for text in [
            "", "*", "*.", ".*", "a.io", "*.*", "10.0.0.*", "*.0.0.1", "*io", "a*.io", "*..io", "*.io:0",
            "*.io:x", "*/x.io",
        ] {
            assert_eq!(HostPattern::parse(text), None, "{text}");
        }
    }
}
