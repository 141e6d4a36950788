//! What pulls want, as JSON.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString as _};

use bytes::Bytes;
use downshift::Digest;
use downshift::answer::LayerReading;
use downshift_json::{Object, array, string};
use downshift_pull::{Ask, BodyId, Conversion, Copy, Effect, Event, Reply, Take, Ticket};
use downshift_registry::{Body, TokenForm};

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
            object.text("kind", "recall").json("path", &record_path(name, digest));
        }
        Effect::Record(records) => {
            let all = records.iter().map(|record| {
                let mut object = Object::new();
                object.json("path", &record_path(&record.name, &record.digest));
                object.text("about", &encode::record(record)).finish()
            });
            object.text("kind", "record").json("records", &array(all));
            bytes.extend(records.iter().map(|record| record.payload.clone().into()));
        }
        Effect::Convert(conversion) => convert(object, conversion, names, bytes),
        Effect::Hash(authorization) => {
            object.text("kind", "hash").text("authorization", authorization.as_str());
        }
        Effect::Pause(duration) => {
            let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            object.text("kind", "pause").number("milliseconds", milliseconds);
        }
        Effect::Tell(event) => {
            object.text("kind", "tell").text("text", &told(event));
        }
        Effect::Respond(reply) => respond(object, reply, bytes),
        Effect::Copy(Copy { body, .. }) => {
            of_body(object, "copy", *body);
        }
        Effect::Abort => {
            object.text("kind", "abort");
        }
        // They are about stored repositories and users of its own, which an edge has not, or are answered from memory.
        Effect::Revoke { .. }
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

fn record_path(name: &str, digest: &Digest) -> String {
    array(names::record(name, digest).iter().map(|part| string(part)))
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
