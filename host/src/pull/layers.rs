//! Layers: what is known of them, read by passes that several pulls wait for, and unpacked on their way to a client.

use core::future::poll_fn;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll, ready};
use core::time::Duration;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use downshift::Digest;
use downshift::answer::LayerRecord;
use downshift_pull::{BlobAt, Copy, Done, Effect, KnownLayer, LayerRead, Learnt, Pull, Trouble};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::{Semaphore, watch};

use super::body::{Keeper, Source};
use super::context::Context;
use super::driver::Driver;
use super::effects::{Outcome, Shared, When, later};
use super::stored;
use super::trouble::trouble;
use crate::data::blob_cache::BlobCache;
use crate::engine::layers::{LayerError, Unpacking};
use crate::error::Error;
use crate::log;

/// How many layers may wait to be read, or be read, at the same time. Who wants one more is told to come again.
const MAX_PASSES: usize = 1_000;

/// For how long a pass goes on once nobody has waited for it any more: a slow registry must not keep others waiting for ever.
const ABANDONED: Duration = Duration::from_secs(600);

/// How many layers are read at the same time. Each holds a connection to its registry, and they take turns to be unpacked.
pub(crate) const PASSES_AT_ONCE: usize = 16;

/// Layers that are being read: each once for all who wait for it.
pub(crate) struct LayerPasses {
    passes: Mutex<HashMap<BlobAt, watch::Sender<Option<Learnt>>>>,
    room: Arc<Semaphore>,
}

impl LayerPasses {
    /// No passes, of which so many go on at once.
    pub(crate) fn new(at_once: usize) -> Self {
        let room = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
        Self { passes: Mutex::default(), room }
    }

    /// What comes of reading a layer, by the pass that is under way or a new one. A pass that has begun goes on to its end
    /// where nobody waits for it any more, for what it learns is kept; one that has not is not begun.
    async fn join(self: Arc<Self>, shared: Arc<Shared>, at: BlobAt, context: PassContext) -> Learnt {
        let mut waiting = {
            let mut passes = self.lock();
            match passes.get(&at) {
                Some(pass) => pass.subscribe(),
                None if passes.len() >= MAX_PASSES => return Learnt::Busy,
                None => {
                    let (pass, waiting) = watch::channel(None);
                    passes.insert(at.clone(), pass.clone());
                    tokio::spawn(Arc::clone(&self).pass(shared, at, pass, context));
                    waiting
                }
            }
        };
        match waiting.wait_for(Option::is_some).await.map(|learnt| learnt.clone()) {
            Ok(Some(learnt)) => learnt,
            _ => Learnt::Busy,
        }
    }

    async fn pass(
        self: Arc<Self>,
        shared: Arc<Shared>,
        at: BlobAt,
        pass: watch::Sender<Option<Learnt>>,
        context: PassContext,
    ) {
        let _room = loop {
            tokio::select! {
                biased;
                () = pass.closed() => {
                    let mut passes = self.lock();
                    // Somebody may have come meanwhile.
                    if pass.receiver_count() == 0 {
                        passes.remove(&at);
                        return;
                    }
                }
                room = Arc::clone(&self.room).acquire_owned() => break room,
            }
        };
        let pull = Pull::reading(Arc::clone(&shared.settings), at.clone());
        let mut driver = Driver::of(&shared, pull, context.address, context.asker);
        let read = AssertUnwindSafe(poll_fn(|task| driver.poll_end(task))).catch_unwind();
        let abandoned = async {
            pass.closed().await;
            tokio::time::sleep(ABANDONED).await;
        };
        // Where it panics, or takes too long for nobody, those who come next begin anew.
        tokio::select! {
            _ = read => {}
            () = abandoned => {}
        }
        let learnt = driver.context.learnt.take().unwrap_or(Learnt::Busy);
        let mut passes = self.lock();
        passes.remove(&at);
        pass.send_replace(Some(learnt));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobAt, watch::Sender<Option<Learnt>>>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On whose behalf a pass takes its turns.
struct PassContext {
    address: core::net::IpAddr,
    asker: crate::work_budget::Asker,
}

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
    /// Goes on with bytes from another place, of which so many are to come.
    pub(super) fn go_on(&self, source: Source, length: Option<u64>) {
        let mut state = self.relay.lock();
        *state = RelayState { source: Some(source), left: length, read: 0, is_broken: false };
    }

    pub(super) fn poll_next(&mut self, task: &mut TaskContext<'_>) -> Poll<Piece> {
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
    ) -> Result<Option<downshift::layer::LayerFacts>, Error> {
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
struct Relay(Arc<Mutex<RelayState>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Relay {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
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

impl Shared {
    /// Carries out an effect that is about layers.
    pub(super) fn on_layers(self: &Arc<Self>, effect: Effect, context: &mut Context) -> When {
        let records = Arc::clone(&self.records);
        match effect {
            Effect::RecallFacts { name, digest } => later(async move {
                let known = stored::blocking(move || {
                    let is_seen = records.is_known_blob(&name, &digest)?;
                    Ok(KnownLayer { facts: records.facts(&digest)?, is_seen })
                });
                Outcome::Done(Done::KnownLayer(known.await.map_err(|error| trouble(&error))))
            }),
            Effect::KeepFacts(LayerRecord { name, facts }) => later(async move {
                let kept = async {
                    records.keep_known_blob(&name, &facts.digest).await?;
                    records.keep_facts(&facts).await
                };
                Outcome::Done(Done::Recorded(kept.await.map_err(|error| trouble(&error))))
            }),
            Effect::RememberBlob { name, digest } => later(async move {
                // Where that is not kept, the registry is asked again.
                if let Err(error) = records.keep_known_blob(&name, &digest).await {
                    log::error(&error);
                }
                Outcome::Done(Done::Nothing)
            }),
            Effect::RecallLayer { name, diff_id } => {
                // Most blobs are no layers that were reported by a diff id.
                match records.has_sources(&name, &diff_id) {
                    Ok(false) => When::Now(Done::Sources(Ok(Vec::new()))),
                    _ => later(async move {
                        let sources = stored::blocking(move || records.sources(&name, &diff_id)).await;
                        Outcome::Done(Done::Sources(sources.map_err(|error| trouble(&error))))
                    }),
                }
            }
            Effect::RecordLayers(layers) => {
                context.evictions.get_or_insert_with(|| self.records.evictions());
                let layers = layers.into_iter().map(|LayerRecord { name, facts }| (name, facts)).collect();
                later(async move {
                    let kept = records.keep_layers(layers).await;
                    Outcome::Done(Done::Recorded(kept.map_err(|error| trouble(&error))))
                })
            }
            Effect::Learn(at) => {
                let (passes, shared) = (Arc::clone(&self.passes), Arc::clone(self));
                let context = PassContext { address: context.address, asker: context.asker };
                later(async move { Outcome::Done(Done::Learnt(passes.join(shared, at, context).await)) })
            }
            Effect::Learnt(learnt) => {
                context.learnt = Some(learnt);
                When::Now(Done::Nothing)
            }
            Effect::ReadLayer(copy) => self.read_layer(copy, context),
            _ => When::Now(Done::Nothing),
        }
    }

    fn read_layer(self: &Arc<Self>, copy: Copy, context: &mut Context) -> When {
        let source = context.take(copy.body).and_then(|body| Source::of(body, copy.start));
        let Some((source, digest)) = source.zip(copy.check) else {
            return When::Now(Done::LayerRead(Ok(LayerRead::Broken { read: None })));
        };
        let (begun, shared, asker) = (context.layer.take(), Arc::clone(self), context.asker);
        later(async move {
            let begun = match begun {
                Some(layer) => Ok(layer),
                None => shared.layer_for_facts(asker).await,
            };
            let mut layer = match begun {
                Ok(layer) => layer,
                Err(error) => return Outcome::Done(Done::LayerRead(read_failed(error, &digest))),
            };
            layer.go_on(source, copy.length);
            loop {
                let read = match poll_fn(|task| layer.poll_next(task)).await {
                    Piece::Plain(_) => continue,
                    Piece::End => match layer.facts(&digest, shared.blobs.as_ref()) {
                        Ok(Some(facts)) => Ok(LayerRead::Facts(facts)),
                        Ok(None) => Ok(LayerRead::Corrupt),
                        Err(error) => Err(trouble(&error)),
                    },
                    Piece::Broken { read } => {
                        let read = copy.length.is_some().then_some(read);
                        return Outcome::Layer(Done::LayerRead(Ok(LayerRead::Broken { read })), layer);
                    }
                    Piece::Failed(error) => read_failed(error, &digest),
                };
                return Outcome::Done(Done::LayerRead(read));
            }
        })
    }

    /// Begins to read a layer for what there is to know of it.
    async fn layer_for_facts(
        &self,
        asker: crate::work_budget::Asker,
    ) -> Result<Box<LayerInProgress>, LayerError> {
        let relay = Relay::default();
        let unpacking = self.layers.facts(relay.clone(), Some(asker)).await?;
        Ok(Box::new(LayerInProgress { unpacking, relay }))
    }

    /// Begins to unpack a layer for some of its plain bytes.
    pub(super) async fn layer_for_bytes(
        &self,
        range: core::ops::Range<u64>,
        asker: crate::work_budget::Asker,
    ) -> Result<Box<LayerInProgress>, LayerError> {
        let relay = Relay::default();
        let unpacking = self.layers.unpack(relay.clone(), range, Some(asker)).await?;
        Ok(Box::new(LayerInProgress { unpacking, relay }))
    }
}

/// What a pull is told of a layer that could not be read.
fn read_failed(error: LayerError, digest: &Digest) -> Result<LayerRead, Trouble> {
    match error {
        LayerError::Unreadable { digest: own, .. } if own != *digest => Ok(LayerRead::Corrupt),
        LayerError::Failed(Error::Core(failure))
        | LayerError::Unreadable { error: Error::Core(failure), .. } => {
            Ok(LayerRead::Refused { code: failure.code.into_owned(), cause: failure.cause })
        }
        LayerError::Failed(error) | LayerError::Unreadable { error, .. } => Err(trouble(&error)),
        LayerError::Blob(_) | LayerError::Stopped => Ok(LayerRead::Broken { read: None }),
    }
}
