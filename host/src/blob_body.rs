//! The bytes of a blob, as the body of a response: from a file, or from a registry as they come.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use downshift::Digest;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task;
use tokio_util::io::poll_read_buf;

use crate::digest::DigestCheck;
use crate::error::Error;
use crate::layout::Stamp;
use crate::log;
use crate::verified_blobs::{BlobState, VerifiedBlobs};

/// Bytes of a file that are read at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// Where the bytes of a blob come from.
pub(crate) enum Content {
    /// A file.
    File(StoredContent),
    /// A registry's response; if that is the whole blob, with the digest that it must have.
    Upstream(reqwest::Body, Option<Digest>),
}

/// A file of a store.
pub(crate) struct StoredContent {
    /// The file, at the first byte that is asked for.
    pub(crate) file: File,
    /// Its digest, and the state that it has to be in to the end.
    pub(crate) state: BlobState,
    /// The blobs to remember it among, if the whole of it comes and is still to be checked.
    pub(crate) unverified: Option<Arc<VerifiedBlobs>>,
}

/// A body of a known length.
pub(crate) struct BlobBody {
    source: Source,
    left: u64,
    check: Option<DigestCheck>,
}

enum Source {
    File { file: tokio::fs::File, chunk: BytesMut, state: BlobState, unverified: Option<Arc<VerifiedBlobs>> },
    Upstream(reqwest::Body),
}

impl BlobBody {
    /// The next `length` bytes of `content`.
    pub(crate) fn new(content: Content, length: u64) -> Self {
        let (source, digest) = match content {
            Content::File(StoredContent { file, state, unverified }) => {
                let mut file = tokio::fs::File::from_std(file);
                file.set_max_buf_size(CHUNK_BYTES);
                let digest = unverified.as_ref().map(|_| state.digest.clone());
                (Source::File { file, chunk: BytesMut::new(), state, unverified }, digest)
            }
            Content::Upstream(body, digest) => (Source::Upstream(body), digest),
        };
        Self { source, left: length, check: digest.map(DigestCheck::new) }
    }

    /// Checks what can be checked at the end.
    fn finish(&mut self) -> Result<(), Error> {
        self.check.take().map_or(Ok(()), DigestCheck::finish)?;
        let Source::File { file, state, unverified, .. } = &mut self.source else { return Ok(()) };
        let stamp =
            file.as_fd().try_clone_to_owned().and_then(|file| Stamp::of(&File::from(file).metadata()?));
        // What was checked is what was there then.
        if stamp.is_ok_and(|stamp| stamp == state.stamp) {
            if let Some(unverified) = unverified.take() {
                let state = state.clone();
                task::spawn(async move { unverified.remember(state).await });
            }
            Ok(())
        } else {
            Err(Error::Corrupt { digest: state.digest.clone() })
        }
    }
}

impl Source {
    /// The next bytes; at the end none.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        match self {
            Self::File { file, chunk, .. } => {
                chunk.reserve(CHUNK_BYTES);
                ready!(poll_read_buf(Pin::new(file), context, chunk))?;
                Poll::Ready(Ok(chunk.split().freeze()))
            }
            Self::Upstream(body) => loop {
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
        if let Some(check) = &mut body.check {
            check.update(&chunk);
        }
        // Nor a blob with other bytes, whose last ones are held back: Docker 1.6 does not check the digest.
        if body.left == 0
            && let Err(error) = body.finish()
        {
            if let Source::File { .. } = body.source {
                log::error(&error);
            }
            return Poll::Ready(Some(Err(ErrorKind::InvalidData.into())));
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
        let sha384 = "sha384:768412320f7b0aa5812fce428dc4706b3cae50e02a64caa16a782249bfe8efc4b7ef1ccb126255d196047dfedf17a0a9";
        let sha512 = "sha512:ee26b0dd4af7e749aa1a8ee3c10ae9923f618980772e473f8819a5d4940e0db27ac185f8a0e1d5f84f88bc887fd67b143732c304cc5fa9ad8e6f57f50028a8ff";
        for digest in [Digest::of(b"test"), sha384.parse().unwrap(), sha512.parse().unwrap()] {
            assert_eq!(sent("test", digest.clone()).await, Some("test".into()));
            assert_eq!(sent("tesT", digest).await, None);
        }
    }

    /// What comes of the file with `bytes`, under a digest: the bytes, if that ends well.
    async fn read(bytes: &[u8], digest: Digest, verified: Option<&Arc<VerifiedBlobs>>) -> Option<Bytes> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        let stamp = Stamp::of(&file.metadata().unwrap()).unwrap();
        let state = BlobState { digest, stamp };
        let content = Content::File(StoredContent { file, state, unverified: verified.cloned() });
        let mut body = BlobBody::new(content, bytes.len() as u64);
        let mut sent = Vec::new();
        while let Some(frame) = body.frame().await {
            sent.extend(frame.ok()?.into_data().unwrap());
            // Somebody else writes to it, once its stamp can be another one.
            if sent.len() == CHUNK_BYTES && bytes.starts_with(b"changing") {
                let before = std::fs::metadata(&path).unwrap().modified().unwrap();
                while std::fs::metadata(&path).unwrap().modified().unwrap() == before {
                    std::fs::write(&path, bytes).unwrap();
                }
            }
        }
        Some(sent.into())
    }

    #[tokio::test]
    async fn a_file_of_another_digest_never_ends_well() {
        let verified = Arc::new(VerifiedBlobs::new());
        let large = vec![7; CHUNK_BYTES * 3 + 1];
        assert_eq!(read(&large, Digest::of(&large), Some(&verified)).await, Some(large.clone().into()));
        assert_eq!(read(&large, Digest::of(b""), Some(&verified)).await, None);
        // It was checked before.
        assert_eq!(read(&large, Digest::of(b""), None).await, Some(large.into()));
    }

    #[tokio::test]
    async fn a_file_that_changes_never_ends_well() {
        let mut changing = b"changing".to_vec();
        changing.resize(CHUNK_BYTES * 3, 0);
        assert_eq!(read(&changing, Digest::of(&changing), None).await, None);
    }
}
