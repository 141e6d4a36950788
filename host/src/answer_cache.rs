//! AnswerCache in memory: what was converted and signed once need not be again, as long as nothing behind it has changed.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use downshift::{Digest, Form};
use downshift_registry::response::Manifest;
use downshift_registry::{AnswerKey, Reference};
use moka::future::Cache;

use crate::engine::NoAnswer;
use crate::error::Error;
use crate::metrics::{Cache as CacheName, METRICS};
use crate::records::{REFRESH, Records};
use crate::time;

/// Bytes of all answers: some ten thousand manifests of the usual size.
const CAPACITY: u64 = 64 * 1024 * 1024;

/// What an answer takes beside its body: its key, its digests, and its place in the cache.
const OVERHEAD: usize = 1024;

/// AnswerCache by what decides them. Where there is no room, those asked for least go.
pub(crate) struct AnswerCache {
    cache: Cache<AnswerKey, Arc<Kept>>,
}

/// A manifest, and what it was made from.
#[derive(Clone)]
pub(crate) struct Given {
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// The form of what is stored.
    pub(crate) stored: Form,
}

/// An answer that was made.
pub(crate) struct Made {
    /// The manifest.
    pub(crate) given: Given,
    /// The digests of the records that were kept for it.
    pub(crate) recorded: Vec<Digest>,
}

/// An answer, and what has to be recorded as long as it is given.
struct Kept {
    given: Given,
    recorded: Vec<Digest>,
    /// The state of [`Records::evictions`] in which all of them were there.
    evictions: AtomicU64,
    /// When the record of the digest that is asked for was last told so, in seconds since 1970.
    asked: AtomicU64,
}

impl AnswerCache {
    /// No answers, and room for the usual number.
    pub(crate) fn new() -> Self {
        let weigh = |_: &AnswerKey, kept: &Arc<Kept>| {
            u32::try_from(kept.given.manifest.body.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self { cache: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build() }
    }

    /// The answer, if it is at hand and every digest that it reports is still recorded.
    pub(crate) async fn get(&self, key: &AnswerKey, records: &Records) -> Result<Option<Given>, Error> {
        let found = self.cache.get(key).await;
        METRICS.looked_up(CacheName::Answers, found.is_some());
        let Some(kept) = found else { return Ok(None) };
        if !kept.is_recorded(&key.name, records)? {
            self.cache.invalidate(key).await;
            return Ok(None);
        }
        if let Reference::Digest(digest) = &key.reference {
            let now = time::now();
            if now.abs_diff(kept.asked.load(Ordering::Relaxed)) >= REFRESH.as_secs() {
                kept.asked.store(now, Ordering::Relaxed);
                records.protect(&key.name, digest);
            }
        }
        Ok(Some(kept.given.clone()))
    }

    /// The answer, at hand or from `make`, which makes it and keeps its records. Of several that ask at once one
    /// makes it, and the others wait.
    pub(crate) async fn get_or_make(
        &self,
        key: AnswerKey,
        records: &Records,
        make: impl Future<Output = Result<Made, NoAnswer>>,
    ) -> Result<Given, Arc<NoAnswer>> {
        let make = async {
            // Before the records are kept: whatever goes from then on is noticed.
            let evictions = AtomicU64::new(records.evictions());
            let asked = AtomicU64::new(time::now());
            make.await.map(|Made { given, recorded }| Arc::new(Kept { given, recorded, evictions, asked }))
        };
        // Boxed, for the cache has the future in several of its own.
        let kept = Box::pin(self.cache.try_get_with(key, Box::pin(make)));
        Ok(kept.await?.given.clone())
    }

    /// Forgets the answers about the repository `name`, or all.
    pub(crate) async fn purge(&self, name: Option<&str>) {
        let Some(name) = name else { return self.cache.invalidate_all() };
        let keys: Vec<_> = self.cache.iter().map(|(key, _)| key).filter(|key| key.name == name).collect();
        for key in keys {
            self.cache.invalidate(&*key).await;
        }
    }

    /// How many answers there are, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.cache.entry_count(), self.cache.weighted_size())
    }
}

impl Kept {
    fn is_recorded(&self, name: &str, records: &Records) -> Result<bool, Error> {
        let evictions = records.evictions();
        if self.evictions.load(Ordering::Relaxed) == evictions {
            return Ok(true);
        }
        for digest in &self.recorded {
            if !records.contains(name, digest)? {
                return Ok(false);
            }
        }
        self.evictions.store(evictions, Ordering::Relaxed);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use downshift::Capabilities;
    use downshift::answer::Record;
    use downshift_registry::Meaning;

    use super::*;

    fn key(tag: &str, reading: u64) -> AnswerKey {
        let reference = Reference::Tag(tag.to_owned());
        let meaning = Meaning::Reading(reading);
        AnswerKey { name: "library/httpd".to_owned(), reference, meaning, client: Capabilities::default() }
    }

    /// An answer with the body `text`, which is recorded.
    async fn made(text: &str, records: &Records) -> Result<Made, NoAnswer> {
        let digest = Digest::of(text.as_bytes());
        let record = Record {
            name: "library/httpd".to_owned(),
            digest: digest.clone(),
            form: Form::Schema1,
            payload: text.as_bytes().to_vec(),
            source: Digest::empty_layer(),
            tag: None,
            platform: None,
            time: None,
        };
        let (form, source) = (record.form, Some(record.source.clone()));
        records.keep(vec![record]).await?;
        let body = text.to_owned().into();
        let manifest = Manifest { form, digest: digest.clone(), body, source };
        Ok(Made { given: Given { manifest, stored: Form::Schema2 }, recorded: vec![digest] })
    }

    #[tokio::test]
    async fn an_answer_is_made_once_for_each_reading_of_the_repository() {
        let (answers, records) = (AnswerCache::new(), Records::in_memory(1 << 20));
        for (reading, text) in [(1, "one"), (2, "two")] {
            let first = answers.get_or_make(key("a", reading), &records, made(text, &records)).await;
            let again = answers.get_or_make(key("a", reading), &records, made("other", &records)).await;
            assert_eq!(
                (first.unwrap().manifest.body, again.unwrap().manifest.body),
                (text.into(), text.into())
            );
        }
        assert!(answers.get(&key("b", 1), &records).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_answer_whose_record_had_to_go_is_made_anew() {
        // Room for one record.
        let (answers, records) = (AnswerCache::new(), Records::in_memory(1100));
        answers.get_or_make(key("a", 1), &records, made("one", &records)).await.unwrap();
        assert!(answers.get(&key("a", 1), &records).await.unwrap().is_some());
        answers.get_or_make(key("b", 1), &records, made("two", &records)).await.unwrap();
        assert!(answers.get(&key("a", 1), &records).await.unwrap().is_none());
        assert!(answers.get(&key("b", 1), &records).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn errors_are_not_kept() {
        let (answers, records) = (AnswerCache::new(), Records::in_memory(1 << 20));
        let missing = async { Err(Error::Missing { digest: Digest::empty_layer() }.into()) };
        assert!(answers.get_or_make(key("a", 1), &records, missing).await.is_err());
        assert!(answers.get_or_make(key("a", 1), &records, made("one", &records)).await.is_ok());
    }
}
