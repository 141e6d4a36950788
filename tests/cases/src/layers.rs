//! What comes of reading the layers of images, by the reader of layers itself.

use std::collections::BTreeMap;

use downshift::Digest;
use downshift::answer::LayerReading;
use downshift::layer::LayerFacts;
use downshift_layer::{Error, FactsReader, Limits};

/// What comes of reading the blob with this digest, which may not be among the `documents`.
#[must_use]
pub fn reading(documents: &BTreeMap<Digest, Vec<u8>>, digest: &Digest) -> LayerReading {
    match documents.get(digest).map(|blob| facts(blob)) {
        Some(Ok(facts)) => LayerReading::Facts(facts),
        Some(Err(error)) => LayerReading::Refused { code: error.code().into(), cause: error.to_string() },
        None => LayerReading::Missing,
    }
}

/// The facts of a blob.
///
/// # Errors
/// If it is no layer that can be read.
pub fn facts(blob: &[u8]) -> Result<LayerFacts, Error> {
    let mut reader = FactsReader::new(&Limits::host());
    reader.feed(blob)?;
    reader.finish()
}
