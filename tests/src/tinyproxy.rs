//! tinyproxy, a proxy towards the internet, with the settings of a test.

use core::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::programs::{TINYPROXY, locate};
use crate::server::{Server, free_address};

/// tinyproxy, for as long as this value lives.
#[derive(Debug)]
pub struct Tinyproxy {
    // Dropped in this order: the process ends before its folder goes.
    server: Server,
    _folder: TempDir,
}

impl Tinyproxy {
    /// Starts a proxy for everybody, or for whoever gives this user's name and password. `settings` are lines of its own.
    ///
    /// # Errors
    /// If tinyproxy is not installed, or does not start.
    pub fn start(user: Option<(&str, &str)>, settings: &str) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let address = free_address()?;
        let mut text = format!(
            "Port {}\nListen {}\nTimeout 60\nLogLevel Info\n{settings}\n",
            address.port(),
            address.ip()
        );
        if let Some((name, password)) = user {
            writeln!(text, "BasicAuth {name} {password}")?;
        }
        let path = directory.path().join("tinyproxy.conf");
        fs::write(&path, text)?;
        let program = locate(TINYPROXY).context("it is not installed")?;
        let server = Server::start_at(address, Command::new(program).arg("-d").arg("-c").arg(&path))?;
        Ok(Self { server, _folder: directory })
    }

    /// Its URL, with a user and a password in front of the host if `user` has them.
    #[must_use]
    pub fn url(&self, user: Option<(&str, &str)>) -> String {
        let user = user.map(|(name, password)| format!("{name}:{password}@")).unwrap_or_default();
        format!("http://{user}{}", self.server.address())
    }

    /// Whether it was asked for this, such as `CONNECT example.org:443`.
    #[must_use]
    pub fn was_asked(&self, request: &str) -> bool {
        self.server.log().iter().any(|line| line.contains(request))
    }
}
