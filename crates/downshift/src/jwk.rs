//! Public keys as JSON Web Keys, and libtrust's key ids.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base32ct::{Base32UpperUnpadded, Encoding};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::base64url::decode_base64url;
use downshift_json::{Kind, Value};

/// A public key as libtrust writes it: an object of strings, sorted by name.
///
/// An elliptic curve key has `crv`, `kid`, `kty`, `x` and `y`; an RSA key `e`, `kid`, `kty` and `n`. Members beyond
/// those are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk(Vec<(String, String)>);

impl Jwk {
    /// The key on P-256 with these coordinates.
    #[must_use]
    pub fn p256(x: &[u8; 32], y: &[u8; 32]) -> Self {
        let members = [
            ("crv", "P-256".to_string()),
            ("kid", key_id(&ec_public_key_info(&P256, x, y))),
            ("kty", "EC".to_string()),
            ("x", URL_SAFE_NO_PAD.encode(x)),
            ("y", URL_SAFE_NO_PAD.encode(y)),
        ];
        Self(members.map(|(name, value)| (name.to_string(), value)).into())
    }

    /// A member, such as `crv`.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// All members, sorted by name.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A member that is base64url, decoded.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        decode_base64url(self.member(name)?)
    }

    /// libtrust's key id: the first 240 bits of the SHA-256 of the key's SubjectPublicKeyInfo, in base32, in groups
    /// of four with colons between.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.member("kid").unwrap_or_default()
    }

    /// Reads the `jwk` of a signature's header. The key id may be absent; if it is there, it must be the key's.
    pub(crate) fn read(value: Value<'_>) -> Result<Self, Box<Error>> {
        let problem = |problem| -> Box<Error> { Error::InvalidSignature { problem }.into() };
        if value.kind() != Kind::Object {
            return Err(problem("a `jwk` is not an object"));
        }
        let mut key = Self(Vec::new());
        for (name, value) in value.members() {
            // Members that are not strings are not part of a public key: libtrust ignores them.
            if let Some(text) = value.as_text() {
                key.insert(name.text().into_owned(), text.into_owned());
            }
        }
        let info = key.public_key_info().ok_or_else(|| problem("a `jwk` is not a public key"))?;
        let kid = key_id(&info);
        match key.member("kid") {
            Some(stated) if stated != kid => Err(problem("a `jwk` has the `kid` of another key")),
            _ => {
                key.insert("kid".to_string(), kid);
                Ok(key)
            }
        }
    }

    /// Adds a member, in the place of one of the same name.
    fn insert(&mut self, name: String, value: String) {
        match self.0.binary_search_by(|(own, _)| own.cmp(&name)) {
            Ok(index) => {
                if let Some(member) = self.0.get_mut(index) {
                    member.1 = value;
                }
            }
            Err(index) => self.0.insert(index, (name, value)),
        }
    }

    /// The key as a SubjectPublicKeyInfo (RFC 5280, 4.1) in DER; `None` if it is neither an RSA
    /// key nor a key on P-256, P-384 or P-521.
    #[must_use]
    pub fn public_key_info(&self) -> Option<Vec<u8>> {
        match self.member("kty")? {
            "EC" => {
                let name = self.member("crv")?;
                let curve = CURVES.into_iter().find(|curve| curve.name == name)?;
                let (x, y) = (self.bytes("x")?, self.bytes("y")?);
                (x.len() == curve.width && y.len() == curve.width).then(|| ec_public_key_info(curve, &x, &y))
            }
            // A private key here would be somebody's mistake, and libtrust refuses it.
            "RSA" if self.member("d").is_none() => {
                Some(rsa_public_key_info(&self.bytes("n")?, &self.bytes("e")?))
            }
            _ => None,
        }
    }
}

struct Curve {
    name: &'static str,
    /// Bytes of a coordinate.
    width: usize,
    /// The curve's object identifier (RFC 5480, 2.1.1.1), as DER.
    identifier: &'static [u8],
}

static P256: Curve = Curve {
    name: "P-256",
    width: 32,
    identifier: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
};
static P384: Curve =
    Curve { name: "P-384", width: 48, identifier: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22] };
static P521: Curve =
    Curve { name: "P-521", width: 66, identifier: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23] };
static CURVES: [&Curve; 3] = [&P256, &P384, &P521];

/// id-ecPublicKey (RFC 5480, 2.1.1), as DER.
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// rsaEncryption with its parameter, NULL (RFC 3279, 2.3.1), as DER.
const RSA_ENCRYPTION: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// libtrust's id of the key with this SubjectPublicKeyInfo, in DER: see [`Jwk::kid`].
#[must_use]
pub fn key_id(public_key_info: &[u8]) -> String {
    let hash = Sha256::digest(public_key_info);
    let text = Base32UpperUnpadded::encode_string(hash.get(..30).unwrap_or_default());
    let mut kid = String::with_capacity(59);
    for (index, letter) in text.chars().enumerate() {
        if index > 0 && index.is_multiple_of(4) {
            kid.push(':');
        }
        kid.push(letter);
    }
    kid
}

fn ec_public_key_info(curve: &Curve, x: &[u8], y: &[u8]) -> Vec<u8> {
    let algorithm = der(SEQUENCE, &[EC_PUBLIC_KEY, curve.identifier]);
    // No unused bits; then the uncompressed point.
    let point = der(BIT_STRING, &[&[0x00, 0x04], x, y]);
    der(SEQUENCE, &[&algorithm, &point])
}

fn rsa_public_key_info(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = der(SEQUENCE, &[&der_unsigned(modulus), &der_unsigned(exponent)]);
    let algorithm = der(SEQUENCE, &[RSA_ENCRYPTION]);
    der(SEQUENCE, &[&algorithm, &der(BIT_STRING, &[&[0x00], &key])])
}

/// A positive integer: without leading zeros, but with one where it would read as negative.
fn der_unsigned(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let minimal = bytes.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if minimal.first().is_none_or(|&byte| byte >= 0x80) { &[0] } else { &[] };
    der(INTEGER, &[sign, minimal])
}

/// A value in DER (X.690, 8.1 and 10.1): tag, shortest length, content.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = Vec::with_capacity(content.len().saturating_add(6));
    out.push(tag);
    match u8::try_from(content.len()) {
        Ok(length @ ..0x80) => out.push(length),
        _ => {
            let length = content.len().to_be_bytes();
            let zeros = length.iter().take_while(|&&byte| byte == 0).count();
            let minimal = length.get(zeros..).unwrap_or_default();
            out.push(0x80 | u8::try_from(minimal.len()).unwrap_or(0));
            out.extend_from_slice(minimal);
        }
    }
    out.extend_from_slice(&content);
    out
}
