//! An HTTP response as a test looks at it, wherever it comes from.

use core::fmt;

use anyhow::{Context, ensure};
use downshift::{Digest, Form};

/// How many bytes of a body are shown in a message.
const SHOWN: usize = 400;

/// A response.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the header called `name`, which is in lower case, if it is there once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(header, _)| header == name);
        let (Some((_, value)), None) = (values.next(), values.next()) else { return None };
        Some(value)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is something else.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("the body is no JSON: {}", self.body.escape_ascii()))
    }
}

/// As curl -i shows it, without most of a long body.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", String::from_utf8_lossy(&self.body[..self.body.len().min(SHOWN)]))
    }
}

/// Checks a manifest's status and what its headers say.
///
/// # Errors
/// If it is not of `form` and `digest`.
pub fn is_manifest(response: &Response, form: Form, digest: &Digest) -> anyhow::Result<()> {
    ensure!(response.status == 200, "the status is not 200: {response:?}");
    ensure!(response.header("content-type") == Some(form.media_type()), "it is not `{form}`: {response:?}");
    let reported = response.header("docker-content-digest");
    ensure!(reported == Some(digest.as_str()), "the digest is not `{digest}`: {response:?}");
    let etag = format!("\"{digest}\"");
    ensure!(response.header("etag") == Some(&etag), "the ETag is not `{etag}`: {response:?}");
    Ok(())
}

/// Checks a refusal: one error, which a person can read and a program can tell by `reason`.
///
/// # Errors
/// If it is none, or another one.
pub fn is_refused(response: &Response, status: u16, reason: &str) -> anyhow::Result<()> {
    ensure!(response.status == status, "the status is not {status}: {response:?}");
    let body = response.json()?;
    let errors = body["errors"].as_array().context("there are no errors")?;
    let [error] = errors.as_slice() else { anyhow::bail!("there is not one error: {body}") };
    let detail = &error["detail"];
    ensure!(detail["reason"] == reason, "the reason is not `{reason}`: {body}");
    for part in [&error["code"], &error["message"], &detail["cause"], &detail["remedy"]] {
        ensure!(part.as_str().is_some_and(|text| !text.is_empty()), "a part is missing: {body}");
    }
    Ok(())
}
