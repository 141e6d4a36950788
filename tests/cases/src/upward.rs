//! Recorded pulls of schema 1: `tests/vectors/upward*.jsonl`, one image a line, with the id that Docker gave it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::{Digest, Form};
use serde::{Deserialize, Serialize};

use crate::images::random::RandomImage;
use crate::images::{Image, digest_of};
use crate::{files, layers};

/// The name of the file, without its ending. Those of others of its kind begin with it.
pub const NAME: &str = "upward";

/// The name of the file with the ids that other tools gave them, without its ending.
pub const IDS: &str = "upward-tools";

/// The name of the file with random ones.
const RANDOM: &str = "upward-random";

/// The name of the file with those in which members and layers are as nobody has written them.
const EDGES: &str = "upward-edges";

/// An image of schema 1.
#[derive(Clone, Deserialize, Serialize)]
pub struct Upward {
    /// Its number.
    pub id: u64,
    /// What is special about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The repository that it was pulled from, and its tag where that has several.
    pub name: String,
    /// The signed document.
    pub manifest: String,
    /// The digest of its payload.
    pub digest: String,
    /// The digests of its layers as plain tars, by digest.
    pub diff_ids: BTreeMap<String, String>,
    /// What `docker inspect` called it then; empty where Docker refused it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docker_image_id: String,
    /// What Docker said of it where it refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_error: Option<String>,
    /// Its layers in base64, by digest.
    pub blobs: BTreeMap<String, String>,
}

/// All of them but the random ones.
///
/// # Errors
/// If the file cannot be read, or a line is no such image.
pub fn read() -> anyhow::Result<Vec<Upward>> {
    read_file(NAME)
}

/// The random ones, some of which Docker refuses.
///
/// # Errors
/// As [`read`].
pub fn read_random() -> anyhow::Result<Vec<Upward>> {
    read_file(RANDOM)
}

/// Those in which members and layers are as nobody has written them; some of these Docker refuses.
///
/// # Errors
/// As [`read`].
pub fn read_edges() -> anyhow::Result<Vec<Upward>> {
    read_file(EDGES)
}

fn read_file(name: &str) -> anyhow::Result<Vec<Upward>> {
    let path = files::path(&format!("vectors/{name}.jsonl"));
    let text = fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let image = |(index, line): (usize, &str)| {
        serde_json::from_str(line)
            .with_context(|| format!("`{}`, line {}, is not an image", path.display(), index + 1))
    };
    text.lines().enumerate().map(image).collect()
}

/// The ids that other tools gave images, `tests/vectors/upward-tools.jsonl`: by the image's name, and the tool's. An id is empty
/// where the tool gave none.
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
    /// A random image, and what Docker made of it: its id, or an error.
    ///
    /// # Errors
    /// If the manifest is not UTF-8, or a layer cannot be read.
    pub fn new(id: u64, random: &RandomImage, docker: Result<Digest, String>) -> anyhow::Result<Self> {
        let Image { manifest, layers, .. } = &random.image;
        let facts = layers.iter().map(|layer| layers::facts(layer)).collect::<Result<Vec<_>, _>>()?;
        let diff_ids = facts.iter().map(|facts| (facts.digest.to_string(), facts.diff_id.to_string()));
        let (docker_image_id, docker_error) = match docker {
            Ok(id) => (id.to_string(), None),
            Err(error) => (String::new(), Some(error)),
        };
        Ok(Self {
            id,
            note: random.note.clone(),
            name: random.repository.to_owned(),
            manifest: String::from_utf8(manifest.bytes.clone())?,
            digest: digest_of(manifest.form, &manifest.bytes)?.to_string(),
            diff_ids: diff_ids.collect(),
            docker_image_id,
            docker_error,
            blobs: layers
                .iter()
                .map(|layer| (Digest::of(layer).to_string(), STANDARD.encode(layer)))
                .collect(),
        })
    }

    /// The image as a line of a file, without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("it is plain data")
    }

    /// The image, to be stored again.
    ///
    /// # Errors
    /// If a layer cannot be read.
    pub fn image(&self) -> anyhow::Result<Image> {
        let layers = self.blobs.values().map(|blob| STANDARD.decode(blob)).collect::<Result<_, _>>()?;
        Ok(Image { layers, ..Image::bare(Form::Schema1, self.manifest.clone().into_bytes()) })
    }

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
