//! Listening, and accepting connections.

use core::future::poll_fn;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::Poll;
use core::time::Duration;
use std::io::{self, ErrorKind};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time;

use crate::error::Error;
use crate::log;
use crate::settings::{Host, Listen};

/// How long to wait before the next attempt after a connection could not be accepted, for lack of file descriptors most
/// of the time.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections may wait to be accepted. The system has a limit of its own: Linux 4,096 by default.
const BACKLOG: i32 = 4096;

/// How many addresses of a name are listened on. A machine's own name has a few.
const MAX_ADDRESSES: usize = 64;

/// The sockets that listen on an address: one, or for a name one for each of its addresses.
#[derive(Debug)]
pub(crate) struct Listener {
    sockets: Vec<TcpListener>,
    /// The socket to look at first for the next connection: each in turn, so that many connections to one address keep
    /// none to another waiting.
    turn: AtomicUsize,
}

impl Listener {
    /// Listens on an address: for a name on all that it has, for no host on all of the machine, by IPv4 and IPv6. Where
    /// the machine has no IPv6, that of a name or of all is left out.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn bind(listen: &Listen) -> Result<Self, Error> {
        let bound = match &listen.host {
            Some(Host::Address(address)) => {
                bind_socket((*address, listen.port).into(), Families::SystemDefault)
                    .map(|listener| vec![listener])
            }
            Some(Host::Name(name)) => bind_name(name, listen.port).await,
            None => bind_all(listen.port).map(|listener| vec![listener]),
        };
        bound
            .map(|sockets| Self { sockets, turn: AtomicUsize::new(0) })
            .map_err(|error| Error::Unavailable { address: listen.to_string(), error })
    }

    /// The addresses that it listens on.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Waits for the next connection, however often none can be accepted.
    pub(super) async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.accept_any().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    log::warn(format_args!("a connection could not be accepted: {error}"));
                    time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn accept_any(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.sockets.len().max(1);
        poll_fn(|context| {
            let sockets = self.sockets.iter().cycle().skip(turn).take(self.sockets.len());
            let mut accepted = sockets.map(|socket| socket.poll_accept(context));
            accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }
}

/// Listens on every address of a name, all with the same port.
async fn bind_name(name: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut addresses = Vec::new();
    for address in tokio::net::lookup_host((name, port)).await?.take(MAX_ADDRESSES) {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    let mut listeners = Vec::new();
    let (mut port, mut absent) = (port, None);
    for address in addresses {
        match bind_socket((address, port).into(), Families::SystemDefault) {
            Ok(listener) => {
                // Where any free port will do, it is the one that the first address has got.
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            // `localhost` may be an IPv6 address as well on a machine that has no IPv6.
            Err(error) if is_absent(&error) => absent = Some(error),
            Err(error) => return Err(error),
        }
    }
    match absent {
        _ if !listeners.is_empty() => Ok(listeners),
        Some(error) => Err(error),
        None => Err(io::Error::new(ErrorKind::NotFound, "the name has no address")),
    }
}

/// Listens on every address of the machine: with one socket for IPv6 and IPv4, whatever the system's default for that is,
/// or for IPv4 alone where there is no IPv6.
fn bind_all(port: u16) -> io::Result<TcpListener> {
    match bind_socket((Ipv6Addr::UNSPECIFIED, port).into(), Families::Both) {
        Err(error) if is_absent(&error) => {
            bind_socket((Ipv4Addr::UNSPECIFIED, port).into(), Families::SystemDefault)
        }
        bound => bound,
    }
}

/// Whether a socket on `[::]` takes IPv4 as well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Families {
    SystemDefault,
    Both,
}

/// Listens with a queue of [`BACKLOG`]. Tokio asks for 128: once a burst has filled that, the next client waits a second or more
/// before it tries again.
fn bind_socket(address: SocketAddr, families: Families) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if families == Families::Both {
        socket.set_only_v6(false)?;
    }
    // As tokio does: a server that is started again need not wait for the connections of the one before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// True if there is no such address on this machine, or no such family of addresses.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn listener(text: &str) -> Result<Listener, Error> {
        Listener::bind(&text.parse().unwrap()).await
    }

    /// Whether somebody at `address` is heard.
    async fn is_heard(listener: &Listener, address: SocketAddr) -> bool {
        let (stream, (_, peer)) = tokio::join!(TcpStream::connect(address), listener.accept());
        stream.is_ok() && peer.ip().to_canonical() == address.ip()
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_listened_on_with_one_port() {
        let listener = listener("localhost:0").await.unwrap();
        let addresses = listener.addresses();
        assert!(!addresses.is_empty());
        for address in addresses.iter().copied() {
            assert!(address.ip().is_loopback() && address.port() == addresses[0].port(), "{address}");
            assert!(is_heard(&listener, address).await, "{address}");
        }
    }

    #[tokio::test]
    async fn without_a_host_every_address_of_the_machine_is_listened_on() {
        let listener = listener(":0").await.unwrap();
        let port = listener.addresses()[0].port();
        assert!(is_heard(&listener, (Ipv4Addr::LOCALHOST, port).into()).await);
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok() {
            assert!(is_heard(&listener, (Ipv6Addr::LOCALHOST, port).into()).await);
        }
    }

    #[tokio::test]
    async fn a_burst_waits_to_be_accepted() {
        // More than tokio's own queue has room for.
        const BURST: usize = 200;
        let of_system = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
        if of_system.trim().parse().is_ok_and(|most: usize| most < BURST) {
            return;
        }
        for text in ["127.0.0.1:0", "localhost:0", ":0"] {
            let listener = listener(text).await.unwrap();
            let address = listener.addresses()[0];
            let host = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
            let mut waiting = Vec::new();
            // None is accepted: one for which there is no room would wait for ever.
            for _ in 0..BURST {
                let connecting = TcpStream::connect((host, address.port()));
                let connected = time::timeout(Duration::from_secs(30), connecting).await;
                waiting.push(connected.unwrap_or_else(|_| panic!("{text}: {} wait", waiting.len())).unwrap());
            }
        }
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_had_is_told_as_it_was_written() {
        let taken = listener("127.0.0.1:0").await.unwrap();
        let port = taken.addresses()[0].port();
        for text in [format!("127.0.0.1:{port}"), "192.0.2.1:5000".to_owned(), "none.invalid:5000".to_owned()]
        {
            let error = listener(&text).await.unwrap_err();
            assert_eq!(error.code(), "address-unavailable");
            assert!(error.to_string().starts_with(&format!("cannot listen on `{text}`: ")), "{error}");
        }
        // One of the addresses of a name is another server's.
        assert!(listener(&format!("localhost:{port}")).await.is_err());
    }
}
