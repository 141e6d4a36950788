//! How large a document may be.

/// The limits of one document. Past one, reading ends with [`Error::Limit`](crate::Error::Limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document. Never more than 4 GiB are read: a place in a document has 32 bits.
    pub document_bytes: usize,
    /// How deep arrays and objects may nest. Go's decoder stops at 10,000.
    pub depth: usize,
    /// Bytes of one string as it is spelt, quotes included.
    pub string_bytes: usize,
}

impl Default for Limits {
    /// 4 MiB, which is what Distribution takes of a manifest, and Go's depth.
    fn default() -> Self {
        Self { document_bytes: 4 * 1024 * 1024, depth: 10_000, string_bytes: 4 * 1024 * 1024 }
    }
}
