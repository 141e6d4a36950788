//! `downshift serve`

use std::sync::Arc;

use clap::Args;
use downshift_registry::PAGE_PATH;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;

use super::options::Options;
use super::output::write_document;
use super::verdict::Verdict;
use crate::error::Error;
use crate::log;
use crate::server::{self, Listener, Reload, Signals};
use crate::service::Service;
use crate::settings::Settings;

/// How many files are open beside those of connections, in a server that is busy with conversions and registries.
const OTHER_FILES: u64 = 1024;

/// Serve the images of a registry or a folder, to each client in a form that it understands
///
/// At SIGHUP, the settings file and every file that the settings name are read again; at SIGTERM and SIGINT, requests
/// under way are finished first. Each long option is also an environment variable, such as DOWNSHIFT_TAG_TTL for
/// --tag-ttl, and a key of the settings file. The command line takes precedence over the environment, and the
/// environment over the file.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    options: Options,
    /// Write the resulting settings as a TOML file, and do nothing else
    #[arg(long)]
    print_config: bool,
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

impl Serve {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let settings = self.options.settings()?;
        if self.print_config {
            write_document(None, settings.to_toml()?.as_bytes())?;
            return Ok(Verdict::Yes);
        }
        log::start(settings.log_format, settings.log_level);
        let (listen, admin_listen) = (settings.listen.clone(), settings.admin_listen.clone());
        let unavailable = |error| Error::Unavailable { address: listen.to_string(), error };
        make_room(&settings);
        let scheme = if settings.tls().is_some() { "https" } else { "http" };
        let runtime = Runtime::new().map_err(unavailable)?;
        // Before anything that takes time: in a container, a signal that nobody listens for is lost.
        let signals = {
            let _within = runtime.enter();
            Signals::listen().map_err(unavailable)?
        };
        let service = Service::start(settings)?;
        let reload: Arc<Reload> =
            Arc::new(move |service: &Service| service.reloaded(&self.options.settings()?));
        runtime.block_on(async {
            let listener = Listener::bind(&listen).await?;
            let admin = match &admin_listen {
                None => None,
                Some(listen) => Some(Listener::bind(listen).await?),
            };
            for address in listener.addresses() {
                log::info(format_args!("listening on {scheme}://{address}"));
                log::info(format_args!("for browsers: {scheme}://{address}{PAGE_PATH}/"));
            }
            for address in admin.iter().flat_map(Listener::addresses) {
                log::info(format_args!("for the operator: http://{address}/metrics"));
            }
            server::run(listener, admin, service, reload, signals).await;
            Ok(Verdict::Yes)
        })
    }
}

/// Has as many files open as the system lets: each connection is one.
fn make_room(settings: &Settings) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = if raised.is_ok() { maximum } else { current };
    let needed = settings.max_connections as u64 + OTHER_FILES;
    if let Some(files) = files.filter(|files| *files < needed) {
        log::warn(format_args!(
            "the limit on open files is `{files}`, but `max-connections` may need `{needed}`: raise the limit, or lower \
             `max-connections`"
        ));
    }
}
