//! Signatures of schema 1, verified.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift_json::Value;
use downshift_sign::{Problem, Verdict};
use serde::Serialize;

use crate::read::Read;
use crate::report::{Anatomy, Span};
use crate::text::Outside;

/// What comes of a signature.
#[derive(Clone, Debug, Serialize)]
pub struct SignatureReport {
    /// The algorithm that its header names.
    pub algorithm: String,
    /// The id of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The kind of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The subject of the certificate that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The time in the protected header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `valid`, `invalid` or `unchecked`.
    pub verdict: &'static str,
    /// The code of what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// What the verdict says.
    pub text: String,
    /// Where its block is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

/// A signature that others have to verify: what WebCrypto wants to know for it.
#[derive(Clone, Debug)]
pub struct Unchecked {
    /// The document: an index.
    pub document: usize,
    /// The signature: an index.
    pub signature: usize,
    /// The algorithm, such as `RS256`.
    pub algorithm: String,
    /// The key as a SubjectPublicKeyInfo, in DER.
    pub key: Vec<u8>,
    /// The bytes that are signed.
    pub input: Vec<u8>,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// What others say of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The document: an index.
    pub document: usize,
    /// The signature: an index.
    pub signature: usize,
    /// Whether it holds.
    pub holds: bool,
}

const VALID: &str = "the payload is as it was signed by whoever holds this key; the key came with the signature, so that says nothing about who that is";

/// The signatures of a document that has some.
pub(crate) fn signatures(read: &Read<'_>, index: usize, checked: &[Checked]) -> Vec<SignatureReport> {
    let Some(signed) = read.signed() else { return Vec::new() };
    let decide = |signature: usize| {
        let found = checked.iter().find(|found| (found.document, found.signature) == (index, signature));
        found.map(|found| found.holds)
    };
    let verification = downshift_sign::verify_with(signed, decide);
    let blocks = read.root().and_then(|root| root.member("signatures"));
    let spans = blocks.into_iter().flat_map(Value::elements).map(|block| Span::from(block.span()));
    let mut reports: Vec<SignatureReport> = reports(verification.verdicts(), signed);
    for (report, span) in reports.iter_mut().zip(spans) {
        report.span = Some(span);
    }
    reports
}

fn reports(verdicts: &[Verdict], signed: &downshift::jws::SignedDocument) -> Vec<SignatureReport> {
    verdicts
        .iter()
        .zip(&signed.signatures)
        .map(|(verdict, block)| report(verdict, block.time.clone()))
        .collect()
}

fn report(verdict: &Verdict, time: Option<String>) -> SignatureReport {
    let problem = verdict.outcome.as_ref().err();
    let (name, text) = match problem {
        None if verdict.certificate.is_some() => {
            ("valid", format!("{VALID}; nobody checks the certificate that it came in"))
        }
        None => ("valid", VALID.to_owned()),
        Some(problem @ Problem::UnsupportedAlgorithm { .. }) => ("unchecked", problem.to_string()),
        Some(problem) => ("invalid", problem.to_string()),
    };
    SignatureReport {
        algorithm: Outside(&verdict.algorithm).to_string(),
        key_id: verdict.key_id.clone(),
        key: verdict.key.clone(),
        certificate: verdict.certificate.clone(),
        time,
        verdict: name,
        code: problem.map(Problem::code),
        text,
        span: None,
    }
}

/// What comes of each signature of a signed document: whether all hold, the digest of the payload, and the signatures.
///
/// # Errors
/// As [`downshift::jws::parse`].
pub fn verify(
    bytes: &[u8],
    checked: &[Checked],
) -> Result<(bool, downshift::Digest, Vec<SignatureReport>), downshift::Error> {
    let signed = downshift::jws::parse(bytes, &crate::Limits::core())?;
    let decide = |signature: usize| {
        checked
            .iter()
            .find(|found| (found.document, found.signature) == (0, signature))
            .map(|found| found.holds)
    };
    let verification = downshift_sign::verify_with(&signed, decide);
    let reports = reports(verification.verdicts(), &signed);
    Ok((verification.is_valid(), downshift::Digest::of(&signed.payload), reports))
}

/// The signatures of documents that are not verified here, for those who can.
#[must_use]
pub fn unchecked(given: &[crate::Given<'_>]) -> Vec<Unchecked> {
    let mut all = Vec::new();
    for (document, given) in given.iter().enumerate() {
        let responses = crate::response::Responses::parse(given.bytes);
        let bytes = responses.map_or(given.bytes, |found| found.body.of(given.bytes));
        // Most have none, and need not be read for that.
        if !has_signatures(bytes) {
            continue;
        }
        let Ok(signed) = downshift::jws::parse(bytes, &crate::Limits::core()) else { continue };
        for (signature, block) in signed.signatures.iter().enumerate() {
            let Some(key) = downshift_sign::unsupported_key(block) else { continue };
            all.push(Unchecked {
                document,
                signature,
                algorithm: block.algorithm.clone(),
                key,
                input: block.signing_input(&signed.payload),
                bytes: block.signature.clone(),
            });
        }
    }
    all
}

/// How payload and signatures lie in a signed document.
pub(crate) fn anatomy(read: &Read<'_>) -> Option<Anatomy> {
    let signed = read.signed().filter(|_| read.error.is_none())?;
    let signatures = read.root()?.member("signatures")?.span();
    let tail = signed.payload.get(signed.format_length..).unwrap_or_default();
    Some(Anatomy {
        head: Span { start: 0, end: signed.format_length },
        // From the comma before its name.
        signatures: Span { start: signed.format_length.min(signatures.end), end: signatures.end },
        tail: String::from_utf8_lossy(tail).into_owned(),
        payload_size: signed.payload.len(),
    })
}

/// Whether a document may have a member `signatures`. From the end, near which it stands.
pub(crate) fn has_signatures(bytes: &[u8]) -> bool {
    const NAME: &[u8] = b"\"signatures\"";
    let mut rest = bytes;
    while let Some(at) = rest.iter().rposition(|&byte| byte == b's') {
        // The last letter of the name.
        if bytes.get(..at.saturating_add(2)).is_some_and(|head| head.ends_with(NAME)) {
            return true;
        }
        rest = rest.get(..at).unwrap_or_default();
    }
    false
}
