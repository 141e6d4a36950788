//! Why a key cannot be used.

use alloc::string::{String, ToString as _};
use core::fmt;

use downshift::{Failure, Fault};
use downshift_text::Printable;

/// Why a key was not read or made, or did not sign.
///
/// As with [`downshift::Error`], [`code`](Self::code) is stable, the text of [`Display`](fmt::Display) is the cause on
/// one line, and [`remedy`](Self::remedy) says what can be done about it. No text repeats anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The private key is encrypted.
    Encrypted,
    /// The key is broken.
    Invalid {
        /// How it is written: `JWK`, `PEM`, `PKCS#8` or `SEC1`.
        format: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The `kid` of a JWK is that of another key.
    KeyIdMismatch {
        /// The key id as written.
        stated: String,
        /// The key id that the key has.
        computed: String,
    },
    /// The public key in the file is not that of the private key.
    KeyPairMismatch,
    /// There is no private key in the file.
    NoPrivateKey,
    /// The system gave no random bytes.
    NoRandomness,
    /// The file is longer than [`PrivateKey::MAX_BYTES`](crate::PrivateKey::MAX_BYTES).
    TooLong {
        /// The limit, in bytes.
        limit: usize,
        /// The length of the file, in bytes.
        actual: usize,
    },
    /// The file is neither PEM nor JWK.
    UnknownFormat,
    /// The key is not a P-256 key.
    Unsupported {
        /// Its kind: a curve, an algorithm, or the object identifier of either.
        kind: String,
    },
}

impl KeyError {
    /// The stable machine code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.facts().0
    }

    /// The way out, in one line.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        self.facts().1
    }

    /// Code and remedy: one line of each variant.
    const fn facts(&self) -> (&'static str, &'static str) {
        match self {
            Self::Encrypted => {
                ("encrypted-key", "decrypt the key first: `openssl pkey -in KEY -out DECRYPTED`")
            }
            Self::Invalid { .. } => ("invalid-key", RESTORE),
            Self::KeyIdMismatch { .. } => {
                ("key-id-mismatch", "remove `kid` from the file if the key is the right one")
            }
            Self::KeyPairMismatch => ("key-pair-mismatch", RESTORE),
            Self::NoPrivateKey => ("no-private-key", "give the file with the private key"),
            Self::NoRandomness => {
                ("no-randomness", "find out why the system's random number generator does not answer")
            }
            Self::TooLong { .. } => ("key-too-long", GIVE_A_KEY),
            Self::UnknownFormat => ("unknown-key-format", GIVE_A_KEY),
            Self::Unsupported { .. } => {
                ("unsupported-key", "use a key on P-256, which every engine of the schema 1 era verifies")
            }
        }
    }
}

// Remedies of several errors.
const GIVE_A_KEY: &str = "give a private key as PEM (SEC1 or PKCS#8) or as JWK";
const RESTORE: &str = "restore the key from a backup, or make a new one";

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted => f.write_str("the private key is encrypted"),
            Self::Invalid { format, problem } => write!(f, "the {format} key cannot be read: {problem}"),
            Self::KeyIdMismatch { stated, computed } => {
                write!(f, "the file gives the key id `{}`, but the key has `{computed}`", Outside(stated))
            }
            Self::KeyPairMismatch => f.write_str("the public key in the file is not that of the private key"),
            Self::NoPrivateKey => f.write_str("there is no private key in the file"),
            Self::NoRandomness => f.write_str("the system gave no random bytes"),
            Self::TooLong { limit, actual } => {
                write!(f, "the key file has `{actual}` bytes, more than the limit of `{limit}`")
            }
            Self::UnknownFormat => f.write_str("the key file is neither PEM nor JWK"),
            Self::Unsupported { kind } => write!(f, "the key is a `{}` key, not a P-256 key", Outside(kind)),
        }
    }
}

impl core::error::Error for KeyError {}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let cause = error.to_string();
        Self { code: error.code().into(), fault: Fault::Caller, cause, remedy: error.remedy().into() }
    }
}

/// A value from outside as a message has room for it: on one line, and not too long.
pub(crate) struct Outside<'a>(pub(crate) &'a str);

impl fmt::Display for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS: usize = 128;
        Printable::excerpt(self.0, CHARACTERS).fmt(f)
    }
}
