//! The server: connections, and HTTP/1.0, 1.1 and 2 on them, by TLS or without.

mod activity;
mod admin;
pub(crate) mod client;
mod connection;
mod http2;
mod listener;
mod refusal;
mod request;
mod signals;
mod state;
mod stream;
mod timer;
pub(crate) mod tls;

use core::net::SocketAddr;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::{task, time};

use self::client::Permit;
pub(crate) use self::listener::Listener;
use self::refusal::Refusal;
use self::signals::Said;
pub(crate) use self::signals::Signals;
use self::state::Server;
use crate::data::old_clients::SAVE_INTERVAL;
use crate::error::Error;
use crate::log;
use crate::metrics::METRICS;
use crate::service::Service;

/// How often files are looked at that may have changed, and memory is given back that is not needed any more.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// How many connections past a limit are told so at once. Others are closed.
const MAX_REFUSALS: usize = 256;

/// Makes a service of the settings as they are now.
pub(crate) type Reload = dyn Fn(&Service) -> Result<Service, Error> + Send + Sync;

/// Serves until a signal comes; then requests under way are finished, unless there is another signal.
pub(crate) async fn run(
    listener: Listener,
    admin: Option<Listener>,
    service: Service,
    reload: Arc<Reload>,
    mut signals: Signals,
) {
    let server = Arc::new(Server::new(service));
    // Each connection has a receiver: it hears of the end, and the end waits for it.
    let (end, ending) = watch::channel(false);
    let watching = task::spawn(Arc::clone(&server).watch());
    let probing = task::spawn({
        let service = server.service();
        // Nobody waits for it: requests come meanwhile.
        async move { service.probe(None).await }
    });
    let admin = admin.map(|listener| task::spawn(admin::serve(listener, Arc::clone(&server))));
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            (stream, peer) = listener.accept() => {
                Arc::clone(&server).accept(stream, peer, ending.clone());
            }
            said = signals.next() => match said {
                Said::End => break,
                Said::Reload => drop(task::spawn(Arc::clone(&server).reload(Arc::clone(&reload)))),
            },
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
    probing.abort();
    if let Some(admin) = admin {
        admin.abort();
    }
    server.save_old_clients().await;
}

impl Server {
    /// Serves a connection, unless there is one too many even for saying so.
    fn accept(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, ending: watch::Receiver<bool>) {
        let (refusal, open) = match self.admit(peer) {
            Ok(open) => (None, open),
            Err(refusal) => {
                METRICS.refused.with_label_values(&["connections"]).inc();
                let open = Open::begin(&self, |server| &server.refusals);
                // One that is told so counts by itself, for otherwise a client could fill the room of others with these.
                if self.refusals.load(Ordering::Relaxed) > MAX_REFUSALS {
                    return;
                }
                (Some(refusal), open)
            }
        };
        let connected = connection::serve(self, stream, peer, refusal, ending);
        task::spawn(async move {
            connected.await;
            drop(open);
        });
    }

    /// Whether there is room for a connection.
    fn admit(self: &Arc<Self>, peer: SocketAddr) -> Result<Open, Refusal> {
        let service = self.service.load();
        let mut open = Open::begin(self, |server| &server.connections);
        if self.connections.load(Ordering::Relaxed) > service.settings.max_connections {
            return Err(Refusal::Full);
        }
        let Some(limit) = client::connection_limit(&service.settings, peer.ip()) else { return Ok(open) };
        match self.client_connections.admit(peer.ip(), limit) {
            None => Err(Refusal::Client),
            permit => {
                open.permit = permit;
                Ok(open)
            }
        }
    }

    /// Takes over the settings as they are now. What is under way goes on with the former ones.
    async fn reload(self: Arc<Self>, reload: Arc<Reload>) {
        let _ = notify_reloading();
        let running = self.service();
        let reloaded = task::spawn_blocking({
            let running = Arc::clone(&running);
            move || reload(&running)
        });
        let result = match reloaded.await.unwrap_or(Err(Error::Panicked)) {
            Ok(service) => {
                log::set_level(service.settings.log_level);
                let service = Arc::new(service);
                self.service.store(Arc::clone(&service));
                log::info("the settings were reloaded");
                task::spawn(async move { service.probe(Some(running)).await });
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

    /// Looks for changed certificates, gives memory back, and saves what was seen of clients, every now and then.
    async fn watch(self: Arc<Self>) {
        let mut watch = time::interval(WATCH_INTERVAL);
        let mut save = time::interval(SAVE_INTERVAL);
        loop {
            tokio::select! {
                _ = watch.tick() => {
                    let service = self.service();
                    let look = move || {
                        service.look_at_certificate();
                        service.tidy();
                    };
                    let _ = task::spawn_blocking(look).await;
                }
                _ = save.tick() => self.save_old_clients().await,
            }
        }
    }

    async fn save_old_clients(&self) {
        let old_clients = Arc::clone(&self.service().old_clients);
        let Ok(saved) = task::spawn_blocking(move || old_clients.save()).await else { return };
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
struct Open {
    server: Arc<Server>,
    counter: fn(&Server) -> &AtomicUsize,
    /// Its place among those of its client.
    permit: Option<Permit>,
}

impl Open {
    fn begin(server: &Arc<Server>, counter: fn(&Server) -> &AtomicUsize) -> Self {
        counter(server).fetch_add(1, Ordering::Relaxed);
        Self { server: Arc::clone(server), counter, permit: None }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.counter)(&self.server).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says to systemd that the settings are being reloaded.
fn notify_reloading() -> io::Result<()> {
    let time = NotifyState::monotonic_usec_now()?;
    sd_notify::notify(&[NotifyState::Reloading, time])
}
