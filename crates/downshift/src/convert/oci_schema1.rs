//! The config that `convert.sh` of tianon/oci-schema1 has jq make of schema 1: the newest record with its outermost keys in lower
//! case, to which history and layers are added.

use alloc::vec::Vec;

use super::jq;
use crate::layer::{Compression, LayerFacts};
use crate::schema1::Schema1;
use crate::{Digest, Limits};
use downshift_json::{Json, Kind, Pretty, Value};

/// The indent that jq writes.
const INDENT: &[u8] = b"  ";

/// Blobs that the script knows to be empty.
const EMPTY_BLOBS: [&str; 2] =
    [Digest::EMPTY_LAYER, "sha256:3c2cba919283a210665e480bcbf943eaaf4ed87a83f02e81bb286b8bdead0e75"];

/// Members of a record that it removes. Some it has added itself.
const REMOVED: [&str; 6] = ["empty_layer", "layer_blob", "throwaway", "size", "id", "parent"];

/// The config, if the script makes one, and with each version of jq the same.
pub(super) fn config(
    schema1: &Schema1<'_>,
    facts: &dyn Fn(&str) -> Option<LayerFacts>,
    limits: &Limits,
) -> Option<Vec<u8>> {
    let mut records: Vec<_> = schema1.history.iter().zip(&schema1.layers).collect();
    if let [newest, second, ..] = records.as_slice()
        && newest == second
    {
        records.remove(0);
    }
    let (mut history, mut diff_ids) = (Pretty::within(Vec::new(), INDENT, 1), Vec::new());
    history.open(b'[');
    for (text, blob) in records.iter().rev() {
        let json = Json::parse("v1Compatibility", text.as_bytes(), limits).ok()?;
        let record = Some(json.root()).filter(|record| record.kind() == Kind::Object)?;
        // jq reads all of it.
        jq::write(&mut Pretty::new(b""), record)?;
        let is_empty = member(record, "throwaway").is_some_and(|value| value.kind() == Kind::True)
            || member(record, "size").is_some_and(|value| value.raw() == b"0")
            || EMPTY_BLOBS.contains(&blob.as_str());
        if !is_empty {
            // It is unpacked by gzip, whatever it is.
            let facts = facts(blob).filter(|facts| facts.compression == Compression::Gzip)?;
            diff_ids.push(facts.diff_id);
        }
        history.element();
        write_entry(&mut history, record, is_empty)?;
    }
    history.close(b']');
    let history = history.into_bytes();

    let (newest, _) = records.first()?;
    let json = Json::parse("v1Compatibility", newest.as_bytes(), limits).ok()?;
    let mut members: Vec<_> = jq::members(json.root(), |key| key.make_ascii_lowercase())
        .filter(|(key, _)| !REMOVED.contains(&&**key))
        .map(|(key, value)| (key, Some(value)))
        .collect();
    // Its own stand where the record has them, or else at the end.
    for name in ["history", "rootfs"] {
        match members.iter_mut().find(|(key, _)| key == name) {
            Some((_, value)) => *value = None,
            None => members.push((name.into(), None)),
        }
    }
    let mut json = Pretty::new(INDENT);
    json.open(b'{');
    for (key, value) in members {
        jq::write_key(&mut json, &key)?;
        match value {
            Some(value) => jq::write(&mut json, value)?,
            None if key == "history" => json.literal(core::str::from_utf8(&history).ok()?),
            None => {
                json.open(b'{');
                json.strings_member("diff_ids", &diff_ids.iter().map(Digest::as_str).collect::<Vec<_>>());
                json.plain_member("type", "layers");
                json.close(b'}');
            }
        }
    }
    json.close(b'}');
    let mut config = json.into_bytes();
    config.push(b'\n');
    Some(config)
}

/// Writes the entry of the history that becomes of a record.
fn write_entry(history: &mut Pretty<'_>, record: Value<'_>, is_empty: bool) -> Option<()> {
    history.open(b'{');
    if let Some(created) = member(record, "created").filter(is_there) {
        history.key("created");
        jq::write(history, created)?;
    }
    if let Some(comment) = member(record, "comment").filter(is_there) {
        history.key("created_by");
        jq::write(history, comment)?;
    } else if let Some(config) = member(record, "container_config").filter(|config| !config.is_null()) {
        // jq fails on what is no object here, and no array there.
        let config = Some(config).filter(|config| config.kind() == Kind::Object)?;
        if let Some(command) = config.member("Cmd").filter(is_there) {
            let command = Some(command).filter(|command| command.kind() == Kind::Array)?;
            let words: Vec<_> = command.elements().map(Value::as_text).collect::<Option<_>>()?;
            history.key("created_by");
            jq::write_text(history, &words.join(" "))?;
        }
    }
    if is_empty {
        history.key("empty_layer");
        history.literal("true");
    }
    history.close(b'}');
    Some(())
}

/// The member of a record that has this name when its key is in lower case.
fn member<'j>(record: Value<'j>, name: &str) -> Option<Value<'j>> {
    let own = record.members().filter(|(key, _)| key.text().eq_ignore_ascii_case(name));
    own.map(|(_, value)| value).last()
}

/// Whether a value is there for jq's `if`.
fn is_there(value: &Value<'_>) -> bool {
    !matches!(value.kind(), Kind::Null | Kind::False)
}
