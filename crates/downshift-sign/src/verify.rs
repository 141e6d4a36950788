//! Do the signatures of a document hold?

use core::fmt;

use downshift::jwk::Jwk;
use downshift::jws::{SignatureBlock, SignedDocument};
use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};

use crate::error::Outside;

/// Verifies each signature of `document` over its recovered payload.
///
/// ES256 is verified, with the key in the signature's own header, as libtrust and the engines do. Whose key that is,
/// no signature tells: that is for the caller to decide, by the key id.
pub fn verify(document: &SignedDocument) -> Verification {
    let verdict = |block: &SignatureBlock| Verdict {
        key_id: block.key.as_ref().map(|key| key.kid().to_owned()),
        algorithm: block.algorithm.clone(),
        outcome: check(block, &document.payload),
    };
    Verification { verdicts: document.signatures.iter().map(verdict).collect() }
}

/// What came of the signatures of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a document is verified only if `is_valid` says so"]
pub struct Verification {
    verdicts: Vec<Verdict>,
}

impl Verification {
    /// Whether there is a signature, and every one holds.
    ///
    /// libtrust takes a document whose list of signatures is empty for verified; this does not.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(|verdict| verdict.outcome.is_ok())
    }

    /// One verdict for each signature, in the document's order. Use [`is_valid`](Self::is_valid) to decide: that none
    /// is bad is also true where there are none.
    #[must_use]
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

/// What came of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The id of the key in its header, if there is one.
    pub key_id: Option<String>,
    /// The algorithm that its header names.
    pub algorithm: String,
    /// Whether it holds, and if not, why.
    pub outcome: Result<(), Problem>,
}

/// Why a signature does not hold, or cannot be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The algorithm is not that of the key.
    AlgorithmMismatch {
        /// The algorithm that the header names.
        algorithm: String,
        /// The key's curve, or its type where it has none.
        key: String,
    },
    /// The key stands in a certificate chain (`x5c`), which is not read.
    ChainUnsupported,
    /// The key's coordinates are not on its curve.
    InvalidKey,
    /// Another payload, another protected header or another key was signed.
    InvalidSignature,
    /// The header has no key.
    MissingKey,
    /// The signature does not have the length that its algorithm gives it.
    SignatureLength {
        /// Bytes that the algorithm makes.
        expected: usize,
        /// Bytes that came.
        actual: usize,
    },
    /// The algorithm fits the key, but is not verified here.
    UnsupportedAlgorithm {
        /// The algorithm.
        algorithm: String,
    },
}

impl Problem {
    /// The stable machine code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlgorithmMismatch { .. } => "algorithm-mismatch",
            Self::ChainUnsupported => "chain-unsupported",
            Self::InvalidKey => "invalid-key",
            Self::InvalidSignature => "invalid-signature",
            Self::MissingKey => "missing-key",
            Self::SignatureLength { .. } => "signature-length",
            Self::UnsupportedAlgorithm { .. } => "unsupported-algorithm",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlgorithmMismatch { algorithm, key } => {
                write!(f, "the algorithm `{}` is not that of a `{}` key", Outside(algorithm), Outside(key))
            }
            Self::ChainUnsupported => {
                f.write_str("the key is in a certificate chain (`x5c`), which is not read")
            }
            Self::InvalidKey => f.write_str("the key is not a point of its curve"),
            Self::InvalidSignature => f.write_str("the signature is not one of this key over this payload"),
            Self::MissingKey => f.write_str("the signature comes without a key"),
            Self::SignatureLength { expected, actual } => {
                write!(f, "the signature has `{actual}` bytes instead of `{expected}`")
            }
            Self::UnsupportedAlgorithm { algorithm } => {
                write!(f, "the algorithm `{}` is not supported, only `ES256`", Outside(algorithm))
            }
        }
    }
}

impl core::error::Error for Problem {}

/// Bytes of an ES256 signature (RFC 7518, 3.4).
const ES256_LENGTH: usize = 64;

fn check(block: &SignatureBlock, payload: &[u8]) -> Result<(), Problem> {
    // A chain wins over a `jwk` beside it, so without reading it there is no saying whose signature this is.
    if !block.chain.is_empty() {
        return Err(Problem::ChainUnsupported);
    }
    let key = block.key.as_ref().ok_or(Problem::MissingKey)?;
    check_algorithm(key, &block.algorithm)?;

    let actual = block.signature.len();
    if actual != ES256_LENGTH {
        return Err(Problem::SignatureLength { expected: ES256_LENGTH, actual });
    }
    let key = verifying_key(key).ok_or(Problem::InvalidKey)?;
    Signature::from_slice(&block.signature)
        .and_then(|signature| key.verify(&block.signing_input(payload), &signature))
        .map_err(|_| Problem::InvalidSignature)
}

/// The key decides on the algorithm (RFC 7518, 3.3 and 3.4): what the header names must agree.
fn check_algorithm(key: &Jwk, algorithm: &str) -> Result<(), Problem> {
    // The type first: an RSA key may carry stray members of a curve.
    let kind = match key.member("kty") {
        Some("EC") => key.member("crv"),
        other => other,
    };
    match (kind.unwrap_or_default(), algorithm) {
        ("P-256", "ES256") => Ok(()),
        ("P-384", "ES384") | ("P-521", "ES512") | ("RSA", "RS256" | "RS384" | "RS512") => {
            Err(Problem::UnsupportedAlgorithm { algorithm: algorithm.to_owned() })
        }
        (key, algorithm) => {
            Err(Problem::AlgorithmMismatch { algorithm: algorithm.to_owned(), key: key.to_owned() })
        }
    }
}

fn verifying_key(key: &Jwk) -> Option<VerifyingKey> {
    // An uncompressed point (SEC 1, 2.3.3).
    let point = [vec![4], key.bytes("x")?, key.bytes("y")?].concat();
    VerifyingKey::from_sec1_bytes(&point).ok()
}
