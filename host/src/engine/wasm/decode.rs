//! From the component's types to the core's.

use std::borrow::Cow;

use downshift::answer::{Answer, Documents, Need, NeedKind, Prepared, Record, Refusal, Step};
use downshift::report::{Described, LeftOut, Note, Report};
use downshift::{Digest, Error, Failure, Fault, Form, Platform, Policy, Timestamp};

use super::bindings::downshift::convert::types as wit;

pub(super) fn step<'a>(step: wit::Step, documents: &Documents<'a>) -> Result<Step<'a>, Error> {
    Ok(match step {
        wit::Step::Need(needs) => Step::Need(needs.into_iter().map(need).collect::<Result<_, _>>()?),
        wit::Step::Done(answer) => self::answer(answer, documents)?,
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

fn answer<'a>(answer: wit::Answer, documents: &Documents<'a>) -> Result<Step<'a>, Error> {
    let decoded = Answer {
        form: form(answer.form),
        digest: answer.digest.parse()?,
        body: Cow::Borrowed(&[][..]),
        source: answer.source.as_deref().map(Digest::parse).transpose()?,
        by_platform: answer.by_platform,
        records: records(answer.records)?,
        report: report(answer.report)?,
    };
    Ok(match answer.body {
        wit::Body::Unsigned(wit::Unsigned { payload, time }) => {
            let time = Timestamp::from_seconds(time).unwrap_or_default();
            Step::Sign(Prepared::new(payload, time, decoded)?)
        }
        wit::Body::Bytes(bytes) => Step::Done(Answer { body: Cow::Owned(bytes), ..decoded }),
        wit::Body::Stored(digest) => {
            let body = documents.get(&digest.parse()?).ok_or(Error::MissingMember { path: "body.stored" })?;
            Step::Done(Answer { body: Cow::Borrowed(body), ..decoded })
        }
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

fn report(report: wit::Report) -> Result<Report, Error> {
    Ok(Report {
        source: described(report.source)?,
        result: described(report.outcome)?,
        policy: match report.policy {
            wit::Policy::Strict => Policy::Strict,
            wit::Policy::Reference => Policy::Reference,
        },
        platform: report.platform.map(platform),
        digest_changed: report.digest_changed.map(Cow::Owned),
        lost: report.lost.into_iter().map(note).collect(),
        added: report.added.into_iter().map(note).collect(),
        left_out: report.left_out.into_iter().map(left_out).collect::<Result<_, _>>()?,
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
