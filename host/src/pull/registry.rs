//! Asking registries: each exchange as it is wanted, and the same one once for all who want it at the same time.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use downshift::Digest;
use downshift_pull::{Answered, Ask, AskMethod, Body, BodyId, Done, OriginId, Take};
use downshift_registry::Problem;
use futures_util::FutureExt as _;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::account::Account;
use super::flights::{Flights, Joined, Moment, Settling};
use crate::access::CallerHasher;
use crate::origin::registry::{Query, Response, Upstream};

/// Bytes of a body from which on it is not there for long.
const LARGE_BYTES: usize = 64 * 1024;

/// The registries, and what is being asked of them.
pub(crate) struct Registries {
    by_id: HashMap<OriginId, Arc<Upstream>>,
    flights: Arc<Flights<Flight, Landed>>,
    hasher: Arc<CallerHasher>,
}

/// All that decides what comes of an exchange. Credentials are hashed, for it lives longer than they should.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    origin: OriginId,
    /// Its name, and a hash of the body that is sent with it.
    method: (&'static str, Option<[u8; 32]>),
    url: String,
    headers: Vec<(&'static str, String)>,
    authorization: [u8; 32],
    take: Take,
}

/// The outcome of an exchange, until it is kept.
pub(super) type Keeping = Settling<Flight, Landed>;

/// What comes of an exchange: a response whose body is read, or is not wanted.
pub(super) type Landed = Result<Arc<Exchange>, Failed>;

/// A response that all who wait for it have together.
pub(super) struct Exchange {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Option<(Bytes, Digest)>,
    /// What the body counts as long as anybody has it.
    _account: Account,
}

/// Why there is no response.
#[derive(Clone)]
pub(super) enum Failed {
    Problem(Problem),
    Busy,
}

/// What comes of an [`Ask`].
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Asked {
    /// It is over. What has come of it is about to be kept.
    Done(Done, Option<Keeping>),
    /// The body is open.
    Open(Answered, Box<Response>),
}

impl Registries {
    /// These registries, of which nothing is asked yet.
    pub(crate) fn new(upstreams: &[Arc<Upstream>], hasher: Arc<CallerHasher>) -> Self {
        let by_id = upstreams.iter().map(|upstream| (upstream.id, Arc::clone(upstream))).collect();
        Self { by_id, flights: Arc::new(Flights::new(lingering)), hasher }
    }

    pub(super) fn get(&self, origin: OriginId) -> Option<&Arc<Upstream>> {
        self.by_id.get(&origin)
    }

    /// Now, as flights count it.
    pub(super) fn now(&self) -> Moment {
        self.flights.now()
    }

    /// Asks, or learns what others have asked who were under way at `since`. What the pull has asked `before` is asked
    /// anew.
    pub(super) fn ask(
        &self,
        ask: Ask,
        account: Account,
        since: Moment,
        before: &mut Vec<Flight>,
    ) -> impl Future<Output = Asked> + Send + 'static + use<> {
        let upstream = self.get(ask.origin).map(Arc::clone);
        let is_open = ask.take == Take::Open;
        let mut keeping = None;
        let flight = upstream.as_ref().filter(|_| !is_open).map(|upstream| {
            let (upstream, asked, account) = (Arc::clone(upstream), ask.clone(), account.clone());
            let begin = || async move { land(&upstream, asked, account).await }.boxed();
            let key = self.key(&ask);
            // Who asks for the same again does not want what came of it.
            let since = if before.contains(&key) { self.flights.now() } else { since };
            before.push(key.clone());
            keeping = Some(self.flights.settling(key.clone()));
            self.flights.join(key, since, begin)
        });
        async move {
            let Some(upstream) = upstream else {
                return Asked::Done(Done::Asked(Err(unknown_origin())), None);
            };
            let (landed, is_own) = match flight {
                None => return open(&upstream, ask).await,
                Some(Joined::Landed(landed)) => (landed, false),
                Some(Joined::Flying(flight)) => (flight.await, false),
                Some(Joined::New(flight)) => (flight.await, true),
            };
            let done = match landed {
                Ok(exchange) => {
                    // Its own account has been charged while it was read.
                    if !is_own
                        && let (Some((bytes, _)), Take::Whole { cost, .. }) = (&exchange.body, ask.take)
                        && account.add(bytes.len() * cost).await.is_err()
                    {
                        return Asked::Done(Done::Busy, keeping);
                    }
                    Done::Asked(Ok(exchange.answered()))
                }
                Err(Failed::Problem(problem)) => Done::Asked(Err(problem)),
                Err(Failed::Busy) => Done::Busy,
            };
            Asked::Done(done, keeping)
        }
    }

    fn key(&self, ask: &Ask) -> Flight {
        Flight {
            origin: ask.origin,
            method: (ask.method.name(), ask.method.form().map(|form| self.hasher.hash_of(form.as_str()))),
            url: ask.url.text.clone(),
            headers: ask.headers.clone(),
            authorization: self.hasher.hash(ask.authorization.as_ref()),
            take: ask.take,
        }
    }
}

impl Exchange {
    fn answered(&self) -> Answered {
        let body = match &self.body {
            Some((bytes, digest)) => Body::Bytes { bytes: bytes.clone(), digest: digest.clone() },
            None => Body::None,
        };
        Answered { status: self.status, headers: self.headers.clone(), body }
    }
}

/// For how long an outcome is told to those who were under way when it came. On a machine with far more to do than it can, a
/// thread may wait for seconds from one look to the next.
fn lingering(landed: &Landed) -> Duration {
    match landed {
        Ok(exchange) if exchange.body.as_ref().is_some_and(|(bytes, _)| bytes.len() > LARGE_BYTES) => {
            Duration::from_millis(200)
        }
        _ => Duration::from_secs(5),
    }
}

/// Asks, and reads the body where it is wanted.
async fn land(upstream: &Upstream, ask: Ask, account: Account) -> Landed {
    let take = ask.take;
    let response = send(upstream, ask).await.map_err(Failed::Problem)?;
    let Answered { status, headers, .. } = head(&response);
    let body = match take.of(status) {
        Take::Whole { limit, cost } => {
            let bytes = read(upstream, response, limit, cost, &account).await?;
            let digest = Digest::of(&bytes);
            Some((bytes, digest))
        }
        Take::Nothing | Take::Open => None,
    };
    Ok(Arc::new(Exchange { status, headers, body, _account: account }))
}

/// Asks by itself, with nobody else who may want the same.
pub(super) async fn ask_once(upstream: &Upstream, ask: Ask, account: Account) -> Done {
    match land(upstream, ask, account).await {
        Ok(exchange) => Done::Asked(Ok(exchange.answered())),
        Err(Failed::Problem(problem)) => Done::Asked(Err(problem)),
        Err(Failed::Busy) => Done::Busy,
    }
}

/// Asks, and leaves the body open where there is one to go on with.
async fn open(upstream: &Upstream, ask: Ask) -> Asked {
    let response = match send(upstream, ask).await {
        Ok(response) => response,
        Err(problem) => return Asked::Done(Done::Asked(Err(problem)), None),
    };
    let answered = head(&response);
    match Take::Open.of(answered.status) {
        Take::Nothing => Asked::Done(Done::Asked(Ok(answered)), None),
        Take::Whole { .. } | Take::Open => Asked::Open(answered, Box::new(response)),
    }
}

async fn send(upstream: &Upstream, ask: Ask) -> Result<Response, Problem> {
    let url = Url::parse(&ask.url.text).map_err(|error| Problem::Invalid(error.to_string()))?;
    let (method, form) = match ask.method {
        AskMethod::Get => (reqwest::Method::GET, None),
        AskMethod::Head => (reqwest::Method::HEAD, None),
        AskMethod::Post(form) => (reqwest::Method::POST, Some(form)),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in ask.headers {
        // A client's own words may be among them.
        let value = HeaderValue::from_str(&value).map_err(|error| Problem::Invalid(error.to_string()))?;
        // A name may be there several times.
        headers.append(HeaderName::from_static(name), value);
    }
    upstream
        .http
        .send(Query { method, url, is_own: ask.is_own, headers, authorization: ask.authorization, form })
        .await
}

/// A response without its body.
fn head(response: &Response) -> Answered {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str(), text(value)));
    Answered::new(response.status().as_u16(), headers)
}

async fn read(
    upstream: &Upstream,
    response: Response,
    limit: usize,
    cost: usize,
    account: &Account,
) -> Result<Bytes, Failed> {
    let mut reading = upstream.http.read(response, limit).map_err(Failed::Problem)?;
    while let Some(length) = reading.next().await.map_err(Failed::Problem)? {
        account.add(length * cost).await.map_err(|_| Failed::Busy)?;
    }
    Ok(reading.finish())
}

/// A pull that asks an origin which the settings do not have.
fn unknown_origin() -> Problem {
    Problem::Invalid("there is no such origin".to_owned())
}

/// An answer whose body was opened under `id`.
pub(super) fn with_body(answered: Answered, id: BodyId) -> Done {
    Done::Asked(Ok(Answered { body: Body::Open(id), ..answered }))
}
