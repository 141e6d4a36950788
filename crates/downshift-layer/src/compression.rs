//! How a layer is compressed.

use core::fmt;

use serde::Serialize;

/// How a layer is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all: a tar, or no bytes.
    Plain,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz, with LZMA2.
    Xz,
}

impl Compression {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// What it calls the parts that may follow each other.
    #[must_use]
    pub(crate) const fn part(self) -> &'static str {
        match self {
            Self::Plain => "tar",
            Self::Gzip => "member",
            Self::Zstd => "frame",
            Self::Bzip2 | Self::Xz => "stream",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
