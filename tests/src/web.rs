//! A web server that does what a test wants, and remembers who asked it for what.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::http;
use crate::patience::await_true;
use crate::proxy::{SeenRequest, read_request};

/// How long a connection may be silent.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request's body that are read.
const BODY_LIMIT: u64 = 64 * 1024;

/// A web server, for as long as this value lives. Each connection has one request.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
    /// How many connections it has.
    open: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Web {
    /// Starts a server that answers each request with what `answer` writes.
    ///
    /// # Errors
    /// If there is no free port.
    pub fn start(
        answer: impl Fn(&SeenRequest, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (seen, ends) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicBool::new(false)));
        let open = Arc::<AtomicUsize>::default();
        let answer = Arc::new(answer);
        let listener = thread::spawn({
            let (seen, open, ends) = (Arc::clone(&seen), Arc::clone(&open), Arc::clone(&ends));
            move || {
                for client in listener.incoming() {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    let (seen, open, answer) = (Arc::clone(&seen), Arc::clone(&open), Arc::clone(&answer));
                    let open = Open::count(&open);
                    thread::spawn(move || {
                        let _open = open;
                        // A connection that breaks is the client's to notice.
                        client.and_then(|client| serve(client, &seen, &*answer))
                    });
                }
            }
        });
        Ok(Self { address, seen, open, ends, listener: Some(listener) })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has answered all that was asked so far.
    ///
    /// # Errors
    /// If it does not come to an end, or answers no longer.
    pub fn await_idle(&self) -> anyhow::Result<()> {
        // Connections are taken in their order: once this one is answered, all that came before are counted.
        http::receive(self.address, "GET", "/v2/", &[])?;
        await_true("a web server to have nothing to do", || Ok(self.open.load(Ordering::Relaxed) == 0))
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // The listener wakes up for a connection only.
        let woken = TcpStream::connect_timeout(&self.address, TIMEOUT);
        if let (Ok(_), Some(listener)) = (woken, self.listener.take()) {
            let _ = listener.join();
        }
    }
}

/// A connection that counts as long as this value lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn count(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(
    mut client: TcpStream,
    seen: &Mutex<Vec<SeenRequest>>,
    answer: &(dyn Fn(&SeenRequest, &mut TcpStream) -> io::Result<()> + Send + Sync),
) -> io::Result<()> {
    client.set_read_timeout(Some(TIMEOUT))?;
    client.set_write_timeout(Some(TIMEOUT))?;
    let mut reader = BufReader::new(&client);
    let Some((mut request, _)) = read_request(&mut reader)? else { return Ok(()) };
    let length = request.values("content-length").next().and_then(|length| length.parse().ok());
    reader.take(length.unwrap_or(0).min(BODY_LIMIT)).read_to_end(&mut request.body)?;
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    answer(&request, &mut client)
}

/// Writes a response with its length, and says that it is the last.
///
/// # Errors
/// If the client is gone.
pub fn respond(client: &mut TcpStream, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    let length = body.len().to_string();
    write_head(client, status, &[headers, &[("Content-Length", &length)]].concat())?;
    client.write_all(body)
}

/// Writes the head of a response, as it is.
///
/// # Errors
/// If the client is gone.
pub fn write_head(client: &mut TcpStream, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    client.write_all(head.as_bytes())
}

/// Waits until the client gives up.
pub fn hang(client: &mut TcpStream) {
    let _ = client.set_read_timeout(Some(TIMEOUT));
    let _ = client.read(&mut [0]);
}
