//! Records in memory, for a server that keeps nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use downshift::Digest;
use downshift::answer::Record;

use super::packed::Packed;
use super::place::{PROTECTED, age_of};
use super::size;

pub(super) struct Memory {
    capacity: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    records: HashMap<Key, (Place, Packed)>,
    places: BTreeMap<Place, Key>,
    next_age: u64,
    bytes: u64,
    protected_bytes: u64,
}

type Key = (String, Digest);
type Place = u64;

impl Memory {
    pub(super) fn new(capacity: u64) -> Self {
        Self { capacity, inner: Mutex::default() }
    }

    /// Keeps records, and says how many others had to go.
    pub(super) fn keep(&self, records: Vec<Record>) -> u64 {
        let records: Vec<_> = records.into_iter().map(Packed::of).collect();
        let mut inner = self.lock();
        let first_age = inner.next_age;
        for packed in records {
            let key = (packed.record.name.clone(), packed.record.digest.clone());
            let is_protected = inner.take(&key).is_some_and(|(place, _)| place >= PROTECTED);
            inner.put(key, packed, is_protected);
        }
        inner.balance(self.capacity);
        inner.shrink_to(self.capacity, first_age)
    }

    /// A record that is asked for by its digest.
    pub(super) fn get(&self, name: &str, digest: &Digest) -> Option<Record> {
        let packed = self.protect(name, digest)?;
        packed.unpack()
    }

    /// Notes that a record is asked for by its digest.
    pub(super) fn protect(&self, name: &str, digest: &Digest) -> Option<Packed> {
        let key = (name.to_owned(), digest.clone());
        let mut inner = self.lock();
        let (_, packed) = inner.take(&key)?;
        inner.put(key, packed.clone(), true);
        inner.balance(self.capacity);
        Some(packed)
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
    fn put(&mut self, key: Key, packed: Packed, is_protected: bool) {
        let place = if is_protected { self.next_age | PROTECTED } else { self.next_age };
        self.next_age += 1;
        let size = size::of(&packed.record.payload);
        self.bytes += size;
        self.protected_bytes += if is_protected { size } else { 0 };
        self.places.insert(place, key.clone());
        self.records.insert(key, (place, packed));
    }

    fn take(&mut self, key: &Key) -> Option<(Place, Packed)> {
        let (place, packed) = self.records.remove(key)?;
        self.places.remove(&place);
        let size = size::of(&packed.record.payload);
        self.bytes -= size;
        self.protected_bytes -= if place >= PROTECTED { size } else { 0 };
        Some((place, packed))
    }

    /// Moves what was asked for by digest longest ago to what was only reported, until the rest fits.
    fn balance(&mut self, capacity: u64) {
        while self.protected_bytes > size::protected(capacity) {
            let Some((_, key)) = self.places.range(PROTECTED..).next() else { break };
            let key = key.clone();
            let Some((_, packed)) = self.take(&key) else { break };
            self.put(key, packed, false);
        }
    }

    /// Lets go what was only reported, and then what was asked for by digest, the oldest first, until the rest fits; but
    /// none from `first_age` on. Says how many these were.
    fn shrink_to(&mut self, capacity: u64, first_age: u64) -> u64 {
        let mut evicted = 0;
        while self.bytes > capacity {
            let oldest = [0..PROTECTED, PROTECTED..u64::MAX].into_iter().find_map(|segment| {
                self.places.range(segment).next().filter(|&(&place, _)| age_of(place) < first_age)
            });
            let Some(key) = oldest.map(|(_, key)| key.clone()) else { break };
            evicted += u64::from(self.take(&key).is_some());
        }
        evicted
    }
}
