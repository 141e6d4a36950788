//! What is known of a layer once it has been read.

use downshift::Digest;
use downshift::layer::LayerFacts;

use crate::{DECODER_VERSION, Unpacked};

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
