//! The server's process, as Linux shows it.

use std::fs;
use std::process::Command;

use anyhow::Context;
use downshift_tests::server::Server;

use xtask::command;

pub(super) struct Process {
    pid: u32,
}

impl Process {
    pub(super) fn of(server: &Server) -> Self {
        Self { pid: server.pid() }
    }

    /// How much memory it has (`proc_pid_status(5)`, `VmRSS`).
    pub(super) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let kibibytes: u64 = self.status("VmRSS:")?.trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes * 1024)
    }

    /// Whether it does something about `SIGHUP`, which ends it otherwise.
    pub(super) fn reloads(&self) -> anyhow::Result<bool> {
        /// The first signal is the lowest bit.
        const HANGUP: u64 = 1;
        Ok(u64::from_str_radix(&self.status("SigCgt:")?, 16)? & HANGUP != 0)
    }

    /// Tells it to read its settings again.
    pub(super) fn reload(&self) -> anyhow::Result<()> {
        command::run(Command::new("kill").args(["-HUP", &self.pid.to_string()]))
    }

    fn status(&self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).with_context(|| format!("`{path}` cannot be read"))?;
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        Ok(value.with_context(|| format!("`{path}` has no `{name}`"))?.trim().to_owned())
    }
}
