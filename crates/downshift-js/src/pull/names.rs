//! The names under which an edge keeps things, and what it keeps under them.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use downshift::Digest;
use downshift_json::{Object, array, string};
use downshift_pull::{AnswerValue, Key, ListValue, OriginId, Place, TagTarget, Value, Variables};
use downshift_registry::response::Manifest;

use crate::argument::Argument;
use crate::{decode, encode};

/// What the names of what is kept have in them beside its key.
#[derive(Default)]
pub(crate) struct Names {
    /// What decides answers beside requests: the policy, what becomes of unsigned schema 1, the platform, the
    /// limits, and the key that signs.
    settings: Vec<String>,
    /// The limits, as JSON.
    pub(crate) limits: String,
    /// The URL of each origin, and who this edge is there: other instances may have other numbers for them.
    origins: Vec<[String; 2]>,
    /// What is allowed in the repositories of each, and who gets layers unpacked there.
    allowed: Vec<[String; 2]>,
    /// The limits of a layer that is unpacked, and of one that is read for what there is to know of it, as JSON.
    pub(crate) layer_limits: [String; 2],
}

impl Names {
    pub(crate) fn new(variables: &Variables, key: &str) -> Self {
        let Variables { settings, limits, layer_limits } = variables;
        let platform = settings.platform.to_string();
        let (mut origins, mut allowed) = (Vec::new(), Vec::new());
        for origin in &settings.origins {
            // One for each, whatever it is: they are found by their number.
            origins.push(match &origin.place {
                Place::Registry(registry) => {
                    let username =
                        registry.credentials.as_ref().map(|credentials| credentials.username.clone());
                    [registry.base.text.clone(), username.unwrap_or_default()]
                }
                Place::Domain(domain) => [domain.pattern.to_string(), String::new()],
                Place::Layouts | Place::Pulp(_) => [String::new(), String::new()],
            });
            let plain_layers = settings.plain_layers(origin.id).name();
            allowed.push([settings.allowed(origin.id).to_string(), plain_layers.into()]);
        }
        let unsigned = settings.unsigned_schema1.name().into();
        let with_bytes = |bytes: Option<u64>| {
            let mut object = Object::new();
            layer_limits.iter().for_each(|(name, value)| {
                object.number(name, *value);
            });
            if let Some(bytes) = bytes {
                object.number("layer-bytes", bytes);
            }
            object.finish()
        };
        let layer_limits = [with_bytes(None), with_bytes(settings.layer_bytes)];
        let settings = [settings.policy.to_string(), unsigned, platform, limits.clone(), key.into()].into();
        Self { settings, limits: limits.clone(), origins, allowed, layer_limits }
    }

    /// The name of a key, as an array of texts.
    pub(crate) fn path(&self, key: &Key) -> String {
        let mut path = Vec::new();
        match key {
            Key::Answer { origin, key } => {
                path.push("answers".into());
                path.extend_from_slice(&self.settings);
                path.extend(self.allowed.get(origin.0 as usize).into_iter().flatten().cloned());
                self.push(&mut path, *origin, [key.path(), String::new()]);
            }
            Key::Document { scope, digest } => {
                path.push("documents".into());
                self.push(&mut path, scope.origin, [scope.name.clone(), digest.to_string()]);
            }
            Key::Tag { scope, tag } => {
                path.push("tags".into());
                self.push(&mut path, scope.origin, [scope.name.clone(), tag.clone()]);
            }
            Key::List { scope, path: list } => {
                path.push("lists".into());
                self.push(&mut path, scope.origin, [scope.name.clone(), list.clone()]);
            }
            Key::LayerPass { scope, digest } => {
                path.push("passes".into());
                self.push(&mut path, scope.origin, [scope.name.clone(), digest.to_string()]);
            }
            Key::Record { name, digest } => path = record(name, digest),
            // They are answered from memory, or about stored repositories.
            Key::Referrers { .. }
            | Key::Permit { .. }
            | Key::Token(_)
            | Key::Basic(_)
            | Key::IdentityToken(_)
            | Key::HeadRefusal { .. }
            | Key::Presence { .. }
            | Key::TagOf { .. }
            | Key::MediaType { .. }
            | Key::BlobSize { .. }
            | Key::LayerRefusal { .. }
            | Key::WantedTags { .. }
            | Key::LastFailure { .. } => {}
        }
        array(path.iter().map(|part| string(part)))
    }

    fn push(&self, path: &mut Vec<String>, OriginId(number): OriginId, key: [String; 2]) {
        path.extend(self.origins.get(number as usize).into_iter().flatten().cloned());
        path.extend(key);
    }
}

/// The name of a record, for good.
pub(crate) fn record(name: &str, digest: &Digest) -> Vec<String> {
    ["records".into(), name.into(), digest.to_string()].into()
}

/// What is kept: what is said of it, and its bytes.
pub(crate) fn write(value: &Value) -> (String, Bytes) {
    let mut about = Object::new();
    let bytes = match value {
        Value::Answer(answer) => {
            let AnswerValue { manifest, stored, recorded, diff_ids } = &**answer;
            let Manifest { form, media_type, digest, body, source, signature } = manifest;
            about.text("kind", "answer").text("form", form.name()).text("digest", digest.as_str());
            about.optional_text("mediaType", media_type.as_deref());
            about.optional_text("signature", encode::signature(signature.as_ref()).as_deref());
            about.optional_text("source", source.as_ref().map(Digest::as_str)).text("stored", stored.name());
            let digests = |all: &[Digest]| array(all.iter().map(|digest| string(digest.as_str())));
            about.json("recorded", &digests(recorded)).json("diffIds", &digests(diff_ids));
            body.clone()
        }
        Value::ByPlatform => {
            about.text("kind", "byPlatform");
            Bytes::new()
        }
        Value::LayerPass => {
            about.text("kind", "pass");
            Bytes::new()
        }
        Value::Document(bytes) => {
            about.text("kind", "document");
            bytes.clone()
        }
        Value::Tag(TagTarget { digest, at }) => {
            about.text("kind", "tag").text("digest", digest.as_str()).number("at", *at);
            Bytes::new()
        }
        Value::List(ListValue { bytes, next, filters, at }) => {
            about.text("kind", "list").optional_text("next", next.as_deref());
            about.optional_text("filters", filters.as_deref()).number("at", *at);
            bytes.clone()
        }
        Value::Record(record) => return (encode::record(record), record.payload.clone().into()),
        // They are kept in memory, or about stored repositories.
        Value::Referrers(_)
        | Value::Permit { .. }
        | Value::Token(_)
        | Value::Basic
        | Value::IdentityToken(_)
        | Value::HeadRefusal
        | Value::Presence
        | Value::TagOf { .. }
        | Value::MediaType(_)
        | Value::BlobSize(_)
        | Value::LayerRefusal(_)
        | Value::WantedTags(_)
        | Value::LastFailure(_) => Bytes::new(),
    };
    (about.finish(), bytes)
}

/// Reads what was kept.
pub(crate) fn read(about: Argument<'_>, bytes: Bytes) -> Value {
    match about.optional_text("kind").as_deref() {
        Some("answer") => {
            let digests = |name: &str| {
                let texts = about.elements_of(name).into_iter().filter_map(Argument::as_text);
                texts.filter_map(|digest| about.accept(digest.parse())).collect()
            };
            let form = decode::form(about);
            let manifest = Manifest {
                form,
                media_type: decode::own_type(about, form),
                digest: about.digest("digest"),
                body: bytes,
                source: decode::optional_digest(about, "source"),
                signature: decode::signature(about),
            };
            let (stored, recorded, diff_ids) =
                (decode::form_in(about, "stored"), digests("recorded"), digests("diffIds"));
            Value::Answer(Arc::new(AnswerValue { manifest, stored, recorded, diff_ids }))
        }
        Some("byPlatform") => Value::ByPlatform,
        Some("pass") => Value::LayerPass,
        Some("document") => Value::Document(bytes),
        Some("tag") => Value::Tag(TagTarget { digest: about.digest("digest"), at: about.number("at") }),
        Some("list") => {
            let (next, filters) = (about.optional_text("next"), about.optional_text("filters"));
            Value::List(ListValue { bytes, next, filters, at: about.number("at") })
        }
        _ => Value::Record(Box::new(decode::record(about, bytes.into()))),
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use downshift_pull::{Scope, Url};

    use super::*;

    fn resolve(_: Option<&str>, text: &str) -> Option<Url> {
        let host = text.strip_prefix("https://")?.trim_end_matches('/').to_string();
        let (text, origin) = (["https://", &host, "/"].concat(), ["https://", &host].concat());
        Some(Url { text, origin, host, is_secure: true })
    }

    #[test]
    fn nothing_is_kept_of_two_origins_under_one_name() {
        let upstreams =
            r#"{"RECORDS":true,"UPSTREAMS":[{"hosts":["*.a.test","*.b.test","ghcr.test","quay.test"]}]}"#;
        let variables = Variables::read(upstreams, resolve).unwrap();
        let names = Names::new(&variables, "key");
        let origins: Vec<OriginId> = variables.settings.origins.iter().map(|origin| origin.id).collect();
        assert_eq!(origins.len(), 4);
        let path = |origin| {
            let scope = Scope { origin, name: "team/app".to_string() };
            names.path(&Key::Tag { scope, tag: "latest".to_string() })
        };
        assert_eq!(origins.into_iter().map(path).collect::<BTreeSet<_>>().len(), 4);
    }
}
