//! Signatures of schema 1, verified.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::Digest;
use downshift::jws::{self, SignedDocument};
use downshift_json::Value;
use downshift_sign::{Problem, VERIFIED_SIGNATURES, Verdict};

use crate::given::Given;
use crate::limits::Limits;
use crate::read::{Read, has_signatures};
use crate::report::{Anatomy, SignatureReport, SignatureVerdict, Span};
use crate::response::Responses;
use crate::text::Outside;

/// A signature that others have to verify, as WebCrypto takes it.
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

/// The verdict of others on a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The document: an index.
    pub document: usize,
    /// The signature: an index.
    pub signature: usize,
    /// Whether it holds.
    pub holds: bool,
}

const VALID: &str = "the payload is as the holder of this key signed it; the key came with the signature, so this does not say who that is";

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

fn reports(verdicts: &[Verdict], signed: &SignedDocument) -> Vec<SignatureReport> {
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
            (SignatureVerdict::Valid, format!("{VALID}; nobody checks the certificate that it came in"))
        }
        None => (SignatureVerdict::Valid, VALID.to_owned()),
        Some(problem @ (Problem::TooManySignatures | Problem::UnsupportedAlgorithm { .. })) => {
            (SignatureVerdict::Unchecked, problem.to_string())
        }
        Some(problem) => (SignatureVerdict::Invalid, problem.to_string()),
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

/// Verifies the signatures of a signed document: whether all hold, the digest of the payload, and a report on each.
///
/// # Errors
/// As [`downshift::jws::parse`].
pub fn verify(
    bytes: &[u8],
    checked: &[Checked],
) -> Result<(bool, Digest, Vec<SignatureReport>), downshift::Error> {
    let signed = jws::parse(bytes, &Limits::core())?;
    let decide = |signature: usize| {
        checked
            .iter()
            .find(|found| (found.document, found.signature) == (0, signature))
            .map(|found| found.holds)
    };
    let verification = downshift_sign::verify_with(&signed, decide);
    let reports = reports(verification.verdicts(), &signed);
    Ok((verification.is_valid(), Digest::of(&signed.payload), reports))
}

/// The signatures of documents that are not verified here, for those who can.
#[must_use]
pub fn unchecked(given: &[Given<'_>]) -> Vec<Unchecked> {
    let mut all = Vec::new();
    for (document, given) in given.iter().enumerate() {
        let responses = Responses::parse(given.bytes);
        let bytes = responses.map_or(given.bytes, |found| found.body.of(given.bytes));
        // Most have none, and need not be read for that.
        if !has_signatures(bytes) {
            continue;
        }
        let Ok(signed) = jws::parse(bytes, &Limits::core()) else { continue };
        for (signature, block) in signed.signatures.iter().enumerate().take(VERIFIED_SIGNATURES) {
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
