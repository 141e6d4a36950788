//! From the core's types to JSON.

use alloc::string::{String, ToString};

use downshift::answer::{Answer, LayerNeed, LayerRecord, Need, NeedKind, Needs, Record, Refusal};
#[cfg(feature = "pull")]
use downshift::answer::{LayerReading, Request, Root};
#[cfg(any(feature = "pull", feature = "registry"))]
use downshift::{Capabilities, Form, ZstdSupport};
use downshift::{Platform, SourceSignature};
#[cfg(any(feature = "pull", feature = "registry"))]
use downshift_json::string;
use downshift_json::{Object, array};

use crate::json::{failure, layer_facts};

pub(crate) fn needs(needs: &Needs) -> String {
    let mut own = Object::new();
    own.json("documents", &array(needs.documents.iter().map(need)));
    own.json("layers", &array(needs.layers.iter().map(layer_need)));
    Object::new().json("need", &own.finish()).finish()
}

fn layer_need(need: &LayerNeed) -> String {
    let mut object = Object::new();
    object.text("digest", need.digest.as_str()).optional_number("size", need.size);
    object.optional_text("mediaType", need.media_type.as_deref()).finish()
}

fn need(need: &Need) -> String {
    let kind = match need.kind {
        NeedKind::Manifest => "manifest",
        NeedKind::Blob => "blob",
    };
    let mut object = Object::new();
    object.text("digest", need.digest.as_str()).optional_number("size", need.size);
    object.optional_text("mediaType", need.media_type.as_deref()).text("kind", kind).finish()
}

/// An answer without its body and the payloads of its records.
pub(crate) fn answer(answer: &Answer<'_>) -> String {
    let mut object = Object::new();
    object
        .text("form", answer.form.name())
        .text("mediaType", answer.media_type.as_deref().unwrap_or(answer.form.media_type()));
    object.text("digest", answer.digest.as_str());
    object.optional_text("signature", signature(answer.report.signature.as_ref()).as_deref());
    object.optional_text("source", answer.source.as_ref().map(downshift::Digest::as_str));
    object.flag("byPlatform", answer.by_platform).json("records", &records(&answer.records));
    object.json("layers", &layers(&answer.layers));
    report(answer, &mut object);
    #[cfg(feature = "pull")]
    object
        .text("stored", answer.report.source.form.name())
        .optional_text("platform", platform(answer.report.platform.as_ref()).as_deref());
    Object::new().json("answer", &object.finish()).finish()
}

/// What was done, for those who look at it.
#[cfg(feature = "inspect")]
fn report(answer: &Answer<'_>, object: &mut Object) {
    object.json("report", &serde_json::to_string(&answer.report).unwrap_or_default());
}

/// Nobody reads reports at an edge.
#[cfg(not(feature = "inspect"))]
fn report(_: &Answer<'_>, _: &mut Object) {}

pub(crate) fn refusal(refusal: &Refusal) -> String {
    let mut object = Object::new();
    object.json("refused", &failure(&refusal.failure)).json("records", &records(&refusal.records));
    object.json("layers", &layers(&refusal.layers)).finish()
}

fn layers(layers: &[LayerRecord]) -> String {
    array(layers.iter().map(layer_record))
}

/// A layer that is named by its diff id.
pub(crate) fn layer_record(layer: &LayerRecord) -> String {
    Object::new().text("name", &layer.name).json("facts", &layer_facts(&layer.facts)).finish()
}

/// What came of reading a layer, as [`decode::layer_reading`](crate::decode::layer_reading) reads it.
#[cfg(feature = "pull")]
pub(crate) fn layer_reading(reading: &LayerReading) -> String {
    let mut object = Object::new();
    match reading {
        LayerReading::Facts(facts) => object.json("facts", &layer_facts(facts)),
        LayerReading::Missing => object.flag("missing", true),
        LayerReading::Refused { code, cause } => {
            let refused = Object::new().text("code", code).text("cause", cause).finish();
            object.json("refused", &refused)
        }
    };
    object.finish()
}

fn records(records: &[Record]) -> String {
    array(records.iter().map(record))
}

/// A record without its payload.
pub(crate) fn record(record: &Record) -> String {
    let mut object = Object::new();
    object.text("name", &record.name).text("digest", record.digest.as_str());
    object.text("form", record.form.name()).text("source", record.source.as_str());
    object.optional_text("tag", record.tag.as_deref());
    object.optional_text("signature", signature(record.signature.as_ref()).as_deref());
    object.optional_text("platform", platform(record.platform.as_ref()).as_deref());
    object.optional_number("time", record.time.map(|time| time.seconds())).finish()
}

/// A request for a conversion, as [`decode::request`](crate::decode::request) reads it; `limits` are its limits.
#[cfg(feature = "pull")]
pub(crate) fn request(request: &Request, limits: &str) -> String {
    let root = &request.root;
    let mut object = Object::new();
    object.text("name", root.name()).text("digest", root.digest().as_str()).optional_text("tag", root.tag());
    if let Root::Digest { record: own, .. } = root {
        object.flag("byDigest", true);
        if let Some(own) = own {
            object.json("record", &record(own));
        }
    }
    object.json("client", &capabilities(&request.client)).text("policy", &request.policy.to_string());
    object.text("allow", &request.allow.to_string()).text("plainLayers", request.plain_layers.name());
    object.text("unsignedSchema1", request.unsigned_schema1.name());
    object.text("platform", &request.default_platform.to_string());
    object.optional_number("time", request.time.map(|time| time.seconds()));
    object.json("limits", limits).finish()
}

#[cfg(any(feature = "pull", feature = "registry"))]
pub(crate) fn capabilities(client: &Capabilities) -> String {
    let mut forms = Object::new();
    for (form, weight) in client.forms() {
        forms.number(form.name(), weight.into());
    }
    let mut types = Object::new();
    for (media_type, weight) in client.types() {
        types.number(media_type, weight.into());
    }
    let mut object = Object::new();
    object.json("forms", &forms.finish()).json("types", &types.finish()).flag("any", client.takes_any());
    let unreadable = Form::ALL.into_iter().filter(|&form| client.cannot_read(form));
    object.json("unreadable", &array(unreadable.map(|form| string(form.name()))));
    object.optional_text("zstd", client.zstd().map(ZstdSupport::name));
    object.optional_text("platform", platform(client.platform()).as_deref()).finish()
}

/// What the signatures of a source prove, as it stands in the header.
pub(crate) fn signature(signature: Option<&SourceSignature>) -> Option<String> {
    signature.map(ToString::to_string)
}

fn platform(platform: Option<&Platform>) -> Option<String> {
    platform.map(ToString::to_string)
}
