//! The public key of a signature: in its header, or in the certificate there.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Encode as _, Header, SliceReader, Tag, TagNumber};
use downshift::jwk::{Jwk, key_id};
use downshift::jws::SignatureBlock;
use spki::SubjectPublicKeyInfoRef;

use crate::verify::Problem;

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
        SubjectPublicKeyInfoRef::from_der(&self.info).ok()?.subject_public_key.as_bytes()
    }
}

fn kind(info: &[u8]) -> Option<KeyKind> {
    let info = SubjectPublicKeyInfoRef::from_der(info).ok()?;
    match info.algorithm.oid {
        EC => {
            let curve = info.algorithm.parameters_oid().ok()?;
            CURVES.into_iter().find(|(oid, _)| *oid == curve).map(|(_, kind)| kind)
        }
        RSA => {
            let mut reader = SliceReader::new(info.subject_public_key.as_bytes()?).ok()?;
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
    let sequence =
        |bytes| AnyRef::from_der(bytes).ok().filter(|any: &AnyRef<'_>| any.header().tag() == Tag::Sequence);
    let certificate = sequence(der)?;
    let mut reader = SliceReader::new(certificate.value()).ok()?;
    let signed = AnyRef::decode(&mut reader).ok()?;
    let mut fields = SliceReader::new(signed.value()).ok()?;
    let mut next = || AnyRef::decode(&mut fields).ok();
    let version = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    // The version is optional; then come serial number, signature, issuer, validity, subject and key.
    let first = next()?;
    if first.header().tag() == version {
        next()?;
    }
    for _ in ["signature", "issuer", "validity"] {
        next()?;
    }
    let subject = name(next()?);
    Some((next()?.to_der().ok()?, subject))
}

/// A name (RFC 5280, 4.1.2.4) as its texts.
fn name(name: AnyRef<'_>) -> String {
    let mut texts = Vec::new();
    let Ok(mut sets) = SliceReader::new(name.value()) else { return String::new() };
    while let Ok(set) = AnyRef::decode(&mut sets) {
        let Ok(mut attributes) = SliceReader::new(set.value()) else { continue };
        while let Ok(attribute) = AnyRef::decode(&mut attributes) {
            let Ok(mut parts) = SliceReader::new(attribute.value()) else { continue };
            let (Ok(_), Ok(value)) = (AnyRef::decode(&mut parts), AnyRef::decode(&mut parts)) else {
                continue;
            };
            let text: String = String::from_utf8_lossy(value.value())
                .chars()
                .filter(|c| !c.is_control())
                .take(128)
                .collect();
            texts.push(text);
        }
    }
    texts.join(", ")
}
