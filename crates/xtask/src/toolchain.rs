//! Parts of the Rust toolchain that rustup installs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, ensure};

/// The target of everything that runs as WebAssembly.
pub const WASM: &str = "wasm32-unknown-unknown";

/// Held while rustup may run: it does not expect another of its kind beside it.
static RUSTUP: Mutex<()> = Mutex::new(());

/// Installs the standard library for WebAssembly, if the toolchain lacks it.
///
/// # Errors
/// If it is missing and rustup cannot install it.
pub fn install_wasm() -> anyhow::Result<()> {
    let _alone = RUSTUP.lock();
    let folder = rustc(&["--print", "target-libdir", "--target", WASM])?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    rustup(["target", "add", WASM], "Rust's standard library for WebAssembly")
}

/// Installs the source of the standard library, if the toolchain lacks it.
///
/// # Errors
/// If it is missing and rustup cannot install it.
pub(crate) fn install_source() -> anyhow::Result<()> {
    let _alone = RUSTUP.lock();
    let sysroot = rustc(&["--print", "sysroot"])?;
    if Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library").is_dir() {
        return Ok(());
    }
    rustup(["component", "add", "rust-src"], "the source of Rust's standard library")
}

fn rustc(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("rustc").args(arguments).output().context("`rustc` does not start")?;
    String::from_utf8(output.stdout).context("`rustc` printed a path that is not UTF-8")
}

fn rustup(arguments: [&str; 3], what: &str) -> anyhow::Result<()> {
    let command = format!("rustup {}", arguments.join(" "));
    eprintln!("{command}");
    let added = Command::new("rustup").args(arguments).stdout(Stdio::null()).status();
    ensure!(added.is_ok_and(|status| status.success()), "{what} is missing: install it with `{command}`");
    Ok(())
}
