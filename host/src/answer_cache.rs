//! A cache of answers, in memory: what was converted and signed once need not be again, as long as nothing behind it has changed.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use downshift::{Digest, Form};
use downshift_registry::response::Manifest;
use downshift_registry::{AnswerKey, Reference};
use moka::future::Cache;

use crate::engine::NoAnswer;
use crate::error::Error;
use crate::metrics::{Cache as CacheName, METRICS};
use crate::records::{REFRESH, Records};
use crate::time;
use crate::work_budget::{Asker, Charge, FREE_BYTES, WorkBudget};

/// Bytes of all answers: some ten thousand manifests of the usual size.
const CAPACITY: u64 = 64 * 1024 * 1024;

/// What an answer takes beside its body: its key, its digests, and its place in the cache.
const OVERHEAD: usize = 1024;

/// Answers by what decides them. Where there is no room, those asked for least go.
pub(crate) struct AnswerCache {
    cache: Cache<AnswerKey, Arc<Kept>>,
    work: Arc<WorkBudget>,
}

/// A manifest, and what it was made from.
#[derive(Clone)]
pub(crate) struct Given {
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// The form of what is stored.
    pub(crate) stored: Form,
    /// What it counts while it is sent: once for all to whom it is sent at the same time.
    pub(crate) charge: Option<Arc<Charge>>,
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
    /// What it counts, as long as it is sent to anybody.
    charge: Mutex<Weak<Charge>>,
}

impl AnswerCache {
    /// No answers, and room for the usual number.
    ///
    /// While an answer is sent, it counts in `work`.
    pub(crate) fn new(work: Arc<WorkBudget>) -> Self {
        let weigh = |_: &AnswerKey, kept: &Arc<Kept>| {
            u32::try_from(kept.given.manifest.body.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self { cache: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build(), work }
    }

    /// The answer, if it is at hand and every digest that it reports is still recorded.
    pub(crate) async fn get(
        &self,
        key: &AnswerKey,
        records: &Records,
        asker: Asker,
    ) -> Result<Option<Given>, Error> {
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
        kept.give(&self.work, asker).await.map(Some)
    }

    /// The answer, at hand or from `make`, which makes it and keeps its records. Of several that ask at once one
    /// makes it, and the others wait.
    pub(crate) async fn get_or_make(
        &self,
        key: AnswerKey,
        records: &Records,
        asker: Asker,
        make: impl Future<Output = Result<Made, NoAnswer>>,
    ) -> Result<Given, Arc<NoAnswer>> {
        // From making it to sending it, so that there is no time at which it does not count.
        let mut charge = None;
        let make = async {
            // Before the records are kept: whatever goes from then on is noticed.
            let evictions = AtomicU64::new(records.evictions());
            let asked = AtomicU64::new(time::now());
            let Made { mut given, recorded } = make.await?;
            charge = given.charge.take();
            let weak = Mutex::new(charge.as_ref().map(Arc::downgrade).unwrap_or_default());
            Ok(Arc::new(Kept { given, recorded, evictions, asked, charge: weak }))
        };
        // Boxed, for the cache has the future in several of its own.
        let kept = Box::pin(self.cache.try_get_with(key, Box::pin(make))).await?;
        let given = kept.give(&self.work, asker).await;
        drop(charge);
        given.map_err(|error| Arc::new(error.into()))
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
    /// The answer, to be sent.
    async fn give(&self, work: &WorkBudget, asker: Asker) -> Result<Given, Error> {
        let bytes = self.given.manifest.body.len();
        if bytes <= FREE_BYTES {
            return Ok(self.given.clone());
        }
        let charge = self.charge.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let charge = match charge {
            Some(charge) => charge,
            None => {
                let charge = Arc::new(work.charge(Some(asker), bytes).await?);
                *self.charge.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&charge);
                charge
            }
        };
        Ok(Given { charge: Some(charge), ..self.given.clone() })
    }

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

    const ASKER: Asker =
        Asker { client: core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), is_shared: true };

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
        Ok(Made { given: Given { manifest, stored: Form::Schema2, charge: None }, recorded: vec![digest] })
    }

    #[tokio::test]
    async fn an_answer_is_made_once_for_each_reading_of_the_repository() {
        let (answers, records) = (AnswerCache::new(WorkBudget::new(1 << 20)), Records::in_memory(1 << 20));
        for (reading, text) in [(1, "one"), (2, "two")] {
            let first = answers.get_or_make(key("a", reading), &records, ASKER, made(text, &records)).await;
            let again =
                answers.get_or_make(key("a", reading), &records, ASKER, made("other", &records)).await;
            assert_eq!(
                (first.unwrap().manifest.body, again.unwrap().manifest.body),
                (text.into(), text.into())
            );
        }
        assert!(answers.get(&key("b", 1), &records, ASKER).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_answer_whose_record_had_to_go_is_made_anew() {
        // Room for one record.
        let (answers, records) = (AnswerCache::new(WorkBudget::new(1 << 20)), Records::in_memory(1100));
        answers.get_or_make(key("a", 1), &records, ASKER, made("one", &records)).await.unwrap();
        assert!(answers.get(&key("a", 1), &records, ASKER).await.unwrap().is_some());
        answers.get_or_make(key("b", 1), &records, ASKER, made("two", &records)).await.unwrap();
        assert!(answers.get(&key("a", 1), &records, ASKER).await.unwrap().is_none());
        assert!(answers.get(&key("b", 1), &records, ASKER).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn errors_are_not_kept() {
        let (answers, records) = (AnswerCache::new(WorkBudget::new(1 << 20)), Records::in_memory(1 << 20));
        let missing = async { Err(Error::Missing { digest: Digest::empty_layer() }.into()) };
        assert!(answers.get_or_make(key("a", 1), &records, ASKER, missing).await.is_err());
        assert!(answers.get_or_make(key("a", 1), &records, ASKER, made("one", &records)).await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_counts_once_while_it_is_sent() {
        let (work, records) = (WorkBudget::new(1 << 20), Records::in_memory(1 << 20));
        let answers = AnswerCache::new(Arc::clone(&work));
        let text = "x".repeat(1 << 19);
        let made = async {
            let mut made = made(&text, &records).await?;
            made.given.charge = Some(Arc::new(work.charge(None, text.len()).await?));
            Ok(made)
        };
        let first = answers.get_or_make(key("a", 1), &records, ASKER, made).await.unwrap();
        let second = answers.get(&key("a", 1), &records, ASKER).await.unwrap().unwrap();
        let charges = (first.charge.as_ref().unwrap(), second.charge.as_ref().unwrap());
        assert!(Arc::ptr_eq(charges.0, charges.1));
        assert!(!work.open(None).try_grow_to((1 << 19) + 1024));
        assert!(work.open(None).try_grow_to(1 << 19));
        drop((first, second));
        assert!(work.open(None).try_grow_to(1 << 20));
        // It counts again when it is sent again.
        let _third = answers.get(&key("a", 1), &records, ASKER).await.unwrap().unwrap();
        assert!(!work.open(None).try_grow_to(1 << 20));
    }
}
