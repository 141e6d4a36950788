//! What a manifest is and says: for people, and for machines as JSON.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;

use crate::check::{Finding, check_schema1};
use crate::document::{Descriptor, Document, Index, Manifest};
use crate::jws::{self, SignatureBlock};
use crate::layer::Content;
use crate::schema1::Schema1;
use crate::{Digest, Error, Form, Limits, Platform};

/// What a manifest is and says.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Its form.
    pub form: Form,
    /// The media type under which it is served.
    pub media_type: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// The digest of all its bytes.
    pub digest: Digest,
    /// Schema 1: the digest of the payload, by which registries and engines name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_digest: Option<Digest>,
    /// Schema 1: the repository's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Schema 1: the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Schema 1: the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The media type that makes it an artifact instead of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// The config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Part>,
    /// The layers, lowest first. For schema 1 as many as there are history entries, without sizes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Part>,
    /// The manifests of a list or index, in the document's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Part>,
    /// The signatures, not verified.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SignatureInfo>,
    /// Schema 1: the structural rules of engines that it breaks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// A config, a layer or a manifest that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its digest, as written.
    pub digest: String,
    /// Its media type; empty where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// A signature, as its header describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignatureInfo {
    /// The key's id; absent where there is no key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The algorithm.
    pub algorithm: String,
    /// The time, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// Inspects a manifest.
///
/// # Errors
/// As [`Document::parse`].
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<Inspection, Error> {
    let document = Document::parse(bytes, limits)?;
    let form = document.form();
    let empty = Inspection {
        form,
        media_type: form.media_type(),
        size: bytes.len(),
        digest: Digest::of(bytes),
        payload_digest: None,
        name: None,
        tag: None,
        architecture: None,
        artifact: None,
        config: None,
        layers: Vec::new(),
        manifests: Vec::new(),
        signatures: Vec::new(),
        findings: Vec::new(),
    };
    Ok(match document {
        Document::Schema1(schema1) => {
            let signatures =
                if schema1.is_signed() { jws::parse(bytes, limits)?.signatures } else { Vec::new() };
            inspect_schema1(empty, &schema1, &signatures, limits)
        }
        Document::Manifest(manifest) => inspect_manifest(empty, &manifest),
        Document::Index(Index { entries, .. }) => {
            Inspection { manifests: entries.iter().map(Part::of).collect(), ..empty }
        }
    })
}

fn inspect_schema1(
    empty: Inspection,
    schema1: &Schema1<'_>,
    signatures: &[SignatureBlock],
    limits: &Limits,
) -> Inspection {
    let layer = |digest: &String| Part {
        digest: digest.clone(),
        media_type: String::new(),
        size: None,
        platform: None,
    };
    Inspection {
        payload_digest: Some(schema1.digest()),
        name: Some(schema1.name.clone()),
        tag: Some(schema1.tag.clone()),
        architecture: Some(schema1.architecture.clone()),
        layers: schema1.layers.iter().rev().map(layer).collect(),
        signatures: signatures.iter().map(SignatureInfo::of).collect(),
        findings: check_schema1(schema1, limits),
        ..empty
    }
}

fn inspect_manifest(empty: Inspection, manifest: &Manifest) -> Inspection {
    let artifact = match Content::of(manifest) {
        Content::Artifact(Error::Artifact { media_type }) => Some(media_type),
        _ => None,
    };
    Inspection {
        artifact,
        config: Some(Part::of(&manifest.config)),
        layers: manifest.layers.iter().map(Part::of).collect(),
        ..empty
    }
}

impl Part {
    fn of(descriptor: &Descriptor) -> Self {
        Self {
            digest: descriptor.digest.to_string(),
            media_type: descriptor.media_type.clone(),
            size: Some(descriptor.size),
            platform: descriptor.plain_platform().cloned(),
        }
    }
}

impl SignatureInfo {
    fn of(block: &SignatureBlock) -> Self {
        Self {
            kid: block.key.as_ref().map(|key| key.kid().to_string()),
            algorithm: block.algorithm.clone(),
            time: block.time.clone(),
        }
    }
}
