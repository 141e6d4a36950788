//! Reads digests. Apart from the type, which errors name.

use alloc::string::ToString;
use core::str::FromStr;

use super::{Digest, is_lower_hex};
use crate::Error;

impl Digest {
    /// Reads a digest.
    ///
    /// # Errors
    /// [`Error::InvalidDigest`] for any other spelling.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (algorithm, hex) = text.split_at_checked("sha256:".len()).unwrap_or_default();
        match (algorithm, hex.len()) {
            // All digits, without an end at the first that is none, so that several are looked at together.
            ("sha256:", 64) | ("sha384:", 96) | ("sha512:", 128)
                if hex.bytes().fold(true, |all, byte| all & is_lower_hex(byte)) =>
            {
                Ok(Self(text.to_string()))
            }
            _ => Err(Error::InvalidDigest { value: text.to_string() }),
        }
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}
