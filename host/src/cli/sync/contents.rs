//! What a manifest names, of whatever form it is: other manifests, and blobs. Nothing of it is understood beyond that, so that
//! what no client of today reads is kept as well.

use downshift::Digest;
use serde::Deserialize;

/// Manifests and blobs that one manifest may name.
const MAX_NAMED: usize = 100_000;

/// What a manifest names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Other manifests.
    pub(super) manifests: Vec<Digest>,
    /// Blobs, and their sizes where it says them.
    pub(super) blobs: Vec<(Digest, Option<u64>)>,
    /// What kind of artifact it is, if it refers to another manifest.
    pub(super) artifact_type: Option<String>,
    /// What it says that it is.
    pub(super) media_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    media_type: Option<String>,
    artifact_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    /// Those of an artifact manifest, which OCI had for a while.
    blobs: Option<Vec<Descriptor>>,
    fs_layers: Option<Vec<FsLayer>>,
    subject: Option<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    size: Option<u64>,
    urls: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FsLayer {
    blob_sum: String,
}

impl Contents {
    /// Reads a manifest.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut contents = Self { media_type: manifest.media_type, ..Self::default() };
        for child in manifest.manifests.iter().flatten() {
            contents.manifests.push(digest(&child.digest)?);
        }
        if manifest.subject.is_some() {
            let of_config = manifest.config.as_ref().and_then(|config| config.media_type.clone());
            let own = manifest.artifact_type.filter(|own| !own.is_empty());
            contents.artifact_type = own.or(of_config);
        }
        let parts = manifest.config.iter().chain(manifest.layers.iter().flatten());
        for part in parts.chain(manifest.blobs.iter().flatten()).filter(|part| !part.is_foreign()) {
            contents.blobs.push((digest(&part.digest)?, part.size));
        }
        for layer in manifest.fs_layers.iter().flatten() {
            contents.blobs.push((digest(&layer.blob_sum)?, None));
        }
        drop_duplicates(&mut contents.blobs);
        if contents.blobs.len() + contents.manifests.len() > MAX_NAMED {
            return Err(format!("it names more than `{MAX_NAMED}` others"));
        }
        Ok(contents)
    }
}

impl Descriptor {
    /// Whether clients have it from elsewhere, and registries need not have it.
    fn is_foreign(&self) -> bool {
        // `….rootfs.foreign.diff.tar.gzip` of Docker, and OCI's `….layer.nondistributable.v1.tar+gzip`.
        let media_type = self.media_type.as_deref().unwrap_or_default();
        self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
            || media_type.contains(".foreign.")
            || media_type.contains(".nondistributable.")
    }
}

/// Leaves each blob once, with its size where that is said anywhere.
pub(super) fn drop_duplicates(blobs: &mut Vec<(Digest, Option<u64>)>) {
    blobs.sort_by(|one, other| other.cmp(one));
    blobs.dedup_by(|one, other| one.0 == other.0);
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text).map_err(|error| error.to_string())
}
