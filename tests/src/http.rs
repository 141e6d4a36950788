//! HTTP on plain sockets: a request goes out as it is written, with nothing added that a client did not send.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use anyhow::{Context, ensure};
use downshift_cases::response::Response;

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
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("Connection: close\r\n\r\n");
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.write_all(head.as_bytes())?;
    let bytes = read(&mut stream, method)?;
    ensure!(!bytes.is_empty(), NothingCame);
    parse(&bytes).with_context(|| format!("{method} {target}"))
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
    let mut bytes = Vec::new();
    let mut chunk = [0; 64 * 1024];
    // Bytes without which it is not whole: a large body is looked at once, and not with each piece that comes.
    let mut least = 0;
    let mut is_whole = false;
    loop {
        if !is_whole && bytes.len() >= least {
            let response = parse(&bytes).ok();
            if let Some(length) = response.as_ref().and_then(announced) {
                let head = bytes.len() - response.as_ref().map_or(0, |response| response.body.len());
                least = if method == "HEAD" { head } else { head + length };
            }
            is_whole = response.is_some_and(|response| self::is_whole(&response, method));
            if is_whole {
                // It may have closed all of it.
                let _ = stream.shutdown(Shutdown::Write);
                stream.set_read_timeout(Some(AFTERWARDS))?;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
            Err(error) if is_whole && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(bytes);
            }
            // That is how a response breaks off.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !bytes.is_empty() => {
                return Ok(bytes);
            }
            Err(error) => return Err(error.into()),
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
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(SILENCE))?;
    // It may have heard enough before the end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..length]);
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
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
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
            return Some(body);
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
