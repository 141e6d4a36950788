//! The streams of HTTP/2 connections: one whose client takes nothing of its response is reset by itself, and the others
//! on its connection go on.
//!
//! With HTTP/1 the connection itself tells who takes nothing.

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::task;

use super::timer::Timer;
use crate::metrics::METRICS;

/// Bytes of a body that are handed on at once: as many as a frame has (RFC 9113, 4.2). Each is progress of its own.
const PIECE_BYTES: usize = 16 * 1024;

/// No deadline.
const NEVER: u64 = u64::MAX;

tokio::task_local! {
    /// The reader of the stream that is served.
    static READER: Arc<Reader>;
}

/// The client of one stream, as the reader of its response.
pub(super) struct Reader {
    opened: Instant,
    /// Until when it has to take something, in milliseconds since the stream was opened.
    deadline: AtomicU64,
}

impl Reader {
    fn new() -> Self {
        Self { opened: Instant::now(), deadline: AtomicU64::new(NEVER) }
    }

    /// The reader of the stream that is served, if that is one of HTTP/2.
    pub(super) fn current() -> Option<Arc<Self>> {
        READER.try_with(Arc::clone).ok()
    }

    /// Notes that there is something to take, for which the client has so long.
    fn wait(&self, timeout: Duration) {
        let deadline = (self.opened.elapsed() + timeout).as_millis();
        self.deadline.store(u64::try_from(deadline).unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// Notes that there is nothing to take.
    fn rest(&self) {
        self.deadline.store(NEVER, Ordering::Relaxed);
    }

    fn deadline(&self) -> Option<Instant> {
        match self.deadline.load(Ordering::Relaxed) {
            NEVER => None,
            milliseconds => Some(self.opened + Duration::from_millis(milliseconds)),
        }
    }
}

/// Runs the streams of HTTP/2 connections, each until its response is sent or its reader is stuck. What is dropped then
/// is reset (RFC 9113, 5.4.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let reader = Arc::new(Reader::new());
        task::spawn(READER.scope(Arc::clone(&reader), async move {
            let (mut stream, mut timer) = (pin!(stream), Timer::default());
            poll_fn(|context| {
                if stream.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                let Some(deadline) = reader.deadline() else { return Poll::Pending };
                ready!(timer.poll(deadline, context));
                METRICS.refused.with_label_values(&["stuck"]).inc();
                Poll::Ready(())
            })
            .await;
        }));
    }
}

/// Hands a body to HTTP/2 so that its end tells that the client has room for it.
///
/// hyper takes a piece as soon as the client has room for one byte of it, and is done with the response when it has taken
/// the last. That one is a single byte, so a client who has room for it has room for all that came before.
pub(super) struct Paced {
    reader: Arc<Reader>,
    timeout: Duration,
    /// What the body gave and nobody has taken yet.
    rest: Bytes,
}

impl Paced {
    /// For a response of which `reader` may take nothing for so long.
    pub(super) fn new(reader: Arc<Reader>, timeout: Duration) -> Self {
        reader.wait(timeout);
        Self { reader, timeout, rest: Bytes::new() }
    }

    /// The next piece of `body`.
    pub(super) fn poll_frame<B: Body<Data = Bytes> + Unpin>(
        &mut self,
        body: &mut B,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            // Whatever the body waits for is not the client.
            self.reader.rest();
            let frame = match ready!(Pin::new(&mut *body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
        let left = self.rest.len();
        let piece = match left {
            2..=PIECE_BYTES if has_ended(body) => left - 1,
            _ => left.min(PIECE_BYTES),
        };
        self.reader.wait(self.timeout);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    pub(super) fn is_end_stream(&self, body: &impl Body) -> bool {
        self.rest.is_empty() && has_ended(body)
    }

    pub(super) fn size_hint(&self, body: &impl Body) -> SizeHint {
        let mut hint = body.size_hint();
        let rest = self.rest.len() as u64;
        match hint.exact() {
            Some(left) => hint.set_exact(left + rest),
            None => hint.set_lower(hint.lower() + rest),
        }
        hint
    }
}

fn has_ended(body: &impl Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

#[cfg(test)]
mod tests {
    use core::task::Waker;

    use http_body_util::Full;

    use super::*;

    /// Bytes of the pieces that a body of `length` bytes is handed on in, and whether its end is known with each.
    fn pieces(length: usize) -> Vec<(usize, bool)> {
        let mut paced = Paced::new(Arc::new(Reader::new()), Duration::from_secs(1));
        let mut body = Full::new(Bytes::from(vec![7; length]));
        let mut pieces = Vec::new();
        let mut left = length as u64;
        let mut context = Context::from_waker(Waker::noop());
        while !paced.is_end_stream(&body) {
            assert_eq!(paced.size_hint(&body).exact(), Some(left));
            let Poll::Ready(Some(Ok(frame))) = paced.poll_frame(&mut body, &mut context) else { panic!() };
            let piece = frame.into_data().unwrap().len();
            left -= piece as u64;
            pieces.push((piece, paced.is_end_stream(&body)));
        }
        pieces
    }

    #[test]
    fn the_last_byte_comes_by_itself() {
        assert_eq!(pieces(0), []);
        assert_eq!(pieces(1), [(1, true)]);
        assert_eq!(pieces(2), [(1, false), (1, true)]);
        assert_eq!(pieces(PIECE_BYTES), [(PIECE_BYTES - 1, false), (1, true)]);
        assert_eq!(pieces(PIECE_BYTES + 1), [(PIECE_BYTES, false), (1, true)]);
        let (all, last) = (pieces(3 * PIECE_BYTES), [(PIECE_BYTES - 1, false), (1, true)]);
        assert_eq!(all, [&[(PIECE_BYTES, false); 2][..], &last].concat());
    }

    #[tokio::test]
    async fn a_stream_ends_where_its_client_takes_nothing_and_not_where_it_waits_for_others() {
        let (sender, mut ended) = tokio::sync::mpsc::unbounded_channel::<&str>();
        let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
        let waiting = sender.clone();
        Streams.execute(async move {
            let reader = Reader::current().unwrap();
            reader.wait(Duration::ZERO);
            reader.rest();
            wait.await.unwrap();
            waiting.send("what waits for others goes on").unwrap();
        });
        Streams.execute(async move {
            let _dropped = DropNote(sender, "what waits for its client ends");
            Reader::current().unwrap().wait(Duration::ZERO);
            core::future::pending::<()>().await;
        });
        assert_eq!(ended.recv().await, Some("what waits for its client ends"));
        go_on.send(()).unwrap();
        assert_eq!(ended.recv().await, Some("what waits for others goes on"));
    }

    struct DropNote(tokio::sync::mpsc::UnboundedSender<&'static str>, &'static str);

    impl Drop for DropNote {
        fn drop(&mut self) {
            let _ = self.0.send(self.1);
        }
    }
}
