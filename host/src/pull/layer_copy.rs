//! A layer on its way to a client, who gets what it unpacks to.

use core::task::{Context, Poll, ready};
use std::sync::Arc;

use bytes::Bytes;
use downshift::Digest;
use downshift_pull::{Copied, Unpack};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::layer_in_progress::{LayerInProgress, Piece as LayerPiece};
use super::source::{Piece, Source};
use crate::data::blob_cache::BlobCache;
use crate::engine::layers::{LayerError, LayerReaders, Wanted};
use crate::log;
use crate::work_budget::Asker;

/// A layer on its way, which may come from one place after the other.
pub(super) struct LayerCopy {
    /// Where the stored layer may be, which is found damaged there.
    blobs: Option<Arc<BlobCache>>,
    layer: Progress,
    /// The digest of the stored layer.
    digest: Option<Digest>,
    /// That of the plain tar, where it is sent to its end.
    diff_id: Option<Digest>,
    /// Bytes that are left, where that is known: not of what is compressed again.
    left: Option<u64>,
    /// The last ones that came, where they wait for both digests.
    held: Bytes,
}

enum Progress {
    /// There is no room for it yet. This is what it begins with, and how many bytes these are.
    Waiting(BoxFuture<'static, Result<Box<LayerInProgress>, LayerError>>, Option<(Source, Option<u64>)>),
    Running(Box<LayerInProgress>),
}

impl LayerCopy {
    pub(super) fn new(
        readers: &Arc<LayerReaders>,
        blobs: Option<&Arc<BlobCache>>,
        unpack: Unpack,
        digest: Option<Digest>,
        asker: Asker,
    ) -> Self {
        let Unpack { mut parts, check, gzip } = unpack;
        let left = (!gzip).then(|| parts.length());
        // Where the end is checked all of it is read, whatever its size is said to be.
        if let (Some(_), Some((_, last))) = (&check, parts.parts.last_mut()) {
            last.end = u64::MAX;
        }
        let (readers, wanted) = (Arc::clone(readers), Wanted { parts, gzip });
        let layer = async move { LayerInProgress::for_bytes(&readers, wanted, asker).await }.boxed();
        Self {
            blobs: blobs.cloned(),
            layer: Progress::Waiting(layer, None),
            digest,
            diff_id: check,
            left,
            held: Bytes::new(),
        }
    }

    /// Goes on with bytes from another place, of which so many are to come.
    pub(super) fn go_on(&mut self, source: Source, length: Option<u64>) {
        match &mut self.layer {
            Progress::Waiting(_, first) => *first = Some((source, length)),
            Progress::Running(layer) => layer.go_on(source, length),
        }
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        loop {
            let layer = match &mut self.layer {
                Progress::Running(layer) => layer,
                Progress::Waiting(waiting, first) => match ready!(waiting.poll_unpin(context)) {
                    Ok(layer) => {
                        if let Some((source, length)) = first.take() {
                            layer.go_on(source, length);
                        }
                        self.layer = Progress::Running(layer);
                        continue;
                    }
                    Err(error) => return Poll::Ready(failed(&error)),
                },
            };
            match ready!(layer.poll_next(context)) {
                LayerPiece::Plain(bytes) => {
                    // A damaged layer may unpack to more, which the client would not see behind its Content-Length: for it
                    // the tar ended there, unchecked.
                    let length = bytes.len() as u64;
                    if self.left.is_some_and(|left| length > left) {
                        return Poll::Ready(Piece::Ended(Copied::Corrupt));
                    }
                    self.left = self.left.map(|left| left.saturating_sub(length));
                    if self.diff_id.is_none() && self.left == Some(0) {
                        return Poll::Ready(Piece::Last(bytes));
                    }
                    let bytes = match &self.diff_id {
                        // Docker 1.6 does not check the digest, and so the last bytes are held back until that is known.
                        Some(_) => core::mem::replace(&mut self.held, bytes),
                        None => bytes,
                    };
                    if !bytes.is_empty() {
                        return Poll::Ready(Piece::Bytes(bytes));
                    }
                }
                LayerPiece::End => return Poll::Ready(self.end()),
                LayerPiece::Broken { read } => {
                    return Poll::Ready(Piece::Ended(Copied::Broken { sent: Some(read) }));
                }
                LayerPiece::Failed(error) => return Poll::Ready(failed(&error)),
            }
        }
    }

    /// The last piece, once everything is checked.
    fn end(&mut self) -> Piece {
        let (Progress::Running(layer), Some(digest)) = (&self.layer, &self.digest) else {
            return Piece::Ended(Copied::Corrupt);
        };
        let is_right = match layer.facts(digest, self.blobs.as_ref()) {
            Ok(facts) => facts.is_some_and(|facts| self.diff_id.as_ref() == Some(&facts.diff_id)),
            Err(error) => {
                log::error(&error);
                false
            }
        };
        if !is_right || self.left.is_some_and(|left| left > 0) {
            return Piece::Ended(Copied::Corrupt);
        }
        Piece::Last(core::mem::take(&mut self.held))
    }
}

/// That a layer cannot be unpacked any further.
fn failed(error: &LayerError) -> Piece {
    match error {
        LayerError::Stopped => Piece::Ended(Copied::ClientGone),
        LayerError::Blob(_) => Piece::Ended(Copied::Broken { sent: None }),
        LayerError::Failed(error) | LayerError::Unreadable { error, .. } => {
            log::error(error);
            Piece::Ended(Copied::Corrupt)
        }
    }
}
