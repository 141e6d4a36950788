//! Reading the documents that a command is about.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use downshift::Limits;

use crate::bounded;
use crate::error::Error;

/// Reads a document from a file, or from standard input if that is called `-`.
pub(super) fn read_document(path: &Path, limits: &Limits) -> Result<Vec<u8>, Error> {
    let limit = limits.document_bytes as u64;
    let read = |stream: &mut dyn Read| bounded::read(stream, limit);
    let bytes = match path.to_str() {
        Some("-") => read(&mut io::stdin().lock()),
        _ => File::open(path).and_then(|mut file| read(&mut file)),
    };
    let bytes = bytes.map_err(|error| Error::unreadable(path, error))?;
    bytes.ok_or_else(|| Error::document_too_large(limits, limit.saturating_add(1)))
}
