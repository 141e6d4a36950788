//! The guests: the core, built for WebAssembly and wrapped as a component, and the reader of layers, a module.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::command::{artifacts, cargo, run, target_folder};
use crate::toolchain::{self, WASM};

/// The component that `downshift-host` embeds.
const GUEST: (&str, &str) = ("downshift-guest", "downshift_guest");

/// The one that misbehaves, for the suite.
const BAD_GUEST: (&str, &str) = ("bad-guest", "bad_guest");

/// The module that `downshift-host` embeds.
const LAYER_READER: (&str, &str) = ("downshift-layer-guest", "downshift_layer_guest");

/// How the reader of layers is compiled, beside what its profile says: for speed alone.
const LAYER_READER_RUSTFLAGS: [&str; 2] = ["-Clink-arg=--strip-all", "-Ctarget-feature=+simd128"];

/// How guests are compiled, beside what their profile says.
const RUSTFLAGS: [&str; 5] = [
    // The names of functions are of no use in a sandbox whose traps nobody debugs there.
    "-Clink-arg=--strip-all",
    "-Ctarget-feature=+simd128",
    // The stack, the constants, and a heap for an ordinary conversion: to ask the host for more takes a microsecond.
    "-Clink-arg=--initial-memory=1572864",
    // By default a quarter of the code is copies of functions and loops, which make little faster: a threshold of 225
    // takes 3 % less time than this and 25 % more code, and one of 25 takes 16 % more time and 8 % less code (measured).
    "-Cllvm-args=-inline-threshold=100",
    "-Cllvm-args=-unroll-threshold=60",
];

/// Builds the guest, and says where it is.
///
/// # Errors
/// If it cannot be built.
pub fn build() -> anyhow::Result<PathBuf> {
    component(GUEST)
}

/// Builds the guest that misbehaves, and says where it is.
///
/// # Errors
/// If it cannot be built.
pub fn build_bad() -> anyhow::Result<PathBuf> {
    component(BAD_GUEST)
}

/// Builds the reader of layers, and says where it is.
///
/// # Errors
/// If it cannot be built.
pub fn build_layer_reader() -> anyhow::Result<PathBuf> {
    let (_, library) = LAYER_READER;
    let module = module(LAYER_READER, &LAYER_READER_RUSTFLAGS)?;
    let artifacts = target_folder()?.join("artifacts");
    let artifact = artifacts.join(library).with_extension("wasm");
    // What has not changed is not written: whatever embeds it would be built again.
    let bytes = fs::read(&module).with_context(|| format!("`{}` cannot be read", module.display()))?;
    if fs::read(&artifact).ok().as_ref() != Some(&bytes) {
        fs::create_dir_all(&artifacts)
            .and_then(|()| fs::write(&artifact, &bytes))
            .with_context(|| format!("`{}` cannot be written", artifact.display()))?;
    }
    Ok(artifact)
}

fn component(guest: (&str, &str)) -> anyhow::Result<PathBuf> {
    let (_, library) = guest;
    let module = module(guest, &RUSTFLAGS)?;
    let component = target_folder()?.join("artifacts").join(library).with_extension("component.wasm");
    run(Command::new(artifacts()?).arg("component").arg(module).arg(&component))?;
    Ok(component)
}

/// Builds a library for WebAssembly.
fn module((package, library): (&str, &str), rustflags: &[&str]) -> anyhow::Result<PathBuf> {
    toolchain::install_wasm()?;
    let target = target_folder()?;
    let mut compile = cargo();
    compile.args(["build", "--locked", "--package", package, "--profile", "guest", "--target", WASM]);
    // Flags for programs of this machine do not fit WebAssembly.
    compile.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    compile.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", rustflags.join(" "));
    run(compile.env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join(WASM).join("guest").join(library).with_extension("wasm"))
}
