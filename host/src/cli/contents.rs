//! What a manifest leads to: the blobs of an image, or other manifests.

use std::collections::HashSet;

use downshift::document::{Descriptor, Document, Index};
use downshift::layer::LayerType;
use downshift::opaque::Opaque;
use downshift::{Digest, Error, Form, Limits};

/// A manifest, as far as a client goes on from it.
pub(super) struct Contents {
    pub(super) form: Form,
    /// The list or index, if it is one.
    pub(super) index: Option<Index>,
    /// The config and the layers, each once, and their sizes where the manifest says them.
    pub(super) blobs: Vec<(Digest, Option<u64>)>,
}

impl Contents {
    /// Reads a manifest. One that is of no known kind leads nowhere.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Box<Error>> {
        let document = match Document::parse(bytes, limits) {
            Ok(document) => document,
            Err(problem) => {
                let form = Opaque::of(bytes, problem, limits)?.form;
                return Ok(Self { form, index: None, blobs: Vec::new() });
            }
        };
        let form = document.form();
        let mut blobs: Vec<(Digest, Option<u64>)> = Vec::new();
        let index = match document {
            Document::Index(index) => Some(index),
            Document::Manifest(manifest) => {
                let layers = manifest.layers.iter().filter(|layer| !is_foreign(layer));
                let parts = core::iter::once(&manifest.config).chain(layers);
                blobs.extend(parts.map(|part| (part.digest.clone(), Some(part.size))));
                None
            }
            Document::Schema1(schema1) => {
                for layer in &schema1.layers {
                    blobs.push((Digest::parse(layer)?, None));
                }
                None
            }
        };
        // The empty layer may be there a hundred times.
        let mut seen = HashSet::new();
        blobs.retain(|(digest, _)| seen.insert(digest.clone()));
        Ok(Self { form, index, blobs })
    }
}

/// Whether clients have a layer from elsewhere, and registries need not have it.
fn is_foreign(layer: &Descriptor) -> bool {
    !layer.urls.is_empty() || LayerType::of(layer).is_ok_and(|layer_type| layer_type.is_foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Contents {
        Contents::read(text.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn an_image_leads_to_its_config_and_its_own_layers() {
        let [config, layer, foreign] = [&b"config"[..], b"layer", b"foreign"].map(Digest::of);
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
            "config":{{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"{config}","size":6}},
            "layers":[{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":"{layer}","size":5}},
            {{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"{foreign}","size":7}},
            {{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":"{layer}","size":5}}]}}"#
        );
        let contents = read(&text);
        assert_eq!(contents.form, Form::Schema2);
        assert_eq!(contents.blobs, [(config, Some(6)), (layer, Some(5))]);
    }

    #[test]
    fn schema_1_leads_to_its_layers_and_an_unknown_manifest_nowhere() {
        let empty = Digest::empty_layer();
        let text = format!(
            r#"{{"schemaVersion":1,"name":"a","tag":"b","architecture":"amd64","fsLayers":[{{"blobSum":"{empty}"}},
            {{"blobSum":"{empty}"}}],"history":[{{"v1Compatibility":"{{}}"}},{{"v1Compatibility":"{{}}"}}]}}"#
        );
        assert_eq!(read(&text).blobs, [(empty, None)]);
        let unknown = read(r#"{"mediaType":"application/vnd.example+json"}"#);
        assert!(unknown.blobs.is_empty() && unknown.index.is_none());
    }
}
