//! The forms of a manifest, and the media types that name them.

use core::fmt;

use serde::{Serialize, Serializer};

/// What a manifest is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// Docker schema 1 with its libtrust signature: what Docker 1.6–1.9 read.
    Schema1,
    /// Docker schema 1 without a signature. Docker 1.8.3–1.9.1 and skopeo read it; all other engines refuse it.
    Schema1Unsigned,
    /// Docker image manifest, version 2, schema 2: Docker 1.10 and later.
    Schema2,
    /// Docker manifest list: one schema 2 manifest for each platform.
    List,
    /// OCI image manifest: Docker 18.06 and later.
    Oci,
    /// OCI image index: one OCI manifest for each platform.
    Index,
    /// A manifest of another kind, such as an OCI artifact manifest: it goes out as it is stored, under its own media
    /// type, and is nothing that a client is asked for or that is made.
    Other,
}

impl Form {
    /// Every form that is negotiated, in the order of their age.
    pub const ALL: [Self; 6] =
        [Self::Schema1Unsigned, Self::Schema1, Self::Schema2, Self::List, Self::Oci, Self::Index];

    /// The media type under which a manifest of this form is served; of [`Form::Other`], one that says no type of its own.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Schema1 => "application/vnd.docker.distribution.manifest.v1+prettyjws",
            Self::Schema1Unsigned => "application/vnd.docker.distribution.manifest.v1+json",
            Self::Schema2 => "application/vnd.docker.distribution.manifest.v2+json",
            Self::List => "application/vnd.docker.distribution.manifest.list.v2+json",
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Index => "application/vnd.oci.image.index.v1+json",
            Self::Other => "application/octet-stream",
        }
    }

    /// The form that `media_type` names, if it names one. Media types compare without regard to case (RFC 9110, 8.3.1).
    #[must_use]
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.media_type().eq_ignore_ascii_case(media_type))
    }

    /// The name of this form on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Schema1 => "schema1",
            Self::Schema1Unsigned => "schema1-unsigned",
            Self::Schema2 => "schema2",
            Self::List => "list",
            Self::Oci => "oci",
            Self::Index => "index",
            Self::Other => "other",
        }
    }

    /// The form with this [name](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Other]).find(|form| form.name() == name)
    }

    /// Whether this form lists manifests by platform.
    #[must_use]
    pub const fn is_index(self) -> bool {
        matches!(self, Self::List | Self::Index)
    }

    /// The form of the manifests that one of this form lists, where that was made here.
    pub(crate) const fn of_entries(self) -> Self {
        match self {
            Self::List => Self::Schema2,
            _ => Self::Oci,
        }
    }

    /// Whether this form is schema 1, signed or not.
    #[must_use]
    pub const fn is_schema1(self) -> bool {
        matches!(self, Self::Schema1 | Self::Schema1Unsigned)
    }

    /// The form that says the same with the other family's media types: OCI ↔ schema 2, index ↔ list, signed ↔ unsigned.
    #[must_use]
    pub const fn sibling(self) -> Self {
        match self {
            Self::Schema1 => Self::Schema1Unsigned,
            Self::Schema1Unsigned => Self::Schema1,
            Self::Schema2 => Self::Oci,
            Self::Oci => Self::Schema2,
            Self::List => Self::Index,
            Self::Index => Self::List,
            Self::Other => Self::Other,
        }
    }
}

/// Characters of the longest media type (RFC 6838, 4.2: 127 on each side of the slash).
const LONGEST_TYPE: usize = 127 + 1 + 127;

/// Whether a media type may be that of a manifest: `application/…json`, without parameters.
#[must_use]
pub fn is_manifest_type(media_type: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
    let (kind, subtype) = media_type.split_once('/').unwrap_or_default();
    kind.eq_ignore_ascii_case("application")
        && media_type.len() <= LONGEST_TYPE
        && subtype.bytes().all(is_name)
        && subtype.as_bytes().last_chunk::<4>().is_some_and(|end| end.eq_ignore_ascii_case(b"json"))
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
