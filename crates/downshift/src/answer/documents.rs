//! The documents at hand.

use alloc::vec::Vec;

use crate::Digest;

/// What the shell has found of the documents that were needed, by digest: their bytes, or that there is no such
/// document.
///
/// The shell has checked the bytes against their digest.
#[derive(Clone, Debug, Default)]
pub struct Documents<'a>(Vec<(&'a Digest, Option<&'a [u8]>)>);

impl<'a> Documents<'a> {
    /// The bytes of the document with `digest`, if they are at hand.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == digest).and_then(|(_, bytes)| bytes)
    }

    /// What was found.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Digest, Option<&'a [u8]>)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn is_missing(&self, digest: &Digest) -> bool {
        self.iter().any(|(found, bytes)| found == digest && bytes.is_none())
    }
}

impl<'a> FromIterator<(&'a Digest, Option<&'a [u8]>)> for Documents<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a Digest, Option<&'a [u8]>)>>(documents: I) -> Self {
        Self(documents.into_iter().collect())
    }
}
