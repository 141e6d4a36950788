//! Kinds of JSON that is not a manifest.

use downshift_json::{Kind as JsonKind, Value};

use crate::facts::is_facts;
use crate::report::Kind;

/// The kind of JSON that is not a manifest. Manifests are `Json` here.
pub(crate) fn of_json(root: Value<'_>) -> Kind {
    let is = |name: &str, kind: JsonKind| root.member(name).is_some_and(|value| value.kind() == kind);
    if root.member("schemaVersion").is_some() {
        return Kind::Json;
    }
    let coded = |error: Value<'_>| error.member("code").is_some();
    if is("errors", JsonKind::Array)
        && root.member("errors").is_some_and(|errors| errors.elements().next().is_some_and(coded))
    {
        return Kind::Errors;
    }
    if is_facts(root) {
        return Kind::LayerFacts;
    }
    let is_config = is("rootfs", JsonKind::Object)
        || (is("architecture", JsonKind::String)
            && (is("os", JsonKind::String) || is("config", JsonKind::Object)));
    if is_config && !is("fsLayers", JsonKind::Array) { Kind::Config } else { Kind::Json }
}
