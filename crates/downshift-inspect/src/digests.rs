//! The digests of a document, and the search for the change that would lead to an expected one.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use downshift::{Digest, jws};
use serde::{Serialize, Serializer};

use crate::limits::Limits;
use crate::read::Read;
use crate::variant::{CHANGES, Variant};

/// The digests of a document.
#[derive(Clone, Debug, Serialize)]
pub struct Digests {
    /// Of its bytes.
    pub bytes: Digest,
    /// Of its payload, if it is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Digest>,
    /// By which registries and engines name it.
    pub registry: Digest,
    /// The digest that it is expected to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
}

impl Default for Digests {
    fn default() -> Self {
        let empty = Digest::of(b"");
        Self { bytes: empty.clone(), payload: None, registry: empty, expected: None }
    }
}

/// What comes of an expected digest.
#[derive(Clone, Debug, Serialize)]
pub struct Expected {
    /// The digest, as given.
    pub digest: String,
    /// Whether it is the document's.
    pub verdict: ExpectedVerdict,
    /// The verdict in one sentence.
    pub text: String,
    /// The change that leads to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// The given document that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<usize>,
    /// The changes that were tried.
    pub tried: Vec<Variant>,
}

/// Whether an expected digest is a document's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVerdict {
    /// It is that of its bytes.
    Bytes,
    /// It is that of its payload.
    Payload,
    /// It would be with a change.
    Variant,
    /// It is that of another given document.
    Other,
    /// No change that was tried leads to it.
    None,
    /// It is no digest.
    Unsupported,
}

impl ExpectedVerdict {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Payload => "payload",
            Self::Variant => "variant",
            Self::Other => "other",
            Self::None => "none",
            Self::Unsupported => "unsupported",
        }
    }

    /// Whether the document is the expected one.
    #[must_use]
    pub const fn is_met(self) -> bool {
        matches!(self, Self::Bytes | Self::Payload)
    }
}

impl Serialize for ExpectedVerdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Digests {
    pub(crate) fn of(bytes: &[u8], payload: Option<&[u8]>) -> Self {
        let digest = Digest::of(bytes);
        // What is not signed is its own payload.
        let payload = payload.filter(|payload| *payload != bytes).map(Digest::of);
        let registry = payload.as_ref().unwrap_or(&digest).clone();
        Self { bytes: digest, payload, registry, expected: None }
    }
}

impl Expected {
    /// Compares an expected digest with those of the document at `own`, and searches for the change that leads to it.
    pub(crate) fn of(text: &str, documents: &[Read<'_>], own: usize) -> Self {
        let trimmed = text.trim();
        let expected = |verdict, text: String| Self {
            digest: trimmed.to_owned(),
            verdict,
            text,
            variant: None,
            document: None,
            tried: Vec::new(),
        };
        let Some(digest) = parse(trimmed) else {
            let text = "this is no digest: it has to be `sha256:` and 64 hexadecimal digits";
            return expected(ExpectedVerdict::Unsupported, text.into());
        };
        let Some(document) = documents.get(own) else {
            return expected(ExpectedVerdict::Unsupported, String::new());
        };
        if digest == document.digests.bytes || digest.matches(document.bytes) {
            return expected(ExpectedVerdict::Bytes, "it is the digest of exactly these bytes".into());
        }
        if let Some(payload) = document.payload()
            && digest.matches(payload)
        {
            let text =
                "it is the digest of the payload, without the signatures: that by which registries name it";
            return expected(ExpectedVerdict::Payload, text.into());
        }
        let has = |other: &Read<'_>| {
            digest == other.digests.bytes || Some(&digest) == other.digests.payload.as_ref()
        };
        if let Some(index) = documents.iter().position(has) {
            let text = format!(
                "it is the digest of another document that is given: `{}`",
                documents.get(index).map_or("", |other| &other.label)
            );
            return Self { document: Some(index), ..expected(ExpectedVerdict::Other, text) };
        }
        let (found, tried) = search(&digest, document);
        match found {
            Some((variant, is_payload)) => {
                let payload = if is_payload { ", and the signatures" } else { "" };
                let text = format!(
                    "these bytes with {}{payload} would have exactly this digest: {}",
                    variant.text, variant.cause
                );
                Self { variant: Some(variant), tried, ..expected(ExpectedVerdict::Variant, text) }
            }
            None => {
                let text = format!(
                    "none of the {} that keep the content leads to this digest: it is of another document, or of this one in another form",
                    crate::text::count(tried.len(), "change")
                );
                Self { tried, ..expected(ExpectedVerdict::None, text) }
            }
        }
    }
}

/// A digest as people paste it: with an algorithm or without, after a name and `@`.
fn parse(text: &str) -> Option<Digest> {
    let text = text.rsplit_once('@').map_or(text, |(_, digest)| digest);
    let text = text.trim_matches('"').to_ascii_lowercase();
    let is_bare = text.len() == 64 && !text.contains(':');
    Digest::parse(&if is_bare { format!("sha256:{text}") } else { text }).ok()
}

/// The change that leads to a digest, whether it is that of the changed payload, and all that was tried.
fn search(digest: &Digest, document: &Read<'_>) -> (Option<(Variant, bool)>, Vec<Variant>) {
    let mut tried = Vec::new();
    let mut seen = BTreeSet::new();
    let mut hashed = 0_usize;
    for change in &CHANGES {
        let Some(made) = change.make(document.bytes, document.json.is_some()) else { continue };
        hashed = hashed.saturating_add(made.len());
        if hashed > Limits::VARIANT_BYTES {
            break;
        }
        // Different changes often make the same.
        if !seen.insert(Digest::of(&made)) {
            continue;
        }
        tried.push(change.variant);
        if digest.matches(&made) {
            return (Some((change.variant, false)), tried);
        }
        if document.looks_signed()
            && let Ok(signed) = jws::parse(&made, &Limits::core())
            && digest.matches(&signed.payload)
        {
            return (Some((change.variant, true)), tried);
        }
    }
    (None, tried)
}
