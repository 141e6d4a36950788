//! What pulls want, as JSON.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use downshift::Digest;
use downshift::answer::{LayerReading, Record};
use downshift_json::{Object, array, string};
use downshift_pull::{Ask, BodyId, Conversion, Copy, Effect, Event, Reply, Take, Ticket};
use downshift_registry::{Body, TokenForm};

use super::layers;
use super::names::{self, Names};
use crate::encode;

/// Something that a pull wants: `{ticket, kind, …, bytes}`; the bytes that belong to it are added to `bytes`.
pub(crate) fn write(ticket: Ticket, effect: &Effect, names: &Names, bytes: &mut VecDeque<Bytes>) -> String {
    let (Ticket(number), before) = (ticket, bytes.len());
    let mut object = Object::new();
    object.number("ticket", number.into());
    write_members(&mut object, effect, names, bytes);
    object.number("bytes", bytes.len().saturating_sub(before) as u64).finish()
}

fn write_members(object: &mut Object, effect: &Effect, names: &Names, bytes: &mut VecDeque<Bytes>) {
    match effect {
        Effect::Ask(asked) => ask(object, asked),
        Effect::Close(body) => {
            of_body(object, "close", *body);
        }
        Effect::Load(key) => {
            object.text("kind", "load").json("path", &names.path(key));
        }
        Effect::Has(key) => {
            object.text("kind", "has").json("path", &names.path(key));
        }
        Effect::Keep { key, value, lifetime } => {
            let (about, content) = names::write(value);
            object.text("kind", "keep").json("path", &names.path(key)).text("about", &about);
            object.number("seconds", lifetime.as_secs());
            bytes.push_back(content);
        }
        Effect::Forget(key) => {
            object.text("kind", "forget").json("path", &names.path(key));
        }
        Effect::Recall { name, digest } => {
            object.text("kind", "recall").json("path", &path(&names::record(name, digest)));
        }
        Effect::Record(records) => {
            let about =
                |record: &Record| (names::record(&record.name, &record.digest), encode::record(record));
            keep(object, records.iter().map(about));
            bytes.extend(records.iter().map(|record| record.payload.clone().into()));
        }
        Effect::RecallFacts { name, digest } => {
            let paths = [layers::seen(name, digest), layers::facts(digest)];
            object.text("kind", "recallFacts").json("paths", &array(paths.iter().map(|own| path(own))));
        }
        Effect::KeepFacts(layer) => keep_about(object, layers::learnt(layer), bytes),
        Effect::RememberBlob { name, digest } => {
            keep_about(object, [(layers::seen(name, digest), layers::SEEN.to_string())], bytes);
        }
        Effect::RecallLayer { name, diff_id } => {
            object.text("kind", "recallLayer").json("path", &path(&layers::sources(name, diff_id)));
        }
        Effect::RecordLayers(all) => keep_about(object, all.iter().flat_map(layers::reported), bytes),
        Effect::Learn(_) => {
            object.text("kind", "learn");
        }
        Effect::ReadLayer(copy) => unpack(object, copy, "layerRead", names, bytes),
        Effect::Convert(conversion) => convert(object, conversion, names, bytes),
        Effect::Hash(authorization) => {
            object.text("kind", "hash").text("authorization", authorization.as_str());
        }
        Effect::Mac(text) => {
            object.text("kind", "mac").text("text", text);
        }
        Effect::Pause(duration) => {
            let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            object.text("kind", "pause").number("milliseconds", milliseconds);
        }
        Effect::Tell(event) => {
            object.text("kind", "tell").text("text", &told(event));
        }
        Effect::Respond(reply) => respond(object, reply, bytes),
        Effect::Copy(copy) if copy.unpack.is_some() => unpack(object, copy, "sent", names, bytes),
        // What is not unpacked is the whole of an open body: registries are asked for what is to be sent.
        Effect::Copy(Copy { body, .. }) => {
            of_body(object, "copy", *body);
        }
        Effect::Send(sent) => {
            object.text("kind", "send");
            bytes.push_back(sent.clone());
        }
        Effect::Abort => {
            object.text("kind", "abort");
        }
        // They are about stored repositories, cached blobs and users of its own, which an edge has not, or are carried out
        // before they come here.
        Effect::Revoke { .. }
        | Effect::Learnt(_)
        | Effect::OpenCached { .. }
        | Effect::Fill(_)
        | Effect::BeginFill(_)
        | Effect::Store { .. }
        | Effect::NotFilled(_)
        | Effect::Resolve { .. }
        | Effect::TagOf { .. }
        | Effect::Documents { .. }
        | Effect::Open { .. }
        | Effect::Verify(_)
        | Effect::Tags(_)
        | Effect::Manifests(_)
        | Effect::Repositories(_)
        | Effect::CheckLogin(_) => {
            object.text("kind", "unknown");
        }
    }
}

fn ask(object: &mut Object, asked: &Ask) {
    let headers = asked.lines().map(|(name, value)| array([string(name), string(value)]));
    object.text("kind", "ask").text("method", asked.method.name()).text("url", &asked.url.text);
    object.json("headers", &array(headers));
    object.optional_text("form", asked.method.form().map(TokenForm::as_str));
    // Of which statuses the body is taken, and up to how many bytes of it are read at once.
    object.json("statuses", &array(asked.take.statuses().iter().map(u16::to_string)));
    let limit = match asked.take {
        Take::Whole { limit, .. } => Some(limit as u64),
        Take::Nothing | Take::Open => None,
    };
    object.optional_number("limit", limit);
}

fn of_body<'o>(object: &'o mut Object, kind: &str, BodyId(number): BodyId) -> &'o mut Object {
    object.text("kind", kind).number("body", number.into())
}

fn path(parts: &[String]) -> String {
    array(parts.iter().map(|part| string(part)))
}

/// Keeps something for good: each under its path, with what is said of it.
fn keep(object: &mut Object, all: impl IntoIterator<Item = (Vec<String>, String)>) {
    let record = |(own, about): (Vec<String>, String)| {
        Object::new().json("path", &path(&own)).text("about", &about).finish()
    };
    object.text("kind", "record").json("records", &array(all.into_iter().map(record)));
}

/// Keeps what has no bytes but what is said of it.
fn keep_about(
    object: &mut Object,
    all: impl IntoIterator<Item = (Vec<String>, String)>,
    bytes: &mut VecDeque<Bytes>,
) {
    let all: Vec<_> = all.into_iter().collect();
    bytes.extend(all.iter().map(|_| Bytes::new()));
    keep(object, all);
}

/// Unpacks a layer, for some of its plain bytes or for what there is to know of it; `done` is what comes of that. The bytes are
/// those before each part, and those after all.
fn unpack(object: &mut Object, copy: &Copy, done: &str, names: &Names, bytes: &mut VecDeque<Bytes>) {
    let Copy { body, length, check, unpack, .. } = copy;
    of_body(object, "unpack", *body).text("as", done).optional_number("length", *length);
    let mut layer = Object::new();
    layer.optional_text("digest", check.as_ref().map(Digest::as_str));
    let [of_unpacked, of_read] = &names.layer_limits;
    layer.json("limits", if unpack.is_some() { of_unpacked } else { of_read });
    if let Some(unpack) = unpack {
        layer.optional_text("diffId", unpack.check.as_ref().map(Digest::as_str));
        let part = |(head, range): &(Bytes, Range<u64>)| {
            bytes.push_back(head.clone());
            Object::new().number("start", range.start).number("end", range.end).finish()
        };
        layer.json("parts", &array(unpack.parts.parts.iter().map(part)));
        bytes.push_back(unpack.parts.end.clone());
    }
    object.json("layer", &layer.finish());
}

fn convert(object: &mut Object, conversion: &Conversion, names: &Names, bytes: &mut VecDeque<Bytes>) {
    let Conversion { request, documents, layers, .. } = conversion;
    let payload = match &request.root {
        downshift::answer::Root::Digest { record: Some(record), .. } => Some(record.payload.clone()),
        _ => None,
    };
    object.text("kind", "convert").text("request", &encode::request(request, &names.limits));
    object.flag("hasPayload", payload.is_some());
    bytes.extend(payload.map(Bytes::from));
    let document = |(digest, bytes): &(Digest, Option<Bytes>)| {
        Object::new().text("digest", digest.as_str()).flag("isThere", bytes.is_some()).finish()
    };
    object.json("documents", &array(documents.iter().map(document)));
    let layer = |(digest, reading): &(Digest, LayerReading)| {
        let mut object = Object::new();
        object.text("digest", digest.as_str()).text("reading", &encode::layer_reading(reading)).finish()
    };
    object.json("layers", &array(layers.iter().map(layer)));
    bytes.extend(documents.iter().filter_map(|(_, bytes)| bytes.clone()));
}

fn respond(object: &mut Object, reply: &Reply, bytes: &mut VecDeque<Bytes>) {
    let response = &reply.response;
    let pair = |(name, value): &(&str, String)| array([string(name), string(value)]);
    object.text("kind", "respond").number("status", response.status.into());
    object.json("headers", &array(response.headers.iter().map(pair)));
    match &response.body {
        Body::Bytes(body) => bytes.push_back(body.clone()),
        // The bytes that are going to be copied.
        Body::Blob(range) => {
            object.number("length", range.end.saturating_sub(range.start));
        }
        Body::Parts(parts) => {
            object.number("length", parts.length());
        }
        Body::Stream => {
            object.optional_number("length", None);
        }
    }
}

/// What the operator is told, in one line.
fn told(event: &Event) -> String {
    match event {
        Event::Failure(failure) => [&failure.code, ": ", &failure.cause, "; ", &failure.remedy].concat(),
        Event::Stale { name, tag, age, cause } => {
            alloc::format!("stale-tag: `{name}:{tag}` is told as it was `{age}` seconds ago: {cause}")
        }
    }
}
