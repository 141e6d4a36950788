//! Who may pull.

use core::fmt;
use core::str::FromStr;
use std::path::PathBuf;

/// Who may pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Everybody.
    Open,
    /// The users of a file that `htpasswd -B` has written.
    Htpasswd(PathBuf),
    /// Whoever the upstream registry lets.
    Upstream,
}

impl FromStr for Auth {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("htpasswd:")) {
            ("open", _) => Ok(Self::Open),
            ("upstream", _) => Ok(Self::Upstream),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Htpasswd(path.into())),
            _ => Err("use open, htpasswd:FILE or upstream"),
        }
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Htpasswd(path) => write!(f, "htpasswd:{}", path.display()),
            Self::Upstream => f.write_str("upstream"),
        }
    }
}
