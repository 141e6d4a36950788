//! The documents of a registry in memory.

use std::sync::Arc;

use bytes::Bytes;
use downshift::Digest;
use moka::{future, sync};

use crate::error::Error;

/// Bytes of all documents: some ten thousand manifests and configs of the usual size.
const CAPACITY: u64 = 64 * 1024 * 1024;

/// What a document takes beside its bytes: its key, and its place in the cache.
const OVERHEAD: usize = 512;

/// A document, by the repository's name at the registry and its digest.
pub(super) type Key = (String, Digest);

/// A cache of documents with single flight: each is fetched once for all callers who wait for it.
pub(super) struct DocumentCache {
    /// The documents. Code that cannot wait reads them.
    documents: sync::Cache<Key, Bytes>,
    /// Single flight: joins the callers who wait for the same document. Its capacity is zero, so it keeps nothing.
    flights: future::Cache<Key, Bytes>,
}

impl DocumentCache {
    /// No documents, and room for the usual number.
    pub(super) fn new() -> Self {
        let weigh = |_: &Key, bytes: &Bytes| u32::try_from(bytes.len() + OVERHEAD).unwrap_or(u32::MAX);
        Self {
            documents: sync::Cache::builder().max_capacity(CAPACITY).weigher(weigh).build(),
            flights: future::Cache::new(0),
        }
    }

    /// A document, if it is there.
    pub(super) fn get(&self, key: &Key) -> Option<Bytes> {
        self.documents.get(key)
    }

    /// True if a document is there. It does not count as used.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.documents.contains_key(key)
    }

    /// A document from the cache, or from `fetch`: of several callers at once one fetches, and the others get the same
    /// document or error.
    pub(super) async fn get_or_fetch(
        &self,
        key: Key,
        fetch: impl Future<Output = Result<Bytes, Error>>,
    ) -> Result<Bytes, Arc<Error>> {
        if let Some(bytes) = self.get(&key) {
            return Ok(bytes);
        }
        let fetch = async {
            // Another caller's flight may have ended meanwhile.
            if let Some(bytes) = self.get(&key) {
                return Ok(bytes);
            }
            let bytes = fetch.await?;
            self.insert(key.clone(), bytes.clone());
            Ok(bytes)
        };
        // Boxed, for the cache has the future in several of its own.
        Box::pin(self.flights.try_get_with_by_ref(&key, Box::pin(fetch))).await
    }

    /// Adds a document, whose digest is checked.
    pub(super) fn insert(&self, key: Key, bytes: Bytes) {
        self.documents.insert(key, bytes);
    }

    /// Forgets the documents of the repository `name`, or all.
    pub(super) fn purge(&self, name: Option<&str>) {
        let Some(name) = name else { return self.documents.invalidate_all() };
        let keys: Vec<_> = self.documents.iter().map(|(key, _)| key).filter(|key| key.0 == name).collect();
        for key in keys {
            self.documents.invalidate(&*key);
        }
    }

    /// How many documents there are, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.documents.entry_count(), self.documents.weighted_size())
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use tokio::join;
    use tokio::sync::Notify;

    use super::*;

    fn key(name: &str) -> Key {
        (name.to_owned(), Digest::of(b"text"))
    }

    #[tokio::test]
    async fn a_document_is_fetched_once_for_all_that_wait_for_it() {
        let (cache, fetches, go) = (DocumentCache::new(), AtomicUsize::new(0), Notify::new());
        let get = || {
            cache.get_or_fetch(key("a"), async {
                fetches.fetch_add(1, Ordering::Relaxed);
                go.notified().await;
                Ok(Bytes::from("text"))
            })
        };
        let (one, other, ()) = join!(get(), get(), async { go.notify_one() });
        assert_eq!((one.unwrap(), other.unwrap()), (Bytes::from("text"), Bytes::from("text")));
        assert_eq!(get().await.unwrap(), "text");
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
        assert_eq!((cache.get(&key("a")), cache.get(&key("b"))), (Some(Bytes::from("text")), None));
    }

    #[tokio::test]
    async fn errors_are_for_those_who_wait_and_for_nobody_later() {
        let cache = DocumentCache::new();
        let failed = cache.get_or_fetch(key("a"), async { Err(Error::NoSuchRepository) }).await;
        assert_eq!(failed.unwrap_err().code(), "no-such-repository");
        assert_eq!(cache.get_or_fetch(key("a"), async { Ok("text".into()) }).await.unwrap(), "text");
        cache.purge(Some("b"));
        assert!(cache.contains(&key("a")));
        cache.purge(Some("a"));
        assert!(!cache.contains(&key("a")));
    }
}
