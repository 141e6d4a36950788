//! A pass over a layer that hashes as it reads.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;

use downshift::Digest;
use downshift::layer::LayerFacts;
use sha2::{Digest as _, Sha256};

use crate::progress::after;
use crate::{Error, Limits, Unpacker};

/// Plain bytes that are made at a time.
const OUTPUT_BYTES: usize = 64 * 1024;

/// A pass over a layer: bytes of the blob in, [`LayerFacts`] out. It has SHA-256 of its own; who has a better one takes
/// [`Unpacker`].
pub struct FactsReader {
    unpacker: Unpacker,
    blob: Sha256,
    plain: Sha256,
    output: Box<[u8]>,
}

impl FactsReader {
    /// A reader of one layer.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self::with(Unpacker::new(limits))
    }

    /// A reader of one layer that unpacks with `unpacker`, which must be a new one.
    #[must_use]
    pub fn with(unpacker: Unpacker) -> Self {
        let output = vec![0; OUTPUT_BYTES].into_boxed_slice();
        Self { unpacker, blob: Sha256::new(), plain: Sha256::new(), output }
    }

    /// Reads the next bytes of the blob.
    ///
    /// # Errors
    /// Any [`Error`] but those of the caller. The layer is refused then, and nothing more can be read of it.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.blob.update(bytes);
        loop {
            let progress = self.unpacker.step(bytes, &mut self.output)?;
            self.plain.update(self.output.get(..progress.written).unwrap_or_default());
            bytes = after(bytes, progress.read);
            if progress.written < self.output.len() {
                return Ok(());
            }
        }
    }

    /// What is known of the layer, all of whose bytes have been read.
    ///
    /// # Errors
    /// [`Error::Truncated`] above all.
    pub fn finish(self) -> Result<LayerFacts, Error> {
        let unpacked = self.unpacker.finish()?;
        Ok(unpacked.facts(digest(self.blob)?, digest(self.plain)?))
    }
}

fn digest(hash: Sha256) -> Result<Digest, Error> {
    let text = format!("sha256:{}", base16ct::lower::encode_string(&hash.finalize()));
    text.parse().map_err(|_| Error::Misuse { problem: "a digest of SHA-256 is not one" })
}
