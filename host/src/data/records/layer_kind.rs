//! What a record says of a layer, and the keys of all records.

use core::time::Duration;

use downshift::Digest;

use super::place::REFRESH;

/// How long a known blob counts as used now.
const KNOWN_REFRESH: Duration = Duration::from_secs(24 * 3600);

/// What a record says of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayerKind {
    /// The facts of a blob.
    Facts,
    /// The stored blobs that unpack to a diff id.
    Sources,
    /// That a blob is in a repository.
    Known,
}

/// The key of a record: the repository's name, and what is recorded there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) name: String,
    /// A digest, and before it the kind where it is not that of a manifest.
    pub(super) item: String,
}

impl LayerKind {
    const ALL: [Self; 3] = [Self::Facts, Self::Sources, Self::Known];

    /// The first word of a key, and what stands for the form. No digest and no form is like it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Facts => "layer-facts",
            Self::Sources => "layer-sources",
            Self::Known => "known-blob",
        }
    }

    /// The kind that an entry says it is; none if it is a manifest's.
    pub(super) fn of(form: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == form)
    }

    /// How long such a record counts as used now.
    pub(super) const fn refresh(self) -> Duration {
        match self {
            Self::Facts | Self::Sources => REFRESH,
            Self::Known => KNOWN_REFRESH,
        }
    }

    /// Whether to be asked for makes a record one of those that go last. A diff id is pinned by who asks for it; the others
    /// are looked up whenever somebody pulls by a tag, and can be learnt again.
    pub(super) const fn is_pinned_by_use(self) -> bool {
        matches!(self, Self::Sources)
    }

    /// The key of such a record. Facts are of no repository, whose name is never empty.
    pub(super) fn key(self, name: &str, digest: &Digest) -> Key {
        Key { name: name.to_owned(), item: format!("{} {digest}", self.word()) }
    }
}

impl Key {
    /// The key of a manifest's record.
    pub(super) fn manifest(name: &str, digest: &Digest) -> Self {
        Self { name: name.to_owned(), item: digest.to_string() }
    }

    /// The same as two texts.
    pub(super) fn parts(&self) -> (&str, &str) {
        (&self.name, &self.item)
    }
}
