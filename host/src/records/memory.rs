//! Records in memory, for a server that keeps nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use downshift::Digest;
use downshift::answer::Record;

use super::size;

pub(super) struct Memory {
    capacity: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    records: HashMap<Key, (Age, Record)>,
    ages: BTreeMap<Age, Key>,
    next_age: Age,
    bytes: u64,
}

type Key = (String, Digest);
type Age = u64;

impl Memory {
    pub(super) fn new(capacity: u64) -> Self {
        Self { capacity, inner: Mutex::default() }
    }

    /// Keeps records, and says how many others had to go.
    pub(super) fn keep(&self, records: Vec<Record>) -> u64 {
        let mut inner = self.lock();
        let first_age = inner.next_age;
        for record in records {
            inner.insert(record);
        }
        inner.shrink_to(self.capacity, first_age)
    }

    pub(super) fn get(&self, name: &str, digest: &Digest) -> Option<Record> {
        let inner = self.lock();
        inner.records.get(&(name.to_owned(), digest.clone())).map(|(_, record)| record.clone())
    }

    pub(super) fn contains(&self, name: &str, digest: &Digest) -> bool {
        self.lock().records.contains_key(&(name.to_owned(), digest.clone()))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
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
        self.bytes += size::of(&record.payload);
        self.ages.insert(age, key.clone());
        if let Some((older, replaced)) = self.records.insert(key, (age, record)) {
            self.ages.remove(&older);
            self.bytes -= size::of(&replaced.payload);
        }
    }

    /// Lets the oldest go until the rest fits, but none from `first_age` on, and says how many these were.
    fn shrink_to(&mut self, capacity: u64, first_age: Age) -> u64 {
        let mut evicted = 0;
        while self.bytes > capacity {
            let Some(entry) = self.ages.first_entry().filter(|entry| *entry.key() < first_age) else { break };
            if let Some((_, record)) = self.records.remove(&entry.remove()) {
                self.bytes -= size::of(&record.payload);
                evicted += 1;
            }
        }
        evicted
    }
}
