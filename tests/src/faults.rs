//! A registry that fails in every way that registries fail, when a test wants it to.

use core::net::SocketAddr;
use core::ops::Range;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::proxy::SeenRequest;
use crate::registry::Registry;
use crate::web::{Web, hang, respond, write_head};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed without a word.
    Close,
    /// There is no answer.
    Hang,
    /// There is a head and no body.
    HangInBody,
    /// The body ends before its length.
    Cut,
    /// A byte of the body is another one.
    WrongByte,
    /// The body is longer than it should be, under its own right digest if it is a manifest.
    Longer,
    /// The digest in the header is that of something else.
    WrongDigestHeader,
    /// An answer with this status and these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// The first so many requests get 503.
    Times(u32),
    /// A redirect to itself.
    RedirectLoop,
    /// A body of 64 MiB, with its length or without.
    Huge {
        /// Whether the length is announced.
        announced: bool,
    },
    /// The right answer, in chunks, without its length and digest.
    Chunked,
    /// That part of the right answer, as a part, whatever was asked for.
    Part(Range<usize>),
    /// The right answer's head with a length of 0.
    Empty,
    /// Something else than HTTP.
    NotHttp,
}

/// The faulty registry in front of a good one, for as long as this value lives.
#[derive(Debug)]
pub struct FaultyRegistry {
    web: Web,
    fault: Arc<Mutex<Option<(String, Fault)>>>,
}

/// Bytes of a body that is too large for anything.
const HUGE: usize = 64 * 1024 * 1024;

impl FaultyRegistry {
    /// Starts it without a fault.
    ///
    /// # Errors
    /// If there is no free port.
    pub fn start(registry: &Registry) -> anyhow::Result<Self> {
        let server: SocketAddr = registry.host().parse()?;
        let fault = Arc::<Mutex<Option<(String, Fault)>>>::default();
        let web = Web::start({
            let fault = Arc::clone(&fault);
            move |request, client| {
                let fault = take(&fault, &request.path);
                answer(server, request, client, fault.as_ref())
            }
        })?;
        Ok(Self { web, fault })
    }

    /// From now on `fault` goes wrong with every request whose path has `part` in it.
    pub fn set(&self, part: &str, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((part.to_string(), fault));
    }

    /// From now on nothing goes wrong.
    pub fn clear(&self) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.web.url()
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.web.seen()
    }
}

/// What goes wrong with a request for `path`.
fn take(fault: &Mutex<Option<(String, Fault)>>, path: &str) -> Option<Fault> {
    let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
    let (part, fault) = fault.as_mut()?;
    if !path.contains(part.as_str()) {
        return None;
    }
    match fault {
        Fault::Times(0) => None,
        Fault::Times(left) => {
            *left -= 1;
            Some(Fault::Status(503, Vec::new()))
        }
        fault => Some(fault.clone()),
    }
}

fn answer(
    server: SocketAddr,
    request: &SeenRequest,
    client: &mut TcpStream,
    fault: Option<&Fault>,
) -> io::Result<()> {
    match fault {
        None => client.write_all(&forward(server, request)?),
        Some(Fault::Close | Fault::Times(_)) => client.shutdown(Shutdown::Both),
        Some(Fault::Hang) => {
            hang(client);
            Ok(())
        }
        Some(Fault::Status(status, headers)) => {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            respond(client, *status, &headers, b"{\"errors\":[]}")
        }
        Some(Fault::RedirectLoop) => respond(client, 307, &[("Location", &request.path)], b""),
        Some(Fault::Huge { announced }) => huge(client, *announced),
        Some(Fault::NotHttp) => client.write_all(b"220 mail.example.org ESMTP\r\n"),
        Some(fault) => {
            let mut request = request.clone();
            request.headers.retain(|(name, _)| !matches!(fault, Fault::Part(_)) || name != "range");
            let (head, body) = split(&forward(server, &request)?)?;
            spoilt(client, fault, &head, body)
        }
    }
}

/// The right answer, spoilt.
fn spoilt(client: &mut TcpStream, fault: &Fault, head: &str, mut body: Vec<u8>) -> io::Result<()> {
    let without = |names: &[&str]| {
        let is_kept = |line: &&str| !names.iter().any(|name| line.to_ascii_lowercase().starts_with(name));
        head.split("\r\n").filter(is_kept).collect::<Vec<_>>().join("\r\n")
    };
    match fault {
        Fault::HangInBody => {
            client.write_all(format!("{head}\r\n\r\n").as_bytes())?;
            hang(client);
            Ok(())
        }
        Fault::Cut => {
            client.write_all(format!("{head}\r\n\r\n").as_bytes())?;
            client.write_all(&body[..body.len() / 2])?;
            client.shutdown(Shutdown::Both)
        }
        Fault::WrongByte => {
            if let Some(last) = body.last_mut() {
                *last ^= 1;
            }
            client.write_all(format!("{head}\r\n\r\n").as_bytes())?;
            client.write_all(&body)
        }
        Fault::Longer => {
            body.push(b'\n');
            let head = without(&["content-length", "docker-content-digest"]);
            client.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes())?;
            client.write_all(&body)
        }
        Fault::WrongDigestHeader => {
            let head = without(&["docker-content-digest"]);
            let other = downshift::Digest::of(b"something else");
            client.write_all(format!("{head}\r\nDocker-Content-Digest: {other}\r\n\r\n").as_bytes())?;
            client.write_all(&body)
        }
        Fault::Chunked => {
            let head = without(&["content-length", "docker-content-digest"]);
            client.write_all(format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes())?;
            client.write_all(format!("{:x}\r\n", body.len()).as_bytes())?;
            client.write_all(&body)?;
            client.write_all(b"\r\n0\r\n\r\n")
        }
        Fault::Part(part) => {
            let head = without(&["http/1.1 ", "content-length"]);
            let range = format!("Content-Range: bytes {}-{}/{}", part.start, part.end - 1, body.len());
            let length = part.len();
            client.write_all(format!("HTTP/1.1 206 Part\r\n{head}\r\n{range}\r\n").as_bytes())?;
            client.write_all(format!("Content-Length: {length}\r\n\r\n").as_bytes())?;
            client.write_all(&body[part.clone()])
        }
        Fault::Empty => {
            let head = without(&["content-length"]);
            client.write_all(format!("{head}\r\nContent-Length: 0\r\n\r\n").as_bytes())
        }
        _ => unreachable!("the others need no right answer"),
    }
}

fn huge(client: &mut TcpStream, announced: bool) -> io::Result<()> {
    let chunk = vec![b' '; 1024 * 1024];
    let length = HUGE.to_string();
    let framing =
        if announced { ("Content-Length", length.as_str()) } else { ("Transfer-Encoding", "chunked") };
    write_head(client, 200, &[("Content-Type", "application/json"), framing])?;
    for _ in 0..HUGE / chunk.len() {
        if !announced {
            client.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
        }
        client.write_all(&chunk)?;
        if !announced {
            client.write_all(b"\r\n")?;
        }
    }
    client.write_all(if announced { b"" } else { b"0\r\n\r\n" })
}

/// Asks the good registry, and gives its whole answer.
fn forward(server: SocketAddr, request: &SeenRequest) -> io::Result<Vec<u8>> {
    let mut head =
        format!("{} {} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n", request.method, request.path);
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "host" && name != "connection") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn split(answer: &[u8]) -> io::Result<(String, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    Ok((head, answer[end + 4..].to_vec()))
}
