//! The scripted network of `downshift-world` on real sockets, for servers that ask it as they ask any registry.

use core::net::SocketAddr;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use downshift_world::net::{End, Host, Net, Reply, Request, Response};

use crate::proxy::SeenRequest;
use crate::web::{Web, hang};

/// The hosts, each listening at an address of its own, for as long as this value lives.
#[derive(Debug)]
pub struct ScriptedNetwork {
    net: Arc<Mutex<Net>>,
    hosts: Vec<(Host, Web)>,
}

impl ScriptedNetwork {
    /// Starts all hosts. There is nothing at them.
    ///
    /// # Errors
    /// If there is no free port.
    pub fn start() -> io::Result<Self> {
        let net = Arc::new(Mutex::new(Net::default()));
        let start = |host| {
            let net = Arc::clone(&net);
            Ok((host, Web::start(move |request, client| answer(&net, host, request, client))?))
        };
        let hosts = Host::ALL.into_iter().map(start).collect::<io::Result<Vec<_>>>()?;
        let urls = hosts.iter().map(|(host, web)| (*host, web.url()));
        *net.lock().unwrap_or_else(PoisonError::into_inner) = Net::new(urls);
        Ok(Self { net, hosts })
    }

    /// The URL of a host, without a slash at the end.
    #[must_use]
    pub fn url(&self, host: Host) -> String {
        self.with(|net| net.url(host).to_owned())
    }

    /// Where a host listens.
    #[must_use]
    pub fn address(&self, host: Host) -> Option<SocketAddr> {
        self.hosts.iter().find(|(own, _)| *own == host).map(|(_, web)| web.address())
    }

    /// Does something with the network.
    pub fn with<T>(&self, act: impl FnOnce(&mut Net) -> T) -> T {
        act(&mut self.net.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn answer(net: &Mutex<Net>, host: Host, seen: &SeenRequest, client: &mut TcpStream) -> io::Result<()> {
    let SeenRequest { method, path, headers, body } = seen.clone();
    let form = String::from_utf8_lossy(&body).into_owned();
    let request = Request { host, method, target: path, headers, form };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let reply = net.lock().unwrap_or_else(PoisonError::into_inner).answer(now, &request);
    match reply {
        Reply::Closed => client.shutdown(Shutdown::Both),
        Reply::Silence => {
            hang(client);
            Ok(())
        }
        Reply::NotHttp => client.write_all(b"220 mail.example.org ESMTP\r\n"),
        Reply::Response(response) => respond(client, &request, response),
    }
}

/// Sends a response as it is framed: where it has no length that can be read, its body comes in chunks.
fn respond(client: &mut TcpStream, request: &Request, response: Response) -> io::Result<()> {
    let response = response.framed();
    let mut head = format!("HTTP/1.1 {} Status\r\nconnection: close\r\n", response.status);
    let is_length = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let mut is_framed = false;
    for (name, value) in &response.headers {
        // HTTP clients treat a malformed length as an attack, which is not the fault under test.
        if name == "content-length" && !is_length(value) {
            continue;
        }
        is_framed |= name == "content-length";
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !is_framed {
        head.push_str("transfer-encoding: chunked\r\n");
    }
    head.push_str("\r\n");
    client.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    if is_framed {
        client.write_all(&response.body)?;
    } else if !response.body.is_empty() {
        client.write_all(format!("{:x}\r\n", response.body.len()).as_bytes())?;
        client.write_all(&response.body)?;
        client.write_all(b"\r\n")?;
    }
    match response.end {
        End::Whole if is_framed => Ok(()),
        End::Whole => client.write_all(b"0\r\n\r\n"),
        End::Cut(_) => client.shutdown(Shutdown::Both),
        End::Silence(_) => {
            hang(client);
            Ok(())
        }
    }
}
