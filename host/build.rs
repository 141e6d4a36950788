//! Finds the guest component, which is built before this package by `cargo xtask`.

use std::env;
use std::path::{Path, PathBuf};

/// Where `cargo xtask build` puts the guest, in cargo's target folder.
const ARTIFACT: &str = "artifacts/downshift_guest.component.wasm";

fn main() {
    println!("cargo::rerun-if-env-changed=DOWNSHIFT_GUEST");
    let guest = match env::var_os("DOWNSHIFT_GUEST") {
        Some(path) => PathBuf::from(path),
        None => target_folder().join(ARTIFACT),
    };
    println!("cargo::rerun-if-changed={}", guest.display());
    println!("cargo::rustc-env=DOWNSHIFT_GUEST={}", guest.display());
    if !guest.is_file() {
        println!(
            "cargo::error=there is no guest component `{}`: build with `cargo xtask build`",
            guest.display()
        );
    }
}

/// Cargo's target folder, which the folder for this script's output is in.
fn target_folder() -> PathBuf {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let build = out.ancestors().find(|folder| folder.ends_with("build")).map(Path::to_path_buf);
    let target = build.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_path_buf);
    target.expect("cargo puts OUT_DIR into a folder `build` of the target folder")
}
