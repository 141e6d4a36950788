//! From the core's types to the component's.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use downshift::answer::{
    Conversion, Draft, LayerNeed, Need, NeedKind, Needs, Prepared, Record, Refusal, Step,
};
use downshift::report::{Described, LeftOut, Note};
use downshift::{Digest, Error, Failure, Fault, Form, Platform, SourceSignature, SourceVerdict};

use crate::bindings::wit;

pub(crate) fn step(step: Step<'_>) -> wit::Step {
    match step {
        Step::Need(needs) => wit::Step::Need(self::needs(needs)),
        Step::Sign(prepared) => wit::Step::Done(unsigned(prepared)),
        Step::Done(draft) => wit::Step::Done(self::draft(draft)),
        Step::Refused(refusal) => wit::Step::Refused(self::refusal(refusal)),
    }
}

pub(crate) fn refused(error: Error) -> wit::Step {
    wit::Step::Refused(refusal(Failure::from(error).into()))
}

fn refusal(refusal: Refusal) -> wit::Refusal {
    let Refusal { failure: Failure { code, fault: whose, cause, remedy }, records, layers } = refusal;
    wit::Refusal {
        failure: wit::Failure {
            code: code.into_owned(),
            fault: fault(whose),
            cause,
            remedy: remedy.into_owned(),
        },
        records: self::records(records),
        layers: layers.into_iter().map(|layer| text(layer.facts.digest)).collect(),
    }
}

fn needs(needs: Needs) -> wit::Needs {
    let Needs { documents, layers, signatures } = needs;
    wit::Needs {
        documents: documents.into_iter().map(need).collect(),
        layers: layers.into_iter().map(layer_need).collect(),
        signatures: signatures.into_iter().map(text).collect(),
    }
}

fn layer_need(need: LayerNeed) -> wit::LayerNeed {
    let LayerNeed { digest, size, media_type } = need;
    wit::LayerNeed { digest: text(digest), size, media_type }
}

fn need(need: Need) -> wit::Need {
    wit::Need {
        digest: text(need.digest),
        size: need.size,
        media_type: need.media_type,
        kind: match need.kind {
            NeedKind::Manifest => wit::NeedKind::Manifest,
            NeedKind::Blob => wit::NeedKind::Blob,
        },
    }
}

fn unsigned(prepared: Prepared) -> wit::Draft {
    let (payload, time, draft) = prepared.into_parts();
    let body = wit::Body::Unsigned(wit::Unsigned { payload, time: time.seconds() });
    with_body(draft, body)
}

fn draft(mut draft: Draft<'_>) -> wit::Draft {
    let body = match core::mem::take(&mut draft.body) {
        // What is borrowed is a document that the host gave: it need not come back.
        Cow::Borrowed(_) => wit::Body::Stored(draft.stored.digest.to_string()),
        Cow::Owned(bytes) => wit::Body::Bytes(bytes),
    };
    with_body(draft, body)
}

fn with_body(draft: Draft<'_>, body: wit::Body) -> wit::Draft {
    wit::Draft {
        form: form(draft.form),
        media_type: draft.media_type,
        body,
        digest: draft.digest.map(text),
        stored: described(draft.stored),
        source: draft.source.map(text),
        platform: draft.platform.map(platform),
        signature: draft.signature.map(signature),
        warnings: draft.warnings.into_iter().map(note).collect(),
        conversion: draft.conversion.map(conversion),
    }
}

fn records(records: Vec<Record>) -> Vec<wit::Reported> {
    records.into_iter().map(reported).collect()
}

fn reported(record: Record) -> wit::Reported {
    wit::Reported {
        name: record.name,
        digest: text(record.digest),
        form: form(record.form),
        payload: record.payload,
        source: text(record.source),
        tag: record.tag,
        platform: record.platform.map(platform),
        time: record.time.map(|time| time.seconds()),
        signature: record.signature.map(signature),
    }
}

fn signature(signature: SourceSignature) -> wit::SourceSignature {
    match signature.verdict {
        SourceVerdict::Valid | SourceVerdict::Invalid => wit::SourceSignature::Verified,
        SourceVerdict::None => wit::SourceSignature::None,
    }
}

fn conversion(conversion: Conversion) -> wit::Conversion {
    wit::Conversion {
        lost: conversion.lost.into_iter().map(note).collect(),
        added: conversion.added.into_iter().map(note).collect(),
        left_out: conversion.left_out.into_iter().map(left_out).collect(),
        children: records(conversion.children),
        layers: conversion.layers.into_iter().map(|facts| text(facts.digest)).collect(),
        time: conversion.time.map(|time| time.seconds()),
    }
}

fn described(described: Described) -> wit::Described {
    let Described { form: own, digest, size } = described;
    wit::Described { form: form(own), digest: text(digest), size: size as u32 }
}

fn note(note: Note) -> wit::Note {
    wit::Note { code: note.code.into_owned(), path: note.path }
}

fn left_out(left: LeftOut) -> wit::LeftOut {
    wit::LeftOut {
        digest: text(left.digest),
        platform: left.platform.map(platform),
        code: left.code.into_owned(),
    }
}

fn fault(fault: Fault) -> wit::Fault {
    match fault {
        Fault::Caller => wit::Fault::Caller,
        Fault::Client => wit::Fault::Client,
        Fault::Document => wit::Fault::Document,
        Fault::Image => wit::Fault::Image,
        Fault::Limit => wit::Fault::Limit,
    }
}

fn form(form: Form) -> wit::Form {
    match form {
        Form::Schema1 => wit::Form::Schema1,
        Form::Schema1Unsigned => wit::Form::Schema1Unsigned,
        Form::Schema2 => wit::Form::Schema2,
        Form::List => wit::Form::ManifestList,
        Form::Oci => wit::Form::Oci,
        Form::Index => wit::Form::Index,
        Form::Other => wit::Form::Other,
    }
}

fn platform(platform: Platform) -> wit::Platform {
    let Platform { os, architecture, variant } = platform;
    wit::Platform { os, architecture, variant }
}

fn text(digest: Digest) -> String {
    digest.into()
}
