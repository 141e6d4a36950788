//! The server: connections, and HTTP/1.0, 1.1 and 2 on them, by TLS or without.

mod activity;
mod admin;
mod client;
mod connection;
mod request;
mod signals;
mod stream;
pub(crate) mod tls;

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use sd_notify::NotifyState;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::{task, time};

pub(crate) use self::admin::number;
use self::client::Clients;
use self::signals::Said;
pub(crate) use self::signals::Signals;
use crate::error::Error;
use crate::log;
use crate::metrics::METRICS;
use crate::service::Service;
use crate::sightings::SAVE_INTERVAL;

/// How long to wait before the next attempt after a connection could not be accepted, for lack of file descriptors most
/// of the time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often files are looked at that may have changed.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// Bytes of a request's line and headers, several times what the registry reads of them.
const HEADER_BYTES: u32 = 64 * 1024;

/// How often a silent HTTP/2 client that waits for something is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How many connections past their limit are told so at once. Others are closed.
const MAX_REFUSALS: usize = 256;

/// What every connection works with.
pub(crate) struct Server {
    /// What is served, and how. It is another one after the settings were reloaded.
    service: ArcSwap<Service>,
    http: Builder<TokioExecutor>,
    connections: AtomicUsize,
    requests: AtomicUsize,
    clients: Clients,
    /// Whether what was seen of clients could not be saved the last time.
    is_save_failing: AtomicBool,
}

/// Makes a service of the settings as they are now.
pub(crate) type Reload = dyn Fn(&Service) -> Result<Service, Error> + Send + Sync;

/// Serves until a signal comes; then requests under way are finished, unless there is another signal.
pub(crate) async fn run(
    listener: TcpListener,
    admin: Option<TcpListener>,
    service: Service,
    reload: Arc<Reload>,
    mut signals: Signals,
) {
    let server = Arc::new(Server::new(service));
    // Each connection has a receiver: it hears of the end, and the end waits for it.
    let (end, ending) = watch::channel(false);
    let watching = task::spawn(Arc::clone(&server).watch());
    let admin = admin.map(|listener| task::spawn(admin::serve(listener, Arc::clone(&server))));
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            said = signals.next() => match said {
                Said::End => break,
                Said::Reload => {
                    task::spawn(Arc::clone(&server).reload(Arc::clone(&reload)));
                    continue;
                }
            },
        };
        match accepted {
            Ok((stream, peer)) => Arc::clone(&server).accept(stream, peer, ending.clone()),
            Err(error) => {
                log::warn(format_args!("a connection could not be accepted: {error}"));
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    drop((listener, ending));
    server.service().stop();
    let stop_timeout = Duration::from_secs(server.service().settings.stop_timeout);
    end.send_replace(true);
    tokio::select! {
        () = end.closed() => {}
        () = time::sleep(stop_timeout) => log::warn("requests under way were cut off"),
        () = async { while signals.next().await != Said::End {} } => {}
    }
    watching.abort();
    if let Some(admin) = admin {
        admin.abort();
    }
    server.save_sightings().await;
}

impl Server {
    fn new(service: Service) -> Self {
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
    fn load(&self) -> (usize, usize) {
        (self.connections.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }

    /// What is served now.
    pub(crate) fn service(&self) -> Arc<Service> {
        self.service.load_full()
    }

    /// Serves a connection, unless there is one too many even for saying so.
    fn accept(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, ending: watch::Receiver<bool>) {
        let connections = self.connections.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(&self));
        let max = self.service.load().settings.max_connections;
        if connections >= max.saturating_add(MAX_REFUSALS) {
            METRICS.refused.with_label_values(&["connections"]).inc();
            return;
        }
        let is_refused = connections >= max;
        let connected = connection::serve(self, stream, peer, is_refused, ending);
        task::spawn(async move {
            connected.await;
            drop(open);
        });
    }

    /// Takes over the settings as they are now. What is under way goes on with the former ones.
    async fn reload(self: Arc<Self>, reload: Arc<Reload>) {
        let _ = notify_reloading();
        let running = self.service();
        let reloaded = task::spawn_blocking(move || reload(&running)).await;
        let result = match reloaded.unwrap_or(Err(Error::Panicked)) {
            Ok(service) => {
                log::set_level(service.settings.log_level);
                self.service.store(Arc::new(service));
                log::info("the settings were reloaded");
                "done"
            }
            Err(error) => {
                log::error(&error);
                log::warn("the settings stay as they were");
                "failed"
            }
        };
        METRICS.reloads.with_label_values(&[result]).inc();
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }

    /// Looks for changed certificates, and saves what was seen of clients, every now and then.
    async fn watch(self: Arc<Self>) {
        let mut watch = time::interval(WATCH_INTERVAL);
        let mut save = time::interval(SAVE_INTERVAL);
        loop {
            tokio::select! {
                _ = watch.tick() => {
                    let service = self.service();
                    let _ = task::spawn_blocking(move || service.look_at_certificate()).await;
                }
                _ = save.tick() => self.save_sightings().await,
            }
        }
    }

    async fn save_sightings(&self) {
        let sightings = Arc::clone(&self.service().sightings);
        let Ok(saved) = task::spawn_blocking(move || sightings.save()).await else { return };
        let was_failing = self.is_save_failing.swap(saved.is_err(), Ordering::Relaxed);
        // Once, and not every few seconds.
        if let Err(error) = saved
            && !was_failing
        {
            log::error(&error);
        }
    }
}

/// A connection, as it is counted.
struct Open(Arc<Server>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says to systemd that the settings are being reloaded.
fn notify_reloading() -> io::Result<()> {
    let time = NotifyState::monotonic_usec_now()?;
    sd_notify::notify(&[NotifyState::Reloading, time])
}
