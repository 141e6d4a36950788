//! The bytes of a blob, as the body of a response: from a file, or from a registry as they come.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::fs::File;
use std::io::{self, ErrorKind};

use bytes::{Bytes, BytesMut};
use downshift::Digest;
use hyper::body::{Body, Frame, SizeHint};
use ring::digest::{Context as Hash, SHA256, SHA512};
use tokio_util::io::poll_read_buf;

/// Bytes of a file that are read at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// Where the bytes of a blob come from.
pub(crate) enum Content {
    /// A file, at the first byte that is asked for.
    File(File),
    /// A registry's response; if that is the whole blob, with the digest that it must have.
    Upstream(reqwest::Body, Option<Digest>),
}

/// A body of a known length.
pub(crate) struct BlobBody {
    source: Source,
    left: u64,
}

enum Source {
    File { file: tokio::fs::File, chunk: BytesMut },
    Upstream { body: reqwest::Body, check: Option<Check> },
}

/// A digest that the whole must have.
struct Check {
    expected: Digest,
    hash: Hash,
}

impl BlobBody {
    /// The next `length` bytes of `content`.
    pub(crate) fn new(content: Content, length: u64) -> Self {
        let source = match content {
            Content::File(file) => {
                let mut file = tokio::fs::File::from_std(file);
                file.set_max_buf_size(CHUNK_BYTES);
                Source::File { file, chunk: BytesMut::new() }
            }
            Content::Upstream(body, digest) => Source::Upstream { body, check: digest.map(Check::new) },
        };
        Self { source, left: length }
    }
}

impl Source {
    /// The next bytes; at the end none.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        match self {
            Self::File { file, chunk } => {
                chunk.reserve(CHUNK_BYTES);
                ready!(poll_read_buf(Pin::new(file), context, chunk))?;
                Poll::Ready(Ok(chunk.split().freeze()))
            }
            Self::Upstream { body, .. } => loop {
                match ready!(Pin::new(&mut *body).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data()
                            && !data.is_empty()
                        {
                            return Poll::Ready(Ok(data));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                    None => return Poll::Ready(Ok(Bytes::new())),
                }
            },
        }
    }
}

impl Check {
    fn new(expected: Digest) -> Self {
        let algorithm = if expected.algorithm() == "sha512" { &SHA512 } else { &SHA256 };
        Self { expected, hash: Hash::new(algorithm) }
    }

    fn holds(self) -> bool {
        base16ct::lower::encode_string(self.hash.finish().as_ref()) == self.expected.hex()
    }
}

impl Body for BlobBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = &mut *self;
        if body.left == 0 {
            return Poll::Ready(None);
        }
        let mut chunk = ready!(body.source.poll_next(context))?;
        chunk.truncate(usize::try_from(body.left).unwrap_or(usize::MAX));
        body.left -= chunk.len() as u64;
        if chunk.is_empty() {
            // The client must not take a blob that was cut short for the whole.
            return Poll::Ready(Some(Err(ErrorKind::UnexpectedEof.into())));
        }
        if let Source::Upstream { check: checked @ Some(_), .. } = &mut body.source {
            if let Some(check) = checked {
                check.hash.update(&chunk);
            }
            // Nor a blob with other bytes, whose last ones are held back: Docker 1.6 does not check the digest.
            if body.left == 0 && !checked.take().is_some_and(Check::holds) {
                return Poll::Ready(Some(Err(ErrorKind::InvalidData.into())));
            }
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn sent(text: &'static str, digest: Digest) -> Option<Bytes> {
        let content = Content::Upstream(reqwest::Body::from(text), Some(digest));
        let sent = BlobBody::new(content, text.len() as u64).collect().await;
        sent.ok().map(|sent| sent.to_bytes())
    }

    #[tokio::test]
    async fn a_blob_with_other_bytes_never_ends_well() {
        let sha512 = "sha512:ee26b0dd4af7e749aa1a8ee3c10ae9923f618980772e473f8819a5d4940e0db27ac185f8a0e1d5f84f88bc887fd67b143732c304cc5fa9ad8e6f57f50028a8ff";
        for digest in [Digest::of(b"test"), sha512.parse().unwrap()] {
            assert_eq!(sent("test", digest.clone()).await, Some("test".into()));
            assert_eq!(sent("tesT", digest).await, None);
        }
    }
}
