//! What was built for these tests, and where it is.

use std::env;
use std::path::PathBuf;

use anyhow::Context as _;

/// The program: what `DOWNSHIFT_BIN` names, else the one beside the running test in the target folder.
///
/// # Errors
/// If there is none. The error says how to build it.
pub fn path() -> anyhow::Result<PathBuf> {
    let path = match env::var_os("DOWNSHIFT_BIN") {
        Some(path) => PathBuf::from(path),
        None => beside_the_test("downshift")?,
    };
    anyhow::ensure!(
        path.is_file(),
        "there is no program `{}`: run the tests with `cargo xtask test`, which builds it, or set DOWNSHIFT_BIN",
        path.display()
    );
    Ok(path)
}

/// A program of the same target folder.
pub(crate) fn beside_the_test(name: &str) -> anyhow::Result<PathBuf> {
    // target/debug/deps/suite-…
    let test = env::current_exe().context("the running test has no path")?;
    let profile = test.parent().and_then(|deps| deps.parent()).context("the running test has no folder")?;
    Ok(profile.join(name).with_extension(env::consts::EXE_EXTENSION))
}
