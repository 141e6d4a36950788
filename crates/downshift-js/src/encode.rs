//! From the core's types to JSON.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use downshift::answer::{Answer, Need, NeedKind, Record, Refusal};
use downshift::{Capabilities, Failure, Platform};
use serde_json::{Map, Value, json};

pub(crate) fn need(need: &Need) -> Value {
    let kind = match need.kind {
        NeedKind::Manifest => "manifest",
        NeedKind::Blob => "blob",
    };
    json!({
        "digest": need.digest.as_str(),
        "size": need.size,
        "mediaType": need.media_type,
        "kind": kind,
    })
}

/// An answer without its body and the payloads of its records.
pub(crate) fn answer(answer: &Answer<'_>) -> Value {
    let mut encoded = json!({
        "form": answer.form.name(),
        "mediaType": answer.form.media_type(),
        "digest": answer.digest.as_str(),
        "source": answer.source.as_ref().map(downshift::Digest::as_str),
        "byPlatform": answer.by_platform,
        "records": records(&answer.records),
    });
    report(answer, &mut encoded);
    encoded
}

/// What was done, for those who look at it.
#[cfg(feature = "inspect")]
fn report(answer: &Answer<'_>, encoded: &mut Value) {
    encoded["report"] = serde_json::to_value(&answer.report).unwrap_or_default();
}

/// Nobody reads reports at an edge.
#[cfg(not(feature = "inspect"))]
fn report(_: &Answer<'_>, _: &mut Value) {}

pub(crate) fn refusal(refusal: &Refusal) -> Value {
    json!({ "refused": failure(&refusal.failure), "records": records(&refusal.records) })
}

fn failure(failure: &Failure) -> Value {
    let Failure { code, fault, cause, remedy } = failure;
    json!({ "code": code, "fault": crate::json::fault(*fault), "cause": cause, "remedy": remedy })
}

fn records(records: &[Record]) -> Vec<Value> {
    records.iter().map(record).collect()
}

fn record(record: &Record) -> Value {
    json!({
        "name": record.name,
        "digest": record.digest.as_str(),
        "form": record.form.name(),
        "source": record.source.as_str(),
        "tag": record.tag,
        "platform": platform(record.platform.as_ref()),
        "time": record.time.map(|time| time.seconds()),
    })
}

pub(crate) fn capabilities(client: &Capabilities) -> Value {
    let forms: Map<String, Value> =
        client.forms().map(|(form, weight)| (form.name().to_owned(), weight.into())).collect();
    json!({
        "forms": forms,
        "any": client.takes_any(),
        "schema1Engine": client.is_schema1_engine(),
        "platform": platform(client.platform()),
    })
}

fn platform(platform: Option<&Platform>) -> Option<String> {
    platform.map(ToString::to_string)
}
