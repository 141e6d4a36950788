//! Schema 1 manifests signed with every algorithm that libtrust has: none but ES256 is found in the wild.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p384::ecdsa::signature::Signer as _;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RsaKeyPair,
};
use serde_json::{Value, json};

use downshift_cases::fixed_key::unsigned_schema1;

/// The algorithms, `x5c` for ES256 with a key that comes in a certificate.
pub const ALGORITHMS: [&str; 6] = ["RS256", "RS384", "RS512", "ES384", "ES512", "x5c"];

/// A sample of schema 1, signed with one of the [`ALGORITHMS`].
///
/// # Errors
/// If the sample or the key of RSA cannot be read.
pub fn signed_with(algorithm: &str) -> anyhow::Result<Vec<u8>> {
    sign_payload(&unsigned_schema1()?, algorithm)
}

/// A payload, signed with one of the [`ALGORITHMS`].
///
/// # Errors
/// If it is no object, or the key of RSA cannot be read.
pub fn sign_payload(payload: &[u8], algorithm: &str) -> anyhow::Result<Vec<u8>> {
    let text = String::from_utf8(payload.to_vec())?;
    let head = text.trim_end().strip_suffix('}').context("the sample is no object")?.trim_end();
    let tail = text.strip_prefix(head).unwrap_or_default();
    let protected = json!({
        "formatLength": head.len(),
        "formatTail": URL_SAFE_NO_PAD.encode(tail),
        "time": "2016-01-02T03:04:05Z",
    });
    let protected = URL_SAFE_NO_PAD.encode(protected.to_string());
    let input = format!("{protected}.{}", URL_SAFE_NO_PAD.encode(payload));
    let (header, signature) = sign(algorithm, input.as_bytes())?;
    let block = json!({
        "header": header,
        "signature": URL_SAFE_NO_PAD.encode(signature),
        "protected": protected,
    });
    Ok(format!("{head},\n   \"signatures\": [{block}]{tail}").into_bytes())
}

fn sign(algorithm: &str, input: &[u8]) -> anyhow::Result<(Value, Vec<u8>)> {
    let random = SystemRandom::new();
    let ec = |curve: &str, point: &[u8]| {
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
        let key = json!({ "kty": "EC", "crv": curve, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
        json!({ "alg": algorithm, "jwk": key })
    };
    match algorithm {
        "ES384" => {
            let key = p384::ecdsa::SigningKey::from_slice(&[7; 48])?;
            let signature: p384::ecdsa::Signature = key.sign(input);
            let point = key.verifying_key().to_sec1_point(false);
            Ok((ec("P-384", point.as_bytes()), signature.to_bytes().to_vec()))
        }
        "ES512" => {
            let mut scalar = [7; 66];
            scalar[0] = 0;
            let key = p521::ecdsa::SigningKey::from_slice(&scalar)?;
            let signature: p521::ecdsa::Signature = key.sign(input);
            let point = key.verifying_key().to_sec1_point(false);
            Ok((ec("P-521", point.as_bytes()), signature.to_bytes().to_vec()))
        }
        "x5c" => {
            let key = KeyPair::generate()?;
            let mut parameters = CertificateParams::new(Vec::new())?;
            parameters.distinguished_name.push(DnType::CommonName, "signer of the suite");
            let certificate = parameters.self_signed(&key)?;
            let header = json!({ "alg": "ES256", "x5c": [STANDARD.encode(certificate.der())] });
            let pair =
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der(), &random)
                    .map_err(|error| anyhow!("the key is refused: {error}"))?;
            anyhow::ensure!(pair.public_key().as_ref() == key.der_bytes(), "the keys differ");
            let signature = pair.sign(&random, input).map_err(|_| anyhow!("it does not sign"))?;
            Ok((header, signature.as_ref().to_vec()))
        }
        _ => {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/rsa-2048.pem");
            let pem = fs::read_to_string(path)?;
            let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
            let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(der)?).map_err(|error| anyhow!("{error}"))?;
            let padding: &dyn ring::signature::RsaEncoding = match algorithm {
                "RS256" => &RSA_PKCS1_SHA256,
                "RS384" => &RSA_PKCS1_SHA384,
                _ => &RSA_PKCS1_SHA512,
            };
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(padding, &random, input, &mut signature).map_err(|_| anyhow!("it does not sign"))?;
            let public: ring::rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
            let (n, e) = (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e));
            Ok((json!({ "alg": algorithm, "jwk": { "kty": "RSA", "n": n, "e": e } }), signature))
        }
    }
}
