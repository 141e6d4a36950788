//! HTTP on plain sockets: a request goes out as it is written, with nothing added that a client did not send.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use anyhow::{Context, bail, ensure};
use downshift_cases::response::Response;
use memchr::memmem;

/// How long a connection may be silent.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait for the end of a connection after a whole response, and the end of what was sent.
const AFTERWARDS: Duration = Duration::from_secs(1);

const TRANSFER_ENCODING: &str = "transfer-encoding";

/// Sends a request as HTTP/1.0 clients do, with nothing but its line, and gives what comes until the connection ends.
///
/// # Errors
/// If there is no response.
pub fn send_1_0(address: SocketAddr, target: &str) -> anyhow::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.write_all(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes())?;
    parse(&read(&mut stream, "GET")?)
}

/// Sends one request on a connection of its own, and reads what comes until it ends.
///
/// `target` and `headers` are sent as they are; only `Host`, where they have none, and `Connection: close` are added.
///
/// # Errors
/// If there is no response, it is framed neither by a `Content-Length` that is its body's nor by chunks, or one to `HEAD` has
/// a body.
pub fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> anyhow::Result<Response> {
    let response = receive(address, method, target, headers)?;
    check_framing(&response, method).with_context(|| format!("{method} {target}"))?;
    Ok(response)
}

/// The same, whatever the length of the body is: it may be that of a response which broke off.
///
/// # Errors
/// If there is no response.
pub fn receive(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> anyhow::Result<Response> {
    let head = head(address, method, target, &[headers, &[("Connection", "close")]].concat());
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.write_all(head.as_bytes())?;
    let bytes = read(&mut stream, method)?;
    ensure!(!bytes.is_empty(), NothingCame);
    parse(&bytes).with_context(|| format!("{method} {target}"))
}

/// A connection that is kept for many requests, as engines do: connecting for each would take most of the time.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    /// None before the first request, and after a response that was the last.
    stream: Option<TcpStream>,
}

impl Connection {
    /// A connection to `address`, which begins with the first request.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// As [`send`], but the connection stays open. A request that comes too late for it is sent on another one.
    ///
    /// # Errors
    /// As there.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> anyhow::Result<Response> {
        let head = head(self.address, method, target, headers);
        let context = || format!("{method} {target}");
        if let Some(stream) = self.stream.take() {
            match self.exchange(stream, &head, method) {
                // Servers close idle connections.
                Err(error) if error.is::<NothingCame>() => {}
                exchanged => return exchanged.with_context(context),
            }
        }
        let stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        self.exchange(stream, &head, method).with_context(context)
    }

    /// Keeps `stream` for the next request, if there may be one.
    fn exchange(&mut self, mut stream: TcpStream, head: &str, method: &str) -> anyhow::Result<Response> {
        check_silence(&mut stream)?;
        stream.write_all(head.as_bytes()).map_err(|_| NothingCame)?;
        let (bytes, response) = match read_response(&mut stream, method) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => bail!(NothingCame),
            read => read?,
        };
        ensure!(!bytes.is_empty(), NothingCame);
        let response =
            response.with_context(|| format!("the response breaks off: {}", bytes.escape_ascii()))?;
        // More than was announced is an error.
        check_framing(&response, method)?;
        if response.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(response)
    }
}

/// Checks that nothing has come since the last response.
fn check_silence(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut chunk = [0; 1024];
    stream.set_nonblocking(true)?;
    let read = stream.read(&mut chunk);
    stream.set_nonblocking(false)?;
    match read {
        Ok(length @ 1..) => bail!("more than a response came: {}", chunk[..length].escape_ascii()),
        Err(error) if is_timeout(&error) => Ok(()),
        Ok(_) | Err(_) => bail!(NothingCame),
    }
}

fn head(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

/// A connection that was closed without a response.
#[derive(Debug)]
pub struct NothingCame;

impl core::fmt::Display for NothingCame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no HTTP came back")
    }
}

impl core::error::Error for NothingCame {}

/// Whether a response to `method` has less of a body than it has announced.
#[must_use]
pub fn is_broken(response: &Response, method: &str) -> bool {
    !is_whole(response, method)
}

/// Reads to the end of the connection. After a whole response this side of it ends first: workerd leaves connections open for
/// seconds otherwise, whatever clients say, and whatever else it sends comes before it hears of that.
fn read(stream: &mut TcpStream, method: &str) -> anyhow::Result<Vec<u8>> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let (mut bytes, response) = read_response(stream, method)?;
    if response.is_some() {
        // It may have closed all of it.
        let _ = stream.shutdown(Shutdown::Write);
        stream.set_read_timeout(Some(AFTERWARDS))?;
        match stream.read_to_end(&mut bytes) {
            Err(error) if !is_timeout(&error) && error.kind() != ErrorKind::ConnectionReset => {
                return Err(error.into());
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(bytes)
}

/// Reads until a response is whole, or the connection ends: what came, and the response if it is.
fn read_response(stream: &mut TcpStream, method: &str) -> io::Result<(Vec<u8>, Option<Response>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 64 * 1024];
    // Bytes without which it is not whole: a large body is looked at once, and not with each piece that comes.
    let mut least = 0;
    loop {
        if bytes.len() >= least
            && let Ok(response) = parse(&bytes)
        {
            if is_whole(&response, method) {
                return Ok((bytes, Some(response)));
            }
            if let Some(length) = announced(&response) {
                least = bytes.len() - response.body.len() + length;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Ok((bytes, None)),
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
            // That is how a response breaks off.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !bytes.is_empty() => {
                return Ok((bytes, None));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Sends `bytes`, whatever they are, and gives the responses that come back until the connection ends or is silent for
/// two seconds.
///
/// # Errors
/// If there is no connection, or something comes back that is no response framed by its `Content-Length`.
pub fn converse(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<Vec<Response>> {
    const SILENCE: Duration = Duration::from_secs(2);
    converse_until(address, bytes, SILENCE, false)
}

/// The same for requests after which the server closes the connection.
///
/// # Errors
/// As [`converse`], and if it does not close it.
pub fn converse_to_the_end(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<Vec<Response>> {
    converse_until(address, bytes, TIMEOUT, true)
}

fn converse_until(
    address: SocketAddr,
    bytes: &[u8],
    silence: Duration,
    must_end: bool,
) -> anyhow::Result<Vec<Response>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(silence))?;
    // It may have heard enough before the end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(length @ 1..) => answer.extend_from_slice(&chunk[..length]),
            Err(error) if must_end && is_timeout(&error) => {
                bail!("the connection does not end: {}", answer.escape_ascii());
            }
            Ok(_) | Err(_) => break,
        }
    }
    let mut responses = Vec::new();
    let mut rest = answer.as_slice();
    while !rest.is_empty() {
        let mut response = parse(rest)?;
        let length = response.header("content-length").context("there is no length")?.parse()?;
        ensure!(length <= response.body.len(), "{length} bytes were announced: {response:?}");
        rest = &rest[rest.len() - (response.body.len() - length)..];
        response.body.truncate(length);
        responses.push(response);
    }
    Ok(responses)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Whether all of the body is there that belongs to the head.
fn is_whole(response: &Response, method: &str) -> bool {
    method == "HEAD"
        || response.status == 304
        || is_chunked(response)
        || announced(response).is_some_and(|length| response.body.len() >= length)
}

/// Whether a body came in chunks, to the last one.
fn is_chunked(response: &Response) -> bool {
    response.header(TRANSFER_ENCODING).is_some()
}

/// Bytes of the body, as the head says.
fn announced(response: &Response) -> Option<usize> {
    response.header("content-length")?.parse().ok()
}

fn parse(bytes: &[u8]) -> anyhow::Result<Response> {
    let end = memmem::find(bytes, b"\r\n\r\n");
    let end = end.with_context(|| format!("no HTTP came back: {}", bytes.escape_ascii()))?;
    let head = str::from_utf8(&bytes[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("there is no status")?;
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').with_context(|| format!("`{line}` is no header"))?;
        Ok((name.to_ascii_lowercase(), value.trim().to_string()))
    });
    let mut response = Response {
        status: status.parse()?,
        headers: headers.collect::<anyhow::Result<_>>()?,
        body: bytes[end + 4..].to_vec(),
    };
    if is_chunked(&response) {
        match unchunked(&response.body) {
            Some(body) => response.body = body,
            // Nothing says any more that it is whole.
            None => response.headers.retain(|(name, _)| name != TRANSFER_ENCODING),
        }
    }
    Ok(response)
}

/// The bytes that came in chunks (RFC 9112, 7.1), if the last one is there.
fn unchunked(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n")?;
        let size = str::from_utf8(&chunks[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        chunks = &chunks[end + 2..];
        if size == 0 {
            return chunks.starts_with(b"\r\n").then_some(body);
        }
        body.extend_from_slice(chunks.get(..size)?);
        chunks = chunks.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

fn check_framing(response: &Response, method: &str) -> anyhow::Result<()> {
    if method == "HEAD" || response.status == 304 {
        ensure!(response.body.is_empty(), "there is a body");
        return Ok(());
    }
    if is_chunked(response) {
        return Ok(());
    }
    let length = response.header("content-length").context("there is no length")?;
    ensure!(
        length == response.body.len().to_string(),
        "{length} bytes were announced, {} came",
        response.body.len()
    );
    Ok(())
}
