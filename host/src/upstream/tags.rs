//! What the tags of a registry point to: as it said within their lifetime, and, for when it cannot be asked, as it said
//! last.

use core::time::Duration;

use downshift::Digest;
use moka::future::Cache;

use crate::time::now;

/// How many tags are kept.
const MAX_TAGS: u64 = 100_000;

/// A tag, by the repository's name at the registry.
pub(super) type Key = (String, String);

/// Tags in memory.
pub(super) struct Tags {
    /// What they point to, as long as that may be told without asking.
    pub(super) fresh: Cache<Key, Digest>,
    /// What they pointed to when that was last asked.
    pub(super) last: Cache<Key, Last>,
    /// How long that may be told while the registry cannot be asked.
    stale_for: Duration,
    lifetime: Duration,
}

/// What a tag pointed to.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) digest: Digest,
    /// When the registry said so, in seconds since 1970.
    pub(super) at: u64,
    /// When that was written to the disk.
    pub(super) written: u64,
}

impl Tags {
    pub(super) fn new(lifetime: Duration, stale_for: Duration) -> Self {
        Self {
            fresh: Cache::builder().max_capacity(MAX_TAGS).time_to_live(lifetime).build(),
            last: Cache::new(MAX_TAGS),
            stale_for,
            lifetime,
        }
    }

    /// Whether `last` may still be told, if its registry cannot be asked.
    pub(super) fn is_bearable(&self, last: &Last) -> bool {
        let age = Duration::from_secs(now().saturating_sub(last.at));
        !self.stale_for.is_zero() && age <= self.lifetime + self.stale_for
    }

    /// Whether what was written to the disk about a tag says too little: it is about another digest, or so old that it
    /// is soon of no use.
    pub(super) fn is_worth_writing(&self, last: Option<&Last>, digest: &Digest) -> bool {
        let interval = self.stale_for.as_secs() / 10;
        last.is_none_or(|last| last.digest != *digest || now().saturating_sub(last.written) > interval)
    }

    /// Forgets the tags of a repository, or all.
    pub(super) async fn purge(&self, name: Option<&str>) {
        let Some(name) = name else {
            self.fresh.invalidate_all();
            self.last.invalidate_all();
            return;
        };
        let is_meant = |key: &Key| key.0 == name;
        let fresh: Vec<_> = self.fresh.iter().map(|(key, _)| key).filter(|key| is_meant(key)).collect();
        let last: Vec<_> = self.last.iter().map(|(key, _)| key).filter(|key| is_meant(key)).collect();
        for key in fresh {
            self.fresh.invalidate(&*key).await;
        }
        for key in last {
            self.last.invalidate(&*key).await;
        }
    }
}
