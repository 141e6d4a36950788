//! The client that asks as often as it can: wrk.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use downshift::Form;
use downshift_tests::programs::{WRK, locate};

use super::site::{COLD_IMAGES, COLD_IMAGES_PER_REPOSITORY, Tagged};

/// wrk's threads.
pub(super) const THREADS: usize = 2;

/// Its connections, all threads' together.
pub(super) const CONNECTIONS: usize = 32;

/// wrk, installed.
pub(super) struct Wrk(PathBuf);

impl Wrk {
    /// wrk, or the reason why there is none.
    pub(super) fn find() -> Result<Self, String> {
        locate(WRK).map(Self).ok_or_else(|| format!("everything, for `{WRK}` is not installed"))
    }

    /// Requests a second when the same image is asked for again and again.
    pub(super) fn hot(&self, url: &str, tagged: &Tagged, form: Form, time: Duration) -> anyhow::Result<f64> {
        let mut command = self.command("hot.lua", time);
        if form != Form::Schema1 {
            command.arg("--header").arg(format!("Accept: {}", form.media_type()));
        }
        rate(command.arg(format!("{url}/v2/{}/manifests/{}", tagged.repository, tagged.tag)))
    }

    /// Requests a second when each image is asked for once, as schema 1.
    pub(super) fn cold(&self, url: &str, time: Duration) -> anyhow::Result<f64> {
        let numbers = [COLD_IMAGES, COLD_IMAGES_PER_REPOSITORY, THREADS, CONNECTIONS / THREADS];
        let mut command = self.command("cold.lua", time);
        rate(command.arg(format!("{url}/v2/")).arg("--").args(numbers.map(|number| number.to_string())))
    }

    fn command(&self, script: &str, time: Duration) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/wrk");
        let mut command = Command::new(&self.0);
        command.args(["--threads", &THREADS.to_string(), "--connections", &CONNECTIONS.to_string()]);
        command.args(["--duration", &format!("{}s", time.as_secs())]);
        command.arg("--script").arg(scripts.join(script));
        command
    }
}

/// What the script prints at the end: `result`, the requests a second, and the number of failures.
fn rate(command: &mut Command) -> anyhow::Result<f64> {
    let output = command.output().context("`wrk` does not start")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let result = said.lines().find_map(|line| line.strip_prefix("result"));
    let mut words = result.unwrap_or_default().split_whitespace();
    let (Some(Ok(rate)), Some(Ok(failed))) = (words.next().map(str::parse), words.next().map(str::parse))
    else {
        bail!("`wrk` failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    };
    let failed: u64 = failed;
    ensure!(failed == 0, "`{failed}` requests failed: {said}");
    Ok(rate)
}
