//! Notes on what is odd in the documents that an answer is made from.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Arguments;

use crate::document::Descriptor;
use crate::report::Note;

/// A note on what is odd at `path`.
pub(super) fn warning(code: &'static str, path: impl Into<String>) -> Note {
    Note { code: code.into(), path: path.into() }
}

/// Notes that a document has another size than its descriptor says: the digest decides what it is.
pub(super) fn warn_of_size(
    warnings: &mut Vec<Note>,
    path: Arguments<'_>,
    descriptor: &Descriptor,
    bytes: &[u8],
) {
    if descriptor.size != bytes.len() as u64 {
        warnings.push(warning("size", format!("{path}.size")));
    }
}
