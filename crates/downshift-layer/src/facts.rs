//! What is known of a layer once it has been read.

use downshift::Digest;
use serde::Serialize;

use crate::{Compression, Unpacked};

/// The version of the rules by which layers are read. It changes whenever a layer could come out differently, or be refused
/// where it was not before: facts that were kept from an earlier one are then learnt again.
pub const DECODER_VERSION: u32 = 2;

/// What is known of a layer once all of it has been read and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerFacts {
    /// The digest of the blob as it is stored. It is computed, so it is for the caller to compare it with the expected one.
    pub digest: Digest,
    /// How the blob is compressed.
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
    /// The [`DECODER_VERSION`] that has read it.
    pub decoder_version: u32,
}

impl LayerFacts {
    /// The facts of a layer whose blob and plain tar the caller has hashed.
    #[must_use]
    pub const fn new(digest: Digest, diff_id: Digest, unpacked: &Unpacked) -> Self {
        let Unpacked { compression, size, plain_size, zstd_window } = *unpacked;
        Self { digest, compression, size, diff_id, plain_size, zstd_window, decoder_version: DECODER_VERSION }
    }
}
