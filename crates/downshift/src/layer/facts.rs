//! What is known of a layer that has been read.

use serde::Serialize;

use super::Compression;
use crate::{Digest, EMPTY_LAYER};

/// The version of the rules by which `downshift-layer` reads layers. It changes whenever a layer could come out differently, or be refused
/// where it was not before: facts that were kept from an earlier one are then learnt again.
pub const DECODER_VERSION: u32 = 2;

/// What is known of a layer once all of it has been read and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerFacts {
    /// The digest of the blob as it is stored. It is computed, so it is for the reader's caller to compare it with the
    /// expected one.
    pub digest: Digest,
    /// How the blob is compressed, by its first bytes.
    pub compression: Compression,
    /// Bytes of the blob.
    pub size: u64,
    /// The digest of the plain tar.
    pub diff_id: Digest,
    /// Bytes of the plain tar.
    pub plain_size: u64,
    /// The largest window of a zstd frame, in bytes; none for other compressions, and for a blob that has only skippable
    /// frames.
    pub zstd_window: Option<u64>,
    /// The version of the rules by which it was read.
    pub decoder_version: u32,
}

impl LayerFacts {
    /// Those of [the empty layer](Digest::EMPTY_LAYER): a tar of two blocks of zeros.
    pub(crate) fn of_empty_layer() -> Self {
        let plain = [0; 1024];
        Self {
            digest: Digest::empty_layer(),
            compression: Compression::Gzip,
            size: EMPTY_LAYER.len() as u64,
            diff_id: Digest::of(&plain),
            plain_size: plain.len() as u64,
            zstd_window: None,
            decoder_version: 0,
        }
    }

    /// Whether a manifest with plain layers names the layer by its diff id: everybody reads gzip, and what is plain.
    #[must_use]
    pub const fn is_named_by_diff_id(&self) -> bool {
        !matches!(self.compression, Compression::Plain | Compression::Gzip)
    }
}
