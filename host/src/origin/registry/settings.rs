//! What an operator says of the registries to have images from: on the command line or in a file.

use core::time::Duration;
use std::path::PathBuf;

use clap::ValueEnum;
use downshift::{Permission, Permissions};
use downshift_pull::UPSTREAM_TIMEOUT;
use downshift_registry::{Credentials, Mapping, is_docker_hub};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::credentials;
use super::proxies::{self, OwnProxy, Proxies};
use crate::bounded;
use crate::error::Error;
use crate::origin::url::resolve;

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
}

impl From<Delivery> for downshift_pull::Delivery {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Stream => Self::Stream,
            Delivery::Redirect => Self::Redirect,
        }
    }
}

/// A registry, as everything about it has been read.
#[derive(Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) mapping: Mapping,
    /// Its URL, up to the slash before `v2/`.
    pub(crate) base: Url,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) delivery: Delivery,
    pub(crate) timeout: Duration,
    /// Certificates to trust beside the system's.
    pub(crate) ca: Option<Authorities>,
    pub(crate) proxies: Proxies,
    /// What is allowed in its repositories beside what is allowed in all.
    pub(crate) allow: Permissions,
}

/// Certificates of those that vouch for others.
#[derive(Clone, PartialEq)]
pub(crate) struct Authorities {
    /// The file that they were read from.
    pub(crate) path: PathBuf,
    /// What is in it, in PEM.
    pub(crate) pem: Vec<u8>,
}

/// A registry, as it is described.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct UpstreamConfig {
    /// Its URL. Without a scheme it is HTTPS.
    pub(crate) url: String,
    /// With which components the names begin that it has.
    #[serde(default)]
    pub(crate) prefix: String,
    /// What these stand for there.
    #[serde(default)]
    pub(crate) remote_prefix: String,
    /// Whether names of one component are below `library/` there.
    pub(crate) library: Option<bool>,
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
    /// Refusals of the strict policy that are none here, by their codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow: Vec<String>,
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
        let invalid = |problem: String| Error::InvalidUpstream { url: shown(&self.url), problem };
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
        let read = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Proxies::new(own, read).map_err(|name| Error::InvalidSettings {
            problem: format!("the environment variable `{name}` is not a proxy: write {}", proxies::FORM),
        })
    }

    /// Reads the files that are named, and checks the rest.
    pub(crate) fn settings(self) -> Result<Settings, Error> {
        let proxies = self.proxies()?;
        let invalid =
            |problem: &str| Error::InvalidUpstream { url: shown(&self.url), problem: problem.to_owned() };
        let base = base(&self.url).ok_or_else(|| invalid("the URL must be of the form https://HOST"))?;
        let host = match base.port() {
            Some(port) => format!("{}:{port}", base.host_str().unwrap_or_default()),
            None => base.host_str().unwrap_or_default().to_owned(),
        };
        let credentials = match (self.username, self.password_file, self.docker_config) {
            (None, None, None) => None,
            (Some(username), Some(file), None) => {
                Some(Credentials { username, password: credentials::password(&file)? })
            }
            (None, None, Some(file)) => credentials::from_docker(&file, &host)?,
            _ => return Err(invalid("set `username` and `password-file`, or `docker-config`")),
        };
        let library = self.library.unwrap_or(is_docker_hub(&host));
        let mapping = Mapping { prefix: self.prefix, remote_prefix: self.remote_prefix, library };
        if !mapping.is_valid() {
            return Err(invalid("a repository name cannot begin with its prefix"));
        }
        let timeout = self.timeout.unwrap_or(UPSTREAM_TIMEOUT.as_secs());
        if timeout == 0 {
            return Err(invalid("its timeout must be greater than 0"));
        }
        let timeout = Duration::from_secs(timeout);
        let ca = match self.ca {
            None => None,
            Some(path) => {
                let pem = bounded::read_file(&path, MAX_CA_BYTES)?;
                Some(Authorities { path, pem })
            }
        };
        let allow = permissions(&self.allow)?;
        Ok(Settings { mapping, base, credentials, delivery: self.blobs, timeout, ca, proxies, allow })
    }
}

/// What is allowed, by the codes of the refusals.
///
/// # Errors
/// [`downshift::Error::UnknownPermission`].
pub(crate) fn permissions(codes: &[String]) -> Result<Permissions, Error> {
    let permissions = codes.iter().map(|code| code.parse::<Permission>());
    Ok(permissions.collect::<Result<_, _>>()?)
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
}
