//! Container engines that pull images as their users have them do it, each with a storage of its own.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use downshift::Digest;
use tar::{Archive, EntryType};
use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::programs::{DOCKER, DOCKERD, PODMAN};
use downshift_cases::images::sample::Entry;

/// How long Docker's daemon may take to start.
const START: Duration = Duration::from_secs(60);

/// A container engine.
#[derive(Debug)]
pub struct Client {
    program: &'static str,
    /// What comes before the command.
    arguments: Vec<String>,
    /// What comes after the command `pull`.
    pull_arguments: &'static [&'static str],
    /// What is in its environment, beside this one's.
    environment: Vec<(&'static str, String)>,
    // Dropped in this order: the daemon ends before its folder goes.
    _daemon: Option<Daemon>,
    folder: TempDir,
}

impl Client {
    /// podman, which needs no daemon.
    ///
    /// # Errors
    /// If it cannot store images here, for which it needs to be root.
    pub fn podman() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (root, run, temporary) = (path("root"), path("run"), path("tmp"));
        let arguments = [
            ["--root", &root],
            ["--runroot", &run],
            ["--tmpdir", &temporary],
            // What works in a container too, and leaves nothing mounted.
            ["--storage-driver", "vfs"],
            ["--cgroup-manager", "cgroupfs"],
            ["--events-backend", "none"],
        ];
        let arguments = arguments.as_flattened().iter().map(ToString::to_string).collect();
        let pull_arguments = &["--tls-verify=false", "--quiet"];
        let environment = Vec::new();
        let podman = Self { program: PODMAN, arguments, pull_arguments, environment, _daemon: None, folder };
        // The first podman on a machine sets up what all share, and two at once collide.
        static STARTING: Mutex<()> = Mutex::new(());
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        podman.run(&["images"])?;
        Ok(podman)
    }

    /// podman with this `registries.conf`, which says what it does about TLS as well.
    ///
    /// # Errors
    /// As [`Self::podman`].
    pub fn podman_with(configuration: &str) -> anyhow::Result<Self> {
        let podman = Self::podman()?;
        let path = podman.folder.path().join("registries.conf");
        fs::write(&path, configuration)?;
        let environment = vec![("CONTAINERS_REGISTRIES_CONF", path.display().to_string())];
        Ok(Self { environment, pull_arguments: &["--quiet"], ..podman })
    }

    /// Docker, with a daemon of its own that touches no network settings.
    ///
    /// # Errors
    /// If the daemon does not start, for which it needs the right to mount. The error has its last words.
    pub fn docker() -> anyhow::Result<Self> {
        Self::docker_with("{}")
    }

    /// The same with this `daemon.json`.
    ///
    /// # Errors
    /// As [`Self::docker`].
    pub fn docker_with(settings: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (socket, log) = (format!("unix://{}", path("socket")), path("log"));
        let configuration = path("daemon.json");
        fs::write(&configuration, settings)?;
        let mut command = Command::new(DOCKERD);
        command
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false", "--storage-driver=vfs"])
            .args(["--config-file", &configuration, "--pidfile", &path("pid"), "-H", &socket])
            .args(["--data-root", &path("data"), "--exec-root", &path("exec")])
            .stderr(File::create(&log)?);
        let mut daemon = Daemon::start(&mut command)?;

        let arguments = ["--config", &path("client"), "-H", &socket].map(ToString::to_string).into();
        let deadline = Instant::now() + START;
        loop {
            let mut docker = Command::new(DOCKER);
            docker.args::<&Vec<String>, _>(&arguments).arg("version");
            if docker.output()?.status.success() {
                break;
            }
            if daemon.has_ended()? || Instant::now() > deadline {
                let log = fs::read_to_string(&log)?;
                bail!("`{DOCKERD}` does not start: {}", log.lines().last().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let pull_arguments = &["--quiet"];
        let environment = vec![("DOCKER_BUILDKIT", "0".to_string())];
        Ok(Self { program: DOCKER, arguments, pull_arguments, environment, _daemon: Some(daemon), folder })
    }

    /// Pulls `image`, and gives its id, which is the digest of its config.
    ///
    /// # Errors
    /// If it does not come. The error has the client's last words.
    pub fn pulled_id(&self, image: &str) -> anyhow::Result<Digest> {
        self.run(&[&["pull"], self.pull_arguments, &[image]].concat())?;
        let output = self.run(&["image", "inspect", "--format", "{{.Id}}", image])?;
        let id = String::from_utf8(output.stdout)?;
        // podman leaves the algorithm out.
        let hex = id.trim().trim_start_matches("sha256:");
        Digest::parse(&format!("sha256:{hex}")).with_context(|| format!("`{id}` is not an id"))
    }

    /// Pulls `image`, makes a container of it without starting it, and gives the files in it; then forgets all of it.
    ///
    /// # Errors
    /// If any of it fails. The error has the client's last words.
    pub fn pull(&self, image: &str) -> anyhow::Result<BTreeMap<String, Entry>> {
        self.run(&[&["pull"], self.pull_arguments, &[image]].concat())?;
        let container = String::from_utf8(self.run(&["create", image, "/nothing"])?.stdout)?;
        let archive = self.folder.path().join("export.tar");
        self.run(&["export", "--output", &archive.display().to_string(), container.trim()])?;
        self.run(&["rm", container.trim()])?;
        self.run(&["rmi", image])?;
        read_archive(File::open(archive)?)
    }

    /// Builds an image of the `Dockerfile` in a folder, by the classic builder, and pushes it.
    ///
    /// # Errors
    /// If any of it fails. The error has the client's last words.
    pub fn build_and_push(&self, folder: &Path, image: &str) -> anyhow::Result<()> {
        self.run(&["build", "--quiet", "--tag", image, &folder.display().to_string()])?;
        self.run(&["push", "--quiet", image])?;
        self.run(&["rmi", image])?;
        Ok(())
    }

    /// Runs a command of it.
    ///
    /// # Errors
    /// If it fails. The error has its last words.
    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let output = Command::new(self.program)
            .args(&self.arguments)
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{} {}` fails: {}", self.program, arguments.join(" "), said.trim());
        Ok(output)
    }
}

/// The files of an archive, by path, without the folders.
fn read_archive(archive: impl Read) -> anyhow::Result<BTreeMap<String, Entry>> {
    let mut files = BTreeMap::new();
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.display().to_string();
        let header = entry.header();
        let file = match header.entry_type() {
            EntryType::Symlink => Entry::Link {
                target: entry.link_name()?.context("a link has no target")?.display().to_string(),
            },
            EntryType::Regular => {
                // Docker writes the file type into it too.
                let mode = header.mode()? & 0o7777;
                let mut content = String::new();
                entry.read_to_string(&mut content)?;
                Entry::File { mode, content }
            }
            _ => continue,
        };
        files.insert(path, file);
    }
    Ok(files)
}
