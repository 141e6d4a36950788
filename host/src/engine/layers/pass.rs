//! A pass over a layer that hashes the blob and the plain tar. No sandbox is believed in what a digest is.

use downshift_layer::LayerFacts;
use ring::digest::{Context, SHA256};

use super::error::{LayerError, Take};
use super::reader::LayerReader;
use super::unpacking::Input;
use crate::digest::sha256;
use crate::error::Error;

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

    /// Why the layer cannot be read, with the digest of the blob, whose rest comes by `next`: only one that has the right digest
    /// is to blame. Where a limit has ended it, the rest is not read.
    pub(super) fn refused(
        mut self,
        error: Error,
        mut next: impl FnMut() -> Result<Input, LayerError>,
    ) -> LayerError {
        if error.is_of_limit() {
            return LayerError::Failed(error);
        }
        loop {
            match next() {
                Ok(Input::Bytes(bytes)) => self.blob.update(&bytes),
                Ok(Input::End) => break,
                Ok(Input::Broken(error)) => return LayerError::Blob(error),
                Err(error) => return error,
            }
        }
        match sha256(self.blob) {
            Ok(digest) => LayerError::Unreadable { error, digest },
            Err(error) => LayerError::Failed(error),
        }
    }

    /// What is known of the layer, all of which has been read; or why it cannot end here, with the digest of the blob.
    pub(crate) fn finish(self) -> Result<LayerFacts, LayerError> {
        let Self { reader, blob, plain } = self;
        match reader.finish() {
            Ok(unpacked) => Ok(unpacked.facts(sha256(blob)?, sha256(plain)?)),
            Err(LayerError::Failed(error @ Error::Core(_))) => {
                Err(LayerError::Unreadable { error, digest: sha256(blob)? })
            }
            Err(error) => Err(error),
        }
    }
}
