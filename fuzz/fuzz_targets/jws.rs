//! Signed documents: what is sealed is read again, and nothing holds that was not signed.

#![no_main]

use std::sync::LazyLock;

use downshift::{Digest, Limits, Timestamp, jws};
use downshift_sign::{P256Signer, PrivateKey, Signer, verify};
use libfuzzer_sys::fuzz_target;

static SIGNER: LazyLock<P256Signer> =
    LazyLock::new(|| P256Signer::new(&PrivateKey::generate().expect("the system has random numbers")));

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    if let Ok(document) = jws::parse(bytes, &limits) {
        for (block, verdict) in document.signatures.iter().zip(verify(&document).verdicts()) {
            if let Some(key) = &block.key {
                assert!(key.kid().len() == 59, "a key id is twelve groups of four");
            }
            assert_eq!(verdict.algorithm, block.algorithm);
        }
    }
    let time = Timestamp::from_seconds(
        bytes.iter().fold(0, |sum, &byte| sum * 31 % 253_402_300_800 + u64::from(byte)),
    );
    let Ok(unsigned) = jws::prepare(bytes.to_vec(), time.unwrap_or_default(), &limits) else { return };
    let signature = SIGNER.sign(&unsigned.signing_input()).expect("RFC 6979 needs no randomness");
    let sealed = unsigned.seal(&[signature.clone(), signature]).expect("the signatures have their length");
    serde_json_reads(bytes, &sealed);
    let read = jws::parse(&sealed, &limits).expect("what is sealed can be read");
    assert_eq!(read.payload, bytes, "the payload is what was signed");
    assert_eq!(read.signatures.len(), 2);
    assert_eq!(read.signatures[0].time.as_deref(), Some(time.unwrap_or_default().to_string().as_str()));
    assert!(verify(&read).is_valid(), "the signature holds");
    // Any other payload of the same document does not.
    let mut other = read;
    let place = Digest::of(bytes).as_str().bytes().map(usize::from).sum::<usize>() % other.payload.len();
    other.payload[place] ^= 1;
    assert!(!verify(&other).is_valid(), "the signature is of another payload");
});

/// Whoever reads the payload reads the sealed document.
fn serde_json_reads(payload: &[u8], sealed: &[u8]) {
    if serde_json::from_slice::<serde_json::Value>(payload).is_ok() {
        let document: serde_json::Value = serde_json::from_slice(sealed).expect("what is sealed is JSON");
        assert!(document["signatures"].is_array());
    }
}
