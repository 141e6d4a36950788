//! The `User-Agent` header: which engine asks, and on which platform it runs.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::{Capabilities, Platform};

use crate::ClientRules;
use crate::client_table::{self, ClientFacts, PrintedErrors};

/// What a `User-Agent` says about its client.
///
/// Docker's begins `docker/1.9.1 go/go1.4.3 git-commit/a34a1d5 kernel/4.2.0 os/linux arch/amd64`; containerd, podman
/// and skopeo name no platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserAgent<'a> {
    /// The first product's name, such as `docker`.
    pub product: &'a str,
    /// The first product's version, such as `1.9.1`; empty where there is none.
    pub version: &'a str,
    /// The operating system, in Go's spelling.
    pub os: Option<&'a str>,
    /// The architecture, in Go's spelling.
    pub architecture: Option<&'a str>,
}

impl<'a> UserAgent<'a> {
    /// Reads a `User-Agent`. Nothing in it can be wrong, only missing.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        // A parenthesis begins what Docker ≥ 1.11 quotes of the program behind it, which may run elsewhere.
        let products =
            text.split_ascii_whitespace().take_while(|product| !product.as_bytes().contains(&b'('));
        let mut products = products.map(|product| product.split_once('/').unwrap_or((product, "")));
        let (product, version) = products.next().unwrap_or_default();
        let find = |name| products.clone().find(|&(key, value)| key == name && is_go_name(value));
        Self {
            product,
            version,
            os: find("os").map(|os| os.1),
            architecture: find("arch").map(|arch| arch.1),
        }
    }

    /// The platform that the client runs on, if it says both parts of it.
    #[must_use]
    pub fn platform(&self) -> Option<Platform> {
        Some(Platform::new(self.os?, self.architecture?))
    }

    /// The `User-Agent` that the client of `text` has on another platform. One that names none is the same everywhere, and none
    /// has a word for variants.
    #[must_use]
    pub fn on_platform(text: &str, platform: &Platform) -> String {
        // As in `parse`: what is quoted of the program behind it stays.
        let mut is_quoted = false;
        let products = text.split(' ').map(|product| {
            is_quoted |= product.as_bytes().contains(&b'(');
            match product.split_once('/') {
                Some(("os", _)) if !is_quoted => ["os/", &platform.os].concat(),
                Some(("arch", _)) if !is_quoted => ["arch/", &platform.architecture].concat(),
                _ => product.to_string(),
            }
        });
        products.collect::<Vec<_>>().join(" ")
    }

    /// Whether this is an engine of the schema 1 era, Docker 1.6–1.9. Earlier ones speak another protocol.
    #[must_use]
    pub fn is_schema1_engine(&self) -> bool {
        self.describe(Capabilities::default()).is_schema1_engine()
    }

    /// Whether this is Docker 1.6 or 1.7, which after any failure ask the API of version 1, and print nothing but what
    /// that says (measured).
    #[must_use]
    pub fn prints_v1_only(&self) -> bool {
        self.facts().errors == PrintedErrors::None
    }

    /// Whether this is a Docker that asks the API of version 1 after failures of version 2: 1.6 to 1.13, and 17.
    #[must_use]
    pub fn asks_v1(&self) -> bool {
        self.facts().errors != PrintedErrors::All
    }

    /// What is known of it.
    pub(crate) fn facts(&self) -> ClientFacts<'static> {
        client_table::facts(self.product, self.version)
    }

    /// What is known of it, by the first of these rules that says it, and else by the table.
    pub(crate) fn facts_by<'r>(&self, rules: impl IntoIterator<Item = &'r ClientRules>) -> ClientFacts<'r> {
        let mut own = crate::client_rules::Said::default();
        for rules in rules {
            own = own.or(rules.said_of(self.product, self.version));
        }
        own.over(self.facts())
    }

    /// Adds to `capabilities` what this says.
    pub(crate) fn describe(&self, capabilities: Capabilities) -> Capabilities {
        self.describe_as(self.facts(), capabilities)
    }

    /// Adds to `capabilities` what this says, of a client of which these `facts` are known.
    pub(crate) fn describe_as(&self, facts: ClientFacts<'_>, mut capabilities: Capabilities) -> Capabilities {
        if let Some(platform) = self.platform() {
            capabilities = capabilities.with_platform(platform);
        }
        let ClientFacts { unreadable, zstd, .. } = facts;
        let capabilities = unreadable.iter().copied().fold(capabilities, Capabilities::with_unreadable);
        zstd.into_iter().fold(capabilities, Capabilities::with_zstd)
    }
}

/// Whether `text` can be one of Go's names for an operating system or architecture, such as `ppc64le`.
fn is_go_name(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_names_its_version_and_platform() {
        let text = "docker/1.9.1 go/go1.4.3 git-commit/a34a1d5 kernel/4.2.0 os/linux arch/arm";
        let expected =
            UserAgent { product: "docker", version: "1.9.1", os: Some("linux"), architecture: Some("arm") };
        assert_eq!(UserAgent::parse(text), expected);
        assert_eq!(expected.platform(), Some(Platform::new("linux", "arm")));
    }

    #[test]
    fn the_platform_is_that_of_the_engine() {
        let text = r"docker/20.10.24 go/go1.19.8 kernel/6.1.0 os/windows arch/amd64 UpstreamClient(Docker-Client/20.10.24 \(linux\) os/linux arch/386)";
        assert_eq!(UserAgent::parse(text).platform(), Some(Platform::new("windows", "amd64")));
        for text in [
            "docker/1.12.6 UpstreamClient(curl os/linux arch/arm64)",
            "docker/1.9.1 os/linux",
            "docker/1.9.1 os/ arch/amd64",
            "docker/1.9.1 os/../.. arch/amd64",
            "containerd/1.7.20",
            "containers/5.23.1 (github.com/containers/image)",
            "skopeo/1.9.3",
            "",
        ] {
            assert_eq!(UserAgent::parse(text).platform(), None, "{text}");
        }
    }

    #[test]
    fn the_same_engine_says_another_platform() {
        let arm = Platform { variant: Some("v7".to_string()), ..Platform::new("windows", "arm") };
        let text = r"docker/20.10.24 go/go1.19.8 os/linux arch/amd64 UpstreamClient(Docker-Client/20.10.24 \(linux\) os/linux)";
        let expected = r"docker/20.10.24 go/go1.19.8 os/windows arch/arm UpstreamClient(Docker-Client/20.10.24 \(linux\) os/linux)";
        assert_eq!(UserAgent::on_platform(text, &arm), expected);
        assert_eq!(UserAgent::parse(expected).platform(), Some(Platform::new("windows", "arm")));
        for text in ["containerd/1.7.20", "containers/5.23.1 (github.com/containers/image)", ""] {
            assert_eq!(UserAgent::on_platform(text, &arm), text);
        }
    }

    #[test]
    fn docker_1_6_and_1_7_print_what_version_1_says() {
        let prints = |text| UserAgent::parse(text).prints_v1_only();
        assert!(prints("docker/1.6.2 go/go1.4.2") && prints("docker/1.7.1-el6"));
        assert!(!prints("docker/1.8.3") && !prints("docker/1.60.1") && !prints("curl/1.7.1") && !prints(""));
    }

    #[test]
    fn docker_up_to_17_asks_version_1() {
        for version in ["1.6.2", "1.9.1", "1.13.1", "17.03.0-ce"] {
            assert!(UserAgent::parse(&["docker/", version].concat()).asks_v1(), "{version}");
        }
        for text in ["docker/1.5.0", "docker/18.03.1-ce", "docker/20.10.24", "docker", "curl/1.7.1"] {
            assert!(!UserAgent::parse(text).asks_v1(), "{text}");
        }
    }

    #[test]
    fn engines_of_the_schema_1_days_are_docker_1_6_to_1_9() {
        for version in "1.6.0 1.6.2 1.7.1 1.8.2-el7.centos 1.9.1 1.9-dev".split(' ') {
            assert!(UserAgent::parse(&["docker/", version].concat()).is_schema1_engine(), "{version}");
        }
        for version in "1.5.0 1.10.3 1.13.1 1.60 1 19.03.1 28.2.1 x".split(' ') {
            assert!(!UserAgent::parse(&["docker/", version].concat()).is_schema1_engine(), "{version}");
        }
        for text in ["docker", "skopeo/1.9.3", "Go 1.1 package http docker/1.9.1"] {
            assert!(!UserAgent::parse(text).is_schema1_engine(), "{text}");
        }
    }
}
