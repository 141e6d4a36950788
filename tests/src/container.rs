//! The image that `packaging/Containerfile` makes, with the program under test, built and run by podman.

use core::net::SocketAddr;
use core::time::Duration;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::clients::Client;
use crate::operated::run;
use crate::patience::await_true;
use crate::program;
use crate::programs::STRIP;
use crate::server::free_address;

/// What the image is made on.
const BASE: &str = "docker.io/library/debian:bookworm-slim";

/// What it is called.
const IMAGE: &str = "localhost/downshift";

/// What it is called when it runs.
const NAME: &str = "downshift";

/// What runs containers. Not each does everywhere.
const RUNTIMES: [&str; 2] = ["crun", "runc"];

/// Limits that podman sets to what a container may not have in every place where tests run.
const LIMITS: [&str; 4] = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

/// How an image can be built in a container too.
const BUILD_FLAGS: [&str; 5] = ["--quiet", "--isolation", "chroot", "--network", "host"];

/// podman, with what the image is made on, and something that runs containers here.
#[derive(Debug)]
pub struct Podman {
    podman: Client,
    runtime: &'static str,
}

impl Podman {
    /// Gets what the image is made on.
    ///
    /// # Errors
    /// If that cannot be had, or no container runs here.
    pub fn start() -> anyhow::Result<Self> {
        let podman = Client::podman()?;
        podman.run(&["pull", "--quiet", BASE])?;
        let mut problem = None;
        for runtime in RUNTIMES {
            let tried = ["run", "--rm", "--runtime", runtime, "--network", "host"];
            match podman.run(&[&tried, &LIMITS[..], &[BASE, "true"]].concat()) {
                Ok(_) => return Ok(Self { podman, runtime }),
                Err(error) => problem = Some(error),
            }
        }
        Err(problem.context("there is nothing that runs containers")?)
    }

    /// Builds the image of the program under test.
    ///
    /// # Errors
    /// If it cannot be built.
    pub fn build(self) -> anyhow::Result<Image> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let context = tempfile::tempdir()?;
        let release = context.path().join("target/release");
        fs::create_dir_all(&release)?;
        run(Command::new(STRIP).arg("-o").arg(release.join("downshift")).arg(program::path()?))?;
        for file in ["LICENSE", ".dockerignore"] {
            fs::copy(project.join(file), context.path().join(file))?;
        }
        let file = project.join("packaging/Containerfile").display().to_string();
        let what = ["--target", "built", "--tag", IMAGE, "--file", &file];
        let folder = context.path().display().to_string();
        self.podman.run(&[&["build"], &BUILD_FLAGS[..], &what, &[&folder]].concat())?;
        Ok(Image(self))
    }
}

/// The image.
#[derive(Debug)]
pub struct Image(Podman);

impl Image {
    /// Serves the images in the folder `store`, which everybody can read.
    ///
    /// # Errors
    /// If it does not start.
    pub fn serve(&self, store: &Path) -> anyhow::Result<Container<'_>> {
        let address = free_address()?;
        let Podman { podman, runtime } = &self.0;
        let listen = format!("DOWNSHIFT_LISTEN={address}");
        let volume = format!("{}:/images:ro", store.display());
        let with = ["--name", NAME, "--network", "host", "--env", &listen, "--volume", &volume];
        let started = ["run", "--detach", "--runtime", runtime];
        podman.run(&[&started, &LIMITS[..], &with, &[IMAGE, "--store", "/images"]].concat())?;
        let container = Container { podman, address };
        await_true("the container", || {
            Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
        })
        .with_context(|| container.said().unwrap_or_default())?;
        Ok(container)
    }
}

/// The image, while it runs.
#[derive(Debug)]
pub struct Container<'i> {
    podman: &'i Client,
    address: SocketAddr,
}

impl Container<'_> {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has said so far.
    ///
    /// # Errors
    /// If podman does not tell.
    pub fn said(&self) -> anyhow::Result<String> {
        let output = self.podman.run(&["logs", NAME])?;
        Ok(String::from_utf8([output.stdout, output.stderr].concat())?)
    }

    /// What a command in it writes.
    ///
    /// # Errors
    /// If it fails.
    pub fn run(&self, command: &[&str]) -> anyhow::Result<String> {
        let output = self.podman.run(&[&["exec", NAME], command].concat())?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Tells it to stop, and waits until it has.
    ///
    /// # Errors
    /// If it does not stop as one that was told to.
    pub fn stop(self) -> anyhow::Result<()> {
        self.podman.run(&["stop", "--time", "20", NAME])?;
        let output = self.podman.run(&["inspect", "--format", "{{.State.ExitCode}}", NAME])?;
        let code = String::from_utf8(output.stdout)?;
        ensure!(code.trim() == "0", "it stops with {}: {}", code.trim(), self.said()?);
        Ok(())
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // There is nothing else to do about errors here.
        let _ = self.podman.run(&["rm", "--force", NAME]);
    }
}
