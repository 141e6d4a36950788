//! The documents at hand, and what is known of layers.

use alloc::string::String;
use alloc::vec::Vec;

use crate::layer::LayerFacts;
use crate::{Digest, SignatureReading};

/// What the shell has found of what was needed, by digest: the bytes of a document, or that there is no such document;
/// what came of reading a layer, and of verifying signatures.
///
/// The shell has checked the bytes of both against their digest.
#[derive(Clone, Debug, Default)]
pub struct Documents<'a> {
    documents: Vec<(&'a Digest, Option<&'a [u8]>)>,
    layers: Vec<(&'a Digest, &'a LayerReading)>,
    signatures: Vec<(&'a Digest, &'a SignatureReading)>,
}

/// What came of reading a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerReading {
    /// The facts. Their digest is that of the layer.
    Facts(LayerFacts),
    /// There is no such blob in the repository.
    Missing,
    /// The blob cannot be unpacked: it is damaged, compressed in a way that nobody reads, or past a limit.
    Refused {
        /// The reader's stable code.
        code: String,
        /// What is wrong with the blob, on one line.
        cause: String,
    },
}

impl<'a> Documents<'a> {
    /// The same, with what came of reading layers.
    #[must_use]
    pub fn with_layers(mut self, layers: impl IntoIterator<Item = (&'a Digest, &'a LayerReading)>) -> Self {
        self.layers.extend(layers);
        self
    }

    /// The same, with what came of verifying signatures.
    #[must_use]
    pub fn with_signatures(
        mut self,
        signatures: impl IntoIterator<Item = (&'a Digest, &'a SignatureReading)>,
    ) -> Self {
        self.signatures.extend(signatures);
        self
    }

    /// The bytes of the document with `digest`, if they are at hand.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == digest).and_then(|(_, bytes)| bytes)
    }

    /// What came of reading the layer with `digest`, if it was read.
    #[must_use]
    pub fn layer(&self, digest: &Digest) -> Option<&'a LayerReading> {
        self.layers().find(|(found, _)| *found == digest).map(|(_, reading)| reading)
    }

    /// What came of verifying the signatures of the document with `digest`, if they were.
    #[must_use]
    pub fn signature(&self, digest: &Digest) -> Option<&'a SignatureReading> {
        self.signatures().find(|(found, _)| *found == digest).map(|(_, reading)| reading)
    }

    /// The documents that were found.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Digest, Option<&'a [u8]>)> + '_ {
        self.documents.iter().copied()
    }

    /// What came of reading layers.
    pub fn layers(&self) -> impl Iterator<Item = (&'a Digest, &'a LayerReading)> + '_ {
        self.layers.iter().copied()
    }

    /// What came of verifying signatures.
    pub fn signatures(&self) -> impl Iterator<Item = (&'a Digest, &'a SignatureReading)> + '_ {
        self.signatures.iter().copied()
    }

    pub(super) fn is_missing(&self, digest: &Digest) -> bool {
        self.iter().any(|(found, bytes)| found == digest && bytes.is_none())
    }
}

/// Documents alone: [`Documents::with_layers`] and [`Documents::with_signatures`] add the rest.
impl<'a> FromIterator<(&'a Digest, Option<&'a [u8]>)> for Documents<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a Digest, Option<&'a [u8]>)>>(documents: I) -> Self {
        Self { documents: documents.into_iter().collect(), ..Self::default() }
    }
}
