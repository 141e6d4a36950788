//! The engine: drives the core's step function for one request, with the shell's documents and signatures.

mod compiled;
pub mod wasm;

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use clap::ValueEnum;
use downshift::answer::{Answer, Documents, MAX_ROUNDS, Need, Record, Request, Root, Step, answer};
use downshift::document::Document;
use downshift::jws::Signature;
use downshift::{Digest, Failure, Limits};
use serde::{Deserialize, Serialize};

pub(crate) use self::compiled::COMMAND as COMPILE_GUEST;
use self::compiled::Compiled;
use self::wasm::Sandbox;
use crate::error::Error;

/// Where the core runs.
#[derive(Clone)]
pub(crate) enum Engine {
    /// In this program.
    Native,
    /// In a sandbox.
    Wasm(Arc<Sandbox>),
}

/// An engine, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EngineName {
    /// [`Engine::Wasm`].
    Wasm,
    /// [`Engine::Native`].
    Native,
}

/// The core, for the steps of one request.
enum Session<'e> {
    Native,
    Wasm(Box<wasm::Session<'e>>),
}

/// The guest component that belongs to this program.
pub const GUEST: &[u8] = include_bytes!(env!("DOWNSHIFT_GUEST"));

impl EngineName {
    /// The engine for one request, with the component in the file `guest` if it is not to be the program's own.
    pub(crate) fn engine(self, guest: Option<&Path>) -> Result<Engine, Error> {
        match self {
            Self::Native => Ok(Engine::Native),
            Self::Wasm => Engine::wasm(&component(guest)?, 1, None),
        }
    }

    /// The engine of a server: the same for at most `sessions` requests at once. With `data`, the compiled component is
    /// kept in that folder, which is private.
    pub(crate) fn engine_of_server(
        self,
        guest: Option<&Path>,
        sessions: u32,
        data: Option<&Path>,
    ) -> Result<Engine, Error> {
        if let Self::Native = self {
            return Ok(Engine::Native);
        }
        let component = component(guest)?;
        let compiled = Compiled::find(&component, data);
        Engine::wasm(&component, sessions, compiled.as_ref().map(Compiled::path))
    }
}

fn component(guest: Option<&Path>) -> Result<Cow<'static, [u8]>, Error> {
    match guest {
        None => Ok(Cow::Borrowed(GUEST)),
        Some(path) => fs::read(path).map(Cow::Owned).map_err(|error| Error::unreadable(path, error)),
    }
}

impl Engine {
    /// How often the guest has trapped so far.
    pub(crate) fn traps(&self) -> u64 {
        match self {
            Self::Native => 0,
            Self::Wasm(sandbox) => sandbox.traps(),
        }
    }

    /// The guest `component` in a sandbox, for at most `sessions` requests at once.
    pub(crate) fn wasm(component: &[u8], sessions: u32, cache: Option<&Path>) -> Result<Self, Error> {
        Ok(Self::Wasm(Sandbox::new(component, sessions, cache).map_err(Error::Guest)?))
    }

    fn open(&self) -> Result<Session<'_>, Failure> {
        match self {
            Self::Native => Ok(Session::Native),
            Self::Wasm(sandbox) => Ok(Session::Wasm(Box::new(sandbox.open()?))),
        }
    }
}

impl Session<'_> {
    /// Takes a step; none if that is too long for this pace.
    fn step<'a>(
        &mut self,
        request: &Request,
        documents: &Documents<'a>,
        pace: Pace,
    ) -> Result<Option<Step<'a>>, Failure> {
        match (self, pace) {
            (Self::Native, _) => Ok(Some(answer(request, documents))),
            (Self::Wasm(session), Pace::Any) => session.step(request, documents).map(Some),
            (Self::Wasm(session), Pace::Short) => session.short_step(request, documents),
        }
    }
}

/// How long a request may be worked on.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// Some milliseconds, for others wait for the thread.
    Short,
    /// As long as it takes, within the limits.
    Any,
}

impl Pace {
    /// Bytes of documents to work with: within the time, natively as well, where there is no clock.
    const fn document_bytes(self) -> usize {
        match self {
            Self::Short => 64 * 1024,
            Self::Any => usize::MAX,
        }
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// The reason.
    pub(crate) error: Arc<Error>,
    /// What has to be recorded before the error goes out.
    pub(crate) records: Vec<Record>,
}

/// What was found of the documents that a request needs. Their digests are checked.
#[derive(Debug, Default)]
pub(crate) struct Found(Vec<(Digest, Option<Bytes>)>);

/// What is known of a document without waiting.
pub(crate) enum Lookup {
    /// Its bytes, or that there is no such document.
    Known(Option<Bytes>),
    /// It has to be waited for.
    Elsewhere,
}

/// How far a request has come.
pub(crate) enum Progress {
    /// It is answered.
    Answered(Box<Answer<'static>>),
    /// These documents have to be waited for.
    Waiting(Vec<Need>),
    /// To go on takes longer than it may.
    Long,
}

impl Found {
    /// Adds what was found for `need`: the document, or that there is none.
    ///
    /// # Errors
    /// [`Error::Missing`] if that is the root, of which nobody said that it is there, and [`Error::WrongSize`].
    pub(crate) fn add(&mut self, request: &Request, need: Need, bytes: Option<Bytes>) -> Result<(), Error> {
        match (&bytes, need.size) {
            (None, _) if need.digest == *request.root.digest() => {
                return Err(Error::Missing { digest: need.digest });
            }
            (Some(bytes), Some(expected)) if expected != bytes.len() as u64 => {
                return Err(Error::WrongSize { digest: need.digest, expected, actual: bytes.len() });
            }
            _ => self.0.push((need.digest, bytes)),
        }
        Ok(())
    }

    /// Adds what is known of documents without waiting, and gives the needs for those that have to be waited for.
    fn look_up(
        &mut self,
        request: &Request,
        needs: Vec<Need>,
        look_up: impl Fn(&Need) -> Result<Lookup, Error>,
    ) -> Result<Vec<Need>, Error> {
        let mut waiting = Vec::new();
        for need in needs {
            match look_up(&need)? {
                Lookup::Known(bytes) => self.add(request, need, bytes)?,
                Lookup::Elsewhere => waiting.push(need),
            }
        }
        Ok(waiting)
    }

    /// Bytes of all documents.
    fn bytes(&self) -> usize {
        self.0.iter().filter_map(|(_, bytes)| bytes.as_ref()).map(Bytes::len).sum()
    }

    fn documents(&self) -> Documents<'_> {
        self.0.iter().map(|(digest, bytes)| (digest, bytes.as_deref())).collect()
    }
}

/// Answers a request as far as that goes without waiting, and at this pace: looks up what the core needs, and signs.
///
/// `look_up` knows documents with their digest checked; `sign` signs the bytes it is given.
pub(crate) fn advance(
    engine: &Engine,
    request: &Request,
    found: &mut Found,
    pace: Pace,
    look_up: impl Fn(&Need) -> Result<Lookup, Error>,
    sign: impl FnOnce(&[u8]) -> Result<Signature, Error>,
) -> Result<Progress, NoAnswer> {
    if let Root::Tag { digest, .. } = &request.root
        && found.0.is_empty()
    {
        let waiting = found.look_up(request, vec![Need::manifest(digest)], &look_up)?;
        if !waiting.is_empty() {
            return Ok(Progress::Waiting(waiting));
        }
    }
    let mut session = engine.open().map_err(Error::Core)?;
    for _ in 0..MAX_ROUNDS {
        if found.bytes() > pace.document_bytes() {
            return Ok(Progress::Long);
        }
        let step = session.step(request, &found.documents(), pace).map_err(Error::Core)?;
        let Some(step) = step else { return Ok(Progress::Long) };
        let needs = match step {
            Step::Need(needs) => needs,
            Step::Sign(prepared) => {
                let signature = sign(&prepared.signing_input())?;
                return Ok(Progress::Answered(Box::new(prepared.seal(signature).map_err(Error::from)?)));
            }
            Step::Done(draft) => return Ok(Progress::Answered(Box::new(draft.finish().into_owned()))),
            Step::Refused(refusal) => {
                return Err(NoAnswer {
                    error: Arc::new(Error::Core(refusal.failure)),
                    records: refusal.records,
                });
            }
        };
        let waiting = found.look_up(request, needs, &look_up)?;
        if !waiting.is_empty() {
            return Ok(Progress::Waiting(waiting));
        }
    }
    // The core itself never does that.
    Err(Error::Core(wasm::endless()).into())
}

/// Answers a request with documents that are all at hand, and checks these against their digests.
///
/// `fetch` gives the document with [`Need::digest`], or says that there is none; `sign` signs the bytes it is given.
pub(crate) fn run(
    engine: &Engine,
    request: &Request,
    fetch: impl Fn(&Need) -> Result<Option<Vec<u8>>, Error>,
    sign: impl FnOnce(&[u8]) -> Result<Signature, Error>,
) -> Result<Answer<'static>, NoAnswer> {
    let look_up = |need: &Need| {
        let bytes = fetch(need)?;
        if let Some(bytes) = &bytes {
            check(&need.digest, bytes, &request.limits)?;
        }
        Ok(Lookup::Known(bytes.map(Bytes::from)))
    };
    match advance(engine, request, &mut Found::default(), Pace::Any, look_up, sign)? {
        Progress::Answered(answer) => Ok(*answer),
        Progress::Waiting(_) | Progress::Long => unreachable!("all documents are at hand, and may take long"),
    }
}

/// Checks a document as it arrives, so that nothing is made of wrong bytes.
pub(crate) fn check(digest: &Digest, bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    if digest.matches(bytes) || schema1_digest(bytes, limits).as_ref() == Some(digest) {
        Ok(())
    } else {
        Err(Error::Corrupt { digest: digest.clone() })
    }
}

/// The digest by which registries know a document, where it is schema 1: that of its payload.
pub(crate) fn schema1_digest(bytes: &[u8], limits: &Limits) -> Option<Digest> {
    match Document::parse(bytes, limits) {
        Ok(Document::Schema1(schema1)) => Some(schema1.digest()),
        _ => None,
    }
}

impl From<Error> for NoAnswer {
    fn from(error: Error) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<Error>> for NoAnswer {
    fn from(error: Arc<Error>) -> Self {
        Self { error, records: Vec::new() }
    }
}
