//! The answer cache: what was converted and signed once need not be again, as long as nothing behind it has changed.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use downshift_pull::{AnswerValue, OriginId, Value};
use downshift_registry::{AnswerKey, Reference};
use tokio::sync::Semaphore;

use crate::byte_cache::ByteCache;
use crate::data::records::{REFRESH, Records};
use crate::error::Error;
use crate::metrics::{Cache as CacheName, METRICS};
use crate::time;
use crate::work_budget::{Asker, Charge, FREE_BYTES, WorkBudget};

/// Bytes of all answers: some ten thousand manifests of the usual size.
const CAPACITY: u64 = 64 * 1024 * 1024;

/// What an answer takes beside its body: its key, its digests, and its place in the cache.
const OVERHEAD: usize = 1024;

/// What decides an answer.
pub(super) type Key = (OriginId, Arc<AnswerKey>);

/// Answers by what decides them. Where there is no room, those asked for least go.
pub(crate) struct AnswerCache {
    entries: ByteCache<Key, Entry>,
    leases: Arc<Leases>,
}

/// What is kept under a key.
#[derive(Clone)]
enum Entry {
    Answer(Arc<Answer>),
    ByPlatform,
}

/// An answer, and what has to be recorded as long as it is given.
struct Answer {
    value: Arc<AnswerValue>,
    /// The state of [`Records::evictions`] in which all of it was there.
    evictions: AtomicU64,
    /// When the record of the digest that is asked for was last told so, in seconds since 1970.
    asked: AtomicU64,
    /// What it counts, as long as it is sent to anybody.
    charge: Mutex<Weak<Charge>>,
}

/// What is found under a key.
pub(super) enum Lookup {
    /// An answer, or that it depends on the platform.
    Value(Value),
    /// An answer that counts while it is sent.
    Large(LargeAnswer),
    /// Nothing, and nobody makes it: whoever has the lease does.
    Nothing(Lease),
    /// Nothing yet, and somebody makes it.
    Underway(Underway),
}

/// An answer that counts while it is sent: once for all to whom it is sent at the same time.
pub(super) struct LargeAnswer(Arc<Answer>);

/// The keys whose answers are being made.
#[derive(Default)]
struct Leases(Mutex<HashMap<Key, Arc<Semaphore>>>);

/// The right to make an answer, which ends with this.
pub(super) struct Lease {
    key: Key,
    leases: Arc<Leases>,
}

/// An answer that somebody else makes.
pub(super) struct Underway(Arc<Semaphore>);

impl AnswerCache {
    /// No answers, and room for the usual number.
    pub(crate) fn new() -> Self {
        Self { entries: ByteCache::new(CAPACITY, OVERHEAD, Entry::bytes), leases: Arc::default() }
    }

    /// What is kept under a key, if every digest that it reports is still recorded.
    pub(super) fn find(&self, key: &Key, records: &Records) -> Result<Lookup, Error> {
        if let Some(value) = self.get(key, records)? {
            return Ok(value);
        }
        let found = self.leases.take(key);
        // It may have been made while this looked.
        match (self.get(key, records)?, found) {
            (Some(value), _) => Ok(value),
            (None, found) => {
                METRICS.looked_up(CacheName::Answers, false);
                Ok(found)
            }
        }
    }

    /// What is kept under a key, if anything is, and can be told.
    pub(super) fn at_hand(&self, key: &Key, records: &Records) -> Option<Lookup> {
        self.get(key, records).ok().flatten()
    }

    fn get(&self, key: &Key, records: &Records) -> Result<Option<Lookup>, Error> {
        let answer = match self.entries.get(key) {
            Some(Entry::Answer(answer)) => answer,
            Some(Entry::ByPlatform) => return Ok(Some(Lookup::Value(Value::ByPlatform))),
            None => return Ok(None),
        };
        let AnswerKey { name, reference, .. } = &*key.1;
        if !answer.is_recorded(name, records)? {
            self.entries.invalidate(key);
            return Ok(None);
        }
        METRICS.looked_up(CacheName::Answers, true);
        if let Reference::Digest(digest) = reference {
            let now = time::now();
            if now.abs_diff(answer.asked.load(Ordering::Relaxed)) >= REFRESH.as_secs() {
                answer.asked.store(now, Ordering::Relaxed);
                records.protect(name, digest);
            }
        }
        Ok(Some(if answer.value.manifest.body.len() > FREE_BYTES {
            Lookup::Large(LargeAnswer(answer))
        } else {
            Lookup::Value(Value::Answer(Arc::clone(&answer.value)))
        }))
    }

    /// Keeps an answer, or that it depends on the platform. `evictions` is the state of [`Records::evictions`] before its
    /// records were kept: whatever goes from then on is noticed.
    pub(super) fn keep(&self, key: Key, value: Value, evictions: u64) {
        let entry = match value {
            Value::Answer(value) => Entry::Answer(Arc::new(Answer {
                value,
                evictions: AtomicU64::new(evictions),
                asked: AtomicU64::new(time::now()),
                charge: Mutex::default(),
            })),
            Value::ByPlatform => Entry::ByPlatform,
            _ => return,
        };
        self.entries.insert(key, entry);
    }

    /// Forgets the answers about the repository `name`, or all.
    pub(crate) fn purge(&self, name: Option<&str>) {
        let Some(name) = name else { return self.entries.invalidate_all() };
        self.entries.invalidate_if(|(_, key)| key.name == name);
    }

    /// Lets go of what has left.
    pub(crate) fn tidy(&self) {
        self.entries.tidy();
    }

    /// How many answers there are, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        self.entries.size()
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        match self {
            Self::Answer(answer) => answer.value.manifest.body.len(),
            Self::ByPlatform => 0,
        }
    }
}

impl Answer {
    fn is_recorded(&self, name: &str, records: &Records) -> Result<bool, Error> {
        let evictions = records.evictions();
        if self.evictions.load(Ordering::Relaxed) == evictions {
            return Ok(true);
        }
        for digest in &self.value.recorded {
            if !records.contains(name, digest)? {
                return Ok(false);
            }
        }
        for diff_id in &self.value.diff_ids {
            if !records.has_sources(name, diff_id)? {
                return Ok(false);
            }
        }
        self.evictions.store(evictions, Ordering::Relaxed);
        Ok(true)
    }
}

impl LargeAnswer {
    /// The answer, and what it counts while it is sent.
    ///
    /// # Errors
    /// [`Error::Busy`] if there is no room for some time.
    pub(super) async fn charged(
        self,
        work: &Arc<WorkBudget>,
        asker: Asker,
    ) -> Result<(Arc<AnswerValue>, Arc<Charge>), Error> {
        let Self(answer) = self;
        let charge = answer.charge.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let charge = match charge {
            Some(charge) => charge,
            None => {
                let charge = Arc::new(work.charge(Some(asker), answer.value.manifest.body.len()).await?);
                *answer.charge.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&charge);
                charge
            }
        };
        Ok((Arc::clone(&answer.value), charge))
    }
}

impl Leases {
    fn take(self: &Arc<Self>, key: &Key) -> Lookup {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lease) = leases.get(key) {
            return Lookup::Underway(Underway(Arc::clone(lease)));
        }
        leases.insert(key.clone(), Arc::new(Semaphore::new(0)));
        Lookup::Nothing(Lease { key: key.clone(), leases: Arc::clone(self) })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let lease = self.leases.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        if let Some(lease) = lease {
            lease.close();
        }
    }
}

impl Underway {
    /// Waits until it is made, or whoever makes it has given up.
    pub(super) async fn ended(&self) {
        // It has no permits, and is closed at the end.
        let _ = self.0.acquire().await;
    }
}

#[cfg(test)]
mod tests {
    use downshift::answer::Record;
    use downshift::{Capabilities, Digest, Form};
    use downshift_registry::Meaning;
    use downshift_registry::response::Manifest;

    use super::*;

    const ASKER: Asker =
        Asker { client: core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), is_shared: true };

    fn key(tag: &str, reading: u64) -> Key {
        let reference = Reference::Tag(tag.to_owned());
        let meaning = Meaning::Reading(reading);
        let name = "library/httpd".to_owned();
        (OriginId(0), Arc::new(AnswerKey { name, reference, meaning, client: Capabilities::default() }))
    }

    /// An answer with the body `text`, which is recorded and kept.
    async fn keep(answers: &AnswerCache, key: Key, text: &str, records: &Records) {
        let digest = Digest::of(text.as_bytes());
        let evictions = records.evictions();
        let record = Record {
            name: "library/httpd".to_owned(),
            digest: digest.clone(),
            form: Form::Schema1,
            payload: text.as_bytes().to_vec(),
            source: Digest::empty_layer(),
            tag: None,
            platform: None,
            time: None,
            signature: None,
        };
        let (form, source) = (record.form, Some(record.source.clone()));
        records.keep(vec![record]).await.unwrap();
        let manifest = Manifest {
            form,
            media_type: None,
            digest: digest.clone(),
            body: text.to_owned().into(),
            source,
            signature: None,
        };
        let value =
            AnswerValue { manifest, stored: Form::Schema2, recorded: vec![digest], diff_ids: Vec::new() };
        answers.keep(key, Value::Answer(Arc::new(value)), evictions);
    }

    fn found(answers: &AnswerCache, key: &Key, records: &Records) -> Option<String> {
        match answers.find(key, records).unwrap() {
            Lookup::Value(Value::Answer(answer)) => {
                Some(String::from_utf8(answer.manifest.body.to_vec()).unwrap())
            }
            Lookup::Nothing(_) => None,
            _ => panic!("neither an answer nor nothing"),
        }
    }

    #[tokio::test]
    async fn an_answer_is_of_its_reading_of_the_repository() {
        let (answers, records) = (AnswerCache::new(), Records::in_memory(1 << 20));
        for (reading, text) in [(1, "one"), (2, "two")] {
            keep(&answers, key("a", reading), text, &records).await;
        }
        assert_eq!(found(&answers, &key("a", 1), &records).as_deref(), Some("one"));
        assert_eq!(found(&answers, &key("a", 2), &records).as_deref(), Some("two"));
        assert_eq!(found(&answers, &key("b", 1), &records), None);
        answers.purge(Some("library/nginx"));
        assert_eq!(found(&answers, &key("a", 1), &records).as_deref(), Some("one"));
        answers.purge(Some("library/httpd"));
        assert_eq!(found(&answers, &key("a", 1), &records), None);
    }

    #[tokio::test]
    async fn an_answer_whose_record_had_to_go_is_made_anew() {
        // Room for one record.
        let (answers, records) = (AnswerCache::new(), Records::in_memory(1100));
        keep(&answers, key("a", 1), "one", &records).await;
        assert!(found(&answers, &key("a", 1), &records).is_some());
        keep(&answers, key("b", 1), "two", &records).await;
        assert!(found(&answers, &key("a", 1), &records).is_none());
        assert!(found(&answers, &key("b", 1), &records).is_some());
    }

    #[tokio::test]
    async fn one_makes_an_answer_and_the_others_wait() {
        let (answers, records) = (AnswerCache::new(), Records::in_memory(1 << 20));
        let Lookup::Nothing(lease) = answers.find(&key("a", 1), &records).unwrap() else {
            panic!("it is there")
        };
        let Lookup::Underway(underway) = answers.find(&key("a", 1), &records).unwrap() else {
            panic!("two make it")
        };
        let making = async {
            keep(&answers, key("a", 1), "one", &records).await;
            drop(lease);
        };
        tokio::join!(underway.ended(), making);
        assert_eq!(found(&answers, &key("a", 1), &records).as_deref(), Some("one"));
        // Another one gives up.
        let Lookup::Nothing(lease) = answers.find(&key("b", 1), &records).unwrap() else {
            panic!("it is there")
        };
        let Lookup::Underway(underway) = answers.find(&key("b", 1), &records).unwrap() else {
            panic!("two make it")
        };
        tokio::join!(underway.ended(), async { drop(lease) });
        assert!(found(&answers, &key("b", 1), &records).is_none());
    }

    #[tokio::test]
    async fn an_answer_counts_once_while_it_is_sent() {
        let (work, records) = (WorkBudget::new(1 << 20), Records::in_memory(1 << 20));
        let answers = AnswerCache::new();
        keep(&answers, key("a", 1), &"x".repeat(1 << 19), &records).await;
        let charged = async || match answers.find(&key("a", 1), &records).unwrap() {
            Lookup::Large(answer) => answer.charged(&work, ASKER).await.unwrap().1,
            _ => panic!("it is not large"),
        };
        let (first, second) = (charged().await, charged().await);
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!work.open(None).try_grow_to((1 << 19) + 1024));
        assert!(work.open(None).try_grow_to(1 << 19));
        drop((first, second));
        assert!(work.open(None).try_grow_to(1 << 20));
        // It counts again when it is sent again.
        let _third = charged().await;
        assert!(!work.open(None).try_grow_to(1 << 20));
    }
}
