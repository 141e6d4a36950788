//! The options of a server on the command line.
//!
//! Each that has a long name is an environment variable and a key of the file as well, by the same name: what is said
//! twice counts as on the command line, else as in the environment.

use core::net::IpAddr;
use std::path::PathBuf;

use clap::{Arg, Args, Command};
use downshift::{PlainLayers, Platform, Policy, UnsignedSchema1};
use downshift_layer::Limits as LayerLimits;
use downshift_registry::V1Mode;
use ipnet::IpNet;
use serde::{Serialize, Serializer};
use toml::{Table, Value};

use super::arguments::limit;
use crate::engine::EngineName;
use crate::error::Error;
use crate::log::{Format, Level};
use crate::origin::pulp::{Blobs as PulpBlobs, Protected};
use crate::origin::registry::{Delivery, UpstreamConfig};
use crate::settings::{Auth, Listen, SOURCES, Settings, file, names};

/// The prefix of environment variables.
const PREFIX: &str = "DOWNSHIFT_";

/// Options that are not settings of a server, or, as the guest, name another file while the program is built.
const NOT_IN_THE_ENVIRONMENT: [&str; 5] = ["guest", "help", "online", "print-config", "version"];

/// The settings on the command line and in the environment, by the keys of the file.
#[derive(Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Options {
    /// A settings file in TOML; its keys are the names of the long options
    ///
    /// Upstream registries are tables [[upstream]] in it, with the keys url or hosts, prefix, remote-prefix, library, ns,
    /// slash, username, password-file, docker-config, ca, proxy, proxy-username, proxy-password-file, blobs, timeout,
    /// allow and client. Relative paths are relative to the file.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// A folder of images, with one OCI image layout per repository, such as DIR/library/httpd
    ///
    /// It is only read, and changes are served at once. Every file is checked against its digest. Symbolic links are
    /// followed inside DIR; see --store-links for others.
    #[arg(long, value_name = "DIR", group = "source")]
    store: Option<PathBuf>,
    /// The folder `docker` that Pulp 2 has published for Crane, or `v2` in it
    ///
    /// It is only read. What Crane served is served, and converted for clients that take none of it; what Pulp publishes is
    /// seen at once. Pulp puts links to its content there: name that folder with --store-links.
    #[arg(long, value_name = "DIR", group = "source")]
    pulp: Option<PathBuf>,
    /// Hide the repositories that are protected in Pulp, as Crane does without a client certificate, or serve them to all
    /// who may pull here
    /// [default: hide]
    #[arg(long, value_name = names::<Protected>(), value_enum, hide_possible_values = true)]
    pulp_protected: Option<Protected>,
    /// Send the blobs of Pulp's repositories through this server, or redirect clients to the URLs that Pulp has published for
    /// them, as Crane does
    /// [default: stream]
    #[arg(long, value_name = names::<PulpBlobs>(), value_enum, hide_possible_values = true)]
    pulp_blobs: Option<PulpBlobs>,
    /// A folder outside of the store that symbolic links in the store may lead into; can be repeated
    ///
    /// No link leads into the data folder, even if DIR contains it.
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    store_links: Vec<PathBuf>,
    /// An upstream registry, such as docker.io or http://localhost:5000
    #[arg(long, value_name = "URL", group = "source")]
    #[serde(skip)]
    upstream: Option<String>,
    #[command(flatten)]
    #[serde(skip)]
    of_upstream: UpstreamArgs,
    /// How many seconds to trust what a tag of an upstream registry pointed to
    #[arg(long, value_name = "SECONDS")]
    tag_ttl: Option<u64>,
    /// How many more seconds to serve it while the registry is down; never with --auth upstream
    #[arg(long, value_name = "SECONDS")]
    stale_for: Option<u64>,
    /// Who may pull: everybody (open), the users in a file that htpasswd -B has written (htpasswd:FILE), or everybody
    /// who may pull from the upstream registry (upstream)
    #[arg(long, value_name = "open|htpasswd:FILE|upstream")]
    #[serde(serialize_with = "as_text")]
    auth: Option<Auth>,
    /// The URL under which clients reach this server, if it is not http:// (https:// with --tls-certificate) and the
    /// host of their requests
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The address to listen on; without a HOST on every address, with a name on all that it has; port 0 picks a free one
    #[arg(long, value_name = "[HOST]:PORT")]
    #[serde(serialize_with = "as_text")]
    listen: Option<Listen>,
    /// The address for the operator: /metrics, /healthz, /readyz, /clients and /purge, without authentication
    #[arg(long, value_name = "[HOST]:PORT")]
    #[serde(serialize_with = "as_text")]
    admin_listen: Option<Listen>,
    /// The data folder: the signing key, every digest that was reported, so that it can be pulled for good, cached
    /// documents of upstream registries, and the clients that ask for old forms; without it nothing is written
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many bytes of reported digests to keep; the oldest go first [default: 1 GiB, or 64 MiB without a data
    /// folder]
    #[arg(long, value_name = "BYTES")]
    records_bytes: Option<u64>,
    /// How many bytes of upstream manifests and configs to cache in the data folder; the least recently used go first
    #[arg(long, value_name = "BYTES")]
    documents_bytes: Option<u64>,
    /// How many bytes of blobs to cache in the data folder, of upstream registries with `blobs=cache`; the least recently used
    /// go first
    #[arg(long, value_name = "BYTES")]
    blob_cache_bytes: Option<u64>,
    /// The private key to sign with: P-256, as JWK or in PEM
    ///
    /// By default it is the one in the data folder, which is created if there is none; without a data folder, the key
    /// is lost when the server stops.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What to do with images that Distribution converts with a loss: refuse them (strict) or convert them as it does
    /// (reference)
    #[arg(long, value_name = "strict|reference")]
    #[serde(serialize_with = "as_text")]
    policy: Option<Policy>,
    /// A refusal of the strict policy to lift, by its code, such as foreign-layer: what it is about is converted as
    /// Distribution does; can be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    /// Who gets layers unpacked that are compressed with zstd: nobody (never), clients that cannot read it (old), or every
    /// client, so that all of them see one digest (always)
    #[arg(long, value_name = "never|old|always")]
    #[serde(serialize_with = "as_text")]
    plain_layers: Option<PlainLayers>,
    /// What to do with stored schema 1 that has no signature, where another form or a signature would have to be made: make
    /// it (allow) or refuse it (refuse)
    #[arg(long, value_name = "allow|refuse")]
    #[serde(serialize_with = "as_text")]
    unsigned_schema1: Option<UnsignedSchema1>,
    /// For how many seconds a request waits for layers that are read for the first time; then it is told to come again
    #[arg(long, value_name = "SECONDS")]
    facts_wait: Option<u64>,
    /// Compress layers that are unpacked on their way with gzip, for clients that take that; it costs ten times the work of
    /// unpacking them
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(hide_possible_values = true)]
    wire_gzip: Option<bool>,
    /// What clients get of version 1 of the registry API, by which Docker before 1.6 pulls and checks nothing: these engines
    /// get images, and others why they could not pull (on), everybody gets that (explain), or nothing (off)
    #[arg(long, value_name = "on|explain|off")]
    #[serde(serialize_with = "as_text")]
    v1: Option<V1Mode>,
    /// What a client reads, where the built-in table is wrong or does not know it, such as `docker/20.10..23 zstd=all` or
    /// `trivy refuses=schema1`; can be repeated
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    client: Vec<String>,
    /// The platform for clients that do not name theirs, or name it without the variant that this has; the reference
    /// policy knows linux/amd64 only
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    #[serde(serialize_with = "as_text")]
    platform: Option<Platform>,
    /// Serve TLS with the certificate in this PEM file, followed by its intermediates; changes are picked up
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// How many connections to serve at once; more are answered with 503
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// How many requests to serve at once; more are answered with 503
    #[arg(long, value_name = "N")]
    max_requests: Option<usize>,
    /// How many connections of one client to serve at once, by IPv4 address or IPv6 /64 network; more are answered with
    /// 429 [default: 512, at most a quarter of --max-connections, and no limit for this machine]
    #[arg(long, value_name = "N")]
    client_connections: Option<usize>,
    /// How many requests of one client to serve at once; more are answered with 429 [default: 512, at most a quarter of
    /// --max-requests, and no limit for this machine and for trusted proxies that forward no address]
    #[arg(long, value_name = "N")]
    client_requests: Option<usize>,
    /// How many requests to serve at once on one HTTP/2 connection; more have to wait
    #[arg(long, value_name = "N")]
    connection_streams: Option<u32>,
    /// How many bytes of documents, answers and layers that are unpacked all requests together may have in memory; more wait,
    /// and are answered with 503 after a while
    #[arg(long, value_name = "BYTES")]
    work_bytes: Option<u64>,
    /// How many layers to unpack at once; more take turns [default: half as many as there are processors]
    #[arg(long, value_name = "N")]
    layers_at_once: Option<usize>,
    /// A proxy, or a network of proxies, whose X-Forwarded-For is trusted
    #[arg(long, value_name = "ADDR[/BITS]", value_parser = network, value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trusted_proxy: Vec<IpNet>,
    /// How many seconds a client may take for the TLS handshake, for the head of a request, or without reading any of a
    /// response
    #[arg(long, value_name = "SECONDS")]
    request_timeout: Option<u64>,
    /// How many seconds a connection may be idle
    #[arg(long, value_name = "SECONDS")]
    idle_timeout: Option<u64>,
    /// How many seconds requests may take to finish when the server is stopped
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<u64>,
    /// The format of the log: lines for people (human), or a JSON object per line (json)
    #[arg(long, value_name = names::<Format>(), value_enum, hide_possible_values = true)]
    log_format: Option<Format>,
    /// The level of the log
    #[arg(long, value_name = names::<Level>(), value_enum, hide_possible_values = true)]
    log_level: Option<Level>,
    /// Log every request
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(hide_possible_values = true)]
    access_log: Option<bool>,
    /// Ask each upstream registry once at the start, and log whether it can be reached, is a registry, and accepts the
    /// password in the settings [default: true]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(hide_possible_values = true)]
    probe_upstreams: Option<bool>,
    /// Where manifests are parsed and converted: in a sandbox with limits on memory and time (wasm), or in this
    /// process, which is faster (native)
    #[arg(long, value_name = "wasm|native", value_enum, hide_possible_values = true)]
    engine: Option<EngineName>,
    /// Another build of the component that the sandbox runs
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    guest: Option<PathBuf>,
    /// Change a limit: document-bytes, depth, layers, history, entries, converted-children, string-bytes or
    /// output-bytes; of each layer that is unpacked layer-bytes, plain-bytes, ratio, window-bytes or
    /// work
    #[arg(long, value_name = "NAME=VALUE", value_parser = server_limit)]
    #[serde(serialize_with = "as_table", skip_serializing_if = "Vec::is_empty")]
    limit: Vec<(String, usize)>,
}

/// How the registry of `--upstream` is asked.
#[derive(Args)]
#[group(multiple = true, requires = "upstream")]
pub(super) struct UpstreamArgs {
    /// The user name at the upstream registry
    #[arg(long, value_name = "NAME", requires = "upstream_password_file")]
    upstream_username: Option<String>,
    /// A file with the password on its first line
    #[arg(long, value_name = "FILE", requires = "upstream_username")]
    upstream_password_file: Option<PathBuf>,
    /// Docker's config.json, to take the user name and password from
    #[arg(long, value_name = "FILE", conflicts_with = "upstream_username")]
    upstream_docker_config: Option<PathBuf>,
    /// A PEM file with certificates to trust beside the system's
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// The HTTP proxy to the upstream registry, or `none` [default: by the variables HTTPS_PROXY, HTTP_PROXY and
    /// ALL_PROXY]
    ///
    /// Hosts that the variable NO_PROXY names are asked without, and this machine always is.
    #[arg(long, value_name = "http://HOST:PORT|none")]
    upstream_proxy: Option<String>,
    /// The user name at the proxy
    #[arg(long, value_name = "NAME", requires_all = ["upstream_proxy", "upstream_proxy_password_file"])]
    upstream_proxy_username: Option<String>,
    /// A file with the password at the proxy on its first line
    #[arg(long, value_name = "FILE", requires = "upstream_proxy_username")]
    upstream_proxy_password_file: Option<PathBuf>,
    /// The registry whose mirror this server is for containerd, which names it as ns in its requests, such as docker.io;
    /// can be repeated [default: the host of the upstream registry]
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    upstream_ns: Vec<String>,
    /// How many seconds the upstream registry may be silent [default: 30]
    #[arg(long, value_name = "SECONDS")]
    upstream_timeout: Option<u64>,
    /// Send blobs through this server (stream), keep them as well (cache), or redirect clients to where the upstream registry
    /// has them (redirect)
    /// [default: stream]
    #[arg(long, value_name = names::<Delivery>(), value_enum, hide_possible_values = true)]
    blobs: Option<Delivery>,
}

impl Options {
    /// The settings of a server, with what the file says now.
    pub(super) fn settings(&self) -> Result<Settings, Error> {
        let mut table = match &self.config {
            Some(path) => file::read(path)?,
            None => Table::new(),
        };
        let own = self.table()?;
        // Where the images are is one thing to say.
        if SOURCES.into_iter().any(|source| own.contains_key(source)) {
            for source in SOURCES {
                table.remove(source);
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
    pub(super) fn described(&self, url: String) -> UpstreamConfig {
        UpstreamConfig {
            url,
            username: self.upstream_username.clone(),
            password_file: self.upstream_password_file.clone(),
            docker_config: self.upstream_docker_config.clone(),
            ca: self.upstream_ca.clone(),
            ns: self.upstream_ns.clone(),
            blobs: self.blobs.unwrap_or_default(),
            timeout: self.upstream_timeout,
            proxy: self.upstream_proxy.clone(),
            proxy_username: self.upstream_proxy_username.clone(),
            proxy_password_file: self.upstream_proxy_password_file.clone(),
            ..UpstreamConfig::default()
        }
    }
}

/// Adds to the commands with these options what is known from the settings: environment variables and defaults.
pub(super) fn complete(command: Command) -> Command {
    let defaults = Settings::default().table().unwrap_or_default();
    let command = ["serve", "check-config"].into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |command| command.mut_args(|option| complete_option(option, &defaults)))
    });
    // How clients of a server get blobs, and whose mirror it is, says nothing of what is copied.
    let meaningless = |command: Command, name| command.mut_arg(name, |option: Arg| option.hide(true));
    command.mut_subcommand("sync", |command| ["blobs", "upstream_ns"].into_iter().fold(command, meaningless))
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

/// A default as the help shows it, if it is worth it.
fn shown(default: &Value) -> Option<String> {
    match default {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A limit of the core, or of layers.
fn server_limit(text: &str) -> Result<(String, usize), String> {
    match text.split_once('=') {
        Some((name, value)) if LayerLimits::host().set(name, 0).is_ok() => {
            let value = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
            Ok((name.to_owned(), value))
        }
        _ => limit(text),
    }
}

/// A network, or an address, which is one of its own.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| format!("`{text}` is neither an address nor a network such as 10.0.0.0/8"))
}

fn as_text<S: Serializer>(value: &Option<impl ToString>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}

fn as_table<S: Serializer>(limits: &[(String, usize)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(limits.iter().map(|(name, value)| (name, value)))
}
