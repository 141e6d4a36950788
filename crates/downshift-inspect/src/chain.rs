//! The chain of schema 1's ids.

use alloc::string::String;
use alloc::vec::Vec;

use downshift::Digest;
use downshift::schema1::{Schema1, layer_id};
use downshift_json::Json;
use downshift_registry::is_v1_id;

use crate::config;
use crate::limits::Limits;
use crate::read::Documents;
use crate::report::{ChainLink, HistoryEntry, IdRule, Kind};

const BY_LAYER: &str = "SHA-256 of the layer's digest, a space, and the parent's id, as Distribution and Docker 1.10 and later make it";
const BY_CONFIG: &str =
    "SHA-256 of the layer's digest, a space, the parent's id, a space, and the given config";
const UNKNOWN: &str = "not made from data in this manifest: at random, as by Docker 1.8 and earlier, or from a config that is not given";
const NOT_TRIED: &str = "perhaps made from a given config: there are too many bytes of them to try each";
const INVALID: &str = "not an id: engines want 64 hexadecimal digits";

/// A record of schema 1.
struct Record {
    id: String,
    parent: Option<String>,
}

/// The chain and the history, both oldest first.
pub(crate) fn read(schema1: &Schema1<'_>, documents: &Documents<'_>) -> (Vec<ChainLink>, Vec<HistoryEntry>) {
    let mut history = Vec::with_capacity(schema1.history.len());
    let mut records = Vec::with_capacity(schema1.history.len());
    for text in schema1.history.iter().rev() {
        let json = Json::parse("v1Compatibility", text.as_bytes(), &Limits::core());
        let (entry, record) = match &json {
            Ok(json) => {
                let root = json.root();
                let id = config::text(root, "id").unwrap_or_default();
                (config::record(root), Record { id, parent: config::text(root, "parent") })
            }
            Err(_) => (HistoryEntry::default(), Record { id: String::new(), parent: None }),
        };
        history.push(entry);
        records.push(record);
    }
    (chain(schema1, &records, documents), history)
}

fn chain(schema1: &Schema1<'_>, records: &[Record], documents: &Documents<'_>) -> Vec<ChainLink> {
    let newest = records.len().saturating_sub(1);
    let mut below: Option<&Record> = None;
    let mut chain = Vec::with_capacity(records.len());
    for (index, (record, blob)) in records.iter().zip(schema1.layers.iter().rev()).enumerate() {
        let (rule, text) = rule(record, blob, below, index == newest, documents);
        chain.push(ChainLink {
            id: record.id.clone(),
            parent: record.parent.clone(),
            layer: index,
            history: index,
            joined: record.parent.as_deref() == below.map(|below| below.id.as_str()),
            rule,
            text,
        });
        below = Some(record);
    }
    chain
}

/// How an id comes about.
fn rule(
    record: &Record,
    blob: &str,
    below: Option<&Record>,
    is_newest: bool,
    documents: &Documents<'_>,
) -> (IdRule, &'static str) {
    if !is_v1_id(&record.id) {
        return (IdRule::Invalid, INVALID);
    }
    // Not that which the lowest record prints: no id is made from the id of a base layer.
    let parent = below.map_or("", |below| below.id.as_str());
    if Digest::parse(blob).is_ok() {
        if layer_id(blob, parent, None) == record.id {
            return (IdRule::LayerAndParent, BY_LAYER);
        }
        for config in documents.iter().filter(|read| is_newest && read.kind == Kind::Config) {
            if !documents.may_hash(config.bytes.len()) {
                return (IdRule::Unknown, NOT_TRIED);
            }
            if layer_id(blob, parent, Some(config.bytes)) == record.id {
                return (IdRule::Config, BY_CONFIG);
            }
        }
    }
    (IdRule::Unknown, UNKNOWN)
}

/// Whether a chain is one that a registry made from schema 2: all ids but the newest follow from the layers.
pub(crate) fn is_converted(chain: &[ChainLink]) -> bool {
    let made = |link: &ChainLink| matches!(link.rule, IdRule::LayerAndParent | IdRule::Config);
    match chain.split_last() {
        Some((newest, [])) => made(newest),
        Some((_, rest)) => rest.iter().all(made),
        None => false,
    }
}
