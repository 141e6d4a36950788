//! Callers who may pull, as they are remembered.

use core::time::Duration;

use downshift_pull::CallerId;
use downshift_registry::Authorization;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;

use crate::error::Error;

/// How long it is remembered that somebody may pull: as long as the oldest clients use a token, and no longer, so that
/// a right that was taken away is gone then.
pub(super) const REMEMBERED: Duration = Duration::from_secs(60);

/// How many callers are remembered.
pub(super) const MAX_REMEMBERED: u64 = 100_000;

/// Hashes credentials with a key, so that they can be remembered: nobody who sees the hash can use it to log in.
pub(crate) struct CallerHasher(hmac::Key);

impl CallerHasher {
    /// A hasher with a random key of its own.
    pub(crate) fn new() -> Result<Self, Error> {
        let key = hmac::Key::generate(HMAC_SHA256, &SystemRandom::new());
        key.map(Self).map_err(|_| Error::from(downshift_sign::KeyError::NoRandomness))
    }

    /// What stands for a caller.
    pub(crate) fn id(&self, authorization: &Authorization) -> CallerId {
        CallerId(self.hash(Some(authorization)))
    }

    /// The hash of an `Authorization` header; zeros if there is none.
    pub(crate) fn hash(&self, authorization: Option<&Authorization>) -> [u8; 32] {
        authorization.map_or([0; 32], |authorization| self.hash_of(authorization.as_str()))
    }

    /// The hash of a secret.
    pub(crate) fn hash_of(&self, secret: &str) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.0, secret.as_bytes()).as_ref());
        hash
    }
}
