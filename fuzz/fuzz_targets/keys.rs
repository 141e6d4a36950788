//! Key files: what is read is written and read again, and both signers agree with it. No error shows the key.

#![no_main]

use downshift::jws::SignedDocument;
use downshift::{Limits, Timestamp, jws};
use downshift_sign::{P256Signer, PrivateKey, RingSigner, Signer, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = match PrivateKey::parse(bytes) {
        Ok(key) => key,
        Err(error) => {
            let text = format!("{error} {}", error.remedy());
            assert!(text.len() < 1024, "{text}");
            assert!(!format!("{text} {error:?}").contains('\n'), "{text}");
            return;
        }
    };
    let kid = key.public_key().kid();
    let jwk = key.to_jwk();
    let again = PrivateKey::parse(jwk.as_bytes()).expect("a key that was written");
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!(again.to_jwk(), jwk);
    let again = PrivateKey::parse(key.to_sec1_pem().as_bytes()).expect("a key that was written");
    assert_eq!(again.to_jwk(), jwk);

    let shown = format!("{key:?}");
    let private: serde_json::Value = serde_json::from_str(&jwk).expect("a JWK is JSON");
    assert!(!shown.contains(private["d"].as_str().expect("it has its private half")), "{shown}");

    let ring = RingSigner::new(&key).expect("the system has random numbers");
    for signer in [&P256Signer::new(&key) as &dyn Signer, &ring] {
        let document = signed(signer);
        assert!(verify(&document).is_valid());
        assert_eq!(document.signatures[0].key.as_ref().map(|key| key.kid()), Some(kid));
    }
});

fn signed(signer: &dyn Signer) -> SignedDocument {
    let limits = Limits::default();
    let unsigned = jws::prepare(br#"{"a":1}"#.to_vec(), Timestamp::default(), &limits).expect("an object");
    let signature = signer.sign(&unsigned.signing_input()).expect("a signature");
    jws::parse(&unsigned.seal(&[signature]).expect("a document"), &limits).expect("a signed document")
}
