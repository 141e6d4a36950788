//! Expected digests, and the search for the change that leads to one.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use downshift::{Digest, jws};

use crate::limits::Limits;
use crate::read::{Documents, Read};
use crate::report::{Expected, ExpectedVerdict, Variant};
use crate::text::{Outside, count};
use crate::variant::CHANGES;

/// Compares an expected digest with those of the document at `own`, and searches for the change that leads to it.
pub(crate) fn compare(text: &str, documents: &Documents<'_>, own: usize) -> Expected {
    let trimmed = text.trim();
    let expected = |verdict, text: String| Expected {
        digest: trimmed.to_owned(),
        verdict,
        text,
        variant: None,
        document: None,
        tried: Vec::new(),
    };
    let Some(digest) = parse(trimmed) else {
        let text = "this is not a digest: a digest is `sha256:` and 64 hexadecimal digits";
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
            "it is the digest of the payload, without the signatures: registries name the manifest by it";
        return expected(ExpectedVerdict::Payload, text.into());
    }
    if let Some(index) = documents.find(digest.as_str()) {
        let label = documents.get(index).map_or("", |other| &other.label);
        let text = format!("it is the digest of another given document, `{}`", Outside(label));
        return Expected { document: Some(index), ..expected(ExpectedVerdict::Other, text) };
    }
    let Search { found, tried, left } = search(&digest, documents, document);
    match found {
        Some((variant, is_payload)) => {
            let payload = if is_payload { ", and the signatures" } else { "" };
            let text = format!(
                "these bytes with {}{payload} would have exactly this digest: {}",
                variant.text, variant.cause
            );
            Expected { variant: Some(variant), tried, ..expected(ExpectedVerdict::Variant, text) }
        }
        None => {
            let tried_changes = count(tried.len(), "change");
            let mut text = format!(
                "none of the {tried_changes} that keep the content leads to this digest: it is of another document, or of this one in another form"
            );
            if left > 0 {
                text.push_str(&format!("; {} not tried, as the documents are too large", were(left)));
            }
            Expected { tried, ..expected(ExpectedVerdict::None, text) }
        }
    }
}

/// `1 change was`, `2 changes were`.
fn were(changes: usize) -> String {
    format!("{} {}", count(changes, "change"), if changes == 1 { "was" } else { "were" })
}

/// A digest as people paste it: with an algorithm or without, after a name and `@`.
fn parse(text: &str) -> Option<Digest> {
    let text = text.rsplit_once('@').map_or(text, |(_, digest)| digest);
    let text = text.trim_matches('"').to_ascii_lowercase();
    let is_bare = text.len() == 64 && !text.contains(':');
    Digest::parse(&if is_bare { format!("sha256:{text}") } else { text }).ok()
}

/// The end of a search.
struct Search {
    /// The change that leads to the digest, and whether that is the digest of the changed payload.
    found: Option<(Variant, bool)>,
    tried: Vec<Variant>,
    /// How many changes were not tried.
    left: usize,
}

fn search(digest: &Digest, documents: &Documents<'_>, document: &Read<'_>) -> Search {
    let mut tried = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, change) in CHANGES.iter().enumerate() {
        if !documents.may_hash(document.bytes.len()) {
            return Search { found: None, tried, left: CHANGES.len().saturating_sub(index) };
        }
        let Some(made) = change.make(document.bytes, document.json.is_some()) else { continue };
        // Different changes often make the same.
        if !documents.may_hash(made.len()) || !seen.insert(Digest::of(&made)) {
            continue;
        }
        tried.push(change.variant);
        if digest.matches(&made) {
            return Search { found: Some((change.variant, false)), tried, left: 0 };
        }
        if document.looks_signed()
            && let Ok(signed) = jws::parse(&made, &Limits::core())
            && digest.matches(&signed.payload)
        {
            return Search { found: Some((change.variant, true)), tried, left: 0 };
        }
    }
    Search { found: None, tried, left: 0 }
}
