//! The one who writes a blob that is being fetched.
//!
//! What comes is put into a queue, which threads of the blocking pool write and hash: one at a time, and only while there
//! is something in it. So the file is the buffer, and who reads slowly holds up nobody.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use downshift::Digest;
use tokio::sync::Notify;
use tokio::task;

use super::cache::{BlobCache, CachedBlob};
use super::flight::{Broken, Flight, Why};
use super::index::Uncached;
use crate::digest::DigestCheck;

/// Bytes that wait to be written. Who has more waits for the disk.
pub(super) const QUEUE_BYTES: usize = 1024 * 1024;

/// The one who writes a blob that is being fetched. Where it is dropped before [`commit`](Self::commit), what is there stays
/// for the next one, and readers are told.
pub(crate) struct Writer {
    job: Arc<Job>,
    /// Bytes that were there, or were taken since.
    taken: u64,
    size: Option<u64>,
}

/// What is written, and by whom.
pub(super) struct Job {
    pub(super) cache: Arc<BlobCache>,
    pub(super) digest: Digest,
    pub(super) flight: Arc<Flight>,
    pub(super) file: Arc<File>,
    pub(super) state: Mutex<State>,
    /// Tells the writer that something was taken from the queue.
    moved: Notify,
}

/// How far it is.
pub(super) struct State {
    queue: VecDeque<Bytes>,
    /// Bytes in the queue, and of what was taken from it and is being written.
    waiting: usize,
    /// Bytes in the file.
    written: u64,
    /// The hash of these; nothing while a thread has it, or once it is over.
    check: Option<DigestCheck>,
    is_running: bool,
    /// Why there will be no more, once that is so.
    end: Option<Why>,
    /// Whether all was seen to.
    is_settled: bool,
}

impl Writer {
    /// The writer of a blob of which `written` bytes are in `file`, whose hash is `check`.
    pub(super) fn new(
        cache: Arc<BlobCache>,
        digest: Digest,
        flight: Arc<Flight>,
        file: Arc<File>,
        (written, check): (u64, DigestCheck),
        size: Option<u64>,
    ) -> Self {
        let state = State {
            queue: VecDeque::new(),
            waiting: 0,
            written,
            check: Some(check),
            is_running: false,
            end: None,
            is_settled: false,
        };
        let job = Job { cache, digest, flight, file, state: Mutex::new(state), moved: Notify::new() };
        Self { job: Arc::new(job), taken: written, size }
    }

    /// How many bytes of the blob are there, or were taken: what follows these is to be written next.
    pub(crate) fn len(&self) -> u64 {
        self.taken
    }

    /// Says how large the blob is, or that nobody knows that, which readers wait for. It is for whoever has asked the origin.
    ///
    /// # Errors
    /// [`Broken`], if it has no place in the cache, or is smaller than what is there of it.
    pub(crate) async fn begin(&mut self, size: Option<u64>) -> Result<(), Broken> {
        if let Some(size) = size {
            if size < self.taken || self.size.is_some_and(|former| former != size) {
                return Err(self.end(Why::Corrupt).await);
            }
            let job = Arc::clone(&self.job);
            let grown = task::spawn_blocking(move || job.cache.grow(&job.digest, size)).await;
            if !matches!(grown, Ok(Ok(()))) {
                return Err(self.end(Why::Uncached).await);
            }
            self.size = Some(size);
            self.job.flight.has_size(size);
        }
        self.job.flight.begun();
        Ok(())
    }

    /// Takes the next bytes. It waits for the disk where too many wait for that already, and for nobody else.
    ///
    /// # Errors
    /// [`Broken`]: `Uncached` where there is no room, and `Corrupt` where these are more bytes than the blob has. Nothing more
    /// is taken then. What has come can still be [read](super::Reader) up to where the error says.
    pub(crate) async fn write(&mut self, chunk: Bytes) -> Result<(), Broken> {
        let taken = self.taken.saturating_add(chunk.len() as u64);
        if self.size.is_some_and(|size| taken > size) {
            return Err(self.end(Why::Corrupt).await);
        }
        self.job.flight.begun();
        loop {
            {
                let mut state = self.job.lock();
                if let Some(why) = state.end {
                    return Err(self.job.broken(why));
                }
                if state.waiting < QUEUE_BYTES {
                    self.taken = taken;
                    state.waiting += chunk.len();
                    state.queue.push_back(chunk);
                    self.job.run(&mut state);
                    return Ok(());
                }
            }
            self.job.moved.notified().await;
        }
    }

    /// Checks the blob, gives its end to those who wait for it, and keeps it: synchronised, and under its name. All of that
    /// goes on where this is dropped.
    ///
    /// # Errors
    /// [`Broken`]: `Interrupted` if bytes are missing, which can be fetched later; `Corrupt`, and nothing is kept; `Uncached`
    /// if it could not be kept, though readers may have all of it.
    pub(crate) async fn commit(self) -> Result<CachedBlob, Broken> {
        // Who ends it meanwhile leaves the rest to the thread.
        while !self.job.take_over() {
            self.job.moved.notified().await;
        }
        let (job, size) = (Arc::clone(&self.job), self.size);
        let committed = task::spawn_blocking(move || job.commit(size)).await;
        committed.unwrap_or_else(|_| Err(self.job.broken(Why::Interrupted)))
    }

    /// Whether anybody reads it. Where nobody does, it need not be fetched to its end.
    #[cfg(test)]
    pub(crate) fn is_wanted(&self) -> bool {
        self.job.flight.is_wanted()
    }

    /// Waits until nobody reads it.
    pub(crate) async fn unwanted(&self) {
        self.job.flight.unwanted().await;
    }

    /// Ends it, and waits until all was seen to.
    async fn end(&mut self, why: Why) -> Broken {
        let job = Arc::clone(&self.job);
        // On a thread, as files may have to go.
        let _ = task::spawn_blocking(move || job.end(why)).await;
        while !self.job.flight.is_over() {
            self.job.moved.notified().await;
        }
        self.job.broken(why)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.job.end(Why::Interrupted);
    }
}

impl Job {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self, why: Why) -> Broken {
        Broken { good: self.flight.readable(), why }
    }

    /// Becomes the one that runs, if none does.
    fn take_over(&self) -> bool {
        !core::mem::replace(&mut self.lock().is_running, true)
    }

    /// Has a thread write what is in the queue, if none does.
    fn run(self: &Arc<Self>, state: &mut State) {
        if !state.is_running {
            state.is_running = true;
            let job = Arc::clone(self);
            task::spawn_blocking(move || job.write_queue());
        }
    }

    /// Writes until the queue is empty, or it is over.
    fn write_queue(&self) {
        let Some(mut check) = self.lock().check.take() else { return };
        loop {
            let (chunks, at) = {
                let mut state = self.lock();
                if state.queue.is_empty() || state.end.is_some() {
                    state.check = Some(check);
                    state.is_running = false;
                    break;
                }
                (core::mem::take(&mut state.queue), state.written)
            };
            let written = self.write_chunks(&chunks, at, &mut check);
            let mut state = self.lock();
            state.waiting -= chunks.iter().map(Bytes::len).sum::<usize>();
            match written {
                Ok(written) => state.written = written,
                Err(_) => state.end = state.end.or(Some(Why::Uncached)),
            }
            drop(state);
            self.moved.notify_one();
        }
        self.moved.notify_one();
        self.settle();
    }

    fn write_chunks(
        &self,
        chunks: &VecDeque<Bytes>,
        mut at: u64,
        check: &mut DigestCheck,
    ) -> Result<u64, Uncached> {
        for chunk in chunks {
            let end = at + chunk.len() as u64;
            self.cache.grow(&self.digest, end)?;
            self.cache.write(&self.file, chunk, at)?;
            check.update(chunk);
            at = end;
            self.flight.written(at);
        }
        Ok(at)
    }

    /// Ends it for a reason, unless it has ended.
    fn end(&self, why: Why) {
        {
            let mut state = self.lock();
            state.end.get_or_insert(why);
            // Who writes does the rest.
            if state.is_running {
                return;
            }
        }
        self.settle();
    }

    /// Does once what there is to do at an end, if that has come.
    fn settle(&self) {
        let (why, written) = {
            let mut state = self.lock();
            let Some(why) = state.end else { return };
            if core::mem::replace(&mut state.is_settled, true) {
                return;
            }
            (why, state.written)
        };
        self.cache.abandon(&self.digest, why, written);
        // After that: who is told asks for it again.
        self.flight.broken(why);
        self.moved.notify_one();
    }

    /// Checks and keeps the blob. Nobody else runs.
    fn commit(&self, size: Option<u64>) -> Result<CachedBlob, Broken> {
        let kept = self.keep(size);
        {
            let mut state = self.lock();
            state.is_running = false;
            state.end = Some(kept.as_ref().err().copied().unwrap_or(Why::Interrupted));
            // Where it is in its place, nothing is left to do.
            state.is_settled = kept.is_ok();
        }
        self.settle();
        kept.map_err(|why| self.broken(why))
    }

    fn keep(&self, size: Option<u64>) -> Result<CachedBlob, Why> {
        let (check, written, failure) = {
            let mut state = self.lock();
            (state.check.take(), state.written, state.end.filter(|why| *why != Why::Interrupted))
        };
        if let Some(why) = failure {
            return Err(why);
        }
        if size.is_some_and(|size| written < size) {
            return Err(Why::Interrupted);
        }
        if check.is_none_or(|check| check.finish().is_err()) {
            return Err(Why::Corrupt);
        }
        self.flight.whole(written);
        let pin = self.flight.pin.clone();
        self.cache.complete(&self.digest, &self.file, written, pin).map_err(|_| Why::Uncached)
    }
}
