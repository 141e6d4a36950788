//! Names: which origin a repository is at, and which one a client means that takes this server for a registry's mirror.
//!
//! A repository has one name here, in which its registry is: what a client says beside the name, containerd's `ns`, is
//! another way to write that. All that is kept, recorded and permitted is by this one name, so that a repository never
//! answers for one of the same name in another registry.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use core::net::IpAddr;
use core::ops::Deref;

use downshift_registry::{
    ClientRules, HostPattern, Mapping, RegistryName, Request, Response, Route, error, is_docker_hub,
    is_local_name, split_registry,
};

use crate::settings::{Domain, Origin, Place, Pulp, Registry, Resolve, Scope, Settings, Url};

/// One of a list of hosts whose registries a server has images of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedHost {
    /// A registry.
    Registry {
        /// Its URL, up to the slash before `v2/`.
        base: Url,
        /// What names of its images begin with.
        name: RegistryName,
    },
    /// All that fit a pattern.
    Pattern(HostPattern),
}

impl ListedHost {
    /// Reads a host, with a port if need be, or a pattern. It is asked by HTTPS, unless it is written as `http://HOST`.
    /// Nothing if it is neither.
    #[must_use]
    pub fn parse(text: &str, resolve: Resolve) -> Option<Self> {
        if text.contains('*') {
            return HostPattern::parse(text).map(Self::Pattern);
        }
        let url = if text.contains("://") { text.to_owned() } else { ["https://", text].concat() };
        let base = Url::of_registry(&url, resolve).filter(Url::is_of_host)?;
        let name = RegistryName::parse(base.authority())?;
        Some(Self::Registry { base, name })
    }

    /// The names of its images, of which each begins with `prefix`, where that is not empty, and the host; `slash` is that
    /// of [`Mapping`].
    #[must_use]
    pub fn mapping(&self, prefix: &str, slash: &str) -> Mapping {
        let (prefix, library) = match self {
            Self::Registry { name, .. } => (joined(prefix, name.as_str()), name.is_docker_hub()),
            Self::Pattern(_) => (prefix.to_owned(), false),
        };
        let slash = slash.to_owned();
        Mapping { prefix, library, slash, is_by_host: true, ..Mapping::default() }
    }
}

/// A repository, as it was found among the origins.
pub(crate) struct Location<'s> {
    pub(crate) scope: Scope,
    pub(crate) place: LocationPlace<'s>,
}

/// Where it is.
pub(crate) enum LocationPlace<'s> {
    /// In a folder.
    Layouts,
    /// In what Pulp 2 has published.
    Pulp(&'s Pulp),
    /// At a registry, where it has this name.
    Registry { registry: AskedRegistry<'s>, name: String },
}

/// A registry that is asked.
#[derive(Clone)]
pub(crate) enum AskedRegistry<'s> {
    /// The operator has named it.
    Listed(&'s Registry),
    /// A client has, and it is one of a domain.
    OfDomain(Arc<Registry>),
}

impl Deref for AskedRegistry<'_> {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        match self {
            Self::Listed(registry) => registry,
            Self::OfDomain(registry) => registry,
        }
    }
}

/// An origin that a name may be of.
struct Candidate<'s> {
    origin: &'s Origin,
    mapping: Cow<'s, Mapping>,
    /// The name there.
    remote: String,
}

impl Settings {
    /// The origin of the repository called `name` here, and its name there, if there may be one.
    #[must_use]
    pub fn scope_of(&self, name: &str) -> Option<Scope> {
        self.choose(name).map(|found| found.scope)
    }

    /// The request by the name that its repository has here, as far as that has one.
    #[must_use]
    pub fn local(&self, request: Arc<Request>) -> Arc<Request> {
        match self.local_name(&request) {
            Ok(Some(name)) => Arc::new(request.for_repository(&name)),
            Ok(None) | Err(_) => request,
        }
    }

    /// The request of a client that is known as the operator knows it, where its repository is.
    pub(crate) fn of_known_client(&self, request: Arc<Request>) -> Arc<Request> {
        let mut all_rules = self.origins.iter().map(|origin| &origin.clients).chain([&self.clients]);
        if all_rules.all(ClientRules::is_empty) {
            return request;
        }
        let name = match &request.route {
            Route::V1Images { name } => Some(name.as_str()),
            route => route.repository(),
        };
        let scope = name.and_then(|name| self.scope_of(name));
        let own = scope.and_then(|scope| self.origins.iter().find(|origin| origin.id == scope.origin));
        let rules = || own.map(|origin| &origin.clients).into_iter().chain([&self.clients]);
        if rules().any(|rules| request.is_ruled_by(rules)) {
            Arc::new(request.with_client_rules(rules()))
        } else {
            request
        }
    }

    /// What is said of two origins, and can be of one only: with what names begin, or of which registry they are.
    #[must_use]
    pub fn said_twice(&self) -> Option<&str> {
        let mut seen = BTreeSet::new();
        let listed = |origin: &&Origin| !matches!(origin.place, Place::Domain(_));
        let prefixes = self.origins.iter().filter(listed).map(|origin| (true, &*origin.mapping.prefix));
        let registries = self.origins.iter().flat_map(|origin| &origin.mapping.registries);
        let mut all = prefixes.chain(registries.map(|name| (false, name.as_str())));
        all.find(|one| !seen.insert(*one)).map(|(_, twice)| twice)
    }

    pub(crate) fn choose(&self, name: &str) -> Option<Location<'_>> {
        if self.unlisted_host(name).is_some() {
            return None;
        }
        let Candidate { origin, mapping, remote } = self.candidate(name)?;
        let scope = |name| Scope { origin: origin.id, name };
        let (registry, scope) = match &origin.place {
            Place::Layouts => return Some(Location { scope: scope(remote), place: LocationPlace::Layouts }),
            Place::Pulp(pulp) => {
                return Some(Location { scope: scope(remote), place: LocationPlace::Pulp(pulp) });
            }
            Place::Registry(registry) => (AskedRegistry::Listed(registry), scope(remote.clone())),
            Place::Domain(domain) => {
                let host = last_component(&mapping.prefix);
                let registry = domain.registry(host, self.resolve)?;
                (AskedRegistry::OfDomain(registry.into()), scope([host, "/", &remote].concat()))
            }
        };
        Some(Location { scope, place: LocationPlace::Registry { registry, name: remote } })
    }

    /// The name that the repository of a request has here, if that is another one than its path says.
    ///
    /// # Errors
    /// The response where there is no such registry here, or the path names another one.
    pub(crate) fn local_name(&self, request: &Request) -> Result<Option<String>, Response> {
        let prefix = match &request.registry {
            None => None,
            Some(registry) => {
                let unknown = || error::unknown_registry(registry.as_str());
                Some((registry, self.prefix_of(registry).ok_or_else(unknown)?))
            }
        };
        let Some(name) = request.route.repository() else { return Ok(None) };
        let unlisted = self.unlisted_host(name);
        let Some((registry, prefix)) = prefix else {
            return unlisted.map_or(Ok(None), |host| Err(error::unknown_registry(host)));
        };
        let candidate = self.candidate(name);
        let candidate = candidate.as_ref().map(|candidate| &*candidate.mapping.prefix);
        let named = unlisted.or(candidate.filter(|prefix| !prefix.is_empty()));
        match named.or_else(|| self.folder_of(name)) {
            Some(named) if named == prefix => return Ok(Some(name.to_owned())),
            Some(named) => return Err(error::registry_mismatch(registry.as_str(), named)),
            None => {}
        }
        let local = joined(&prefix, name);
        // With its prefix it may begin with that of another registry, which is longer.
        if let Some(Candidate { mapping, .. }) = self.candidate(&local)
            && mapping.prefix.len() > prefix.len()
        {
            return Err(error::registry_mismatch(registry.as_str(), &mapping.prefix));
        }
        if is_local_name(&local) { Ok(Some(local)) } else { Err(error::name_unknown(name)) }
    }

    /// The origin that `name` is of by its prefix: the longest, and of several the one that is no pattern.
    fn candidate(&self, name: &str) -> Option<Candidate<'_>> {
        let candidate = |origin| {
            let mapping = Origin::mapping_of(origin, name)?;
            let remote = mapping.remote(name)?;
            Some(Candidate { origin, mapping, remote })
        };
        self.origins.iter().filter_map(candidate).max_by_key(|Candidate { origin, mapping, .. }| {
            (mapping.prefix.len(), !matches!(origin.place, Place::Domain(_)))
        })
    }

    /// The host of a registry that `name` begins with, where names begin with hosts of a list and this is not one of them.
    fn unlisted_host<'n>(&self, name: &'n str) -> Option<&'n str> {
        let mut by_host = self.origins.iter().filter(|origin| origin.mapping.is_by_host).peekable();
        by_host.peek()?;
        let listed = self.candidate(name).map_or(0, |candidate| candidate.mapping.prefix.len());
        by_host.find_map(|origin| {
            let rest = Mapping::rest_after(origin.before_host(), name)?;
            let (host, _) = split_registry(rest)?;
            let end = name.len().saturating_sub(rest.len()).saturating_add(host.len());
            (listed < end).then_some(host)
        })
    }

    /// The folder that images of a registry are in, where `name` begins with one and images are in folders.
    fn folder_of<'n>(&self, name: &'n str) -> Option<&'n str> {
        let [Origin { place: Place::Layouts, .. }] = self.origins.as_slice() else { return None };
        split_registry(name).map(|(registry, _)| registry)
    }

    /// With what the names of a registry's repositories begin here, if there are images of it.
    fn prefix_of(&self, registry: &RegistryName) -> Option<Cow<'_, str>> {
        let said = |origin: &&Origin| origin.mapping.registries.contains(registry);
        let own = |origin: &&Origin| match &origin.place {
            Place::Registry(own) => origin.mapping.remote_prefix.is_empty() && own.is_called(registry),
            _ => false,
        };
        let mut origins = self.origins.iter();
        if let Some(origin) = origins.clone().find(said).or_else(|| origins.clone().find(own)) {
            return Some(Cow::Borrowed(&origin.mapping.prefix));
        }
        let host = registry.as_str();
        let is_in = |origin: &&Origin| match &origin.place {
            Place::Domain(domain) => domain.pattern.matches(host),
            _ => false,
        };
        if let Some(origin) = origins.find(is_in) {
            return Some(Cow::Owned(joined(&origin.mapping.prefix, host)));
        }
        match self.origins.as_slice() {
            [Origin { place: Place::Layouts, .. }] if !registry.is_docker_hub() => {
                Some(Cow::Owned(host.to_owned()))
            }
            [origin] if registry.is_docker_hub() && origin.is_nameless() => Some(Cow::Borrowed("")),
            _ => None,
        }
    }
}

impl Origin {
    /// By what `name` may be of it: the mapping of the host that it begins with, where there are several.
    fn mapping_of(&self, name: &str) -> Option<Cow<'_, Mapping>> {
        let Place::Domain(domain) = &self.place else { return Some(Cow::Borrowed(&self.mapping)) };
        let (host, _) = self.mapping.rest(name)?.split_once('/')?;
        let of_host = || Mapping {
            prefix: joined(&self.mapping.prefix, host),
            slash: self.mapping.slash.clone(),
            ..Mapping::default()
        };
        domain.pattern.matches(host).then(|| Cow::Owned(of_host()))
    }

    /// What comes before the host in names that begin with one.
    fn before_host(&self) -> &str {
        match &self.place {
            Place::Domain(_) => &self.mapping.prefix,
            _ => self.mapping.prefix.rsplit_once('/').map_or("", |(before, _)| before),
        }
    }

    /// Whether nothing says of which registry its images are. As engines take a mirror without a name for one of Docker
    /// Hub (dockerd's `registry-mirrors`), so may others then.
    fn is_nameless(&self) -> bool {
        let Mapping { prefix, registries, .. } = &self.mapping;
        let is_own_name = match &self.place {
            // A Pulp server has images of several, under names that its users chose.
            Place::Layouts | Place::Pulp(_) => false,
            Place::Registry(registry) => is_name_of_internet(&registry.base.host),
            Place::Domain(_) => true,
        };
        prefix.is_empty() && registries.is_empty() && !is_own_name
    }
}

/// Whether a host is called by a name that is the same everywhere: no address, and no name of a single network.
fn is_name_of_internet(host: &str) -> bool {
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    !is_address && host.contains('.') && !host.ends_with(".localhost")
}

impl Registry {
    /// Whether names of images have it by this name: all of what is at its host, or Docker Hub.
    fn is_called(&self, name: &RegistryName) -> bool {
        let authority = self.base.authority();
        let port = if self.base.is_secure { ":443" } else { ":80" };
        let is_same = authority == name.as_str()
            || authority == self.base.host && name.as_str().strip_suffix(port) == Some(authority);
        self.base.is_of_host() && (is_same || name.is_docker_hub() && is_docker_hub(authority))
    }
}

impl Url {
    /// Whether it is that of all that is at its host.
    fn is_of_host(&self) -> bool {
        self.text.strip_prefix(self.origin.as_str()) == Some("/")
    }
}

impl Domain {
    /// The registry at one of its hosts.
    fn registry(&self, host: &str, resolve: Resolve) -> Option<Registry> {
        let base = Url::of_registry(&["https://", host].concat(), resolve)?;
        Some(Registry { base, credentials: None, delivery: self.delivery, timeout: self.timeout })
    }
}

fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { [prefix, "/", name].concat() }
}

fn last_component(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, last)| last)
}
