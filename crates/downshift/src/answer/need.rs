//! What is not at hand: documents, and facts about layers.

use alloc::string::String;
use alloc::vec::Vec;

use crate::Digest;
use crate::document::Descriptor;

/// What is needed to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Documents.
    pub documents: Vec<Need>,
    /// Layers whose facts are needed, not their bytes.
    pub layers: Vec<LayerNeed>,
    /// Documents that are at hand, whose signatures are to be verified.
    pub signatures: Vec<Digest>,
}

/// A layer whose [facts](crate::layer::LayerFacts) are needed: all of it has to be read for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerNeed {
    /// The digest of the blob as it is stored.
    pub digest: Digest,
    /// Its size in bytes, where a descriptor says so. It may be wrong.
    pub size: Option<u64>,
    /// Its media type, where a descriptor says so. It may be wrong, too: the first bytes say how it is compressed.
    pub media_type: Option<String>,
}

/// A document that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes, where a descriptor says so. It may be wrong: what the document is, its digest decides.
    pub size: Option<u64>,
    /// Its media type, where a descriptor says so.
    pub media_type: Option<String>,
    /// Where it is found.
    pub kind: NeedKind,
}

/// Where a needed document is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedKind {
    /// Among the repository's manifests.
    Manifest,
    /// Among its blobs.
    Blob,
}

impl Need {
    /// A manifest of which nothing is known but its digest: what is needed first of all where a tag is asked for, so
    /// that a shell need not ask for this.
    #[must_use]
    pub fn manifest(digest: &Digest) -> Self {
        Self { digest: digest.clone(), size: None, media_type: None, kind: NeedKind::Manifest }
    }

    pub(super) fn entry(entry: &Descriptor) -> Self {
        Self { kind: NeedKind::Manifest, ..Self::blob(entry) }
    }

    pub(super) fn blob(descriptor: &Descriptor) -> Self {
        Self {
            digest: descriptor.digest.clone(),
            size: Some(descriptor.size),
            media_type: Some(descriptor.media_type.clone()).filter(|media_type| !media_type.is_empty()),
            kind: NeedKind::Blob,
        }
    }
}

impl LayerNeed {
    /// One of which nothing is known but its digest.
    pub(super) fn of_blob(digest: &Digest) -> Self {
        Self { digest: digest.clone(), size: None, media_type: None }
    }

    pub(super) fn of(layer: &Descriptor) -> Self {
        let Need { digest, size, media_type, .. } = Need::blob(layer);
        Self { digest, size, media_type }
    }
}

impl Needs {
    /// Whether nothing is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.layers.is_empty() && self.signatures.is_empty()
    }

    /// Adds other needs. One manifest may be listed for several platforms, and under several types and sizes; and a
    /// layer may stand in a manifest many times.
    pub(super) fn add(&mut self, more: Self) {
        for need in more.documents {
            if !self.documents.iter().any(|own| own.digest == need.digest) {
                self.documents.push(need);
            }
        }
        for need in more.layers {
            if !self.layers.iter().any(|own| own.digest == need.digest) {
                self.layers.push(need);
            }
        }
        for digest in more.signatures {
            if !self.signatures.contains(&digest) {
                self.signatures.push(digest);
            }
        }
    }

    /// The signatures of one document.
    pub(super) fn signatures_of(digest: &Digest) -> Self {
        Self { signatures: [digest.clone()].into(), ..Self::default() }
    }
}

impl From<Need> for Needs {
    fn from(need: Need) -> Self {
        Self { documents: [need].into(), ..Self::default() }
    }
}
