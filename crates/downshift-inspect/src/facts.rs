//! Facts about layers, as `downshift layer --json` writes them: `{"layers": [{"facts": {…}}, …]}`.
//!
//! Each entry has the members of [`LayerFacts`], of which `zstd_window` and `decoder_version` may be missing. What else
//! stands in the document, such as the names of files, is passed over, and so are the failures of layers that cannot be
//! unpacked. Whoever gives facts vouches for them: nothing here can hold them against the layer.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::layer::{Compression, DECODER_VERSION, LayerFacts};
use downshift::{Digest, Failure, Fault};
use downshift_json::{Json, Kind as JsonKind, Value};

use crate::limits::Limits;

/// The facts in a document, each layer once, in their order.
///
/// # Errors
/// `invalid-facts`, if it is not such a document, an entry lacks a member or contradicts itself or another one, or was
/// written by a version that read layers by other rules.
pub fn facts(bytes: &[u8]) -> Result<Vec<LayerFacts>, Failure> {
    let json = Json::parse("facts", bytes, &Limits::core()).map_err(|error| invalid(&error.to_string()))?;
    of_json(json.root())
}

/// Whether JSON is a document of facts, or seems to be one.
pub(crate) fn is_facts(root: Value<'_>) -> bool {
    let is_entry = |entry: Value<'_>| ["facts", "failure"].iter().any(|name| entry.member(name).is_some());
    entries(root).is_some_and(|mut entries| entries.next().is_some_and(is_entry))
}

pub(crate) fn of_json(root: Value<'_>) -> Result<Vec<LayerFacts>, Failure> {
    let entries = entries(root).ok_or_else(|| invalid("`layers` is not an array of layers"))?;
    let mut found: Vec<LayerFacts> = Vec::new();
    let mut known: BTreeMap<Digest, usize> = BTreeMap::new();
    for (index, entry) in entries.enumerate() {
        let Some(facts) = entry.member("facts") else {
            if entry.member("failure").is_some() {
                continue;
            }
            return Err(invalid(&format!("`layers[{index}].facts` is missing")));
        };
        let facts =
            of_layer(facts).map_err(|problem| invalid(&format!("`layers[{index}].facts{problem}")))?;
        match known.get(&facts.digest).and_then(|&index| found.get(index)) {
            Some(other) if !is_same(other, &facts) => {
                let digest = &facts.digest;
                return Err(invalid(&format!("`layers[{index}].facts` contradict others of `{digest}`")));
            }
            Some(_) => {}
            None => {
                known.insert(facts.digest.clone(), found.len());
                found.push(facts);
            }
        }
    }
    Ok(found)
}

fn entries(root: Value<'_>) -> Option<impl Iterator<Item = Value<'_>>> {
    let layers = root.member("layers").filter(|layers| layers.kind() == JsonKind::Array)?;
    root.member("schemaVersion").is_none().then(|| layers.elements())
}

/// The facts of one layer, or what is wrong with them, from the end of their path on.
fn of_layer(facts: Value<'_>) -> Result<LayerFacts, String> {
    let wrong = |name: &str, expected: &str| format!(".{name}` is not {expected}");
    let member = |name: &str| facts.member(name).filter(|value| !value.is_null());
    let text = |name: &str| {
        let text = member(name).and_then(|value| value.as_text());
        text.ok_or_else(|| wrong(name, "a string"))
    };
    let number = |name: &str| {
        let number = member(name).and_then(|value| value.as_u64());
        number.ok_or_else(|| wrong(name, "a whole number"))
    };
    let optional = |name: &str| member(name).map(|_| number(name)).transpose();
    let digest = |name: &str| Digest::parse(&text(name)?).map_err(|_| wrong(name, "a digest"));
    let compression = Compression::named(&text("compression")?);
    let found = LayerFacts {
        digest: digest("digest")?,
        compression: compression.ok_or_else(|| wrong("compression", "plain, gzip, zstd, bzip2 or xz"))?,
        size: number("size")?,
        diff_id: digest("diff_id")?,
        plain_size: number("plain_size")?,
        zstd_window: optional("zstd_window")?,
        decoder_version: match optional("decoder_version")? {
            None => DECODER_VERSION,
            Some(version) => u32::try_from(version).unwrap_or(u32::MAX),
        },
    };
    let is_plain = found.compression == Compression::Plain;
    if is_plain != (found.digest == found.diff_id) || is_plain && found.size != found.plain_size {
        return Err(
            "` contradict themselves: a layer has its diff id for its digest where it is plain".into()
        );
    }
    if found.decoder_version < DECODER_VERSION {
        return Err("` are of an older version, which read layers by other rules".into());
    }
    Ok(found)
}

/// Whether two facts of a blob say the same of it, whoever has read it.
fn is_same(one: &LayerFacts, other: &LayerFacts) -> bool {
    (one.compression, one.size, one.plain_size) == (other.compression, other.size, other.plain_size)
        && one.diff_id == other.diff_id
}

fn invalid(cause: &str) -> Failure {
    Failure {
        code: "invalid-facts".into(),
        fault: Fault::Document,
        cause: format!("these are not facts about layers: {cause}"),
        remedy: "give what `downshift layer --json` writes about the layers".into(),
    }
}
