//! The ids of the image that comes of schema 1, and whether it is the image of another manifest.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::document::Document;
use downshift::layer::{Compression, LayerFacts};
use downshift::schema1::Schema1;
use downshift::{Digest, UpgradeTool};
use downshift_json::{Json, Pretty, Value};

use crate::limits::Limits;
use crate::read::Read;
use crate::report::{DocumentReport, ImageId, Kind};

/// The ids of the image that comes of a schema 1 manifest, by the tools that make it: as far as the facts of its layers are
/// known, and the id does not depend on the tool's version.
pub fn image_ids(schema1: &Schema1<'_>, facts: &dyn Fn(&str) -> Option<LayerFacts>) -> Vec<ImageId> {
    let id = |tool: UpgradeTool| {
        let config = tool.config(schema1, facts, &Limits::core())?;
        Some(ImageId { tool: tool.name(), text: text(tool), id: Digest::of(&config) })
    };
    UpgradeTool::ALL.into_iter().filter_map(id).collect()
}

fn text(tool: UpgradeTool) -> &'static str {
    match tool {
        UpgradeTool::Docker => "Docker 1.10 to 28.1, and Downshift",
        UpgradeTool::Skopeo => "skopeo copy --format v2s2",
        UpgradeTool::SkopeoOci => "skopeo copy --format oci",
        UpgradeTool::Containerd => "containerd before 2.1",
        UpgradeTool::OciSchema1 => "convert.sh of tianon/oci-schema1",
        UpgradeTool::FrozenImage => "docker load after download-frozen-image-v2.sh",
    }
}

/// What comes of a schema 1 manifest, held against another manifest of the same layers.
pub(crate) struct RoundTrip {
    /// The schema 1 manifest: an index.
    pub(crate) schema1: usize,
    /// The other one.
    pub(crate) manifest: usize,
    /// The digest of the config that Docker makes.
    pub(crate) id: Digest,
    /// The digest of the other one's config.
    pub(crate) own_id: Digest,
    /// The outermost members in which the two configs differ; none if that is how they are written.
    pub(crate) members: Vec<String>,
}

/// The first schema 1 manifest that becomes the image of another one, as far as its layers tell: their diff ids are those of
/// the other one's config, which is given.
pub(crate) fn round_trip(documents: &[Read<'_>], reports: &[DocumentReport]) -> Option<RoundTrip> {
    let indices = || 0..reports.len();
    let schema1 =
        indices().filter(|&index| reports.get(index).is_some_and(|report| report.kind.is_schema1()));
    schema1
        .filter_map(|schema1| indices().find_map(|other| compare(documents, reports, schema1, other)))
        .next()
}

fn compare(
    documents: &[Read<'_>],
    reports: &[DocumentReport],
    schema1: usize,
    manifest: usize,
) -> Option<RoundTrip> {
    let Some(Document::Schema1(document)) = documents.get(schema1)?.document.as_ref() else { return None };
    let other = reports.get(manifest)?;
    if !matches!(other.kind, Kind::Schema2 | Kind::Oci) {
        return None;
    }
    let own_config =
        documents.get(other.config.as_ref()?.document?).filter(|read| read.kind == Kind::Config)?;
    // By the digest of the layer, and by the diff id itself, under which what is unpacked goes.
    let mut diff_ids: BTreeMap<&str, &str> = BTreeMap::new();
    for layer in &other.layers {
        let diff_id = layer.diff_id.as_deref()?;
        diff_ids.insert(&layer.part.digest, diff_id);
        diff_ids.insert(diff_id, diff_id);
    }
    let facts = |blob: &str| {
        let diff_id = Digest::parse(diff_ids.get(blob)?).ok()?;
        Some(of_diff_id(Digest::parse(blob).ok()?, diff_id))
    };
    let is_of_other = |blob: &String| diff_ids.contains_key(blob.as_str()) || blob == Digest::EMPTY_LAYER;
    if !document.layers.iter().all(is_of_other) {
        return None;
    }
    let config = UpgradeTool::Docker.config(document, &facts, &Limits::core())?;
    let members = differences(own_config.root()?, &config)?;
    let (id, own_id) = (Digest::of(&config), own_config.digests.bytes.clone());
    Some(RoundTrip { schema1, manifest, id, own_id, members })
}

/// Facts of which nothing is known but the diff id: of a config, nothing else is a part.
fn of_diff_id(digest: Digest, diff_id: Digest) -> LayerFacts {
    LayerFacts {
        digest,
        compression: Compression::Gzip,
        size: 0,
        diff_id,
        plain_size: 0,
        zstd_window: None,
        decoder_version: 0,
    }
}

/// A value as Go writes it again, without white space.
fn compact(value: Value<'_>) -> Vec<u8> {
    let mut json = Pretty::new(b"");
    json.json(value.raw());
    json.into_bytes()
}

/// The members that one of two configs does not have as the other one has them. Nothing if their layers differ.
fn differences(own: Value<'_>, made: &[u8]) -> Option<Vec<String>> {
    let made = Json::parse("config", made, &Limits::core()).ok()?;
    let made = made.root();
    let is_other = |name: &str| match (own.member(name), made.member(name)) {
        (Some(own), Some(made)) => compact(own) != compact(made),
        (own, made) => own.is_some() != made.is_some(),
    };
    let mut members: Vec<String> =
        own.members().chain(made.members()).map(|(name, _)| name.text().to_string()).collect();
    members.sort_unstable();
    members.dedup();
    members.retain(|name| is_other(name));
    let diff_ids = |config: Value<'_>| Some(compact(config.member("rootfs")?.member("diff_ids")?));
    (diff_ids(own) == diff_ids(made)).then_some(members)
}
