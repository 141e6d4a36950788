//! The readers of a server: each layer has a thread, and all of them take turns.
//!
//! How fast a layer goes on is up to its registry and its client, which may both be slow. So what is limited is not how many
//! layers there are, but how many of them work at once: a thread has a turn while it unpacks, and gives it back where it waits.
//! Their memory is a part of the [`WorkBudget`].

use core::ops::Range;
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use downshift_layer::{LayerFacts, Limits};
use downshift_registry::Parts;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::Stream;
use tokio::runtime::Handle;
use tokio::select;
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::LayerError;
use super::pass::LayerPass;
use super::reader::LayerEngine;
use super::unpacking::{CHUNK_BYTES, CHUNKS, Input, Output, Unpacking};
use crate::engine::wasm::MakeRoom;
use crate::error::Error;
use crate::work_budget::{Asker, Charge, WorkBudget};

/// Bytes of a layer that are on their way: to its thread, and from there.
pub(super) const IN_CHANNELS: usize = 2 * CHUNKS * CHUNK_BYTES;

/// The readers of a server.
pub(crate) struct LayerReaders {
    engine: Arc<LayerEngine>,
    limits: Limits,
    turns: Arc<Semaphore>,
    work: Arc<WorkBudget>,
}

/// Bytes that gzip takes: 256 KiB of windows and tables in zlib-rs, and what it has made.
pub(super) const GZIP_BYTES: usize = 384 * 1024;

/// Plain bytes of a layer that are wanted.
pub(crate) struct Wanted {
    /// Each behind the one before, with bytes to give beside them. Where the last ends before the layer does, the rest is not
    /// read.
    pub(crate) parts: Parts,
    /// Whether they are compressed with gzip.
    pub(crate) gzip: bool,
}

impl From<Range<u64>> for Wanted {
    fn from(range: Range<u64>) -> Self {
        Self { parts: Parts::one(range), gzip: false }
    }
}

impl LayerReaders {
    /// Readers, of which `at_once` work at once.
    pub(crate) fn new(engine: LayerEngine, limits: Limits, at_once: usize, work: Arc<WorkBudget>) -> Self {
        let turns = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
        Self { engine: Arc::new(engine), limits, turns, work }
    }

    /// The same with other limits, for the layers to come.
    pub(crate) fn with_limits(&self, limits: Limits) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            limits,
            turns: Arc::clone(&self.turns),
            work: Arc::clone(&self.work),
        }
    }

    /// How many readers work at once with so many processors: the others are for the requests.
    pub(crate) fn at_once(processors: usize) -> usize {
        (processors / 2).max(1)
    }

    /// How often a reader has trapped so far.
    pub(crate) fn traps(&self) -> u64 {
        self.engine.traps()
    }

    /// The plain bytes of a layer that are `wanted`, on behalf of `asker`; with `0..u64::MAX` all of them, behind which are the
    /// facts.
    ///
    /// It is for the caller to compare these with what it expects, and to hold the last bytes back until then.
    ///
    /// # Errors
    /// [`Error::Busy`] if there is no room for one more.
    pub(crate) async fn unpack<B>(
        &self,
        blob: B,
        wanted: impl Into<Wanted>,
        asker: Option<Asker>,
    ) -> Result<Unpacking<B>, LayerError>
    where
        B: Stream<Item = io::Result<Bytes>> + Unpin,
    {
        self.start(blob, Some(wanted.into()), asker).await
    }

    /// What is known of a layer, all of whose bytes are read for that.
    ///
    /// # Errors
    /// Any [`LayerError`] but [`LayerError::Stopped`].
    #[cfg(test)]
    pub(crate) async fn read<B>(&self, blob: B, asker: Option<Asker>) -> Result<LayerFacts, LayerError>
    where
        B: Stream<Item = io::Result<Bytes>> + Unpin,
    {
        use futures_util::StreamExt as _;

        let mut unpacking = self.facts(blob, asker).await?;
        while let Some(bytes) = unpacking.next().await {
            bytes?;
        }
        unpacking.into_facts().ok_or_else(|| Error::Panicked.into())
    }

    /// The same step by step: it gives no bytes, and ends with the facts.
    ///
    /// # Errors
    /// [`Error::Busy`] if there is no room for one more.
    pub(crate) async fn facts<B>(&self, blob: B, asker: Option<Asker>) -> Result<Unpacking<B>, LayerError>
    where
        B: Stream<Item = io::Result<Bytes>> + Unpin,
    {
        self.start(blob, None, asker).await
    }

    async fn start<B>(
        &self,
        blob: B,
        wanted: Option<Wanted>,
        asker: Option<Asker>,
    ) -> Result<Unpacking<B>, LayerError>
    where
        B: Stream<Item = io::Result<Bytes>> + Unpin,
    {
        let gzip = wanted.as_ref().is_some_and(|wanted| wanted.gzip);
        let beside = if gzip { IN_CHANNELS + GZIP_BYTES } else { IN_CHANNELS };
        let charge = self.work.charge(asker, beside).await?;
        let (to_thread, input) = mpsc::channel(CHUNKS);
        let (output, from_thread) = mpsc::channel(CHUNKS);
        let turn = Arc::new(Turn {
            turns: Arc::clone(&self.turns),
            permit: Mutex::default(),
            output: output.clone(),
            runtime: Handle::current(),
        });
        let job = Job {
            engine: Arc::clone(&self.engine),
            limits: self.limits.clone(),
            wanted,
            beside,
            charge,
            input,
            output,
            turn,
        };
        let thread = thread::Builder::new().name("layer".to_owned()).spawn(move || job.run());
        thread.map_err(|_| Error::Busy)?;
        Ok(Unpacking::new(blob, to_thread, from_thread))
    }
}

/// A layer, as its thread has it.
struct Job {
    engine: Arc<LayerEngine>,
    limits: Limits,
    /// Nothing where it is read for its facts.
    wanted: Option<Wanted>,
    /// Bytes of memory beside those of the reader.
    beside: usize,
    charge: Charge,
    input: Receiver<Input>,
    output: Sender<Output>,
    turn: Arc<Turn>,
}

impl Job {
    fn run(self) {
        let output = self.output.clone();
        let end = match self.read() {
            Ok(facts) => Output::End(Box::new(facts)),
            // Of an error that is its own nobody hears who is gone.
            Err(error) => Output::Failed(error),
        };
        let _ = output.blocking_send(end);
    }

    /// Reads the layer: what is known of it, unless its end is not wanted.
    fn read(self) -> Result<Option<LayerFacts>, LayerError> {
        let Self { engine, limits, wanted, beside, charge, mut input, output, turn } = self;
        turn.take()?;
        let make_room = make_room(charge, beside, Arc::clone(&turn));
        let of_abandoned = output.clone();
        let reader =
            engine.open(&limits, Some(make_room), Some(Box::new(move || of_abandoned.is_closed())))?;
        let mut pass = LayerPass::new(reader);
        let mut delivery = Delivery::new(wanted, output, turn);
        loop {
            match delivery.next(&mut input)? {
                Input::Bytes(bytes) => {
                    let fed = pass.feed(&bytes, &mut |plain| delivery.deliver(plain));
                    match fed {
                        Err(LayerError::Stopped) if delivery.has_enough() => return Ok(None),
                        Err(LayerError::Failed(error @ Error::Core(_))) if delivery.wants_facts() => {
                            return Err(pass.refused(error, || delivery.next(&mut input)));
                        }
                        fed => fed?,
                    }
                }
                Input::End => {
                    let facts = pass.finish()?;
                    delivery.finish()?;
                    return Ok(Some(facts));
                }
                Input::Broken(error) => return Err(LayerError::Blob(error)),
            }
        }
    }
}

/// Has `charge` grow with the memory of a reader. Nobody waits for it with a turn.
fn make_room(mut charge: Charge, beside: usize, turn: Arc<Turn>) -> MakeRoom {
    Box::new(move |bytes| {
        let bytes = bytes.saturating_add(beside);
        if charge.try_grow_to(bytes) {
            return true;
        }
        turn.give_back();
        let grown = turn.runtime.block_on(async {
            select! {
                () = turn.output.closed() => false,
                grown = charge.grow_to(bytes) => grown.is_ok(),
            }
        });
        grown && turn.take().is_ok()
    })
}

/// The right to work, which a thread has or has not.
struct Turn {
    turns: Arc<Semaphore>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    /// Closed once nobody wants the layer any more.
    output: Sender<Output>,
    runtime: Handle,
}

impl Turn {
    /// Waits for a turn.
    fn take(&self) -> Result<(), LayerError> {
        let turns = || Arc::clone(&self.turns);
        let permit = match turns().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.runtime.block_on(async {
                select! {
                    () = self.output.closed() => Err(LayerError::Stopped),
                    permit = turns().acquire_owned() => permit.map_err(|_| LayerError::Stopped),
                }
            })?,
        };
        self.set(Some(permit));
        Ok(())
    }

    fn give_back(&self) {
        self.set(None);
    }

    fn set(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

/// What goes in and out of a thread.
struct Delivery {
    /// The parts that are still to come, if any bytes are wanted.
    parts: Option<VecDeque<(Bytes, Range<u64>)>>,
    /// What comes after them.
    end: Bytes,
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// Plain bytes so far.
    at: u64,
    output: Sender<Output>,
    turn: Arc<Turn>,
}

impl Delivery {
    fn new(wanted: Option<Wanted>, output: Sender<Output>, turn: Arc<Turn>) -> Self {
        let gzip = wanted.as_ref().is_some_and(|wanted| wanted.gzip);
        let (parts, end) = match wanted {
            Some(Wanted { parts: Parts { parts, end }, .. }) => (Some(parts.into()), end),
            None => (None, Bytes::new()),
        };
        let gzip = gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self { parts, end, gzip, at: 0, output, turn }
    }

    /// Whether all that is wanted was delivered, and the layer goes on.
    fn has_enough(&self) -> bool {
        self.parts.as_ref().is_some_and(VecDeque::is_empty)
    }

    /// Whether all of the layer is read for what there is to know of it, and for nothing else.
    const fn wants_facts(&self) -> bool {
        self.parts.is_none()
    }

    /// The next bytes of the blob.
    fn next(&self, input: &mut Receiver<Input>) -> Result<Input, LayerError> {
        // There is somebody else's turn between two chunks, where somebody waits.
        self.turn.give_back();
        let next = match input.try_recv() {
            Ok(next) => Some(next),
            Err(TryRecvError::Empty) => input.blocking_recv(),
            Err(TryRecvError::Disconnected) => None,
        };
        let next = next.ok_or(LayerError::Stopped)?;
        self.turn.take()?;
        Ok(next)
    }

    /// Delivers of the next plain bytes what is wanted.
    fn deliver(&mut self, plain: &[u8]) -> Result<(), LayerError> {
        let before = self.at;
        self.at = before.saturating_add(plain.len() as u64);
        let Some(mut parts) = self.parts.take() else {
            return if self.output.is_closed() { Err(LayerError::Stopped) } else { Ok(()) };
        };
        let within =
            |at: u64| usize::try_from(at.saturating_sub(before)).unwrap_or(usize::MAX).min(plain.len());
        while let Some((head, range)) = parts.front_mut()
            && range.start < self.at
        {
            self.give(&core::mem::take(head))?;
            self.give(plain.get(within(range.start)..within(range.end)).unwrap_or_default())?;
            if range.end > self.at {
                break;
            }
            parts.pop_front();
        }
        self.parts = Some(parts);
        if !self.has_enough() {
            return Ok(());
        }
        self.finish()?;
        Err(LayerError::Stopped)
    }

    /// Delivers what comes after everything.
    fn finish(&mut self) -> Result<(), LayerError> {
        let end = core::mem::take(&mut self.end);
        self.give(&end)?;
        let Some(gzip) = self.gzip.take() else { return Ok(()) };
        // Memory takes everything.
        let rest = gzip.finish().map_err(LayerError::Blob)?;
        self.send(Output::Plain(rest.into()))
    }

    /// Gives bytes, as they are wanted.
    fn give(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        let bytes = match &mut self.gzip {
            None => Bytes::copy_from_slice(bytes),
            Some(gzip) => {
                gzip.write_all(bytes).map_err(LayerError::Blob)?;
                core::mem::take(gzip.get_mut()).into()
            }
        };
        if bytes.is_empty() { Ok(()) } else { self.send(Output::Plain(bytes)) }
    }

    fn send(&self, output: Output) -> Result<(), LayerError> {
        match self.output.try_send(output) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(output)) => {
                self.turn.give_back();
                self.output.blocking_send(output).map_err(|_| LayerError::Stopped)?;
                self.turn.take()
            }
            Err(TrySendError::Closed(_)) => Err(LayerError::Stopped),
        }
    }
}
