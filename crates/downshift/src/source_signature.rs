//! What the signatures of stored schema 1 prove. Keys are the shell's: it verifies, and says here what came of that.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::Serialize;

/// What came of verifying the signatures of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureReading {
    /// There are some, and every one holds.
    Valid {
        /// The ids of their keys, in the document's order.
        keys: Vec<String>,
    },
    /// One does not hold, or cannot be verified.
    Invalid {
        /// Why, on one line.
        problem: String,
    },
}

/// What the signatures of the stored manifest prove that another was made of. As text it is the value of the header
/// `Downshift-Source-Signature`.
///
/// As in libtrust (`jsonsign.go`, `JSONSignature.Verify`), by which engines and registries go, each signature is verified with
/// the key in its own header, and a single wrong one makes all of them invalid. Whose a key is they do not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceSignature {
    /// Whether they hold.
    pub verdict: SourceVerdict,
    /// The ids of their keys, in the document's order, if they hold.
    pub keys: Vec<String>,
}

/// Whether the signatures of a stored manifest hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceVerdict {
    /// Every one does.
    Valid,
    /// One does not, or cannot be verified.
    Invalid,
    /// There are none.
    None,
}

impl SourceSignature {
    /// That there are none.
    pub const NONE: Self = Self { verdict: SourceVerdict::None, keys: Vec::new() };
    /// That one does not hold.
    pub const INVALID: Self = Self { verdict: SourceVerdict::Invalid, keys: Vec::new() };

    /// That every one holds, by these keys.
    #[must_use]
    pub const fn valid(keys: Vec<String>) -> Self {
        Self { verdict: SourceVerdict::Valid, keys }
    }
}

impl From<&SignatureReading> for SourceSignature {
    fn from(reading: &SignatureReading) -> Self {
        match reading {
            SignatureReading::Valid { keys } => Self::valid(keys.clone()),
            SignatureReading::Invalid { .. } => Self::INVALID,
        }
    }
}

/// What a key id stands behind.
const KEY: &str = "; key=";

impl fmt::Display for SourceSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.verdict {
            SourceVerdict::Valid => "valid",
            SourceVerdict::Invalid => "invalid",
            SourceVerdict::None => "none",
        })?;
        self.keys.iter().try_for_each(|key| write!(f, "{KEY}{key}"))
    }
}

impl FromStr for SourceSignature {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split(KEY);
        match (parts.next(), parts.map(str::to_owned).collect::<Vec<_>>()) {
            (Some("valid"), keys) if keys.iter().all(|key| is_key_id(key)) => Ok(Self::valid(keys)),
            (Some("invalid"), keys) if keys.is_empty() => Ok(Self::INVALID),
            (Some("none"), keys) if keys.is_empty() => Ok(Self::NONE),
            _ => Err(()),
        }
    }
}

/// Whether this is the id of a key, as [`key_id`](crate::jwk::key_id) makes it: it stands in a header.
fn is_key_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b':')
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        for text in ["none", "invalid", "valid; key=ABCD:2345", "valid; key=ABCD:2345; key=WXYZ:7777"] {
            assert_eq!(text.parse::<SourceSignature>().map(|read| read.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "valid; key=a", "invalid; key=ABCD", "none ", "valid; key=A\r\nB"] {
            assert_eq!(text.parse::<SourceSignature>(), Err(()), "{text}");
        }
    }
}
