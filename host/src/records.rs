//! The digests that were reported for converted manifests, so that they can be pulled.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use downshift::Digest;
use downshift::answer::Record;

/// Bytes of all records: some ten thousand converted manifests of the usual size.
const CAPACITY: usize = 128 * 1024 * 1024;

/// What a record takes beside its payload: its other members, its key twice, and its places in both maps.
const OVERHEAD: usize = 1024;

/// Records in memory, by repository and digest. Where there is no room, those reported longest ago go first.
pub(crate) struct Records {
    capacity: usize,
    inner: Mutex<Inner>,
    evictions: AtomicU64,
}

#[derive(Default)]
struct Inner {
    records: HashMap<Key, (Age, Record)>,
    ages: BTreeMap<Age, Key>,
    next_age: Age,
    bytes: usize,
}

type Key = (String, Digest);
type Age = u64;

impl Records {
    /// No records, and room for the usual number.
    pub(crate) fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// No records, and room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { capacity, inner: Mutex::default(), evictions: AtomicU64::new(0) }
    }

    /// Keeps `records`. One that is kept already counts as reported now.
    pub(crate) fn keep(&self, records: Vec<Record>) {
        let mut inner = self.lock();
        for record in records {
            inner.insert(record);
        }
        let evicted = inner.shrink_to(self.capacity);
        self.evictions.fetch_add(evicted, Ordering::Relaxed);
    }

    /// The record of `digest` in the repository `name`.
    pub(crate) fn get(&self, name: &str, digest: &Digest) -> Option<Record> {
        let inner = self.lock();
        inner.records.get(&(name.to_owned(), digest.clone())).map(|(_, record)| record.clone())
    }

    /// Whether there is a record of `digest` in the repository `name`.
    pub(crate) fn contains(&self, name: &str, digest: &Digest) -> bool {
        self.lock().records.contains_key(&(name.to_owned(), digest.clone()))
    }

    /// How many records had to go so far. As long as this is the same, what was there is there.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, record: Record) {
        let key = (record.name.clone(), record.digest.clone());
        let age = self.next_age;
        self.next_age += 1;
        self.bytes += size(&record);
        self.ages.insert(age, key.clone());
        if let Some((older, replaced)) = self.records.insert(key, (age, record)) {
            self.ages.remove(&older);
            self.bytes -= size(&replaced);
        }
    }

    /// Lets the oldest go until the rest fits, and says how many these were.
    fn shrink_to(&mut self, capacity: usize) -> u64 {
        let mut evicted = 0;
        while self.bytes > capacity {
            let Some((_, oldest)) = self.ages.pop_first() else { break };
            if let Some((_, record)) = self.records.remove(&oldest) {
                self.bytes -= size(&record);
                evicted += 1;
            }
        }
        evicted
    }
}

fn size(record: &Record) -> usize {
    record.payload.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use downshift::Form;

    use super::*;

    fn record(payload: &str) -> Record {
        Record {
            name: "library/httpd".to_owned(),
            digest: Digest::of(payload.as_bytes()),
            form: Form::Schema1,
            payload: payload.as_bytes().to_vec(),
            source: Digest::empty_layer(),
            tag: None,
            platform: None,
            time: None,
        }
    }

    fn kept(records: &Records, payload: &str) -> bool {
        records.get("library/httpd", &Digest::of(payload.as_bytes())).is_some()
    }

    #[test]
    fn a_record_is_of_its_repository_only() {
        let records = Records::new();
        records.keep(vec![record("a")]);
        assert!(kept(&records, "a"));
        assert!(records.get("library/nginx", &Digest::of(b"a")).is_none());
    }

    #[test]
    fn the_record_reported_longest_ago_goes_first() {
        let records = Records::with_capacity(2 * (OVERHEAD + 1));
        records.keep(vec![record("a"), record("b")]);
        records.keep(vec![record("a")]);
        assert_eq!(records.evictions(), 0);
        records.keep(vec![record("c")]);
        assert_eq!(records.evictions(), 1);
        assert!(kept(&records, "a"));
        assert!(!kept(&records, "b"));
        assert!(kept(&records, "c"));
    }
}
