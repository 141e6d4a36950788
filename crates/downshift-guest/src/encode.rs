//! From the core's types to the component's.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use downshift::answer::{Answer, Need, NeedKind, Prepared, Record, Refusal, Step};
use downshift::report::{Described, LeftOut, Note, Report};
use downshift::{Digest, Error, Failure, Fault, Form, Platform, Policy};

use crate::wit;

pub(crate) fn step(step: Step<'_>) -> wit::Step {
    match step {
        Step::Need(needs) => wit::Step::Need(needs.into_iter().map(need).collect()),
        Step::Sign(prepared) => wit::Step::Done(unsigned(prepared)),
        Step::Done(answer) => wit::Step::Done(self::answer(answer)),
        Step::Refused(refusal) => wit::Step::Refused(self::refusal(refusal)),
    }
}

pub(crate) fn refused(error: Error) -> wit::Step {
    wit::Step::Refused(refusal(Refusal { failure: error.into(), records: Vec::new() }))
}

fn refusal(refusal: Refusal) -> wit::Refusal {
    let Refusal { failure: Failure { code, fault: whose, cause, remedy }, records } = refusal;
    wit::Refusal {
        failure: wit::Failure {
            code: code.into_owned(),
            fault: fault(whose),
            cause,
            remedy: remedy.into_owned(),
        },
        records: self::records(records),
    }
}

fn need(need: Need) -> wit::Need {
    wit::Need {
        digest: need.digest.to_string(),
        size: need.size,
        media_type: need.media_type,
        kind: match need.kind {
            NeedKind::Manifest => wit::NeedKind::Manifest,
            NeedKind::Blob => wit::NeedKind::Blob,
        },
    }
}

fn unsigned(prepared: Prepared) -> wit::Answer {
    let (payload, time, answer) = prepared.into_parts();
    encode_answer(answer, |_| wit::Body::Unsigned(wit::Unsigned { payload, time: time.seconds() }))
}

fn answer(answer: Answer<'_>) -> wit::Answer {
    let stored = answer.report.source.digest.to_string();
    encode_answer(answer, |body| match body {
        // What is borrowed is a document that the host gave: it need not come back.
        Cow::Borrowed(_) => wit::Body::Stored(stored),
        Cow::Owned(bytes) => wit::Body::Bytes(bytes),
    })
}

fn encode_answer<'a>(answer: Answer<'a>, body: impl FnOnce(Cow<'a, [u8]>) -> wit::Body) -> wit::Answer {
    wit::Answer {
        form: form(answer.form),
        body: body(answer.body),
        digest: answer.digest.to_string(),
        source: answer.source.map(|source| source.to_string()),
        by_platform: answer.by_platform,
        records: records(answer.records),
        report: report(answer.report),
    }
}

fn records(records: Vec<Record>) -> Vec<wit::Reported> {
    records.into_iter().map(reported).collect()
}

fn reported(record: Record) -> wit::Reported {
    wit::Reported {
        name: record.name,
        digest: record.digest.to_string(),
        form: form(record.form),
        payload: record.payload,
        source: record.source.to_string(),
        tag: record.tag,
        platform: record.platform.map(platform),
        time: record.time.map(|time| time.seconds()),
    }
}

fn report(report: Report) -> wit::Report {
    wit::Report {
        source: described(&report.source),
        outcome: described(&report.result),
        policy: policy(report.policy),
        platform: report.platform.map(platform),
        digest_changed: report.digest_changed.map(Cow::into_owned),
        lost: report.lost.into_iter().map(note).collect(),
        added: report.added.into_iter().map(note).collect(),
        left_out: report.left_out.into_iter().map(left_out).collect(),
    }
}

fn described(described: &Described) -> wit::Described {
    let Described { form: own, digest, size } = described;
    wit::Described { form: form(*own), digest: text(digest), size: *size as u32 }
}

fn note(note: Note) -> wit::Note {
    wit::Note { code: note.code.into_owned(), path: note.path }
}

fn left_out(left: LeftOut) -> wit::LeftOut {
    wit::LeftOut {
        digest: text(&left.digest),
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
    }
}

fn policy(policy: Policy) -> wit::Policy {
    match policy {
        Policy::Strict => wit::Policy::Strict,
        Policy::Reference => wit::Policy::Reference,
    }
}

fn platform(platform: Platform) -> wit::Platform {
    let Platform { os, architecture, variant } = platform;
    wit::Platform { os, architecture, variant }
}

fn text(digest: &Digest) -> String {
    digest.as_str().to_string()
}
