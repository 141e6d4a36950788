//! From the component's types to the core's.

use std::borrow::Cow;

use downshift::answer::{
    Conversion, Documents, Draft, Need, NeedKind, Prepared, Record, Refusal, Request, Root, Step,
};
use downshift::report::{Described, LeftOut, Note};
use downshift::{Digest, Error, Failure, Fault, Form, Platform, Timestamp};

use super::bindings::downshift::convert::types as wit;

/// The step that answers `request`, from which the guest need not repeat anything.
pub(super) fn step<'a>(
    step: wit::Step,
    request: &Request,
    documents: &Documents<'a>,
) -> Result<Step<'a>, Error> {
    Ok(match step {
        wit::Step::Need(needs) => Step::Need(needs.into_iter().map(need).collect::<Result<_, _>>()?),
        wit::Step::Done(draft) => self::draft(draft, request, documents)?,
        wit::Step::Refused(wit::Refusal { failure, records }) => {
            Step::Refused(Refusal { failure: self::failure(failure), records: self::records(records)? })
        }
    })
}

fn need(need: wit::Need) -> Result<Need, Error> {
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

fn draft<'a>(draft: wit::Draft, request: &Request, documents: &Documents<'a>) -> Result<Step<'a>, Error> {
    let decoded = Draft {
        form: form(draft.form),
        body: Cow::Borrowed(&[][..]),
        digest: draft.digest.as_deref().map(Digest::parse).transpose()?,
        stored: described(draft.stored)?,
        source: draft.source.as_deref().map(Digest::parse).transpose()?,
        platform: draft.platform.map(platform),
        policy: request.policy,
        conversion: draft
            .conversion
            .map(|conversion| self::conversion(conversion, &request.root))
            .transpose()?,
    };
    Ok(match draft.body {
        wit::Body::Unsigned(wit::Unsigned { payload, time }) => {
            let time = Timestamp::from_seconds(time).unwrap_or_default();
            Step::Sign(Prepared::new(payload, time, decoded)?)
        }
        wit::Body::Bytes(bytes) => Step::Done(Draft { body: Cow::Owned(bytes), ..decoded }),
        wit::Body::Stored(digest) => {
            let body = documents.get(&digest.parse()?).ok_or(Error::MissingMember { path: "body.stored" })?;
            Step::Done(Draft { body: Cow::Borrowed(body), ..decoded })
        }
    })
}

fn conversion(conversion: wit::Conversion, root: &Root) -> Result<Conversion, Error> {
    Ok(Conversion {
        name: root.name().to_owned(),
        tag: root.tag().map(str::to_owned),
        time: conversion.time.and_then(Timestamp::from_seconds),
        lost: conversion.lost.into_iter().map(note).collect(),
        added: conversion.added.into_iter().map(note).collect(),
        left_out: conversion.left_out.into_iter().map(left_out).collect::<Result<_, _>>()?,
        children: records(conversion.children)?,
    })
}

fn records(records: Vec<wit::Reported>) -> Result<Vec<Record>, Error> {
    records.into_iter().map(record).collect()
}

fn record(reported: wit::Reported) -> Result<Record, Error> {
    Ok(Record {
        name: reported.name,
        digest: reported.digest.parse()?,
        form: form(reported.form),
        payload: reported.payload,
        source: reported.source.parse()?,
        tag: reported.tag,
        platform: reported.platform.map(platform),
        time: reported.time.and_then(Timestamp::from_seconds),
    })
}

fn described(described: wit::Described) -> Result<Described, Error> {
    let wit::Described { form: own, digest, size } = described;
    Ok(Described { form: form(own), digest: digest.parse()?, size: size as usize })
}

fn note(note: wit::Note) -> Note {
    Note { code: Cow::Owned(note.code), path: note.path }
}

fn left_out(left: wit::LeftOut) -> Result<LeftOut, Error> {
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
    }
}

fn platform(platform: wit::Platform) -> Platform {
    let wit::Platform { os, architecture, variant } = platform;
    Platform { os, architecture, variant }
}
