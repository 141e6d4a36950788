//! The guest component: the core, built for wasm and wrapped as a component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use wit_component::ComponentEncoder;

use crate::build::{self, cargo, target_folder};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// How the guest is compiled, beside what its profile says.
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

/// Builds of the guest that misbehave, for the suite: by the name of their feature.
const MISBEHAVING: [&str; 7] = ["asks", "floods", "grows", "lies", "loops", "records", "traps"];

/// Builds the guest, and says where it is: `downshift-host` embeds it.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    install_target()?;
    build_with(None, "downshift_guest.component.wasm")
}

/// Builds the guests that misbehave.
pub(crate) fn build_misbehaving() -> anyhow::Result<()> {
    for feature in MISBEHAVING {
        build_with(Some(feature), &format!("guest_that_{feature}.component.wasm"))?;
    }
    Ok(())
}

fn build_with(feature: Option<&str>, name: &str) -> anyhow::Result<PathBuf> {
    let target = target_folder()?;
    let mut command = cargo();
    command.args([
        "build",
        "--quiet",
        "--package",
        "downshift-guest",
        "--profile",
        "guest",
        "--target",
        TARGET,
    ]);
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    // Flags that are meant for programs of this machine are none for wasm.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", RUSTFLAGS.join(" "));
    command.env("CARGO_TARGET_DIR", &target);
    build::run(&mut command)?;
    let module = target.join(TARGET).join("guest/downshift_guest.wasm");
    let component = target.join("artifacts").join(name);
    write_component(&module, &component)?;
    Ok(component)
}

fn write_component(module: &Path, component: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(module).with_context(|| format!("`{}` cannot be read", module.display()))?;
    let encoded = ComponentEncoder::default().module(&bytes)?.validate(true).encode()?;
    // An equal file is left alone, for cargo builds again what embeds a newer one.
    if fs::read(component).is_ok_and(|before| before == encoded) {
        return Ok(());
    }
    fs::create_dir_all(component.parent().context("the component has no folder")?)?;
    fs::write(component, encoded).with_context(|| format!("`{}` cannot be written", component.display()))
}

/// Installs the standard library for wasm, if the toolchain lacks it.
pub(crate) fn install_target() -> anyhow::Result<()> {
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output()?;
    let folder = String::from_utf8(libraries.stdout).context("rustc names no folder")?;
    if libraries.status.success() && Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    rustup(["target", "add", TARGET], "Rust's standard library for WebAssembly")
}

/// Sees to it that the standard library can be compiled.
pub(crate) fn install_source() -> anyhow::Result<()> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    let folder = String::from_utf8(sysroot.stdout).context("rustc names no folder")?;
    if Path::new(folder.trim()).join("lib/rustlib/src/rust/library").is_dir() {
        return Ok(());
    }
    rustup(["component", "add", "rust-src"], "the source of Rust's standard library")
}

fn rustup(arguments: [&str; 3], what: &str) -> anyhow::Result<()> {
    let command = format!("rustup {}", arguments.join(" "));
    eprintln!("{command}");
    let added = Command::new("rustup").args(arguments).stdout(Stdio::null()).status();
    ensure!(added.is_ok_and(|status| status.success()), "{what} is missing: install it with `{command}`");
    Ok(())
}
