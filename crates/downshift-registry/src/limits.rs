//! How much of a request is read.

/// Bytes of the headers that are read together: `Accept`, `Authorization`, `Host`, `User-Agent`, `If-None-Match`,
/// `If-Range` and `Range`.
///
/// Docker's have about 600, and a token a few thousand. A request with more is refused rather than cut: the part cut off
/// could name the one type that the client reads.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Bytes of the body of a `GET` or `HEAD`, which none needs: past them it is refused with
/// [`error::body_too_large`](crate::error::body_too_large).
pub const MAX_BODY_BYTES: u64 = 64 * 1024;
