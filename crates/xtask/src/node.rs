//! Node, and the programs that npm installs for it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, anyhow, ensure};

use crate::command::{project, run};

/// Whether Node and npm are installed.
#[must_use]
pub fn is_installed() -> bool {
    let answers =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success());
    answers("node") && answers("npm")
}

/// Installs what `package-lock.json` lists into the project's `node_modules`, if that has not been done since the
/// list changed, and says where that is. Whoever calls it meanwhile waits.
///
/// # Errors
/// If Node is missing, or npm fails.
pub fn install() -> anyhow::Result<PathBuf> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| install_now().map_err(|error| format!("{error:#}")));
    installed.clone().map_err(|error| anyhow!(error))
}

fn install_now() -> anyhow::Result<PathBuf> {
    ensure!(is_installed(), "Node (20 or later) and npm are missing: install them");
    let project = project()?;
    let (lock, modules) = (project.join("package-lock.json"), project.join("node_modules"));
    let wanted = fs::read(&lock).with_context(|| format!("`{}` cannot be read", lock.display()))?;
    let stamp = modules.join(".downshift-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(modules);
    }
    eprintln!("npm installs into node_modules what package-lock.json lists");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&project);
    run(&mut npm)?;
    fs::write(&stamp, wanted).with_context(|| format!("`{}` cannot be written", stamp.display()))?;
    Ok(modules)
}

/// A program of `node_modules`.
pub(crate) fn program(name: &str) -> anyhow::Result<Command> {
    Ok(Command::new(install()?.join(".bin").join(name)))
}
