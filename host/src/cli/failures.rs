//! What a command could not do, as its log and its summary tell it.

use downshift::Digest;
use serde::Serialize;

use super::refusal::Refusal;

/// Failures that a summary tells one by one.
const MAX_TOLD: usize = 1000;

/// Something that was refused, or failed.
pub(super) trait Failed {
    /// What it is about, for people.
    fn what(&self) -> String;

    /// Why.
    fn refusal(&self) -> &Refusal;

    /// The line for the log, at once: the summary may be hours away.
    fn line(&self) -> String {
        format!("{}: failed: {}", self.what(), self.refusal().reason)
    }
}

/// How much failed, and the first of it: two members of a summary.
#[derive(Clone, Serialize)]
pub(super) struct Failures<F> {
    /// How much was refused, or failed.
    failed: usize,
    /// The first of that.
    failures: Vec<F>,
}

/// An image that could not be pulled as somebody does, or one of its blobs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ImageFailure {
    /// The image, or the repository whose tags were to be listed.
    pub(super) image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blob: Option<Digest>,
    #[serde(flatten)]
    pub(super) refusal: Refusal,
}

impl<F> Default for Failures<F> {
    fn default() -> Self {
        Self { failed: 0, failures: Vec::new() }
    }
}

impl<F: Failed> Failures<F> {
    pub(super) fn add(&mut self, failure: F) {
        self.failed += 1;
        if self.failures.len() < MAX_TOLD {
            self.failures.push(failure);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.failed == 0
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.failed
    }

    /// In an order that does not depend on what came first.
    pub(super) fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&F) -> K) {
        self.failures.sort_by_key(key);
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for failure in &self.failures {
            let Refusal { reason, cause, remedy } = failure.refusal();
            lines.push(format!("  {}: {reason}", failure.what()));
            lines.push(format!("    cause:  {cause}"));
            lines.push(format!("    remedy: {remedy}"));
        }
        if self.failed > self.failures.len() {
            lines.push(format!("  and {} more", self.failed - self.failures.len()));
        }
        lines
    }
}

impl ImageFailure {
    /// Whoever asks, and for whatever platform.
    pub(super) fn of(image: &str, refusal: Refusal) -> Self {
        Self { image: image.to_owned(), client: None, platform: None, blob: None, refusal }
    }
}

impl Failed for ImageFailure {
    fn what(&self) -> String {
        let mut what = self.image.clone();
        if let Some(client) = &self.client {
            what.push_str(&format!(" for {client}"));
        }
        if let Some(platform) = &self.platform {
            what.push_str(&format!(" on {platform}"));
        }
        if let Some(blob) = &self.blob {
            what.push_str(&format!(", blob {blob}"));
        }
        what
    }

    fn refusal(&self) -> &Refusal {
        &self.refusal
    }
}
