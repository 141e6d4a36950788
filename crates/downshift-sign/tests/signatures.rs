//! Signatures: what the signers make, and which ones hold.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use downshift::jws::{self, SignedDocument};
use downshift::{Limits, Timestamp};
use downshift_sign::{GraviolaSigner, P256Signer, PrivateKey, RingSigner, Signer, verify};

/// The key of RFC 6979, A.2.5.
const KEY: &[u8] = br#"{
    "kty": "EC",
    "crv": "P-256",
    "d": "ya-p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyE",
    "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
    "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"
}"#;
const PAYLOAD: &[u8] = b"{\n   \"name\": \"library/a\"\n}";

fn key() -> PrivateKey {
    PrivateKey::parse(KEY).unwrap()
}

/// The payload, signed by all of `signers`, sealed and taken apart again.
fn signed(signers: &[&dyn Signer]) -> SignedDocument {
    let limits = Limits::default();
    let unsigned = jws::prepare(PAYLOAD.to_vec(), Timestamp::default(), &limits).unwrap();
    let input = unsigned.signing_input();
    let signatures: Vec<_> = signers.iter().map(|signer| signer.sign(&input).unwrap()).collect();
    jws::parse(&unsigned.seal(&signatures).unwrap(), &limits).unwrap()
}

/// What comes of a document with one signature: `valid`, or the problem's code.
fn outcome(document: &SignedDocument) -> &'static str {
    let verification = verify(document);
    let [verdict] = verification.verdicts() else { panic!("not one verdict: {verification:?}") };
    assert_eq!(verification.is_valid(), verdict.outcome.is_ok());
    verdict.outcome.as_ref().map_or_else(|problem| problem.code(), |()| "valid")
}

/// What comes of a signature with this header, of `length` bytes.
fn outcome_of_header(header: &str, length: usize) -> &'static str {
    let protected = URL_SAFE_NO_PAD.encode(br#"{"formatLength":1,"formatTail":"fQ"}"#);
    let signature = URL_SAFE_NO_PAD.encode(vec![1; length]);
    let block = format!(r#"{{"header":{header},"signature":"{signature}","protected":"{protected}"}}"#);
    let document = format!(r#"{{"signatures":[{block}]}}"#);
    outcome(&jws::parse(document.as_bytes(), &Limits::default()).unwrap())
}

/// A header with a key whose coordinates are zero, which is on none of the curves.
fn ec_header(curve: &str, width: usize, algorithm: &str) -> String {
    let zero = URL_SAFE_NO_PAD.encode(vec![0; width]);
    format!(r#"{{"jwk":{{"kty":"EC","crv":"{curve}","x":"{zero}","y":"{zero}"}},"alg":"{algorithm}"}}"#)
}

#[test]
fn p256_and_graviola_sign_as_in_rfc_6979_and_leave_a_high_s_high() {
    let (p256, graviola) = (P256Signer::new(&key()), GraviolaSigner::new(&key()));
    let sample = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                  f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
    let test = "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367\
                019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083";
    for signer in [&p256 as &dyn Signer, &graviola] {
        for (message, expected) in [("sample", sample), ("test", test)] {
            let signature = signer.sign(message.as_bytes()).unwrap();
            assert_eq!(base16ct::lower::encode_string(&signature.bytes), expected);
            assert_eq!((signature.algorithm, &signature.key), ("ES256", signer.public_key()));
        }
    }
}

#[test]
fn p256_and_graviola_sign_alike_with_any_key() {
    for _ in 0..100 {
        let key = PrivateKey::generate().unwrap();
        let (p256, graviola) = (P256Signer::new(&key), GraviolaSigner::new(&key));
        assert_eq!(p256.public_key(), graviola.public_key());
        assert_eq!(p256.sign(PAYLOAD).unwrap(), graviola.sign(PAYLOAD).unwrap());
    }
}

#[test]
fn what_all_signers_make_holds() {
    let (key, other) = (key(), PrivateKey::generate().unwrap());
    let (p256, ring) = (P256Signer::new(&key), RingSigner::new(&key).unwrap());
    let document = signed(&[&p256, &ring, &GraviolaSigner::new(&other)]);
    assert_eq!(document.payload, PAYLOAD);

    let verification = verify(&document);
    assert!(verification.is_valid());
    let key_ids = verification.verdicts().iter().filter_map(|verdict| verdict.key_id.as_deref());
    let mut expected = [key.public_key().kid(), key.public_key().kid(), other.public_key().kid()];
    expected.sort_unstable();
    assert_eq!(key_ids.collect::<Vec<_>>(), expected);
}

#[test]
fn only_ring_signs_differently_each_time() {
    let (p256, ring) = (P256Signer::new(&key()), RingSigner::new(&key()).unwrap());
    assert_eq!(p256.sign(b"a").unwrap(), p256.sign(b"a").unwrap());
    assert_ne!(ring.sign(b"a").unwrap(), ring.sign(b"a").unwrap());
}

#[test]
fn a_signature_holds_for_its_own_payload_header_and_key_only() {
    let document = signed(&[&P256Signer::new(&key())]);
    assert_eq!(outcome(&document), "valid");

    let changed = |change: &dyn Fn(&mut SignedDocument)| {
        let mut document = document.clone();
        change(&mut document);
        outcome(&document)
    };
    assert_eq!(changed(&|it| it.payload[5] ^= 1), "invalid-signature");
    assert_eq!(changed(&|it| it.signatures[0].protected.push('A')), "invalid-signature");
    assert_eq!(changed(&|it| it.signatures[0].signature[63] ^= 1), "invalid-signature");
    assert_eq!(changed(&|it| it.signatures[0].signature.fill(0)), "invalid-signature");
    let other = PrivateKey::generate().unwrap();
    assert_eq!(changed(&|it| it.signatures[0].key = Some(other.public_key().clone())), "invalid-signature");
}

#[test]
fn a_document_is_valid_if_it_is_signed_and_every_signature_holds() {
    let signer = P256Signer::new(&key());
    let mut document = signed(&[&signer, &signer]);
    document.signatures[1].signature[0] ^= 1;
    let verification = verify(&document);
    let holds: Vec<_> = verification.verdicts().iter().map(|verdict| verdict.outcome.is_ok()).collect();
    assert_eq!(holds, [true, false]);
    assert!(!verification.is_valid());

    document.signatures.clear();
    assert!(!verify(&document).is_valid());
}

#[test]
fn the_key_is_in_the_header_and_on_its_curve() {
    assert_eq!(outcome_of_header(r#"{"alg":"ES256"}"#, 64), "missing-key");
    assert_eq!(outcome_of_header(r#"{"alg":"ES256","x5c":["MAA="]}"#, 64), "invalid-certificate");
    assert_eq!(outcome_of_header(&ec_header("P-256", 32, "ES256"), 64), "invalid-key");
}

#[test]
fn the_algorithm_decides_on_the_length() {
    for length in [0, 63, 65, 71] {
        assert_eq!(outcome_of_header(&ec_header("P-256", 32, "ES256"), length), "signature-length");
    }
}

#[test]
fn the_key_decides_on_the_algorithm() {
    // With members of a curve, which an RSA key has no use for.
    let rsa = |algorithm: &str| {
        ec_header("P-256", 32, algorithm).replace(r#""EC""#, r#""RSA","n":"AQAB","e":"AQAB""#)
    };
    for (header, expected) in [
        (ec_header("P-256", 32, "ES384"), "algorithm-mismatch"),
        (ec_header("P-256", 32, "none"), "algorithm-mismatch"),
        (ec_header("P-256", 32, ""), "algorithm-mismatch"),
        (ec_header("P-384", 48, "ES256"), "algorithm-mismatch"),
        (ec_header("P-384", 48, "ES384"), "signature-length"),
        (ec_header("P-521", 66, "ES512"), "signature-length"),
        (rsa("ES256"), "algorithm-mismatch"),
        (rsa("RS256"), "short-key"),
        (rsa("PS256"), "algorithm-mismatch"),
    ] {
        assert_eq!(outcome_of_header(&header, 64), expected, "{header}");
    }
}
