//! What is known of a layer once it has been read.

use downshift::Digest;
use downshift::layer::LayerFacts;

use crate::Unpacked;

/// The version of the rules by which layers are read. It changes whenever a layer could come out differently, or be refused
/// where it was not before: facts that were kept from an earlier one are then learnt again.
pub const DECODER_VERSION: u32 = 2;

impl Unpacked {
    /// The facts of the layer, whose blob and plain tar the caller has hashed.
    #[must_use]
    pub const fn facts(&self, digest: Digest, diff_id: Digest) -> LayerFacts {
        let Self { compression, size, plain_size, zstd_window } = *self;
        LayerFacts {
            digest,
            compression,
            size,
            diff_id,
            plain_size,
            zstd_window,
            decoder_version: DECODER_VERSION,
        }
    }
}
