//! Recorded pulls of schema 1: `tests/vectors/upward.jsonl`, one image a line, with the id that Docker gave it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::Digest;
use serde::Deserialize;

use crate::files;

/// The name of the file, without its ending.
pub const NAME: &str = "upward";

/// The name of the file with the ids that other tools gave them, without its ending.
pub const IDS: &str = "upward-tools";

/// An image of schema 1.
#[derive(Deserialize)]
pub struct Upward {
    /// The repository that it was pulled from.
    pub name: String,
    /// The signed document.
    pub manifest: String,
    /// Its layers in base64, by digest.
    pub blobs: BTreeMap<String, String>,
    /// What `docker inspect` called it then.
    pub docker_image_id: String,
}

/// All of them.
///
/// # Errors
/// If the file cannot be read, or a line is no such image.
pub fn read() -> anyhow::Result<Vec<Upward>> {
    let path = files::path(&format!("vectors/{NAME}.jsonl"));
    let text = fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let image = |(index, line): (usize, &str)| {
        serde_json::from_str(line)
            .with_context(|| format!("`{}`, line {}, is not an image", path.display(), index + 1))
    };
    text.lines().enumerate().map(image).collect()
}

/// The ids that other tools gave these images, `tests/vectors/upward-tools.jsonl`: by the image's name, and the tool's.
///
/// # Errors
/// If the file cannot be read, or a line has something else.
pub fn ids() -> anyhow::Result<BTreeMap<String, BTreeMap<String, String>>> {
    let path = files::path(&format!("vectors/{IDS}.jsonl"));
    let text = fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let image = |line: &str| {
        let mut ids: BTreeMap<String, String> = serde_json::from_str(line)?;
        Ok((ids.remove("name").context("an image has no name")?, ids))
    };
    text.lines().map(image).collect()
}

impl Upward {
    /// The manifest and the layers, by digest.
    ///
    /// # Errors
    /// If a digest or a layer cannot be read.
    pub fn documents(&self) -> anyhow::Result<BTreeMap<Digest, Vec<u8>>> {
        let manifest = self.manifest.as_bytes().to_vec();
        let mut documents = BTreeMap::from([(Digest::of(&manifest), manifest)]);
        for (digest, blob) in &self.blobs {
            documents.insert(Digest::parse(digest)?, STANDARD.decode(blob)?);
        }
        Ok(documents)
    }
}
