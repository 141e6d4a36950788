//! The whole server, on a connection: whatever is sent, what comes back is HTTP, framed as it says, and without a header
//! that somebody else wrote.
//!
//! The input is sent as it is, with two changes: each line ends with CR and LF, and after it comes a last request.

#![no_main]

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, LazyLock};
use std::thread;

use downshift_cases::images::{layout, sample};
use downshift_fuzz::responses::{HEADERS, PAGE_HEADERS, is_error, is_value};
use downshift_tests::server::free_address;
use libfuzzer_sys::fuzz_target;
use signal_hook::consts::SIGPIPE;
use tempfile::TempDir;

/// The server, and the folder that it serves.
static SERVER: LazyLock<(SocketAddr, TempDir)> = LazyLock::new(|| start().expect("the server starts"));

/// How long to wait for what may not come: a request with a body that was not sent has no answer.
const PATIENCE: Duration = Duration::from_millis(100);

fn start() -> Result<(SocketAddr, TempDir), Box<dyn core::error::Error>> {
    // Who has gone is written to in vain and not to the death of this process: Rust's `main` sees to that, and this
    // program has another one.
    signal_hook::flag::register(SIGPIPE, Arc::default())?;
    let store = tempfile::tempdir()?;
    let images = sample::in_every_form();
    layout::write(&store.path().join("library/sample"), &images)?;
    // Nothing in a folder beside the store is served.
    layout::write(&store.path().join(".secret"), &images)?;
    let address = free_address()?;
    let folder = store.path().display().to_string();
    let arguments =
        ["downshift", "serve", "--engine", "native", "--store", &folder, "--listen", &address.to_string()];
    let arguments = arguments.map(str::to_owned);
    thread::spawn(move || downshift_host::run_with(arguments));
    for _ in 0..500 {
        if TcpStream::connect(address).is_ok() {
            return Ok((address, store));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err("the server does not listen".into())
}

fuzz_target!(|input: &[u8]| {
    if input.len() > 100_000 {
        return;
    }
    let answer = converse(&lines(input));
    let mut rest = answer.as_slice();
    while !rest.is_empty() {
        rest = response(rest);
    }
});

/// `input` with the ends of lines that HTTP has, and a last request.
fn lines(input: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(input.len() + 64);
    for line in input.split(|&byte| byte == b'\n') {
        bytes.extend(line);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"\r\nGET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    bytes
}

fn converse(bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(SERVER.0).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket has a timeout");
    let _ = stream.set_nodelay(true);
    // It may have heard enough before the end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..length]);
        if length == 0 {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    answer
}

/// Checks the response that `bytes` begin with, and gives the rest.
fn response(bytes: &[u8]) -> &[u8] {
    // What follows a preface of HTTP/2 is another protocol.
    if bytes.first() != Some(&b'H') {
        return &[];
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a response has a head");
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    let head = str::from_utf8(head).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")).expect("a response begins so");
    let status: u16 =
        status.get(2..5).and_then(|status| status.parse().ok()).expect("a response has a status");
    let mut length = 0;
    let mut is_json = false;
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header is a name and a value");
        let name = name.to_ascii_lowercase();
        let is_ours = HEADERS.iter().chain(&PAGE_HEADERS).any(|own| *own == name);
        assert!(is_ours, "`{name}` is no header of ours: {head}");
        assert!(is_value(value), "{line:?}");
        match name.as_str() {
            "content-length" => length = value.parse().expect("a length is a number"),
            "content-type" => is_json = value == "application/json; charset=utf-8",
            _ => {}
        }
    }
    // A response to HEAD, or 304, has a length and no body: then another response follows, or nothing.
    if body.is_empty() || body.starts_with(b"HTTP/1.") || matches!(status, 304 | 204) {
        return body;
    }
    let Some((body, rest)) = body.split_at_checked(length) else {
        panic!("{length} bytes were announced: {head}")
    };
    if status >= 400 && is_json {
        is_error(body);
    }
    rest
}
