//! Records in memory, for a server that keeps nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use downshift::layer::LayerFacts;

use super::layer_kind::{Key, LayerKind};
use super::layers;
use super::packed::Row;
use super::place::{PROTECTED, age_of};
use super::size;

pub(super) struct Memory {
    capacity: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    records: HashMap<Key, (Place, Row)>,
    places: BTreeMap<Place, Key>,
    next_age: u64,
    bytes: u64,
    protected_bytes: u64,
}

type Place = u64;

impl Memory {
    pub(super) fn new(capacity: u64) -> Self {
        Self { capacity, inner: Mutex::default() }
    }

    /// Keeps records, and says how many others had to go.
    pub(super) fn keep(&self, rows: Vec<Row>) -> u64 {
        let mut inner = self.lock();
        let first_age = inner.next_age;
        rows.into_iter().for_each(|row| inner.insert(row));
        inner.balance(self.capacity);
        inner.shrink_to(self.capacity, first_age)
    }

    /// Keeps layers, each with the name of the repository in which it was reported, and says how many others had to go.
    pub(super) fn keep_layers(&self, reported: &[(String, LayerFacts)]) -> Result<u64, String> {
        let mut inner = self.lock();
        let first_age = inner.next_age;
        for (name, layer) in reported {
            let key = LayerKind::Sources.key(name, &layer.diff_id);
            let former = inner.records.get(&key).map(|(_, row)| row.payload.as_slice());
            layers::rows(name, layer, former)?.into_iter().for_each(|row| inner.insert(row));
        }
        inner.balance(self.capacity);
        Ok(inner.shrink_to(self.capacity, first_age))
    }

    /// A record that is asked for.
    pub(super) fn get(&self, key: Key) -> Option<Row> {
        let mut inner = self.lock();
        let (place, row) = inner.take(&key)?;
        let is_pinned = place >= PROTECTED || row.entry.is_pinned_by_use();
        inner.put(key, row.clone(), is_pinned);
        inner.balance(self.capacity);
        Some(row)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.lock().records.contains_key(key)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Keeps a record. One that is protected stays so.
    fn insert(&mut self, row: Row) {
        let key = row.key();
        let is_protected = self.take(&key).is_some_and(|(place, _)| place >= PROTECTED);
        self.put(key, row, is_protected);
    }

    fn put(&mut self, key: Key, row: Row, is_protected: bool) {
        let place = if is_protected { self.next_age | PROTECTED } else { self.next_age };
        self.next_age += 1;
        let size = size::of(&row.payload);
        self.bytes += size;
        self.protected_bytes += if is_protected { size } else { 0 };
        self.places.insert(place, key.clone());
        self.records.insert(key, (place, row));
    }

    fn take(&mut self, key: &Key) -> Option<(Place, Row)> {
        let (place, row) = self.records.remove(key)?;
        self.places.remove(&place);
        let size = size::of(&row.payload);
        self.bytes -= size;
        self.protected_bytes -= if place >= PROTECTED { size } else { 0 };
        Some((place, row))
    }

    /// Moves what was asked for by digest longest ago to what was only reported, until the rest fits.
    fn balance(&mut self, capacity: u64) {
        while self.protected_bytes > size::protected(capacity) {
            let Some((_, key)) = self.places.range(PROTECTED..).next() else { break };
            let key = key.clone();
            let Some((_, row)) = self.take(&key) else { break };
            self.put(key, row, false);
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
