//! A layer that is being unpacked, as its reader sees it.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use bytes::Bytes;
use downshift_layer::LayerFacts;
use futures_util::Stream;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio_util::sync::PollSender;

use super::error::LayerError;
use crate::error::Error;

/// Bytes that go to the thread at a time, at the most.
pub(super) const CHUNK_BYTES: usize = 128 * 1024;

/// How many chunks may be on their way.
pub(super) const CHUNKS: usize = 4;

/// What a thread gets.
pub(super) enum Input {
    Bytes(Bytes),
    /// That was all of the blob.
    End,
    /// The rest of it does not come.
    Broken(io::Error),
}

/// What comes from a thread.
pub(super) enum Output {
    /// Plain bytes, or what stands for them.
    Plain(Bytes),
    /// That was all, and this is what is known of the layer, if all of it was read.
    End(Box<Option<LayerFacts>>),
    Failed(LayerError),
}

/// The plain bytes of a layer, as they come. The work ends where this is dropped.
pub(crate) struct Unpacking<B> {
    /// The blob, until it is over.
    blob: Option<B>,
    /// Bytes of it that are not on their way yet.
    pending: Bytes,
    to_thread: PollSender<Input>,
    from_thread: Receiver<Output>,
    facts: Option<LayerFacts>,
    is_over: bool,
}

impl<B: Stream<Item = io::Result<Bytes>> + Unpin> Unpacking<B> {
    pub(super) fn new(blob: B, to_thread: Sender<Input>, from_thread: Receiver<Output>) -> Self {
        let to_thread = PollSender::new(to_thread);
        Self { blob: Some(blob), pending: Bytes::new(), to_thread, from_thread, facts: None, is_over: false }
    }

    /// What is known of the layer, once it has been read to its end.
    pub(crate) fn facts(&self) -> Option<&LayerFacts> {
        self.facts.as_ref()
    }

    /// The same.
    #[cfg(test)]
    pub(crate) fn into_facts(self) -> Option<LayerFacts> {
        self.facts
    }

    /// Passes on what comes of the blob, as far as there is room for it.
    fn poll_blob(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(blob) = &mut self.blob {
            // A thread that is gone says why by itself.
            if ready!(self.to_thread.poll_reserve(context)).is_err() {
                self.blob = None;
                return Poll::Ready(());
            }
            while self.pending.is_empty() {
                match ready!(Pin::new(&mut *blob).poll_next(context)) {
                    Some(Ok(bytes)) => self.pending = bytes,
                    Some(Err(error)) => return self.finish(Input::Broken(error)),
                    None => return self.finish(Input::End),
                }
            }
            let chunk = self.pending.split_to(self.pending.len().min(CHUNK_BYTES));
            let _ = self.to_thread.send_item(Input::Bytes(chunk));
        }
        Poll::Ready(())
    }

    fn finish(&mut self, last: Input) -> Poll<()> {
        let _ = self.to_thread.send_item(last);
        self.blob = None;
        Poll::Ready(())
    }
}

impl<B: Stream<Item = io::Result<Bytes>> + Unpin> Stream for Unpacking<B> {
    type Item = Result<Bytes, LayerError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let unpacking = self.get_mut();
        if unpacking.is_over {
            return Poll::Ready(None);
        }
        let _ = unpacking.poll_blob(context);
        let output = ready!(unpacking.from_thread.poll_recv(context));
        if let Some(Output::Plain(bytes)) = output {
            return Poll::Ready(Some(Ok(bytes)));
        }
        unpacking.is_over = true;
        unpacking.blob = None;
        Poll::Ready(match output {
            Some(Output::End(facts)) => {
                unpacking.facts = *facts;
                None
            }
            Some(Output::Failed(error)) => Some(Err(error)),
            _ => Some(Err(Error::Panicked.into())),
        })
    }
}
