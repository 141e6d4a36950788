//! A client that keeps its connection.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use anyhow::{Context, ensure};

/// How long a response may take.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) digest: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Sends a request and reads its answer. After an error there is a new connection the next time.
    pub(super) fn ask(&mut self, request: &str) -> anyhow::Result<Answer> {
        let mut connection = self.connect()?;
        connection.get_mut().write_all(request.as_bytes())?;
        let answer = read(&mut connection, request.starts_with("HEAD"))?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Sends a request, or a part of it, reads a part of the answer at the most, and goes away.
    pub(super) fn break_off(&mut self, request: &str, sent: usize, read: usize) -> anyhow::Result<()> {
        let mut connection = self.connect()?;
        connection.get_mut().write_all(request.as_bytes().get(..sent).unwrap_or(request.as_bytes()))?;
        if sent >= request.len() {
            let _ = connection.read(&mut vec![0; read]);
        }
        Ok(())
    }

    fn connect(&mut self) -> anyhow::Result<BufReader<TcpStream>> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }
}

fn read(connection: &mut BufReader<TcpStream>, is_head: bool) -> anyhow::Result<Answer> {
    let mut line = String::new();
    ensure!(connection.read_line(&mut line)? > 0, "the connection was closed");
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status: u16 = status.with_context(|| format!("`{line}` is no HTTP"))?;
    let (mut length, mut digest) = (0, None);
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "docker-content-digest" => digest = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let has_body = !is_head && status != 304;
    let mut body = vec![0; if has_body { length } else { 0 }];
    connection.read_exact(&mut body)?;
    Ok(Answer { status, digest, body })
}
