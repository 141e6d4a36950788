//! What registries have said, in memory and on the disk: documents, what tags point to, and lists.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use downshift::Digest;
use downshift_pull::{ListValue, Scope, TagTarget};
use moka::sync::Cache;
use tokio::task;

use crate::byte_cache::ByteCache;
use crate::data::disk_cache::{DiskCache, RepositoryFolder};

/// Bytes of all documents in memory: some ten thousand manifests and configs of the usual size.
const DOCUMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of all lists in memory.
const LIST_BYTES: u64 = 16 * 1024 * 1024;

/// How many tags are in memory.
const MAX_TAGS: u64 = 100_000;

/// What an entry takes beside its bytes: its key, and its place in the cache.
const OVERHEAD: usize = 512;

/// How much of the time for which a tag may be stale passes before it is written to the disk again: a tenth.
const WRITES_PER_STALE_TIME: u32 = 10;

/// What registries have said.
pub(crate) struct OriginCache {
    documents: ByteCache<(Scope, Digest), Bytes>,
    tags: Cache<(Scope, String), WrittenTag>,
    lists: ByteCache<(Scope, String), ListValue>,
    disk: Option<Arc<DiskCache>>,
}

/// What a tag points to, and when that was last written to the disk, in milliseconds since 1970.
#[derive(Clone, Debug)]
struct WrittenTag {
    target: TagTarget,
    written: u64,
}

/// A repository of a registry on the disk.
#[derive(Clone)]
pub(crate) struct Place {
    /// The URL of the registry.
    pub(crate) url: String,
    /// The repository.
    pub(crate) scope: Scope,
}

impl OriginCache {
    /// Nothing yet in memory, and what there is on `disk`.
    pub(crate) fn new(disk: Option<Arc<DiskCache>>) -> Self {
        Self {
            documents: ByteCache::new(DOCUMENT_BYTES, OVERHEAD, Bytes::len),
            tags: Cache::new(MAX_TAGS),
            lists: ByteCache::new(LIST_BYTES, OVERHEAD, |list| list.bytes.len()),
            disk,
        }
    }

    /// A document that is in memory.
    pub(crate) fn document(&self, scope: &Scope, digest: &Digest) -> Option<Bytes> {
        self.documents.get(&(scope.clone(), digest.clone()))
    }

    /// A document that is on the disk, which goes into memory.
    pub(crate) async fn document_on_disk(&self, place: &Place, digest: &Digest) -> Option<Bytes> {
        let wanted = digest.clone();
        let bytes = self.on_disk(place, move |folder| folder.get(&wanted)).await??;
        self.documents.insert((place.scope.clone(), digest.clone()), bytes.clone());
        Some(bytes)
    }

    /// Whether a document is in memory, which does not count as use.
    pub(crate) fn has_document(&self, scope: &Scope, digest: &Digest) -> bool {
        self.documents.contains_key(&(scope.clone(), digest.clone()))
    }

    /// Whether a document is on the disk.
    pub(crate) async fn has_document_on_disk(&self, place: &Place, digest: &Digest) -> bool {
        let wanted = digest.clone();
        self.on_disk(place, move |folder| folder.has(&wanted)).await.unwrap_or(false)
    }

    /// Keeps a document, whose digest is checked.
    pub(crate) async fn keep_document(&self, place: &Place, digest: &Digest, bytes: Bytes) {
        self.documents.insert((place.scope.clone(), digest.clone()), bytes.clone());
        let digest = digest.clone();
        self.on_disk(place, move |folder| folder.put(&digest, &bytes)).await;
    }

    /// What a tag points to, as far as that is in memory.
    pub(crate) fn tag(&self, scope: &Scope, tag: &str) -> Option<TagTarget> {
        self.tags.get(&(scope.clone(), tag.to_owned())).map(|tag| tag.target)
    }

    /// What a tag points to, as far as that is on the disk. It goes into memory.
    pub(crate) async fn tag_on_disk(&self, place: &Place, tag: &str) -> Option<TagTarget> {
        let wanted = tag.to_owned();
        let stored = self.on_disk(place, move |folder| folder.tag(&wanted)).await??;
        let target = TagTarget { digest: Digest::parse(&stored.digest).ok()?, at: stored.at * 1000 };
        let written = WrittenTag { written: target.at, target };
        // What somebody kept while this was read is newer.
        let entry = self.tags.entry((place.scope.clone(), tag.to_owned())).or_insert(written);
        Some(entry.into_value().target)
    }

    /// Keeps what a tag points to; on the disk where what stands there says too little: it is about another digest, or so
    /// old that it is soon of no use.
    pub(crate) async fn keep_tag(&self, place: &Place, tag: &str, target: TagTarget, stale_for: Duration) {
        let key = (place.scope.clone(), tag.to_owned());
        let last = self.tags.get(&key);
        let interval = u64::try_from((stale_for / WRITES_PER_STALE_TIME).as_millis()).unwrap_or(u64::MAX);
        let is_written = last.as_ref().is_none_or(|last| {
            last.target.digest != target.digest || target.at.saturating_sub(last.written) > interval
        });
        let written = if is_written { target.at } else { last.map_or(target.at, |last| last.written) };
        let digest = target.digest.clone();
        self.tags.insert(key, WrittenTag { target, written });
        if is_written {
            let tag = tag.to_owned();
            self.on_disk(place, move |folder| folder.put_tag(&tag, &digest)).await;
        }
    }

    /// Forgets a tag.
    pub(crate) async fn forget_tag(&self, place: &Place, tag: &str) {
        self.tags.invalidate(&(place.scope.clone(), tag.to_owned()));
        let tag = tag.to_owned();
        self.on_disk(place, move |folder| folder.remove_tag(&tag)).await;
    }

    /// A list that is in memory.
    pub(crate) fn list(&self, scope: &Scope, path: &str) -> Option<ListValue> {
        self.lists.get(&(scope.clone(), path.to_owned()))
    }

    /// Keeps a list.
    pub(crate) fn keep_list(&self, scope: &Scope, path: &str, list: ListValue) {
        self.lists.insert((scope.clone(), path.to_owned()), list);
    }

    /// Whether there is a disk.
    pub(crate) fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Forgets a repository. It waits for the disk.
    pub(crate) async fn purge(&self, place: &Place) {
        self.documents.invalidate_if(|(scope, _)| *scope == place.scope);
        for (key, _) in self.tags.iter().filter(|(key, _)| key.0 == place.scope) {
            self.tags.invalidate(&*key);
        }
        self.lists.invalidate_if(|(scope, _)| *scope == place.scope);
        self.on_disk(place, RepositoryFolder::clear).await;
    }

    /// Forgets everything. It waits for the disk.
    pub(crate) async fn clear(&self) {
        self.documents.invalidate_all();
        self.tags.invalidate_all();
        self.lists.invalidate_all();
        if let Some(disk) = self.disk.clone() {
            // Only a panic, which is on stderr already, gives no result.
            let _ = task::spawn_blocking(move || disk.clear()).await;
        }
    }

    /// How many documents are in memory, and their bytes.
    pub(crate) fn documents_in_memory(&self) -> (u64, u64) {
        self.documents.size()
    }

    /// Lets go of what has left.
    pub(crate) fn tidy(&self) {
        self.documents.tidy();
        self.lists.tidy();
    }

    /// How many tags are in memory.
    pub(crate) fn tags_in_memory(&self) -> u64 {
        self.tags.entry_count()
    }

    /// Bytes on the disk, if there is one.
    pub(crate) fn bytes_on_disk(&self) -> Option<u64> {
        self.disk.as_ref().map(|disk| disk.bytes())
    }

    /// Does something with a repository on the disk, if there is one, where that keeps nobody waiting.
    async fn on_disk<T: Send + 'static>(
        &self,
        Place { url, scope }: &Place,
        job: impl FnOnce(&RepositoryFolder) -> T + Send + 'static,
    ) -> Option<T> {
        let folder = self.disk.as_ref()?.repository(url, &scope.name);
        task::spawn_blocking(move || job(&folder)).await.ok()
    }
}
