//! Finds what this package embeds, and `cargo xtask` has built before it: the guests, and the page.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The guests, by the variable that has its path: where `cargo xtask build` puts each, in cargo's target folder.
const GUESTS: [(&str, &str); 2] = [
    ("DOWNSHIFT_GUEST", "artifacts/downshift_guest.component.wasm"),
    ("DOWNSHIFT_LAYER_GUEST", "artifacts/downshift_layer_guest.wasm"),
];

/// Where it puts the files of the page, each compressed beside itself where it is shipped.
const PAGE: &str = "artifacts/page";

/// What the page is where there is none: it says so.
const NO_PAGE: &str = "src/no_page.html";

fn main() {
    for (variable, path) in GUESTS {
        find_guest(variable, path);
    }
    find_page().expect("the files of the page can be read, and their list written");
}

fn find_guest(variable: &str, path: &str) {
    let guest = artifact(variable, path);
    println!("cargo::rerun-if-changed={}", guest.display());
    println!("cargo::rustc-env={variable}={}", guest.display());
    if !guest.is_file() {
        println!("cargo::error=there is no guest `{}`: build with `cargo xtask build`", guest.display());
    }
}

/// Writes the list of the page's files, as Rust.
fn find_page() -> io::Result<()> {
    let page = artifact("DOWNSHIFT_PAGE", PAGE);
    let mut files = String::new();
    if page.is_dir() {
        println!("cargo::rerun-if-changed={}", page.display());
        list(&page, &page, &mut files)?;
    } else {
        // Cargo builds again each time what depends on a file that is not there.
        println!("cargo::rerun-if-changed={}", page.parent().unwrap_or(&page).display());
        println!("cargo::rerun-if-changed={NO_PAGE}");
        println!("cargo::warning=there is no page `{}`: build with `cargo xtask build`", page.display());
        let no_page = fs::canonicalize(NO_PAGE)?;
        files = format!("(\"index.html\", include_bytes!({no_page:?}), &[]),");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("page.rs"), format!("&[{files}]"))
}

/// Adds the files of a folder, each with its compressed twin, or with nothing where it has none.
fn list(page: &Path, folder: &Path, files: &mut String) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(page, &path, files)?;
        } else if path.extension().is_none_or(|extension| extension != "gz") {
            let name = path.strip_prefix(page).expect("it is in the folder").display().to_string();
            let compressed = PathBuf::from(format!("{}.gz", path.display()));
            let twin =
                if compressed.is_file() { format!("include_bytes!({compressed:?})") } else { "&[]".into() };
            files.push_str(&format!("({name:?}, include_bytes!({path:?}), {twin}),\n"));
        }
    }
    Ok(())
}

/// What `cargo xtask build` has made, unless a variable says where it is.
fn artifact(variable: &str, path: &str) -> PathBuf {
    println!("cargo::rerun-if-env-changed={variable}");
    env::var_os(variable).map_or_else(|| target_folder().join(path), PathBuf::from)
}

/// Cargo's target folder, which the folder for this script's output is in.
fn target_folder() -> PathBuf {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let build = out.ancestors().find(|folder| folder.ends_with("build")).map(Path::to_path_buf);
    let target = build.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_path_buf);
    target.expect("cargo puts OUT_DIR into a folder `build` of the target folder")
}
