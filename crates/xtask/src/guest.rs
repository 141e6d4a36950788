//! The guest component: the core, built for WebAssembly and wrapped as a component.

use std::path::PathBuf;

use crate::command::{cargo, run, target_folder, tool};
use crate::toolchain::{self, WASM};

/// The component that `downshift-host` embeds.
const GUEST: (&str, &str) = ("downshift-guest", "downshift_guest");

/// The one that misbehaves, for the suite.
const BAD_GUEST: (&str, &str) = ("bad-guest", "bad_guest");

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

fn component((package, library): (&str, &str)) -> anyhow::Result<PathBuf> {
    toolchain::install_wasm()?;
    let target = target_folder()?;
    let mut compile = cargo();
    compile.args(["build", "--locked", "--package", package, "--profile", "guest", "--target", WASM]);
    // Flags for programs of this machine do not fit WebAssembly.
    compile.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    compile.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", RUSTFLAGS.join(" "));
    run(compile.env("CARGO_TARGET_DIR", &target))?;
    let module = target.join(WASM).join("guest").join(library).with_extension("wasm");
    let component = target.join("artifacts").join(library).with_extension("component.wasm");
    run(tool("xtask-artifacts").arg("component").arg(module).arg(&component))?;
    Ok(component)
}
