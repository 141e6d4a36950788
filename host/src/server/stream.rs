//! The bytes of a connection, with an eye on the clock: a client that is too slow is told so, and one that has nothing
//! to do is let go.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use downshift_registry::{Body, Response, error};
use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::timer::Timer;
use crate::metrics::METRICS;

/// With what an HTTP/2 connection begins (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI ";

/// How long an HTTP/2 client may take to go, once it was told to.
const PARTING: Duration = Duration::from_secs(5);

/// The response for a client that takes too long to send its request.
static TOO_SLOW: LazyLock<Vec<u8>> = LazyLock::new(|| closing(&error::request_timeout()));

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamTimes {
    /// For the head of a request, and for reading anything of a response.
    pub(super) request: Duration,
    /// For having nothing to do.
    pub(super) idle: Duration,
}

/// A stream of which the reader is told the end when the client is too slow or idle for too long.
pub(super) struct TimedStream<S> {
    stream: S,
    activity: Arc<Activity>,
    times: StreamTimes,
    /// When the first bytes of the next request came, and how many requests there were before it.
    head_begun: Option<(Instant, usize)>,
    /// Since when the client takes no bytes.
    stuck: Option<Instant>,
    /// Until when an HTTP/2 client that was told to go may stay.
    parting: Option<Instant>,
    /// How much of [`TOO_SLOW`] is written, once that has begun.
    told: Option<usize>,
    has_begun: bool,
    timer: Timer,
}

impl<S> TimedStream<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, times: StreamTimes) -> Self {
        Self {
            stream,
            activity,
            times,
            head_begun: None,
            stuck: None,
            parting: None,
            told: None,
            has_begun: false,
            timer: Timer::default(),
        }
    }

    /// Until when the client may take, if there is an end to it.
    fn deadline(&mut self) -> Option<Instant> {
        if let Some(since) = self.stuck {
            return Some(since + self.times.request);
        }
        let idle_since = self.activity.idle_since()?;
        let idle = self.parting.unwrap_or(idle_since + self.times.idle);
        let head = self.head_begun().filter(|_| !self.activity.is_http2());
        Some(head.map_or(idle, |begun| begun + self.times.request))
    }

    /// When the first bytes of the next request came, unless none have come yet.
    fn head_begun(&self) -> Option<Instant> {
        let begun = self.activity.begun();
        self.head_begun.filter(|(_, before)| *before == begun).map(|(at, _)| at)
    }

    /// Ready when the client has taken too long.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.deadline() {
            Some(deadline) => self.timer.poll(deadline, context),
            None => Poll::Pending,
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if !self.has_begun {
            self.has_begun = true;
            if bytes.starts_with(HTTP2_PREFACE) {
                self.activity.set_http2();
            }
        }
        if self.head_begun().is_none() && self.activity.idle_since().is_some() {
            self.head_begun = Some((Instant::now(), self.activity.begun()));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TimedStream<S> {
    /// Tells a client that it is too slow, as far as that can be told.
    fn poll_tell(&mut self, context: &mut Context<'_>, mut told: usize) -> Poll<io::Result<()>> {
        while let Some(rest) = TOO_SLOW.get(told..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Ready(Ok(written)) if written > 0 => told += written,
                // It does not even read that.
                _ => return Poll::Ready(Err(ErrorKind::TimedOut.into())),
            }
            self.told = Some(told);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// What the reader is told when the client has taken too long.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stuck.is_some() || self.activity.idle_since().is_none() {
            METRICS.refused.with_label_values(&["stuck"]).inc();
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        if self.activity.is_http2() {
            if self.parting.is_some() {
                return Poll::Ready(Ok(()));
            }
            self.parting = Some(Instant::now() + PARTING);
            self.activity.too_long.notify_one();
            return match self.poll_deadline(context) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            };
        }
        if self.head_begun().is_none() {
            return Poll::Ready(Ok(()));
        }
        if self.told.is_none() {
            METRICS.refused.with_label_values(&["slow"]).inc();
        }
        self.poll_tell(context, self.told.unwrap_or(0))
    }

    fn poll_stuck<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        self.stuck.get_or_insert_with(Instant::now);
        ready!(self.poll_deadline(context));
        METRICS.refused.with_label_values(&["stuck"]).inc();
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(told) = self.told {
            return self.poll_tell(context, told);
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => {
                ready!(self.poll_deadline(context));
                self.poll_end(context)
            }
            read => {
                self.note(buffer.filled().get(before..).unwrap_or_default());
                read
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_stuck(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.poll_stuck(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.poll_stuck(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.poll_stuck(context, closed)
    }
}

/// A response in the syntax of HTTP/1.1, after which the connection is closed.
fn closing(response: &Response) -> Vec<u8> {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in &response.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("connection: close\r\n\r\n");
    let mut bytes = text.into_bytes();
    if let Body::Bytes(body) = &response.body {
        bytes.extend_from_slice(body);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_clients_get_a_whole_response() {
        let body = "{\"errors\":[{\"code\":\"UNSUPPORTED\",\"message\":\"the request took too long; send it faster\",\
                    \"detail\":{\"cause\":\"the request took too long\",\"reason\":\"request-timeout\",\
                    \"remedy\":\"send it faster\"}}]}\n";
        let head = "HTTP/1.1 408 Request Timeout\r\n\
                    docker-distribution-api-version: registry/2.0\r\n\
                    x-content-type-options: nosniff\r\n\
                    cache-control: no-store\r\n\
                    content-type: application/json; charset=utf-8\r\n\
                    content-length: 190\r\n\
                    connection: close\r\n\r\n";
        assert_eq!(str::from_utf8(&TOO_SLOW).unwrap(), [head, body].concat());
    }
}
