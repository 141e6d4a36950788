//! What an operator has said, as far as it decides how a request is answered.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use downshift::{Limits, Permissions, PlainLayers, Platform, Policy, UnsignedSchema1};
use downshift_registry::{ClientRules, Credentials, HostPattern, Mapping, V1Mode};

/// For how long what a tag points to is told without asking again, unless the operator says otherwise.
const TAG_LIFETIME: Duration = Duration::from_secs(10);

/// For how long a request waits for layers that are read for it: less than proxies and engines wait for an answer, which is
/// a minute at the least.
const FACTS_WAIT: Duration = Duration::from_secs(45);

/// Everything that decides answers beside the request.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where images are, each with the names that it has.
    pub origins: Vec<Origin>,
    /// Who may pull.
    pub access: Access,
    /// What to do where the reference would lose something.
    pub policy: Policy,
    /// What is allowed beside what the policy allows, in all repositories.
    pub allow: Permissions,
    /// Who gets layers unpacked that are stored compressed in a way that not everybody reads, in repositories of which nothing
    /// else is said.
    pub plain_layers: PlainLayers,
    /// What becomes of stored schema 1 without a signature.
    pub unsigned_schema1: UnsignedSchema1,
    /// For how long a request waits for layers that are read for it.
    pub facts_wait: Duration,
    /// Whether what is unpacked on its way is compressed with gzip again, for clients that take that.
    pub wire_gzip: bool,
    /// What clients get of the API of version 1.
    pub v1: V1Mode,
    /// What is known of clients beside the table of them, in all repositories.
    pub clients: ClientRules,
    /// The platform for clients that do not say theirs.
    pub platform: Platform,
    /// How much to take in and give out.
    pub limits: Limits,
    /// For how long what a tag points to, or a list, is told without asking its registry again.
    pub tag_lifetime: Duration,
    /// For how long after that it is told while its registry cannot be asked. Nothing is where [`Access::Upstream`]
    /// decides, for nobody else can say yes.
    pub stale_for: Duration,
    /// How many requests of its own one pull may make, where a platform ends it past that.
    pub subrequests: Option<u32>,
    /// How many bytes a layer may have that is read, where an edge has little of a processor's time.
    pub layer_bytes: Option<u64>,
    /// Whether a layer that is being read is marked as such where others see that, because no request may wait for what another
    /// one has begun: they look now and then whether it is known by now.
    pub marks_passes: bool,
    /// Bytes of memory that what is read at once may take, where a platform has little of it.
    pub read_memory: Option<usize>,
    /// Whether the shell checks the digest of what it copies. Where that takes more of a processor's time than there is, at an
    /// edge, it is left to clients.
    pub checks_copies: bool,
    /// Whether the signing key lasts, so that what it has signed is of use to others later.
    pub is_key_lasting: bool,
    /// The shell's URL library.
    pub resolve: Resolve,
}

/// Reads a URL as the shell's own library does, against a base if there is one; `None` if it is not of the web: `http` or
/// `https`, with a host. That way nobody takes one host for another.
pub type Resolve = fn(base: Option<&str>, url: &str) -> Option<Url>;

/// A URL of the web, as [`Resolve`] reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    /// All of it.
    pub text: String,
    /// Its scheme, host and port, the same text for the same origin (RFC 6454, 6.2).
    pub origin: String,
    /// Its host, for people.
    pub host: String,
    /// Whether its scheme is `https`.
    pub is_secure: bool,
}

impl Url {
    /// A URL that was read: all of it, its origin, and its host; `None` if it is not of the web.
    #[must_use]
    pub fn of_web(text: String, origin: String, host: String) -> Option<Self> {
        let is_secure = match text.split_once("://")?.0 {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        Some(Self { text, origin, host, is_secure })
    }

    /// Its host, with its port unless that is the usual one of its scheme.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or(&*self.host, |(_, authority)| authority)
    }
}

/// The number of an origin. Two origins with other settings have other numbers, also after they were changed: what is
/// remembered of one must not be told of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginId(pub u32);

/// A repository of an origin, by its name there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The origin.
    pub origin: OriginId,
    /// The repository's name at the origin, after its host where that is one of a [`Domain`]; empty where none is meant.
    pub name: String,
}

/// A place where images are, and the repository names that it has.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its number.
    pub id: OriginId,
    /// The names that it has, and what they are called there.
    pub mapping: Mapping,
    /// What it is.
    pub place: Place,
    /// What is allowed in its repositories beside what is allowed in all.
    pub allow: Permissions,
    /// Who gets layers unpacked in its repositories, where that is another than [for all](Settings::plain_layers).
    pub plain_layers: Option<PlainLayers>,
    /// What is known of clients in its repositories, before what is known of them in all.
    pub clients: ClientRules,
}

impl Origin {
    /// An origin of which nothing else is said.
    #[must_use]
    pub fn new(id: OriginId, mapping: Mapping, place: Place) -> Self {
        Self {
            id,
            mapping,
            place,
            allow: Permissions::default(),
            plain_layers: None,
            clients: ClientRules::default(),
        }
    }
}

/// What an origin is.
#[derive(Clone, Debug)]
pub enum Place {
    /// OCI image layouts, one for each repository, which the shell reads.
    Layouts,
    /// What Pulp 2 has published for Crane, which the shell reads.
    Pulp(Pulp),
    /// A registry.
    Registry(Registry),
    /// The registries of a domain, each with the names that begin with its host.
    Domain(Domain),
}

/// What Pulp 2 has published for Crane.
#[derive(Clone, Debug)]
pub struct Pulp {
    /// How clients get its blobs: through this server, or from the URL that Crane would send them to. Nothing is cached
    /// that is a file already.
    pub delivery: Delivery,
}

/// The registries whose hosts fit a pattern. Which of them there are clients say, so that none is on a private network,
/// none is told any credentials, and nothing is kept for each but what has a bound for all.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The pattern.
    pub pattern: HostPattern,
    /// How clients get their blobs.
    pub delivery: Delivery,
    /// How long one thing that is asked of them may take, all attempts together.
    pub timeout: Duration,
}

/// A registry.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Its URL, up to the slash before `v2/`.
    pub base: Url,
    /// Who this server is there.
    pub credentials: Option<Credentials>,
    /// How clients get its blobs.
    pub delivery: Delivery,
    /// How long one thing that is asked of it may take, all attempts together.
    pub timeout: Duration,
}

/// How clients get blobs of a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Through this server.
    #[default]
    Stream,
    /// From where the registry sends them, if it sends them anywhere.
    Redirect,
    /// Through this server, which keeps them.
    Cache,
}

/// Who may pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// The users that the shell knows by name and password.
    Users,
    /// The clients that the registry lets in. It has to be the only origin, for a token is good for one registry.
    Upstream {
        /// The URL by which clients know this server; without one it is the scheme and host of their request.
        public_url: Option<String>,
    },
}

impl Settings {
    /// The settings of a server that has all else as it is by default.
    #[must_use]
    pub fn new(origins: Vec<Origin>, access: Access, resolve: Resolve) -> Self {
        Self {
            origins,
            access,
            policy: Policy::Strict,
            allow: Permissions::default(),
            plain_layers: PlainLayers::default(),
            unsigned_schema1: UnsignedSchema1::default(),
            facts_wait: FACTS_WAIT,
            wire_gzip: false,
            v1: V1Mode::default(),
            clients: ClientRules::default(),
            platform: Platform::default(),
            limits: Limits::default(),
            tag_lifetime: TAG_LIFETIME,
            stale_for: Duration::ZERO,
            subrequests: None,
            layer_bytes: None,
            marks_passes: false,
            read_memory: None,
            checks_copies: true,
            is_key_lasting: true,
            resolve,
        }
    }

    /// Whether [`Access::Upstream`] has the one registry that it needs.
    #[must_use]
    pub fn is_access_possible(&self) -> bool {
        !matches!(self.access, Access::Upstream { .. })
            || matches!(self.origins.as_slice(), [Origin { place: Place::Registry(_), .. }])
    }

    /// Whether the place is an edge, whose settings are variables and whose limits are narrow.
    #[must_use]
    pub(crate) const fn is_edge(&self) -> bool {
        self.layer_bytes.is_some()
    }

    /// What is allowed in the repositories of an origin.
    #[must_use]
    pub fn allowed(&self, origin: OriginId) -> Permissions {
        let own = self.origins.iter().find(|known| known.id == origin).map(|origin| origin.allow);
        self.allow.and(own.unwrap_or_default())
    }

    /// Who gets layers unpacked in the repositories of an origin.
    #[must_use]
    pub fn plain_layers(&self, origin: OriginId) -> PlainLayers {
        let own = self.origins.iter().find(|known| known.id == origin).and_then(|origin| origin.plain_layers);
        own.unwrap_or(self.plain_layers)
    }

    /// For how long what a tag points to is of any use: while its registry cannot be asked, and to ask no more than what it
    /// points to by now.
    pub(crate) fn tag_use(&self) -> Duration {
        /// What a digest names never changes, so that a day later it saves asking for the document again.
        const DAY: Duration = Duration::from_secs(24 * 3600);
        DAY.max(self.tag_lifetime.saturating_add(self.stale_for))
    }
}
