//! What the commands need of cargo and of other programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, anyhow, ensure};

/// The project's root folder.
///
/// # Errors
/// If this program was built elsewhere.
pub fn project() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    Ok(root.context("this program was not built in the project")?.to_path_buf())
}

/// Cargo's target folder: this program was built into it.
///
/// # Errors
/// If the path of this program cannot be told.
pub fn target_folder() -> anyhow::Result<PathBuf> {
    let program = env::current_exe().context("this program has no path")?;
    let target = program.ancestors().nth(2).context("this program is not in a target folder")?;
    Ok(target.to_path_buf())
}

/// The cargo that runs this program.
#[must_use]
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Another of the developer's programs, which cargo builds if it is not there yet. Its arguments follow.
#[must_use]
pub fn tool(package: &str) -> Command {
    let mut command = cargo();
    command.args(["run", "--locked", "--package", package, "--"]);
    command
}

/// The program that makes what is shipped of what the compiler made. It is built once, so that whoever calls it again does
/// not wait for another build in cargo's target folder.
///
/// # Errors
/// If it cannot be built.
pub fn artifacts() -> anyhow::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || {
        run(cargo().args(["build", "--locked", "--package", "xtask-artifacts"]))?;
        let program = target_folder()?.join("debug/xtask-artifacts");
        anyhow::Ok(program.with_extension(env::consts::EXE_EXTENSION))
    };
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!(error))
}

/// Runs `command` in the place of this program, so that a signal to this one is a signal to that.
///
/// # Errors
/// If it does not start.
#[cfg(unix)]
pub fn replace_by(command: &mut Command) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec()).with_context(|| format!("`{}` does not start", command.get_program().display()))
}

/// Runs `command` and waits for it.
///
/// # Errors
/// If it does not start, or fails.
#[cfg(not(unix))]
pub fn replace_by(command: &mut Command) -> anyhow::Result<()> {
    run(command)
}

/// Runs `command` and waits for it.
///
/// # Errors
/// If it does not start, or fails.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_os_string();
    let status = command.status().with_context(|| format!("`{}` does not start", program.display()))?;
    ensure!(status.success(), "`{}` failed: {status}", program.display());
    Ok(())
}

/// Says which part of the work begins.
pub fn announce(what: &str) {
    eprintln!("\n== {what}");
}
