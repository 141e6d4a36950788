//! What the tests of this machine are, and what they leave out.

use core::fmt;
use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use anyhow::Context;

/// The programs that some tests run beside them: program, Debian's package, and what is tested with it.
const PROGRAMS: &str = include_str!("../../../../tests/programs.tsv");

/// Said before anything is built.
pub(super) struct Plan {
    /// For each Debian package that is missing, what is not tested without it.
    missing: BTreeMap<&'static str, &'static str>,
    is_ci: bool,
}

impl Plan {
    pub(super) fn of_this_machine() -> anyhow::Result<Self> {
        let mut missing = BTreeMap::new();
        for line in PROGRAMS.lines() {
            let mut fields = line.split('\t');
            let (Some(program), Some(package), Some(subject)) = (fields.next(), fields.next(), fields.next())
            else {
                return Err(anyhow::anyhow!(line)).context("a line of tests/programs.tsv lacks a field");
            };
            if !is_installed(program) {
                missing.insert(package, subject);
            }
        }
        Ok(Self { missing, is_ci: env::var("CI").is_ok_and(|value| value == "true") })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "The tests: each crate's own, and one suite that puts every case to every place where the core runs: natively,\n\
             in wasmtime, in Node, in browsers, and in Cloudflare's workerd.\n",
        )?;
        if self.missing.is_empty() {
            return f.write_str(
                "All programs that they run are installed: nothing is left out for want of one.\n",
            );
        }
        let consequence = if self.is_ci { "fails, as this is CI" } else { "is left out" };
        writeln!(
            f,
            "Some programs are missing, and what needs them {consequence} (Debian's package, and what it is for):"
        )?;
        for (package, subject) in &self.missing {
            writeln!(f, "    {package:<16} {subject}")?;
        }
        Ok(())
    }
}

/// Whether a program is in one of the folders in `PATH`, or in that of the system's servers, which need not be there.
fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).any(|path| path.is_file())
}
