//! libtrust's JSON signatures, as in a signed schema 1 manifest.

use alloc::string::String;
use alloc::vec::Vec;

use crate::jwk::Jwk;
use crate::{Error, Limits};

/// A signature to seal a document with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The public key that verifies it.
    pub key: Jwk,
    /// The algorithm's name in JWS, such as `ES256`.
    pub algorithm: &'static str,
    /// The signature as JWS has it: for ES256 the numbers r and s, 32 bytes each.
    pub bytes: Vec<u8>,
}

/// A signed document, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDocument {
    /// What the signatures cover. Whatever else the document holds is not signed and must not be believed.
    pub payload: Vec<u8>,
    /// One block for each signature, in the document's order.
    pub signatures: Vec<SignatureBlock>,
}

/// One signature of a signed document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureBlock {
    /// The algorithm that its header names.
    pub algorithm: String,
    /// The public key in its header, if there is one.
    pub key: Option<Jwk>,
    /// The certificate chain in its header (DER, leaf first), empty if there is none.
    pub chain: Vec<Vec<u8>>,
    /// The protected header as it stands in the document.
    pub protected: String,
    /// The time that the protected header names, as written there.
    pub time: Option<String>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl SignatureBlock {
    /// The bytes that this signature covers: its own protected header, a dot, and `payload` in base64url.
    #[must_use]
    pub fn signing_input(&self, payload: &[u8]) -> Vec<u8> {
        let _ = payload;
        Vec::new()
    }
}

/// Takes a signed document apart.
///
/// # Errors
/// [`Error::InvalidJson`], [`Error::InvalidSignature`] or [`Error::LimitExceeded`].
pub fn parse(document: &[u8], limits: &Limits) -> Result<SignedDocument, Error> {
    let _ = (document, limits);
    Err(Error::InvalidSignature { problem: "no signatures" })
}
