//! Writes images as an OCI image layout: a folder that `downshift serve` and skopeo read.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::Image;

/// Writes `images`, each with its tag, into `folder`, which is made if it is not there.
///
/// The same images give the same bytes in every file.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, images: &[(&str, Image)]) -> anyhow::Result<()> {
    let blobs = folder.join("blobs").join("sha256");
    fs::create_dir_all(&blobs).with_context(|| format!("`{}` cannot be made", blobs.display()))?;
    let mut entries = Vec::new();
    for (tag, image) in images {
        for (digest, bytes) in image.documents() {
            save(&blobs.join(digest.hex()), &bytes)?;
        }
        entries.push(json!({
            "mediaType": image.manifest.form.media_type(),
            "size": image.manifest.bytes.len(),
            "digest": image.manifest.digest(),
            "annotations": { "org.opencontainers.image.ref.name": tag },
        }));
    }
    save(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let index = json!({ "schemaVersion": 2, "manifests": entries });
    // Last, so that a layout with an index is complete.
    save(&folder.join("index.json"), index.to_string().as_bytes())
}

fn save(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("`{}` cannot be written", path.display()))
}
