//! A layer that is being unpacked, whose bytes may come from one place after the other.

use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, ready};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use downshift::Digest;
use downshift::layer::LayerFacts;
use futures_util::{Stream, StreamExt as _};

use super::source::{Keeper, Source};
use crate::data::blob_cache::BlobCache;
use crate::engine::layers::{LayerError, LayerReaders, Unpacking, Wanted};
use crate::error::Error;
use crate::log;
use crate::work_budget::Asker;

/// A layer that is being unpacked, whose bytes may come from one place after the other.
pub(super) struct LayerInProgress {
    unpacking: Unpacking<Relay>,
    relay: Relay,
}

/// What comes next of a layer.
pub(super) enum Piece {
    /// Plain bytes.
    Plain(Bytes),
    /// All was read.
    End,
    /// The source broke off after so many bytes.
    Broken { read: u64 },
    /// It cannot be unpacked.
    Failed(LayerError),
}

impl LayerInProgress {
    /// Begins to read a layer for what there is to know of it, and counts what is read.
    pub(super) async fn for_facts(
        readers: &LayerReaders,
        asker: Asker,
        read: Arc<AtomicU64>,
    ) -> Result<Box<Self>, LayerError> {
        let relay = Relay { read, ..Relay::default() };
        let unpacking = readers.facts(relay.clone(), Some(asker)).await?;
        Ok(Box::new(Self { unpacking, relay }))
    }

    /// Begins to unpack a layer for some of its plain bytes.
    pub(super) async fn for_bytes(
        readers: &LayerReaders,
        wanted: Wanted,
        asker: Asker,
    ) -> Result<Box<Self>, LayerError> {
        let relay = Relay::default();
        let unpacking = readers.unpack(relay.clone(), wanted, Some(asker)).await?;
        Ok(Box::new(Self { unpacking, relay }))
    }

    /// Goes on with bytes from another place, of which so many are to come.
    pub(super) fn go_on(&self, source: Source, length: Option<u64>) {
        let mut state = self.relay.lock();
        *state = RelayState { source: Some(source), left: length, read: 0, is_broken: false };
    }

    pub(super) fn poll_next(&mut self, task: &mut Context<'_>) -> Poll<Piece> {
        match self.unpacking.poll_next_unpin(task) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Piece::Plain(bytes)),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Piece::Failed(error)),
            Poll::Ready(None) => Poll::Ready(Piece::End),
            Poll::Pending => {
                let state = self.relay.lock();
                if state.is_broken { Poll::Ready(Piece::Broken { read: state.read }) } else { Poll::Pending }
            }
        }
    }

    /// What is known of the layer, all of which was read: checked against its digest, and if it is a file of a store, that it
    /// is still what it was. A cached one that has another digest by now is cached no more.
    pub(super) fn facts(
        &self,
        digest: &Digest,
        blobs: Option<&Arc<BlobCache>>,
    ) -> Result<Option<LayerFacts>, Error> {
        let state = self.relay.lock();
        let Some(facts) = self.unpacking.facts().filter(|facts| facts.digest == *digest) else {
            match state.source.as_ref().map(Source::keeper) {
                Some(Keeper::Cache) => {
                    if let Some(blobs) = blobs {
                        let (blobs, digest) = (Arc::clone(blobs), digest.clone());
                        tokio::spawn(async move { blobs.remove(&digest).await });
                    }
                }
                Some(Keeper::Store) => log::error(&Error::Corrupt { digest: digest.clone() }),
                Some(Keeper::Nobody) | None => {}
            }
            return Ok(None);
        };
        if let Some(source) = &state.source {
            source.finish_checked(true)?;
        }
        Ok(Some(facts.clone()))
    }
}

/// The bytes of a blob, from one place after the other.
#[derive(Clone, Default)]
struct Relay {
    state: Arc<Mutex<RelayState>>,
    /// Bytes that came of all places.
    read: Arc<AtomicU64>,
}

#[derive(Default)]
struct RelayState {
    source: Option<Source>,
    /// Bytes that are left of it, if that is known.
    left: Option<u64>,
    /// Bytes that came of it.
    read: u64,
    /// Whether it broke off: then it takes another one.
    is_broken: bool,
}

impl Relay {
    fn lock(&self) -> MutexGuard<'_, RelayState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Relay {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.lock();
        let state = &mut *state;
        if state.left == Some(0) {
            return Poll::Ready(None);
        }
        // Whoever polls sees that it is broken, and goes on with another one.
        let Some(source) = state.source.as_mut().filter(|_| !state.is_broken) else { return Poll::Pending };
        match ready!(source.poll_next(task)) {
            Ok(chunk) if chunk.is_empty() && state.left.is_none() => Poll::Ready(None),
            Ok(mut chunk) if !chunk.is_empty() => {
                chunk.truncate(
                    state.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)),
                );
                let length = chunk.len() as u64;
                state.read += length;
                self.read.fetch_add(length, Ordering::Relaxed);
                state.left = state.left.map(|left| left - length);
                Poll::Ready(Some(Ok(chunk)))
            }
            _ => {
                state.is_broken = true;
                Poll::Pending
            }
        }
    }
}
