//! What is in a repository.

use std::collections::BTreeMap;

use downshift::{Digest, Form};
use downshift_cases::images::{Image, Manifest, digest_of};

/// A repository, at a registry or in a store.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// Its manifests, by the digests that registries know them by.
    pub manifests: BTreeMap<Digest, Manifest>,
    /// Its configs and layers.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// What its tags point to.
    pub tags: BTreeMap<String, Digest>,
    /// The referrers lists that are known, by the digests that are referred to.
    pub referrers: BTreeMap<Digest, Vec<u8>>,
}

impl Repository {
    /// Puts an image under a tag, in the place of what was there.
    ///
    /// # Panics
    /// If its manifest is signed and cannot be taken apart.
    pub fn push(&mut self, tag: &str, image: &Image) {
        for manifest in core::iter::once(&image.manifest).chain(&image.children) {
            self.manifests.insert(known_digest(manifest), manifest.clone());
        }
        for blob in image.configs.iter().chain(&image.layers) {
            self.blobs.insert(Digest::of(blob), blob.clone());
        }
        self.tags.insert(tag.to_owned(), known_digest(&image.manifest));
    }

    /// Puts bytes under a tag that no registry would have taken.
    pub fn push_bytes(&mut self, tag: &str, bytes: &[u8]) {
        let manifest = Manifest { form: Form::Schema2, bytes: bytes.to_vec() };
        self.tags.insert(tag.to_owned(), manifest.digest());
        self.manifests.insert(manifest.digest(), manifest);
    }

    /// Whether these are the bytes of one of its blobs or manifests.
    #[must_use]
    pub fn has(&self, bytes: &[u8]) -> bool {
        let digest = Digest::of(bytes);
        self.blobs.contains_key(&digest) || self.manifests.values().any(|manifest| manifest.bytes == bytes)
    }
}

/// The digest by which registries know a manifest.
fn known_digest(manifest: &Manifest) -> Digest {
    digest_of(manifest.form, &manifest.bytes).expect("the manifests of tests can be taken apart")
}
