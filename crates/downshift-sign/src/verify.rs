//! Verifies the signatures of a document.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::jws::{self, SignatureBlock, SignedDocument};
use downshift::{Limits, SignatureReading};

use crate::problem::{Problem, VERIFIED_SIGNATURES};
use crate::public_key::{KeyKind, PublicKey};

/// Verifies the signatures of `document` over its recovered payload: the first [`VERIFIED_SIGNATURES`] of them.
///
/// It is verified with the key in the signature's own header, be it in a certificate there, as libtrust and the engines
/// do. Whose key that is, no signature tells: that is for the caller to decide, by the key id. ES256 is verified with
/// the feature `es256`, which is on by default; ES384, ES512, RS256, RS384 and RS512 with `every-algorithm`.
pub fn verify(document: &SignedDocument) -> Verification {
    verify_with(document, |_| None)
}

/// [`verify`], where `decide` may know by its index of a sound signature whether it holds: by others, for algorithms
/// that are not verified here.
pub fn verify_with(document: &SignedDocument, decide: impl Fn(usize) -> Option<bool>) -> Verification {
    let verdict = |(index, block): (usize, &SignatureBlock)| {
        let key = PublicKey::of(block);
        let found = key.as_ref().ok();
        Verdict {
            key_id: found.map(|key| key.id.clone()),
            key: found.map(|key| key.kind.to_string()),
            certificate: found.and_then(|key| key.certificate.clone()),
            algorithm: block.algorithm.clone(),
            outcome: if index < VERIFIED_SIGNATURES {
                key.and_then(|key| check(&key, block, &document.payload, || decide(index)))
            } else {
                Err(Problem::TooManySignatures)
            },
        }
    };
    Verification { verdicts: document.signatures.iter().enumerate().map(verdict).collect() }
}

/// What comes of verifying the signatures of a document, as the core takes it.
#[must_use]
pub fn read_signatures(document: &[u8], limits: &Limits) -> SignatureReading {
    match jws::parse(document, limits) {
        Ok(document) => verify(&document).reading(),
        Err(error) => SignatureReading::Invalid { problem: error.to_string() },
    }
}

/// The key of a signature that is sound, but of an algorithm that is not verified here: as a SubjectPublicKeyInfo
/// (RFC 5280, 4.1), in DER.
#[must_use]
pub fn unsupported_key(block: &SignatureBlock) -> Option<Vec<u8>> {
    let key = PublicKey::of(block).ok()?;
    let outcome = check(&key, block, &[], || None);
    matches!(outcome, Err(Problem::UnsupportedAlgorithm { .. })).then_some(key.info)
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

    /// The same as the core takes it: with the ids of all keys, or why the first that does not hold does not.
    #[must_use]
    pub fn reading(&self) -> SignatureReading {
        let problem = self.verdicts.iter().find_map(|verdict| verdict.outcome.as_ref().err());
        match problem {
            None if self.is_valid() => {
                let keys = self.verdicts.iter().filter_map(|verdict| verdict.key_id.clone()).collect();
                SignatureReading::Valid { keys }
            }
            None => SignatureReading::Invalid { problem: "there are no signatures".to_owned() },
            Some(problem) => SignatureReading::Invalid { problem: problem.to_string() },
        }
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
    /// What kind of key it is, such as `P-256` or `RSA, 2048 bits`.
    pub key: Option<String>,
    /// The subject of the certificate that holds the key, if one does.
    pub certificate: Option<String>,
    /// The algorithm that its header names.
    pub algorithm: String,
    /// Whether it holds, and if not, why.
    pub outcome: Result<(), Problem>,
}

/// The shortest modulus that is still taken for secure (NIST SP 800-131A).
const RSA_BITS: usize = 2048;

fn check(
    key: &PublicKey,
    block: &SignatureBlock,
    payload: &[u8],
    decide: impl Fn() -> Option<bool>,
) -> Result<(), Problem> {
    check_algorithm(key.kind, &block.algorithm)?;
    check_size(key.kind, block.signature.len())?;
    match decide() {
        Some(true) => return Ok(()),
        Some(false) => return Err(Problem::InvalidSignature),
        None => {}
    }
    let bytes = key.bytes().ok_or(Problem::InvalidKey)?;
    match key.kind {
        #[cfg(feature = "es256")]
        KeyKind::P256 => es256(bytes, block, payload),
        kind => other::check(kind, bytes, block, payload),
    }
}

#[cfg(feature = "es256")]
fn es256(key: &[u8], block: &SignatureBlock, payload: &[u8]) -> Result<(), Problem> {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};

    let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| Problem::InvalidKey)?;
    Signature::from_slice(&block.signature)
        .and_then(|signature| key.verify(&block.signing_input(payload), &signature))
        .map_err(|_| Problem::InvalidSignature)
}

/// The key decides on the algorithm (RFC 7518, 3.3 and 3.4): what the header names must agree.
fn check_algorithm(kind: KeyKind, algorithm: &str) -> Result<(), Problem> {
    match (kind, algorithm) {
        (KeyKind::P256, "ES256")
        | (KeyKind::P384, "ES384")
        | (KeyKind::P521, "ES512")
        | (KeyKind::Rsa(_), "RS256" | "RS384" | "RS512") => Ok(()),
        (KeyKind::Rsa(_), algorithm) => {
            Err(Problem::AlgorithmMismatch { algorithm: algorithm.to_owned(), key: "RSA".to_owned() })
        }
        (kind, algorithm) => {
            Err(Problem::AlgorithmMismatch { algorithm: algorithm.to_owned(), key: kind.to_string() })
        }
    }
}

/// A signature has the length of two numbers of the curve's size (RFC 7518, 3.4), or of the modulus (RFC 8017, 8.2).
fn check_size(kind: KeyKind, actual: usize) -> Result<(), Problem> {
    let expected = match kind {
        KeyKind::P256 => 64,
        KeyKind::P384 => 96,
        KeyKind::P521 => 132,
        KeyKind::Rsa(bits) if bits < RSA_BITS => return Err(Problem::ShortKey { bits }),
        KeyKind::Rsa(bits) => bits.div_ceil(8),
    };
    if expected == actual { Ok(()) } else { Err(Problem::SignatureLength { expected, actual }) }
}

/// The algorithms that few documents have.
#[cfg(feature = "every-algorithm")]
mod other {
    use downshift::jws::SignatureBlock;
    use p384::ecdsa::signature::Verifier as _;
    use ring::signature::UnparsedPublicKey;
    use ring::signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    };

    use crate::Problem;
    use crate::public_key::KeyKind;

    pub(super) fn check(
        kind: KeyKind,
        key: &[u8],
        block: &SignatureBlock,
        payload: &[u8],
    ) -> Result<(), Problem> {
        let input = block.signing_input(payload);
        let invalid = Problem::InvalidSignature;
        match kind {
            KeyKind::P384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| Problem::InvalidKey)?;
                let signature = p384::ecdsa::Signature::from_slice(&block.signature);
                signature.and_then(|signature| key.verify(&input, &signature)).map_err(|_| invalid)
            }
            KeyKind::P521 => {
                let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| Problem::InvalidKey)?;
                let signature = p521::ecdsa::Signature::from_slice(&block.signature);
                signature.and_then(|signature| key.verify(&input, &signature)).map_err(|_| invalid)
            }
            KeyKind::P256 | KeyKind::Rsa(_) => {
                let algorithm = match block.algorithm.as_str() {
                    "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &RSA_PKCS1_2048_8192_SHA384,
                    _ => &RSA_PKCS1_2048_8192_SHA512,
                };
                UnparsedPublicKey::new(algorithm, key).verify(&input, &block.signature).map_err(|_| invalid)
            }
        }
    }
}

#[cfg(not(feature = "every-algorithm"))]
mod other {
    use downshift::jws::SignatureBlock;

    use crate::Problem;
    use crate::public_key::KeyKind;

    pub(super) fn check(_: KeyKind, _: &[u8], block: &SignatureBlock, _: &[u8]) -> Result<(), Problem> {
        Err(Problem::UnsupportedAlgorithm { algorithm: block.algorithm.clone() })
    }
}
