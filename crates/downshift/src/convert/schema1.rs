use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha384};

use super::notes::{note, note_descriptor, note_members};
use super::output::DOCKER_INDENT;
use crate::check::{is_too_deep, unreadable_member};
use crate::config::{Config, History};
use crate::digest::hex;
use crate::document::Manifest;
use crate::layer::LayerType;
use crate::policy::Rules;
use crate::report::Note;
use crate::schema1::layer_id;
use crate::time::GoTime;
use crate::{Digest, Error, Form, Limits, Permission, Timestamp};
use downshift_json::{Json, Kind, Pretty, Value};

/// What a schema 1 manifest is made from.
pub(crate) struct Source<'s> {
    /// The repository's name, without a host.
    pub(crate) name: &'s str,
    pub(crate) tag: &'s str,
    pub(crate) manifest: &'s Manifest,
    /// The exact bytes of the config: the id of the newest layer covers them.
    pub(crate) config: &'s [u8],
}

/// A schema 1 payload.
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    /// The time to sign it with.
    pub(crate) time: Timestamp,
    pub(crate) lost: Vec<Note>,
    pub(crate) added: Vec<Note>,
    pub(crate) warnings: Vec<Note>,
}

/// What marks a history entry that was made up, in its `comment`: where there is no history at all, and where it ends
/// before the layers do.
const NO_HISTORY: &str = "synthesised by downshift: the image has no history";
const NO_ENTRY: &str = "synthesised by downshift: the image has no history of this layer";

/// Makes the payload of a schema 1 manifest, byte for byte as Distribution 2.8 does.
pub(crate) fn to_schema1(source: &Source<'_>, rules: Rules, limits: &Limits) -> Result<Payload, Box<Error>> {
    let layers = &source.manifest.layers;
    // Distribution looks at no media type. It never converts OCI, so there its policy says nothing.
    if rules.is_strict() || source.manifest.form == Form::Oci {
        layers.iter().try_for_each(|layer| LayerType::check_schema1(layer, rules.allow))?;
    }
    let json = Json::parse("config", source.config, limits)?;
    let mut config = Config::read(&json, rules, limits)?;
    if rules.refuse(Permission::UnreadableConfig)
        && let Some(error) = unreadable_member(json.root())
    {
        return Err(error.into());
    }
    let added = complete_history(&mut config, layers.len(), rules)?;
    check_counts(&config, layers.len(), rules)?;

    let mut lost = Vec::new();
    let is_synthesised = !added.is_empty();
    note_lost(&mut lost, source.manifest, &config, is_synthesised);
    let layers = &v1_layers(source, &config.history);
    let contents = Contents { source, config: &config, is_synthesised, layers };
    let bytes = contents.write(rules, &mut lost)?;
    Limits::check("output-bytes", limits.output_bytes, bytes.len())?;
    let time = config.created().and_then(|created| created.timestamp()).unwrap_or_default();
    let warnings = if is_too_deep(layers.len()) { [note("depth", "history")].into() } else { Vec::new() };
    Ok(Payload { bytes, time, lost, added, warnings })
}

/// Gives each layer that the history says nothing of an entry of its own; where there is neither history nor layer, one
/// entry without a layer.
///
/// The history is ordered as the layers are (OCI image specification, config.md), so what lacks an entry are the upper
/// layers: builders that append layers to an image and write no history of them (rules_oci) leave that of the image below.
fn complete_history(config: &mut Config<'_>, layers: usize, rules: Rules) -> Result<Vec<Note>, Box<Error>> {
    let (present, with_layer) = (config.history.len(), config.layer_count());
    // The reference drops these layers; without any history it crashes.
    if !rules.is_strict() {
        return if present == 0 { Err(Error::NoHistory.into()) } else { Ok(Vec::new()) };
    }
    let missing = layers.saturating_sub(with_layer).max(usize::from(present == 0));
    let created = config.created().filter(|created| created.is_canonical);
    let entry = History {
        created,
        comment: Cow::Borrowed(if present == 0 { NO_HISTORY } else { NO_ENTRY }),
        empty_layer: layers == 0,
        ..History::default()
    };
    let total = present.saturating_add(missing);
    config.history.resize(total, entry);
    Ok((present..total).map(|index| note("history", format!("history[{index}]"))).collect())
}

/// Checks that each layer has its history entry and its diff id: in the reference's order.
fn check_counts(config: &Config<'_>, layers: usize, rules: Rules) -> Result<(), Box<Error>> {
    let rootfs = config.rootfs.as_ref().ok_or(Error::NoRootfs)?;
    if rootfs.diff_ids != layers {
        return Err(Error::DiffIdCount { diff_ids: rootfs.diff_ids, layers }.into());
    }
    let history = config.layer_count();
    if history > layers {
        return Err(Error::HistoryExceedsLayers { history, layers }.into());
    }
    // Engines on Linux refuse a lowest layer that has a parent.
    if rules.refuse(Permission::BaseLayer) && !rootfs.base_layer.is_empty() {
        return Err(Error::BaseLayer.into());
    }
    Ok(())
}

fn note_lost(lost: &mut Vec<Note>, manifest: &Manifest, config: &Config<'_>, is_synthesised: bool) {
    note_members(lost, format_args!(""), &manifest.others);
    note_descriptor(lost, format_args!("config."), &manifest.config);
    for (index, layer) in manifest.layers.iter().enumerate() {
        note_descriptor(lost, format_args!("layers[{index}]."), layer);
        if !layer.urls.is_empty() {
            lost.push(note("urls", format!("layers[{index}].urls")));
        }
    }
    let kept = config.layer_count();
    lost.extend((kept..manifest.layers.len()).map(|index| note("layer", format!("layers[{index}]"))));
    lost.push(note("diff-ids", "rootfs"));

    // The newest record is the config itself, which has room for what its history entry says only in members that
    // the classic builder wrote.
    let newest = config.history.len().saturating_sub(1);
    let Some(entry) = config.history.last().filter(|_| !is_synthesised) else { return };
    for (member, text, own) in [
        ("author", &entry.author, "author"),
        ("comment", &entry.comment, "comment"),
        ("created_by", &entry.created_by, "container_config"),
    ] {
        if !text.is_empty() && config.member(own).is_none() {
            lost.push(note(member, format!("history[{newest}].{member}")));
        }
    }
}

/// One layer of schema 1, or one history entry without a layer.
struct V1Layer<'r> {
    blob: &'r str,
    id: String,
    entry: &'r History<'r>,
}

/// The layers of schema 1 that a config's history makes, oldest first.
fn v1_layers<'r>(source: &'r Source<'_>, history: &'r [History<'r>]) -> Vec<V1Layer<'r>> {
    let mut blobs = source.manifest.layers.iter();
    let mut layers: Vec<V1Layer<'r>> = Vec::with_capacity(history.len());
    let newest = history.len().saturating_sub(1);
    for (index, entry) in history.iter().enumerate() {
        let blob = if entry.empty_layer {
            Digest::EMPTY_LAYER
        } else {
            // There are at least as many layers as entries that have one.
            blobs.next().map_or(Digest::EMPTY_LAYER, |layer| layer.digest.as_str())
        };
        let parent = layers.last().map_or("", |parent| &parent.id);
        let id = layer_id(blob, parent, (index == newest).then_some(source.config));
        layers.push(V1Layer { blob, id, entry });
    }
    layers
}

/// What goes into a schema 1 payload.
struct Contents<'r> {
    source: &'r Source<'r>,
    config: &'r Config<'r>,
    /// Whether the newest history entry was made up.
    is_synthesised: bool,
    /// Oldest first.
    layers: &'r [V1Layer<'r>],
}

impl Contents<'_> {
    fn write(&self, rules: Rules, lost: &mut Vec<Note>) -> Result<Vec<u8>, Box<Error>> {
        let newest = self.newest(rules, lost)?;
        // Beside what the config says, a layer takes some 500 bytes; and quoting makes JSON a fourth longer.
        let size = self.layers.len().saturating_mul(500).saturating_add(self.source.config.len());
        let mut json = Pretty::with_capacity(DOCKER_INDENT, size.saturating_add(size / 4));
        json.open(b'{');
        json.key("schemaVersion");
        json.literal("1");
        json.string_member("name", self.source.name);
        json.string_member("tag", self.source.tag);
        json.string_member("architecture", &self.config.architecture);
        json.key("fsLayers");
        json.open(b'[');
        for layer in self.layers.iter().rev() {
            json.element();
            json.open(b'{');
            json.plain_member("blobSum", layer.blob);
            json.close(b'}');
        }
        json.close(b']');
        json.key("history");
        json.open(b'[');
        // The base layer's id is printed as the parent, but no id is made from it.
        let base = self.base_layer_id();
        let last = self.layers.len().saturating_sub(1);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let below = index.checked_sub(1).and_then(|below| self.layers.get(below));
            let parent = below.map_or(&base, |below| &below.id);
            json.element();
            json.open(b'{');
            json.key("v1Compatibility");
            json.json_in_string(|json| match index == last {
                true => write_newest(json, &newest),
                false => write_older(json, layer, parent),
            });
            json.close(b'}');
        }
        json.close(b']');
        json.close(b'}');
        Ok(json.into_bytes())
    }

    fn base_layer_id(&self) -> String {
        let base_layer = self.config.rootfs.as_ref().map_or("", |rootfs| &rootfs.base_layer);
        if base_layer.is_empty() {
            return String::new();
        }
        let hash = Sha384::digest(base_layer.as_bytes());
        hex(hash.get(..32).unwrap_or_default())
    }

    /// The members of the newest record, in the order of their names, as Go encodes a map: those of the config, without
    /// what schema 1 does not have.
    fn newest(&self, rules: Rules, lost: &mut Vec<Note>) -> Result<Vec<(&str, Member<'_>)>, Box<Error>> {
        let (parent, newest) = match self.layers {
            [.., parent, newest] => (parent.id.as_str(), newest),
            [newest] => ("", newest),
            [] => return Err(Error::NoHistory.into()),
        };
        let V1Layer { id, entry, .. } = newest;
        let mut own = Vec::with_capacity(4);
        own.push(("id", Member::Plain(id)));
        if !parent.is_empty() {
            own.push(("parent", Member::Plain(parent)));
        }
        if entry.empty_layer {
            own.push(("throwaway", Member::Json(b"true")));
        }
        if self.is_synthesised && self.config.member("comment").is_none() {
            own.push(("comment", Member::Plain(&entry.comment)));
        }

        let mut members = Vec::with_capacity(self.config.members.len().saturating_add(own.len()));
        for (key, value) in &self.config.members {
            let key = key.as_ref();
            if own.iter().any(|(name, _)| *name == key) {
                lost.push(note("member", format!("config.{key}")));
            } else if rules.refuse(Permission::ReservedKey) && is_misleading(key, *value) {
                return Err(Error::ReservedKey { key: key.into() }.into());
            } else if !matches!(key, "rootfs" | "history") {
                members.push((key, Member::Json(value.raw())));
            }
        }
        for member in own {
            members.insert(members.partition_point(|(name, _)| *name < member.0), member);
        }
        Ok(members)
    }
}

/// The value of a member of the newest record.
enum Member<'r> {
    /// A string that needs no escaping.
    Plain(&'r str),
    /// JSON as it is spelt in the config.
    Json(&'r [u8]),
}

/// Whether a member of the config, copied into the newest record, says what is not so: that the lowest layer has a
/// parent, or that there is no layer.
fn is_misleading(key: &str, value: Value<'_>) -> bool {
    match key {
        "parent" => !value.is_null() && value.raw() != b"\"\"",
        "throwaway" => !matches!(value.kind(), Kind::False | Kind::Null),
        _ => false,
    }
}

fn write_newest(json: &mut Pretty<'_>, members: &[(&str, Member<'_>)]) {
    json.open(b'{');
    for (name, value) in members {
        json.any_key(name);
        match value {
            Member::Plain(text) => json.plain(text),
            Member::Json(value) => json.json(value),
        }
    }
    json.close(b'}');
}

/// Writes a record below the newest: what its history entry says.
fn write_older(json: &mut Pretty<'_>, layer: &V1Layer<'_>, parent: &str) {
    let V1Layer { id, entry, .. } = layer;
    json.open(b'{');
    json.plain_member("id", id);
    if !parent.is_empty() {
        json.plain_member("parent", parent);
    }
    if !entry.comment.is_empty() {
        json.string_member("comment", &entry.comment);
    }
    json.plain_member("created", &entry.created.unwrap_or(GoTime::ZERO).to_text());
    json.key("container_config");
    json.open(b'{');
    json.strings_member("Cmd", &[&entry.created_by]);
    json.close(b'}');
    if !entry.author.is_empty() {
        json.string_member("author", &entry.author);
    }
    if entry.empty_layer {
        json.key("throwaway");
        json.literal("true");
    }
    json.close(b'}');
}
