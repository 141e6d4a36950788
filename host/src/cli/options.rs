//! The options of a server on the command line.
//!
//! Each that has a long name is an environment variable and a key of the file as well, by the same name: what is said
//! twice counts as on the command line, else as in the environment.

use core::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Arg, Args, Command};
use downshift::{Platform, Policy};
use ipnet::IpNet;
use serde::{Serialize, Serializer};
use toml::{Table, Value};

use super::limit;
use crate::engine::EngineName;
use crate::error::Error;
use crate::log::{Format, Level};
use crate::settings::{Auth, Settings, names, read_file};
use crate::upstream::{Delivery, Described};

/// How the names of the environment's variables begin.
const PREFIX: &str = "DOWNSHIFT_";

/// What is no setting of a server, or, as the guest, names another file while the program is built.
const NOT_IN_THE_ENVIRONMENT: [&str; 4] = ["guest", "help", "print-config", "version"];

/// What was said on the command line and in the environment, by the keys of the file.
#[derive(Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Options {
    /// A file in TOML that says any of this: the long options are its keys
    ///
    /// Registries are tables [[upstream]] in it, with url, prefix, remote-prefix, library, username, password-file,
    /// docker-config, ca, blobs and timeout. Paths in it begin where it is.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// A folder of images, with one OCI image layout per repository, such as DIR/library/httpd
    ///
    /// It is only read, and what changes in it is served at once. Symbolic links in it are followed.
    #[arg(long, value_name = "DIR", group = "source")]
    store: Option<PathBuf>,
    /// A registry, such as docker.io or http://localhost:5000
    #[arg(long, value_name = "URL", group = "source")]
    #[serde(skip)]
    upstream: Option<String>,
    #[command(flatten)]
    #[serde(skip)]
    of_upstream: UpstreamArgs,
    /// How long it is taken for granted what a tag of an upstream registry points to, in seconds
    #[arg(long, value_name = "SECONDS")]
    tag_ttl: Option<u64>,
    /// How much longer that counts while the registry cannot be asked, in seconds; not where it decides who may pull
    #[arg(long, value_name = "SECONDS")]
    stale_for: Option<u64>,
    /// Who may pull: everybody (open), the users of a file that htpasswd -B has written (htpasswd:FILE), or whoever the
    /// upstream registry lets (upstream)
    #[arg(long, value_name = "open|htpasswd:FILE|upstream")]
    #[serde(serialize_with = "as_text")]
    auth: Option<Auth>,
    /// The URL by which clients reach this server, where that is not the name that they use, by HTTP or with
    /// --tls-certificate by HTTPS
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where to listen for the operator: /metrics, /healthz, /readyz, /clients and /purge, for whoever can reach it
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
    /// The folder for what the server keeps: its signing key, every digest that it reports, so that these can be
    /// pulled for good, documents of upstream registries, and who asks for old forms; without it nothing is written
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many bytes of reported digests to keep; those that were reported longest ago go first [default: 1 GiB, and
    /// 128 MiB without a data folder]
    #[arg(long, value_name = "BYTES")]
    records_bytes: Option<u64>,
    /// How many bytes of upstream registries' manifests and configs to keep in the data folder; those that were used
    /// longest ago go first
    #[arg(long, value_name = "BYTES")]
    documents_bytes: Option<u64>,
    /// The private key to sign with, on P-256, as JWK or in PEM
    ///
    /// Without it that in the data folder is used, and made first if there is none; without a data folder, one that
    /// is lost when the server stops.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What to do with images that Distribution converts with a loss: refuse them (strict) or do as it does
    /// (reference)
    #[arg(long, value_name = "strict|reference")]
    #[serde(serialize_with = "as_text")]
    policy: Option<Policy>,
    /// The platform for clients that do not say theirs; the reference policy knows linux/amd64 only
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    #[serde(serialize_with = "as_text")]
    platform: Option<Platform>,
    /// Serve by TLS, with the certificate in this file and those that vouch for it, in PEM; a change is noticed
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// How many connections there may be at once; more are answered with 503
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// How many requests may be under way at once; more are answered with 503
    #[arg(long, value_name = "N")]
    max_requests: Option<usize>,
    /// How many of them may be one client's, by its IPv4 address or the first half of its IPv6 address; more are
    /// answered with 429 [default: no limit]
    #[arg(long, value_name = "N")]
    client_requests: Option<usize>,
    /// A proxy, or a network of them, that is believed when it says in X-Forwarded-For whom it asks for
    #[arg(long, value_name = "ADDR[/BITS]", value_parser = network, value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trusted_proxy: Vec<IpNet>,
    /// How long a client may take for TLS, for the head of a request, or for reading anything of an answer, in seconds
    #[arg(long, value_name = "SECONDS")]
    request_timeout: Option<u64>,
    /// How long a connection may have nothing to do, in seconds
    #[arg(long, value_name = "SECONDS")]
    idle_timeout: Option<u64>,
    /// How long requests may go on when the server is told to stop, in seconds
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<u64>,
    /// How the log looks: lines for people (human) or objects for programs (json)
    #[arg(long, value_name = names::<Format>(), value_enum, hide_possible_values = true)]
    log_format: Option<Format>,
    /// How much is logged
    #[arg(long, value_name = names::<Level>(), value_enum, hide_possible_values = true)]
    log_level: Option<Level>,
    /// Log each request
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(hide_possible_values = true)]
    access_log: Option<bool>,
    /// Where manifests are read and converted: in a sandbox with limits on memory and time (wasm), or in this program
    /// itself, which takes less time (native)
    #[arg(long, value_name = "wasm|native", value_enum, hide_possible_values = true)]
    engine: Option<EngineName>,
    /// Another build of the component that the sandbox runs
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    guest: Option<PathBuf>,
    /// Change a limit: document-bytes, depth, layers, history, entries, converted-children, string-bytes or
    /// output-bytes
    #[arg(long, value_name = "NAME=VALUE", value_parser = limit)]
    #[serde(serialize_with = "as_table", skip_serializing_if = "Vec::is_empty")]
    limit: Vec<(String, usize)>,
}

/// How the registry of `--upstream` is asked.
#[derive(Args)]
#[group(multiple = true, requires = "upstream")]
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
    #[arg(long, value_name = names::<Delivery>(), value_enum, hide_possible_values = true)]
    blobs: Option<Delivery>,
}

impl Options {
    /// The settings of a server, with what the file says now.
    pub(super) fn settings(&self) -> Result<Settings, Error> {
        let mut table = match &self.config {
            Some(path) => read_file(path)?,
            None => Table::new(),
        };
        let own = self.table()?;
        // Where the images are is one thing to say.
        for (key, other) in [("store", "upstream"), ("upstream", "store")] {
            if own.contains_key(key) {
                table.remove(other);
            }
        }
        for (key, value) in own {
            match (table.get_mut(&key), value) {
                // Limits are said one by one.
                (Some(Value::Table(table)), Value::Table(own)) => table.extend(own),
                (_, value) => drop(table.insert(key, value)),
            }
        }
        Settings::of_table(table)
    }

    fn table(&self) -> Result<Table, Error> {
        // Numbers past those of TOML, and paths that are no text.
        let invalid = |error: toml::ser::Error| Error::InvalidSettings { problem: error.to_string() };
        let mut table = Table::try_from(self).map_err(invalid)?;
        if let Some(url) = &self.upstream {
            let upstream = Value::try_from(self.of_upstream.described(url.clone())).map_err(invalid)?;
            table.insert("upstream".to_owned(), Value::Array(vec![upstream]));
        }
        Ok(table)
    }
}

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

/// Adds to the commands with these options what can be told from the settings: the variables of the environment, and
/// what counts where nothing is said.
pub(super) fn complete(command: Command) -> Command {
    let defaults = Settings::default().table();
    ["serve", "check-config"].into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |command| command.mut_args(|option| complete_option(option, &defaults)))
    })
}

fn complete_option(mut option: Arg, defaults: &Table) -> Arg {
    let Some(name) = option.get_long().map(str::to_owned) else { return option };
    if let Some(default) = defaults.get(&name).and_then(shown)
        && let Some(help) = option.get_help()
    {
        let help = format!("{help} [default: {default}]");
        option = option.help(help);
    }
    let variable = format!("{PREFIX}{}", name.to_uppercase().replace('-', "_"));
    // As systemd and compose leave them behind, empty variables say nothing.
    let is_said = std::env::var_os(&variable).is_some_and(|value| !value.is_empty());
    if is_said && !NOT_IN_THE_ENVIRONMENT.contains(&name.as_str()) {
        option = option.env(variable).hide_env(true);
    }
    option
}

/// A default as it is shown, if it is worth it.
fn shown(default: &Value) -> Option<String> {
    match default {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A network, or an address, which is one of its own.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| format!("`{text}` is no address, nor a network such as 10.0.0.0/8"))
}

fn as_text<S: Serializer>(value: &Option<impl ToString>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}

fn as_table<S: Serializer>(limits: &[(String, usize)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(limits.iter().map(|(name, value)| (name, value)))
}
