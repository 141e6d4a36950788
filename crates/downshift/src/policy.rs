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

/// Who gets plain layers: a manifest that names what is compressed with zstd by its diff id instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlainLayers {
    /// Nobody: whoever cannot read zstd is refused.
    Never,
    /// Clients that do not read zstd.
    #[default]
    Old,
    /// Everybody, so that an image has one digest per form for clients of every age.
    Always,
}

impl PlainLayers {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Never, Self::Old, Self::Always];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Old => "old",
            Self::Always => "always",
        }
    }
}

impl fmt::Display for PlainLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PlainLayers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|plain_layers| plain_layers.name() == text);
        found.ok_or_else(|| Error::UnknownPlainLayers { value: text.to_string() })
    }
}

/// What becomes of stored schema 1 that nobody has signed, where its form or its signature would have to be made here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnsignedSchema1 {
    /// It is converted, and signed for who reads no other.
    #[default]
    Allow,
    /// It is refused.
    Refuse,
}

impl UnsignedSchema1 {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Refuse];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for UnsignedSchema1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for UnsignedSchema1 {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|unsigned| unsigned.name() == text);
        found.ok_or_else(|| Error::UnknownUnsignedSchema1 { value: text.to_string() })
    }
}

/// A refusal of [`Policy::Strict`] that can be lifted on its own: what it is about is then converted as Distribution does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Manifests that do not look like an image's are converted.
    Artifact,
    /// Images are converted without the `rootfs.base_layer` below them.
    BaseLayer,
    /// Schema 1 names layers by digests of other algorithms than SHA-256.
    DigestAlgorithm,
    /// Of a key that stands twice in a config, the last counts.
    DuplicateKey,
    /// Schema 1 names foreign layers as if they were here.
    ForeignLayer,
    /// `parent` and `throwaway` of a config stand in schema 1, where they mean something else.
    ReservedKey,
    /// A key of a config counts in any case.
    ShadowedKey,
    /// Schema 1 names layers of whatever type.
    UnknownLayerType,
    /// Members of a config are copied whatever type they have.
    UnreadableConfig,
    /// Schema 1 with a signature that does not hold is converted.
    WrongSignature,
    /// Docker's manifests name layers that are compressed with zstd.
    ZstdLayer,
}

/// What is allowed beside what the policy allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u16);

/// The policy, and what is allowed beside it.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    pub(crate) allow: Permissions,
}

impl Permission {
    /// Every permission, in the order of their names.
    pub const ALL: [Self; 11] = [
        Self::Artifact,
        Self::BaseLayer,
        Self::DigestAlgorithm,
        Self::DuplicateKey,
        Self::ForeignLayer,
        Self::ReservedKey,
        Self::ShadowedKey,
        Self::UnknownLayerType,
        Self::UnreadableConfig,
        Self::WrongSignature,
        Self::ZstdLayer,
    ];

    /// Its name: the code of the refusal.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::BaseLayer => "base-layer",
            Self::DigestAlgorithm => "digest-algorithm",
            Self::DuplicateKey => "duplicate-key",
            Self::ForeignLayer => "foreign-layer",
            Self::ReservedKey => "reserved-key",
            Self::ShadowedKey => "shadowed-key",
            Self::UnknownLayerType => "unknown-layer-type",
            Self::UnreadableConfig => "unreadable-config",
            Self::WrongSignature => "wrong-signature",
            Self::ZstdLayer => "zstd-layer",
        }
    }
}

impl FromStr for Permission {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|permission| permission.code() == text);
        found.ok_or_else(|| Error::UnknownPermission { value: text.to_string() })
    }
}

impl Permissions {
    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether this is allowed.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u16) != 0
    }

    /// What is allowed.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.has(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |all, permission| all | 1 << permission as u16))
    }
}

/// As [`Permissions`] are read: their names, with commas between them.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for permission in self.iter() {
            f.write_str(separator)?;
            f.write_str(permission.code())?;
            separator = ",";
        }
        Ok(())
    }
}

impl FromStr for Permissions {
    type Err = Error;

    /// Reads names with commas between them.
    fn from_str(text: &str) -> Result<Self, Error> {
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::parse).collect()
    }
}

impl Rules {
    /// The rules of the reference.
    pub(crate) const REFERENCE: Self = Self { policy: Policy::Reference, allow: Permissions(0) };

    pub(crate) const fn is_strict(self) -> bool {
        self.policy.is_strict()
    }

    /// Whether what this would allow is refused.
    pub(crate) const fn refuse(self, permission: Permission) -> bool {
        self.is_strict() && !self.allow.has(permission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read_as_they_are_written() {
        let all: Permissions = Permission::ALL.into_iter().collect();
        for permissions in [Permissions::default(), all, [Permission::ForeignLayer].into_iter().collect()] {
            assert_eq!(permissions.to_string().parse(), Ok(permissions));
        }
        assert_eq!("foreign-layer, artifact,".parse(), Ok(all_of("artifact,foreign-layer")));
        let unknown = Error::UnknownPermission { value: "foreign".into() };
        assert_eq!("foreign".parse::<Permissions>(), Err(unknown.clone()));
        let named = unknown.remedy().replace("use ", "").replace(" or ", ", ").replace(", ", ",");
        assert_eq!(named, all.to_string());
    }

    fn all_of(text: &str) -> Permissions {
        text.split(',').filter_map(|name| name.parse::<Permission>().ok()).collect()
    }
}
