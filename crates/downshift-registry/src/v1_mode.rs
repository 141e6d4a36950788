//! What clients get of the API of version 1.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// What clients get of the API of version 1.
///
/// Docker before 1.6 pulls by it. It has no digests: what comes is taken for what was asked for. So it is for these engines
/// alone, whatever is said here: for others a refusal by version 2 must not become a pull that nobody checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum V1Mode {
    /// Nothing.
    Off,
    /// Why they cannot pull, in the words that they print.
    Explain,
    /// Docker before 1.6 gets images, and others are told why they cannot pull.
    #[default]
    On,
}

/// The name of something else than a [`V1Mode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownV1Mode(String);

impl V1Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Explain, Self::On];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Explain => "explain",
            Self::On => "on",
        }
    }
}

impl fmt::Display for V1Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for V1Mode {
    type Err = UnknownV1Mode;

    fn from_str(text: &str) -> Result<Self, UnknownV1Mode> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| UnknownV1Mode(text.chars().take(64).collect()))
    }
}

impl fmt::Display for UnknownV1Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a value of `v1`: write `on`, `explain` or `off`", self.0)
    }
}

impl core::error::Error for UnknownV1Mode {}
