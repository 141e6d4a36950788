//! What is warm in the end, and what is not.

use std::collections::BTreeMap;

use downshift::Form;
use serde::Serialize;

use super::super::failures::{Failures, ImageFailure};

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
    #[serde(flatten)]
    pub(super) failures: Failures<ImageFailure>,
}

impl Summary {
    pub(super) fn add_manifest(&mut self, form: Form) {
        *self.manifests.entry(form).or_default() += 1;
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
            format!("failed     {}", self.failures.count()),
        ];
        lines.extend(self.failures.lines());
        lines
    }
}
