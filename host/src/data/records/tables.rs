//! The tables of the database, and what is done to them within a transaction.

use downshift::layer::LayerFacts;
use redb::{Database, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::entry::Entry;
use super::layer_kind::LayerKind;
use super::layers;
use super::packed::Row;
use super::panics::caught;
use super::place::{PROTECTED, age_of};
use super::size;
use crate::metrics::METRICS;
use crate::time::now;

/// Records by place: the smaller the number, the longer ago it was reported, and those that were asked for by digest
/// after all others. So what is written together is together.
pub(super) const RECORDS: TableDefinition<'_, u64, (&[u8], &[u8])> = TableDefinition::new("records");
/// The place of a record, by the repository's name and the digest.
pub(super) const PLACES: TableDefinition<'_, Key<'_>, u64> = TableDefinition::new("ages");
/// The version, the bytes of all records and of those that were asked for by digest, and the next age.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

pub(super) type Key<'a> = (&'a str, &'a str);

/// A record as it is written: its entry, and its payload.
type Value = (Vec<u8>, Vec<u8>);

/// What is counted of the records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// Bytes of all records.
    bytes: u64,
    /// Bytes of those that were asked for by digest.
    protected_bytes: u64,
    next_age: u64,
}

impl Numbers {
    /// As they are written.
    pub(super) fn read(table: &impl ReadableTable<&'static str, u64>) -> Result<Self, redb::Error> {
        let number = |name| -> Result<u64, redb::Error> {
            Ok(table.get(name)?.map(|number| number.value()).unwrap_or_default())
        };
        let (bytes, protected_bytes) = (number("bytes")?, number("protected-bytes")?);
        Ok(Self { bytes, protected_bytes, next_age: number("next-age")? })
    }

    fn write(self, table: &mut Table<'_, &'static str, u64>) -> Result<(), redb::Error> {
        table.insert("bytes", self.bytes)?;
        table.insert("protected-bytes", self.protected_bytes)?;
        table.insert("next-age", self.next_age)?;
        Ok(())
    }

    /// Counts the record at a place, with its bytes.
    pub(super) fn add(&mut self, place: u64, size: u64) {
        self.bytes = self.bytes.saturating_add(size);
        self.protected_bytes = self.protected_bytes.saturating_add(if place >= PROTECTED { size } else { 0 });
        self.next_age = self.next_age.max(age_of(place).saturating_add(1));
    }

    fn subtract(&mut self, place: u64, size: u64) {
        self.bytes = self.bytes.saturating_sub(size);
        self.protected_bytes = self.protected_bytes.saturating_sub(if place >= PROTECTED { size } else { 0 });
    }

    /// Whether these, which were counted, are what is `written`, where the last ages may be of records that are gone.
    pub(super) fn are_within(&self, written: &Self) -> bool {
        (self.bytes, self.protected_bytes) == (written.bytes, written.protected_bytes)
            && self.next_age <= written.next_age
            && written.next_age < PROTECTED
    }
}

/// What cannot be written as a value.
pub(super) fn unwritable(problem: String) -> redb::Error {
    redb::Error::Io(std::io::Error::other(problem))
}

/// Makes the places and the numbers anew, of the records that are sound.
pub(super) fn mend(database: &Database) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    writing.delete_table(PLACES)?;
    {
        let mut tables = Tables::open(&writing)?;
        tables.numbers = Numbers::default();
        let mut damaged = Vec::new();
        for record in tables.records.iter()? {
            let (place, value) = record?;
            let place = place.value();
            let parse = || {
                let (entry, payload) = value.value();
                Entry::parse(entry, payload).map(|entry| (entry, size::of(payload))).ok_or(())
            };
            let Ok((entry, size)) = caught(parse, |_| ()) else {
                damaged.push(place);
                continue;
            };
            tables.places.insert((entry.name.as_str(), entry.digest.as_str()), place)?;
            tables.numbers.add(place, size);
        }
        METRICS.records_damaged.inc_by(damaged.len() as u64);
        for place in damaged {
            tables.records.remove(place)?;
        }
        tables.finish()?;
    }
    writing.commit()?;
    Ok(())
}

/// The tables, within a transaction.
pub(super) struct Tables<'t> {
    records: Table<'t, u64, (&'static [u8], &'static [u8])>,
    places: Table<'t, Key<'static>, u64>,
    number_table: Table<'t, &'static str, u64>,
    numbers: Numbers,
    /// Whether anything was written.
    pub(super) is_changed: bool,
}

impl<'t> Tables<'t> {
    pub(super) fn open(writing: &'t WriteTransaction) -> Result<Self, redb::Error> {
        let number_table = writing.open_table(NUMBERS)?;
        let numbers = Numbers::read(&number_table)?;
        let (records, places) = (writing.open_table(RECORDS)?, writing.open_table(PLACES)?);
        Ok(Self { records, places, number_table, numbers, is_changed: false })
    }

    /// The age of the next record.
    pub(super) fn next_age(&self) -> u64 {
        self.numbers.next_age
    }

    /// Writes a record, unless it is there and was reported lately. One that is protected stays so.
    pub(super) fn insert(&mut self, row: &Row) -> Result<(), redb::Error> {
        let key = (row.entry.name.as_str(), row.entry.digest.as_str());
        let mut entry = row.entry.clone();
        entry.reported = now();
        let place = self.place(key)?;
        if let Some(place) = place {
            let is_there = self
                .entry(place)?
                .is_some_and(|older| older.is_current && older.is_like(&entry) && older.is_fresh());
            if is_there {
                return Ok(());
            }
            self.take(place)?;
        }
        let is_protected = place.is_some_and(|place| place >= PROTECTED);
        self.put(&entry, &row.payload, is_protected)
    }

    /// Writes the facts of a layer that was reported in the repository `name`, and that it is a source of its diff id.
    pub(super) fn insert_layer(&mut self, name: &str, layer: &LayerFacts) -> Result<(), redb::Error> {
        let key = LayerKind::Sources.key(name, &layer.diff_id);
        let former = match self.place(key.parts())? {
            Some(place) => self.payload(place)?,
            None => None,
        };
        let rows = layers::rows(name, layer, former.as_deref()).map_err(unwritable)?;
        rows.iter().try_for_each(|row| self.insert(row))
    }

    /// Writes a record that was asked for as if it were reported now, and if that pins it, among those that were asked for
    /// by digest.
    pub(super) fn touch(&mut self, key: Key<'_>) -> Result<(), redb::Error> {
        let Some(place) = self.place(key)? else { return Ok(()) };
        // What is damaged is told to the next who asks.
        let Some(mut entry) = self.entry(place)? else { return Ok(()) };
        let is_pinned = place >= PROTECTED || entry.is_pinned_by_use();
        if is_pinned == (place >= PROTECTED) && entry.is_fresh() {
            return Ok(());
        }
        let Some((_, payload)) = self.take(place)? else { return Ok(()) };
        entry.reported = now();
        self.put(&entry, &payload, is_pinned)
    }

    /// Removes a record if it is damaged, and says how many that were.
    pub(super) fn remove_damaged(&mut self, key: Key<'_>) -> Result<u64, redb::Error> {
        let Some(place) = self.place(key)? else { return Ok(0) };
        let is_sound = self.records.get(place)?.is_some_and(|record| {
            let (entry, payload) = record.value();
            Entry::parse(entry, payload)
                .is_some_and(|entry| Row { entry, payload: payload.to_vec() }.is_sound(key))
        });
        if is_sound {
            return Ok(0);
        }
        self.places.remove(key)?;
        self.is_changed = true;
        // A place that is another record's stays that.
        let is_own =
            self.entry(place)?.is_none_or(|entry| (entry.name.as_str(), entry.digest.as_str()) == key);
        if is_own {
            self.take(place)?;
        }
        Ok(1)
    }

    fn place(&self, key: Key<'_>) -> Result<Option<u64>, redb::Error> {
        Ok(self.places.get(key)?.map(|place| place.value()))
    }

    /// What the record at a place is, unless it is damaged.
    fn entry(&self, place: u64) -> Result<Option<Entry>, redb::Error> {
        Ok(self.records.get(place)?.and_then(|record| Entry::parse(record.value().0, record.value().1)))
    }

    /// The payload of the record at a place, unless it is damaged.
    fn payload(&self, place: u64) -> Result<Option<Vec<u8>>, redb::Error> {
        Ok(self.records.get(place)?.and_then(|record| {
            let (entry, payload) = record.value();
            Entry::parse(entry, payload).map(|_| payload.to_vec())
        }))
    }

    fn put(&mut self, entry: &Entry, payload: &[u8], is_protected: bool) -> Result<(), redb::Error> {
        let age = self.numbers.next_age;
        let place = if is_protected { age | PROTECTED } else { age };
        self.records.insert(place, (entry.to_bytes(payload)?.as_slice(), payload))?;
        self.places.insert((entry.name.as_str(), entry.digest.as_str()), place)?;
        self.numbers.add(place, size::of(payload));
        self.is_changed = true;
        Ok(())
    }

    /// Takes a record out, but for the place that is noted by its key.
    fn take(&mut self, place: u64) -> Result<Option<Value>, redb::Error> {
        let Some(record) = self.records.remove(place)? else { return Ok(None) };
        let (entry, payload) = record.value();
        let taken = (entry.to_vec(), payload.to_vec());
        self.numbers.subtract(place, size::of(payload));
        self.is_changed = true;
        Ok(Some(taken))
    }

    /// The oldest record within a segment.
    fn first(&self, segment: core::ops::Range<u64>) -> Result<Option<u64>, redb::Error> {
        let first = self.records.range(segment)?.next().transpose()?;
        Ok(first.map(|(place, _)| place.value()))
    }

    /// Moves what was asked for by digest longest ago to what was only reported, until the rest fits.
    pub(super) fn balance(&mut self, capacity: u64) -> Result<(), redb::Error> {
        while self.numbers.protected_bytes > size::protected(capacity) {
            let Some(place) = self.first(PROTECTED..u64::MAX)? else { break };
            let Some((entry, payload)) = self.take(place)? else { break };
            match Entry::parse(&entry, &payload) {
                Some(entry) => self.put(&entry, &payload, false)?,
                // What is damaged is gone.
                None => self.forget(&entry, place)?,
            }
        }
        Ok(())
    }

    /// Lets go what was only reported, and then what was asked for by digest, the oldest first, until the rest fits; but
    /// none from `first_age` on. Says how many these were.
    pub(super) fn shrink_to(&mut self, capacity: u64, first_age: u64) -> Result<u64, redb::Error> {
        let mut evicted = 0;
        while self.numbers.bytes > capacity {
            let oldest = [self.first(0..PROTECTED)?, self.first(PROTECTED..u64::MAX)?];
            let oldest = oldest.into_iter().flatten().find(|&place| age_of(place) < first_age);
            let Some(place) = oldest else { break };
            if let Some((entry, _)) = self.take(place)? {
                self.forget(&entry, place)?;
            }
            evicted += 1;
        }
        Ok(evicted)
    }

    /// Removes the place of a record that is gone, as far as its key is known.
    fn forget(&mut self, entry: &[u8], place: u64) -> Result<(), redb::Error> {
        let Some(entry) = Entry::parse_unchecked(entry) else { return Ok(()) };
        let key = (entry.name.as_str(), entry.digest.as_str());
        if self.place(key)? == Some(place) {
            self.places.remove(key)?;
        }
        Ok(())
    }

    /// Writes the numbers.
    pub(super) fn finish(&mut self) -> Result<(), redb::Error> {
        self.numbers.write(&mut self.number_table)
    }
}
