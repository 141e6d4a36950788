//! Names of registries: hosts, of which Docker Hub has several.

use alloc::string::{String, ToString as _};
use core::fmt;

/// The parameter of the query by which containerd names a registry (containerd, `docs/hosts.md`).
pub(crate) const NAMESPACE: &str = "ns";

/// The name of Docker Hub's registry in names of images.
pub const DOCKER_HUB: &str = "docker.io";

/// The name of a registry in names of images: its host, and the port if it has one. Docker Hub has one name of several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryName(String);

impl RegistryName {
    /// Reads a name; nothing if it is no host.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !is_host(text) {
            return None;
        }
        let name = text.to_ascii_lowercase();
        Some(Self(if is_docker_hub(&name) { DOCKER_HUB.to_string() } else { name }))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is Docker Hub.
    #[must_use]
    pub fn is_docker_hub(&self) -> bool {
        self.0 == DOCKER_HUB
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The registry that a name begins with, and what follows: as Docker tells it from a namespace, the first component is a
/// host if it has a dot or a port in it, or is `localhost`, and is not all of the name (distribution,
/// `reference/normalize.go`).
#[must_use]
pub fn split_registry(name: &str) -> Option<(&str, &str)> {
    let (first, rest) = name.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some((first, rest))
}

/// Whether a host is Docker Hub's, which has the repositories of one component below `library/`.
#[must_use]
pub fn is_docker_hub(host: &str) -> bool {
    ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"].contains(&host)
}

/// The host that a registry is asked at: Docker Hub's is another one than its name says.
#[must_use]
pub fn registry_host(host: &str) -> String {
    (if is_docker_hub(host) { "registry-1.docker.io" } else { host }).to_string()
}

/// Whether `text` is a host and port as they stand in a URL (RFC 3986, 3.2), of which no part can be mistaken for
/// another.
pub(crate) fn is_host(text: &str) -> bool {
    let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !text.is_empty() && text.len() <= 255 && text.bytes().all(in_host)
}
