//! What an operator says of a server, in flags, in the environment and in a file, with one meaning.

mod auth;
pub(crate) mod file;
mod listen;
pub(crate) mod optional_text;
mod text;

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use downshift::{Limits, Permissions, PlainLayers, Platform, Policy, UnsignedSchema1};
use downshift_layer::Limits as LayerLimits;
use downshift_registry::{ClientRules, V1Mode};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use toml::Table;

pub(crate) use self::auth::Auth;
pub(crate) use self::listen::{Host, Listen};
use crate::data::records;
use crate::engine::EngineName;
use crate::error::Error;
use crate::log;
use crate::origin::pulp::{Blobs as PulpBlobs, Protected};
use crate::origin::registry::{Delivery, UpstreamConfig, client_rules, permissions};

/// The settings that say where images are, of which a server has one.
pub(crate) const SOURCES: [&str; 3] = ["store", "pulp", "upstream"];

/// Everything that can be said of a server. The default is what counts where nothing is said.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Where to listen for clients.
    #[serde(with = "text")]
    pub(crate) listen: Listen,
    /// Where to listen for the operator.
    #[serde(with = "optional_text")]
    pub(crate) admin_listen: Option<Listen>,
    /// A folder of images.
    pub(crate) store: Option<PathBuf>,
    /// A folder that Pulp 2 has published.
    pub(crate) pulp: Option<PathBuf>,
    /// What becomes of the repositories in it that are protected.
    pub(crate) pulp_protected: Protected,
    /// How clients get the blobs in it.
    pub(crate) pulp_blobs: PulpBlobs,
    /// The folders outside of it that links in it may lead into.
    pub(crate) store_links: Vec<PathBuf>,
    /// The folder for what the server keeps.
    pub(crate) data: Option<PathBuf>,
    /// How many bytes of records to keep, if not the usual.
    pub(crate) records_bytes: Option<u64>,
    /// How many bytes of documents to keep on disk.
    pub(crate) documents_bytes: u64,
    /// How many bytes of blobs to keep on disk, of registries whose blobs are cached.
    pub(crate) blob_cache_bytes: u64,
    /// For how many seconds it is taken for granted what a tag points to.
    pub(crate) tag_ttl: u64,
    /// For how many seconds more that counts while the registry cannot be asked.
    pub(crate) stale_for: u64,
    /// Who may pull.
    #[serde(with = "text")]
    pub(crate) auth: Auth,
    /// The URL by which clients reach this server.
    pub(crate) public_url: Option<String>,
    /// The private key to sign with.
    pub(crate) key: Option<PathBuf>,
    /// What to do where the reference would lose something.
    #[serde(with = "text")]
    pub(crate) policy: Policy,
    /// Refusals of that policy to lift in every repository, by their codes.
    pub(crate) allow: Vec<String>,
    /// Who gets layers unpacked that not everybody can read.
    #[serde(with = "text")]
    pub(crate) plain_layers: PlainLayers,
    /// What becomes of stored schema 1 without a signature.
    #[serde(with = "text")]
    pub(crate) unsigned_schema1: UnsignedSchema1,
    /// For how many seconds a request waits for layers that are read for it.
    pub(crate) facts_wait: u64,
    /// Whether what is unpacked on its way is compressed with gzip again, for who takes that.
    pub(crate) wire_gzip: bool,
    /// What clients get of the API of version 1.
    #[serde(with = "text")]
    pub(crate) v1: V1Mode,
    /// What is known of clients in every repository, as rules.
    pub(crate) client: Vec<String>,
    /// The platform for clients that do not say theirs.
    #[serde(with = "text")]
    pub(crate) platform: Platform,
    /// Where the core runs.
    pub(crate) engine: EngineName,
    /// Another component for the sandbox.
    pub(crate) guest: Option<PathBuf>,
    /// The certificate and those that vouch for it, in PEM.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    pub(crate) tls_key: Option<PathBuf>,
    /// How many connections there may be at once.
    pub(crate) max_connections: usize,
    /// How many requests may be under way at once.
    pub(crate) max_requests: usize,
    /// How many of the connections may be one client's, if not the usual.
    pub(crate) client_connections: Option<usize>,
    /// How many of the requests may be one client's, if not the usual.
    pub(crate) client_requests: Option<usize>,
    /// How many requests may be under way on one HTTP/2 connection.
    pub(crate) connection_streams: u32,
    /// How many bytes of documents, answers and layers that are unpacked may be in flight at once.
    pub(crate) work_bytes: u64,
    /// How many layers may be unpacked at once, if not the usual.
    pub(crate) layers_at_once: Option<usize>,
    /// Proxies that are believed when they say whom they ask for.
    pub(crate) trusted_proxy: Vec<IpNet>,
    /// For how many seconds a client may take to say what it wants, or be stuck in reading the answer.
    pub(crate) request_timeout: u64,
    /// For how many seconds a connection may have nothing to do.
    pub(crate) idle_timeout: u64,
    /// For how many seconds requests may go on when the server is told to stop.
    pub(crate) stop_timeout: u64,
    /// How the log looks.
    pub(crate) log_format: log::Format,
    /// How much is logged.
    pub(crate) log_level: log::Level,
    /// Whether each request is logged.
    pub(crate) access_log: bool,
    /// Whether each registry is asked once at the start.
    pub(crate) probe_upstreams: bool,
    /// Changed limits of the core and of layers, by name.
    pub(crate) limit: BTreeMap<String, usize>,
    /// The registries to have images from.
    pub(crate) upstream: Vec<UpstreamConfig>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Listen { host: Some(Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST))), port: 5000 },
            admin_listen: None,
            store: None,
            pulp: None,
            pulp_protected: Protected::default(),
            pulp_blobs: PulpBlobs::default(),
            store_links: Vec::new(),
            data: None,
            records_bytes: None,
            documents_bytes: 1024 * 1024 * 1024,
            blob_cache_bytes: 16 * 1024 * 1024 * 1024,
            tag_ttl: 10,
            stale_for: 3600,
            auth: Auth::Open,
            public_url: None,
            key: None,
            policy: Policy::default(),
            allow: Vec::new(),
            plain_layers: PlainLayers::default(),
            unsigned_schema1: UnsignedSchema1::default(),
            // Less than proxies and engines wait for an answer, which is a minute at the least.
            facts_wait: 45,
            wire_gzip: false,
            v1: V1Mode::default(),
            client: Vec::new(),
            platform: Platform::default(),
            engine: EngineName::Wasm,
            guest: None,
            tls_certificate: None,
            tls_key: None,
            max_connections: 16_384,
            max_requests: 4096,
            client_connections: None,
            client_requests: None,
            // As many as RFC 9113 (6.5.2) recommends at least, and several times what container clients use.
            connection_streams: 100,
            work_bytes: 256 * 1024 * 1024,
            layers_at_once: None,
            trusted_proxy: Vec::new(),
            request_timeout: 30,
            idle_timeout: 60,
            stop_timeout: 30,
            log_format: log::Format::Human,
            log_level: log::Level::Info,
            access_log: false,
            probe_upstreams: true,
            limit: BTreeMap::new(),
            upstream: Vec::new(),
        }
    }
}

/// What cannot change while the server runs.
const FIXED: [&str; 12] = [
    "listen",
    "admin-listen",
    "data",
    "records-bytes",
    "documents-bytes",
    "blob-cache-bytes",
    "connection-streams",
    "work-bytes",
    "layers-at-once",
    "engine",
    "guest",
    "log-format",
];

/// How many connections, and how many requests, may be one client's where nothing is said: room for some fifty machines
/// that pull at once behind one address.
const OF_ONE_CLIENT: usize = 512;

/// Of how many clients at their limits it takes to use up all connections, or requests, where nothing is said.
const CLIENTS_TO_FILL: usize = 4;

impl Settings {
    /// What a table says.
    pub(crate) fn of_table(table: Table) -> Result<Self, Error> {
        let invalid = |error: toml::de::Error| Error::InvalidSettings { problem: error.message().to_owned() };
        let settings: Self = table.try_into().map_err(invalid)?;
        settings.check()?;
        Ok(settings)
    }

    /// All of it as a file, from which it can be read again.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`], where a path is not text.
    pub(crate) fn to_toml(&self) -> Result<String, Error> {
        toml::to_string_pretty(self).map_err(|error| not_toml(&error))
    }

    /// What is allowed in all repositories.
    pub(crate) fn permissions(&self) -> Result<Permissions, Error> {
        permissions(&self.allow)
    }

    /// What is known of clients in all repositories.
    pub(crate) fn clients(&self) -> Result<ClientRules, Error> {
        client_rules(&self.client)
    }

    /// The limits of the core.
    pub(crate) fn limits(&self) -> Result<Limits, Error> {
        let mut limits = Limits::default();
        let mut of_layer = LayerLimits::host();
        for (name, value) in &self.limit {
            if of_layer.set(name, *value as u64).is_err() {
                limits.set(name, *value)?;
            }
        }
        Ok(limits)
    }

    /// The limits of a layer.
    pub(crate) fn layer_limits(&self) -> LayerLimits {
        let mut limits = LayerLimits::host();
        for (name, value) in &self.limit {
            // The others are those of the core.
            let _ = limits.set(name, *value as u64);
        }
        limits
    }

    /// How long it is taken for granted what a tag points to.
    pub(crate) fn tag_lifetime(&self) -> Duration {
        // A lifetime of nothing would not be one for several that ask at once.
        Duration::from_secs(self.tag_ttl).max(Duration::from_millis(1))
    }

    /// Whether blobs of any registry are cached.
    pub(crate) fn caches_blobs(&self) -> bool {
        self.upstream.iter().any(|upstream| upstream.blobs == Delivery::Cache)
    }

    /// How many bytes of records to keep.
    pub(crate) fn records_capacity(&self) -> u64 {
        let usual = if self.data.is_some() { records::DISK_BYTES } else { records::MEMORY_BYTES };
        self.records_bytes.unwrap_or(usual)
    }

    /// How many connections may be one client's, if that is limited: by default not where the address `is_shared`.
    pub(crate) fn connections_of_one(&self, is_shared: bool) -> Option<usize> {
        of_one_client(self.client_connections, self.max_connections, is_shared)
    }

    /// How many requests may be one client's, in the same way.
    pub(crate) fn requests_of_one(&self, is_shared: bool) -> Option<usize> {
        of_one_client(self.client_requests, self.max_requests, is_shared)
    }

    /// The certificate and its key.
    pub(crate) fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_certificate.as_deref().zip(self.tls_key.as_deref())
    }

    /// These settings as far as they can change, the others as they are in `running`; and which of the others are meant
    /// to change.
    pub(crate) fn reloaded(&self, running: &Self) -> Result<(Self, Vec<&'static str>), Error> {
        let (mut table, running) = (self.table()?, running.table()?);
        let mut unchanged = Vec::new();
        for key in FIXED {
            if table.get(key) != running.get(key) {
                unchanged.push(key);
                match running.get(key) {
                    Some(value) => drop(table.insert(key.to_owned(), value.clone())),
                    None => drop(table.remove(key)),
                }
            }
        }
        Ok((Self::of_table(table)?, unchanged))
    }

    /// What is said or taken for said, by key.
    ///
    /// # Errors
    /// As [`to_toml`](Self::to_toml).
    pub(crate) fn table(&self) -> Result<Table, Error> {
        Table::try_from(self).map_err(|error| not_toml(&error))
    }

    fn check(&self) -> Result<(), Error> {
        let invalid = |problem: &str| Err(Error::InvalidSettings { problem: problem.to_owned() });
        let sources = [
            ("store", self.store.is_some()),
            ("pulp", self.pulp.is_some()),
            ("upstream", !self.upstream.is_empty()),
        ];
        match sources.into_iter().filter_map(|(name, is_set)| is_set.then_some(name)).collect::<Vec<_>>()[..]
        {
            [_] => {}
            [] => return invalid("none of `store`, `pulp` and `upstream` is set"),
            [first, second, ..] => return invalid(&format!("both `{first}` and `{second}` are set")),
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return invalid("`tls-certificate` and `tls-key` must be set together");
        }
        let limits = [
            ("max-connections", self.max_connections as u64),
            ("max-requests", self.max_requests as u64),
            ("client-connections", self.client_connections.unwrap_or(1) as u64),
            ("client-requests", self.client_requests.unwrap_or(1) as u64),
            ("connection-streams", self.connection_streams.into()),
            ("work-bytes", self.work_bytes),
            ("layers-at-once", self.layers_at_once.unwrap_or(1) as u64),
            ("request-timeout", self.request_timeout),
            ("idle-timeout", self.idle_timeout),
        ];
        if let Some((name, _)) = limits.into_iter().find(|(_, value)| *value == 0) {
            return invalid(&format!("`{name}` must be greater than 0"));
        }
        if let Some(url) = &self.public_url
            && !is_public_url(url)
        {
            return invalid(&format!("`public-url` must be of the form https://HOST, not `{url}`"));
        }
        if self.caches_blobs() && self.data.is_none() {
            return invalid("`blobs = \"cache\"` needs a folder to keep them in: set `data`");
        }
        self.limits()?;
        self.permissions()?;
        self.clients()?;
        for (position, upstream) in self.upstream.iter().enumerate() {
            let prefix = &upstream.prefix;
            if upstream.url.is_empty() && upstream.hosts.is_empty() {
                return invalid("an [[upstream]] has neither `url` nor `hosts`");
            }
            // Below the prefix of a list each host has names of its own.
            if !upstream.hosts.is_empty() {
                continue;
            }
            if self
                .upstream
                .iter()
                .take(position)
                .any(|other| other.hosts.is_empty() && other.prefix == *prefix)
            {
                return invalid(&format!("the prefix `{prefix}` is used twice"));
            }
            if let Some(problem) = upstream.proxy_problem() {
                return invalid(&problem);
            }
        }
        Ok(())
    }
}

fn of_one_client(said: Option<usize>, max: usize, is_shared: bool) -> Option<usize> {
    said.or_else(|| (!is_shared).then(|| OF_ONE_CLIENT.min(max.div_ceil(CLIENTS_TO_FILL))))
}

fn not_toml(error: &toml::ser::Error) -> Error {
    Error::InvalidSettings { problem: error.to_string() }
}

/// Whether `text` is a URL up to its host, to which paths are added.
fn is_public_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.unwrap_or_default().trim_end_matches('/');
    let in_url = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte);
    !rest.is_empty() && rest.bytes().all(in_url)
}

/// The names of a type's values, for the command line.
pub(crate) fn names<T: ValueEnum>() -> String {
    let values = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    values.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again() {
        let upstream = UpstreamConfig {
            url: "https://example.org".to_owned(),
            allow: vec!["zstd-layer".to_owned()],
            client: vec!["trivy refuses=schema1".to_owned()],
            ..UpstreamConfig::default()
        };
        let hosts = vec!["ghcr.io".to_owned(), "*.azurecr.io".to_owned()];
        let list = UpstreamConfig { hosts, slash: "__".to_owned(), ..UpstreamConfig::default() };
        let named =
            UpstreamConfig { ns: vec!["a.org".to_owned()], prefix: "a".to_owned(), ..upstream.clone() };
        let settings = Settings {
            upstream: vec![upstream, list, named],
            store_links: vec!["shared".into(), "more".into()],
            trusted_proxy: vec!["10.0.0.0/8".parse().unwrap()],
            limit: BTreeMap::from([("layers".to_owned(), 7)]),
            allow: vec!["foreign-layer".to_owned()],
            client: vec!["docker/20.10 zstd=all".to_owned()],
            ..Settings::default()
        };
        let read = Settings::of_table(settings.to_toml().unwrap().parse().unwrap()).unwrap();
        assert_eq!(read, settings);
    }

    #[test]
    fn what_is_fixed_stays() {
        let running = Settings { store: Some("images".into()), ..Settings::default() };
        let data = Some("state".into());
        let other = Settings { data, tag_ttl: 7, ..running.clone() };
        let (reloaded, unchanged) = other.reloaded(&running).unwrap();
        assert_eq!(unchanged, ["data"]);
        assert_eq!(reloaded, Settings { tag_ttl: 7, ..running });
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let sound = "store = \"images\"\n";
        let refused = |text: &str| Settings::of_table(text.parse().unwrap()).unwrap_err().to_string();
        assert!(Settings::of_table(sound.parse().unwrap()).is_ok());
        assert!(refused("").contains("none of"));
        assert!(refused("store = \"a\"\nupstream = [{ url = \"b\" }]").contains("both"));
        assert!(refused(&format!("{sound}tls-key = \"a\"")).contains("set together"));
        assert!(refused(&format!("{sound}idle-timeout = 0")).contains("`idle-timeout` must be"));
        assert!(refused(&format!("{sound}public-url = \"example.org\"")).contains("https://HOST"));
        assert!(refused("upstream = [{ url = \"a\" }, { url = \"b\" }]").contains("twice"));
        assert!(refused(&format!("{sound}allow = [\"foreign\"]")).contains("no permission `foreign`"));
        assert!(refused("upstream = [{ prefix = \"a\" }]").contains("neither `url` nor `hosts`"));
        let lists = "upstream = [{ url = \"a\" }, { hosts = [\"b.org\"] }, { hosts = [\"c.org\"] }]";
        assert!(Settings::of_table(lists.parse().unwrap()).is_ok());
    }
}
