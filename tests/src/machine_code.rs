//! The sandbox's guests as machine code, compiled once for all servers: the compiler of a debug build takes seconds for them.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow, ensure};
use downshift::Form;
use downshift_cases::images::{REPOSITORY, layout, sample};

use crate::patience::await_true;
use crate::server::Server;
use crate::{built, http};

/// Where a data folder has them: the one that converts, and the one that reads layers.
const FOLDERS: [&str; 2] = ["compiled", "compiled-layer-reader"];

/// The mode of a data folder.
const PRIVATE: u32 = 0o700;

/// The data folder of a server that has compiled them: it stays beside the tests for the next run.
fn data_folder() -> anyhow::Result<&'static Path> {
    static COMPILED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| compile().map_err(|error| format!("{error:#}")));
    compiled.as_deref().map_err(|error| anyhow!("the guests are not compiled: {error}"))
}

/// Gives them to a server that is going to have the folder `data`, unless that has something of the kind: what is compiled
/// there is looked at by the server like its own of an earlier start.
///
/// # Errors
/// If they cannot be compiled or copied.
pub fn seed(data: &Path) -> anyhow::Result<()> {
    for folder in FOLDERS {
        let own = data.join(folder);
        if own.symlink_metadata().is_err() {
            // Not a link to it: servers write there, and tests damage what they find.
            copy(&data_folder()?.join(folder), &own)
                .with_context(|| format!("`{}` cannot be filled", own.display()))?;
        }
    }
    Ok(())
}

/// Has a server compile the guests, if the one that did so last had others.
fn compile() -> anyhow::Result<PathBuf> {
    let folder = built::beside_the_test("suite-data")?;
    fs::create_dir_all(&folder)?;
    // Two runs at a time start their servers one after the other.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let [store, data] = ["store", "data"].map(|name| folder.join(name));
    // A conversion that takes what is in layers: what reads them is compiled when it is first needed, which it is not where the
    // server of the run before has left what it learnt.
    for entry in data.read_dir().into_iter().flatten() {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    layout::write(&store.join(REPOSITORY), &[("latest", sample::zstd())])?;
    let [store_path, path] = [&store, &data].map(|path| path.display().to_string());
    let mut server = Command::new(built::path()?);
    server.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--engine",
        "wasm",
        "--store",
        &store_path,
        "--data",
        &path,
    ]);
    let server = Server::start(&mut server)?;
    let headers =
        [("Accept", Form::Schema2.media_type()), ("User-Agent", "docker/20.10.24 os/linux arch/amd64")];
    // The server goes on compiling after its client has given up.
    let path = format!("/v2/{REPOSITORY}/manifests/latest");
    let mut last = String::new();
    await_true("layers to be read", || {
        let answer = http::send(server.address(), "GET", &path, &headers);
        last = format!("{answer:?}");
        Ok(answer.is_ok_and(|answer| answer.status == 200))
    })
    .with_context(|| last)?;
    server.stop()?;
    Ok(data)
}

/// The user's cache of the commands that tests run. Each of them compiles what is not there, and some run at a time.
///
/// # Errors
/// If the program was not built, or what fills the cache fails.
pub(crate) fn user_cache() -> anyhow::Result<&'static Path> {
    static FILLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let filled = FILLED.get_or_init(|| fill_user_cache().map_err(|error| format!("{error:#}")));
    filled.as_deref().map_err(|error| anyhow!("the guests are not compiled: {error}"))
}

fn fill_user_cache() -> anyhow::Result<PathBuf> {
    let cache = built::beside_the_test("suite-cache")?;
    let folder = tempfile::tempdir()?;
    let image = sample::oci();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).map(|()| path.display().to_string())
    };
    let manifest = file("manifest.json", &image.manifest.bytes)?;
    let config = file("config.json", &image.configs.concat())?;
    let layer = file("layer", &image.layers.concat())?;
    let commands =
        [vec!["convert", &manifest, "--config", &config, "--to", "schema2"], vec!["layer", &layer]];
    for arguments in commands {
        let mut command = Command::new(built::path()?);
        let output = command.args(arguments).env("XDG_CACHE_HOME", &cache).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(cache)
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
