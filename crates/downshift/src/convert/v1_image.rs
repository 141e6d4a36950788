//! What Docker decodes `v1Compatibility` into.
//!
//! The structs are those of Docker 20.10 (`image.V1Image`, `container.Config`). All that they have over those of Docker 1.10
//! is left out where it is empty, so that images of the schema 1 era get the same id from both.

use crate::go_struct::{Field, FieldType, GoStruct};
use FieldType::{
    Boolean, Command, Integer, Optional, OptionalInteger, Set, Struct, Text, TextMap, Texts, Time,
};

const fn field(name: &'static str, field_type: FieldType) -> Field {
    Field { name, field_type, omits_empty: false }
}

const fn omitempty(name: &'static str, field_type: FieldType) -> Field {
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
