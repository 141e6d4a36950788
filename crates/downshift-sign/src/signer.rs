//! Ways to sign with the same key.

use downshift::jwk::Jwk;
use downshift::jws::Signature;
use p256::ecdsa::{self, SigningKey, signature::Signer as _};
#[cfg(feature = "ring")]
use ring::rand::SystemRandom;
#[cfg(feature = "ring")]
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
#[cfg(feature = "ring")]
use zeroize::Zeroizing;

use crate::{KeyError, PrivateKey, mac};

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

    /// A message authentication code of `message`, with a key that is made of this one: whoever has the same key has the same
    /// codes, and nobody else can make any.
    #[must_use]
    pub fn mac(&self, message: &[u8]) -> [u8; 32] {
        mac::of(&self.key, message)
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

/// Signs as [`P256Signer`] does, with the same signatures, in a third of the time: graviola multiplies the curve's base
/// point, which is what takes long. Where the processor lacks what graviola needs, it is no faster.
#[cfg(feature = "graviola")]
pub struct GraviolaSigner {
    portable: P256Signer,
}

#[cfg(feature = "graviola")]
impl GraviolaSigner {
    /// A signer with this key.
    #[must_use]
    pub fn new(key: &PrivateKey) -> Self {
        Self { portable: P256Signer::new(key) }
    }

    /// A message authentication code of `message`, with a key that is made of this one: whoever has the same key has the same
    /// codes, and nobody else can make any.
    #[must_use]
    pub fn mac(&self, message: &[u8]) -> [u8; 32] {
        self.portable.mac(message)
    }
}

#[cfg(feature = "graviola")]
impl Signer for GraviolaSigner {
    fn public_key(&self) -> &Jwk {
        &self.portable.public
    }

    fn sign(&self, signing_input: &[u8]) -> Result<Signature, KeyError> {
        if !accelerated::is_supported() {
            return self.portable.sign(signing_input);
        }
        let signature = accelerated::sign(self.portable.key.as_nonzero_scalar(), signing_input);
        Ok(es256(&self.portable.public, &signature.to_bytes()))
    }
}

/// The steps of a signature, of which graviola's interface has the one that takes long.
#[cfg(all(feature = "graviola", any(target_arch = "aarch64", target_arch = "x86_64")))]
mod accelerated {
    use graviola::key_agreement::p256::StaticPrivateKey;
    use p256::ecdsa::Signature;
    use p256::elliptic_curve::Curve as _;
    use p256::elliptic_curve::ops::{Invert as _, Reduce as _};
    use p256::{FieldBytes, NistP256, NonZeroScalar, Scalar, U256};
    use rfc6979::KGenerator;
    use sha2::{Digest as _, Sha256};
    use zeroize::Zeroizing;

    pub(super) use graviola::util::is_cpu_supported as is_supported;

    /// Signs with SHA-256 as in FIPS 186-5, 6.4.1, with a nonce of RFC 6979, 3.2.
    pub(super) fn sign(key: &NonZeroScalar, message: &[u8]) -> Signature {
        let hash = Sha256::digest(message);
        let key_bytes = Zeroizing::new(key.to_bytes());
        let mut nonces = KGenerator::<Sha256, U256>::new(&key_bytes, &hash, &[], &NistP256::ORDER);
        loop {
            let mut nonce = Zeroizing::new(FieldBytes::default());
            nonces.fill_next_k(&mut nonce);
            // The next one, in the case that never comes: that a half of the signature is zero.
            if let Some(signature) = with_nonce(key, &hash, &nonce) {
                return signature;
            }
        }
    }

    fn with_nonce(key: &NonZeroScalar, hash: &FieldBytes, nonce: &FieldBytes) -> Option<Signature> {
        let point = StaticPrivateKey::from_bytes(nonce).ok()?.public_key_uncompressed();
        let x = FieldBytes::try_from(&point[1..33]).expect("a coordinate has 32 bytes");
        let inverse = Zeroizing::new(NonZeroScalar::from_repr(*nonce).into_option()?.invert());
        let r = Scalar::reduce(&x);
        let s = **inverse * (Scalar::reduce(hash) + r * **key);
        Signature::from_scalars(r, s).ok()
    }
}

/// graviola is not for this processor.
#[cfg(all(feature = "graviola", not(any(target_arch = "aarch64", target_arch = "x86_64"))))]
mod accelerated {
    use p256::NonZeroScalar;
    use p256::ecdsa::Signature;

    pub(super) fn is_supported() -> bool {
        false
    }

    pub(super) fn sign(_: &NonZeroScalar, _: &[u8]) -> Signature {
        unreachable!("it is not supported")
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
