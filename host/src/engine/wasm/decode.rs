//! From the component's types to the core's.
//!
//! What the guest says is not believed where that can be helped: a document that makes a program of it gets an answer
//! about itself at the worst. It cannot record anything for another repository or under another digest, report what is
//! not the digest of the answer, have any number of documents fetched or layers read, or say of a layer or a signature what
//! nobody has found there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use downshift::answer::{
    Conversion, Documents, Draft, LayerNeed, LayerReading, LayerRecord, Need, NeedKind, Needs, Prepared,
    Record, Refusal, Request, Root, Step,
};
use downshift::layer::LayerFacts;
use downshift::report::{Described, LeftOut, Note};
use downshift::{Digest, Failure, Fault, Form, Platform, SourceSignature, Timestamp, is_manifest_type};

use super::bindings::downshift::convert::types as wit;
use crate::digest;
use crate::engine::untrue;

/// The step that answers `request`, from which the guest need not repeat anything.
pub(super) fn step<'a>(
    step: wit::Step,
    request: &Request,
    documents: &Documents<'a>,
) -> Result<Step<'a>, Failure> {
    Ok(match step {
        wit::Step::Need(needs) => Step::Need(self::needs(needs, request)?),
        wit::Step::Done(draft) => self::draft(draft, request, documents)?,
        wit::Step::Refused(wit::Refusal { failure, records, layers }) => {
            let records = self::records(records, &request.root, documents)?;
            let name = request.root.name();
            let layers = facts(layers, documents)?.into_iter();
            let layers = layers.map(|facts| LayerRecord { name: name.to_owned(), facts }).collect();
            Step::Refused(Refusal { failure: self::failure(failure), records, layers })
        }
    })
}

/// What is needed: the root, or something for each manifest that is converted with it; and the layers of one manifest.
fn needs(needs: wit::Needs, request: &Request) -> Result<Needs, Failure> {
    let wit::Needs { documents, layers, signatures } = needs;
    if documents.len() > request.limits.converted_children.max(1) {
        return Err(untrue::answer("it needs too many documents"));
    }
    if layers.len() > request.limits.layers {
        return Err(untrue::answer("it needs too many layers"));
    }
    if signatures.len() > request.limits.converted_children.max(1) {
        return Err(untrue::answer("it needs too many signatures"));
    }
    Ok(Needs {
        documents: documents.into_iter().map(need).collect::<Result<_, _>>()?,
        layers: layers.into_iter().map(layer_need).collect::<Result<_, _>>()?,
        signatures: signatures.iter().map(|digest| digest.parse()).collect::<Result<_, _>>()?,
    })
}

fn layer_need(need: wit::LayerNeed) -> Result<LayerNeed, Failure> {
    let wit::LayerNeed { digest, size, media_type } = need;
    Ok(LayerNeed { digest: digest.parse()?, size, media_type })
}

/// What the signatures of a source prove, as it was found here, or recorded of what was made of it before.
fn signature(
    stated: Option<wit::SourceSignature>,
    source: Option<&Digest>,
    root: &Root,
    documents: &Documents<'_>,
) -> Result<Option<SourceSignature>, Failure> {
    match stated {
        None => return Ok(None),
        Some(wit::SourceSignature::None) => return Ok(Some(SourceSignature::NONE)),
        Some(wit::SourceSignature::Verified) => {}
    }
    let recorded = match root {
        Root::Digest { record: Some(record), .. } if Some(&record.source) == source => {
            record.signature.clone()
        }
        _ => None,
    };
    let reading = source.and_then(|source| documents.signature(source));
    let found = reading.map(SourceSignature::from).or(recorded);
    found.map(Some).ok_or_else(|| untrue::answer("it names signatures that nobody has verified"))
}

/// The facts of layers that the guest names, as they were given to it.
fn facts(layers: Vec<String>, documents: &Documents<'_>) -> Result<Vec<LayerFacts>, Failure> {
    let readings: BTreeMap<&Digest, &LayerReading> = documents.layers().collect();
    let facts = |digest: String| match readings.get(&digest.parse::<Digest>()?) {
        Some(LayerReading::Facts(facts)) => Ok(facts.clone()),
        _ => Err(untrue::answer("it names a layer that nobody has read")),
    };
    layers.into_iter().map(facts).collect()
}

fn need(need: wit::Need) -> Result<Need, Failure> {
    Ok(Need {
        digest: need.digest.parse()?,
        size: need.size,
        media_type: need.media_type,
        kind: match need.kind {
            wit::NeedKind::Manifest => NeedKind::Manifest,
            wit::NeedKind::Blob => NeedKind::Blob,
        },
    })
}

fn draft<'a>(draft: wit::Draft, request: &Request, documents: &Documents<'a>) -> Result<Step<'a>, Failure> {
    let source = draft.source.as_deref().map(Digest::parse).transpose()?;
    let mut decoded = Draft {
        form: form(draft.form),
        // It stands in a header.
        media_type: draft.media_type.filter(|media_type| is_manifest_type(media_type)),
        body: Cow::Borrowed(&[][..]),
        digest: draft.digest.as_deref().map(Digest::parse).transpose()?,
        stored: described(draft.stored)?,
        signature: signature(draft.signature, source.as_ref(), &request.root, documents)?,
        source,
        platform: draft.platform.map(platform),
        policy: request.policy,
        warnings: draft.warnings.into_iter().map(note).collect(),
        conversion: draft
            .conversion
            .map(|conversion| self::conversion(conversion, &request.root, documents))
            .transpose()?,
    };
    if decoded.conversion.is_some() {
        // It is to be computed.
        decoded.digest = None;
    }
    Ok(match draft.body {
        wit::Body::Unsigned(wit::Unsigned { payload, time }) => {
            check_digest(&decoded, &payload, request)?;
            let time = Timestamp::from_seconds(time).unwrap_or_default();
            Step::Sign(Prepared::new(payload, time, decoded)?)
        }
        wit::Body::Bytes(bytes) => {
            check_digest(&decoded, &bytes, request)?;
            Step::Done(Draft { body: Cow::Owned(bytes), ..decoded })
        }
        wit::Body::Stored(digest) => {
            let digest: Digest = digest.parse()?;
            let body = documents
                .get(&digest)
                .ok_or_else(|| untrue::answer("it gives a document that is not there"))?;
            // That was checked when it was found.
            if decoded.digest.as_ref() != Some(&digest) {
                check_digest(&decoded, body, request)?;
            }
            Step::Done(Draft { body: Cow::Borrowed(body), ..decoded })
        }
    })
}

/// Checks the digest that is to be reported, where it is not the one that was asked for: the client checks that.
fn check_digest(draft: &Draft<'_>, body: &[u8], request: &Request) -> Result<(), Failure> {
    let is_of_body = |digest: &Digest| {
        digest.matches(body) || digest::of_payload(body, &request.limits).as_ref() == Some(digest)
    };
    let by_digest = matches!(request.root, Root::Digest { .. });
    match &draft.digest {
        Some(digest) if by_digest && digest == request.root.digest() => Ok(()),
        Some(digest) if !is_of_body(digest) => Err(untrue::answer("it reports another digest")),
        _ => Ok(()),
    }
}

fn conversion(
    conversion: wit::Conversion,
    root: &Root,
    documents: &Documents<'_>,
) -> Result<Conversion, Failure> {
    Ok(Conversion {
        name: root.name().to_owned(),
        tag: root.tag().map(str::to_owned),
        time: conversion.time.and_then(Timestamp::from_seconds),
        lost: conversion.lost.into_iter().map(note).collect(),
        added: conversion.added.into_iter().map(note).collect(),
        left_out: conversion.left_out.into_iter().map(left_out).collect::<Result<_, _>>()?,
        children: records(conversion.children, root, documents)?,
        layers: facts(conversion.layers, documents)?,
    })
}

fn records(
    records: Vec<wit::Reported>,
    root: &Root,
    documents: &Documents<'_>,
) -> Result<Vec<Record>, Failure> {
    records.into_iter().map(|reported| record(reported, root, documents)).collect()
}

fn record(reported: wit::Reported, root: &Root, documents: &Documents<'_>) -> Result<Record, Failure> {
    let digest: Digest = reported.digest.parse()?;
    if !digest.matches(&reported.payload) {
        return Err(untrue::answer("it records another digest"));
    }
    let source: Digest = reported.source.parse()?;
    Ok(Record {
        name: root.name().to_owned(),
        digest,
        form: form(reported.form),
        payload: reported.payload,
        signature: signature(reported.signature, Some(&source), root, documents)?,
        source,
        tag: reported.tag,
        platform: reported.platform.map(platform),
        time: reported.time.and_then(Timestamp::from_seconds),
    })
}

fn described(described: wit::Described) -> Result<Described, Failure> {
    let wit::Described { form: own, digest, size } = described;
    Ok(Described { form: form(own), digest: digest.parse()?, size: size as usize })
}

fn note(note: wit::Note) -> Note {
    Note { code: Cow::Owned(note.code), path: note.path }
}

fn left_out(left: wit::LeftOut) -> Result<LeftOut, Failure> {
    Ok(LeftOut {
        digest: left.digest.parse()?,
        platform: left.platform.map(platform),
        code: Cow::Owned(left.code),
    })
}

fn failure(failure: wit::Failure) -> Failure {
    Failure {
        code: Cow::Owned(failure.code),
        fault: match failure.fault {
            wit::Fault::Caller => Fault::Caller,
            wit::Fault::Client => Fault::Client,
            wit::Fault::Document => Fault::Document,
            wit::Fault::Image => Fault::Image,
            wit::Fault::Limit => Fault::Limit,
        },
        cause: failure.cause,
        remedy: Cow::Owned(failure.remedy),
    }
}

fn form(form: wit::Form) -> Form {
    match form {
        wit::Form::Schema1 => Form::Schema1,
        wit::Form::Schema1Unsigned => Form::Schema1Unsigned,
        wit::Form::Schema2 => Form::Schema2,
        wit::Form::ManifestList => Form::List,
        wit::Form::Oci => Form::Oci,
        wit::Form::Index => Form::Index,
        wit::Form::Other => Form::Other,
    }
}

fn platform(platform: wit::Platform) -> Platform {
    let wit::Platform { os, architecture, variant } = platform;
    Platform { os, architecture, variant }
}
