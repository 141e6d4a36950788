//! What to do where the reference would lose something.

use alloc::string::ToString;
use core::fmt;
use core::str::FromStr;

use serde::Serialize;

use crate::Error;

/// What to do with an image that Distribution converts with a loss, or into something that clients cannot use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Refuse it, naming the cause and the remedy.
    #[default]
    Strict,
    /// Convert it as Distribution 2.8 does, lost layers included; what makes Distribution crash is refused.
    Reference,
}

impl Policy {
    /// Whether this is [`Policy::Strict`].
    #[must_use]
    pub const fn is_strict(self) -> bool {
        matches!(self, Self::Strict)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Reference => "reference",
        })
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "strict" => Ok(Self::Strict),
            "reference" => Ok(Self::Reference),
            _ => Err(Error::UnknownPolicy { value: text.to_string() }),
        }
    }
}
