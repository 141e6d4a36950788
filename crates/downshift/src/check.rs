//! The structural rules by which engines refuse a schema 1 manifest.
//!
//! They come from the engines' sources (Docker's `graph/pull_v2.go` in 1.6–1.9, `distribution/pull_v2.go` since) and
//! were measured with Docker 1.6.2, 1.7.1, 1.8.3, 1.9.1, 1.10.3 and 20.10.24. Signatures are verified elsewhere.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;

use crate::digest::is_lower_hex;
use crate::document::Document;
use crate::error::Cut;
use crate::schema1::Schema1;
use crate::time::GoTime;
use crate::{Digest, Error, Limits};
use downshift_json::{Json, Kind, Value};

/// A rule that a manifest breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's stable code, such as `parent-chain`.
    pub rule: &'static str,
    /// The engines that refuse the manifest for it.
    pub engines: &'static str,
    /// Where: such as `history[2]`, newest first.
    pub path: String,
    /// What is wrong, in one line.
    pub detail: String,
}

const ALL: &str = "docker 1.6 and later";
const SINCE_1_8_3: &str = "docker 1.8.3 and later";
const UP_TO_1_9: &str = "docker 1.6 to 1.9";

/// Every rule that the manifest breaks, in the order in which engines look.
///
/// # Errors
/// As [`Document::parse`]: if the document is no manifest at all.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<Vec<Finding>, Box<Error>> {
    match Document::parse(bytes, limits)? {
        Document::Schema1(schema1) => Ok(check_schema1(&schema1, limits)),
        other => {
            let detail = format!("the manifest is `{}`, which these engines do not know", other.form());
            Ok([Finding { rule: "schema-version", engines: UP_TO_1_9, path: "schemaVersion".into(), detail }]
                .into())
        }
    }
}

/// [`check`] for a document that was read already.
pub(crate) fn check_schema1(schema1: &Schema1<'_>, limits: &Limits) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    if !schema1.is_signed() {
        let engines = "docker 1.6 to 1.8.2, docker 1.10 and later";
        findings.add("signature", engines, "signatures", "the manifest is not signed");
    }
    if schema1.name.is_empty() {
        findings.add("name", "docker 1.6 to 1.8.2", "name", "the name is empty");
    }
    let (layers, history) = (schema1.layers.len(), schema1.history.len());
    if layers != history {
        findings.add(
            "lengths",
            ALL,
            "fsLayers",
            &format!("there are `{layers}` layers and `{history}` history entries"),
        );
    }
    if layers == 0 {
        findings.add("no-layers", ALL, "fsLayers", "there are no layers");
    }
    for (index, blob) in schema1.layers.iter().enumerate() {
        if Digest::parse(blob).is_err() {
            findings.add(
                "digest",
                ALL,
                &format!("fsLayers[{index}]"),
                &format!("`{}` is not a digest", Cut(blob)),
            );
        }
    }
    let images: Vec<Image> = schema1
        .history
        .iter()
        .enumerate()
        .map(|(index, text)| Image::read(text, &format!("history[{index}]"), &mut findings, limits))
        .collect();
    check_chain(&images, &mut findings);
    if is_too_deep(history) {
        findings.add(
            "depth",
            UP_TO_1_9,
            "history",
            &format!("`{history}` layers are too many for a container"),
        );
    }
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: &'static str, engines: &'static str, path: &str, detail: &str) {
        self.0.push(Finding { rule, engines, path: path.to_string(), detail: detail.to_string() });
    }
}

/// What the chain is made of.
#[derive(Default)]
struct Image {
    id: String,
    parent: String,
}

impl Image {
    fn read(v1_compatibility: &str, path: &str, findings: &mut Findings, limits: &Limits) -> Self {
        let json = match Json::parse("v1Compatibility", v1_compatibility.as_bytes(), limits) {
            Ok(json) if json.root().kind() == Kind::Object => json,
            _ => {
                findings.add("v1-compatibility", ALL, path, "the text is not a JSON object");
                return Self::default();
            }
        };
        let root = json.root();
        let text = |name| root.field(name).map(Value::text).map(Cow::into_owned).unwrap_or_default();
        let image = Self { id: text("id"), parent: text("parent") };
        if image.id.len() != 64 || !image.id.bytes().all(is_lower_hex) {
            let detail = format!("`{}` is not an id of 64 hexadecimal digits", Cut(&image.id));
            findings.add("id", ALL, path, &detail);
        }
        if let Some(Error::UnreadableConfig { path: member, expected }) = unreadable_member(root) {
            findings.add("member-type", UP_TO_1_9, path, &format!("`{member}` is not {expected}"));
        }
        image
    }
}

/// Whether engines of the schema 1 era run nothing of an image with that many layers: a container adds two to them, and
/// Docker 1.9 says that it "cannot create container with more than 127 parents" (image/graph.go, `CheckDepth`).
pub(crate) fn is_too_deep(layers: usize) -> bool {
    layers.saturating_add(2) >= 127
}

/// The chain of parents. Engines take two adjacent entries with one id for one entry, and leave the newer out.
fn check_chain(images: &[Image], findings: &mut Findings) {
    if let Some(base) = images.last()
        && !base.parent.is_empty()
    {
        let path = format!("history[{}]", images.len().saturating_sub(1));
        findings.add(
            "base-parent",
            SINCE_1_8_3,
            &path,
            &format!("the lowest layer has the parent `{}`", Cut(&base.parent)),
        );
    }
    let mut previous: Option<&str> = None;
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (index, image) in images.iter().enumerate() {
        if previous != Some(&image.id) && !seen.insert(&image.id) {
            let detail = format!("the id `{}` occurs more than once", Cut(&image.id));
            findings.add("duplicate-id", SINCE_1_8_3, &format!("history[{index}]"), &detail);
        }
        previous = Some(&image.id);
    }
    for (index, pair) in images.windows(2).enumerate() {
        let [newer, older] = pair else { continue };
        if newer.id != older.id && newer.parent != older.id {
            let detail =
                format!("the parent is `{}`, but the next entry is `{}`", Cut(&newer.parent), Cut(&older.id));
            findings.add("parent-chain", SINCE_1_8_3, &format!("history[{index}]"), &detail);
        }
    }
}

/// What Docker ≤ 1.9 decodes a member of v1Compatibility into.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Time,
    Integer,
    Boolean,
    Texts,
    /// A command: an array of strings, or one string since 1.7.
    Command,
    TextMap,
    /// A set: an object whose values are empty objects.
    Set,
    ContainerConfig,
}

/// Docker 1.9's `image.Image`.
const IMAGE: [(&str, Type); 12] = [
    ("id", Type::Text),
    ("parent", Type::Text),
    ("comment", Type::Text),
    ("created", Type::Time),
    ("container", Type::Text),
    ("container_config", Type::ContainerConfig),
    ("docker_version", Type::Text),
    ("author", Type::Text),
    ("config", Type::ContainerConfig),
    ("architecture", Type::Text),
    ("os", Type::Text),
    ("Size", Type::Integer),
];

/// `runconfig.Config` of Docker 1.6 to 1.9.
const CONTAINER_CONFIG: [(&str, Type); 29] = [
    ("Hostname", Type::Text),
    ("Domainname", Type::Text),
    ("User", Type::Text),
    ("Memory", Type::Integer),
    ("MemorySwap", Type::Integer),
    ("CpuShares", Type::Integer),
    ("Cpuset", Type::Text),
    ("AttachStdin", Type::Boolean),
    ("AttachStdout", Type::Boolean),
    ("AttachStderr", Type::Boolean),
    ("PortSpecs", Type::Texts),
    ("ExposedPorts", Type::Set),
    ("PublishService", Type::Text),
    ("Tty", Type::Boolean),
    ("OpenStdin", Type::Boolean),
    ("StdinOnce", Type::Boolean),
    ("Env", Type::Texts),
    ("Cmd", Type::Command),
    ("Image", Type::Text),
    ("Volumes", Type::Set),
    ("VolumeDriver", Type::Text),
    ("WorkingDir", Type::Text),
    ("Entrypoint", Type::Command),
    ("NetworkDisabled", Type::Boolean),
    ("MacAddress", Type::Text),
    ("OnBuild", Type::Texts),
    ("Labels", Type::TextMap),
    ("StopSignal", Type::Text),
    ("SecurityOpt", Type::Texts),
];

/// The first member of a v1Compatibility object that Docker ≤ 1.9 cannot decode, as [`Error::UnreadableConfig`].
pub(crate) fn unreadable_member(object: Value<'_>) -> Option<Error> {
    unreadable(object, &IMAGE, "")
}

fn unreadable(object: Value<'_>, members: &[(&'static str, Type)], path: &str) -> Option<Error> {
    object.members().find_map(|(key, value)| {
        let index = key.folds_to_one_of(members.iter().map(|&(name, _)| name))?;
        let &(name, expected) = members.get(index)?;
        if matches!(expected, Type::ContainerConfig) && value.kind() == Kind::Object {
            return unreadable(value, &CONTAINER_CONFIG, &format!("{name}."));
        }
        let expected = expected.mismatch(value)?;
        Some(Error::UnreadableConfig { path: format!("{path}{name}"), expected })
    })
}

impl Type {
    /// What is expected, if `value` is something else. Null is taken everywhere but for a time.
    fn mismatch(self, value: Value<'_>) -> Option<&'static str> {
        let kind = value.kind();
        let text = |value: Value<'_>| matches!(value.kind(), Kind::String | Kind::Null);
        let (matches, expected) = match self {
            Self::Text => (kind == Kind::String, "a string"),
            Self::Time => {
                let time = GoTime::parse(value.text().as_bytes());
                return (!time.is_some_and(|time| time.is_canonical)).then_some("a time of RFC 3339");
            }
            Self::Integer => (is_integer(value), "a whole number"),
            Self::Boolean => (matches!(kind, Kind::True | Kind::False), "a boolean"),
            Self::Texts => (kind == Kind::Array && value.elements().all(text), "an array of strings"),
            Self::Command => (
                kind == Kind::String || kind == Kind::Array && value.elements().all(text),
                "an array of strings, or a string",
            ),
            Self::TextMap => (
                kind == Kind::Object && value.members().all(|(_, value)| text(value)),
                "an object of strings",
            ),
            Self::Set => {
                let empty = |value: Value<'_>| matches!(value.kind(), Kind::Object | Kind::Null);
                (
                    kind == Kind::Object && value.members().all(|(_, value)| empty(value)),
                    "an object of objects",
                )
            }
            Self::ContainerConfig => (kind == Kind::Object, "an object"),
        };
        (!matches && kind != Kind::Null).then_some(expected)
    }
}

/// Go reads a number into an integer only if it is spelt as one.
fn is_integer(value: Value<'_>) -> bool {
    // Read without its sign, for there is one reader of numbers then.
    let (digits, last) = match value.raw() {
        [b'-', digits @ ..] => (digits, i64::MIN.unsigned_abs()),
        digits => (digits, i64::MAX.unsigned_abs()),
    };
    let number = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
    value.kind() == Kind::Number && number.is_some_and(|number| number <= last)
}
