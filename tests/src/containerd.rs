//! containerd, with a storage of its own, as `ctr` has it pull.

use core::time::Duration;
use std::fs::{self, File};
use std::process::{Command, Output};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use downshift::Digest;
use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::programs::{CONTAINERD, CTR};

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

/// A running containerd.
#[derive(Debug)]
pub struct Containerd {
    // Dropped in this order: the daemon ends before its folder goes.
    _daemon: Daemon,
    folder: TempDir,
}

impl Containerd {
    /// Starts it.
    ///
    /// # Errors
    /// If it does not start. The error has its last words.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        // Nothing is run, and so nothing is needed of what runs pods.
        let configuration = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            path("root"),
            path("state"),
            path("socket")
        );
        fs::write(path("config.toml"), configuration)?;
        let log = path("log");
        let mut command = Command::new(CONTAINERD);
        command.args(["--config", &path("config.toml")]).stderr(File::create(&log)?);
        let mut daemon = Daemon::start(&mut command)?;
        let deadline = Instant::now() + START;
        while !ctr(&folder, &["version"])?.status.success() {
            if daemon.has_ended()? || Instant::now() > deadline {
                let log = fs::read_to_string(&log)?;
                bail!("`{CONTAINERD}` does not start: {}", log.lines().last().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Self { _daemon: daemon, folder })
    }

    /// Has the front at `url` be the mirror of the registry called `host`, and of no other but those that were said before.
    ///
    /// # Errors
    /// If the file of that cannot be written.
    pub fn mirror(&self, host: &str, url: &str) -> anyhow::Result<()> {
        let folder = self.hosts().join(host);
        fs::create_dir_all(&folder)?;
        let hosts = format!("[host.{url:?}]\n  capabilities = [\"pull\", \"resolve\"]\n");
        Ok(fs::write(folder.join("hosts.toml"), hosts)?)
    }

    /// Pulls an image, with all of its layers, and gives the digest of its manifest.
    ///
    /// # Errors
    /// If it does not come. The error has its last words.
    pub fn pull(&self, image: &str) -> anyhow::Result<Digest> {
        let hosts = self.hosts().display().to_string();
        let pull = ["images", "pull", "--snapshotter", "native", "--hosts-dir", &hosts, image];
        let output = ctr(&self.folder, &pull)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{CTR} {}` fails: {}", pull.join(" "), said.trim());
        let list =
            String::from_utf8(ctr(&self.folder, &["images", "ls", &format!("name=={image}")])?.stdout)?;
        let digest = list.split_whitespace().find_map(|word| Digest::parse(word).ok());
        digest.with_context(|| format!("`{image}` is not there: {list}"))
    }

    fn hosts(&self) -> std::path::PathBuf {
        self.folder.path().join("hosts")
    }
}

fn ctr(folder: &TempDir, arguments: &[&str]) -> anyhow::Result<Output> {
    let socket = folder.path().join("socket");
    Ok(Command::new(CTR).arg("--address").arg(socket).args(arguments).output()?)
}
