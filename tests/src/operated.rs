//! `downshift serve` with a listener for its operator, and a data folder.

use core::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::http;
use crate::patience::await_true;
use crate::server::{Server, free_address};
use crate::{machine_code, program};
use downshift_cases::images::{Image, REPOSITORY, layout};
use downshift_cases::response::Response;

/// A running server.
#[derive(Debug)]
pub struct Operated {
    // Dropped in this order: the process ends before its folder goes.
    server: Server,
    admin: SocketAddr,
    arguments: Vec<String>,
    folder: Arc<TempDir>,
}

impl Operated {
    /// Serves with `arguments`, which say where the images are.
    ///
    /// # Errors
    /// If the program does not start.
    pub fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir()?, arguments)
    }

    /// The same with `folder`, which has the data folder `data`, if `arguments` name no other one.
    ///
    /// # Errors
    /// If the program does not start.
    pub fn start_in(folder: TempDir, arguments: &[&str]) -> anyhow::Result<Self> {
        let (arguments, admin) = Self::arguments(&folder, arguments)?;
        if arguments.windows(2).any(|pair| pair == ["--engine", "wasm"]) {
            machine_code::seed(&folder.path().join("data"))?;
        }
        Ok(Self { server: program::serve(&arguments)?, admin, arguments, folder: Arc::new(folder) })
    }

    /// Serves `images` as [`Self::start_with`] does, started by another program that is given its command line.
    ///
    /// # Errors
    /// As there.
    pub fn start_under(starter: &[&str], images: &[(&str, Image)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store");
        layout::write(&store.join(REPOSITORY), images)?;
        let (arguments, admin) = Self::arguments(&folder, &["--store", &store.display().to_string()])?;
        let [program, more @ ..] = starter else { anyhow::bail!("there is no starter") };
        let mut command = Command::new(program);
        command.args(more).arg(program::path()?).args(["serve", "--listen", "127.0.0.1:0"]).args(&arguments);
        Ok(Self { server: Server::start(&mut command)?, admin, arguments, folder: Arc::new(folder) })
    }

    fn arguments(folder: &TempDir, arguments: &[&str]) -> anyhow::Result<(Vec<String>, SocketAddr)> {
        let admin = free_address()?;
        let mut all = vec!["--admin-listen".to_string(), admin.to_string()];
        if !arguments.contains(&"--engine") {
            all.extend(["--engine".to_string(), "native".to_string()]);
        }
        if !arguments.contains(&"--data") {
            all.extend(["--data".to_string(), folder.path().join("data").display().to_string()]);
        }
        all.extend(arguments.iter().map(ToString::to_string));
        Ok((all, admin))
    }

    /// Serves `images`, each with its tag, as the repository `library/sample`.
    ///
    /// # Errors
    /// If the store cannot be written, or the program does not start.
    pub fn start_with(images: &[(&str, Image)], arguments: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store");
        layout::write(&store.join(REPOSITORY), images)?;
        let store = store.display().to_string();
        Self::start_in(folder, &[&["--store", &store], arguments].concat())
    }

    /// The process.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Where it listens for clients.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The path of a file in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Stops it as its operator does, and starts it again on the same folder.
    ///
    /// # Errors
    /// If it does not stop or start.
    pub fn restarted(self) -> anyhow::Result<Self> {
        let Stopped { admin, arguments, folder } = self.stopped()?;
        Ok(Self { server: program::serve(&arguments)?, admin, arguments, folder })
    }

    /// Stops it as its operator does.
    ///
    /// # Errors
    /// If it does not stop.
    pub fn stopped(self) -> anyhow::Result<Stopped> {
        let Self { server, admin, arguments, folder } = self;
        server.stop()?;
        Ok(Stopped { admin, arguments, folder })
    }

    /// Asks for a manifest of the repository `library/sample`.
    ///
    /// # Errors
    /// If there is no response.
    pub fn manifest(&self, reference: &str, headers: &[(&str, &str)]) -> anyhow::Result<Response> {
        http::send(self.address(), "GET", &crate::front::manifest_path(reference), headers)
    }

    /// Asks for something of the operator's.
    ///
    /// # Errors
    /// If there is no response.
    pub fn admin(&self, method: &str, target: &str) -> anyhow::Result<Response> {
        http::send(self.admin, method, target, &[])
    }

    /// Where it listens for its operator.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// A figure, by its name and labels as they are written; 0 where there is none.
    ///
    /// # Errors
    /// If there are no figures, or it is no number.
    pub fn figure(&self, name: &str) -> anyhow::Result<f64> {
        let response = self.admin("GET", "/metrics")?;
        ensure!(response.status == 200, "there are no figures: {response:?}");
        let text = String::from_utf8(response.body)?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(Ok(0.0), |value| value.parse().with_context(|| format!("`{name}` is `{value}`")))
    }

    /// Waits until a figure is `expected`.
    ///
    /// # Errors
    /// If it does not come to be.
    pub fn await_figure(&self, name: &str, expected: f64) -> anyhow::Result<()> {
        await_true(&format!("`{name}` to be `{expected}`"), || Ok(self.figure(name)? == expected))
    }

    /// Waits until a line of the log has `text` in it.
    ///
    /// # Errors
    /// If there is none.
    pub fn await_log(&self, text: &str) -> anyhow::Result<()> {
        await_true(&format!("`{text}` in the log"), || {
            Ok(self.server.log().iter().any(|line| line.contains(text)))
        })
        .with_context(|| self.server.log().join("\n"))
    }

    /// The memory that it has, in bytes.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("there is no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }
}

/// A server that was stopped, and may be started again.
#[derive(Debug)]
pub struct Stopped {
    admin: SocketAddr,
    arguments: Vec<String>,
    folder: Arc<TempDir>,
}

impl Stopped {
    /// Starts it again on the same folder.
    ///
    /// # Errors
    /// If it does not start.
    pub fn started(&self) -> anyhow::Result<Operated> {
        let (arguments, folder) = (self.arguments.clone(), Arc::clone(&self.folder));
        Ok(Operated { server: program::serve(&arguments)?, admin: self.admin, arguments, folder })
    }
}

/// Runs a command to its end, and gives what it wrote to standard output.
///
/// # Errors
/// If it fails. The error has what it said.
pub fn run(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    ensure!(
        output.status.success(),
        "{command:?} fails: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
