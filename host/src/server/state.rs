//! The state that all connections of a server share.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;

use super::client::{Clients, Shared};
use super::http2::Streams;
use crate::log;
use crate::service::Service;

/// Bytes of a request's line and headers, several times what the registry reads of them.
const HEADER_BYTES: u32 = 64 * 1024;

/// How often a silent HTTP/2 client that waits for something is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Settings that are missing where many clients have one address: each is logged once.
#[derive(Default)]
pub(super) struct Advice {
    trusted_proxy: AtomicBool,
    forwarded_for: AtomicBool,
}

impl Advice {
    /// Says what is missing, if something is.
    pub(super) fn give(&self, shared: Option<Shared>) {
        match shared {
            Some(Shared::Loopback { forwards: true })
                if !self.trusted_proxy.swap(true, Ordering::Relaxed) =>
            {
                log::warn(
                    "a proxy on this machine asks for others, and is not in `trusted-proxy`: the limits by client do not \
                     count its clients; add it there",
                );
            }
            Some(Shared::Proxy) if !self.forwarded_for.swap(true, Ordering::Relaxed) => {
                log::warn(
                    "a proxy in `trusted-proxy` does not say whom it asks for: the limits by client do not count its \
                     clients; have it set `X-Forwarded-For`",
                );
            }
            _ => {}
        }
    }
}

/// A server that runs.
pub(crate) struct Server {
    /// The current service. It is replaced when the settings are reloaded.
    pub(super) service: ArcSwap<Service>,
    pub(super) http: Builder<Streams>,
    /// How many connections are served.
    pub(super) connections: AtomicUsize,
    /// How many connections are told that they are too many.
    pub(super) refusals: AtomicUsize,
    /// How many requests are under way.
    pub(super) requests: AtomicUsize,
    /// The connections of each client.
    pub(super) client_connections: Clients,
    /// The requests of each client that are under way.
    pub(super) client_requests: Clients,
    /// What an operator has to hear once: that `trusted-proxy` is missing, and that a proxy says nothing.
    pub(super) advice: Advice,
    /// True if the old clients could not be saved the last time.
    pub(super) is_save_failing: AtomicBool,
}

impl Server {
    pub(super) fn new(service: Service) -> Self {
        let mut http = Builder::new(Streams);
        // The stream knows better than hyper when a head takes too long, and says so.
        http.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEADER_BYTES as usize);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_INTERVAL)
            .max_concurrent_streams(service.settings.connection_streams)
            .max_header_list_size(HEADER_BYTES);
        Self {
            service: ArcSwap::from_pointee(service),
            http,
            connections: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            client_connections: Clients::default(),
            client_requests: Clients::default(),
            advice: Advice::default(),
            is_save_failing: AtomicBool::new(false),
        }
    }

    /// How many connections are served, and how many requests are under way.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.connections.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }

    /// The current service.
    pub(super) fn service(&self) -> Arc<Service> {
        self.service.load_full()
    }
}
