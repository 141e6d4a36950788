//! The client that knows that an answer to HEAD has no body: hey.

use core::time::Duration;
use std::process::Command;

use anyhow::{Context, ensure};
use downshift_tests::programs::{HEY, locate};

use super::wrk::Asked;

/// What happens when only the head is asked for, again and again.
pub(super) fn head(url: &str, connections: usize, time: Duration) -> anyhow::Result<Asked> {
    let program = locate(HEY).with_context(|| format!("`{HEY}` is not installed"))?;
    let mut command = Command::new(program);
    command.args(["-m", "HEAD", "-z", &format!("{}s", time.as_secs()), "-c", &connections.to_string(), url]);
    let output = command.output().context("`hey` does not start")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let figure = |begin: &str, end: &str| -> anyhow::Result<f64> {
        let lines = said.lines().map(str::trim);
        let found = lines.filter_map(|line| line.strip_prefix(begin)?.strip_suffix(end)).next();
        let found = found.with_context(|| format!("`hey` says nothing of `{begin}`: {said}"))?;
        Ok(found.trim().parse()?)
    };
    ensure!(!said.contains("Error distribution"), "requests failed: {said}");
    Ok(Asked {
        rate: figure("Requests/sec:", "")?,
        requests: figure("[200]", "responses")?,
        median: figure("50% in", "secs")? * 1e6,
        percentile_99: figure("99% in", "secs")? * 1e6,
    })
}
