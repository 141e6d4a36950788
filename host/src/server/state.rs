//! The state that all connections of a server share.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;

use super::client::Clients;
use crate::service::Service;

/// Bytes of a request's line and headers, several times what the registry reads of them.
const HEADER_BYTES: u32 = 64 * 1024;

/// How often a silent HTTP/2 client that waits for something is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// A server that runs.
pub(crate) struct Server {
    /// The current service. It is replaced when the settings are reloaded.
    pub(super) service: ArcSwap<Service>,
    pub(super) http: Builder<TokioExecutor>,
    /// How many connections are open.
    pub(super) connections: AtomicUsize,
    /// How many requests are under way.
    pub(super) requests: AtomicUsize,
    pub(super) clients: Clients,
    /// True if the old clients could not be saved the last time.
    pub(super) is_save_failing: AtomicBool,
}

impl Server {
    pub(super) fn new(service: Service) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        // The stream knows better than hyper when a head takes too long, and says so.
        http.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEADER_BYTES as usize);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_INTERVAL)
            .max_header_list_size(HEADER_BYTES);
        Self {
            service: ArcSwap::from_pointee(service),
            http,
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            clients: Clients::default(),
            is_save_failing: AtomicBool::new(false),
        }
    }

    /// How many connections are open, and how many requests are under way.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.connections.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }

    /// The current service.
    pub(super) fn service(&self) -> Arc<Service> {
        self.service.load_full()
    }
}
