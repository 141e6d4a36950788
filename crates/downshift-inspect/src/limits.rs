//! How much is looked at, and reported.

/// The limits of the reports. What passes one is an error or is cut, as each says.
#[derive(Clone, Copy, Debug)]
pub struct Limits;

impl Limits {
    /// Documents that are given together: more are an error.
    pub const DOCUMENTS: usize = 64;
    /// Bytes of all documents that are given together: more are an error.
    pub const GIVEN_BYTES: usize = 64 * 1024 * 1024;
    /// Bytes of a document that is read. Of a larger one, only the digests are told.
    pub const READ_BYTES: usize = 16 * 1024 * 1024;
    /// Bytes of a manifest that Distribution takes: larger ones are a problem.
    pub const MANIFEST_BYTES: usize = 4 * 1024 * 1024;
    /// Problems that are reported of one document, the worst first, and errors of a registry: a note counts the others.
    pub const PROBLEMS: usize = 200;
    /// Headers that are read of one response: a problem counts the others.
    pub const HEADERS: usize = 200;
    /// Responses that are read of one redirected request: further ones are taken for the body.
    pub const RESPONSES: usize = 16;
    /// Bytes that are changed and hashed for all documents together, in search of what has an expected digest or an id:
    /// every change to a document of 1 MiB, in a second at the most. What is left out, the report says.
    pub const SEARCH_BYTES: usize = 64 * 1024 * 1024;
    /// Bytes of a changed document. Indenting makes a deep one as large as one likes: there is no such change then.
    pub const VARIANT_BYTES: usize = 32 * 1024 * 1024;
    /// Lines of both documents that are compared: of more, the changed middle is one chunk. The time grows with the square
    /// of those that differ, to some tenths of a second; a list of 4,096 manifests has 50,000 lines.
    pub const DIFF_LINES: usize = 60_000;
    /// Words of changed chunks that are compared to find the exact parts, of all chunks together: as with lines.
    pub const DIFF_WORDS: usize = 60_000;
    /// Secrets that are named: further ones are left out.
    pub const SECRETS: usize = 100;
    /// Bytes of documents that are packed into a link.
    pub const SHARED_BYTES: usize = 16 * 1024 * 1024;

    /// The core's limits, for documents that are looked at.
    pub(crate) fn core() -> downshift::Limits {
        let mut limits = downshift::Limits::default();
        limits.document_bytes = Self::READ_BYTES;
        limits
    }
}
