//! How long a host may be silent: before the head of a response, and before each piece of its body.
//!
//! reqwest has a limit for that, too (`read_timeout`). But it looks at the clock before it looks at what has come, so that an
//! answer which came in time is late on a machine with far more to do than it can; and the clock goes on while nobody wants
//! more of a body, so that a slow client breaks it. Here what has come counts, whenever somebody looks, and time is counted
//! only while there is nothing.

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io::{self, ErrorKind};

use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// What comes of `future` within `silence`.
pub(super) async fn within<F: Future>(silence: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    if let Ok(output) = timeout(silence, future.as_mut()).await {
        return Some(output);
    }
    // The task that reads from the connection may have been woken with this one, and comes first.
    yield_now().await;
    future.now_or_never()
}

/// The body of a response, whose host may be silent for some time.
pub(crate) struct ResponseBody {
    body: reqwest::Body,
    silence: Duration,
    clock: Option<Pin<Box<Sleep>>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// There was something when somebody looked last.
    Flowing,
    /// There was nothing, and the clock runs.
    Silent,
    /// The time is up, and the task that reads from the connection comes first once more.
    LastLook,
}

/// Why there is no more of a body.
#[derive(Debug)]
pub(super) enum Interrupted {
    Silent,
    Broken(reqwest::Error),
}

impl ResponseBody {
    pub(crate) fn new(body: reqwest::Body, silence: Duration) -> Self {
        Self { body, silence, clock: None, state: State::Flowing }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// The next bytes; at the end none.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let next = ready!(self.poll(context)).map_err(|why| match why {
            Interrupted::Silent => ErrorKind::TimedOut.into(),
            Interrupted::Broken(error) => io::Error::other(error),
        });
        Poll::Ready(next.map(Option::unwrap_or_default))
    }

    /// The next bytes; at the end nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Interrupted> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Interrupted>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                return self.wait(context).map(Err);
            };
            self.state = State::Flowing;
            match frame.transpose().map_err(Interrupted::Broken)?.map(Frame::into_data) {
                None => return Poll::Ready(Ok(None)),
                Some(Ok(bytes)) if !bytes.is_empty() => return Poll::Ready(Ok(Some(bytes))),
                // Trailers, or nothing.
                Some(_) => {}
            }
        }
    }

    /// Waits until the time is up.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Interrupted> {
        let silence = self.silence;
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(silence)));
        match self.state {
            State::Flowing => {
                clock.as_mut().reset(Instant::now() + silence);
                self.state = State::Silent;
            }
            State::Silent => {}
            State::LastLook => return Poll::Ready(Interrupted::Silent),
        }
        ready!(clock.poll_unpin(context));
        self.state = State::LastLook;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};
    use http_body_util::StreamBody;
    use tokio::sync::mpsc;

    use super::*;

    /// A body that comes as it is sent.
    fn body(silence: Duration) -> (mpsc::UnboundedSender<&'static str>, ResponseBody) {
        let (sender, mut pieces) = mpsc::unbounded_channel::<&'static str>();
        let pieces = stream::poll_fn(move |context| pieces.poll_recv(context));
        let frames = pieces.map(|piece| Ok::<_, io::Error>(Frame::data(Bytes::from(piece))));
        (sender, ResponseBody::new(reqwest::Body::wrap(StreamBody::new(frames)), silence))
    }

    #[tokio::test]
    async fn what_is_there_counts_though_the_time_is_up() {
        assert_eq!(within(Duration::ZERO, async { 7 }).await, Some(7));
        // Somebody else has been woken, too, and brings it.
        let bringing = tokio::spawn(async { 7 });
        assert_eq!(within(Duration::ZERO, bringing).await.unwrap().unwrap(), 7);
        assert_eq!(within(Duration::ZERO, core::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_body_is_late_only_where_nothing_comes() {
        let (sender, mut body) = body(Duration::ZERO);
        for piece in ["first", "", "second"] {
            sender.send(piece).unwrap();
        }
        // Time passes in which nobody wants more of it.
        assert_eq!(body.next().await.unwrap().unwrap(), "first");
        yield_now().await;
        assert_eq!(body.next().await.unwrap().unwrap(), "second");
        // Somebody else has been woken, too, and brings it.
        let bringing = sender.clone();
        tokio::spawn(async move { bringing.send("third") });
        assert_eq!(body.next().await.unwrap().unwrap(), "third");
        assert!(matches!(body.next().await, Err(Interrupted::Silent)));
        drop(sender);
        assert!(body.next().await.unwrap().is_none());
    }
}
