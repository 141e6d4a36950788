//! What is asked for, and by which rules.

use alloc::boxed::Box;
use alloc::string::String;

use super::record::Record;
use crate::policy::Rules;
use crate::{
    Capabilities, Digest, Limits, Permission, Permissions, PlainLayers, Platform, Policy, Timestamp,
    UnsignedSchema1, ZstdSupport,
};

/// One request for a manifest.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub root: Root,
    /// What the client understands.
    pub client: Capabilities,
    /// What to do where the reference would lose something.
    pub policy: Policy,
    /// What is allowed beside what the policy allows.
    pub allow: Permissions,
    /// Who gets plain layers instead of what is compressed with zstd.
    pub plain_layers: PlainLayers,
    /// What becomes of stored schema 1 without a signature.
    pub unsigned_schema1: UnsignedSchema1,
    /// The platform for clients that do not say theirs.
    pub default_platform: Platform,
    /// The time to sign with; without one it is taken from the image.
    pub time: Option<Timestamp>,
    /// How much to take in and give out.
    pub limits: Limits,
}

impl Request {
    /// Whether lists and indexes are looked into for this client: whether it gets one as it is stored depends on how the
    /// layers of the manifest for its platform are compressed.
    #[must_use]
    pub fn looks_into_lists(
        client: &Capabilities,
        policy: Policy,
        allow: Permissions,
        plain_layers: PlainLayers,
    ) -> bool {
        let is_refused = !allow.has(Permission::ZstdLayer);
        let cannot_read = !client.reads_zstd() || plain_layers == PlainLayers::Always;
        policy.is_strict() && (is_refused && cannot_read || client.zstd() == Some(ZstdSupport::Oci))
    }

    /// The policy, and what is allowed beside it.
    pub(crate) fn rules(&self) -> Rules {
        Rules { policy: self.policy, allow: self.allow }
    }
}

/// What is asked for. Looking up tags and records is the shell's.
#[derive(Clone, Debug)]
pub enum Root {
    /// A tag.
    Tag {
        /// The repository's name. It is written into schema 1.
        name: String,
        /// The tag. It is written into schema 1.
        tag: String,
        /// The digest that the tag points to.
        digest: Digest,
    },
    /// A digest.
    Digest {
        /// The repository's name.
        name: String,
        /// The digest as requested.
        digest: Digest,
        /// A tag that points to that digest, if the shell knows one.
        tag: Option<String>,
        /// What was recorded when this digest was reported, if it was.
        record: Option<Box<Record>>,
    },
}

impl Root {
    /// The digest of the manifest that is asked for.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Tag { digest, .. } | Self::Digest { digest, .. } => digest,
        }
    }

    /// The repository's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Tag { name, .. } | Self::Digest { name, .. } => name,
        }
    }

    /// The tag, if there is one that points to the digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        let tag = match self {
            Self::Tag { tag, .. } => Some(tag),
            Self::Digest { tag, .. } => tag.as_ref(),
        };
        tag.map(String::as_str).filter(|tag| !tag.is_empty())
    }
}
