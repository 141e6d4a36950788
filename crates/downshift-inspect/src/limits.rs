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
    /// Problems that are reported of one document: further ones are left out.
    pub const PROBLEMS: usize = 200;
    /// Headers that are read of one response: further ones are left out.
    pub const HEADERS: usize = 200;
    /// Responses that are read of one redirected request: further ones are taken for the body.
    pub const RESPONSES: usize = 16;
    /// Bytes that are hashed in search for the change that leads to an expected digest.
    pub const VARIANT_BYTES: usize = 24 * 1024 * 1024;
    /// Lines of both documents that are compared: of more, the changed middle is one chunk.
    pub const DIFF_LINES: usize = 400_000;
    /// Bytes of a changed chunk in which the exact parts are found.
    pub const DIFF_CHUNK_BYTES: usize = 256 * 1024;
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
