//! The engine: drives the core's step function for one request, with the shell's documents and signatures.

pub mod wasm;

use std::sync::Arc;

use downshift::answer::{Answer, Documents, MAX_ROUNDS, Need, Record, Request, Step, answer};
use downshift::document::Document;
use downshift::jws::Signature;
use downshift::{Digest, Failure, Limits};

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

/// The core, for the steps of one request.
enum Session<'e> {
    Native,
    Wasm(Box<wasm::Session<'e>>),
}

/// The guest component that belongs to this program.
pub const GUEST: &[u8] = include_bytes!(env!("DOWNSHIFT_GUEST"));

impl Engine {
    /// The guest `component` in a sandbox, for at most `sessions` requests at once.
    pub(crate) fn wasm(component: &[u8], sessions: u32) -> Result<Self, Error> {
        Ok(Self::Wasm(Sandbox::new(component, sessions).map_err(Error::Guest)?))
    }

    fn open(&self) -> Result<Session<'_>, Failure> {
        match self {
            Self::Native => Ok(Session::Native),
            Self::Wasm(sandbox) => Ok(Session::Wasm(Box::new(sandbox.open()?))),
        }
    }
}

impl Session<'_> {
    fn step<'a>(&mut self, request: &Request, documents: &Documents<'a>) -> Result<Step<'a>, Failure> {
        match self {
            Self::Native => Ok(answer(request, documents)),
            Self::Wasm(session) => session.step(request, documents),
        }
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// The reason.
    pub(crate) error: Error,
    /// What has to be recorded before the error goes out.
    pub(crate) records: Vec<Record>,
}

/// Answers a request: fetches what the core needs, checks it against its digest and size, and signs.
///
/// `fetch` gives the document with [`Need::digest`], or says that there is none; `sign` signs the bytes it is given.
pub(crate) fn run(
    engine: &Engine,
    request: &Request,
    fetch: impl Fn(&Need) -> Result<Option<Vec<u8>>, Error>,
    sign: impl FnOnce(&[u8]) -> Result<Signature, Error>,
) -> Result<Answer<'static>, NoAnswer> {
    let mut session = engine.open().map_err(Error::Core)?;
    let mut fetched: Vec<(Digest, Option<Vec<u8>>)> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let documents: Documents<'_> =
            fetched.iter().map(|(digest, bytes)| (digest, bytes.as_deref())).collect();
        let needs = match session.step(request, &documents).map_err(Error::Core)? {
            Step::Need(needs) => needs,
            Step::Sign(prepared) => {
                let signature = sign(&prepared.signing_input())?;
                return Ok(prepared.seal(signature).map_err(Error::from)?);
            }
            Step::Done(draft) => return Ok(draft.finish().into_owned()),
            Step::Refused(refusal) => {
                return Err(NoAnswer { error: Error::Core(refusal.failure), records: refusal.records });
            }
        };
        for need in needs {
            let bytes = fetch(&need)?;
            match &bytes {
                Some(bytes) => check(&need, bytes, &request.limits)?,
                // Nobody said that it is there.
                None if need.digest == *request.root.digest() => {
                    return Err(Error::Missing { digest: need.digest }.into());
                }
                None => {}
            }
            fetched.push((need.digest, bytes));
        }
    }
    unreachable!("the core has asked for documents `{MAX_ROUNDS}` times")
}

/// Checks a document as it arrives, so that nothing is made of wrong bytes.
fn check(need: &Need, bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    if !need.digest.matches(bytes) && schema1_digest(bytes, limits).as_ref() != Some(&need.digest) {
        return Err(Error::Corrupt { digest: need.digest.clone() });
    }
    match need.size {
        Some(expected) if expected != bytes.len() as u64 => {
            Err(Error::WrongSize { digest: need.digest.clone(), expected, actual: bytes.len() })
        }
        _ => Ok(()),
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
        Self { error, records: Vec::new() }
    }
}
