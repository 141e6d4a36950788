//! A proxy that makes a client look older than it is: it changes the `Accept` lines of the requests, and nothing else.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// How long a connection may be silent.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request's line and headers may be, in bytes.
const HEAD_LIMIT: u64 = 64 * 1024;

/// A proxy in front of a server, for as long as this value lives.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

/// A request, as the client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// The method.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// The headers, names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body, as far as a [`Web`](crate::web::Web) has read it.
    pub body: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    accept: Option<&'static [&'static str]>,
    seen: Mutex<Vec<SeenRequest>>,
    ends: AtomicBool,
}

impl Proxy {
    /// Starts a proxy to `server` that puts `accept` in the place of all `Accept` lines of every request: no lines take
    /// them away, as Docker 1.6 to 1.9 have none. Without it the requests stay as they are.
    ///
    /// # Errors
    /// If `server` is no address, or there is no free port.
    pub fn start(server: impl ToSocketAddrs, accept: Option<&'static [&'static str]>) -> io::Result<Self> {
        let server = server.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared =
            Arc::new(Shared { server, accept, seen: Mutex::default(), ends: AtomicBool::new(false) });
        let listener = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for client in listener.incoming() {
                    if shared.ends.load(Ordering::Relaxed) {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    // A connection that breaks is the client's to notice.
                    thread::spawn(move || client.and_then(|client| shared.connect(&client)));
                }
            }
        });
        Ok(Self { address, shared, listener: Some(listener) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        // The listener wakes up for a connection only. Those that are open end when client and server close them.
        let woken = TcpStream::connect_timeout(&self.address, TIMEOUT);
        if let (Ok(_), Some(listener)) = (woken, self.listener.take()) {
            let _ = listener.join();
        }
    }
}

impl SeenRequest {
    /// The values of all headers called `name`, which is in lower case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

impl Shared {
    fn connect(&self, client: &TcpStream) -> io::Result<()> {
        let server = TcpStream::connect_timeout(&self.server, TIMEOUT)?;
        for stream in [client, &server] {
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
        }
        let (mut answers, mut to_client) = (server.try_clone()?, client.try_clone()?);
        let answering = thread::spawn(move || {
            let _ = io::copy(&mut answers, &mut to_client);
            to_client.shutdown(Shutdown::Both)
        });
        let forwarded = self.forward(&mut BufReader::new(client), &mut &server);
        server.shutdown(Shutdown::Write)?;
        let _ = answering.join();
        forwarded
    }

    /// Forwards requests until the client has no more.
    fn forward(&self, client: &mut impl BufRead, server: &mut impl Write) -> io::Result<()> {
        while let Some((request, lines)) = read_request(client)? {
            let is_kept =
                |line: &&String| self.accept.is_none() || !line.to_ascii_lowercase().starts_with("accept:");
            let mut head: String = lines.iter().filter(is_kept).map(|line| format!("{line}\r\n")).collect();
            for value in self.accept.unwrap_or_default() {
                head.push_str(&format!("Accept: {value}\r\n"));
            }
            head.push_str("\r\n");
            if request.values("transfer-encoding").next().is_some() {
                return Err(io::ErrorKind::Unsupported.into());
            }
            let length = match request.values("content-length").next() {
                Some(length) => length.parse().map_err(|_| io::ErrorKind::InvalidData)?,
                None => 0,
            };
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            server.write_all(head.as_bytes())?;
            io::copy(&mut client.by_ref().take(length), server)?;
        }
        Ok(())
    }
}

/// A request's head, also as the lines that it came in; nothing at the end of the connection.
pub(crate) fn read_request(client: &mut impl BufRead) -> io::Result<Option<(SeenRequest, Vec<String>)>> {
    let Some(line) = read_head_line(client)? else { return Ok(None) };
    let mut words = line.split(' ').map(ToString::to_string);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = SeenRequest { method, path, headers: Vec::new(), body: Vec::new() };
    let mut lines = vec![line];
    while let Some(line) = read_head_line(client)?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
        lines.push(line);
    }
    Ok(Some((request, lines)))
}

/// A line of a request's head, without its end; nothing at the end of the connection.
fn read_head_line(client: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    match client.by_ref().take(HEAD_LIMIT).read_line(&mut line)? {
        0 => Ok(None),
        _ => match line.strip_suffix('\n') {
            Some(line) => Ok(Some(line.strip_suffix('\r').unwrap_or(line).to_string())),
            None => Err(io::ErrorKind::InvalidData.into()),
        },
    }
}
