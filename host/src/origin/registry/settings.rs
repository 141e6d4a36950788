//! What an operator says of the registries to have images from: on the command line or in a file.

use core::time::Duration;
use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;
use downshift::{Permission, Permissions, PlainLayers};
use downshift_pull::{ListedHost, UPSTREAM_TIMEOUT};
use downshift_registry::{
    ClientRules, Credentials, HostPattern, InvalidClientRule, Mapping, RegistryName, is_docker_hub,
};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::credentials;
use super::proxies::{self, OwnProxy, Proxies};
use crate::bounded;
use crate::error::Error;
use crate::origin::url::resolve;
use crate::settings::optional_text;

/// Bytes of a file with certificates. A system's own, with all authorities of the web, has a quarter of a megabyte.
const MAX_CA_BYTES: u64 = 16 * 1024 * 1024;

/// How clients get blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Delivery {
    /// Through this server.
    #[default]
    Stream,
    /// From where the registry sends them, if it sends them anywhere.
    Redirect,
    /// Through this server, which caches them.
    Cache,
}

impl From<Delivery> for downshift_pull::Delivery {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Stream => Self::Stream,
            Delivery::Redirect => Self::Redirect,
            Delivery::Cache => Self::Cache,
        }
    }
}

/// Where a registry is, or several.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Site {
    /// At this URL, up to the slash before `v2/`.
    Base(Url),
    /// At the hosts of a domain, which clients name.
    Domain(HostPattern),
}

impl Site {
    /// Its host and port, for people and figures; of several, the pattern of their hosts.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Base(base) => host_of(base),
            Self::Domain(pattern) => pattern.to_string(),
        }
    }

    /// Its host, if the operator has named it.
    pub(crate) fn host(&self) -> Option<String> {
        match self {
            Self::Base(base) => Some(base.host_str().unwrap_or_default().to_owned()),
            Self::Domain(_) => None,
        }
    }

    /// Its URL; of several, with the pattern of their hosts.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Base(base) => base.to_string(),
            Self::Domain(pattern) => format!("https://{pattern}/"),
        }
    }
}

/// A registry, as everything about it has been read.
#[derive(Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) mapping: Mapping,
    pub(crate) site: Site,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) delivery: Delivery,
    pub(crate) timeout: Duration,
    /// Certificates to trust beside the system's.
    pub(crate) ca: Option<Authorities>,
    pub(crate) proxies: Proxies,
    /// What is allowed in its repositories beside what is allowed in all.
    pub(crate) allow: Permissions,
    /// Who gets layers unpacked in its repositories, where that is another than in all.
    pub(crate) plain_layers: Option<PlainLayers>,
    /// What is known of clients in its repositories.
    pub(crate) clients: ClientRules,
}

/// Certificates of those that vouch for others.
#[derive(Clone, PartialEq)]
pub(crate) struct Authorities {
    /// The file that they were read from.
    pub(crate) path: PathBuf,
    /// What is in it, in PEM.
    pub(crate) pem: Vec<u8>,
}

/// The proxies by the variables of this process, of which `own` takes the place.
///
/// # Errors
/// [`Error::InvalidSettings`] for a variable that is no proxy's URL.
pub(crate) fn proxies_of_environment(own: Option<OwnProxy>) -> Result<Proxies, Error> {
    let read = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    Proxies::new(own, read).map_err(|name| Error::InvalidSettings {
        problem: format!("the environment variable `{name}` is not a proxy: write {}", proxies::FORM),
    })
}

impl Authorities {
    /// Reads the certificates in a file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], and [`Error::Unusable`] for a file that is too large.
    pub(crate) fn read(path: PathBuf) -> Result<Self, Error> {
        let pem = bounded::read_file(&path, MAX_CA_BYTES)?;
        Ok(Self { path, pem })
    }
}

/// A registry, as it is described.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct UpstreamConfig {
    /// Its URL. Without a scheme it is HTTPS.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) url: String,
    /// The hosts of several, in the place of one URL: names begin with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) hosts: Vec<String>,
    /// With which components the names begin that it has.
    #[serde(default)]
    pub(crate) prefix: String,
    /// What these stand for there.
    #[serde(default)]
    pub(crate) remote_prefix: String,
    /// Whether names of one component are below `library/` there.
    pub(crate) library: Option<bool>,
    /// The registries whose mirror it is for clients that name these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ns: Vec<String>,
    /// What stands for a slash in names, for engines that know names of two components only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) slash: String,
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    /// Docker's `config.json`.
    pub(crate) docker_config: Option<PathBuf>,
    /// A file with certificates.
    pub(crate) ca: Option<PathBuf>,
    #[serde(default)]
    pub(crate) blobs: Delivery,
    /// In seconds.
    pub(crate) timeout: Option<u64>,
    /// The URL of the proxy towards it in the place of those in the environment, or `none`.
    pub(crate) proxy: Option<String>,
    pub(crate) proxy_username: Option<String>,
    pub(crate) proxy_password_file: Option<PathBuf>,
    /// Refusals of the strict policy to lift here, by their codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow: Vec<String>,
    /// Who gets layers unpacked here.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub(crate) plain_layers: Option<PlainLayers>,
    /// What is known of clients here, as rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) client: Vec<String>,
}

impl UpstreamConfig {
    /// What is wrong with its proxy, if something is that shows without reading any file. An error that repeats the proxy, or
    /// settings that are printed with it, would show the password that somebody may have put into it.
    pub(crate) fn proxy_problem(&self) -> Option<String> {
        let text = self.proxy.as_deref()?;
        let is_proxy = OwnProxy::parse(text, None).is_some();
        (!is_proxy).then(|| {
            format!(
                "`proxy` must be `none` or of the form {}, with the password in the file `proxy-password-file`",
                proxies::FORM
            )
        })
    }

    /// The proxies towards it.
    fn proxies(&self) -> Result<Proxies, Error> {
        let invalid = |problem: String| self.invalid(&problem);
        let credentials = match (&self.proxy_username, &self.proxy_password_file) {
            (None, None) => None,
            (Some(username), Some(file)) if self.proxy.is_some() => {
                Some(Credentials { username: username.clone(), password: credentials::password(file)? })
            }
            _ => {
                return Err(invalid(
                    "`proxy`, `proxy-username` and `proxy-password-file` must be set together".to_owned(),
                ));
            }
        };
        let own = match &self.proxy {
            None => None,
            Some(text) => match OwnProxy::parse(text, credentials.as_ref()) {
                Some(own) => Some(own),
                None => {
                    let problem = self.proxy_problem();
                    return Err(invalid(
                        problem.unwrap_or_else(|| "`proxy` is `none`, and has a user".to_owned()),
                    ));
                }
            },
        };
        proxies_of_environment(own)
    }

    /// Reads the files that are named, and checks the rest: gives one registry, or one for each host.
    pub(crate) fn settings(self) -> Result<Vec<Settings>, Error> {
        let proxies = self.proxies()?;
        let timeout = self.timeout.unwrap_or(UPSTREAM_TIMEOUT.as_secs());
        if timeout == 0 {
            return Err(self.invalid("its timeout must be greater than 0"));
        }
        let sites = if self.hosts.is_empty() { vec![self.site()?] } else { self.sites()? };
        if sites.iter().any(|(mapping, ..)| !mapping.slash.is_empty() && !is_slash(&mapping.slash)) {
            return Err(self.invalid("its `slash` cannot stand inside of a name; write `__` for example"));
        }
        if sites.iter().any(|(mapping, ..)| !mapping.is_valid()) {
            return Err(self.invalid("a repository name cannot begin with its prefix"));
        }
        let ca = match self.ca {
            None => None,
            Some(path) => Some(Authorities::read(path)?),
        };
        let (allow, clients) = (permissions(&self.allow)?, client_rules(&self.client)?);
        let (delivery, timeout) = (self.blobs, Duration::from_secs(timeout));
        let settings = |(mapping, site, credentials)| Settings {
            mapping,
            site,
            credentials,
            delivery,
            timeout,
            ca: ca.clone(),
            proxies: proxies.clone(),
            allow,
            plain_layers: self.plain_layers,
            clients: clients.clone(),
        };
        Ok(sites.into_iter().map(settings).collect())
    }

    fn invalid(&self, problem: &str) -> Error {
        let url = if self.hosts.is_empty() { shown(&self.url) } else { self.hosts.join(", ") };
        Error::InvalidUpstream { url, problem: problem.to_owned() }
    }

    /// The one registry.
    fn site(&self) -> Result<Described, Error> {
        let base = base(&self.url).ok_or_else(|| self.invalid("the URL must be of the form https://HOST"))?;
        let host = host_of(&base);
        let credentials = match (&self.username, &self.password_file, &self.docker_config) {
            (None, None, None) => None,
            (Some(username), Some(file), None) => {
                Some(Credentials { username: username.clone(), password: credentials::password(file)? })
            }
            (None, None, Some(file)) => credentials::from_docker(file, &host)?,
            _ => return Err(self.invalid("set `username` and `password-file`, or `docker-config`")),
        };
        let registry = |name: &String| {
            let problem = format!("`{name}` in `ns` is not the host of a registry, such as `docker.io`");
            RegistryName::parse(name).ok_or_else(|| self.invalid(&problem))
        };
        let mapping = Mapping {
            prefix: self.prefix.clone(),
            remote_prefix: self.remote_prefix.clone(),
            library: self.library.unwrap_or(is_docker_hub(&host)),
            slash: self.slash.clone(),
            registries: self.ns.iter().map(registry).collect::<Result<_, _>>()?,
            is_by_host: false,
        };
        Ok((mapping, Site::Base(base), credentials))
    }

    /// A registry for each host, and for each pattern those of which credentials are known, and all others.
    fn sites(&self) -> Result<Vec<Described>, Error> {
        let of_one = [
            ("url", !self.url.is_empty()),
            ("remote-prefix", !self.remote_prefix.is_empty()),
            ("library", self.library.is_some()),
            ("ns", !self.ns.is_empty()),
            ("username", self.username.is_some()),
            ("password-file", self.password_file.is_some()),
        ];
        if let Some((name, _)) = of_one.into_iter().find(|(_, is_said)| *is_said) {
            let problem = format!("`{name}` is for one registry: give that an [[upstream]] without `hosts`");
            return Err(self.invalid(&problem));
        }
        let mut listed = Vec::new();
        for host in &self.hosts {
            let problem = "a host must be of the form HOST, HOST:PORT, http://HOST or *.DOMAIN";
            let host = ListedHost::parse(host, resolve)
                .ok_or_else(|| Error::InvalidUpstream { url: shown(host), problem: problem.to_owned() })?;
            if let (ListedHost::Pattern(pattern), Some(file)) = (&host, &self.docker_config) {
                let known = credentials::hosts_in_docker(file)?;
                let fits = known.iter().filter(|host| pattern.matches(host));
                listed.extend(fits.filter_map(|host| ListedHost::parse(host, resolve)));
            }
            listed.push(host);
        }
        // A host that is named and fits a pattern as well.
        let mut seen = BTreeSet::new();
        listed.retain(|host| match host {
            ListedHost::Registry { name, .. } => seen.insert(name.clone()),
            ListedHost::Pattern(_) => true,
        });
        let described = |host: ListedHost| {
            let mapping = host.mapping(&self.prefix, &self.slash);
            match host {
                ListedHost::Pattern(pattern) => Ok((mapping, Site::Domain(pattern), None)),
                ListedHost::Registry { base, .. } => {
                    let base = Url::parse(&base.text).map_err(|error| self.invalid(&error.to_string()))?;
                    let file = self.docker_config.as_deref();
                    let credentials = file.map(|file| credentials::from_docker(file, &host_of(&base)));
                    Ok((mapping, Site::Base(base), credentials.transpose()?.flatten()))
                }
            }
        };
        listed.into_iter().map(described).collect()
    }
}

/// The names of a registry, where it is, and who this server is there.
type Described = (Mapping, Site, Option<Credentials>);

/// A host with its port, if that is not the scheme's own.
fn host_of(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_slash(text: &str) -> bool {
    Mapping { slash: text.to_owned(), ..Mapping::default() }.is_valid()
}

/// What is allowed, by the codes of the refusals.
///
/// # Errors
/// [`downshift::Error::UnknownPermission`].
pub(crate) fn permissions(codes: &[String]) -> Result<Permissions, Error> {
    let permissions = codes.iter().map(|code| code.parse::<Permission>());
    Ok(permissions.collect::<Result<_, _>>()?)
}

/// What is known of clients.
///
/// # Errors
/// [`Error::InvalidSettings`].
pub(crate) fn client_rules(rules: &[String]) -> Result<ClientRules, Error> {
    let invalid = |error: InvalidClientRule| Error::InvalidSettings { problem: error.to_string() };
    ClientRules::parse(rules.iter().map(String::as_str)).map_err(invalid)
}

/// A URL for messages: without the name and password that somebody may have put into it.
fn shown(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => url.to_owned(),
    }
}

/// The URL up to the slash before `v2/`.
fn base(text: &str) -> Option<Url> {
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    Url::parse(&downshift_pull::Url::of_registry(&text, resolve)?.text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_of_registries() {
        for (text, expected) in [
            ("docker.io", "https://registry-1.docker.io/"),
            ("http://localhost:5000", "http://localhost:5000/"),
            ("https://example.org/registry/v2/", "https://example.org/registry/"),
        ] {
            assert_eq!(base(text).unwrap().as_str(), expected);
        }
        for text in ["", "ftp://a", "https://user:pw@a", "https://a?x", "file:///etc", "https://"] {
            assert!(base(text).is_none(), "{text}");
        }
    }

    /// What is said in a table, as prefixes and sites, or what is wrong with it.
    fn read(text: &str) -> Result<Vec<(String, String, bool)>, String> {
        let config: UpstreamConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        let settings = config.settings().map_err(|error| error.to_string())?;
        let shown = |settings: Settings| {
            (settings.mapping.prefix.clone(), settings.site.url(), settings.credentials.is_some())
        };
        Ok(settings.into_iter().map(shown).collect())
    }

    #[test]
    fn a_list_of_hosts_is_a_registry_for_each() {
        let registry = |prefix: &str, url: &str| (prefix.to_owned(), url.to_owned(), false);
        let text = "hosts = [\"ghcr.io\", \"docker.io\", \"http://localhost:5000\", \"*.azurecr.io\"]";
        let all = [
            registry("ghcr.io", "https://ghcr.io/"),
            registry("docker.io", "https://registry-1.docker.io/"),
            registry("localhost:5000", "http://localhost:5000/"),
            registry("", "https://*.azurecr.io/"),
        ];
        assert_eq!(read(text), Ok(all.to_vec()));
        let below = read(&format!("{text}\nprefix = \"mirror\"")).unwrap();
        assert_eq!(below[0], registry("mirror/ghcr.io", "https://ghcr.io/"));
        for (member, expected) in [
            ("url = \"https://a\"", "`url` is for one registry"),
            ("ns = [\"a.io\"]", "`ns` is for one registry"),
            ("username = \"a\"", "`username` is for one registry"),
            ("slash = \"/\"", "`slash` cannot stand inside"),
            ("prefix = \"A\"", "cannot begin with its prefix"),
        ] {
            let error = read(&format!("{text}\n{member}")).unwrap_err();
            assert!(error.contains(expected), "{member}: {error}");
        }
        for host in ["", "*", "a/b", "https://user:hunter2@a", "ftp://a", "10.0.0.*"] {
            let error = read(&format!("hosts = [\"{host}\"]")).unwrap_err();
            assert!(error.contains("a host must be of the form") && !error.contains("user"), "{error}");
        }
    }

    #[test]
    fn hosts_of_a_list_have_the_credentials_that_docker_has_for_each() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let json = br#"{"auths":{"ghcr.io":{"auth":"YTpi"},"team.azurecr.io":{"auth":"YTpi"},"https://x.azurecr.io/v2/":{"auth":"YTpi"},
            "quay.io":{"auth":"YTpi"},"https://index.docker.io/v1/":{"auth":"YTpi"}}}"#;
        std::io::Write::write_all(&mut file, json).unwrap();
        let text = format!(
            "hosts = [\"ghcr.io\", \"*.azurecr.io\", \"team.azurecr.io\", \"docker.io\", \"gcr.io\"]\ndocker-config = {:?}",
            file.path()
        );
        let registry = |host: &str, url: &str, is_known| (host.to_owned(), url.to_owned(), is_known);
        let all = [
            registry("ghcr.io", "https://ghcr.io/", true),
            registry("x.azurecr.io", "https://x.azurecr.io/", true),
            registry("team.azurecr.io", "https://team.azurecr.io/", true),
            registry("", "https://*.azurecr.io/", false),
            registry("docker.io", "https://registry-1.docker.io/", true),
            registry("gcr.io", "https://gcr.io/", false),
        ];
        let mut read = read(&text).unwrap();
        read[1..3].sort_by_key(|(host, ..)| core::cmp::Reverse(host.clone()));
        assert_eq!(read, all);
    }
}
