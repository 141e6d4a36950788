//! The implementations that the suite holds to one and the same behaviour.
//!
//! Each runs the core's step function to its end, wherever the core runs there. What goes in and what comes out is
//! plain data, so that a case says nothing about the place.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use downshift::answer::{
    Answer, Documents, LayerReading, LayerRecord, MAX_ROUNDS, Prepared, Record, Refusal, Request, Root, Step,
};
use downshift::{
    Capabilities, Digest, Failure, Form, Limits, Permissions, PlainLayers, Platform, Policy,
    SignatureReading, SourceSignature, UnsignedSchema1,
};
use downshift_sign::{P256Signer, Signer, read_signatures};
use serde_json::Value;

use crate::fixed_key::FixedKey;
use crate::layers;

/// A place where the core runs.
pub trait Implementation: Send + Sync {
    /// Its name, with which the names of its tests begin.
    fn name(&self) -> &'static str;

    /// The programs that it needs.
    fn programs(&self) -> &'static [&'static str] {
        &[]
    }

    /// Answers `request`, fetching what is needed from `documents`, and signing with the suite's [`FixedKey`].
    ///
    /// # Panics
    /// If the core asks for more than [`MAX_ROUNDS`] rounds, or twice for the same document or layer.
    fn answer(&self, request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> Outcome;
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A manifest.
    Answered(Answered),
    /// An error.
    Refused {
        /// What is wrong.
        failure: Failure,
        /// What has to be recorded all the same.
        records: Vec<Record>,
        /// The layers that are named there by their diff ids.
        layers: Vec<LayerRecord>,
    },
    /// A document was asked for that is not there.
    Missing(Digest),
}

/// A manifest, with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Its form.
    pub form: Form,
    /// The digest to report.
    pub digest: Digest,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// The stored manifest that it was made from.
    pub source: Option<Digest>,
    /// Whether it depends on the client's platform.
    pub by_platform: bool,
    /// What has to be recorded before it goes out.
    pub records: Vec<Record>,
    /// The layers that are named by their diff ids.
    pub layers: Vec<LayerRecord>,
    /// What the signatures of its source prove.
    pub signature: Option<SourceSignature>,
    /// The report, as JSON.
    pub report: Value,
}

impl Outcome {
    /// An error with nothing to record.
    #[must_use]
    pub const fn refused(failure: Failure) -> Self {
        Self::Refused { failure, records: Vec::new(), layers: Vec::new() }
    }
}

impl Answered {
    /// Whether it has what its source has not: history that was made up.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.report["added"].as_array().is_some_and(|added| !added.is_empty())
    }
}

/// The request of a client that names no manifest type, as Docker 1.6–1.9 do, for a tag that points to `digest`.
#[must_use]
pub fn schema1_request(repository: &str, tag: &str, digest: Digest, policy: Policy) -> Request {
    Request {
        root: Root::Tag { name: repository.to_string(), tag: tag.to_string(), digest },
        client: Capabilities::default(),
        policy,
        allow: Permissions::default(),
        plain_layers: PlainLayers::default(),
        unsigned_schema1: UnsignedSchema1::default(),
        default_platform: Platform::linux_amd64(),
        time: None,
        limits: Limits::default(),
    }
}

/// Runs `step`, which is the core's step function in some place, to its end, with the suite's [`FixedKey`].
///
/// # Panics
/// If it asks for more than [`MAX_ROUNDS`] rounds, or twice for the same document or layer.
pub fn run(
    request: &Request,
    documents: &BTreeMap<Digest, Vec<u8>>,
    step: impl for<'a> FnMut(&Documents<'a>) -> Result<Step<'a>, Failure>,
) -> Outcome {
    run_with_seal(request, documents, step, sealed)
}

/// The same with whatever `seal` makes of a draft that has to be signed.
///
/// # Panics
/// As [`run`].
pub fn run_with_seal(
    request: &Request,
    documents: &BTreeMap<Digest, Vec<u8>>,
    mut step: impl for<'a> FnMut(&Documents<'a>) -> Result<Step<'a>, Failure>,
    seal: impl Fn(Prepared) -> Outcome,
) -> Outcome {
    let mut at_hand = BTreeMap::new();
    let mut read: BTreeMap<Digest, LayerReading> = BTreeMap::new();
    let mut verified: BTreeMap<Digest, SignatureReading> = BTreeMap::new();
    for _ in 0..MAX_ROUNDS {
        let fetched: Documents<'_> = at_hand.iter().map(|(&digest, &bytes)| (digest, Some(bytes))).collect();
        let fetched = fetched.with_layers(&read).with_signatures(&verified);
        let needs = match step(&fetched) {
            Err(failure) => return Outcome::refused(failure),
            Ok(Step::Done(draft)) => return answered(draft.finish()),
            Ok(Step::Refused(refusal)) => {
                let Refusal { failure, records, layers } = refusal;
                return Outcome::Refused { failure, records, layers };
            }
            Ok(Step::Sign(prepared)) => return seal(prepared),
            Ok(Step::Need(needs)) => needs,
        };
        assert!(!needs.is_empty(), "nothing is needed");
        for need in needs.documents {
            let Some((digest, bytes)) = documents.get_key_value(&need.digest) else {
                return Outcome::Missing(need.digest);
            };
            let before = at_hand.insert(digest, bytes.as_slice());
            assert!(before.is_none(), "`{digest}` is asked for twice");
        }
        for need in needs.layers {
            let reading = layers::reading(documents, &need.digest);
            let before = read.insert(need.digest, reading);
            assert!(before.is_none(), "a layer is asked for twice");
        }
        for digest in needs.signatures {
            let document = at_hand.get(&digest).expect("what is to be verified was found");
            let reading = read_signatures(document, &request.limits);
            let before = verified.insert(digest, reading);
            assert!(before.is_none(), "signatures are verified twice");
        }
    }
    panic!("there is no answer to {request:?} after {MAX_ROUNDS} rounds");
}

/// The core as a Rust library, in this process.
pub struct Native;

impl Implementation for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn answer(&self, request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> Outcome {
        run(request, documents, |fetched| Ok(downshift::answer(request, fetched)))
    }
}

fn sealed(prepared: Prepared) -> Outcome {
    static SIGNER: LazyLock<P256Signer> = LazyLock::new(|| {
        FixedKey::read().and_then(|key| key.signer()).expect("the suite has its key among the vectors")
    });
    let signature = SIGNER.sign(&prepared.signing_input()).expect("RFC 6979 needs no randomness");
    match prepared.seal(signature) {
        Ok(answer) => answered(answer),
        Err(error) => Outcome::refused(error.into()),
    }
}

/// An answer of the core as an outcome.
///
/// # Panics
/// If its report is not plain data.
#[must_use]
pub fn answered(answer: Answer<'_>) -> Outcome {
    Outcome::Answered(Answered {
        form: answer.form,
        digest: answer.digest,
        body: answer.body.into_owned(),
        source: answer.source,
        by_platform: answer.by_platform,
        records: answer.records,
        layers: answer.layers,
        signature: answer.report.signature.clone(),
        report: serde_json::to_value(&answer.report).expect("a report is plain data"),
    })
}
