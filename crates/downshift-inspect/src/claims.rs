//! Checks the claims of a response's headers against its body.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::evidence::is_type_of;
use crate::expected;
use crate::read::{Documents, Read};
use crate::report::{Claim, ExpectedVerdict, Holds};
use crate::response::Responses;
use crate::text::{Outside, count};

/// The claims of the headers of the document at `own`.
pub(crate) fn claims(documents: &Documents<'_>, own: usize) -> Vec<Claim> {
    let Some(read) = documents.get(own) else { return Vec::new() };
    let Some(responses) = &read.responses else { return Vec::new() };
    let mut claims = Vec::new();
    claims.push(content_type(read, responses));
    claims.extend(digest(documents, own, responses));
    claims.extend(content_length(read, responses));
    claims.extend(content_encoding(responses));
    let is_manifest = read.kind.form().is_some();
    if is_manifest && matches!(responses.head.status, 200 | 304) {
        claims.extend(etag(read, responses));
        claims.push(vary(responses));
        claims.extend(cache_control(responses));
    }
    claims
}

fn claim(code: &'static str, value: Option<&str>, holds: Option<bool>, text: impl Into<String>) -> Claim {
    let holds = match holds {
        Some(true) => Holds::True,
        Some(false) => Holds::False,
        None => Holds::Unclear,
    };
    Claim { code, value: value.map(str::to_owned), holds, text: text.into(), expected: None }
}

fn content_type(read: &Read<'_>, responses: &Responses) -> Claim {
    let code = "content-type";
    let own = read.media_type();
    let Some(value) = responses.header(code) else {
        let text =
            "there is no Content-Type: Docker 1.10 and later, and containerd, then guess by the body or fail";
        return claim(code, None, Some(false), text);
    };
    if read.bytes.is_empty() {
        return claim(code, Some(value), None, "there is no body, as for HEAD");
    }
    let holds = is_type_of(value, read, own);
    let title = read.kind.title();
    let text = match own {
        Some(own) if !holds => format!("the body is {title}, which is served as `{own}`"),
        _ => format!("the body is {title}"),
    };
    claim(code, Some(value), Some(holds), text)
}

fn digest(documents: &Documents<'_>, own: usize, responses: &Responses) -> Option<Claim> {
    let code = "docker-content-digest";
    let read = documents.get(own)?;
    let Some(value) = responses.header(code) else {
        let is_manifest = read.kind.form().is_some();
        let text = "there is no Docker-Content-Digest: Docker 1.6 and 1.7 cannot push or pull by digest then, and HEAD returns none";
        return is_manifest.then(|| claim(code, None, None, text));
    };
    if read.bytes.is_empty() {
        return Some(claim(code, Some(value), None, "there is no body to compare with, as for HEAD"));
    }
    let expected = expected::compare(value, documents, own);
    let holds = match expected.verdict {
        ExpectedVerdict::Unsupported => None,
        verdict => Some(verdict.is_met()),
    };
    let text = match expected.verdict {
        ExpectedVerdict::Bytes if read.payload().is_some() => {
            "it is the digest of all bytes: engines expect the digest of the payload, without the signatures"
                .to_owned()
        }
        _ => expected.text.clone(),
    };
    let holds = if expected.verdict == ExpectedVerdict::Bytes && read.payload().is_some() {
        Some(false)
    } else {
        holds
    };
    Some(Claim { expected: Some(expected), ..claim(code, Some(value), holds, text) })
}

fn content_length(read: &Read<'_>, responses: &Responses) -> Option<Claim> {
    let code = "content-length";
    let value = responses.header(code)?;
    let size = read.bytes.len();
    let Ok(length) = value.parse::<usize>() else {
        return Some(claim(code, Some(value), Some(false), "it is not a number"));
    };
    if size == 0 {
        return Some(claim(code, Some(value), None, "there is no body, as for HEAD"));
    }
    let bytes = |number| count(number, "byte");
    let text = match length.checked_sub(size) {
        Some(0) => format!("the body has {}", bytes(size)),
        Some(missing) => format!("{} of the body are missing", bytes(missing)),
        None => format!("the body that was pasted has {} more", bytes(size.saturating_sub(length))),
    };
    Some(claim(code, Some(value), Some(length == size), text))
}

fn content_encoding(responses: &Responses) -> Option<Claim> {
    let code = "content-encoding";
    let value = responses.header(code).filter(|value| !value.eq_ignore_ascii_case("identity"))?;
    let text = "the body is compressed in transit: Docker 1.5 to 1.9 see no length then, and fail on blobs";
    Some(claim(code, Some(value), None, text))
}

fn etag(read: &Read<'_>, responses: &Responses) -> Option<Claim> {
    let code = "etag";
    let value = responses.header(code)?;
    let opaque = value.strip_prefix("W/").unwrap_or(value).trim_matches('"');
    let digests = &read.digests;
    let is_payload = digests.payload.as_ref().is_some_and(|payload| payload.as_str() == opaque);
    let (holds, text) = if is_payload && !value.starts_with("W/") {
        let text = "it is the digest of the payload, but signatures may differ between responses: a strong ETag must change with the bytes";
        (None, text)
    } else if opaque == digests.registry.as_str() {
        (Some(true), "it is the digest")
    } else if opaque.starts_with("sha256:") {
        (Some(false), "it is the digest of something else")
    } else {
        (None, "it says nothing about the digest")
    };
    Some(claim(code, Some(value), holds, text))
}

fn vary(responses: &Responses) -> Claim {
    let code = "vary";
    let joined = responses.joined(code);
    let names = joined.as_deref().unwrap_or_default().split(',').map(str::trim);
    let varies = names.clone().any(|name| name == "*" || name.eq_ignore_ascii_case("accept"));
    let text = if varies {
        "a shared cache keeps the forms apart"
    } else {
        "without `Vary: Accept` a shared cache may give this form to a client that asked for another"
    };
    claim(code, joined.as_deref(), Some(varies), text)
}

fn cache_control(responses: &Responses) -> Option<Claim> {
    let code = "cache-control";
    let joined = responses.joined(code)?;
    let is_kept = joined.contains("immutable") || joined.contains("max-age");
    let text = if is_kept {
        "right for a response by digest; a tag may move"
    } else {
        "caches revalidate each time, or store nothing"
    };
    Some(claim(code, Some(&Outside(&joined).to_string()), None, text))
}

/// Whether a registry's answer is one of success with a manifest.
pub(crate) fn is_manifest_answer(read: &Read<'_>) -> bool {
    read.kind.form().is_some() && read.responses.as_ref().is_some_and(|found| found.head.status == 200)
}
