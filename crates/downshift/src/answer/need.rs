//! A document that is not at hand.

use alloc::string::String;
use alloc::vec::Vec;

use crate::Digest;
use crate::document::Descriptor;

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

/// Adds needs to others. One manifest may be listed for several platforms, and under several types and sizes.
pub(super) fn add_needs(needs: &mut Vec<Need>, more: Vec<Need>) {
    for need in more {
        if !needs.iter().any(|own| own.digest == need.digest) {
            needs.push(need);
        }
    }
}
