//! `cargo xtask build`, and what other commands need of cargo.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};

use crate::{guest, js, page};

/// Builds the program `downshift`, and before it what it has in itself: the guest component that it runs in a sandbox,
/// and the page for browsers; or something else.
#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(value_enum, default_value_t)]
    what: What,
    /// The program with optimisations, into target/release; all else has them always
    #[arg(long)]
    release: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum What {
    /// The program.
    #[default]
    Program,
    /// The package for JavaScript.
    Js,
    /// The worker for Cloudflare.
    Worker,
    /// The same, and one that traps where the suite wants it.
    WorkerThatTraps,
    /// The page for browsers: a folder, and in it the page as one file.
    Page,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let built = match self.what {
            What::Program => program(self.release)?,
            What::Js => js::package()?,
            What::Worker => js::build()?.worker,
            What::WorkerThatTraps => js::trapping_worker(&js::build()?.package)?,
            What::Page => page::build()?,
        };
        println!("built {}", built.display());
        Ok(())
    }
}

/// Builds the program, and says where it is.
pub(crate) fn program(release: bool) -> anyhow::Result<PathBuf> {
    guest::build()?;
    page::build()?;
    let mut command = cargo();
    command.args(["build", "--package", "downshift-host"]);
    if release {
        command.arg("--release");
    }
    run(&mut command)?;
    let profile = if release { "release" } else { "debug" };
    Ok(target_folder()?.join(profile).join("downshift").with_extension(env::consts::EXE_EXTENSION))
}

/// Cargo's target folder: this program was built into it.
pub(crate) fn target_folder() -> anyhow::Result<PathBuf> {
    let xtask = env::current_exe().context("this program has no path")?;
    let target = xtask.parent().and_then(|profile| profile.parent()).context("this program has no folder")?;
    Ok(target.to_path_buf())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs `command` in the place of this program, so that a signal to this one is a signal to that.
#[cfg(unix)]
pub(crate) fn replace_by(command: &mut Command) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec()).with_context(|| format!("`{}` does not start", command.get_program().display()))
}

/// Runs `command` and waits for it.
#[cfg(not(unix))]
pub(crate) fn replace_by(command: &mut Command) -> anyhow::Result<()> {
    run(command)
}

/// Runs `command` and waits for it.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_os_string();
    let status = command.status().with_context(|| format!("`{}` does not start", program.display()))?;
    ensure!(status.success(), "`{}` failed: {status}", program.display());
    Ok(())
}
