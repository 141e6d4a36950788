//! Ways to sign with the same key.

use downshift::jwk::Jwk;
use downshift::jws::Signature;
use p256::ecdsa::{self, SigningKey, signature::Signer as _};
#[cfg(feature = "ring")]
use ring::rand::SystemRandom;
#[cfg(feature = "ring")]
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
#[cfg(feature = "crrl")]
use sha2::{Digest as _, Sha256};
#[cfg(any(feature = "crrl", feature = "ring"))]
use zeroize::Zeroizing;

use crate::{KeyError, PrivateKey};

/// Whoever holds the key that a document is signed with.
pub trait Signer {
    /// The public key that verifies the signatures.
    fn public_key(&self) -> &Jwk;

    /// Signs the bytes that the core asks to be signed.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] if the signature needs random numbers and there are none.
    fn sign(&self, signing_input: &[u8]) -> Result<Signature, KeyError>;
}

/// Signs with nonces made from key and message (RFC 6979), so that every place with the same key makes the same
/// document.
///
/// As with libtrust, `s` is what it comes out as, be it in the upper half of the range or not.
pub struct P256Signer {
    key: SigningKey,
    public: Jwk,
}

impl P256Signer {
    /// A signer with this key.
    #[must_use]
    pub fn new(key: &PrivateKey) -> Self {
        Self { key: SigningKey::from(key.secret()), public: key.public_key().clone() }
    }
}

impl Signer for P256Signer {
    fn public_key(&self) -> &Jwk {
        &self.public
    }

    fn sign(&self, signing_input: &[u8]) -> Result<Signature, KeyError> {
        let signature: ecdsa::Signature = self.key.sign(signing_input);
        Ok(es256(&self.public, &signature.to_bytes()))
    }
}

/// Signs as [`P256Signer`] does, with the same signatures, in half the time.
///
/// crrl does not clear its copy of the key when it is dropped.
#[cfg(feature = "crrl")]
pub struct CrrlSigner {
    key: crrl::p256::PrivateKey,
    public: Jwk,
}

#[cfg(feature = "crrl")]
impl CrrlSigner {
    /// A signer with this key.
    #[must_use]
    pub fn new(key: &PrivateKey) -> Self {
        let scalar = Zeroizing::new(key.secret().to_bytes());
        let decoded = crrl::p256::PrivateKey::decode(&scalar);
        let crrl_key = decoded.expect("a private key is in the curve's range");
        Self { key: crrl_key, public: key.public_key().clone() }
    }
}

#[cfg(feature = "crrl")]
impl Signer for CrrlSigner {
    fn public_key(&self) -> &Jwk {
        &self.public
    }

    fn sign(&self, signing_input: &[u8]) -> Result<Signature, KeyError> {
        // Without randomness of its own, and so as RFC 6979 says.
        let signature = self.key.sign_hash(&Sha256::digest(signing_input), &[]);
        Ok(es256(&self.public, &signature))
    }
}

/// Signs with random nonces, several times as fast as [`P256Signer`].
///
/// ring does not clear its copy of the key when it is dropped.
#[cfg(feature = "ring")]
pub struct RingSigner {
    key: EcdsaKeyPair,
    random: SystemRandom,
    public: Jwk,
}

#[cfg(feature = "ring")]
impl RingSigner {
    /// A signer with this key.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn new(key: &PrivateKey) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let scalar = Zeroizing::new(key.secret().to_bytes());
        let point = key.secret().public_key().to_sec1_bytes();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &scalar,
            &point,
            &random,
        );
        // The halves of a private key always fit, so all that can fail is the random number that ring adds to it.
        let pair = pair.map_err(|_| KeyError::NoRandomness)?;
        Ok(Self { key: pair, random, public: key.public_key().clone() })
    }
}

#[cfg(feature = "ring")]
impl Signer for RingSigner {
    fn public_key(&self) -> &Jwk {
        &self.public
    }

    fn sign(&self, signing_input: &[u8]) -> Result<Signature, KeyError> {
        let signature = self.key.sign(&self.random, signing_input).map_err(|_| KeyError::NoRandomness)?;
        Ok(es256(&self.public, signature.as_ref()))
    }
}

fn es256(key: &Jwk, bytes: &[u8]) -> Signature {
    Signature { key: key.clone(), algorithm: "ES256", bytes: bytes.to_vec() }
}
