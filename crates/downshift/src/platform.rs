//! Platforms: what a manifest of a list or index was built for.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::Serialize;

use crate::Error;

/// An operating system and architecture, as Go names them (`linux`, `amd64`), and a variant of it (`v7`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Platform {
    /// Go's `GOOS`.
    pub os: String,
    /// Go's `GOARCH`.
    pub architecture: String,
    /// The variant of the architecture, such as `v7` for `arm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// A platform without a variant.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Self {
        Self { os: os.to_string(), architecture: architecture.to_string(), variant: None }
    }

    /// `linux/amd64`: what Distribution picks from a list for a client that cannot read lists.
    #[must_use]
    pub fn linux_amd64() -> Self {
        Self::new("linux", "amd64")
    }

    /// Whether an entry built for `entry` runs where `self` asks. A variant counts only if `self` names one.
    #[must_use]
    pub fn accepts(&self, entry: &Self) -> bool {
        self.os == entry.os
            && self.architecture == entry.architecture
            && (self.variant.is_none() || self.variant == entry.variant)
    }
}

impl Default for Platform {
    fn default() -> Self {
        Self::linux_amd64()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// Reads `os/architecture` or `os/architecture/variant`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.split('/');
        let (os, architecture, variant) = (parts.next(), parts.next(), parts.next());
        match (os, architecture, parts.next()) {
            (Some(os), Some(architecture), None)
                if !os.is_empty() && !architecture.is_empty() && variant != Some("") =>
            {
                Ok(Self { variant: variant.map(ToString::to_string), ..Self::new(os, architecture) })
            }
            _ => Err(Error::InvalidPlatform { value: text.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_has_two_or_three_parts() {
        for text in ["linux/amd64", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().map(|platform| platform.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/", "linux/arm/v7/x"] {
            let error = Error::InvalidPlatform { value: text.to_string() };
            assert_eq!(text.parse::<Platform>(), Err(error));
        }
    }

    #[test]
    fn a_variant_counts_only_if_it_is_asked_for() {
        let of = |variant: Option<&str>| Platform {
            variant: variant.map(ToString::to_string),
            ..Platform::new("linux", "arm")
        };
        assert!(of(None).accepts(&of(Some("v7"))));
        assert!(of(Some("v7")).accepts(&of(Some("v7"))));
        assert!(!of(Some("v7")).accepts(&of(None)));
        assert!(!of(None).accepts(&Platform::new("linux", "arm64")));
        assert!(!of(None).accepts(&Platform::new("windows", "arm")));
    }
}
