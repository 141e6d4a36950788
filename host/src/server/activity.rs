//! What goes on on a connection, for whoever has to tell a slow client from one that waits.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::time::Instant;

use tokio::sync::Notify;

/// The requests of a connection that are under way.
pub(super) struct Activity {
    opened: Instant,
    running: AtomicUsize,
    /// How many there were so far.
    begun: AtomicUsize,
    /// When the last one ended, in milliseconds since the connection was opened.
    idle_since: AtomicU64,
    /// Whether it is HTTP/2.
    is_http2: AtomicBool,
    /// Tells whoever serves the connection that it has been idle for too long.
    pub(super) too_long: Notify,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            running: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
            too_long: Notify::new(),
        }
    }

    /// Begins a request.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends a request, with the last byte of its response or with its connection.
    pub(super) fn end(&self) {
        self.idle_since.store(self.now(), Ordering::Relaxed);
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many requests were begun so far.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Since when no request has been under way, if none is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        if self.running.load(Ordering::Relaxed) > 0 {
            return None;
        }
        Some(self.opened + Duration::from_millis(self.idle_since.load(Ordering::Relaxed)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }

    pub(super) fn set_http2(&self) {
        self.is_http2.store(true, Ordering::Relaxed);
    }
}
