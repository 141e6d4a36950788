//! The engine: drives the core's step function for one request, with the shell's documents and signatures.

mod compiled;
pub(crate) mod converter;
pub(crate) mod layers;
pub(crate) mod untrue;
mod user_cache;
pub mod wasm;
pub(crate) mod workers;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use clap::ValueEnum;
use downshift::answer::{
    Answer, Documents, LayerNeed, LayerReading, LayerRecord, MAX_ROUNDS, Need, Needs, Record, Refusal,
    Request, Root, Step, answer,
};
use downshift::jws::Signature;
use downshift::{Digest, Failure, SignatureReading};
use downshift_sign::read_signatures;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

pub(crate) use self::compiled::{COMMAND as COMPILE_GUEST, LAYER_READER};
use self::compiled::{Compiled, Guest};
pub(crate) use self::wasm::IsAbandoned;
use self::wasm::{NoStep, Sandbox};
use crate::error::Error;
use crate::work_budget::Charge;
use crate::{bounded, digest};

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

/// Bytes of a guest component: several times what this program's own has.
pub(crate) const MAX_GUEST_BYTES: u64 = 64 * 1024 * 1024;

/// The guest component that belongs to this program.
pub const GUEST: &[u8] = include_bytes!(env!("DOWNSHIFT_GUEST"));

/// The module that reads layers, which belongs to this program as well.
pub const LAYER_GUEST: &[u8] = include_bytes!(env!("DOWNSHIFT_LAYER_GUEST"));

impl EngineName {
    /// The engine for one request, with the component in the file `guest` if it is not to be the program's own. It is
    /// compiled once for each user.
    pub(crate) fn engine(self, guest: Option<&Path>) -> Result<Engine, Error> {
        match self {
            Self::Native => Ok(Engine::Native),
            Self::Wasm => Engine::wasm(&component(guest)?, 1, user_cache::folder().as_deref()),
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
        let compiled = Compiled::find(Guest::Converter, &component, data);
        Engine::wasm(&component, sessions, compiled.as_ref().map(Compiled::path))
    }
}

fn component(guest: Option<&Path>) -> Result<Cow<'static, [u8]>, Error> {
    match guest {
        None => Ok(Cow::Borrowed(GUEST)),
        Some(path) => bounded::read_file(path, MAX_GUEST_BYTES).map(Cow::Owned),
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
        let sandbox = Sandbox::new(component, sessions, cache);
        sandbox.map(Self::Wasm).map_err(|error| Error::Guest { problem: error.to_string() })
    }

    fn open(&self) -> Result<Session<'_>, Failure> {
        match self {
            Self::Native => Ok(Session::Native),
            Self::Wasm(sandbox) => Ok(Session::Wasm(Box::new(sandbox.open()?))),
        }
    }
}

impl Session<'_> {
    /// Takes a step.
    fn step<'a>(&mut self, request: &Request, documents: &Documents<'a>) -> Result<Step<'a>, NoAnswer> {
        match self {
            Self::Native => Ok(answer(request, documents)),
            Self::Wasm(session) => session.long_step(request, documents).map_err(|no_step| match no_step {
                NoStep::Failed(failure) => Error::Core(failure).into(),
                NoStep::Stopped => Error::Busy.into(),
            }),
        }
    }

    /// Has the steps stopped when nobody waits for them any more, where that can be done.
    fn stop_when(&mut self, is_abandoned: Option<IsAbandoned>) {
        if let Self::Wasm(session) = self {
            session.stop_when(is_abandoned);
        }
    }

    /// Takes a step if that takes little time.
    fn short_step<'a>(
        &mut self,
        request: &Request,
        documents: &Documents<'a>,
    ) -> Result<Step<'a>, Interruption> {
        // Natively there is no clock to stop it.
        let bytes: usize = documents.iter().filter_map(|(_, bytes)| bytes).map(<[u8]>::len).sum();
        if bytes > SHORT_STEP_BYTES {
            return Err(Interruption::Long);
        }
        match self {
            Self::Native => Ok(answer(request, documents)),
            Self::Wasm(session) => {
                let step = session.short_step(request, documents);
                step.map_err(|failure| NoAnswer::from(Error::Core(failure)))?.ok_or(Interruption::Long)
            }
        }
    }
}

/// Bytes of the documents that a short step works with.
const SHORT_STEP_BYTES: usize = 64 * 1024;

/// The reason why a request did not come further.
enum Interruption {
    /// The next step takes too long for this thread.
    Long,
    /// There is no answer.
    NoAnswer(NoAnswer),
}

/// The reason why a request has no answer, and what it leaves behind.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// The reason.
    pub(crate) error: Arc<Error>,
    /// What has to be recorded before the error goes out.
    pub(crate) records: Vec<Record>,
    /// The layers that are named there by their diff ids: to be recorded, too.
    pub(crate) layers: Vec<LayerRecord>,
}

/// The documents that were found for a request, with their digests checked, and the layers that were read.
#[derive(Debug, Default)]
pub(crate) struct KnownDocuments {
    documents: Vec<(Digest, Option<Bytes>)>,
    layers: Vec<(Digest, LayerReading)>,
    signatures: Vec<(Digest, SignatureReading)>,
    /// Bytes of a record that came with the request.
    recorded: usize,
    /// What they, and what is made of them, count in a server.
    charge: Option<OwnedMutexGuard<Charge>>,
}

/// How many times as large as its documents an answer can be: where each byte has to be escaped, and that once more, as
/// of a config in schema 1, `<` becomes `\\u003c`.
const OUTPUT_PER_INPUT: usize = 7;

/// What an answer has beside that: members of its own, and signatures.
const OUTPUT_OVERHEAD: usize = 16 * 1024;

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
    /// These documents and layers have to be waited for; if there are none, room for what is made of the others.
    Waiting(Needs),
}

impl KnownDocuments {
    /// Adds what was found for `need`: the document, or that there is none.
    ///
    /// # Errors
    /// [`Error::Missing`] if that is the root, of which nobody said that it is there.
    pub(crate) fn add(&mut self, request: &Request, need: Need, bytes: Option<Bytes>) -> Result<(), Error> {
        if bytes.is_none() && need.digest == *request.root.digest() {
            return Err(Error::Missing { digest: need.digest });
        }
        self.documents.push((need.digest, bytes));
        Ok(())
    }

    /// The documents and layers that are known for a request. All of them count in `charge`, with what came with it.
    pub(crate) fn charged(
        request: &Request,
        documents: Vec<(Digest, Option<Bytes>)>,
        layers: Vec<(Digest, LayerReading)>,
        charge: OwnedMutexGuard<Charge>,
    ) -> Self {
        let recorded = match &request.root {
            Root::Digest { record: Some(record), .. } => record.payload.len(),
            _ => 0,
        };
        Self { documents, layers, signatures: Vec::new(), recorded, charge: Some(charge) }
    }

    /// Adds what is known of documents without waiting, and gives the needs for those that have to be waited for, or for
    /// which there is no room; layers always have to be.
    fn look_up(
        &mut self,
        request: &Request,
        needs: Needs,
        look_up: impl Fn(&Need) -> Result<Lookup, Error>,
    ) -> Result<Needs, NoAnswer> {
        let Needs { documents, layers, .. } = needs;
        let mut waiting = Vec::new();
        for need in documents {
            let expected = self.bytes() + most_bytes(&need, request);
            let has_room = self.charge.as_mut().is_none_or(|charge| charge.try_grow_to(expected));
            match if has_room { look_up(&need)? } else { Lookup::Elsewhere } {
                Lookup::Known(bytes) => self.add(request, need, bytes)?,
                Lookup::Elsewhere => waiting.push(need),
            }
        }
        Ok(Needs { documents: waiting, layers, signatures: Vec::new() })
    }

    /// Waits until there is room for what `needs` bring; without any, for what is made of the documents.
    pub(crate) async fn make_room(&mut self, request: &Request, needs: &Needs) -> Result<(), Error> {
        let bytes = self.room_for(request, needs);
        match &mut self.charge {
            Some(charge) => charge.grow_to(bytes).await,
            None => Ok(()),
        }
    }

    /// The same without waiting, if that is possible.
    pub(crate) fn try_make_room(&mut self, request: &Request, needs: &Needs) -> bool {
        let bytes = self.room_for(request, needs);
        self.charge.as_mut().is_none_or(|charge| charge.try_grow_to(bytes))
    }

    fn room_for(&self, request: &Request, needs: &Needs) -> usize {
        if needs.is_empty() {
            self.bytes_with_answer(request)
        } else {
            self.bytes() + needs.documents.iter().map(|need| most_bytes(need, request)).sum::<usize>()
        }
    }

    /// Whether there is room for what is made of the documents.
    fn has_room_for_answer(&mut self, request: &Request) -> bool {
        let bytes = self.bytes_with_answer(request);
        let Some(charge) = &mut self.charge else { return true };
        // What was expected of documents is known by now.
        charge.shrink_to(bytes);
        charge.try_grow_to(bytes)
    }

    fn bytes_with_answer(&self, request: &Request) -> usize {
        let bytes = self.bytes();
        let output = (bytes * OUTPUT_PER_INPUT + OUTPUT_OVERHEAD).min(request.limits.output_bytes);
        // Once as the answer, and once as its record.
        bytes + 2 * output
    }

    /// How many bytes all of it has.
    pub(crate) fn bytes(&self) -> usize {
        let documents = self.documents.iter().filter_map(|(_, bytes)| bytes.as_ref());
        self.recorded + documents.map(Bytes::len).sum::<usize>()
    }

    fn documents(&self) -> Documents<'_> {
        let documents: Documents<'_> =
            self.documents.iter().map(|(digest, bytes)| (digest, bytes.as_deref())).collect();
        documents
            .with_layers(self.layers.iter().map(|(digest, reading)| (digest, reading)))
            .with_signatures(self.signatures.iter().map(|(digest, reading)| (digest, reading)))
    }

    /// Verifies the signatures of a document.
    fn verify(&mut self, request: &Request, digest: Digest) -> Result<(), Error> {
        let document = self.documents.iter().find(|(known, _)| *known == digest);
        let bytes = document.and_then(|(_, bytes)| bytes.as_deref());
        let bytes = bytes.ok_or_else(|| Error::Core(untrue::answer("it verifies what is not there")))?;
        let reading = read_signatures(bytes, &request.limits);
        self.signatures.push((digest, reading));
        Ok(())
    }
}

/// Bytes that the document of a need has at the most.
fn most_bytes(need: &Need, request: &Request) -> usize {
    let limit = request.limits.document_bytes;
    need.size.map_or(limit, |size| usize::try_from(size).map_or(limit, |size| size.min(limit)))
}

/// Answers a request as far as that goes without waiting: looks up what the core needs, and signs.
///
/// `look_up` knows documents with their digest checked; `sign` signs the bytes it is given. It ends with [`Error::Busy`]
/// soon after `is_abandoned` says so.
pub(crate) fn advance(
    engine: &Engine,
    request: &Request,
    found: &mut KnownDocuments,
    is_abandoned: Option<IsAbandoned>,
    look_up: impl Fn(&Need) -> Result<Lookup, Error>,
    sign: impl FnOnce(&[u8]) -> Result<Signature, Error>,
) -> Result<Progress, NoAnswer> {
    let open = || {
        let mut session = engine.open()?;
        session.stop_when(is_abandoned);
        Ok(session)
    };
    drive(
        open,
        request,
        found,
        |session, found| session.step(request, &found.documents()),
        look_up,
        |found, digest| found.verify(request, digest).map_err(NoAnswer::from),
        sign,
    )
}

/// The same on a thread that others wait for; nothing if it takes longer than some milliseconds.
pub(crate) fn advance_shortly(
    engine: &Engine,
    request: &Request,
    found: &mut KnownDocuments,
    look_up: impl Fn(&Need) -> Result<Lookup, Error>,
    sign: impl FnOnce(&[u8]) -> Result<Signature, Error>,
) -> Result<Option<Progress>, NoAnswer> {
    let step = drive(
        || engine.open(),
        request,
        found,
        |session, found| session.short_step(request, &found.documents()),
        look_up,
        // Of many long keys that takes a while.
        |_, _| Err(Interruption::Long),
        sign,
    );
    match step {
        Ok(progress) => Ok(Some(progress)),
        Err(Interruption::Long) => Ok(None),
        Err(Interruption::NoAnswer(no_answer)) => Err(no_answer),
    }
}

/// Takes steps until there is an answer, or a document has to be waited for.
fn drive<'e, E: From<NoAnswer>>(
    open: impl FnOnce() -> Result<Session<'e>, Failure>,
    request: &Request,
    found: &mut KnownDocuments,
    step: impl for<'f> Fn(&mut Session<'_>, &'f KnownDocuments) -> Result<Step<'f>, E>,
    look_up: impl Fn(&Need) -> Result<Lookup, Error>,
    verify: impl Fn(&mut KnownDocuments, Digest) -> Result<(), E>,
    sign: impl FnOnce(&[u8]) -> Result<Signature, Error>,
) -> Result<Progress, E> {
    if let Root::Tag { digest, .. } = &request.root
        && found.documents.is_empty()
    {
        let waiting = found.look_up(request, Need::manifest(digest).into(), &look_up)?;
        if !waiting.is_empty() {
            return Ok(Progress::Waiting(waiting));
        }
    }
    let mut session = open().map_err(|failure| NoAnswer::from(Error::Core(failure)))?;
    for _ in 0..MAX_ROUNDS {
        if !found.has_room_for_answer(request) {
            return Ok(Progress::Waiting(Needs::default()));
        }
        let mut needs = match step(&mut session, found)? {
            Step::Need(needs) => needs,
            Step::Sign(prepared) => {
                let signature = sign(&prepared.signing_input()).map_err(NoAnswer::from)?;
                let answer = prepared.seal(signature).map_err(|error| NoAnswer::from(Error::from(error)))?;
                return Ok(Progress::Answered(Box::new(answer)));
            }
            Step::Done(draft) => return Ok(Progress::Answered(Box::new(draft.finish().into_owned()))),
            Step::Refused(Refusal { failure, records, layers }) => {
                return Err(NoAnswer { error: Arc::new(Error::Core(failure)), records, layers }.into());
            }
        };
        for digest in core::mem::take(&mut needs.signatures) {
            verify(found, digest)?;
        }
        let waiting = found.look_up(request, needs, &look_up)?;
        if !waiting.is_empty() {
            return Ok(Progress::Waiting(waiting));
        }
    }
    // The core itself never does that.
    Err(NoAnswer::from(Error::Core(untrue::endless())).into())
}

/// Answers a request with documents that are all at hand, and checks these against their digests.
///
/// `fetch` gives the document with [`Need::digest`], or says that there is none; `read` reads layers, and says in their order
/// what has come of each; `sign` signs the bytes it is given.
pub(crate) fn run(
    engine: &Engine,
    request: &Request,
    fetch: impl Fn(&Need) -> Result<Option<Vec<u8>>, Error>,
    mut read: impl FnMut(&[LayerNeed]) -> Result<Vec<LayerReading>, Error>,
    sign: impl FnOnce(&[u8]) -> Result<Signature, Error>,
) -> Result<Answer<'static>, NoAnswer> {
    let look_up = |need: &Need| {
        let bytes = fetch(need)?;
        if let Some(bytes) = &bytes {
            digest::check(&need.digest, bytes, &request.limits)?;
        }
        Ok(Lookup::Known(bytes.map(Bytes::from)))
    };
    let (mut found, mut sign) = (KnownDocuments::default(), Some(sign));
    for _ in 0..MAX_ROUNDS {
        // Whatever is signed is the answer.
        let sign = |bytes: &[u8]| {
            sign.take().map_or_else(|| Err(Error::Core(untrue::endless())), |sign| sign(bytes))
        };
        match advance(engine, request, &mut found, None, look_up, sign)? {
            Progress::Answered(answer) => return Ok(*answer),
            Progress::Waiting(Needs { layers, .. }) => {
                let readings = read(&layers)?;
                found.layers.extend(layers.into_iter().map(|need| need.digest).zip(readings));
            }
        }
    }
    Err(Error::Core(untrue::endless()).into())
}

impl From<Error> for NoAnswer {
    fn from(error: Error) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<Error>> for NoAnswer {
    fn from(error: Arc<Error>) -> Self {
        Self { error, records: Vec::new(), layers: Vec::new() }
    }
}

impl From<NoAnswer> for Interruption {
    fn from(no_answer: NoAnswer) -> Self {
        Self::NoAnswer(no_answer)
    }
}
