//! The smallest place that pulls: an edge in front of one registry, with all that it keeps in memory.
//!
//! It is here to be read before another place is written, and the suite puts the table of HTTP to it. A thread for each
//! connection does what its pull wants, one thing after the other.

use core::time::Duration;
use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;
use std::{env, thread};

use anyhow::Context as _;
use downshift_cases::fixed_key::FixedKey;
use downshift_pull::{
    Answered, Ask, Body, BodyId, Copied, Copy, Done, Effect, Key, Memory, Pull, Settings, Step, Take,
    Trouble, UPSTREAM_TIMEOUT, Url, Value, Variables,
};
use downshift_registry::{Body as ResponseBody, Problem, Request, Response};
use downshift_sign::{P256Signer, Signer as _, read_signatures};
use serde_json::json;
use ureq::{Agent, BodyReader, http, http::Uri};

struct Edge {
    settings: Arc<Settings>,
    memory: Mutex<Memory>,
    /// For good: what it keeps longer than it should, pulls know the age of.
    kept: Mutex<HashMap<Key, Value>>,
    signer: P256Signer,
    agent: Agent,
}

fn main() -> anyhow::Result<()> {
    let option = |name: &str| env::args().skip_while(|argument| argument != name).nth(1);
    let upstream = option("--upstream").context("usage: memory-edge --upstream URL [--policy POLICY]")?;
    // All that other edges have as variables is said so here, too.
    let variables = json!({ "UPSTREAM": upstream, "POLICY": option("--policy"), "RECORDS": true });
    let Variables { settings, .. } = Variables::read(&variables.to_string(), resolve)?;
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
    let edge = Arc::new(Edge {
        settings: Arc::new(settings),
        memory: Mutex::default(),
        kept: Mutex::default(),
        signer: FixedKey::read()?.signer()?,
        agent: config.timeout_global(Some(UPSTREAM_TIMEOUT)).build().into(),
    });
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}", listener.local_addr()?);
    for connection in listener.incoming() {
        let (edge, connection) = (Arc::clone(&edge), connection?);
        thread::spawn(move || edge.serve(connection));
    }
    Ok(())
}

/// Reads a URL of the web: absolute ones, and paths, which is what registries redirect to.
fn resolve(base: Option<&str>, url: &str) -> Option<Url> {
    let below = |base: Uri| Some(format!("{}://{}{url}", base.scheme_str()?, base.authority()?));
    let text = match base.filter(|_| url.starts_with('/')) {
        Some(base) => below(base.parse().ok()?)?,
        None => url.to_owned(),
    };
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    Url::of_web(uri.to_string(), format!("{}://{authority}", uri.scheme_str()?), authority.host().to_owned())
}

impl Edge {
    /// Answers one request. Whoever sends it sees where that fails.
    fn serve(&self, mut connection: TcpStream) -> io::Result<()> {
        let mut head = Vec::new();
        let mut reader = BufReader::new(connection.try_clone()?).take(64 * 1024);
        while !head.ends_with(b"\r\n\r\n") && reader.read_until(b'\n', &mut head)? > 0 {}
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name, value.trim().as_bytes()));
        let read = Request::read(method, target, headers);
        self.carry_through(Pull::of_read(Arc::clone(&self.settings), read, "http"), &mut connection)
    }

    /// Does what a pull wants, until it is over.
    fn carry_through(&self, mut pull: Pull, client: &mut TcpStream) -> io::Result<()> {
        let (mut open, mut done) = (None, Vec::new());
        loop {
            let step = pull.step_with(&mut lock(&self.memory), now(), done.drain(..));
            let Step::Wants { new, .. } = step else { return Ok(()) };
            for (ticket, effect) in new {
                let outcome = match effect {
                    Effect::Respond(reply) => {
                        respond(&reply.response, client)?;
                        Done::Responded
                    }
                    Effect::Copy(copy) => Done::Copied(send(&copy, open.take(), client)),
                    // Nothing is done side by side, so that the time of anything is never over.
                    Effect::Pause(duration) if duration >= Duration::from_secs(1) => continue,
                    Effect::Pause(duration) => {
                        thread::sleep(duration);
                        Done::Waited
                    }
                    effect => self.carry_out(effect, &mut open),
                };
                done.push((ticket, outcome));
            }
        }
    }

    fn carry_out(&self, effect: Effect, open: &mut Option<BodyReader<'static>>) -> Done {
        match effect {
            Effect::Ask(ask) => Done::Asked(self.ask(&ask, open)),
            Effect::Load(key) => self.kept(&key).map_or(Done::Unknown { mark: 0 }, Done::Known),
            Effect::Has(key) => Done::Has(self.kept(&key).is_some()),
            Effect::Keep { key, value, .. } => {
                lock(&self.kept).insert(key, value);
                Done::Nothing
            }
            Effect::Recall { name, digest } => match self.kept(&Key::Record { name, digest }) {
                Some(Value::Record(record)) => Done::Recalled(Ok(Some(record))),
                _ => Done::Recalled(Ok(None)),
            },
            Effect::Record(records) => {
                for record in records {
                    let (name, digest) = (record.name.clone(), record.digest.clone());
                    lock(&self.kept).insert(Key::Record { name, digest }, Value::Record(Box::new(record)));
                }
                Done::Recorded(Ok(()))
            }
            Effect::Mac(text) => Done::Mac(self.signer.mac(text.as_bytes())),
            Effect::Convert(conversion) => Done::Converted(conversion.run(
                |bytes| read_signatures(bytes, &conversion.request.limits),
                |bytes| self.signer.sign(bytes).map_err(|_| Trouble::Internal),
            )),
            // There are no users, no images but those of the registry, and nobody who reads layers.
            _ => Done::Unknown { mark: 0 },
        }
    }

    fn kept(&self, key: &Key) -> Option<Value> {
        lock(&self.kept).get(key).cloned()
    }

    fn ask(&self, ask: &Ask, open: &mut Option<BodyReader<'static>>) -> Result<Answered, Problem> {
        let unreachable = |error: &dyn ToString| Problem::Unreachable(error.to_string());
        let request = http::Request::builder().method(ask.method.name()).uri(&ask.url.text);
        let request = ask.lines().fold(request, |request, (name, value)| request.header(name, value));
        let form = ask.method.form().map_or("", |form| form.as_str());
        let request = request.body(form).map_err(|error| Problem::Invalid(error.to_string()))?;
        let (head, body) = self.agent.run(request).map_err(|error| unreachable(&error))?.into_parts();
        let headers = head.headers.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
        let (answered, body) = (Answered::new(head.status.as_u16(), headers), body.into_reader());
        let body = match ask.take.of(answered.status) {
            Take::Nothing => Body::None,
            Take::Whole { limit, .. } => {
                let mut bytes = Vec::new();
                let read = body.take(limit as u64 + 1).read_to_end(&mut bytes);
                match read.map_err(|error| unreachable(&error))? {
                    length if length > limit => return Err(Problem::TooLarge { limit }),
                    _ => Body::read(bytes),
                }
            }
            Take::Open => {
                // No pull has two open at a time, in front of a registry that says how long its blobs are.
                *open = Some(body);
                Body::Open(BodyId(0))
            }
        };
        Ok(Answered { body, ..answered })
    }
}

/// Sends a part of a body. The digest of the whole is left to clients.
fn send(copy: &Copy, body: Option<BodyReader<'static>>, client: &mut TcpStream) -> Copied {
    let Some(body) = body else { return Copied::Broken { sent: None } };
    match io::copy(&mut body.take(copy.length.unwrap_or(u64::MAX)), client) {
        Ok(sent) if copy.length.is_none_or(|length| sent == length) => Copied::All,
        Ok(sent) => Copied::Broken { sent: Some(sent) },
        Err(_) => Copied::ClientGone,
    }
}

fn respond(Response { status, headers, body }: &Response, client: &mut TcpStream) -> io::Result<()> {
    let lines: String = headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
    write!(client, "HTTP/1.1 {status} \r\nconnection: close\r\n{lines}\r\n")?;
    match body {
        ResponseBody::Bytes(bytes) => client.write_all(bytes),
        // The others are copied.
        _ => Ok(()),
    }
}

fn now() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
