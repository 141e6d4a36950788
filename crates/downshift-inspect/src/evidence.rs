//! Evidence for the kind of a document, and against it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use downshift::Form;
use downshift_json::{Kind as JsonKind, Value};

use crate::read::Read;
use crate::report::{Evidence, Kind};
use crate::text::Outside;

/// Why `read` is of its kind. `named` is what other given documents call it.
pub(crate) fn why(read: &Read<'_>, named: &[(&str, &str)]) -> Vec<Evidence> {
    let mut why = Vec::new();
    let mut add = |code, text: String, agrees| why.push(Evidence { code, text, agrees });
    if let Some(root) = read.root() {
        members(read, root, &mut add);
    }
    let own = read.media_type();
    for (label, media_type) in named {
        if !media_type.is_empty() {
            let agrees = is_type_of(media_type, read, own);
            let text = format!("`{}` names it as `{}`", Outside(label), Outside(media_type));
            add("named-by", text, agrees);
        }
    }
    if let Some(content_type) = read.responses.as_ref().and_then(|responses| responses.header("content-type"))
    {
        let agrees = is_type_of(content_type, read, own);
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
        Kind::LayerFacts => &["layers"],
        Kind::Json => &["config", "layers", "manifests", "fsLayers", "history", "signatures"],
        Kind::NotJson => &[],
    };
    for name in names {
        if root.member(name).is_some() {
            add("member", format!("it has `{name}`"), read.kind != Kind::Json);
        }
    }
    if read.kind == Kind::Schema1Unsigned {
        add("shape", "it has no `signatures`".into(), true);
    }
    if read.kind == Kind::Json && root.kind() != JsonKind::Object {
        add("shape", "the outermost value is not an object".into(), false);
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
        Kind::Errors | Kind::Json | Kind::LayerFacts => is("application/json"),
        Kind::NotJson => false,
        _ => own.is_some_and(is),
    }
}
