//! Documents that are signed with the suite's key, and such that look so.

use std::sync::LazyLock;

use downshift::jws::{self, Signature};
use downshift::{Limits, Timestamp};
use downshift_sign::{P256Signer, Signer as _};

use crate::fixed_key::FixedKey;

/// Signs as the suite does.
static SIGNER: LazyLock<P256Signer> = LazyLock::new(|| {
    FixedKey::read().and_then(|key| key.signer()).expect("the suite has its key among the vectors")
});

/// The id of the suite's key.
#[must_use]
pub fn key_id() -> &'static str {
    SIGNER.public_key().kid()
}

/// A payload with as many signatures: each holds, or is of something else.
///
/// # Panics
/// If it is not a JSON object with members.
#[must_use]
pub fn signed(payload: &[u8], holds: &[bool]) -> Vec<u8> {
    let unsigned = jws::prepare(payload.to_vec(), Timestamp::default(), &Limits::default());
    let unsigned = unsigned.expect("payloads of tests are objects");
    let signature = |holds: &bool| -> Signature {
        let input = unsigned.signing_input();
        let input: &[u8] = if *holds { &input } else { b"something else" };
        SIGNER.sign(input).expect("RFC 6979 needs no randomness")
    };
    let signatures: Vec<Signature> = holds.iter().map(signature).collect();
    unsigned.seal(&signatures).expect("signatures of P-256 have their length")
}
