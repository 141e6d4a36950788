//! The servers that are measured, each started anew for each measurement.

use core::net::SocketAddr;
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use downshift::{Digest, Form};
use downshift_cases::response::Response;
use downshift_tests::http;
use downshift_tests::programs::{DOCKER_REGISTRY, NGINX, locate};
use downshift_tests::server::{Server, free_address};

use super::site::{Site, form_folder};

/// The row that docker-registry has.
pub(super) const REFERENCE: &str = "docker-registry";

/// The row that nginx has.
pub(super) const STATIC_FILE: &str = "nginx";

/// Where Downshift has its data folder.
const DATA: &str = "data";

/// Where docker-registry has what was pushed to it.
const STORAGE: &str = "storage";

/// Where it has what it has fetched of another one.
const PROXIED: &str = "proxied";

/// How long nginx may take to end.
const STOP: Duration = Duration::from_secs(10);

/// A server that can be measured.
pub(super) struct Contestant {
    /// Its row.
    pub(super) name: &'static str,
    kind: Kind,
    program: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Downshift {
        engine: &'static str,
        images: Images,
    },
    DockerRegistry,
    /// docker-registry, in its proxy mode before another one.
    DockerRegistryProxy,
    Nginx,
}

/// Where Downshift has its images from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Images {
    /// A folder.
    Folder,
    /// docker-registry, each time anew.
    DockerRegistry,
    /// The same, but with the blobs that it has fetched in its cache.
    Cache,
}

/// A server that runs for as long as this value lives.
pub(super) struct Running {
    url: String,
    kind: Kind,
    /// What nginx is told to end with, and the file that is gone when it has.
    stop: Option<(Command, PathBuf)>,
    /// Ends before what it asks.
    server: Server,
    _upstream: Option<Box<Running>>,
}

/// Those that are installed, `downshift` first, and of the others the reason why they are not among them.
pub(super) fn contestants(downshift: &Path) -> (Vec<Contestant>, Vec<String>) {
    let ours = [
        ("downshift, wasm", "wasm", Images::Folder),
        ("downshift, native", "native", Images::Folder),
        ("downshift, wasm, before docker-registry", "wasm", Images::DockerRegistry),
        ("downshift, native, before docker-registry", "native", Images::DockerRegistry),
    ];
    let mut found =
        Vec::from(ours.map(|(name, engine, images)| Contestant::downshift(downshift, name, engine, images)));
    if locate(DOCKER_REGISTRY).is_none() {
        found.retain(|contestant| !contestant.is_before_docker_registry());
    }
    let mut missing = Vec::new();
    for (name, kind, program) in
        [(REFERENCE, Kind::DockerRegistry, DOCKER_REGISTRY), (STATIC_FILE, Kind::Nginx, NGINX)]
    {
        match locate(program) {
            Some(program) => found.push(Contestant { name, kind, program }),
            None => missing.push(format!("{name}, for `{program}` is not installed")),
        }
    }
    (found, missing)
}

/// Asks a server for what is at `url`, once.
pub(super) fn get(url: &str) -> anyhow::Result<Response> {
    let target = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
    let (host, path) = target.with_context(|| format!("`{url}` is no URL of a server"))?;
    let response = http::send(host.parse()?, "GET", &format!("/{path}"), &[])?;
    ensure!(response.status == 200, "{url} gave {response:?}");
    Ok(response)
}

impl Contestant {
    /// Downshift, with an engine.
    pub(super) fn downshift(
        program: &Path,
        name: &'static str,
        engine: &'static str,
        images: Images,
    ) -> Self {
        Self { name, kind: Kind::Downshift { engine, images }, program: program.to_path_buf() }
    }

    /// docker-registry, if it is installed.
    pub(super) fn docker_registry(name: &'static str) -> Option<Self> {
        Some(Self { name, kind: Kind::DockerRegistry, program: locate(DOCKER_REGISTRY)? })
    }

    /// docker-registry in its proxy mode, in which it keeps what it has fetched of another one, if it is installed.
    pub(super) fn docker_registry_proxy(name: &'static str) -> Option<Self> {
        Some(Self { name, kind: Kind::DockerRegistryProxy, program: locate(DOCKER_REGISTRY)? })
    }

    /// nginx, if it is installed.
    pub(super) fn nginx(name: &'static str) -> Option<Self> {
        Some(Self { name, kind: Kind::Nginx, program: locate(NGINX)? })
    }

    /// Where it keeps a blob that it has fetched, if it keeps any.
    pub(super) fn cached(&self, site: &Site, blob: &Digest) -> Option<PathBuf> {
        let hex = blob.hex();
        let path = format!("blobs/sha256/{}/{hex}", hex.get(..2)?);
        match self.kind {
            Kind::Downshift { images: Images::Cache, .. } => Some(site.path(DATA).join(path)),
            Kind::DockerRegistryProxy => {
                Some(site.path(PROXIED).join("docker/registry/v2").join(path).join("data"))
            }
            _ => None,
        }
    }

    /// Whether the images have to be pushed to it.
    pub(super) fn takes_pushes(&self) -> bool {
        self.kind == Kind::DockerRegistry
    }

    /// Whether it has its images itself.
    pub(super) fn is_alone(&self) -> bool {
        !self.is_before_docker_registry()
    }

    /// Whether it asks a docker-registry for them.
    pub(super) fn is_before_docker_registry(&self) -> bool {
        let Kind::Downshift { images, .. } = self.kind else { return self.kind == Kind::DockerRegistryProxy };
        images != Images::Folder
    }

    /// Whether its first start takes longer than those that follow.
    pub(super) fn compiles(&self) -> bool {
        matches!(self.kind, Kind::Downshift { engine: "wasm", .. })
    }

    /// Starts it for the first time with the images of `site`.
    pub(super) fn start(&self, site: &Site) -> anyhow::Result<Running> {
        // What was reported or fetched before is on the disk already.
        for folder in [DATA, PROXIED].map(|name| site.path(name)) {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
        }
        self.start_again(site)
    }

    /// Starts it with what the one before has left.
    pub(super) fn start_again(&self, site: &Site) -> anyhow::Result<Running> {
        let mut command = Command::new(&self.program);
        let (mut stop, mut upstream) = (None, None);
        let server = match self.kind {
            Kind::Downshift { engine, images } => {
                command.args(["serve", "--engine", engine, "--listen", "127.0.0.1:0", "--data"]);
                command.arg(site.path(DATA));
                if images == Images::Folder {
                    command.arg("--store").arg(site.store());
                } else {
                    let delivery = if images == Images::Cache { "cache" } else { "stream" };
                    let registry = upstream.insert(Box::new(start_upstream(site)?));
                    command.arg("--upstream").arg(&registry.url).args(["--blobs", delivery]);
                }
                Server::start(&mut command)?
            }
            Kind::DockerRegistry => {
                let address = free_address()?;
                let configuration = registry_configuration(address, &site.path(STORAGE));
                command.arg("serve").arg(write(site, "registry.yml", &configuration)?);
                Server::start_at(address, &mut command)?
            }
            Kind::DockerRegistryProxy => {
                let registry = upstream.insert(Box::new(start_upstream(site)?));
                let address = free_address()?;
                let mut configuration = registry_configuration(address, &site.path(PROXIED));
                configuration.push_str(&format!("proxy: {{remoteurl: '{}'}}\n", registry.url));
                command.arg("serve").arg(write(site, "proxy.yml", &configuration)?);
                Server::start_at(address, &mut command)?
            }
            Kind::Nginx => {
                let address = free_address()?;
                let configuration = write(site, "nginx.conf", &nginx_configuration(address, site))?;
                command.arg("-c").arg(&configuration);
                let server = Server::start_at(address, &mut command)?;
                let mut command = Command::new(&self.program);
                command.arg("-c").arg(configuration).args(["-s", "stop"]);
                stop = Some((command, site.path("nginx.pid")));
                server
            }
        };
        let url = format!("http://{}", server.address());
        Ok(Running { url, kind: self.kind, stop, server, _upstream: upstream })
    }
}

impl Running {
    /// The process, in which all that it serves is done, or in those that this has started.
    pub(super) fn process(&self) -> u32 {
        self.server.pid()
    }

    /// The URL under which it has the blobs.
    pub(super) fn blobs_url(&self) -> String {
        match self.kind {
            Kind::Nginx => format!("{}/blobs", self.url),
            _ => self.url.clone(),
        }
    }

    /// The URL under which it has the manifests of a form: a file server does not negotiate.
    pub(super) fn url(&self, form: Form) -> String {
        match self.kind {
            Kind::Nginx => format!("{}/{}", self.url, form_folder(form)),
            _ => self.url.clone(),
        }
    }
}

impl Drop for Running {
    /// nginx's workers would outlive it if it were killed: it has to end them itself.
    fn drop(&mut self) {
        let Some((stop, pid_file)) = &mut self.stop else { return };
        if stop.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            let deadline = Instant::now() + STOP;
            while pid_file.exists() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Starts the docker-registry that another server asks.
fn start_upstream(site: &Site) -> anyhow::Result<Running> {
    Contestant::docker_registry(REFERENCE).context("docker-registry is gone")?.start_again(site)
}

fn write(site: &Site, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = site.path(name);
    fs::write(&path, text).with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(path)
}

/// Debian's, as far as it matters for speed, without a line in a log for each request.
fn registry_configuration(address: SocketAddr, storage: &Path) -> String {
    format!(
        "version: 0.1\n\
         log: {{level: error, accesslog: {{disabled: true}}}}\n\
         storage: {{cache: {{blobdescriptor: inmemory}}, filesystem: {{rootdirectory: '{storage}'}}}}\n\
         http: {{addr: '{address}'}}\n",
        storage = storage.display()
    )
}

/// nginx's defaults, with a process for each core, but without a log, and without an end of kept connections.
fn nginx_configuration(address: SocketAddr, site: &Site) -> String {
    let location =
        |form: Form| format!("location /{}/ {{ default_type {}; }}", form_folder(form), form.media_type());
    format!(
        "daemon off;\n\
         worker_processes auto;\n\
         pid {pid};\n\
         error_log stderr crit;\n\
         events {{}}\n\
         http {{\n\
         access_log off;\n\
         sendfile on;\n\
         keepalive_requests 1000000000;\n\
         server {{ listen {address}; root {files}; {schema1} {schema2} {blobs} }}\n\
         }}\n",
        pid = site.path("nginx.pid").display(),
        files = site.files().display(),
        schema1 = location(Form::Schema1),
        schema2 = location(Form::Schema2),
        blobs = "location /blobs/ { default_type application/octet-stream; }",
    )
}
