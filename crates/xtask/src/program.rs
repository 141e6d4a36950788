//! The program `downshift`, with what it has in itself: the guests, and the page.

use std::env;
use std::path::PathBuf;
use std::thread;

use anyhow::anyhow;

use crate::command::{announce, cargo, run, target_folder};
use crate::{guest, page};

/// How the program is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// In as little time as possible: not optimised, and with the page as [`page::plain`] makes it.
    Plain,
    /// With optimisations, and with the page that is shipped.
    Release,
}

/// Builds the program, and says where it is.
///
/// # Errors
/// If it cannot be built.
pub fn build(build: Build) -> anyhow::Result<PathBuf> {
    build_embedded(if build == Build::Plain { page::plain } else { page::shipped })?;
    announce("the server: compiling its sandbox, wasmtime, is most of it");
    let mut command = cargo();
    command.args(["build", "--locked", "--package", "downshift-host"]);
    if build == Build::Release {
        command.arg("--release");
    }
    run(&mut command)?;
    path(build)
}

/// Builds what the program has in itself: the guests, and with `page` the page.
///
/// # Errors
/// If one of them cannot be built.
pub fn build_embedded(page: fn() -> anyhow::Result<PathBuf>) -> anyhow::Result<()> {
    announce(
        "the core as a WebAssembly component, and the reader of layers as a module, for the server's sandbox",
    );
    announce("beside them, the manifest inspector, for browsers");
    // The last step of each is one thread's.
    thread::scope(|scope| {
        let page = scope.spawn(page);
        guest::build()?;
        guest::build_layer_reader()?;
        page.join().map_err(|_| anyhow!("building the page panicked"))?.map(drop)
    })
}

/// Where the program is, once it is built.
///
/// # Errors
/// If cargo's target folder cannot be told.
pub fn path(build: Build) -> anyhow::Result<PathBuf> {
    let profile = if build == Build::Release { "release" } else { "debug" };
    Ok(target_folder()?.join(profile).join("downshift").with_extension(env::consts::EXE_EXTENSION))
}
