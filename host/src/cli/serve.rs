//! `downshift serve`

use core::net::SocketAddr;
use core::str::FromStr;
use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use clap::Args;
use downshift::{Limits, Platform, Policy};
use downshift_registry::PAGE_PATH;
use downshift_sign::{P256Signer, PrivateKey};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::{EngineArgs, LimitArgs, Verdict};
use crate::access::{Access, Htpasswd, PassThrough};
use crate::answers::Answers;
use crate::converter::Converter;
use crate::error::Error;
use crate::front::{Front, Source};
use crate::keys;
use crate::log;
use crate::records::{self, Records};
use crate::server::{self, Signals};
use crate::store::Store;
use crate::upstream::{self, Delivery, Described, Upstream};
use crate::workers::Workers;

/// Serve the images of a registry or a folder, to each client in a form that it understands
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    upstream: UpstreamArgs,
    /// How long it is taken for granted what a tag of an upstream registry points to, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    tag_ttl: u64,
    /// Who may pull: everybody (open), the users of a file that htpasswd -B has written (htpasswd:FILE), or whoever the
    /// upstream registry lets (upstream)
    #[arg(long, value_name = "open|htpasswd:FILE|upstream", default_value = "open")]
    auth: Auth,
    /// The URL by which clients reach this server, where that is not HTTP and the name that they use
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// The folder for what the server keeps: its signing key, and every digest that it reports, so that these can be
    /// pulled for good; without it nothing is written
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many bytes of reported digests to keep; those that were reported longest ago go first [default: 1 GiB, and
    /// 128 MiB without a data folder]
    #[arg(long, value_name = "BYTES")]
    records_bytes: Option<u64>,
    /// The private key to sign with, on P-256, as JWK or in PEM
    ///
    /// Without it that in the data folder is used, and made first if there is none; without a data folder, one that
    /// is lost when the server stops.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What to do with images that Distribution converts with a loss: refuse them (strict) or do as it does
    /// (reference)
    #[arg(long, value_name = "strict|reference", default_value_t)]
    policy: Policy,
    /// The platform for clients that do not say theirs; the reference policy knows linux/amd64 only
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", default_value_t)]
    platform: Platform,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Where images come from.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct SourceArgs {
    /// A folder of images, with one OCI image layout per repository, such as DIR/library/httpd
    ///
    /// It is only read, and what changes in it is served at once. Symbolic links in it are followed.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// A registry, such as docker.io or http://localhost:5000
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// A file in TOML with several registries, each as an [[upstream]] with url, prefix, remote-prefix, library,
    /// username, password-file, docker-config, ca, blobs and timeout
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How the registry of `--upstream` is asked.
#[derive(Args)]
#[group(multiple = true, conflicts_with_all = ["store", "config"])]
struct UpstreamArgs {
    /// The user's name at the upstream registry
    #[arg(long, value_name = "NAME", requires = "upstream_password_file")]
    upstream_username: Option<String>,
    /// A file with the password for it on its first line
    #[arg(long, value_name = "FILE", requires = "upstream_username")]
    upstream_password_file: Option<PathBuf>,
    /// A config.json of Docker's to take the name and password from
    #[arg(long, value_name = "FILE", conflicts_with = "upstream_username")]
    upstream_docker_config: Option<PathBuf>,
    /// A file in PEM with certificates to trust beside the system's
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// How long the upstream registry may be silent, in seconds [default: 30]
    #[arg(long, value_name = "SECONDS")]
    upstream_timeout: Option<u64>,
    /// Send blobs through this server, or clients to where the upstream registry has them [default: stream]
    #[arg(long, value_name = "stream|redirect", value_enum, hide_possible_values = true)]
    blobs: Option<Delivery>,
}

/// Who may pull.
#[derive(Clone)]
enum Auth {
    Open,
    Htpasswd(PathBuf),
    Upstream,
}

impl FromStr for Auth {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("htpasswd:")) {
            ("open", _) => Ok(Self::Open),
            ("upstream", _) => Ok(Self::Upstream),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Htpasswd(path.into())),
            _ => Err("write open, htpasswd:FILE or upstream"),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  In front of a registry:
  downshift serve --upstream https://registry.example.org --data /var/lib/downshift --listen 0.0.0.0:5000

  In front of a folder:
  mkdir -p images/team
  skopeo copy docker-daemon:app:1.0 oci:images/team/app:1.0
  downshift serve --store images --data /var/lib/downshift --listen 0.0.0.0:5000

  What Docker 1.6 to 1.9 get:
  curl -i http://127.0.0.1:5000/v2/team/app/manifests/1.0";

impl UpstreamArgs {
    fn described(&self, url: String) -> Described {
        Described {
            url,
            username: self.upstream_username.clone(),
            password_file: self.upstream_password_file.clone(),
            docker_config: self.upstream_docker_config.clone(),
            ca: self.upstream_ca.clone(),
            blobs: self.blobs.unwrap_or_default(),
            timeout: self.upstream_timeout,
            ..Described::default()
        }
    }
}

/// A URL up to its host, to which paths are added.
fn public_url(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or("write it as https://HOST")?.trim_end_matches('/');
    let in_url = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte);
    if rest.is_empty() || !rest.bytes().all(in_url) {
        return Err("write it as https://HOST");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

impl Serve {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let limits = self.limits.limits()?;
        let threads = thread::available_parallelism().map_or(1, Into::into);
        let unavailable = |error| Error::Unavailable { address: self.listen, error };
        let source = self.source(&limits)?;
        let front = Front {
            access: self.access(&source)?,
            source,
            records: Arc::new(self.records()?),
            answers: Answers::new(),
            converter: Arc::new(Converter {
                engine: self.engine.engine(u32::try_from(threads).unwrap_or(u32::MAX))?,
                workers: Workers::start(threads).map_err(unavailable)?,
                signer: P256Signer::new(&self.key()?),
                policy: self.policy,
                platform: self.platform.clone(),
                limits,
            }),
        };
        Runtime::new().map_err(unavailable)?.block_on(async {
            let signals = Signals::listen().map_err(unavailable)?;
            let listener = TcpListener::bind(self.listen).await.map_err(unavailable)?;
            let address = listener.local_addr().map_err(unavailable)?;
            log::notice(format_args!("listening on http://{address}"));
            log::notice(format_args!("for browsers: http://{address}{PAGE_PATH}/"));
            server::run(listener, front, signals).await;
            Ok(Verdict::Yes)
        })
    }

    fn source(&self, limits: &Limits) -> Result<Source, Error> {
        let SourceArgs { store, upstream, config } = &self.source;
        let settings = match (store, upstream, config) {
            (Some(folder), _, _) => {
                return Ok(Source::Store(Arc::new(Store::open(folder.clone(), limits.clone())?)));
            }
            (_, _, Some(file)) => upstream::read_settings(file)?,
            (_, url, _) => vec![self.upstream.described(url.clone().unwrap_or_default()).settings()?],
        };
        // rustls has several libraries for its cryptography, and wants to be told which.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A lifetime of nothing would not be one for several that ask at once.
        let tag_lifetime = Duration::from_secs(self.tag_ttl).max(Duration::from_millis(1));
        let open = |settings| Upstream::new(settings, limits.clone(), tag_lifetime).map(Arc::new);
        Ok(Source::Upstreams(settings.into_iter().map(open).collect::<Result<_, _>>()?))
    }

    fn access(&self, source: &Source) -> Result<Access, Error> {
        match (&self.auth, source) {
            (Auth::Open, _) => Ok(Access::Open),
            (Auth::Htpasswd(path), _) => Ok(Access::Htpasswd(Htpasswd::open(path.clone())?)),
            (Auth::Upstream, Source::Upstreams(upstreams)) if let [upstream] = upstreams.as_slice() => {
                let pass_through = PassThrough::new(Arc::clone(upstream), self.public_url.clone())?;
                Ok(Access::PassThrough(pass_through))
            }
            // A token is good for one registry.
            (Auth::Upstream, _) => Err(Error::NotOneUpstream),
        }
    }

    fn records(&self) -> Result<Records, Error> {
        match &self.data {
            Some(data) => Records::open(data, self.records_bytes.unwrap_or(records::DISK_BYTES)),
            None => Ok(Records::in_memory(self.records_bytes.unwrap_or(records::MEMORY_BYTES))),
        }
    }

    fn key(&self) -> Result<PrivateKey, Error> {
        match (&self.key, &self.data) {
            (Some(file), _) => keys::read(file),
            (None, Some(data)) => keys::read_or_make(data),
            (None, None) => {
                log::notice(
                    "downshift: the signing key is lost when the server stops: keep one with --data or --key",
                );
                Ok(PrivateKey::generate()?)
            }
        }
    }
}
