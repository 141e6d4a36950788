//! Content digests: `sha256:` and 64 lower-case hexadecimal digits.

mod parse;

use alloc::string::{String, ToString};
use core::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The digest of a document or blob, in the spelling of the OCI image specification (descriptor.md, "Digests").
///
/// The algorithm is `sha256`, `sha384` or `sha512`, the three that registries accept; the hexadecimal part is lower
/// case and has the length that the algorithm asks for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// The gzipped tar of nothing (1,024 zero bytes) that schema 1 names wherever an image has no layer: see
    /// [`EMPTY_LAYER`].
    pub const EMPTY_LAYER: &'static str =
        "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";

    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        text.push_str(&hex(&Sha256::digest(bytes)));
        Self(text)
    }

    /// The digest of the empty layer.
    #[must_use]
    pub fn empty_layer() -> Self {
        Self(Self::EMPTY_LAYER.to_string())
    }

    /// The whole text, `algorithm:hex`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the colon.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The part after the colon.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// Whether `bytes` have this digest. SHA-384 and SHA-512 are checked by their own algorithm.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        match self.algorithm() {
            "sha256" => *self == Self::of(bytes),
            "sha384" => hex(&sha2::Sha384::digest(bytes)) == self.hex(),
            _ => hex(&sha2::Sha512::digest(bytes)) == self.hex(),
        }
    }
}

/// `bytes` in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

pub(crate) fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The bytes of the empty layer: 1,024 zero bytes, gzipped as Go's `compress/gzip` does it.
///
/// Docker ≤ 1.9 downloads it for every history entry without a layer, so every registry that serves schema 1 must
/// have it. Its digest is [`Digest::EMPTY_LAYER`].
pub const EMPTY_LAYER: [u8; 32] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x09, 0x6e, 0x88, 0x00, 0xff, 0x62, 0x18, 0x05, 0xa3, 0x60, 0x14, 0x8c,
    0x58, 0x00, 0x08, 0x00, 0x00, 0xff, 0xff, 0x2e, 0xaf, 0xb5, 0xef, 0x00, 0x04, 0x00, 0x00,
];
