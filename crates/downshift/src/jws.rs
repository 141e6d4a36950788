//! libtrust's JSON signatures, as in a signed schema 1 manifest.
//!
//! A signed document is its payload with a member `signatures` put in before the last brace. What was cut off to make
//! room is kept in each signature's protected header, so that the payload can be put together again to the byte.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::base64url::decode_base64url;
use crate::jwk::Jwk;
use crate::{Error, Limits, Timestamp};
use downshift_json::{Json, Kind, Pretty, Value};

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

/// A document that waits for its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    payload: Vec<u8>,
    format_length: usize,
    protected: String,
}

/// A signed document, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDocument {
    /// What the signatures cover. Whatever else the document holds is not signed and must not be believed.
    pub payload: Vec<u8>,
    /// How many bytes the payload shares with the document: after them, its own end follows.
    pub format_length: usize,
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
        signing_input(&self.protected, payload)
    }
}

/// Makes a document ready to be signed. `payload` is a JSON object with at least one member.
///
/// # Errors
/// [`Error::InvalidJson`], [`Error::LimitExceeded`], or [`Error::InvalidSignature`] if `payload` is no such object.
pub fn prepare(payload: Vec<u8>, time: Timestamp, limits: &Limits) -> Result<Unsigned, Box<Error>> {
    Json::parse("payload", &payload, limits)?;
    prepare_object(payload, time)
}

/// [`prepare`] for a payload that is known to be JSON.
pub(crate) fn prepare_object(payload: Vec<u8>, time: Timestamp) -> Result<Unsigned, Box<Error>> {
    let problem = || invalid("the payload is not an object with members");
    let inner = payload.trim_ascii_end().strip_suffix(b"}").ok_or_else(problem)?;
    let format_length = inner.trim_ascii_end().len();
    if matches!(inner.trim_ascii(), b"" | b"{") {
        return Err(problem());
    }
    let tail = payload.get(format_length..).unwrap_or_default();
    let header = alloc::format!(
        r#"{{"formatLength":{format_length},"formatTail":"{}","time":"{time}"}}"#,
        URL_SAFE_NO_PAD.encode(tail)
    );
    Ok(Unsigned { protected: URL_SAFE_NO_PAD.encode(header.as_bytes()), format_length, payload })
}

impl Unsigned {
    /// The document without signatures, as signatures cover it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The document without signatures.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// The bytes to sign: the protected header, a dot, and the payload, both in base64url.
    #[must_use]
    pub fn signing_input(&self) -> Vec<u8> {
        signing_input(&self.protected, &self.payload)
    }

    /// The document with its signatures, in the document's own layout, ordered by key id and then by signature.
    ///
    /// # Errors
    /// [`Error::SignatureLength`] if a signature does not have the length of its algorithm;
    /// [`Error::InvalidSignature`] if there is none.
    pub fn seal(&self, signatures: &[Signature]) -> Result<Vec<u8>, Box<Error>> {
        let mut blocks: Vec<(&str, String, &Signature)> = Vec::with_capacity(signatures.len());
        for signature in signatures {
            check_length(signature)?;
            let (kid, text) = (signature.key.kid(), URL_SAFE_NO_PAD.encode(&signature.bytes));
            let place = blocks.partition_point(|other| (other.0, &other.1) <= (kid, &text));
            blocks.insert(place, (kid, text, signature));
        }
        if blocks.is_empty() {
            return Err(invalid("there are no signatures"));
        }

        let (head, _) = self.payload.split_at_checked(self.format_length).unwrap_or((&self.payload, &[]));
        let mut out = Vec::with_capacity(head.len().saturating_add(blocks.len().saturating_mul(1024)));
        out.extend_from_slice(head);
        let mut json = Pretty::within(out, indent(&self.payload), 1);
        json.key("signatures");
        json.open(b'[');
        for (_, text, signature) in &blocks {
            json.element();
            json.open(b'{');
            json.key("header");
            json.open(b'{');
            json.key("jwk");
            json.open(b'{');
            for (name, value) in signature.key.members() {
                json.any_key(name);
                json.string(value);
            }
            json.close(b'}');
            json.string_member("alg", signature.algorithm);
            json.close(b'}');
            json.string_member("signature", text);
            json.string_member("protected", &self.protected);
            json.close(b'}');
        }
        json.close(b']');
        json.close(b'}');
        Ok(json.into_bytes())
    }
}

fn invalid(problem: &'static str) -> Box<Error> {
    Error::InvalidSignature { problem }.into()
}

fn check_length(signature: &Signature) -> Result<(), Box<Error>> {
    let actual = signature.bytes.len();
    let expected = match signature.algorithm {
        "ES256" => 64,
        "ES384" => 96,
        "ES512" => 132,
        _ => actual,
    };
    if expected == actual { Ok(()) } else { Err(Error::SignatureLength { expected, actual }.into()) }
}

fn signing_input(protected: &str, payload: &[u8]) -> Vec<u8> {
    let encoded = payload.len().div_ceil(3).saturating_mul(4);
    let mut input = String::with_capacity(protected.len().saturating_add(encoded).saturating_add(1));
    input.push_str(protected);
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut input);
    input.into_bytes()
}

/// What one level of the payload is indented by: what stands between the line break after the first brace and the
/// first key. Empty for a payload that is laid out in any other way.
fn indent(payload: &[u8]) -> &[u8] {
    let Some(rest) = payload.strip_prefix(b"{\n") else { return &[] };
    let key = rest.iter().position(|&byte| byte == b'"').unwrap_or(0);
    rest.get(..key).unwrap_or_default()
}

/// Takes a signed document apart.
///
/// As libtrust does it, but without its crashes: a `formatLength` that is negative, fractional or beyond the document
/// is an error. Signatures are not verified here.
///
/// # Errors
/// [`Error::InvalidJson`], [`Error::InvalidSignature`] or [`Error::LimitExceeded`].
pub fn parse(document: &[u8], limits: &Limits) -> Result<SignedDocument, Box<Error>> {
    let json = Json::parse("signed document", document, limits)?;
    match json.root().member("signatures") {
        Some(signatures) => parse_signatures(document, signatures),
        None => Err(invalid("there is no member `signatures`")),
    }
}

/// [`parse`] for a document whose member `signatures` was found already.
pub(crate) fn parse_signatures(document: &[u8], signatures: Value<'_>) -> Result<SignedDocument, Box<Error>> {
    let format = format(signatures)?;
    let payload = format.payload(document)?;
    let signatures = signatures.elements().map(read_block).collect::<Result<_, _>>()?;
    Ok(SignedDocument { payload, format_length: format.length, signatures })
}

/// The payload of a signed document: all that is of use to whoever does not verify its signatures.
pub(crate) fn payload(document: &[u8], signatures: Value<'_>) -> Result<Vec<u8>, Box<Error>> {
    format(signatures)?.payload(document)
}

fn format(signatures: Value<'_>) -> Result<Format, Box<Error>> {
    if signatures.kind() != Kind::Array {
        return Err(invalid("`signatures` is not an array"));
    }
    let mut format = Format::default();
    let mut is_signed = false;
    for block in signatures.elements() {
        read_protected(&protected(block)?, &mut format)?;
        is_signed = true;
    }
    if is_signed { Ok(format) } else { Err(invalid("there are no signatures")) }
}

/// How to put the payload together again. All signatures must agree on it; libtrust takes zero and nothing for not
/// said yet.
#[derive(Default)]
struct Format {
    length: usize,
    tail: Vec<u8>,
}

impl Format {
    fn payload(&self, document: &[u8]) -> Result<Vec<u8>, Box<Error>> {
        let head = document.get(..self.length);
        let head = head.ok_or_else(|| invalid("`formatLength` is beyond the document"))?;
        Ok([head, &self.tail].concat())
    }
}

/// The protected header of a signature, as it stands in the document.
fn protected(block: Value<'_>) -> Result<Cow<'_, str>, Box<Error>> {
    if block.kind() != Kind::Object {
        return Err(invalid("a signature is not an object"));
    }
    let protected = block.field("protected").and_then(Value::as_text);
    protected.ok_or_else(|| invalid("a signature has no `protected` header"))
}

fn read_block(block: Value<'_>) -> Result<SignatureBlock, Box<Error>> {
    let protected = protected(block)?;
    let time = read_protected(&protected, &mut Format::default())?;

    let header = block.field("header").ok_or_else(|| invalid("a signature has no `header`"))?;
    let key = header.field("jwk").filter(|key| !key.is_null()).map(Jwk::read).transpose()?;
    let chain = match header.field("x5c") {
        Some(chain) => chain
            .elements()
            .map(|certificate| STANDARD.decode(certificate.text().as_bytes()).ok())
            .collect::<Option<_>>()
            .ok_or_else(|| invalid("an `x5c` certificate is not base64"))?,
        None => Vec::new(),
    };
    let algorithm = header.field("alg").map(|algorithm| algorithm.text().into_owned()).unwrap_or_default();
    let signature = block.field("signature").and_then(Value::as_text);
    let signature = signature.and_then(|text| decode_base64url(&text));
    let signature = signature.ok_or_else(|| invalid("a `signature` is not base64url"))?;
    Ok(SignatureBlock { algorithm, key, chain, protected: protected.into_owned(), time, signature })
}

/// Reads a protected header into `format`, and returns its time.
fn read_protected(protected: &str, format: &mut Format) -> Result<Option<String>, Box<Error>> {
    let header =
        decode_base64url(protected).ok_or_else(|| invalid("a `protected` header is not base64url"))?;
    let header = Json::parse("protected header", &header, &Limits::default())?;
    let header = header.root();

    let length =
        header.member("formatLength").and_then(Value::as_u64).and_then(|length| length.try_into().ok());
    let length: usize = length.ok_or_else(|| invalid("`formatLength` is not a whole number"))?;
    if format.length != 0 && format.length != length {
        return Err(invalid("the signatures disagree on `formatLength`"));
    }
    format.length = length;

    let tail = header.member("formatTail").and_then(Value::as_text).and_then(|tail| decode_base64url(&tail));
    let tail = tail.ok_or_else(|| invalid("`formatTail` is not base64url"))?;
    if !format.tail.is_empty() && format.tail != tail {
        return Err(invalid("the signatures disagree on `formatTail`"));
    }
    format.tail = tail;
    Ok(header.member("time").and_then(Value::as_text).map(Into::into))
}
