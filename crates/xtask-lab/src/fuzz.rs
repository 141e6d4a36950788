//! `cargo xtask fuzz`

mod seeds;

use core::num::NonZero;
use core::time::Duration;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use clap::Args;

use xtask::{command, guest};

/// Every target, with what its input is made of: see `fuzz/`.
const TARGETS: [&str; 15] = [
    "answer",
    "config",
    "documents",
    "guest",
    "headers",
    "json",
    "jws",
    "keys",
    "layer",
    "pull",
    "referrers",
    "requests",
    "server",
    "settings",
    "text",
];

/// Seconds after which one input is taken for one that hangs. The slowest honest one takes less than one, on a machine
/// that has nothing else to do.
const TIMEOUT: u64 = 60;

/// Mebibytes of memory after which an input is taken for one that leads to any amount of it.
const MEMORY: u64 = 2048;

/// Lets a fuzzer look for inputs that break what has to hold for all of them: each target for a while, as many at once
/// as there are processors.
///
/// It starts from the suite's own images, vectors and requests, and goes on from what it found before. What it finds
/// is in fuzz/artifacts. Needs cargo-fuzz, and a C++ compiler for libFuzzer.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How long each target runs, in seconds; with 0 it is built, and reads what it starts from
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// What the fuzzer's choices come from, so that another run makes the same: without it, from the clock
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// The targets to run; all without any
    #[arg(value_parser = TARGETS)]
    targets: Vec<String>,
}

/// What a target has done.
struct Run {
    target: &'static str,
    executions: u64,
    time: Duration,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let is_installed = Command::new("cargo-fuzz").arg("--version").stdout(Stdio::null()).status().is_ok();
        ensure!(is_installed, "cargo-fuzz is missing: install it with `cargo install cargo-fuzz --locked`");
        let fuzzer = Fuzzer::new()?;
        fuzzer.build()?;
        let is_meant =
            |target: &&str| self.targets.is_empty() || self.targets.iter().any(|name| name == target);
        let targets: Vec<_> = TARGETS.into_iter().filter(is_meant).collect();
        for target in &targets {
            seeds::write(target, &fuzzer.folder("seeds", target)?)?;
        }
        let runs = fuzzer.run_all(&targets, self.seconds, self.seed)?;
        let (executions, seconds) =
            runs.iter().fold((0, 0), |(all, time), run| (all + run.executions, time + run.time.as_secs()));
        println!("{:<10} {executions:>9} executions in {seconds:>4} s, and nothing was found", "all");
        Ok(())
    }
}

/// Where everything is.
struct Fuzzer {
    project: PathBuf,
    /// Cargo's target folder of the targets: it is built with other flags than all else.
    target_folder: PathBuf,
    guest: PathBuf,
    layer_reader: PathBuf,
}

impl Fuzzer {
    fn new() -> anyhow::Result<Self> {
        let target_folder = command::target_folder()?.join("fuzz");
        let (guest, layer_reader) = (guest::build()?, guest::build_layer_reader()?);
        Ok(Self { project: command::project()?, target_folder, guest, layer_reader })
    }

    fn cargo_fuzz(&self, command: &str) -> Command {
        let mut cargo = command::cargo();
        cargo
            // Without a sanitizer: none of this project's code is unsafe, and what is looked for are panics and broken
            // promises, of which this finds twice as many in the same time.
            .args(["fuzz", command, "--fuzz-dir", "fuzz", "--sanitizer", "none", "--target-dir"])
            .arg(&self.target_folder)
            .current_dir(&self.project)
            // The flags that a fuzzer needs are those of a nightly compiler.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("DOWNSHIFT_GUEST", &self.guest)
            .env("DOWNSHIFT_LAYER_GUEST", &self.layer_reader)
            // Beside it, there or not: where cargo cannot tell that nothing has changed, it builds all again for each target.
            .env("DOWNSHIFT_PAGE", self.guest.with_file_name("page"));
        cargo
    }

    fn build(&self) -> anyhow::Result<()> {
        command::run(&mut self.cargo_fuzz("build"))
    }

    /// A folder for files of a target, which is made if it is not there.
    fn folder(&self, kind: &str, target: &str) -> anyhow::Result<PathBuf> {
        let folder = self.target_folder.join(kind).join(target);
        fs::create_dir_all(&folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
        Ok(folder)
    }

    /// Runs the targets, as many at once as there are processors, and says what each has done.
    fn run_all(&self, targets: &[&'static str], seconds: u64, seed: Option<u32>) -> anyhow::Result<Vec<Run>> {
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let left = Mutex::new(targets.iter());
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let mut runs = Vec::new();
            while let Some(target) = next() {
                let run = self.run(target, seconds, seed)?;
                println!(
                    "{:<10} {:>9} executions in {:>4} s",
                    run.target,
                    run.executions,
                    run.time.as_secs()
                );
                runs.push(run);
            }
            anyhow::Ok(runs)
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let mut runs = Vec::new();
            for worker in workers {
                runs.extend(worker.join().map_err(|_| anyhow!("a worker panicked"))??);
            }
            Ok(runs)
        })
    }

    /// Runs a target, and reads from what it says how much it has done.
    fn run(&self, target: &'static str, seconds: u64, seed: Option<u32>) -> anyhow::Result<Run> {
        let start = Instant::now();
        let mut command = self.cargo_fuzz("run");
        command.arg(target).args([self.folder("corpus", target)?, self.folder("seeds", target)?]).arg("--");
        command.args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={TIMEOUT}"),
            format!("-rss_limit_mb={MEMORY}"),
            "-print_final_stats=1".to_owned(),
        ]);
        if seconds == 0 {
            command.arg("-runs=0");
        }
        command.args(seed.map(|seed| format!("-seed={seed}")));
        let mut child = command.stderr(Stdio::piped()).spawn().context("cargo does not start")?;
        let output = child.stderr.take().context("cargo says nothing")?;
        let mut executions = 0;
        let mut said = String::new();
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
                executions = number.trim().parse().unwrap_or(0);
            }
            said.push_str(&line);
            said.push('\n');
        }
        let status = child.wait()?;
        ensure!(status.success(), "{said}\nthe target `{target}` has found something");
        Ok(Run { target, executions, time: start.elapsed() })
    }
}
