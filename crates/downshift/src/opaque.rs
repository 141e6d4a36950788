//! Stored documents that nothing is made of: they go out as they are, or not at all.

use alloc::boxed::Box;
use alloc::string::String;

use crate::document::{DESCRIPTOR, PLATFORM, check_kind, members};
use crate::form::is_manifest_type;
use crate::{Error, Form, Limits};
use downshift_json::{Json, Kind, Value};

/// The members by which readers tell kinds of manifests apart.
const DECIDING: [&str; 8] =
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "fsLayers", "history", "signatures"];

/// A document that cannot be converted: it is of a kind that this crate does not know, or cannot be read in full.
///
/// A registry holds what its clients understand, and they may understand more than this crate: other manifests, digests
/// of other algorithms, more entries than the [limits](Limits) of a conversion allow.
#[derive(Clone, Debug)]
pub struct Opaque {
    /// The form by what it says of itself, or [`Form::Other`].
    pub form: Form,
    /// Its own media type, if it has one that [may be a manifest's](is_manifest_type).
    pub media_type: Option<String>,
    /// Whether it is a JSON object, as all manifests are.
    pub is_object: bool,
    problem: Box<Error>,
}

impl Opaque {
    /// Looks at a document that was not read because of `problem`.
    ///
    /// # Errors
    /// Where it must not go out either: it is too large; it is schema 1, whose digest is that of a payload, which cannot be
    /// found; or it can be read in two ways, so that what one client has checked is another thing to the next.
    pub fn of(bytes: &[u8], problem: Box<Error>, limits: &Limits) -> Result<Self, Box<Error>> {
        let is_two_readings = matches!(
            *problem,
            Error::Ambiguous { .. } | Error::DuplicateKey { .. } | Error::ShadowedKey { .. }
        );
        if is_two_readings || bytes.len() > limits.document_bytes {
            return Err(problem);
        }
        let json = read(bytes);
        let Some(root) = json.as_ref().map(Json::root).filter(|root| root.kind() == Kind::Object) else {
            return Ok(Self { form: Form::Other, media_type: None, is_object: false, problem });
        };
        let ([version, media_type, ..], _) = members(root, DECIDING)?;
        // Readers in Go cannot tell an empty one from none.
        let media_type = media_type.and_then(Value::as_text).filter(|media_type| !media_type.is_empty());
        let known = media_type.as_deref().and_then(Form::from_media_type);
        let is_version = |number: &[u8]| version.is_some_and(|version| version.raw() == number);
        if is_version(b"1") || known.is_some_and(Form::is_schema1) {
            return Err(problem);
        }
        let untyped = match root.member("manifests") {
            Some(_) => Some(Form::Index),
            None => is_version(b"2").then_some(Form::Oci),
        };
        // A type that is not known keeps nobody from reading the rest.
        if let Some(form) = known.or(untyped) {
            check_kind(root, form)?;
            check_descriptors(root)?;
        }
        let likely = if media_type.is_some() { known } else { untyped };
        let form = likely.filter(|_| is_version(b"2")).unwrap_or(Form::Other);
        Ok(Self { form, media_type: own_type(root), is_object: true, problem })
    }

    /// Why there is no other form of it.
    #[must_use]
    pub fn into_refusal(self) -> Box<Error> {
        match self.media_type {
            Some(media_type) if Form::from_media_type(&media_type).is_none() => {
                Error::Artifact { media_type }.into()
            }
            _ => self.problem,
        }
    }
}

/// Reads what is within the limit of bytes already, however deep it is.
fn read(bytes: &[u8]) -> Option<Json<'_>> {
    let most = bytes.len();
    let limits = downshift_json::Limits { document_bytes: most, depth: most, string_bytes: most };
    Json::parse("manifest", bytes, limits).ok()
}

fn own_type(root: Value<'_>) -> Option<String> {
    let media_type = root.member("mediaType").and_then(Value::as_text)?;
    is_manifest_type(&media_type).then(|| media_type.into_owned())
}

/// Checks that no two readers see other things in the descriptors of a manifest, list or index.
fn check_descriptors(root: Value<'_>) -> Result<(), Box<Error>> {
    let lists = ["layers", "manifests"].into_iter().filter_map(|name| root.member(name));
    let descriptors = root.member("config").into_iter().chain(lists.flat_map(Value::elements));
    for descriptor in descriptors.filter(|value| value.kind() == Kind::Object) {
        let ([platform, ..], _) = members(descriptor, DESCRIPTOR)?;
        if let Some(platform) = platform.filter(|value| value.kind() == Kind::Object) {
            members(platform, PLATFORM)?;
        }
    }
    Ok(())
}
