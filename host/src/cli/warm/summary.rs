//! What is warm in the end, and what is not.

use std::collections::BTreeMap;

use downshift::{Digest, Form};
use serde::Serialize;

use super::refusal::Refusal;

/// Failures that are told one by one.
const MAX_FAILURES: usize = 1000;

/// What was done.
#[derive(Default, Serialize)]
pub(super) struct Summary {
    pub(super) images: usize,
    /// How many manifests came, by form.
    pub(super) manifests: BTreeMap<Form, usize>,
    /// How many blobs are there, one in several repositories as several.
    pub(super) blobs: usize,
    /// How many bytes of them came.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    /// How much was refused, or failed.
    pub(super) failed: usize,
    /// The first of that.
    pub(super) failures: Vec<Failure>,
}

/// What is not warm, and why.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failure {
    /// The image, or the repository whose tags were to be listed.
    pub(super) image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blob: Option<Digest>,
    #[serde(flatten)]
    pub(super) refusal: Refusal,
}

impl Summary {
    pub(super) fn add_manifest(&mut self, form: Form) {
        *self.manifests.entry(form).or_default() += 1;
    }

    pub(super) fn add_failure(&mut self, failure: Failure) {
        self.failed += 1;
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(failure);
        }
    }

    /// Whether everything is warm that was to be.
    pub(super) fn is_warm(&self) -> bool {
        self.failed == 0
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let manifests: Vec<String> =
            self.manifests.iter().map(|(form, count)| format!("{count} {form}")).collect();
        let manifests = if manifests.is_empty() { "none".to_owned() } else { manifests.join(", ") };
        let mut lines = vec![
            format!("images     {}", self.images),
            format!("manifests  {manifests}"),
            format!("blobs      {}", self.blobs),
            format!("bytes      {}", self.bytes),
            format!("seconds    {:.1}", self.seconds),
            format!("failed     {}", self.failed),
        ];
        for failure in &self.failures {
            lines.push(format!("  {}: {}", failure.what(), failure.refusal.reason));
            lines.push(format!("    cause:  {}", failure.refusal.cause));
            lines.push(format!("    remedy: {}", failure.refusal.remedy));
        }
        if self.failed > self.failures.len() {
            lines.push(format!("  and {} more", self.failed - self.failures.len()));
        }
        lines
    }
}

impl Failure {
    pub(super) fn of_image(image: String, refusal: Refusal) -> Self {
        Self { image, client: None, platform: None, blob: None, refusal }
    }

    pub(super) fn of_repository(repository: &str, refusal: Refusal) -> Self {
        Self::of_image(repository.to_owned(), refusal)
    }

    /// What it is about, for people.
    pub(super) fn what(&self) -> String {
        let mut what = self.image.clone();
        if let Some(client) = self.client {
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
}
