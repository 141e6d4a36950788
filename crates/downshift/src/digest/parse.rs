//! Reads digests. Apart from the type, which errors name.

use alloc::string::ToString;
use core::str::FromStr;

use super::{Digest, is_lower_hex};
use crate::Error;

impl Digest {
    /// Reads a digest.
    ///
    /// # Errors
    /// [`Error::UnsupportedDigest`] for one of another algorithm, and [`Error::InvalidDigest`] for any other spelling.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (algorithm, hex) = text.split_at_checked("sha256:".len()).unwrap_or_default();
        match (algorithm, hex.len()) {
            // All digits, without an end at the first that is none, so that several are looked at together.
            ("sha256:", 64) | ("sha384:", 96) | ("sha512:", 128)
                if hex.bytes().fold(true, |all, byte| all & is_lower_hex(byte)) =>
            {
                Ok(Self(text.to_string()))
            }
            _ if is_of_another_algorithm(text) => Err(Error::UnsupportedDigest { value: text.to_string() }),
            _ => Err(Error::InvalidDigest { value: text.to_string() }),
        }
    }
}

/// Whether this is a digest by the grammar of the OCI image specification (descriptor.md, "Digests"), of an algorithm that
/// is not computed here.
fn is_of_another_algorithm(text: &str) -> bool {
    let (algorithm, encoded) = text.split_once(':').unwrap_or_default();
    let is_component = |component: &str| {
        !component.is_empty()
            && component.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    algorithm.split(['+', '.', '_', '-']).all(is_component)
        && !matches!(algorithm, "sha256" | "sha384" | "sha512")
        && !encoded.is_empty()
        && encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=_-".contains(&byte))
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_digest_has_a_known_algorithm_and_all_of_its_lower_case_digits() {
        for (algorithm, length) in [("sha256", 64), ("sha384", 96), ("sha512", 128)] {
            let digest = format!("{algorithm}:{}", "0f".repeat(length / 2));
            assert_eq!(Digest::parse(&digest).map(|digest| digest.to_string()), Ok(digest.clone()));
            for other in [
                digest.replace('f', "F"),
                digest.replacen('0', "g", 1),
                digest.replacen(':', "-", 1),
                digest.to_uppercase(),
                format!("{digest}0"),
                format!(" {digest}"),
                digest.split_at(digest.len() - 1).0.to_string(),
            ] {
                assert_eq!(Digest::parse(&other), Err(Error::InvalidDigest { value: other.clone() }));
            }
        }
        for other in ["", "sha256:", "é", "sha25é", "md5:", "md5:é", "a++b:0", "MD5:0", ":0"] {
            assert_eq!(Digest::parse(other), Err(Error::InvalidDigest { value: other.into() }));
        }
        for other in ["md5:d41d8cd98f00b204e9800998ecf8427e", "blake3:0f", "sha256+b64u:LCa0a2j_xo=-"] {
            assert_eq!(Digest::parse(other), Err(Error::UnsupportedDigest { value: other.into() }));
        }
    }

    #[test]
    fn bytes_are_held_to_the_algorithm_of_their_digest() {
        let sha384 = "sha384:38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b";
        let sha512 = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
        for digest in [Ok(Digest::of(b"")), Digest::parse(sha384), Digest::parse(sha512)] {
            assert_eq!(
                digest.as_ref().map(|digest| (digest.matches(b""), digest.matches(b"a"))),
                Ok((true, false))
            );
        }
        assert!(Digest::empty_layer().matches(&crate::EMPTY_LAYER));
    }
}
