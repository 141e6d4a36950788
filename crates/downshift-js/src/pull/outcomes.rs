//! What came of what pulls wanted, from JSON.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;
use downshift::answer::{Answer, LayerNeed, LayerRecord, Need, NeedKind, Needs, Record, Refusal};
use downshift::report::{Described, Report};
use downshift::{Digest, Policy};
use downshift_pull::{
    Answered, Body, BodyId, CallerId, Converted, Copied, Done, LayerRead, Ticket, Trouble, Value,
};
use downshift_registry::Problem;

use super::{layers, names};
use crate::argument::{self, Argument, Problems};
use crate::decode;

/// An outcome, `{ticket, done, …}`, with the bytes that belong to it.
pub(crate) fn read(given: Argument<'_>, bytes: &mut VecDeque<Bytes>) -> (Ticket, Done) {
    let ticket = Ticket(u32::try_from(given.number("ticket")).unwrap_or(u32::MAX));
    let done = match given.text("done").as_str() {
        "asked" => Done::Asked(problem(given).map_or_else(|| Ok(answered(given, bytes)), Err)),
        "loaded" => kept(given, bytes).map_or(Done::Unknown { mark: 0 }, Done::Known),
        "has" => Done::Has(given.is("has")),
        "recalled" => Done::Recalled(recalled(given, bytes)),
        "recorded" => Done::Recorded(succeeded(given)),
        "knownLayer" => Done::KnownLayer(succeeded(given).map(|()| layers::known(given))),
        "sources" => Done::Sources(succeeded(given).map(|()| layers::read_sources(given))),
        "layerRead" => Done::LayerRead(Ok(layer_read(given))),
        "sent" => Done::Copied(sent(given)),
        "converted" => Done::Converted(Ok(converted(given, bytes))),
        "hashed" => hashed(&take(bytes)),
        "mac" => take(bytes).as_ref().try_into().map_or(Done::Nothing, Done::Mac),
        "waited" => Done::Waited,
        "responded" => Done::Responded,
        "copied" => Done::Copied(match succeeded(given) {
            Ok(()) => Copied::All,
            // The platform copies by itself, and does not tell how far it came.
            Err(_) => Copied::Broken { sent: None },
        }),
        // What a shell could not do at all, which it has logged, is not what anybody waits for.
        _ => Done::Nothing,
    };
    (ticket, done)
}

/// What came of unpacking a layer to its end.
fn layer_read(given: Argument<'_>) -> LayerRead {
    if let Some(facts) = given.member("facts") {
        return LayerRead::Facts(decode::layer_facts(facts));
    }
    match given.member("refused") {
        Some(refused) => LayerRead::Refused { code: refused.text("code"), cause: refused.text("cause") },
        None if given.is("isCorrupt") => LayerRead::Corrupt,
        None => LayerRead::Broken { read: given.optional_number("read") },
    }
}

/// What came of bytes that were written one after the other.
fn sent(given: Argument<'_>) -> Copied {
    let is = |name: &str| given.is(name);
    if is("isAll") || given.member("facts").is_some() {
        Copied::All
    } else if is("isGone") {
        Copied::ClientGone
    } else if is("isCorrupt") || given.member("refused").is_some() {
        Copied::Corrupt
    } else {
        Copied::Broken { sent: given.optional_number("read") }
    }
}

fn take(bytes: &mut VecDeque<Bytes>) -> Bytes {
    bytes.pop_front().unwrap_or_default()
}

fn succeeded(given: Argument<'_>) -> Result<(), Trouble> {
    if given.is("isFailed") { Err(Trouble::NotRecorded) } else { Ok(()) }
}

fn problem(given: Argument<'_>) -> Option<Problem> {
    if given.is("isTooLarge") {
        return Some(Problem::TooLarge {
            limit: usize::try_from(given.number("limit")).unwrap_or(usize::MAX),
        });
    }
    given.optional_text("unreachable").map(Problem::Unreachable)
}

fn answered(given: Argument<'_>, bytes: &mut VecDeque<Bytes>) -> Answered {
    let body = match given.optional_number("body") {
        Some(number) => Body::Open(BodyId(u32::try_from(number).unwrap_or(u32::MAX))),
        None if given.member("digest").is_some() => {
            let (bytes, digest) = whole(given, bytes);
            Body::Bytes { bytes, digest }
        }
        None => Body::None,
    };
    let status = u16::try_from(given.number("status")).unwrap_or(u16::MAX);
    Answered { body, ..Answered::new(status, decode::pairs(given, "headers")) }
}

fn whole(given: Argument<'_>, bytes: &mut VecDeque<Bytes>) -> (Bytes, Digest) {
    (take(bytes), given.digest("digest"))
}

/// What was kept, if it is something that this program has kept so.
fn kept(given: Argument<'_>, bytes: &mut VecDeque<Bytes>) -> Option<Value> {
    let about = given.optional_text("about")?;
    let (json, problems) = (argument::parse(&about).ok()?, Problems::default());
    let value = names::read(Argument::of(&json, &problems), take(bytes));
    problems.check(value).ok()
}

fn recalled(given: Argument<'_>, bytes: &mut VecDeque<Bytes>) -> Result<Option<Box<Record>>, Trouble> {
    succeeded(given)?;
    match kept(given, bytes) {
        Some(Value::Record(record)) => Ok(Some(record)),
        _ => Ok(None),
    }
}

fn hashed(hash: &[u8]) -> Done {
    hash.try_into().map_or(Done::Nothing, |hash| Done::Hashed(CallerId(hash)))
}

fn converted(given: Argument<'_>, bytes: &mut VecDeque<Bytes>) -> Converted {
    if let Some(refused) = given.member("refused") {
        let failure = decode::failure(refused);
        return Converted::Refused(Refusal {
            failure,
            records: records(given, bytes),
            layers: layer_records(given),
        });
    }
    match given.member("answer") {
        Some(answered) => Converted::Answer(Box::new(answer(answered, bytes))),
        None => Converted::Need(given.required("need").map(needs).unwrap_or_default()),
    }
}

fn needs(given: Argument<'_>) -> Needs {
    Needs {
        documents: given.elements_of("documents").into_iter().map(need).collect(),
        layers: given.elements_of("layers").into_iter().map(layer_need).collect(),
        // They are verified where conversions are.
        signatures: Vec::new(),
    }
}

fn layer_need(given: Argument<'_>) -> LayerNeed {
    let (digest, size) = (given.digest("digest"), given.optional_number("size"));
    LayerNeed { digest, size, media_type: given.optional_text("mediaType") }
}

fn need(given: Argument<'_>) -> Need {
    let kind = match given.text("kind").as_str() {
        "blob" => NeedKind::Blob,
        _ => NeedKind::Manifest,
    };
    let (digest, size) = (given.digest("digest"), given.optional_number("size"));
    Need { digest, size, media_type: given.optional_text("mediaType"), kind }
}

fn answer(given: Argument<'_>, bytes: &mut VecDeque<Bytes>) -> Answer<'static> {
    let body = take(bytes);
    let (form, digest) = (decode::form(given), given.digest("digest"));
    let source = decode::optional_digest(given, "source");
    let stored = source.clone().unwrap_or_else(|| digest.clone());
    // Nobody reads reports at an edge, but for the form of what is stored and what was picked of it.
    let report = Report {
        source: Described { form: decode::form_in(given, "stored"), digest: stored, size: 0 },
        result: Described { form, digest: digest.clone(), size: body.len() },
        policy: Policy::default(),
        platform: decode::platform(given),
        signature: decode::signature(given),
        digest_changed: None,
        lost: Vec::new(),
        added: Vec::new(),
        left_out: Vec::new(),
        warnings: Vec::new(),
    };
    let (by_platform, records, layers) =
        (given.is("byPlatform"), records(given, bytes), layer_records(given));
    let media_type = decode::own_type(given, form);
    let body = Vec::from(body).into();
    Answer { form, media_type, digest, body, source, by_platform, records, layers, report }
}

fn layer_records(given: Argument<'_>) -> Vec<LayerRecord> {
    let facts = |layer: Argument<'_>| layer.required("facts").map(decode::layer_facts);
    let record = |layer| Some(LayerRecord { name: Argument::text(layer, "name"), facts: facts(layer)? });
    given.elements_of("layers").into_iter().filter_map(record).collect()
}

fn records(given: Argument<'_>, bytes: &mut VecDeque<Bytes>) -> Vec<Record> {
    let record = |given| decode::record(given, take(bytes).into());
    given.elements_of("records").into_iter().map(record).collect()
}
