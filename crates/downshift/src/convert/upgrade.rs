//! Schema 1 upwards: the config that Docker makes of it, and the layers that it has.
//!
//! The reference is Docker's pull of schema 1, which is the same from 1.10 to 28.1 (`distribution/pull_v2.go`,
//! `pullSchema1`, `fixManifestLayers`; `image/v1/imagev1.go`, `HistoryFromConfig`, `MakeConfigFromV1Config`), so that the
//! image has the id which Docker gave it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::notes::note;
use super::v1_image::{check_config, has_field, throwaway, v1_image};
use crate::config::sorted_members;
use crate::document::{Descriptor, Manifest};
use crate::go_struct::Mismatch;
use crate::layer::{Compression, DOCKER_CONFIG, LayerFacts, LayerType};
use crate::policy::Rules;
use crate::report::Note;
use crate::schema1::Schema1;
use crate::time::GoTime;
use crate::{Digest, Error, Form, Limits};
use downshift_json::{Json, Pretty};

/// The version of Docker since which the newest record is the image's config as it was built. What earlier ones wrote is
/// decoded and encoded again, which removes blank fields (`noFallbackMinVersion`).
const CONFIG_SINCE: [i64; 3] = [1, 8, 3];

/// Members of a record that a config does not have. They are removed in exactly this spelling.
const REMOVED: [&str; 6] = ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"];

/// A schema 1 manifest whose chain of records is sound.
pub(crate) struct Upgrade<'s> {
    /// The newest record that remains.
    newest: &'s str,
    /// Oldest first.
    entries: Vec<Entry>,
    lost: Vec<Note>,
}

/// An entry of the history.
struct Entry {
    blob: Digest,
    is_empty: bool,
    created: GoTime,
    author: String,
    created_by: String,
    comment: String,
}

/// A record of `v1Compatibility`, which is what an entry is made of.
struct Record<'s> {
    text: &'s str,
    id: String,
    parent: String,
    is_throwaway: bool,
    created: GoTime,
    author: String,
    created_by: String,
    comment: String,
}

/// What a schema 1 manifest becomes.
pub(crate) struct Upgraded {
    /// The bytes of the config.
    pub(crate) config: Vec<u8>,
    /// A schema 2 manifest of it and the layers. It has no bytes yet.
    pub(crate) manifest: Manifest,
    pub(crate) lost: Vec<Note>,
    pub(crate) added: Vec<Note>,
}

impl<'s> Upgrade<'s> {
    /// Reads the records, and checks what Docker checks before it fetches a layer.
    pub(crate) fn read(schema1: &'s Schema1<'_>, limits: &Limits) -> Result<Self, Box<Error>> {
        let (layers, history) = (schema1.layers.len(), schema1.history.len());
        if layers != history {
            return Err(broken(format!("there are `{layers}` layers and `{history}` history entries")));
        }
        if layers == 0 {
            return Err(broken("there are no layers"));
        }
        let mut records = Vec::with_capacity(history);
        for (index, text) in schema1.history.iter().enumerate() {
            records.push(Record::read(text, index, limits)?);
        }
        check_chain(&records)?;

        let mut lost = Vec::new();
        if schema1.is_signed() {
            lost.push(note("signature", "signatures"));
        }
        lost.extend(["name", "tag"].map(|member| note("member", member)));
        lost.push(note("ids", "history"));
        let (mut entries, mut newest) = (Vec::with_capacity(history), "");
        let mut below = String::new();
        for (index, (record, blob)) in records.into_iter().zip(&schema1.layers).enumerate().rev() {
            // Of records that follow each other with one id the oldest remains.
            if record.id == below {
                lost.push(note("duplicate", format!("history[{index}]")));
                continue;
            }
            if !record.created.is_read_again() {
                // Docker fails on the config that it has made itself.
                return Err(broken(format!(
                    "the offset in `history[{index}].created` is not one of a time zone"
                )));
            }
            below.clone_from(&record.id);
            newest = record.text;
            entries.push(record.into_entry(Digest::parse(blob)?));
        }
        let with_layer = entries.iter().filter(|entry| !entry.is_empty).count();
        Limits::check("layers", limits.layers, with_layer)?;
        Ok(Self { newest, entries, lost })
    }

    /// The same with a layer for every entry.
    pub(super) fn with_all_layers(mut self) -> Self {
        self.entries.iter_mut().for_each(|entry| entry.is_empty = false);
        self
    }

    /// The blobs of its layers, lowest first. One may stand there many times.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Digest> {
        self.entries.iter().filter(|entry| !entry.is_empty).map(|entry| &entry.blob)
    }

    /// What becomes of it with layers of which these are the facts: one for each of [`layers`](Self::layers).
    pub(crate) fn finish(self, facts: &[&LayerFacts], limits: &Limits) -> Result<Upgraded, Box<Error>> {
        let mut lost = Vec::new();
        let config = self.config(facts, is_older, &mut lost, limits)?;
        lost.splice(0..0, self.lost);
        let mut layers = Vec::with_capacity(facts.len());
        for (index, facts) in facts.iter().enumerate() {
            if facts.is_named_by_diff_id() {
                lost.push(note("compression", format!("layers[{index}]")));
            }
            layers.push(layer(facts));
        }
        let added = [note("diff-ids", "rootfs"), note("sizes", "layers")].into();
        let manifest = Manifest {
            form: Form::Schema2,
            config: Descriptor::new(DOCKER_CONFIG, Digest::of(&config), config.len() as u64),
            layers,
            artifact_type: None,
            others: Vec::new(),
        };
        Ok(Upgraded { config, manifest, lost, added })
    }

    /// `MakeConfigFromV1Config`. `is_old` says of which versions of Docker the record is decoded and encoded again.
    pub(super) fn config(
        &self,
        facts: &[&LayerFacts],
        is_old: fn(&str) -> bool,
        lost: &mut Vec<Note>,
        limits: &Limits,
    ) -> Result<Vec<u8>, Box<Error>> {
        let spelt = self.newest.as_bytes();
        let json = Json::parse("v1Compatibility", spelt, limits)?;
        let mut image = v1_image();
        // It was read before.
        image.read(json.root()).map_err(|mismatch| unreadable(0, &mismatch))?;
        let encoded = is_old(image.text("docker_version")).then(|| {
            let unknown = json.root().members().map(|(key, _)| key.text());
            let unknown = unknown.filter(|key| !has_field(key) && !REMOVED.contains(&&**key));
            lost.extend(unknown.map(|key| note("member", format!("history[0].{key}"))));
            let mut json = Pretty::with_capacity(b"", spelt.len());
            image.write(&mut json);
            json.into_bytes()
        });
        let json = Json::parse("v1Compatibility", encoded.as_deref().unwrap_or(spelt), limits)?;

        let (rootfs, history) = (root_fs(facts), self.history());
        let mut members: Vec<(Cow<'_, str>, &[u8])> =
            sorted_members(json.root(), Rules::REFERENCE)?.into_iter().map(|(k, v)| (k, v.raw())).collect();
        members.retain(|(key, _)| !REMOVED.contains(&&**key) && !matches!(&**key, "rootfs" | "history"));
        for (name, value) in [("rootfs", &rootfs), ("history", &history)] {
            members.insert(members.partition_point(|(key, _)| &**key < name), (name.into(), value));
        }
        let size = [spelt.len(), rootfs.len(), history.len()].into_iter().fold(64, usize::saturating_add);
        let mut json = Pretty::with_capacity(b"", size);
        json.open(b'{');
        for (key, value) in members {
            json.any_key(&key);
            json.json(value);
        }
        json.close(b'}');
        let config = json.into_bytes();
        if encoded.is_none() {
            let json = Json::parse("config", &config, limits)?;
            check_config(json.root(), facts.iter().map(|facts| facts.diff_id.as_str()))
                .map_err(|mismatch| unreadable(0, &mismatch))?;
        }
        // Whoever pulls it reads it by the limit for documents.
        Limits::check("document-bytes", limits.document_bytes, config.len())?;
        Ok(config)
    }

    /// `image.History` of each entry.
    fn history(&self) -> Vec<u8> {
        let mut json = Pretty::new(b"");
        json.open(b'[');
        for entry in &self.entries {
            json.element();
            json.open(b'{');
            json.plain_member("created", &entry.created.to_text());
            for (name, text) in
                [("author", &entry.author), ("created_by", &entry.created_by), ("comment", &entry.comment)]
            {
                if !text.is_empty() {
                    json.string_member(name, text);
                }
            }
            if entry.is_empty {
                json.key("empty_layer");
                json.literal("true");
            }
            json.close(b'}');
        }
        json.close(b']');
        json.into_bytes()
    }
}

impl<'s> Record<'s> {
    fn read(text: &'s str, index: usize, limits: &Limits) -> Result<Self, Box<Error>> {
        let json = Json::parse("v1Compatibility", text.as_bytes(), limits)?;
        let (mut image, mut own) = (v1_image(), throwaway());
        for read in [&mut image, &mut own] {
            read.read(json.root()).map_err(|mismatch| unreadable(index, &mismatch))?;
        }
        // `HistoryFromConfig`.
        let command = image.inner("container_config").map(|config| config.texts("Cmd"));
        let text_of = |name| String::from(image.text(name));
        Ok(Self {
            text,
            id: text_of("id"),
            parent: text_of("parent"),
            is_throwaway: own.is_true("throwaway"),
            created: image.time("created"),
            author: text_of("author"),
            created_by: command.unwrap_or_default().join(" "),
            comment: text_of("comment"),
        })
    }

    fn into_entry(self, blob: Digest) -> Entry {
        let Self { is_throwaway: is_empty, created, author, created_by, comment, .. } = self;
        Entry { blob, is_empty, created, author, created_by, comment }
    }
}

/// `fixManifestLayers`: each record names the one below as its parent, and no id stands in two places.
fn check_chain(records: &[Record<'_>]) -> Result<(), Box<Error>> {
    for (index, record) in records.iter().enumerate() {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if record.id.len() != 64 || !record.id.bytes().all(is_hex) {
            return Err(broken(format!("the id of `history[{index}]` is not 64 hexadecimal digits")));
        }
    }
    if records.last().is_some_and(|lowest| !lowest.parent.is_empty()) {
        return Err(broken("the lowest layer has a parent"));
    }
    let (mut seen, mut previous) = (BTreeSet::new(), "");
    for (index, record) in records.iter().enumerate() {
        if record.id != previous && !seen.insert(record.id.as_str()) {
            return Err(broken(format!("the id of `history[{index}]` stands in another place, too")));
        }
        previous = &record.id;
    }
    for (index, pair) in records.windows(2).enumerate() {
        let [newer, older] = pair else { continue };
        if newer.id != older.id && newer.parent != older.id {
            return Err(broken(format!("the parent of `history[{index}]` is not the layer below it")));
        }
    }
    Ok(())
}

fn broken(problem: impl Into<Cow<'static, str>>) -> Box<Error> {
    Error::BrokenSchema1 { problem: problem.into() }.into()
}

fn unreadable(index: usize, mismatch: &Mismatch) -> Box<Error> {
    let Mismatch { path, expected } = mismatch;
    let dot = if path.is_empty() { "" } else { "." };
    broken(format!("`history[{index}]{dot}{path}` is not {expected}"))
}

/// `image.RootFS`.
fn root_fs(facts: &[&LayerFacts]) -> Vec<u8> {
    let mut json = Pretty::new(b"");
    json.open(b'{');
    json.plain_member("type", "layers");
    if !facts.is_empty() {
        json.key("diff_ids");
        json.open(b'[');
        for facts in facts {
            json.element();
            json.plain(facts.diff_id.as_str());
        }
        json.close(b']');
    }
    json.close(b'}');
    json.into_bytes()
}

/// A layer as what it is: by its blob where everybody can read that, else by its diff id.
fn layer(facts: &LayerFacts) -> Descriptor {
    let (compression, digest, size) = if facts.is_named_by_diff_id() {
        (Compression::Plain, &facts.diff_id, facts.plain_size)
    } else {
        (facts.compression, &facts.digest, facts.size)
    };
    let layer_type = LayerType { compression, is_foreign: false };
    Descriptor::new(layer_type.name_in(Form::Schema2).unwrap_or_default(), digest.clone(), size)
}

/// Whether a version of Docker is before [`CONFIG_SINCE`], as Docker compares them: what is no number counts as 0, and so
/// does a version that is absent.
pub(super) fn is_older(version: &str) -> bool {
    let mut parts = version.split('.').map(atoi);
    for since in CONFIG_SINCE {
        let own = parts.next().unwrap_or(0);
        if own != since {
            return own < since;
        }
    }
    // What follows, such as a negative number, makes it an earlier one only if it is less than nothing.
    parts.find(|part| *part != 0).is_some_and(|part| part < 0)
}

/// `strconv.Atoi`, with its error left aside: 0 for what is no number, the nearest one for what is too large.
fn atoi(text: &str) -> i64 {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let nearest = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    text.parse().unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_docker_compares_them() {
        for (version, is_it) in [
            ("", true),
            ("1.8.2", true),
            ("1.8", true),
            ("1", true),
            ("dev", true),
            ("1.8.3-rc1", true),
            ("1.08.+3", false),
            ("1.8.3", false),
            ("1.8.3.0", false),
            ("1.8.3.-1", true),
            ("1.8.3.x.1", false),
            ("1.10.0-dev", false),
            ("2", false),
            ("99999999999999999999", false),
            ("-99999999999999999999", true),
        ] {
            assert_eq!(is_older(version), is_it, "{version}");
        }
    }
}
