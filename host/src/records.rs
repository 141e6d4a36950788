//! The digests that were reported for converted manifests, so that they can be pulled.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use downshift::Digest;
use downshift::answer::Record;

/// Bytes of all records: some ten thousand converted manifests of the usual size.
pub(crate) const CAPACITY: u64 = 128 * 1024 * 1024;

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
    /// No records, and room for `capacity` bytes.
    pub(crate) fn in_memory(capacity: u64) -> Self {
        Self { capacity: capacity as usize, inner: Mutex::default(), evictions: AtomicU64::new(0) }
    }

    /// Keeps `records`. One that is kept already counts as reported now.
    pub(crate) async fn keep(&self, records: Vec<Record>) -> Result<(), Error> {
        let mut inner = self.lock();
        for record in records {
            inner.insert(record);
        }
        let evicted = inner.shrink_to(self.capacity);
        self.evictions.fetch_add(evicted, Ordering::Relaxed);
        Ok(())
    }

    /// The record of `digest` in the repository `name`.
    pub(crate) fn get(&self, name: &str, digest: &Digest) -> Result<Option<Record>, Error> {
        let inner = self.lock();
        Ok(inner.records.get(&(name.to_owned(), digest.clone())).map(|(_, record)| record.clone()))
    }

    /// Whether there is a record of `digest` in the repository `name`.
    pub(crate) fn contains(&self, name: &str, digest: &Digest) -> Result<bool, Error> {
        Ok(self.lock().records.contains_key(&(name.to_owned(), digest.clone())))
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
