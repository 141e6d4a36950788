//! What is kept between pulls: under which keys, and for how long.
//!
//! Where it is kept is the shell's. What is known of callers, of tokens and of how registries are asked belongs into
//! [`Memory`](crate::Memory) and nowhere else; the rest may be in memory, on a disk, or near the clients, and may be gone at any time.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use downshift::answer::{LayerReading, Record};
use downshift::{Digest, Form};
use downshift_registry::response::Manifest;
use downshift_registry::{AnswerKey, Authorization, IdentityToken, PullFailure};

use crate::caller::CallerId;
use crate::settings::{OriginId, Scope};

/// A key of what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// An answer. It depends on the settings, too: the policy, what is allowed in all repositories and in those of the origin,
    /// what becomes of unsigned schema 1, the platform, the limits, and the signing key.
    Answer {
        /// The origin.
        origin: OriginId,
        /// What decides the answer.
        key: Arc<AnswerKey>,
    },
    /// A manifest or config of a registry.
    Document {
        /// The repository.
        scope: Scope,
        /// Its digest.
        digest: Digest,
    },
    /// What a tag of a registry points to.
    Tag {
        /// The repository.
        scope: Scope,
        /// The tag.
        tag: String,
    },
    /// A list of a registry: tags, or referrers.
    List {
        /// The repository.
        scope: Scope,
        /// Its path below the repository, with its query.
        path: String,
    },
    /// What the manifests of a stored repository refer to. It is of no use for another reading of that.
    Referrers {
        /// The repository.
        scope: Scope,
        /// The number of the reading.
        reading: u64,
    },
    /// That the record of a digest is kept, by the repository's name here.
    Record {
        /// The repository's name.
        name: String,
        /// The digest that was reported.
        digest: Digest,
    },
    /// That a registry lets a caller pull.
    Permit {
        /// The caller.
        caller: CallerId,
        /// The repository.
        scope: Scope,
    },
    /// A token of this server for a repository.
    Token(Scope),
    /// That a registry wants a name and password with every request.
    Basic(OriginId),
    /// What this server asks a registry's token service with in the place of its own identity token.
    IdentityToken(OriginId),
    /// That HEAD is of no use at a registry, whatever GET says there.
    HeadRefusal {
        /// The origin.
        origin: OriginId,
        /// The registry's scheme, host and port.
        host: String,
        /// What it is of no use for.
        of: HeadOf,
    },
    /// That a manifest is at its registry, or need not be.
    Presence {
        /// The repository.
        scope: Scope,
        /// The manifest's digest.
        digest: Digest,
    },
    /// Which tag of a registry a manifest has, itself or in an index.
    TagOf {
        /// The repository.
        scope: Scope,
        /// The manifest's digest.
        digest: Digest,
    },
    /// Of which type a manifest is as its registry says, where it does not say so itself.
    MediaType {
        /// The repository.
        scope: Scope,
        /// The manifest's digest.
        digest: Digest,
    },
    /// How many bytes a blob of a registry has, as a manifest of its repository says.
    BlobSize {
        /// The repository.
        scope: Scope,
        /// The blob's digest.
        digest: Digest,
    },
    /// That a layer of a repository is being read, where [passes are marked](crate::Settings::marks_passes).
    LayerPass {
        /// The repository.
        scope: Scope,
        /// The layer's digest.
        digest: Digest,
    },
    /// That a layer of a repository cannot be unpacked.
    LayerRefusal {
        /// The repository.
        scope: Scope,
        /// The layer's digest.
        digest: Digest,
    },
    /// Which tags of a repository a client wanted lately that pulls by version 1, where images are not asked for by tags.
    WantedTags {
        /// The client: its address and its `User-Agent`.
        client: String,
        /// The repository's name here.
        name: String,
    },
    /// Why a client could not pull from a repository last.
    LastFailure {
        /// The client: its address and its `User-Agent`.
        client: String,
        /// The repository's name here.
        name: String,
    },
}

/// What HEAD asks for. A registry may answer it for one kind and not for the other, which it has from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadOf {
    /// Manifests.
    Manifests,
    /// Blobs.
    Blobs,
}

/// What is kept under a [`Key`].
#[derive(Clone, Debug)]
pub enum Value {
    /// An answer.
    Answer(Arc<AnswerValue>),
    /// That the answer depends on the client's platform, and is kept under the key with that.
    ByPlatform,
    /// A document, whose digest was checked.
    Document(Bytes),
    /// What a tag points to.
    Tag(TagTarget),
    /// A list.
    List(ListValue),
    /// What the manifests of a stored repository refer to.
    Referrers(ReferrersValue),
    /// The record of a digest.
    Record(Box<Record>),
    /// That a caller may pull. `mark` is what [`Done::Unknown`](crate::Done::Unknown) said when the registry was not asked
    /// yet.
    Permit {
        /// The number of refusals then.
        mark: u64,
    },
    /// A token.
    Token(Authorization),
    /// That a name and password are wanted.
    Basic,
    /// An identity token.
    IdentityToken(IdentityToken),
    /// That HEAD is of no use.
    HeadRefusal,
    /// That it is, or need not be.
    Presence,
    /// A tag, and the digest that it pointed to then.
    TagOf {
        /// The tag.
        tag: String,
        /// What it pointed to: the manifest itself, or an index that has it.
        target: Digest,
    },
    /// The type of a manifest, without parameters.
    MediaType(String),
    /// The bytes of a blob.
    BlobSize(u64),
    /// That it is being read.
    LayerPass,
    /// Why it cannot be.
    LayerRefusal(LayerReading),
    /// Tags.
    WantedTags(Vec<String>),
    /// Why somebody could not pull.
    LastFailure(PullFailure),
}

/// An answer, and what has to be recorded as long as it is given.
#[derive(Clone, Debug)]
pub struct AnswerValue {
    /// The manifest.
    pub manifest: Manifest,
    /// The form of what is stored.
    pub stored: Form,
    /// The digests of the records that were kept for it.
    pub recorded: Vec<Digest>,
    /// The diff ids by which it names layers.
    pub diff_ids: Vec<Digest>,
}

/// What a tag points to, and when its registry said so, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagTarget {
    /// The digest.
    pub digest: Digest,
    /// When the registry said so.
    pub at: u64,
}

/// A list as its registry gave it, and when, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListValue {
    /// Its bytes.
    pub bytes: Bytes,
    /// The query of the next page.
    pub next: Option<String>,
    /// The filters that were applied.
    pub filters: Option<String>,
    /// When the registry gave it.
    pub at: u64,
}

/// What the manifests of a stored repository refer to, which only a pull can read. Clones share it.
#[derive(Clone, Debug)]
pub struct ReferrersValue(pub(crate) Arc<Referrers>);

impl ReferrersValue {
    /// Bytes that they take, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &*self.0 {
            Referrers::TooMany { .. } => 0,
            Referrers::Complete(by_subject) => by_subject.values().flatten().map(Referrer::bytes).sum(),
        }
    }
}

/// One manifest that refers to another, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referrer {
    /// Its digest.
    pub(crate) digest: Digest,
    /// What kind of artifact it is, if it says so.
    pub(crate) artifact_type: Option<String>,
    /// Its descriptor, in JSON.
    pub(crate) descriptor: String,
}

impl Referrer {
    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let artifact_type = self.artifact_type.as_ref().map_or(0, String::len);
        REFERRER_COST.saturating_add(self.descriptor.len()).saturating_add(artifact_type)
    }
}

/// The referrers of all manifests in a layout, by the digests that they refer to; or which limit the layout passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Referrers {
    /// All of them.
    Complete(BTreeMap<Digest, Vec<Referrer>>),
    /// There is too much to read.
    TooMany {
        /// What the limit counts.
        limit: &'static str,
        /// How many there may be.
        most: usize,
    },
}

/// Bytes of a referrer beside its texts: its digest, and its place.
const REFERRER_COST: usize = 256;

/// What a digest names never changes. A day is what caches keep things for that may be wanted again.
pub(crate) const DOCUMENT_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// As long as it is known nearby that the records of an answer are kept.
pub(crate) const ANSWER_LIFETIME: Duration = Duration::from_secs(3600);

impl Key {
    /// Whether it belongs into [`Memory`](crate::Memory): it is about credentials, how a registry is asked, or
    /// one client.
    #[must_use]
    pub fn is_for_memory(&self) -> bool {
        match self {
            Self::Permit { .. }
            | Self::Token(_)
            | Self::Basic(_)
            | Self::IdentityToken(_)
            | Self::HeadRefusal { .. }
            | Self::Presence { .. }
            | Self::TagOf { .. }
            | Self::MediaType { .. }
            | Self::BlobSize { .. }
            | Self::LayerRefusal { .. }
            | Self::WantedTags { .. }
            | Self::LastFailure { .. } => true,
            Self::Answer { .. }
            | Self::Document { .. }
            | Self::Tag { .. }
            | Self::List { .. }
            | Self::Referrers { .. }
            | Self::LayerPass { .. }
            | Self::Record { .. } => false,
        }
    }
}
