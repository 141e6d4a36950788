//! Private keys and the files that they come from.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Tag;
use der::asn1::ObjectIdentifier;
use downshift::Limits;
use downshift::jwk::Jwk;
use downshift_json::{Json, Value};
use p256::elliptic_curve::Generate as _;
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::LineEnding;
use p256::{AffinePoint, NonZeroScalar, SecretKey};
use zeroize::Zeroizing;

use crate::KeyError;
use crate::values::{Values, context_specific};

/// A private key on P-256, with its public half.
///
/// The private half is cleared from memory when the key is dropped, and `Debug` shows the key id only.
pub struct PrivateKey {
    secret: SecretKey,
    public: Jwk,
}

impl PrivateKey {
    /// The longest key file that is read, in bytes. A P-256 key takes some 300.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Makes a key from the system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let scalar = Zeroizing::new(NonZeroScalar::try_generate().map_err(|_| KeyError::NoRandomness)?);
        Ok(Self::new(SecretKey::from(&*scalar)))
    }

    /// Reads a key file: SEC1 or PKCS#8 as PEM, or a JWK such as Docker's `key.json`. The content tells which.
    ///
    /// In PEM the first private key is taken: `openssl ecparam -genkey` writes the curve's parameters before it.
    ///
    /// Nothing in the file but the key itself is used. libtrust would publish the headers of a PEM block (it writes
    /// `keyID` there itself) and the unknown members of a JWK in the `jwk` of every signature, where they say nothing
    /// to the engine and may say too much to others.
    ///
    /// Not cleared from memory are `file` itself, which is the caller's, and what the PEM reader copies on its way.
    ///
    /// # Errors
    /// Any [`KeyError`] but [`KeyError::NoRandomness`].
    pub fn parse(file: &[u8]) -> Result<Self, KeyError> {
        if file.len() > Self::MAX_BYTES {
            return Err(KeyError::TooLong { limit: Self::MAX_BYTES, actual: file.len() });
        }
        if file.trim_ascii_start().starts_with(b"{") {
            parse_jwk(file)
        } else if file.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
            parse_pem(file)
        } else {
            Err(KeyError::UnknownFormat)
        }
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> &Jwk {
        &self.public
    }

    /// The private key as libtrust writes it, for a file such as `key.json`: a JWK with sorted members, indented by
    /// four spaces, with no line break at its end.
    #[must_use]
    pub fn to_jwk(&self) -> Zeroizing<String> {
        let d = Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(self.secret.to_bytes())));
        let mut members: Vec<_> = self.public.members().collect();
        members.insert(members.partition_point(|(name, _)| *name < "d"), ("d", &d));

        // Room enough that it never moves and leaves a copy behind. The members need no escapes: base64url, names of
        // curves, and a key id.
        let mut json = Zeroizing::new(String::with_capacity(1024));
        let mut separator = "{\n";
        for (name, value) in members {
            for part in [separator, "    \"", name, "\": \"", value, "\""] {
                json.push_str(part);
            }
            separator = ",\n";
        }
        json.push_str("\n}");
        json
    }

    /// The private key in SEC1 as PEM, which libtrust and Distribution's `signingkeyfile` read, too.
    #[must_use]
    pub fn to_sec1_pem(&self) -> Zeroizing<String> {
        self.secret.to_sec1_pem(LineEnding::LF).expect("every P-256 key has an encoding")
    }

    pub(crate) fn secret(&self) -> &SecretKey {
        &self.secret
    }

    fn new(secret: SecretKey) -> Self {
        let point = secret.public_key();
        let public = Jwk::p256(&point.as_affine().x().into(), &point.as_affine().y().into());
        Self { secret, public }
    }

    /// The key with this scalar, provided that `point`, if there is one, is its public key.
    fn from_parts(format: &'static str, scalar: &[u8], point: Option<&[u8]>) -> Result<Self, KeyError> {
        let secret = SecretKey::from_slice(scalar).map_err(|_| KeyError::Invalid {
            format,
            problem: "the private number is not in the curve's range",
        })?;
        if let Some(point) = point {
            // A point may be compressed (SEC 1, 2.3.3). It is compared as it stands there, for taking roots is much code.
            let own = secret.public_key();
            if [false, true].into_iter().all(|compress| own.to_sec1_point(compress).as_bytes() != point) {
                return Err(match is_on_curve(point) {
                    true => KeyError::KeyPairMismatch,
                    false => KeyError::Invalid { format, problem: "the public point is not on the curve" },
                });
            }
        }
        Ok(Self::new(secret))
    }
}

/// Whether this can be a point of the curve; of a compressed one only its root would tell.
fn is_on_curve(point: &[u8]) -> bool {
    match point {
        [4, coordinates @ ..] => match coordinates.as_chunks::<32>() {
            ([x, y], []) => AffinePoint::from_coordinates(&(*x).into(), &(*y).into()).is_some().into(),
            _ => false,
        },
        [2 | 3, x @ ..] => x.len() == 32,
        _ => false,
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("kid", &self.public.kid()).finish_non_exhaustive()
    }
}

const PEM_BEGIN: &[u8] = b"-----BEGIN ";

fn parse_pem(file: &[u8]) -> Result<PrivateKey, KeyError> {
    let broken = KeyError::Invalid { format: "PEM", problem: "a block is incomplete, or not base64" };
    let blocks = pem::parse_many(file).map_err(|_| broken.clone())?;
    if blocks.is_empty() {
        return Err(broken);
    }
    let block = blocks.into_iter().find(|block| block.tag().ends_with("PRIVATE KEY"));
    let block = block.ok_or(KeyError::NoPrivateKey)?;
    // RFC 1421, 4.6.1.1, as openssl writes it for keys in the old formats.
    if block.headers().get("Proc-Type").is_some_and(|value| value.ends_with("ENCRYPTED")) {
        return Err(KeyError::Encrypted);
    }
    match block.tag() {
        "EC PRIVATE KEY" => parse_sec1(&Zeroizing::new(block.into_contents())),
        "PRIVATE KEY" => parse_pkcs8(&Zeroizing::new(block.into_contents())),
        "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted),
        other => Err(KeyError::Unsupported { kind: other.trim_end_matches(" PRIVATE KEY").to_owned() }),
    }
}

/// secp256r1 (RFC 5480, 2.1.1.1), which is P-256.
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// id-ecPublicKey (RFC 5480, 2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// `ECPrivateKey` (RFC 5915, 3).
struct EcPrivateKey<'a> {
    secret: &'a [u8],
    curve: Option<ObjectIdentifier>,
    point: Option<&'a [u8]>,
}

impl<'a> EcPrivateKey<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut values = Values::of_sequence(der)?;
        if values.take(Tag::Integer)? != [1] {
            return None;
        }
        let secret = values.take(Tag::OctetString)?;
        let curve = match values.take(context_specific(0, true)) {
            Some(parameters) => Some(Values::new(parameters)?.take_identifier()?),
            None => None,
        };
        let point = match values.take(context_specific(1, true)) {
            Some(bits) => Some(Values::new(bits)?.take_bytes()?),
            None => None,
        };
        values.is_empty().then_some(Self { secret, curve, point })
    }
}

fn parse_sec1(der: &[u8]) -> Result<PrivateKey, KeyError> {
    let problem = "it is not a private key on a named curve";
    let key = EcPrivateKey::read(der).ok_or(KeyError::Invalid { format: "SEC1", problem })?;
    // The curve may be left out, as it is in PKCS#8; then the length and the public point have to do.
    match key.curve {
        Some(curve) if curve != P256 => Err(unsupported(curve)),
        _ => PrivateKey::from_parts("SEC1", key.secret, key.point),
    }
}

/// `PrivateKeyInfo` (RFC 5208, 5), which may have attributes and a public key (RFC 5958, 2).
struct PrivateKeyInfo<'a> {
    algorithm: ObjectIdentifier,
    curve: Option<ObjectIdentifier>,
    key: &'a [u8],
}

impl<'a> PrivateKeyInfo<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut values = Values::of_sequence(der)?;
        if !matches!(values.take(Tag::Integer)?, [0 | 1]) {
            return None;
        }
        let (algorithm, curve) = values.take_algorithm()?;
        let key = values.take(Tag::OctetString)?;
        for tag in [context_specific(0, true), context_specific(1, false)] {
            values.take(tag);
        }
        values.is_empty().then_some(Self { algorithm, curve, key })
    }
}

fn parse_pkcs8(der: &[u8]) -> Result<PrivateKey, KeyError> {
    let invalid = |problem| KeyError::Invalid { format: "PKCS#8", problem };
    let info = PrivateKeyInfo::read(der).ok_or_else(|| invalid("it is not a private key"))?;
    if info.algorithm != EC_PUBLIC_KEY {
        return Err(unsupported(info.algorithm));
    }
    match info.curve {
        Some(P256) => parse_sec1(info.key),
        Some(curve) => Err(unsupported(curve)),
        None => Err(invalid("its curve has no name")),
    }
}

fn unsupported(identifier: ObjectIdentifier) -> KeyError {
    let identifier = identifier.to_string();
    let kind = match identifier.as_str() {
        "1.2.840.113549.1.1.1" => "RSA",
        "1.3.101.112" => "Ed25519",
        "1.3.132.0.10" => "secp256k1",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        other => other,
    };
    KeyError::Unsupported { kind: kind.to_owned() }
}

/// The members of a private JWK (RFC 7518, 6.2; `kid` as libtrust has it). They point into the file, so that `d` has no
/// copy to be cleared; none of them ever needs an escape.
struct PrivateJwk<'a> {
    kty: &'a str,
    crv: Option<&'a str>,
    x: Option<&'a str>,
    y: Option<&'a str>,
    d: Option<&'a str>,
    kid: Option<&'a str>,
}

impl<'a> PrivateJwk<'a> {
    /// Reads the members of an object; nothing if one is no string without escapes, or stands twice.
    fn read(object: Value<'a>) -> Option<Self> {
        let mut found = [None; 6];
        let names = ["kty", "crv", "x", "y", "d", "kid"];
        for (key, value) in object.members() {
            let known = names.iter().zip(&mut found).find(|(name, _)| key.is_text(name));
            if known.is_some_and(|(_, slot)| slot.replace(value).is_some()) {
                return None;
            }
        }
        let texts = found.map(|value| value.filter(|value| !value.is_null()).map(plain_text));
        if texts.contains(&Some(None)) {
            return None;
        }
        let [kty, crv, x, y, d, kid] = texts.map(Option::flatten);
        Some(Self { kty: kty?, crv, x, y, d, kid })
    }
}

/// A string as it is spelt, if it has no escapes.
fn plain_text(value: Value<'_>) -> Option<&str> {
    let text = value.raw().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    str::from_utf8(text).ok().filter(|text| !text.contains('\\'))
}

fn parse_jwk(file: &[u8]) -> Result<PrivateKey, KeyError> {
    let invalid = |problem| KeyError::Invalid { format: "JWK", problem };
    let broken = || invalid("it is not a JSON object with the members of a key");
    let json = Json::parse("JWK", file, &Limits::default()).map_err(|_| broken())?;
    let jwk = PrivateJwk::read(json.root()).ok_or_else(broken)?;
    // Only keys of the type EC have a curve in this sense.
    let kind = jwk.crv.filter(|_| jwk.kty == "EC").unwrap_or(jwk.kty);
    if kind != "P-256" {
        return Err(KeyError::Unsupported { kind: kind.to_owned() });
    }
    if jwk.d.is_none() {
        return Err(KeyError::NoPrivateKey);
    }
    let number = |text: Option<&str>| {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text?.as_bytes()).ok()?);
        (bytes.len() == 32).then_some(bytes)
    };
    let d = number(jwk.d).ok_or_else(|| invalid("`d` is not 32 bytes in base64url"))?;
    let x = number(jwk.x).ok_or_else(|| invalid("`x` is not 32 bytes in base64url"))?;
    let y = number(jwk.y).ok_or_else(|| invalid("`y` is not 32 bytes in base64url"))?;
    // An uncompressed point (SEC 1, 2.3.3).
    let point = [&[4], x.as_slice(), y.as_slice()].concat();

    let key = PrivateKey::from_parts("JWK", &d, Some(&point))?;
    let computed = key.public.kid();
    match jwk.kid {
        Some(stated) if stated != computed => {
            Err(KeyError::KeyIdMismatch { stated: stated.to_owned(), computed: computed.to_owned() })
        }
        _ => Ok(key),
    }
}
