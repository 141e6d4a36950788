//! The client that reads a large body, and says how long it took: curl.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use downshift_tests::programs::{CURL, locate};

/// What a server has answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The bytes of the body, as it was sent.
    pub(super) bytes: u64,
    /// From the beginning of the request to the end of the body.
    pub(super) seconds: f64,
    /// Its `Content-Encoding`, if it has one.
    pub(super) coding: String,
}

/// Asks for what is at a URL, once, and writes it into `file`, or nowhere.
pub(super) fn get(url: &str, headers: &[String], file: Option<&Path>) -> anyhow::Result<Answer> {
    let program = locate(CURL).with_context(|| format!("`{CURL}` is not installed"))?;
    let mut command = Command::new(program);
    command.args(["--silent", "--show-error", "--noproxy", "*", "--output"]);
    command.arg(file.unwrap_or(Path::new("/dev/null")));
    command.args(["--write-out", "%{http_code} %{size_download} %{time_total} %header{content-encoding}"]);
    for header in headers {
        command.arg("--header").arg(header);
    }
    let output = command.arg(url).output().context("`curl` does not start")?;
    ensure!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let mut words = said.split_whitespace();
    let mut word = || words.next().context("`curl` says too little");
    let (status, bytes, seconds) = (word()?.parse()?, word()?.parse()?, word()?.parse()?);
    Ok(Answer { status, bytes, seconds, coding: words.next().unwrap_or_default().to_owned() })
}
