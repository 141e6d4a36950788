//! HTTP/2 on a plain socket, frame by frame (RFC 9113): for clients that do what no library does.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, ensure};

/// How long a connection may be silent.
const TIMEOUT: Duration = Duration::from_secs(30);

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Identifies the setting for the window of new streams (RFC 9113, 6.5.2).
const INITIAL_WINDOW_SIZE: u8 = 4;

/// A connection of a client that takes nothing but heads, for each of its streams has a window of no byte.
#[derive(Debug)]
pub struct Stalled {
    stream: TcpStream,
    next: u32,
    /// The frames that came while another was waited for: their types and streams.
    passed: Vec<(u8, u32)>,
}

impl Stalled {
    /// Connects.
    ///
    /// # Errors
    /// If there is no connection.
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        let mut connection = Self { stream, next: 1, passed: Vec::new() };
        connection.write(SETTINGS, 0, 0, &[0, INITIAL_WINDOW_SIZE, 0, 0, 0, 0])?;
        Ok(connection)
    }

    /// Sends a request, and gives the number of its stream.
    ///
    /// # Errors
    /// If the connection is gone, or a header is too long for this.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<u32> {
        let own = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)];
        let mut block = Vec::new();
        for (name, value) in own.iter().chain(headers) {
            // A literal that is not indexed (RFC 7541, 6.2.2), with lengths of one byte.
            block.push(0);
            for text in [name, value] {
                ensure!(text.len() < 127, "`{text}` is too long");
                block.push(u8::try_from(text.len())?);
                block.extend_from_slice(text.as_bytes());
            }
        }
        let stream = self.next;
        self.next += 2;
        self.write(HEADERS, END_STREAM | END_HEADERS, stream, &block)?;
        Ok(stream)
    }

    /// Waits for the head of the response on a stream.
    ///
    /// # Errors
    /// If it does not come.
    pub fn await_head(&mut self, stream: u32) -> anyhow::Result<()> {
        self.await_frame(HEADERS, stream)
    }

    /// Waits until a stream is reset.
    ///
    /// # Errors
    /// If it is not.
    pub fn await_reset(&mut self, stream: u32) -> anyhow::Result<()> {
        self.await_frame(RST_STREAM, stream)
    }

    /// Waits for a frame, and answers what has to be answered until then.
    fn await_frame(&mut self, kind: u8, stream: u32) -> anyhow::Result<()> {
        if let Some(place) = self.passed.iter().position(|frame| *frame == (kind, stream)) {
            self.passed.swap_remove(place);
            return Ok(());
        }
        loop {
            let mut head = [0; 9];
            let read = self.stream.read_exact(&mut head);
            read.with_context(|| format!("no frame of type {kind} came for stream {stream}"))?;
            let [a, b, c, came, flags, on @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]).try_into()?];
            self.stream.read_exact(&mut payload)?;
            match came {
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[])?,
                PING if flags & ACK == 0 => self.write(PING, ACK, 0, &payload)?,
                _ => {}
            }
            let frame = (came, u32::from_be_bytes(on));
            if frame == (kind, stream) {
                return Ok(());
            }
            self.passed.push(frame);
        }
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> anyhow::Result<()> {
        let [_, length @ ..] = u32::try_from(payload.len())?.to_be_bytes();
        let mut frame = [&length[..], &[kind, flags], &stream.to_be_bytes()].concat();
        frame.extend_from_slice(payload);
        Ok(self.stream.write_all(&frame)?)
    }
}
