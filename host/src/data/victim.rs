//! A run of a test in a process of its own, which is killed at its work.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Has `test` run, with `folder` in this variable, until it has said so much; then kills it. What it has said is what `read`
/// makes of its lines, also of those that it wrote before the kill came.
pub(super) fn said_until_killed(
    test: &str,
    variable: &str,
    folder: &Path,
    read: impl Fn(String) -> Option<String>,
    count: usize,
) -> Vec<String> {
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(variable, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut lines = lines.filter_map(read);
    let mut said: Vec<_> = lines.by_ref().take(count).collect();
    victim.kill().unwrap();
    said.extend(lines);
    victim.wait().unwrap();
    said
}
