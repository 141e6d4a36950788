//! What a document is, and why.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use downshift::Form;
use downshift_json::{Kind as JsonKind, Value};
use serde::{Serialize, Serializer};

use crate::read::Read;
use crate::text::Outside;

/// What a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A manifest in Docker schema 1, signed.
    Schema1,
    /// A manifest in Docker schema 1 without a signature.
    Schema1Unsigned,
    /// A manifest in Docker schema 2.
    Schema2,
    /// A Docker manifest list.
    List,
    /// An OCI manifest.
    Oci,
    /// An OCI index.
    Index,
    /// The config of an image.
    Config,
    /// A registry's error answer.
    Errors,
    /// JSON of no known kind.
    Json,
    /// No JSON.
    #[default]
    NotJson,
}

/// Why a document is of its kind.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// Its stable code.
    pub code: &'static str,
    /// The evidence.
    pub text: String,
    /// Whether it speaks for the kind.
    pub agrees: bool,
}

impl From<Form> for Kind {
    fn from(form: Form) -> Self {
        match form {
            Form::Schema1 => Self::Schema1,
            Form::Schema1Unsigned => Self::Schema1Unsigned,
            Form::Schema2 => Self::Schema2,
            Form::List => Self::List,
            Form::Oci => Self::Oci,
            Form::Index => Self::Index,
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Kind {
    /// The form of a manifest of this kind.
    #[must_use]
    pub fn form(self) -> Option<Form> {
        Form::ALL.into_iter().find(|&form| Self::from(form) == self)
    }

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Errors => "errors",
            Self::Json => "json",
            Self::NotJson => "not-json",
            _ => self.form().map_or("", Form::name),
        }
    }

    /// The kind in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Schema1 => "Docker schema 1, signed",
            Self::Schema1Unsigned => "Docker schema 1, not signed",
            Self::Schema2 => "Docker schema 2",
            Self::List => "Docker manifest list",
            Self::Oci => "OCI manifest",
            Self::Index => "OCI index",
            Self::Config => "image config",
            Self::Errors => "a registry's error answer",
            Self::Json => "JSON of no known kind",
            Self::NotJson => "no JSON",
        }
    }

    /// What JSON is that is no manifest: a manifest is `Json` here.
    pub(crate) fn of_json(root: Value<'_>) -> Self {
        let is = |name: &str, kind: JsonKind| root.member(name).is_some_and(|value| value.kind() == kind);
        if root.member("schemaVersion").is_some() {
            return Self::Json;
        }
        let coded = |error: Value<'_>| error.member("code").is_some();
        if is("errors", JsonKind::Array)
            && root.member("errors").is_some_and(|errors| errors.elements().next().is_some_and(coded))
        {
            return Self::Errors;
        }
        let is_config = is("rootfs", JsonKind::Object)
            || (is("architecture", JsonKind::String)
                && (is("os", JsonKind::String) || is("config", JsonKind::Object)));
        if is_config && !is("fsLayers", JsonKind::Array) { Self::Config } else { Self::Json }
    }
}

/// Why `read` is of its kind. `named` is what other given documents call it.
pub(crate) fn why(
    read: &Read<'_>,
    named: &[(usize, String)],
    labels: &dyn Fn(usize) -> String,
) -> Vec<Evidence> {
    let mut why = Vec::new();
    let mut add = |code, text: String, agrees| why.push(Evidence { code, text, agrees });
    if let Some(root) = read.root() {
        members(read, root, &mut add);
    }
    let own = read.media_type();
    for (index, media_type) in named {
        if !media_type.is_empty() {
            let agrees = is_type_of(media_type, read, own.as_deref());
            add(
                "named-by",
                format!("`{}` names it as `{}`", Outside(&labels(*index)), Outside(media_type)),
                agrees,
            );
        }
    }
    if let Some(content_type) = read.responses.as_ref().and_then(|responses| responses.header("content-type"))
    {
        let agrees = is_type_of(content_type, read, own.as_deref());
        add("content-type", format!("its Content-Type is `{}`", Outside(content_type)), agrees);
    }
    why
}

fn members(read: &Read<'_>, root: Value<'_>, add: &mut dyn FnMut(&'static str, String, bool)) {
    if let Some(version) = root.member("schemaVersion") {
        let version = String::from_utf8_lossy(version.raw());
        let agrees = matches!(&*version, "1" | "2");
        add("member", format!("`schemaVersion` is `{}`", Outside(&version)), agrees);
    }
    match root.member("mediaType").filter(|value| !value.is_null()) {
        Some(media_type) => {
            let text = media_type.text();
            let agrees = read.kind.form().is_some_and(|form| Form::from_media_type(&text) == Some(form));
            add("media-type", format!("`mediaType` is `{}`", Outside(&text)), agrees);
        }
        None if matches!(read.kind, Kind::Oci | Kind::Index) => {
            add("shape", "there is no `mediaType`, which only OCI allows".into(), true);
        }
        None => {}
    }
    let names: &[&str] = match read.kind {
        Kind::Schema1 => &["fsLayers", "history", "signatures"],
        Kind::Schema1Unsigned => &["fsLayers", "history"],
        Kind::Schema2 | Kind::Oci => &["config", "layers"],
        Kind::List | Kind::Index => &["manifests"],
        Kind::Config => &["architecture", "os", "rootfs", "history", "config"],
        Kind::Errors => &["errors"],
        Kind::Json => &["config", "layers", "manifests", "fsLayers", "history", "signatures"],
        Kind::NotJson => &[],
    };
    for name in names {
        if root.member(name).is_some() {
            add("member", format!("`{name}` is there"), read.kind != Kind::Json);
        }
    }
    if read.kind == Kind::Schema1Unsigned {
        add("shape", "there are no `signatures`".into(), true);
    }
    if read.kind == Kind::Json && root.kind() != JsonKind::Object {
        add("shape", "the outermost value is no object".into(), false);
    }
}

/// Whether a media type, with parameters or without, is one under which the document is served.
pub(crate) fn is_type_of(media_type: &str, read: &Read<'_>, own: Option<&str>) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    match read.kind {
        Kind::Config => {
            is("application/vnd.docker.container.image.v1+json")
                || is("application/vnd.oci.image.config.v1+json")
                // How registries serve blobs.
                || is("application/octet-stream")
        }
        Kind::Errors | Kind::Json => is("application/json"),
        Kind::NotJson => false,
        _ => own.is_some_and(is),
    }
}

impl Read<'_> {
    /// The media type under which the document is served.
    pub(crate) fn media_type(&self) -> Option<String> {
        match self.kind {
            Kind::Config | Kind::Json | Kind::NotJson => None,
            Kind::Errors => Some("application/json".into()),
            _ => self.kind.form().map(|form| form.media_type().to_owned()),
        }
    }
}
