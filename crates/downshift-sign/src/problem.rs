//! Why a signature does not hold.

use alloc::string::String;
use core::fmt;

use crate::error::Outside;

/// How many signatures of one document are verified.
///
/// Each covers the whole payload behind a header of its own, so that nothing is hashed once for all of them: a document
/// of 4 MiB has room for thousands, which would take minutes. Every document found so far has one; libtrust lets each
/// party to a manifest add its own.
pub const VERIFIED_SIGNATURES: usize = 16;

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
    /// The first certificate of the chain (`x5c`) cannot be read.
    InvalidCertificate,
    /// The key's coordinates are not on its curve, or it is of an unknown kind.
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
    /// The key is of RSA and too short to prove anything.
    ShortKey {
        /// Bits of its modulus.
        bits: usize,
    },
    /// So many signatures precede it that it is not verified: see [`VERIFIED_SIGNATURES`].
    TooManySignatures,
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
            Self::InvalidCertificate => "invalid-certificate",
            Self::InvalidKey => "invalid-key",
            Self::InvalidSignature => "invalid-signature",
            Self::MissingKey => "missing-key",
            Self::ShortKey { .. } => "short-key",
            Self::SignatureLength { .. } => "signature-length",
            Self::TooManySignatures => "too-many-signatures",
            Self::UnsupportedAlgorithm { .. } => "unsupported-algorithm",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlgorithmMismatch { algorithm, key } => {
                write!(
                    f,
                    "the algorithm `{}` does not belong to a `{}` key",
                    Outside(algorithm),
                    Outside(key)
                )
            }
            Self::InvalidCertificate => {
                f.write_str("the first certificate of the chain (`x5c`) cannot be read")
            }
            Self::InvalidKey => f.write_str("the key is not a point on its curve, or is of an unknown kind"),
            Self::InvalidSignature => f.write_str("this key did not sign this payload"),
            Self::MissingKey => f.write_str("the signature has no key"),
            Self::SignatureLength { expected, actual } => {
                write!(f, "the signature has `{actual}` bytes instead of `{expected}`")
            }
            Self::ShortKey { bits } => {
                write!(f, "an RSA key of `{bits}` bits is too short to prove anything")
            }
            Self::TooManySignatures => {
                write!(f, "it is not verified: only the first `{VERIFIED_SIGNATURES}` of a document are")
            }
            Self::UnsupportedAlgorithm { algorithm } => {
                write!(f, "the algorithm `{}` cannot be verified here", Outside(algorithm))
            }
        }
    }
}

impl core::error::Error for Problem {}
