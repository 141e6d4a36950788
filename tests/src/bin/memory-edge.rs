//! The smallest place that pulls: an edge in front of one registry, with all that it keeps in memory.
//!
//! It is here to be read before another place is written, and the suite puts the table of HTTP to it. A thread for each
//! connection does what its pull wants, one thing after the other.

use core::time::Duration;
use std::collections::HashMap;
use std::env;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use downshift::answer::{Documents, Record, Step as CoreStep, answer};
use downshift::{Digest, Policy};
use downshift_cases::fixed_key::FixedKey;
use downshift_pull::{
    Access, Answered, Ask, AskMethod, Body, BodyId, Conversion, Converted, Copied, Copy, Delivery, Done,
    Effect, HEADERS, Key, Memory, Origin, OriginId, Place, Pull, Registry, Settings, Step, Take, Trouble,
    Url, Value,
};
use downshift_registry::{Body as ResponseBody, Mapping, Problem, Request, Response};
use downshift_sign::{P256Signer, Signer as _};
use ureq::http::Uri;
use ureq::{Agent, BodyReader};

/// How long a registry may take for anything.
const TIMEOUT: Duration = Duration::from_secs(30);

struct Edge {
    settings: Arc<Settings>,
    memory: Mutex<Memory>,
    kept: Mutex<HashMap<Key, Value>>,
    records: Mutex<HashMap<(String, Digest), Record>>,
    signer: P256Signer,
    agent: Agent,
}

fn main() -> anyhow::Result<()> {
    let option = |name: &str| env::args().skip_while(|argument| argument != name).nth(1);
    let upstream = option("--upstream").context("usage: memory-edge --upstream URL [--policy POLICY]")?;
    let url = format!("{}/", upstream.trim_end_matches('/'));
    let base = resolve(None, &url).context("the URL must be of the form http://HOST")?;
    let registry = Registry { base, credentials: None, delivery: Delivery::Stream, timeout: TIMEOUT };
    let place = Place::Registry(registry);
    let origin = Origin::new(OriginId(0), Mapping::default(), place);
    let mut settings = Settings::new(vec![origin], Access::Open, resolve);
    settings.policy = option("--policy").map_or(Ok(Policy::Strict), |policy| policy.parse())?;
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
    let edge = Arc::new(Edge {
        settings: Arc::new(settings),
        memory: Mutex::default(),
        kept: Mutex::default(),
        records: Mutex::default(),
        signer: FixedKey::read()?.signer()?,
        agent: config.timeout_global(Some(TIMEOUT)).build().into(),
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
    let base = base.and_then(|base| base.parse::<Uri>().ok());
    let uri: Uri = match base {
        Some(base) if url.starts_with('/') => {
            format!("{}://{}{url}", base.scheme_str()?, base.authority()?).parse().ok()?
        }
        _ => url.parse().ok()?,
    };
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let is_secure = ["http", "https"].iter().position(|known| *known == scheme)? == 1;
    let (origin, host) = (format!("{scheme}://{authority}"), authority.host().to_owned());
    Some(Url { text: uri.to_string(), origin, host, is_secure })
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
        match Request::read(method, target, headers) {
            Ok(request) => self.pull(request, &mut connection),
            Err(response) => respond(&response, &mut connection),
        }
    }

    /// Does what a pull wants, until it is over.
    fn pull(&self, request: Request, client: &mut TcpStream) -> io::Result<()> {
        let mut pull = Pull::new(Arc::clone(&self.settings), request, "http");
        let (mut open, mut done) = (None, Vec::new());
        while let Step::Wants { new, .. } = pull.step(now(), done.drain(..)) {
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
                    effect => self.carry_out(&effect, &mut open),
                };
                done.push((ticket, outcome));
            }
        }
        Ok(())
    }

    fn carry_out(&self, effect: &Effect, open: &mut Option<BodyReader<'static>>) -> Done {
        if let Some(done) = lock(&self.memory).answer(effect, now()) {
            return done;
        }
        match effect {
            Effect::Ask(ask) => Done::Asked(self.ask(ask, open)),
            Effect::Load(key) => {
                lock(&self.kept).get(key).cloned().map_or(Done::Unknown { mark: 0 }, Done::Known)
            }
            // For good: what it keeps longer than it should, pulls know the age of.
            Effect::Keep { key, value, .. } => {
                lock(&self.kept).insert(key.clone(), value.clone());
                Done::Nothing
            }
            Effect::Recall { name, digest } => {
                Done::Recalled(Ok(lock(&self.records).get(&(name.clone(), digest.clone())).cloned()))
            }
            Effect::Record(records) => {
                let key = |record: &Record| (record.name.clone(), record.digest.clone());
                lock(&self.records).extend(records.iter().map(|record| (key(record), record.clone())));
                Done::Recorded(Ok(()))
            }
            Effect::Convert(conversion) => Done::Converted(self.convert(conversion)),
            // There are no users, and no images but those of the registry.
            _ => Done::Nothing,
        }
    }

    fn ask(&self, ask: &Ask, open: &mut Option<BodyReader<'static>>) -> Result<Answered, Problem> {
        let unreachable = |error: ureq::Error| Problem::Unreachable(error.to_string());
        let mut request = match ask.method {
            AskMethod::Get => self.agent.get(&ask.url.text),
            AskMethod::Head => self.agent.head(&ask.url.text),
            AskMethod::Post(_) => return Err(Problem::Invalid("this edge has no identity token".to_owned())),
        };
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = &ask.authorization {
            request = request.header("authorization", authorization.as_str());
        }
        let (head, body) = request.call().map_err(unreachable)?.into_parts();
        let lines = |name| head.headers.get_all(name).iter().map(move |value| (name, value));
        let headers = HEADERS.into_iter().flat_map(lines);
        let headers =
            headers.filter_map(|(name, value)| Some((name, value.to_str().ok()?.to_owned()))).collect();
        let (status, body) = (head.status.as_u16(), body.into_reader());
        let body = match ask.take {
            Take::Whole { limit, .. } if status == 200 => {
                let (bytes, digest) = read(body, limit)?;
                Body::Bytes { bytes, digest }
            }
            Take::Open if matches!(status, 200 | 206) => {
                // No pull has two open at a time, in front of a registry that says how long its blobs are.
                *open = Some(body);
                Body::Open(BodyId(0))
            }
            _ => Body::None,
        };
        Ok(Answered { status, headers, body })
    }

    fn convert(
        &self,
        Conversion { request, documents, layers, .. }: &Conversion,
    ) -> Result<Converted, Trouble> {
        let documents: Documents<'_> =
            documents.iter().map(|(digest, bytes)| (digest, bytes.as_deref())).collect();
        let documents = documents.with_layers(layers.iter().map(|(digest, reading)| (digest, reading)));
        Ok(match answer(request, &documents) {
            CoreStep::Need(needs) => Converted::Need(needs),
            CoreStep::Refused(refusal) => Converted::Refused(refusal),
            CoreStep::Done(draft) => Converted::Answer(Box::new(draft.finish().into_owned())),
            CoreStep::Sign(prepared) => {
                let signature = self.signer.sign(&prepared.signing_input()).map_err(|_| Trouble::Internal)?;
                Converted::Answer(Box::new(prepared.seal(signature).map_err(|_| Trouble::Internal)?))
            }
        })
    }
}

fn read(body: impl Read, limit: usize) -> Result<(bytes::Bytes, Digest), Problem> {
    let mut bytes = Vec::new();
    let read = body.take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Problem::Unreachable(error.to_string()))?;
    if bytes.len() > limit {
        return Err(Problem::TooLarge { limit });
    }
    let digest = Digest::of(&bytes);
    Ok((bytes.into(), digest))
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
    write!(client, "HTTP/1.1 {status} \r\nconnection: close\r\n")?;
    for (name, value) in headers {
        write!(client, "{name}: {value}\r\n")?;
    }
    client.write_all(b"\r\n")?;
    match body {
        ResponseBody::Bytes(bytes) => client.write_all(bytes),
        ResponseBody::Blob(_) | ResponseBody::Stream => Ok(()),
    }
}

fn now() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
