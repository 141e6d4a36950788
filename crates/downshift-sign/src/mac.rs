//! Message authentication codes, for what only whoever has the signing key may have made.

use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::ecdsa::SigningKey;
use sha2::Sha256;
use zeroize::Zeroizing;

/// What the key of the codes is made of beside the signing key, so that neither says anything of the other.
const PURPOSE: &[u8] = b"downshift message authentication code 1";

/// The code of `message`: HMAC-SHA-256 with a key that is made of the signing key in the same way.
pub(crate) fn of(key: &SigningKey, message: &[u8]) -> [u8; 32] {
    let secret = Zeroizing::new(key.to_bytes());
    let own = Zeroizing::new(hmac(&secret, PURPOSE));
    hmac(&*own, message)
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    hmac.chain_update(message).finalize().into_bytes().into()
}
