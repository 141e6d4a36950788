//! The clients that a tree is for, by the names that people write.

use downshift::{Form, Platform};
use downshift_inspect::clients;
use downshift_registry::{KnownClients, UserAgent, known_clients};

use crate::naming::Naming;

/// Clients that a tree may be for, with all their versions.
pub const MAX_CLIENTS: usize = 64;

/// The first Docker that speaks version 2 of the protocol as it is today.
const FIRST_DOCKER: (u32, u32) = (1, 6);

/// The character before the name of a platform in that of a client.
const ON: char = '@';

/// Clients that a tree is for, and that are all alike, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Its name, such as `docker-1.9`.
    pub name: String,
    /// Who they are; of those that are known by their `Accept` alone, none.
    pub known: Option<KnownClients>,
    /// The `User-Agent` of one of them; empty where it says nothing.
    pub user_agent: String,
    /// The lines of its `Accept` header.
    pub accept: &'static [&'static str],
}

/// What was named on the command line: one client or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named(pub Vec<Audience>);

/// containerd's library in other programs, by the one of them that most people have: `docker build`.
const BUILDKIT: &str = "buildkit";

/// The `Accept` of a client by the id that it has among [`clients`].
fn accept_of(id: &str) -> &'static [&'static str] {
    clients().iter().find(|client| client.id == id).map_or(&[], |client| client.accept)
}

/// Those that are known by what they name alone.
const BY_ACCEPT: [&str; 3] = ["oci", "schema2", "schema1"];

fn accept_alone(name: &str) -> &'static [&'static str] {
    const OCI: &[&str] = &[Form::Oci.media_type(), Form::Index.media_type()];
    const SCHEMA2: &[&str] = &[Form::Schema2.media_type(), Form::List.media_type()];
    match name {
        "oci" => OCI,
        "schema2" => SCHEMA2,
        _ => &[],
    }
}

impl Named {
    /// Reads `docker-1.9`, all versions as `docker`, and `oci`, `schema2` and `schema1`: clients that nothing is known of but that
    /// they name these forms, the last those that name none.
    ///
    /// # Errors
    /// What it must be, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if BY_ACCEPT.contains(&text) {
            let accept = accept_alone(text);
            let user_agent = String::new();
            return Ok(Self(vec![Audience { name: text.to_owned(), known: None, user_agent, accept }]));
        }
        let (product, version) = match text.rsplit_once('-') {
            Some((product, version)) if version.starts_with(|char: char| char.is_ascii_digit()) => {
                (product, Some(two_numbers(version).ok_or_else(|| not_known(text))?))
            }
            _ => (text, None),
        };
        let own = product_of(product);
        if own != product && version.is_some() {
            return Err(format!(
                "`{product}` does not say its own version to registries, but that of its library: write `{product}`, or \
                 `containers-5.23`"
            ));
        }
        let is_it = |known: &KnownClients| match version {
            None if own == BUILDKIT => known.is_library,
            Some(version) => known.is_called(own, version),
            None => known.is_called(own, known.from) && !(own == "docker" && known.from < FIRST_DOCKER),
        };
        let known: Vec<KnownClients> = known_clients().filter(is_it).collect();
        if known.is_empty() {
            return Err(not_known(text));
        }
        let audience = |known: KnownClients| {
            let at = version.unwrap_or(known.from);
            let name = match version {
                Some(_) => text.to_owned(),
                None if known.from == (0, 0) => product.to_owned(),
                None => format!("{product}-{}.{}", known.from.0, known.from.1),
            };
            Audience::of(name, known, at)
        };
        Ok(Self(known.into_iter().map(audience).collect()))
    }
}

impl Audience {
    /// Clients of a product in the version `at`, which is one of theirs.
    pub(crate) fn of(name: String, known: KnownClients, at: (u32, u32)) -> Self {
        let is_docker = matches!(known.product, "docker" | "balena-engine");
        let accept = match known.product {
            // A fork of Docker 17.12 never was older.
            "docker" if at < (1, 10) => accept_of("docker-1.6-to-1.9"),
            _ if is_docker && at < (18, 6) => accept_of("docker-1.10-to-18.05"),
            _ if is_docker => accept_of("docker-18.06-to-20.10"),
            "containerd" => accept_of("containerd"),
            _ => accept_of("podman-and-skopeo"),
        };
        // Such a version counts as the newest where both numbers are zero.
        let (major, minor) = if at == (0, 0) { (0, 1) } else { at };
        let version = format!("{major}.{minor}.0");
        let user_agent = match known.product {
            _ if is_docker => format!("{}/{version} go/go1.4.3 os/linux arch/amd64", known.product),
            product if known.is_library => format!("{product}/{version}{}", downshift_registry::OF_LIBRARY),
            product => format!("{product}/{version}"),
        };
        Self { name, known: Some(known), user_agent, accept }
    }

    /// The `User-Agent` of such a client on a platform.
    #[must_use]
    pub fn user_agent_on(&self, platform: &Platform) -> String {
        UserAgent::on_platform(&self.user_agent, platform)
    }

    /// Whether it says on which platform it is.
    #[must_use]
    pub fn says_platform(&self) -> bool {
        UserAgent::parse(&self.user_agent).platform().is_some()
    }

    /// Its names on these platforms, the first of which is that of clients that do not say theirs.
    pub(crate) fn names_on(&self, platforms: &[Platform]) -> Vec<String> {
        let name = |(at, platform): (usize, &Platform)| {
            if at == 0 || !self.says_platform() {
                self.name.clone()
            } else {
                format!("{}{ON}{}", self.name, platform.to_string().replace('/', "-"))
            }
        };
        platforms.iter().enumerate().map(name).collect()
    }

    /// The headers of its requests on a platform.
    pub fn headers(&self, platform: &Platform) -> impl Iterator<Item = (&'static str, String)> {
        let user_agent = Some(self.user_agent_on(platform)).filter(|text| !text.is_empty());
        let accept = self.accept.iter().map(|line| ("accept", (*line).to_owned()));
        user_agent.map(|text| ("user-agent", text)).into_iter().chain(accept)
    }

    /// What it names.
    pub(crate) fn naming(&self) -> Naming {
        Naming::of(self.accept)
    }
}

/// A product by the name that it has in its requests.
fn product_of(name: &str) -> &str {
    match name {
        "podman" | "buildah" | "cri-o" => "containers",
        "ko" => "crane",
        _ => name,
    }
}

fn two_numbers(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.').unwrap_or((version, "0"));
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn not_known(text: &str) -> String {
    format!(
        "`{text}` is not a client that is known: write docker-1.9, docker-20.10, containerd-2, podman, skopeo, crane or another \
         product of the table of clients, with or without a version; or oci, schema2 or schema1 for clients that name these forms"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_a_product_and_a_version() {
        let one = |text| {
            let Named(mut all) = Named::parse(text).unwrap();
            assert_eq!(all.len(), 1, "{text}: {all:?}");
            all.pop().unwrap()
        };
        for (text, user_agent, lines) in [
            ("docker-1.6", "docker/1.6.0 go/go1.4.3 os/linux arch/amd64", 0),
            ("docker-1.9.1", "docker/1.9.0 go/go1.4.3 os/linux arch/amd64", 0),
            ("docker-1.13", "docker/1.13.0 go/go1.4.3 os/linux arch/amd64", 4),
            ("docker-20.10", "docker/20.10.0 go/go1.4.3 os/linux arch/amd64", 6),
            ("containerd-2", "containerd/2.0.0", 1),
            ("containers-5.23", "containers/5.23.0", 6),
            ("crane", "crane/0.1.0", 6),
            ("oci", "", 2),
            ("schema2", "", 2),
            ("schema1", "", 0),
        ] {
            let audience = one(text);
            assert_eq!((audience.user_agent.as_str(), audience.accept.len()), (user_agent, lines), "{text}");
            assert_eq!(audience.name, text);
        }
    }

    #[test]
    fn a_product_is_all_its_versions() {
        let names = |text| {
            let Named(all) = Named::parse(text).unwrap();
            all.into_iter().map(|audience| audience.name).collect::<Vec<_>>()
        };
        assert_eq!(
            names("docker"),
            [
                "docker-1.6",
                "docker-1.8",
                "docker-1.10",
                "docker-18.0",
                "docker-18.6",
                "docker-23.0",
                "docker-26.0"
            ]
        );
        assert_eq!(names("podman"), ["podman", "podman-5.38"]);
        assert_eq!(names("buildkit"), ["buildkit", "buildkit-1.7", "buildkit-2.0"]);
    }

    #[test]
    fn what_is_no_client_is_told() {
        for text in ["", "netscape", "docker-x", "docker-1.x", "podman-4.3", "buildkit-1.7", "-1.9"] {
            assert!(Named::parse(text).is_err(), "{text}");
        }
    }
}
