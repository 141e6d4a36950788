//! The tools that make a config of schema 1, each another one: under its digest, the image id, people look for an image.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::upgrade::{Upgrade, is_older};
use super::v1_image::{field, omitempty};
use super::{jq, oci_schema1};
use crate::go_struct::{Field, FieldType, GoStruct};
use crate::layer::LayerFacts;
use crate::schema1::Schema1;
use crate::time::GoTime;
use crate::{Digest, Limits};
use FieldType::{Boolean, OptionalInteger, Set, Struct, Text, TextMap, Texts, Time};
use downshift_json::{Json, Kind, Pretty, Value};

/// A tool that converts schema 1 upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UpgradeTool {
    /// Docker 1.10 to 28.1, and Downshift: `MakeConfigFromV1Config`.
    Docker,
    /// `skopeo copy --format v2s2`, and whatever else uses containers/image: `Schema1.ToSchema2Config`
    /// (`manifest/docker_schema1.go`). It leaves a record as it is that has no `docker_version`.
    Skopeo,
    /// `skopeo copy --format oci`: that config, decoded into the `Image` of the OCI specification and encoded again
    /// (`internal/image/docker_schema2.go`, `convertToManifestOCI1`).
    SkopeoOci,
    /// containerd 1.x and 2.0 (`remotes/docker/schema1/converter.go`): a record, decoded and encoded likewise, with an indent. Which
    /// layers are empty, it also tells by `Size`, and by their bytes.
    Containerd,
    /// `convert.sh` of tianon/oci-schema1, which has jq add history and layers to the newest record, with the outermost keys
    /// in lower case. It goes by `Size` as well, and unpacks nothing but gzip.
    OciSchema1,
    /// `docker load` of what moby's `contrib/download-frozen-image-v2.sh` has written: a folder for each record. So every
    /// record has a layer (`image/tarexport/load.go`, `legacyLoadImage`), of those with one id the newest one's.
    FrozenImage,
}

/// `ImageConfig` of the OCI specification 1.0 (`specs-go/v1/config.go`).
const IMAGE_CONFIG: &[Field] = &[
    omitempty("User", Text),
    omitempty("ExposedPorts", Set),
    omitempty("Env", Texts),
    omitempty("Entrypoint", Texts),
    omitempty("Cmd", Texts),
    omitempty("Volumes", Set),
    omitempty("WorkingDir", Text),
    omitempty("Labels", TextMap),
    omitempty("StopSignal", Text),
];

/// `Image`, without what a conversion sets. `created` is a pointer there.
const IMAGE: &[Field] = &[
    field("created", Time),
    omitempty("author", Text),
    field("architecture", Text),
    field("os", Text),
    field("config", Struct(IMAGE_CONFIG)),
];

/// What containerd reads of each record (`v1History`). `throwaway` and `Size` are pointers there.
const V1_HISTORY: &[Field] = &[
    omitempty("author", Text),
    field("created", Time),
    omitempty("comment", Text),
    omitempty("throwaway", Boolean),
    omitempty("Size", OptionalInteger),
    field("container_config", Struct(&[omitempty("Cmd", Texts)])),
];

/// `History`, as a config has it that was made already.
const HISTORY: &[Field] = &[
    field("created", Time),
    omitempty("created_by", Text),
    omitempty("author", Text),
    omitempty("comment", Text),
    omitempty("empty_layer", Boolean),
];

/// Members that image-spec 1.0 does not have, or later versions write in another place: what becomes of them depends on the
/// tool's version.
const BY_VERSION: [&str; 3] = ["variant", "os.version", "os.features"];

/// Bytes of a tar of nothing but zeros that is taken for one. `tar` makes one of 10,240 bytes.
const MAX_ZEROS: u64 = 64 * 1024;

/// An entry of the history, as OCI has it.
struct Entry {
    created: GoTime,
    created_by: String,
    author: String,
    comment: String,
    is_empty: bool,
}

impl UpgradeTool {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Docker, Self::Skopeo, Self::SkopeoOci, Self::Containerd, Self::OciSchema1, Self::FrozenImage];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Skopeo => "skopeo",
            Self::SkopeoOci => "skopeo-oci",
            Self::Containerd => "containerd",
            Self::OciSchema1 => "oci-schema1",
            Self::FrozenImage => "frozen-image",
        }
    }

    /// The config that the tool makes of a manifest with layers of which these are the facts, by the digests of their blobs.
    ///
    /// Nothing where it makes none, facts are missing, or it depends on the tool's version.
    #[must_use]
    pub fn config(
        self,
        schema1: &Schema1<'_>,
        facts: &dyn Fn(&str) -> Option<LayerFacts>,
        limits: &Limits,
    ) -> Option<Vec<u8>> {
        if schema1.layers.len() != schema1.history.len() {
            return None;
        }
        let facts = &|blob: &str| {
            let is_empty_layer = blob == Digest::EMPTY_LAYER;
            facts(blob).or_else(|| is_empty_layer.then(LayerFacts::of_empty_layer))
        };
        let by_record = |is_old| {
            let upgrade = Upgrade::read(schema1, limits).ok()?;
            let facts: Option<Vec<_>> = upgrade.layers().map(|blob| facts(blob.as_str())).collect();
            let facts = facts?;
            upgrade.config(&facts.iter().collect::<Vec<_>>(), is_old, &mut Vec::new(), limits).ok()
        };
        match self {
            Self::Docker => by_record(is_older),
            Self::Skopeo => by_record(is_older_and_there),
            Self::SkopeoOci => in_oci(&by_record(is_older_and_there)?, limits),
            Self::Containerd => by_containerd(schema1, facts, limits),
            Self::OciSchema1 => oci_schema1::config(schema1, facts, limits),
            Self::FrozenImage => by_frozen_image(schema1, facts, limits),
        }
    }
}

fn is_older_and_there(version: &str) -> bool {
    !version.is_empty() && is_older(version)
}

/// A config of schema 2, decoded and encoded again.
fn in_oci(config: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    let json = Json::parse("config", config, limits).ok()?;
    let root = json.root();
    let read = |entry| {
        let history = read(HISTORY, entry)?;
        Some(Entry {
            created: history.time("created"),
            created_by: history.text("created_by").into(),
            author: history.text("author").into(),
            comment: history.text("comment").into(),
            is_empty: history.is_true("empty_layer"),
        })
    };
    let history: Vec<Entry> = root.member("history")?.elements().map(read).collect::<Option<_>>()?;
    let diff_ids = root.member("rootfs")?.member("diff_ids");
    let diff_ids = diff_ids.map(|ids| ids.elements().map(|id| id.text().into_owned()).collect::<Vec<_>>());
    image(root, diff_ids.as_deref(), &history, b"")
}

fn by_containerd(
    schema1: &Schema1<'_>,
    facts: &dyn Fn(&str) -> Option<LayerFacts>,
    limits: &Limits,
) -> Option<Vec<u8>> {
    // By their blobs: nothing for one that is empty. The newest record of a blob decides whether it is looked at.
    let mut diff_ids: BTreeMap<&str, Option<Digest>> = BTreeMap::new();
    let mut entries = Vec::with_capacity(schema1.history.len());
    for (text, blob) in schema1.history.iter().zip(&schema1.layers) {
        let json = Json::parse("v1Compatibility", text.as_bytes(), limits).ok()?;
        let record = read(V1_HISTORY, json.root())?;
        if !diff_ids.contains_key(blob.as_str()) {
            let is_there = |name| json.root().field(name).is_some_and(|value| !value.is_null());
            let is_empty = match (is_there("throwaway"), record.integer("Size")) {
                (true, _) => record.is_true("throwaway"),
                (false, size) => size == Some(0),
            };
            let diff_id = if is_empty { None } else { Some(facts(blob)?).filter(|own| !is_zeros(own)) };
            diff_ids.insert(blob, diff_id.map(|facts| facts.diff_id));
        }
        let command = record.inner("container_config").map(|config| config.texts("Cmd").join(" "));
        entries.push((
            blob,
            Entry {
                created: record.time("created"),
                created_by: command.unwrap_or_default(),
                author: record.text("author").into(),
                comment: record.text("comment").into(),
                is_empty: false,
            },
        ));
    }
    let (mut history, mut layers) = (Vec::with_capacity(entries.len()), Vec::new());
    for (blob, mut entry) in entries.into_iter().rev() {
        match diff_ids.get(blob.as_str()) {
            Some(Some(diff_id)) => layers.push(diff_id.as_str()),
            _ => entry.is_empty = true,
        }
        history.push(entry);
    }
    let newest = Json::parse("v1Compatibility", schema1.history.first()?.as_bytes(), limits).ok()?;
    image(newest.root(), Some(&layers), &history, b"   ")
}

fn by_frozen_image(
    schema1: &Schema1<'_>,
    facts: &dyn Fn(&str) -> Option<LayerFacts>,
    limits: &Limits,
) -> Option<Vec<u8>> {
    let upgrade = Upgrade::read(schema1, limits).ok()?.with_all_layers();
    let (mut layers, mut above) = (Vec::with_capacity(schema1.layers.len()), String::new());
    for (text, blob) in schema1.history.iter().zip(&schema1.layers) {
        let json = Json::parse("v1Compatibility", text.as_bytes(), limits).ok()?;
        let record = json.root();
        jq::write(&mut Pretty::new(b""), record)?;
        // jq reads the id in this spelling, and Docker in any. Of each layer Docker makes a config, which has to be sound.
        let is_doubtful = |(key, _): (Value<'_>, Value<'_>)| {
            let names = ["rootfs", "history", "os.version", "os.features", "id"];
            key.folds_to_one_of(names).is_some() && !key.is_text("id")
        };
        let id = record.member("id").filter(|_| !record.members().any(is_doubtful))?.text();
        if id != above {
            above = id.into_owned();
            layers.push(facts(blob)?);
        }
    }
    layers.reverse();
    upgrade.config(&layers.iter().collect::<Vec<_>>(), is_older, &mut Vec::new(), limits).ok()
}

/// Whether a layer has nothing but zeros in it.
fn is_zeros(facts: &LayerFacts) -> bool {
    let bytes = usize::try_from(facts.plain_size).ok().filter(|_| facts.plain_size <= MAX_ZEROS);
    bytes.is_some_and(|bytes| facts.diff_id.matches(&vec![0; bytes]))
}

/// The `Image` of the OCI specification that is decoded from an object and gets these layers and this history.
fn image<T: AsRef<str>>(
    object: Value<'_>,
    diff_ids: Option<&[T]>,
    history: &[Entry],
    indent: &[u8],
) -> Option<Vec<u8>> {
    if BY_VERSION.iter().any(|name| object.field(name).is_some()) {
        return None;
    }
    let config = object.field("config").filter(|config| config.kind() == Kind::Object);
    if config
        .is_some_and(|config| config.field("ArgsEscaped").is_some_and(|value| value.kind() == Kind::True))
    {
        return None;
    }
    let image = read(IMAGE, object)?;
    let mut json = Pretty::new(indent);
    json.open(b'{');
    if object.field("created").is_some_and(|created| !created.is_null()) {
        json.plain_member("created", &image.time("created").to_text());
    }
    if !image.text("author").is_empty() {
        json.string_member("author", image.text("author"));
    }
    json.string_member("architecture", image.text("architecture"));
    json.string_member("os", image.text("os"));
    json.key("config");
    image.inner("config")?.write(&mut json);
    json.key("rootfs");
    json.open(b'{');
    json.plain_member("type", "layers");
    match diff_ids {
        Some(diff_ids) => json.strings_member("diff_ids", diff_ids),
        None => {
            json.key("diff_ids");
            json.literal("null");
        }
    }
    json.close(b'}');
    json.key("history");
    json.open(b'[');
    for Entry { created, created_by, author, comment, is_empty } in history {
        json.element();
        json.open(b'{');
        json.plain_member("created", &created.to_text());
        for (name, text) in [("created_by", created_by), ("author", author), ("comment", comment)] {
            if !text.is_empty() {
                json.string_member(name, text);
            }
        }
        if *is_empty {
            json.key("empty_layer");
            json.literal("true");
        }
        json.close(b'}');
    }
    json.close(b']');
    json.close(b'}');
    Some(json.into_bytes())
}

/// An object as Go decodes it into a struct, if it can.
fn read(fields: &'static [Field], object: Value<'_>) -> Option<GoStruct> {
    let mut read = GoStruct::new(fields);
    read.read(object).ok().map(|()| read)
}
