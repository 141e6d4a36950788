//! The public key of a signature: in its header, or in the certificate there.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Encode as _, Header, SliceReader, Tag};
use downshift::jwk::{Jwk, key_id};
use downshift::jws::SignatureBlock;

use crate::error::Outside;
use crate::problem::Problem;
use crate::values::{Values, context_specific};

/// A public key, as it verifies a signature.
pub(crate) struct PublicKey {
    /// The key as a SubjectPublicKeyInfo (RFC 5280, 4.1), in DER.
    pub(crate) info: Vec<u8>,
    pub(crate) id: String,
    pub(crate) kind: KeyKind,
    /// The subject of the certificate that holds it.
    pub(crate) certificate: Option<String>,
}

/// What a key can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    P256,
    P384,
    P521,
    /// With the number of bits of its modulus.
    Rsa(usize),
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::P521 => f.write_str("P-521"),
            Self::Rsa(bits) => write!(f, "RSA, {bits} bits"),
        }
    }
}

/// id-ecPublicKey (RFC 5480, 2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// rsaEncryption (RFC 3279, 2.3.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// The curves of RFC 5480, 2.1.1.1.
const CURVES: [(ObjectIdentifier, KeyKind); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), KeyKind::P256),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), KeyKind::P384),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), KeyKind::P521),
];

impl PublicKey {
    /// The key of a signature. As in libtrust, a certificate chain wins over a `jwk` beside it.
    pub(crate) fn of(block: &SignatureBlock) -> Result<Self, Problem> {
        if let Some(leaf) = block.chain.first() {
            let (info, subject) = read_certificate(leaf).ok_or(Problem::InvalidCertificate)?;
            let kind = kind(&info).ok_or(Problem::InvalidKey)?;
            return Ok(Self { id: key_id(&info), info, kind, certificate: Some(subject) });
        }
        let jwk: &Jwk = block.key.as_ref().ok_or(Problem::MissingKey)?;
        let info = jwk.public_key_info().ok_or(Problem::InvalidKey)?;
        let kind = kind(&info).ok_or(Problem::InvalidKey)?;
        Ok(Self { id: jwk.kid().to_owned(), info, kind, certificate: None })
    }

    /// The key itself: a point of its curve, or RSA's two numbers.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        PublicKeyInfo::read(&self.info).map(|info| info.key)
    }
}

/// `SubjectPublicKeyInfo` (RFC 5280, 4.1).
struct PublicKeyInfo<'a> {
    algorithm: ObjectIdentifier,
    curve: Option<ObjectIdentifier>,
    key: &'a [u8],
}

impl<'a> PublicKeyInfo<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut values = Values::of_sequence(der)?;
        let (algorithm, curve) = values.take_algorithm()?;
        let key = values.take_bytes()?;
        values.is_empty().then_some(Self { algorithm, curve, key })
    }
}

fn kind(info: &[u8]) -> Option<KeyKind> {
    let info = PublicKeyInfo::read(info)?;
    match info.algorithm {
        EC => {
            let curve = info.curve?;
            CURVES.into_iter().find(|(oid, _)| *oid == curve).map(|(_, kind)| kind)
        }
        RSA => {
            let mut reader = SliceReader::new(info.key).ok()?;
            let header = Header::decode(&mut reader).ok()?;
            let modulus =
                (header.tag() == Tag::Sequence).then(|| AnyRef::decode(&mut reader).ok()).flatten()?;
            let zeros = modulus.value().iter().take_while(|&&byte| byte == 0).count();
            let first = modulus.value().get(zeros)?.leading_zeros() as usize;
            Some(KeyKind::Rsa((modulus.value().len() - zeros) * 8 - first))
        }
        _ => None,
    }
}

/// The key of a certificate and its subject on one line (RFC 5280, 4.1). Nothing else in it is looked at: engines
/// verify no chain either.
fn read_certificate(der: &[u8]) -> Option<(Vec<u8>, String)> {
    let mut certificate = Values::of_sequence(der)?;
    let mut fields = Values::new(certificate.next()?.value())?;
    // The version is optional; then come serial number, signature, issuer, validity, subject and key.
    fields.take(context_specific(0, true));
    for _ in ["serial number", "signature", "issuer", "validity"] {
        fields.next()?;
    }
    let subject = name(fields.next()?);
    Some((fields.next()?.to_der().ok()?, subject))
}

/// A name (RFC 5280, 4.1.2.4) as its texts.
fn name(name: AnyRef<'_>) -> String {
    let mut texts = Vec::new();
    let Some(mut sets) = Values::new(name.value()) else { return String::new() };
    while let Some(set) = sets.next() {
        let Some(mut attributes) = Values::new(set.value()) else { continue };
        while let Some(attribute) = attributes.next() {
            let Some(mut parts) = Values::new(attribute.value()) else { continue };
            let (Some(_), Some(value)) = (parts.next(), parts.next()) else { continue };
            texts.push(Outside(&String::from_utf8_lossy(value.value())).to_string());
        }
    }
    texts.join(", ")
}
