//! The client that asks as often as it can: wrk.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use downshift_tests::programs::{WRK, locate};

use super::site::{COLD_IMAGES, COLD_IMAGES_PER_REPOSITORY};

/// wrk's threads.
pub(super) const THREADS: usize = 2;

/// Its connections, all threads' together, where nothing else is said.
pub(super) const CONNECTIONS: usize = 32;

/// How long an answer may take: a blob that many ask for takes its time.
const TIMEOUT: Duration = Duration::from_secs(20);

/// wrk, installed.
pub(super) struct Wrk(PathBuf);

impl Wrk {
    /// wrk, or the reason why there is none.
    pub(super) fn find() -> Result<Self, String> {
        locate(WRK).map(Self).ok_or_else(|| format!("everything, for `{WRK}` is not installed"))
    }

    /// What happens when the same is asked for again and again, with `headers`.
    pub(super) fn hot(
        &self,
        url: &str,
        headers: &[String],
        connections: usize,
        time: Duration,
    ) -> anyhow::Result<Asked> {
        let mut command = self.command("hot.lua", connections, time);
        for header in headers {
            command.arg("--header").arg(header);
        }
        asked(command.arg(url))
    }

    /// What happens when each image is asked for once, as schema 1.
    pub(super) fn cold(&self, url: &str, time: Duration) -> anyhow::Result<Asked> {
        let numbers = [COLD_IMAGES, COLD_IMAGES_PER_REPOSITORY, THREADS, CONNECTIONS / THREADS];
        let mut command = self.command("cold.lua", CONNECTIONS, time);
        asked(command.arg(format!("{url}/v2/")).arg("--").args(numbers.map(|number| number.to_string())))
    }

    fn command(&self, script: &str, connections: usize, time: Duration) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/wrk");
        let mut command = Command::new(&self.0);
        command.args(["--threads", &THREADS.min(connections).to_string()]);
        command.args(["--connections", &connections.to_string()]);
        command.args(["--duration", &format!("{}s", time.as_secs())]);
        command.args(["--timeout", &format!("{}s", TIMEOUT.as_secs())]);
        command.arg("--script").arg(scripts.join(script));
        command
    }
}

/// What came of asking.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// Requests a second.
    pub(super) rate: f64,
    /// How many were answered.
    pub(super) requests: f64,
    /// How long half of them took at the most, in microseconds.
    pub(super) median: f64,
    /// How long all but the slowest hundredth took, in microseconds.
    pub(super) percentile_99: f64,
}

/// What the script prints at the end: `result`, the requests a second, the number of failures, that of requests, and how
/// long these took.
fn asked(command: &mut Command) -> anyhow::Result<Asked> {
    let output = command.output().context("`wrk` does not start")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let result = said.lines().find_map(|line| line.strip_prefix("result")).unwrap_or_default();
    let figures = result.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>();
    let Ok([rate, failed, requests, median, percentile_99]) = figures.as_deref() else {
        bail!("`wrk` failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    };
    ensure!(*failed == 0.0, "`{failed}` requests failed: {said}");
    Ok(Asked { rate: *rate, requests: *requests, median: *median, percentile_99: *percentile_99 })
}
