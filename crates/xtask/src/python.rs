//! Python, and the client of registries that pip installs for it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::command::{project, run, target_folder};

/// Whether Python and its pip are installed.
#[must_use]
pub fn is_installed() -> bool {
    let mut pip = pip();
    pip.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    pip.status().is_ok_and(|status| status.success())
}

/// Installs what `tests/python/requirements.txt` lists into a folder of the target folder, if that has not been done
/// since the list changed, and says where that is: Python finds it there by `PYTHONPATH`.
///
/// # Errors
/// If pip fails.
pub fn install() -> anyhow::Result<PathBuf> {
    let list = project()?.join("tests/python/requirements.txt");
    let wanted = fs::read(&list).with_context(|| format!("`{}` cannot be read", list.display()))?;
    let folder = target_folder()?.join("python");
    let stamp = folder.join("downshift-requirements.txt");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("`{}` cannot be removed", folder.display()))?;
    }
    eprintln!("pip installs into {} what tests/python/requirements.txt lists", folder.display());
    let mut pip = pip();
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]);
    // As root, too, which is no concern where nothing is installed for others.
    pip.args(["--root-user-action", "ignore", "--requirement"]).arg(&list).arg("--target").arg(&folder);
    run(&mut pip)?;
    fs::write(&stamp, wanted).with_context(|| format!("`{}` cannot be written", stamp.display()))?;
    Ok(folder)
}

fn pip() -> Command {
    let mut python = Command::new("python3");
    python.args(["-m", "pip"]);
    python
}
