//! What was published in the end, and what was not.

use std::collections::BTreeMap;

use downshift_publish::Variant;
use serde::Serialize;

use crate::cli::failures::{Failures, ImageFailure};

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
    #[serde(flatten)]
    pub(super) failures: Failures<ImageFailure>,
}

/// What there is for clients that pull by version 1.
#[derive(Serialize)]
pub(super) struct V1Summary {
    /// Tags that at least one of them can pull.
    pub(super) tags: usize,
    /// Images, each with its layer.
    pub(super) images: usize,
}

impl Summary {
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
            format!("failed     {}", self.failures.count()),
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
        lines.extend(self.failures.lines());
        lines
    }
}

fn as_map<S: serde::Serializer>(variants: &[Variant], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(variants.iter().map(|variant| (&variant.name, &variant.clients)))
}
