//! A pass over a layer that hashes the blob and the plain tar. No sandbox is believed in what a digest is.

use downshift_layer::LayerFacts;
use ring::digest::{Context, SHA256};

use super::{LayerError, LayerReader, Take};
use crate::digest::sha256;

/// A pass over a layer.
pub(crate) struct LayerPass {
    reader: LayerReader,
    blob: Context,
    plain: Context,
}

impl LayerPass {
    pub(crate) fn new(reader: LayerReader) -> Self {
        Self { reader, blob: Context::new(&SHA256), plain: Context::new(&SHA256) }
    }

    /// Reads the next bytes of the blob, and gives away the plain ones that come of them. It is of no use after an error.
    pub(crate) fn feed(&mut self, input: &[u8], take: Take<'_>) -> Result<(), LayerError> {
        let Self { reader, blob, plain } = self;
        blob.update(input);
        reader.feed(input, &mut |bytes| {
            plain.update(bytes);
            take(bytes)
        })
    }

    /// What is known of the layer, all of which has been read.
    pub(crate) fn finish(self) -> Result<LayerFacts, LayerError> {
        let unpacked = self.reader.finish()?;
        Ok(unpacked.facts(sha256(self.blob)?, sha256(self.plain)?))
    }
}
