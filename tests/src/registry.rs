//! The reference: Distribution's own registry, as Debian packages it.

use core::time::Duration;
use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use downshift::Digest;
use downshift_cases::images::{Image, Manifest};
use downshift_cases::vectors::Fetched;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::NamedTempFile;
use ureq::config::AutoHeaderValue;
use ureq::http::{HeaderMap, StatusCode};
use ureq::{Agent, AsSendBody};

use crate::programs::DOCKER_REGISTRY;
use crate::server::Server;
use crate::tokens::{ISSUER, SERVICE, TokenService, User};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long the upload of a large blob may take.
const LARGE_TIMEOUT: Duration = Duration::from_secs(600);

/// The most that is read of one answer, in bytes.
const BODY_LIMIT: u64 = 64 * 1024 * 1024;

/// Schema 1 may be pushed, and foreign layers from everywhere: what is converted is what counts.
const CONFIGURATION: &str = "\
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {inmemory: {}}
compatibility: {schema1: {enabled: true}}
validation: {manifests: {urls: {allow: ['.*']}}}
";

/// A running registry of Distribution 2.8.
#[derive(Debug)]
pub struct Registry {
    url: String,
    agent: Agent,
    /// The blobs that are there, by repository.
    pushed: Mutex<HashSet<(String, Digest)>>,
    /// What pushes say of themselves.
    authorization: Authorization,
    /// The process, which ends with this value.
    _server: Option<Server>,
    /// The file of its users, which it reads when one comes.
    _users: Option<NamedTempFile>,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug)]
pub enum Validity {
    /// Years ago.
    Past,
    /// Now, and for long.
    Now,
    /// In a time to come.
    Future,
}

/// What a client says of itself.
#[derive(Debug)]
enum Authorization {
    Nothing,
    /// The same with every request.
    Fixed(String),
    /// A token for each repository.
    Token {
        service: Arc<TokenService>,
        user: User,
    },
}

impl Registry {
    /// Starts a registry that keeps everything in memory.
    ///
    /// # Errors
    /// If the program is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with("http: {addr: '127.0.0.1:0'}\n", "http", Authorization::Nothing)
    }

    /// Starts a registry for one user, with name and password.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_password(username: &str, password: &str) -> anyhow::Result<Self> {
        let mut users = NamedTempFile::new()?;
        users.write_all(htpasswd(username, password)?.as_bytes())?;
        let path = users.path().display();
        let settings =
            format!("http: {{addr: '127.0.0.1:0'}}\nauth: {{htpasswd: {{realm: test, path: '{path}'}}}}\n");
        let basic = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
        let registry = Self::start_with(&settings, "http", Authorization::Fixed(basic))?;
        Ok(Self { _users: Some(users), ..registry })
    }

    /// Starts a registry that takes the tokens of `service`, and pushes as `user`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_tokens(service: &Arc<TokenService>, user: User) -> anyhow::Result<Self> {
        let mut certificate = NamedTempFile::new()?;
        certificate.write_all(service.certificate().as_bytes())?;
        let settings = format!(
            "http: {{addr: '127.0.0.1:0'}}\nauth: {{token: {{realm: '{}', service: {SERVICE}, issuer: {ISSUER}, \
             rootcertbundle: '{}'}}}}\n",
            service.realm(),
            certificate.path().display()
        );
        let authorization = Authorization::Token { service: Arc::clone(service), user };
        Self::start_with(&settings, "http", authorization)
    }

    /// Starts a registry that sends whoever asks for a blob to the server at `url`, which has to have it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_redirects(url: &str) -> anyhow::Result<Self> {
        let settings = format!(
            "http: {{addr: '127.0.0.1:0'}}\n\
             middleware: {{storage: [{{name: redirect, options: {{baseurl: '{url}'}}}}]}}\n"
        );
        Self::start_with(&settings, "http", Authorization::Nothing)
    }

    /// Starts a registry with TLS, and gives its certificate, which nobody has signed, in PEM.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_tls() -> anyhow::Result<(Self, NamedTempFile)> {
        Self::start_with_certificate(&["127.0.0.1", "0.0.0.0", "localhost"], Validity::Now)
    }

    /// The same, with a certificate for these names.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_certificate(
        names: &[&str],
        validity: Validity,
    ) -> anyhow::Result<(Self, NamedTempFile)> {
        let mut parameters =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        (parameters.not_before, parameters.not_after) = match validity {
            Validity::Past => (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1)),
            Validity::Now => (date_time_ymd(2001, 1, 1), date_time_ymd(4001, 1, 1)),
            Validity::Future => (date_time_ymd(4001, 1, 1), date_time_ymd(4002, 1, 1)),
        };
        let signing_key = KeyPair::generate()?;
        let made = parameters.self_signed(&signing_key)?;
        let (mut certificate, mut key) = (NamedTempFile::new()?, NamedTempFile::new()?);
        certificate.write_all(made.pem().as_bytes())?;
        key.write_all(signing_key.serialize_pem().as_bytes())?;
        let settings = format!(
            "http: {{addr: '127.0.0.1:0', tls: {{certificate: '{}', key: '{}'}}}}\n",
            certificate.path().display(),
            key.path().display()
        );
        Ok((Self::start_with(&settings, "https", Authorization::Nothing)?, certificate))
    }

    fn start_with(settings: &str, scheme: &str, authorization: Authorization) -> anyhow::Result<Self> {
        let mut configuration = NamedTempFile::new()?;
        configuration.write_all([CONFIGURATION, settings].concat().as_bytes())?;
        let server = Server::start(Command::new(DOCKER_REGISTRY).arg("serve").arg(configuration.path()))?;
        let registry = Self::at(&format!("{scheme}://{}", server.address()));
        Ok(Self { _server: Some(server), authorization, ..registry })
    }

    /// The registry at `url`, which somebody else has started.
    #[must_use]
    pub fn at(url: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // Whether these headers are there is what matters: none is sent unless asked for.
            .accept(AutoHeaderValue::None)
            .accept_encoding(AutoHeaderValue::None)
            .user_agent(AutoHeaderValue::None)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .build()
            .new_agent();
        Self {
            url: url.trim_end_matches('/').to_string(),
            agent,
            pushed: Mutex::default(),
            authorization: Authorization::Nothing,
            _server: None,
            _users: None,
        }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its host and port, as they begin the name of an image.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.split_once("://").map_or(&self.url, |(_, host)| host)
    }

    /// Pushes an image: its blobs, the manifests that it lists, and its manifest under `tag`.
    ///
    /// # Errors
    /// If the registry does not take it.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> anyhow::Result<()> {
        for blob in image.configs.iter().chain(&image.layers) {
            self.push_blob(repository, blob)?;
        }
        for child in &image.children {
            self.push_manifest(repository, child.digest().as_str(), child)?;
        }
        self.push_manifest(repository, tag, &image.manifest)
    }

    /// Fetches a tag as a client does that names the media types in `accept`: with none, as Docker 1.6–1.9.
    ///
    /// # Errors
    /// If there is no connection to the registry.
    pub fn fetch(&self, repository: &str, tag: &str, accept: &[&str]) -> anyhow::Result<Fetched> {
        let url = format!("{}/v2/{repository}/manifests/{tag}", self.url);
        let get = || {
            let request =
                accept.iter().fold(self.agent.get(&url), |request, value| request.header("Accept", *value));
            request.call()
        };
        // A connection that was kept open may have gone in the meantime: only twice is never.
        let Ok(mut response) = get().or_else(|_| get()) else {
            self.agent.get(format!("{}/v2/", self.url)).call().context("the registry is gone")?;
            return Ok(Fetched::Dropped);
        };
        Ok(Fetched::Answer {
            status: response.status().as_u16(),
            content_type: header(response.headers(), "Content-Type"),
            digest: header(response.headers(), "Docker-Content-Digest"),
            body: response.body_mut().with_config().limit(BODY_LIMIT).read_to_vec()?,
        })
    }

    /// The value of `Authorization` for pushing to `repository`; an open registry does not look at it.
    fn authorization(&self, repository: &str) -> anyhow::Result<String> {
        match &self.authorization {
            Authorization::Nothing => Ok("None".to_string()),
            Authorization::Fixed(value) => Ok(value.clone()),
            Authorization::Token { service, user } => {
                Ok(format!("Bearer {}", service.token(user, repository)?))
            }
        }
    }

    /// Pushes a blob that is in a file, of any size.
    ///
    /// # Errors
    /// If the registry does not take it, or the file cannot be read.
    pub fn push_file(&self, repository: &str, digest: &Digest, file: &Path) -> anyhow::Result<()> {
        let file = File::open(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
        self.upload(repository, digest, file, LARGE_TIMEOUT)
    }

    fn push_blob(&self, repository: &str, blob: &[u8]) -> anyhow::Result<()> {
        let key = (repository.to_string(), Digest::of(blob));
        if self.pushed.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return Ok(());
        }
        self.upload(repository, &key.1, blob, TIMEOUT)?;
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        Ok(())
    }

    fn upload(
        &self,
        repository: &str,
        digest: &Digest,
        blob: impl AsSendBody,
        timeout: Duration,
    ) -> anyhow::Result<()> {
        let authorization = self.authorization(repository)?;
        let request = self.agent.post(format!("{}/v2/{repository}/blobs/uploads/", self.url));
        let response = request.header("Authorization", &authorization).send_empty()?;
        let location = header(response.headers(), "Location").context("an upload has no location")?;
        ensure!(response.status() == StatusCode::ACCEPTED, "an upload got status {}", response.status());
        let location = if location.starts_with('/') { format!("{}{location}", self.url) } else { location };
        let separator = if location.contains('?') { '&' } else { '?' };
        let request = self.agent.put(format!("{location}{separator}digest={digest}"));
        let request = request.config().timeout_global(Some(timeout)).build();
        let response = request.header("Authorization", &authorization).send(blob)?;
        ensure!(response.status() == StatusCode::CREATED, "a blob got status {}", response.status());
        Ok(())
    }

    fn push_manifest(&self, repository: &str, reference: &str, manifest: &Manifest) -> anyhow::Result<()> {
        let url = format!("{}/v2/{repository}/manifests/{reference}", self.url);
        let request = self.agent.put(url).header("Content-Type", manifest.form.media_type());
        let request = request.header("Authorization", self.authorization(repository)?);
        let mut response = request.send(&manifest.bytes)?;
        if response.status() != StatusCode::CREATED {
            bail!("a manifest got status {}: {}", response.status(), response.body_mut().read_to_string()?);
        }
        Ok(())
    }
}

/// A line of a file of users and passwords.
///
/// # Errors
/// If the password cannot be hashed.
pub fn htpasswd(username: &str, password: &str) -> anyhow::Result<String> {
    // As cheap as it goes: what it protects is in a test.
    let hash = bcrypt::hash_with_result(password, 4)?.format_for_version(bcrypt::Version::TwoY);
    Ok(format!("{username}:{hash}\n"))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToString::to_string)
}
