//! The page for browsers.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{artifacts, run, target_folder};
use crate::{js, node};

/// Builds the page for this machine, in seconds, and says in which folder it is.
///
/// # Errors
/// If it cannot be built.
pub fn plain() -> anyhow::Result<PathBuf> {
    let module = js::plain()?.join("plain");
    make([("inspect", module.clone()), ("full", module)], &[])
}

/// Builds the page as it is shipped, with each file compressed beside it and all of it as one file, and says in which
/// folder it is. Without Node it comes without the one file.
///
/// # Errors
/// If it cannot be built.
pub fn shipped() -> anyhow::Result<PathBuf> {
    let modules =
        [("inspect", js::shipped("inspect")?.join("inspect")), ("full", js::shipped("full")?.join("full"))];
    let mut options = vec!["--compress".to_owned()];
    if node::is_installed() {
        options.extend(["--esbuild".to_owned(), node::install()?.join(".bin/esbuild").display().to_string()]);
    } else {
        eprintln!("the page comes without its single file: that takes Node (20 or later) and npm");
    }
    make(modules, &options)
}

/// The folder of the page, which `downshift-host` embeds: as it was built last.
///
/// # Errors
/// If cargo's target folder cannot be told.
pub fn folder() -> anyhow::Result<PathBuf> {
    Ok(target_folder()?.join("artifacts/page"))
}

/// Makes the page around modules, each a path without its extension.
fn make(modules: [(&str, PathBuf); 2], options: &[String]) -> anyhow::Result<PathBuf> {
    let folder = folder()?;
    let mut command = Command::new(artifacts()?);
    command.arg("page").arg(&folder).args(options);
    for (option, module) in modules {
        command.arg(format!("--{option}")).arg(module);
    }
    run(&mut command)?;
    Ok(folder)
}
