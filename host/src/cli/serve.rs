//! `downshift serve`

use core::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use clap::Args;
use downshift::{Platform, Policy};
use downshift_sign::{P256Signer, PrivateKey};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::{EngineArgs, LimitArgs, Verdict};
use crate::answers::Answers;
use crate::error::Error;
use crate::keys;
use crate::log;
use crate::records::Records;
use crate::registry::Registry;
use crate::server::{self, Signals};
use crate::store::Store;
use crate::workers::Workers;

/// Serve a folder of images as a registry, to each client in a form that it understands
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    /// The folder of images, with one OCI image layout per repository, such as DIR/library/httpd
    ///
    /// It is only read, and what changes in it is served at once. Symbolic links in it are followed.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// The folder for what the server keeps, which is its signing key; without it nothing is written
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
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

const EXAMPLES: &str = "\
Examples:
  mkdir -p images/team
  skopeo copy docker-daemon:app:1.0 oci:images/team/app:1.0
  downshift serve --store images --data /var/lib/downshift --listen 0.0.0.0:5000

  What Docker 1.6 to 1.9 get:
  curl -i http://127.0.0.1:5000/v2/team/app/manifests/1.0";

impl Serve {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let limits = self.limits.limits()?;
        let threads = thread::available_parallelism().map_or(1, Into::into);
        let registry = Registry {
            store: Store::open(self.store.clone(), limits.clone())?,
            records: Records::new(),
            answers: Answers::new(),
            engine: self.engine.engine(u32::try_from(threads).unwrap_or(u32::MAX))?,
            signer: P256Signer::new(&self.key()?),
            policy: self.policy,
            platform: self.platform,
            limits,
        };
        let unavailable = |error| Error::Unavailable { address: self.listen, error };
        let workers = Workers::start(threads).map_err(unavailable)?;
        Runtime::new().map_err(unavailable)?.block_on(async {
            let signals = Signals::listen().map_err(unavailable)?;
            let listener = TcpListener::bind(self.listen).await.map_err(unavailable)?;
            let address = listener.local_addr().map_err(unavailable)?;
            log::notice(format_args!("listening on http://{address}"));
            server::run(listener, registry, workers, signals).await;
            Ok(Verdict::Yes)
        })
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
