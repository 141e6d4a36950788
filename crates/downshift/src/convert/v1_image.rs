//! What Docker decodes `v1Compatibility` into.
//!
//! The structs are those of Docker 20.10 (`image.V1Image`, `container.Config`). All that they have over those of Docker 1.10
//! is left out where it is empty, so that images of the schema 1 era get the same id from both.

use alloc::string::String;
use alloc::vec::Vec;

use downshift_json::{Kind, Value};

use crate::go_struct::{Field, FieldType, GoStruct, Mismatch};
use FieldType::{
    Boolean, Command, Integer, Optional, OptionalInteger, Set, Struct, Text, TextMap, Texts, Time,
};

pub(super) const fn field(name: &'static str, field_type: FieldType) -> Field {
    Field { name, field_type, omits_empty: false }
}

pub(super) const fn omitempty(name: &'static str, field_type: FieldType) -> Field {
    Field { name, field_type, omits_empty: true }
}

/// `container.HealthConfig`.
const HEALTH_CONFIG: &[Field] = &[
    omitempty("Test", Texts),
    omitempty("Interval", Integer),
    omitempty("Timeout", Integer),
    omitempty("StartPeriod", Integer),
    omitempty("Retries", Integer),
];

/// `container.Config`.
const CONTAINER_CONFIG: &[Field] = &[
    field("Hostname", Text),
    field("Domainname", Text),
    field("User", Text),
    field("AttachStdin", Boolean),
    field("AttachStdout", Boolean),
    field("AttachStderr", Boolean),
    omitempty("ExposedPorts", Set),
    field("Tty", Boolean),
    field("OpenStdin", Boolean),
    field("StdinOnce", Boolean),
    field("Env", Texts),
    field("Cmd", Command),
    omitempty("Healthcheck", Optional(HEALTH_CONFIG)),
    omitempty("ArgsEscaped", Boolean),
    field("Image", Text),
    field("Volumes", Set),
    field("WorkingDir", Text),
    field("Entrypoint", Command),
    omitempty("NetworkDisabled", Boolean),
    omitempty("MacAddress", Text),
    field("OnBuild", Texts),
    field("Labels", TextMap),
    omitempty("StopSignal", Text),
    omitempty("StopTimeout", OptionalInteger),
    omitempty("Shell", Command),
];

/// `image.V1Image`.
const V1_IMAGE: &[Field] = &[
    omitempty("id", Text),
    omitempty("parent", Text),
    omitempty("comment", Text),
    field("created", Time),
    omitempty("container", Text),
    omitempty("container_config", Struct(CONTAINER_CONFIG)),
    omitempty("docker_version", Text),
    omitempty("author", Text),
    omitempty("config", Optional(CONTAINER_CONFIG)),
    omitempty("architecture", Text),
    omitempty("variant", Text),
    omitempty("os", Text),
    omitempty("Size", Integer),
];

/// What Docker reads beside a `V1Image`, in a struct of its own.
const THROWAWAY: &[Field] = &[omitempty("throwaway", Boolean)];

/// What Docker reads of a config that a `V1Image` has not: `image.Image`, but for its history.
const IMAGE: &[Field] = &[
    omitempty("rootfs", Optional(&[field("type", Text), omitempty("diff_ids", Texts)])),
    omitempty("os.version", Text),
    omitempty("os.features", Texts),
];

/// `image.History`.
const HISTORY: &[Field] = &[
    field("created", Time),
    omitempty("author", Text),
    omitempty("created_by", Text),
    omitempty("comment", Text),
    omitempty("empty_layer", Boolean),
];

/// Decodes a config as Docker does that has made it, compares the diff ids, and counts the layers of the history. A member
/// that is spelt almost as one of its own may have another type, or come after it.
pub(super) fn check_config<'d>(
    config: Value<'_>,
    diff_ids: impl ExactSizeIterator<Item = &'d str>,
) -> Result<(), Mismatch> {
    let twice = |path: &str| Mismatch { path: path.into(), expected: "there once" };
    let mut image = GoStruct::new(IMAGE);
    image.read(config)?;
    // A history that comes after another is decoded over it, entry by entry.
    let (mut history, mut entries) = (Vec::new(), 0);
    for (key, value) in config.members() {
        if key.folds_to_one_of(["history"]).is_some() {
            if !matches!(value.kind(), Kind::Array | Kind::Null) {
                return Err(Mismatch { path: key.text().into(), expected: "an array" });
            }
            entries = value.elements().count();
            if entries == 0 {
                history.clear();
            }
            history.resize_with(history.len().max(entries), || GoStruct::new(HISTORY));
            for (entry, own) in value.elements().zip(&mut history) {
                own.read(entry).map_err(|mismatch| mismatch.within("history"))?;
            }
        }
    }
    let with_layer = history.iter().take(entries).filter(|entry| !entry.is_true("empty_layer")).count();
    if with_layer > diff_ids.len() {
        return Err(twice("history"));
    }
    let texts = image.inner("rootfs").map_or(&[][..], |rootfs| rootfs.texts("diff_ids"));
    let is_same = diff_ids.eq(texts.iter().map(String::as_str));
    if is_same { Ok(()) } else { Err(twice("rootfs")) }
}

/// An empty `image.V1Image`.
pub(super) fn v1_image() -> GoStruct {
    GoStruct::new(V1_IMAGE)
}

/// An empty struct that has `throwaway` alone.
pub(super) fn throwaway() -> GoStruct {
    GoStruct::new(THROWAWAY)
}

/// Whether `image.V1Image` has a field for this member.
pub(super) fn has_field(name: &str) -> bool {
    V1_IMAGE.iter().any(|field| field.name == name)
}
