//! `cargo xtask test`

mod plan;
mod tally;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use xtask::command::{announce, cargo, run};
use xtask::program::{self, Build};
use xtask::{guest, js, node, page, python};

use self::plan::Plan;
use self::tally::Tally;

/// Builds the program and runs all tests: those of the crates, and the one suite.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Passed on to the test programs: a part of the names to run, such as node::vectors, or options such as --nocapture
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let plan = Plan::of_this_machine()?;
        eprint!("{plan}");
        let built = build()?;
        announce("the tests");
        let mut tally = Tally::default();
        for packages in [TOGETHER, ALONE] {
            let mut tests = cargo();
            tests.arg("test").args(packages).args(["--no-fail-fast", "--"]).args(&self.arguments);
            count(tests.envs(built.clone()), &mut tally)?;
        }
        println!("\n{}", tally.line(begun.elapsed()));
        if tally.is_success() { Ok(()) } else { bail!("there are tests that failed") }
    }
}

/// The packages whose tests are run together: all but one that has none, with which cargo would compile the sandbox a
/// second time, with other features, and those that are tested [`ALONE`].
const TOGETHER: &[&str] = &[
    "--locked",
    "--workspace",
    "--exclude",
    "xtask-artifacts",
    "--exclude",
    "downshift-inspect",
    "--features",
    "downshift-js/pull",
];

/// What is tested with its own features: beside the server, which verifies every algorithm, others would have none left
/// to verify.
const ALONE: &[&str] = &["--locked", "--package", "downshift-inspect"];

/// Builds the tests and what they are about, and says by which variables they find that.
fn build() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    thread::scope(|scope| {
        // A module is made by one thread, and so the processors have time for the other things beside it.
        let modules = scope.spawn(build_modules);
        program::build_embedded(page::shipped)?;
        announce("the server and the tests: compiling the sandbox, wasmtime, is most of it");
        // All at once: cargo gives dependencies the features that the packages of one call want together.
        run(cargo().arg("build").args(TOGETHER).args(["--bins", "--tests"]))?;
        run(cargo().arg("build").args(ALONE).arg("--tests"))?;
        let mut built = modules.join().map_err(|_| anyhow!("building the modules panicked"))??;
        if node::is_installed() {
            built.push(("DOWNSHIFT_INSPECTOR", page::folder()?));
        }
        built.push(("DOWNSHIFT_BIN", program::path(Build::Plain)?));
        Ok(built)
    })
}

/// Builds what runs elsewhere than in this machine's own programs.
fn build_modules() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    announce("for the tests, a guest that misbehaves");
    guest::build_bad()?;
    let mut built = Vec::new();
    if python::is_installed() {
        announce("for the tests, oras for Python, a client");
        built.push(("DOWNSHIFT_ORAS", python::install()?));
    }
    if node::is_installed() {
        announce("for the tests, the package for JavaScript, and the worker");
        let js::Built { package, worker } = js::build()?;
        built.push(("DOWNSHIFT_WORKER_THAT_TRAPS", js::trapping_worker(&package)?));
        built.push(("DOWNSHIFT_JS", package));
        built.push(("DOWNSHIFT_WORKER", worker));
    }
    Ok(built)
}

/// Runs the tests, passes on what they say, and counts.
fn count(tests: &mut Command, tally: &mut Tally) -> anyhow::Result<()> {
    let mut child = tests.stdout(Stdio::piped()).spawn().context("cargo does not start")?;
    let output = child.stdout.take().context("the tests have no output")?;
    let mut shown = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("what the tests say cannot be read")?;
        shown.write_all(&line)?;
        shown.write_all(b"\n")?;
        tally.read(&String::from_utf8_lossy(&line));
    }
    tally.ended(child.wait()?);
    Ok(())
}
