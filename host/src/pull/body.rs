//! The bytes of a blob, as the body of a response: from a file, or from a registry as they come.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, ErrorKind};

use bytes::Bytes;
use downshift_pull::{Copied, Copy, Done, Ticket};
use hyper::body::{Body, Frame, SizeHint};

use super::driver::{Driver, News};
use super::layer_copy::LayerCopy;
use super::open_body::OpenBody;
use super::source::{Piece, Source};
use crate::digest::DigestCheck;
use crate::log;

/// A body, which its pull brings piece by piece.
pub(crate) struct PullBody {
    driver: Driver,
    /// What is being copied.
    copying: Option<(Ticket, Part)>,
    /// The check of all bytes, where they are a whole blob, between one part and the next.
    check: Option<DigestCheck>,
    /// A layer that is unpacked on its way, between one part and the next.
    layer: Option<Box<LayerCopy>>,
    /// Bytes that are left of the response; none where nobody knows that.
    left: Option<u64>,
}

/// What comes from one place.
#[expect(clippy::large_enum_variant, reason = "there is one of a response, and most are of the large kind")]
enum Part {
    /// The bytes themselves.
    Bytes(Copying),
    /// What they unpack to.
    Layer(Box<LayerCopy>),
}

/// A part of the response, all of which comes from one place.
struct Copying {
    source: Source,
    check: Option<DigestCheck>,
    /// Bytes that are left of the part, if that is known, and that were sent of it.
    left: Option<u64>,
    sent: u64,
    /// The last bytes that came of a part whose end is not known before.
    held: Bytes,
}

impl PullBody {
    /// The body of a response with `length` bytes, if that is known, whose head `driver` has brought.
    pub(super) fn new(driver: Driver, length: Option<u64>) -> Self {
        Self { driver, copying: None, check: None, layer: None, left: length }
    }

    fn begin(&mut self, ticket: Ticket, copy: &Copy, body: Option<Box<OpenBody>>) {
        match (body.and_then(|body| Source::of(*body, copy.start)), &copy.unpack) {
            (Some(source), Some(unpack)) => {
                let mut layer = self.layer.take().unwrap_or_else(|| {
                    let (shared, asker) = (self.driver.shared(), self.driver.context.asker);
                    Box::new(shared.layer_copy(unpack.clone(), copy.check.clone(), asker))
                });
                layer.go_on(source, copy.length);
                self.copying = Some((ticket, Part::Layer(layer)));
            }
            (Some(source), None) => {
                // That of a blob that broke off and is gone on with has seen the bytes before.
                let check = self.check.take().or_else(|| copy.check.clone().map(DigestCheck::new));
                self.copying = Some((ticket, Part::Bytes(Copying::new(source, check, copy.length))));
            }
            (None, _) => self.driver.tell(ticket, Done::Copied(Copied::Broken { sent: None })),
        }
    }

    /// The next bytes of what is being copied; nothing if that is over.
    fn poll_copy(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some((ticket, part)) = &mut self.copying else { return Poll::Ready(None) };
        let piece = match part {
            Part::Bytes(copying) => ready!(copying.poll_next(context)),
            Part::Layer(layer) => ready!(layer.poll_next(context)),
        };
        let (bytes, copied) = match piece {
            Piece::Bytes(bytes) => return Poll::Ready(Some(bytes)),
            Piece::Last(bytes) => (Some(bytes), Copied::All),
            Piece::Ended(copied) => (None, copied),
        };
        self.driver.tell(*ticket, Done::Copied(copied));
        // Where the length was not known, this is the end.
        if copied == Copied::All {
            self.left = self.left.or(Some(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)));
        }
        match self.copying.take() {
            Some((_, Part::Bytes(copying))) => self.check = copying.check,
            Some((_, Part::Layer(layer))) if copied != Copied::All => self.layer = Some(layer),
            _ => {}
        }
        Poll::Ready(bytes)
    }
}

impl Copying {
    fn new(source: Source, check: Option<DigestCheck>, length: Option<u64>) -> Self {
        Self { source, check, left: length, sent: 0, held: Bytes::new() }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        let Some(left) = self.left else { return self.poll_next_of_unknown(context) };
        let mut chunk = match ready!(self.source.poll_next(context)) {
            Ok(chunk) if !chunk.is_empty() => chunk,
            _ => return Poll::Ready(Piece::Ended(Copied::Broken { sent: Some(self.sent) })),
        };
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        if let Some(check) = &mut self.check {
            check.update(&chunk);
        }
        let length = chunk.len() as u64;
        (self.left, self.sent) = (Some(left - length), self.sent + length);
        if left > length {
            return Poll::Ready(Piece::Bytes(chunk));
        }
        // Docker 1.6 does not check the digest, and so the last bytes are held back until that is known.
        Poll::Ready(self.last(chunk))
    }

    /// The next piece where the end is not known before it is there: each is held back until the next one has come.
    fn poll_next_of_unknown(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        loop {
            let Ok(chunk) = ready!(self.source.poll_next(context)) else {
                return Poll::Ready(Piece::Ended(Copied::Broken { sent: None }));
            };
            let is_end = chunk.is_empty();
            if let Some(check) = &mut self.check {
                check.update(&chunk);
            }
            let held = core::mem::replace(&mut self.held, chunk);
            if is_end {
                return Poll::Ready(self.last(held));
            }
            if !held.is_empty() {
                return Poll::Ready(Piece::Bytes(held));
            }
        }
    }

    /// The last piece, once everything is checked.
    fn last(&mut self, chunk: Bytes) -> Piece {
        match self.source.finish(self.check.take()) {
            Ok(()) => Piece::Last(chunk),
            Err(error) => {
                if let Source::File(_) = self.source {
                    log::error(&error);
                }
                Piece::Ended(Copied::Corrupt)
            }
        }
    }
}

impl Body for PullBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = &mut *self;
        while body.left != Some(0) {
            if let Some(chunk) = ready!(body.poll_copy(context)) {
                body.left = body.left.map(|left| left.saturating_sub(chunk.len() as u64));
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            match ready!(body.driver.poll_news(context)) {
                News::Copy(ticket, copy, source) => body.begin(ticket, &copy, source),
                News::Send(bytes) => {
                    body.left = body.left.map(|left| left.saturating_sub(bytes.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                // The client must not take a blob that was cut short for the whole.
                News::Abort | News::Finished => {
                    return Poll::Ready(Some(Err(ErrorKind::UnexpectedEof.into())));
                }
                News::Respond(_) => {}
            }
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use core::future::poll_fn;
    use core::time::Duration;
    use std::fs::File;
    use std::sync::Arc;

    use downshift::Digest;

    use super::super::source::{CHUNK_BYTES, FileOf, FileSource};
    use super::*;
    use crate::origin::layout::Stamp;
    use crate::origin::registry::ResponseBody;
    use crate::origin::verified_blobs::{BlobState, VerifiedBlobs};

    /// Longer than any test.
    const SILENCE: Duration = Duration::from_secs(3600);

    /// What comes of a whole blob from `source`: the bytes, if that ends well. After each piece something else happens.
    async fn copied(
        source: Source,
        check: Option<Digest>,
        length: Option<usize>,
        mut after: impl FnMut(usize),
    ) -> Option<Bytes> {
        let check = check.map(DigestCheck::new);
        let mut copying = Copying::new(source, check, length.map(|length| length as u64));
        let mut sent = Vec::new();
        loop {
            match poll_fn(|context| copying.poll_next(context)).await {
                Piece::Bytes(bytes) => sent.extend(bytes),
                Piece::Last(bytes) => {
                    sent.extend(bytes);
                    return Some(sent.into());
                }
                Piece::Ended(_) => return None,
            }
            after(sent.len());
        }
    }

    async fn sent(text: &'static str, digest: Digest) -> Option<Bytes> {
        let source = || Source::Response(ResponseBody::new(text.into(), SILENCE));
        let known = copied(source(), Some(digest.clone()), Some(text.len()), drop).await;
        assert_eq!(copied(source(), Some(digest), None, drop).await, known);
        known
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

    /// What comes of the file with `bytes`, under a digest that is checked or not: the bytes, if that ends well.
    async fn read(bytes: &[u8], digest: Digest, is_checked: bool) -> Option<Bytes> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        let stamp = Stamp::of(&file.metadata().unwrap()).unwrap();
        let state = BlobState { digest: digest.clone(), stamp };
        let of = FileOf::Store(state, Arc::new(VerifiedBlobs::new()));
        let source = FileSource::new(Arc::new(file), 0, of);
        let check = is_checked.then_some(digest);
        copied(Source::File(source), check, Some(bytes.len()), |sent| {
            if sent == CHUNK_BYTES && bytes.starts_with(b"linked") {
                let before = Stamp::of(&std::fs::metadata(&path).unwrap()).unwrap();
                std::fs::hard_link(&path, folder.path().join("other")).unwrap();
                assert_ne!(Stamp::of(&std::fs::metadata(&path).unwrap()).unwrap(), before);
            }
            // Somebody else writes to it, once its stamp can be another one.
            if sent == CHUNK_BYTES && bytes.starts_with(b"changing") {
                let before = std::fs::metadata(&path).unwrap().modified().unwrap();
                while std::fs::metadata(&path).unwrap().modified().unwrap() == before {
                    std::fs::write(&path, bytes).unwrap();
                }
            }
        })
        .await
    }

    #[tokio::test]
    async fn a_file_of_another_digest_never_ends_well() {
        let large = vec![7; CHUNK_BYTES * 3 + 1];
        assert_eq!(read(&large, Digest::of(&large), true).await, Some(large.clone().into()));
        assert_eq!(read(&large, Digest::of(b""), true).await, None);
        // It was checked before.
        assert_eq!(read(&large, Digest::of(b""), false).await, Some(large.into()));
    }

    #[tokio::test]
    async fn a_file_that_gets_another_name_ends_well() {
        let mut linked = b"linked".to_vec();
        linked.resize(CHUNK_BYTES * 3, 0);
        assert_eq!(read(&linked, Digest::of(&linked), false).await, Some(linked.into()));
    }

    #[tokio::test]
    async fn a_file_that_changes_never_ends_well() {
        let mut changing = b"changing".to_vec();
        changing.resize(CHUNK_BYTES * 3, 0);
        assert_eq!(read(&changing, Digest::of(&changing), true).await, None);
    }
}
