//! What was published in the end, and what was not.

use std::collections::BTreeMap;

use downshift::{Digest, Platform};
use downshift_publish::Variant;
use serde::Serialize;

use crate::cli::warm::refusal::Refusal;

/// Failures that are told one by one.
const MAX_FAILURES: usize = 1000;

/// What was done.
#[derive(Default, Serialize)]
pub(super) struct Summary {
    pub(super) images: usize,
    /// Tags that at least one client can pull.
    pub(super) tags: usize,
    /// How many manifests there are, by media type.
    pub(super) manifests: BTreeMap<String, usize>,
    /// Which clients get the same.
    #[serde(serialize_with = "as_map")]
    pub(super) variants: Vec<Variant>,
    /// What there is for clients that pull by version 1, if it was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) v1: Option<V1Summary>,
    /// Files that were written, and their bytes.
    pub(super) written: usize,
    pub(super) bytes: u64,
    /// Files that are links to files of a store or to those that were published before.
    pub(super) linked: usize,
    /// Whether the folder is what the sources say.
    pub(super) published: bool,
    /// Whether anything in it is another than before.
    pub(super) changed: bool,
    pub(super) seconds: f64,
    pub(super) failed: usize,
    /// The first of that.
    pub(super) failures: Vec<Failure>,
}

/// What there is for clients that pull by version 1.
#[derive(Serialize)]
pub(super) struct V1Summary {
    /// Tags that at least one of them can pull.
    pub(super) tags: usize,
    /// Images, each with its layer.
    pub(super) images: usize,
}

/// What is missing, and why.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failure {
    /// The image or repository.
    pub(super) image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<Digest>,
    #[serde(flatten)]
    pub(super) refusal: Refusal,
}

impl Failure {
    pub(super) fn of(image: &str, refusal: Refusal) -> Self {
        Self { image: image.to_owned(), client: None, platform: None, blob: None, refusal }
    }

    pub(super) fn of_client(self, name: &str, platform: &Platform, says_platform: bool) -> Self {
        let platform = says_platform.then(|| platform.to_string());
        Self { client: Some(name.to_owned()), platform, ..self }
    }

    pub(super) fn of_blob(self, digest: &Digest) -> Self {
        Self { blob: Some(digest.clone()), ..self }
    }

    /// What it is about, for people.
    pub(super) fn what(&self) -> String {
        let Self { image, client, platform, blob, .. } = self;
        let part = |before: &str, text: Option<String>| {
            text.map_or_else(String::new, |text| format!("{before}{text}"))
        };
        let blob = blob.as_ref().map(ToString::to_string);
        [image.clone(), part(" for ", client.clone()), part(" on ", platform.clone()), part(", blob ", blob)]
            .concat()
    }
}

impl Summary {
    pub(super) fn add_failure(&mut self, failure: Failure) {
        self.failed += 1;
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(failure);
        }
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let state = match (self.published, self.changed) {
            (true, true) => "published",
            (true, false) => "nothing to do: it is published already",
            (false, _) => "not published: what was there before stays",
        };
        let mut lines = vec![
            format!("state      {state}"),
            format!("images     {}", self.images),
            format!("tags       {}", self.tags),
            format!("manifests  {}", self.manifests.values().sum::<usize>()),
            format!("written    {} files, {} bytes", self.written, self.bytes),
            format!("linked     {} files", self.linked),
            format!("seconds    {:.1}", self.seconds),
            format!("failed     {}", self.failed),
        ];
        if let Some(V1Summary { tags, images }) = &self.v1 {
            lines.push(format!("version 1  {tags} tags, {images} images, for Docker before 1.6"));
            lines.push(
                "           not on Netlify and Cloudflare Pages, which cannot tell clients apart".to_owned(),
            );
        }
        lines.extend(
            self.variants
                .iter()
                .map(|variant| format!("variant    {}: {}", variant.name, variant.clients.join(", "))),
        );
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

fn as_map<S: serde::Serializer>(variants: &[Variant], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(variants.iter().map(|variant| (&variant.name, &variant.clients)))
}
