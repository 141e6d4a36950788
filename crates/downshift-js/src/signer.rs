//! Keys on P-256, and signatures that are the same wherever the same key signs the same bytes.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift_sign::{KeyError, P256Signer, PrivateKey, Signer as _};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::js_error::JsError;

/// A private key that signs.
#[wasm_bindgen]
pub struct P256 {
    key: PrivateKey,
    signer: P256Signer,
}

#[wasm_bindgen]
impl P256 {
    /// Reads a key file: PEM (SEC1 or PKCS#8) or JWK.
    pub fn parse(file: &[u8]) -> Result<Self, JsError> {
        Ok(Self::of(PrivateKey::parse(file)?))
    }

    /// Makes a key.
    pub fn generate() -> Result<Self, JsError> {
        Ok(Self::of(PrivateKey::generate()?))
    }

    /// Signs: the numbers r and s, 32 bytes each.
    pub fn sign(&self, input: &[u8]) -> Result<Vec<u8>, JsError> {
        Ok(self.signer.sign(input)?.bytes)
    }

    /// The message authentication code of a text, 32 bytes.
    pub fn mac(&self, text: &str) -> Vec<u8> {
        self.signer.mac(text.as_bytes()).to_vec()
    }

    /// A member of the public key, such as `x` or `kid`.
    pub fn member(&self, name: &str) -> Option<String> {
        self.key.public_key().member(name).map(str::to_owned)
    }

    /// The private key as a JWK, as libtrust writes it.
    #[wasm_bindgen(js_name = toJwk)]
    pub fn to_jwk(&self) -> String {
        self.key.to_jwk().to_string()
    }
}

impl P256 {
    fn of(key: PrivateKey) -> Self {
        Self { signer: P256Signer::new(&key), key }
    }
}

impl From<KeyError> for JsError {
    fn from(error: KeyError) -> Self {
        downshift::Failure::from(error).into()
    }
}
