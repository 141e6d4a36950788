//! The built program `downshift`.

use std::ffi::OsStr;
use std::process::{Command, Output};

use anyhow::ensure;

use crate::built::beside_the_test;
pub use crate::built::path;
use crate::machine_code;
use crate::server::Server;

/// Starts the smallest place, which is built with these tests.
///
/// # Errors
/// If it was not built, or does not start.
pub fn serve_memory_edge(arguments: &[String]) -> anyhow::Result<Server> {
    Server::start(Command::new(beside_the_test("memory-edge")?).args(arguments))
}

/// Whether a server asks its registries at the start.
pub const PROBE_UPSTREAMS: &str = "DOWNSHIFT_PROBE_UPSTREAMS";

/// The program as a command, without arguments. A server asks its registries for nothing but what clients want, so that
/// tests can count that. What commands keep for a user is kept beside the tests.
///
/// # Errors
/// If it was not built.
pub fn command() -> anyhow::Result<Command> {
    let mut command = Command::new(path()?);
    command.env(PROBE_UPSTREAMS, "false").env("XDG_CACHE_HOME", machine_code::user_cache()?);
    Ok(command)
}

/// Runs the program to its end.
///
/// # Errors
/// If it was not built.
pub fn run<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> anyhow::Result<Output> {
    Ok(command()?.args(arguments).output()?)
}

/// What a program wrote to standard error.
#[must_use]
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the program to its end, and gives what it wrote to standard output.
///
/// # Errors
/// If it does not succeed.
pub fn succeed<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> anyhow::Result<Vec<u8>> {
    let output = run(arguments)?;
    ensure!(output.status.success(), "it fails: {}", said(&output));
    Ok(output.stdout)
}

/// Starts `downshift serve` with `arguments` on a free port.
///
/// # Errors
/// If it was not built, or does not start.
pub fn serve<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> anyhow::Result<Server> {
    Server::start(command()?.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments))
}
