//! Node, and the programs that npm installs for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::build;

/// The folder of the project.
pub(crate) fn project() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    Ok(root.context("this program has no project")?.to_path_buf())
}

/// Whether there are Node and npm.
pub(crate) fn is_installed() -> bool {
    let answers =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success());
    answers("node") && answers("npm")
}

/// Installs what `package-lock.json` lists into the project's `node_modules`, if that has not been done since the
/// list changed.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    ensure!(is_installed(), "Node (20 or later) and npm are missing: install them");
    let project = project()?;
    let (lock, modules) = (project.join("package-lock.json"), project.join("node_modules"));
    let wanted = fs::read(&lock).with_context(|| format!("`{}` cannot be read", lock.display()))?;
    let stamp = modules.join(".downshift-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(modules);
    }
    eprintln!("installing what the tests need of npm into node_modules");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&project);
    build::run(&mut npm)?;
    fs::write(&stamp, wanted).with_context(|| format!("`{}` cannot be written", stamp.display()))?;
    Ok(modules)
}

/// A program of `node_modules`.
pub(crate) fn program(name: &str) -> anyhow::Result<Command> {
    Ok(Command::new(install()?.join(".bin").join(name)))
}
