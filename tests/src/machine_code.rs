//! The sandbox's guest as machine code, compiled once for all servers: the compiler of a debug build takes seconds for it.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow};

use crate::program;

/// Where a data folder has it.
const FOLDER: &str = "compiled";

/// The mode of a data folder.
const PRIVATE: u32 = 0o700;

/// The folder that a server has it in, as it was left there by one: it stays beside the tests for the next run.
///
/// # Errors
/// If the program was not built, or does not start.
pub fn folder() -> anyhow::Result<&'static Path> {
    static COMPILED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| compile().map_err(|error| format!("{error:#}")));
    compiled.as_deref().map_err(|error| anyhow!("the guest is not compiled: {error}"))
}

/// Gives it to a server that is going to have the folder `data`, unless that has something of the kind: what is compiled
/// there is looked at by the server like its own of an earlier start.
///
/// # Errors
/// If it cannot be compiled or copied.
pub fn seed(data: &Path) -> anyhow::Result<()> {
    let own = data.join(FOLDER);
    if own.symlink_metadata().is_ok() {
        return Ok(());
    }
    // Not a link to it: servers write there, and tests damage what they find.
    copy(folder()?, &own).with_context(|| format!("`{}` cannot be filled", own.display()))
}

/// Has a server compile the guest, if the one that did so last had another.
fn compile() -> anyhow::Result<PathBuf> {
    let data = program::beside_the_test("suite-data")?;
    let store = data.join("store");
    fs::create_dir_all(&store)?;
    // Two runs at a time start their servers one after the other.
    let lock = File::create(data.join("lock"))?;
    lock.lock()?;
    let server = data.join("data");
    let (data, store) = (server.display().to_string(), store.display().to_string());
    program::serve(["--engine", "wasm", "--data", &data, "--store", &store])?.stop()?;
    Ok(server.join(FOLDER))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}
