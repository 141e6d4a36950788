//! `cargo xtask package`

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use clap::Args;

use xtask::command::{cargo, run, target_folder};
use xtask::program::{self, Build};

/// Scripts that complete the command line: the shell, and what its file is called.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "downshift"), ("zsh", "_downshift"), ("fish", "downshift.fish")];

/// Builds the program with optimisations, its completions and its manual, and with cargo-deb a package for Debian.
#[derive(Args)]
pub(crate) struct Arguments;

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let program = program::build(Build::Release)?;
        let folder = target_folder()?.join("package");
        write_completions(&program, &folder.join("completions"))?;
        run(Command::new(&program).arg("man").arg(folder.join("man")))?;
        run(cargo().args(["deb", "--package", "downshift-host", "--no-build"]))
            .context("cargo-deb is needed: cargo install cargo-deb")
    }
}

fn write_completions(program: &Path, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for (shell, name) in COMPLETIONS {
        let output = Command::new(program).args(["completions", shell]).output()?;
        anyhow::ensure!(output.status.success(), "there are no completions for {shell}: {output:?}");
        fs::write(folder.join(name), output.stdout)?;
    }
    Ok(())
}
