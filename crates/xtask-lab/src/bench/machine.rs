//! Where it was measured.

use core::fmt::{self, Display};
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use downshift::Timestamp;
use downshift_tests::programs::{DOCKER_REGISTRY, NGINX, WRK, locate};

/// The machine and the programs on it, as they were before the first measurement.
pub(super) struct Machine {
    time: Timestamp,
    cores: usize,
    processor: String,
    kernel: String,
    load: String,
    programs: Vec<String>,
    commit: String,
}

impl Machine {
    /// Looks what there is. What cannot be found out is `unknown`.
    pub(super) fn look() -> Self {
        let programs = [
            said("rustc", &["--version"]),
            said(DOCKER_REGISTRY, &["--version"]),
            said(NGINX, &["-v"]),
            said(WRK, &["-v"]),
        ];
        Self {
            time: now(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            processor: processor().unwrap_or_else(unknown),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            load: load().unwrap_or_else(unknown),
            programs: programs.into_iter().flatten().collect(),
            commit: said("git", &["describe", "--always", "--dirty"]).unwrap_or_else(unknown),
        }
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | |\n|---|---|")?;
        writeln!(f, "| time | {} |", self.time)?;
        writeln!(f, "| commit | {} |", self.commit)?;
        writeln!(f, "| processor | {}, {} cores |", self.processor, self.cores)?;
        writeln!(f, "| kernel | {} |", self.kernel)?;
        writeln!(f, "| load before the first measurement | {} |", self.load)?;
        writeln!(f, "| programs | {} |", self.programs.join("; "))
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    Timestamp::from_seconds(seconds).unwrap_or_default()
}

fn processor() -> Option<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// How many programs wanted a processor, on average over the last minute.
fn load() -> Option<String> {
    Some(read("/proc/loadavg")?.split_whitespace().next()?.to_owned())
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

/// The first line that a program says. Some say their version on standard error, or end as if it were a mistake.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let program = locate(program)?;
    let output = Command::new(&program).args(arguments).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8_lossy(&text);
    let version = text.lines().next()?.split(" Copyright").next()?;
    Some(version.replace(&format!("{}/", program.parent()?.display()), "").trim().to_owned())
}
