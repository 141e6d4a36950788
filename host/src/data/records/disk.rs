//! Records in a database, written by one thread that makes one transaction of all that waits.
//!
//! What a disk returns is not believed: every value has a checksum ([`Entry`]), and the tables are read through when they are
//! opened. A value that is damaged is gone; what leads to the values is made anew from them where it is damaged.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use downshift::layer::LayerFacts;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use tokio::sync::{mpsc, oneshot};

use super::entry::Entry;
use super::frozen::Frozen;
use super::layer_kind::{Key, LayerKind};
use super::layers;
use super::packed::Row;
use super::panics::caught;
use super::place::PROTECTED;
use super::tables::{self, NUMBERS, Numbers, PLACES, RECORDS, Tables, mend};
use super::{room, size};
use crate::data::keys;
use crate::data::{self, Outlives};
use crate::error::Error;
use crate::log;
use crate::metrics::METRICS;

/// The name of the database in a server's data folder.
const FILE: &str = "records.redb";

/// What the tables below mean. Another meaning gets another number.
const VERSION: u64 = 2;

/// The version whose values have no checksum, and are read and written anew one by one.
const FORMER_VERSION: u64 = 1;

/// How many requests' records wait to be written at the most. More wait in line.
const QUEUE_LENGTH: usize = 1024;

/// How many of them are written at once.
const MAX_BATCH: usize = 1024;

/// Bytes of the database that are kept in memory: the upper pages of its trees. The system keeps the others.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// What is said where the database could not be opened again.
const GONE: &str = "it failed, and could not be opened again";

/// From how many jobs on a transaction waits for more, as each costs the disk the same.
const CROWD: usize = 6;

/// With how many jobs it waits no longer.
const ENOUGH: usize = 16;

/// For how long it waits at a time: if nobody has come meanwhile, it goes on.
const MOMENT: Duration = Duration::from_micros(200);

/// For how long it waits in all, which is about what a transaction takes.
const PATIENCE: Duration = Duration::from_millis(1);

/// How many transactions go on at once after one that has waited in vain.
const HASTE: u32 = 32;

/// The database; nothing where it could not even be read after it had failed.
type Shared = Arc<RwLock<Option<Database>>>;

pub(super) struct Disk {
    database: Shared,
    path: PathBuf,
    /// Where the writer gets its jobs from. It ends without this.
    queue: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// What the writer does.
enum Job {
    /// Keeps records that somebody waits for.
    Keep(News, oneshot::Sender<Result<(), String>>),
    /// Notes that a record was asked for.
    Touch(Key),
    /// Removes a record if it is damaged.
    Remove(Key, std::sync::mpsc::Sender<()>),
}

/// What is to be kept.
pub(super) enum News {
    /// Records as they are.
    Rows(Vec<Row>),
    /// Layers, each with the name of the repository in which it was reported.
    Layers(Vec<(String, LayerFacts)>),
}

impl Disk {
    /// Opens the database in the data folder, or makes it. Records that have to go are counted in `evictions`.
    pub(super) fn open(data: &Path, capacity: u64, evictions: Arc<AtomicU64>) -> Result<Self, Error> {
        let path = data.join(FILE);
        let unusable = |problem| Error::Records { path: path.clone(), problem };
        let bytes = match fs::metadata(&path) {
            Ok(metadata) => Some(metadata.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(unusable(error.to_string())),
        };
        match bytes {
            // A server that was stopped before it had written anything has no key either.
            Some(0) if keys::is_made(data) => {
                return Err(unusable(
                    "it is empty, and the digests that were reported before are lost".to_owned(),
                ));
            }
            None if keys::is_made(data) => log::warn(format_args!(
                "there is no `{}`: digests that were reported before can no longer be pulled",
                path.display()
            )),
            _ => {}
        }
        make_private(&path).map_err(|error| Error::unwritable(&path, error))?;
        let database: Shared = Arc::new(RwLock::new(Some(open_checked(&path).map_err(unusable)?)));
        let (queue, jobs) = mpsc::channel(QUEUE_LENGTH);
        let writer = {
            let (database, path) = (Arc::clone(&database), path.clone());
            move || Writer { database, path, capacity, evictions, is_frozen: false }.write(jobs)
        };
        let started = thread::Builder::new().name("records".to_owned()).spawn(writer);
        let writer = Some(started.map_err(|error| unusable(error.to_string()))?);
        Ok(Self { database, path, queue: Some(queue), writer })
    }

    /// Keeps records. It is ready when all of that is on the disk.
    pub(super) async fn keep(&self, news: News) -> Result<(), Error> {
        let (done, written) = oneshot::channel();
        let stopped = || self.unusable("the thread that writes them has stopped".to_owned());
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Job::Keep(news, done)).await.map_err(|_| stopped())?;
        written.await.map_err(|_| stopped())?.map_err(|problem| self.unusable(problem))
    }

    /// A record that is asked for, as `read` reads it; nothing where that finds it damaged.
    pub(super) fn get<T>(&self, key: Key, read: impl FnOnce(Row) -> Option<T>) -> Result<Option<T>, Error> {
        let look_up = |database: &Database| -> Result<_, redb::Error> {
            let reading = database.begin_read()?;
            let Some(place) = reading.open_table(PLACES)?.get(key.parts())? else { return Ok(None) };
            let place = place.value();
            let record = reading.open_table(RECORDS)?.get(place)?;
            let value = record.map(|record| {
                let (entry, payload) = record.value();
                (entry.to_vec(), payload.to_vec())
            });
            Ok(Some((place, value)))
        };
        let Some((place, value)) = self.read(look_up)? else { return Ok(None) };
        let read = value.and_then(|(entry, payload)| {
            let row = Row { entry: Entry::parse(&entry, &payload)?, payload };
            let is_placed = place >= PROTECTED || !row.entry.is_pinned_by_use();
            let is_fresh = is_placed && row.entry.is_fresh();
            let is_own = (row.entry.name.as_str(), row.entry.digest.as_str()) == key.parts();
            Some((is_own.then_some(row).and_then(read)?, is_fresh))
        });
        let Some((read, is_fresh)) = read else {
            self.lose(key);
            return Ok(None);
        };
        if !is_fresh {
            self.touch(key);
        }
        Ok(Some(read))
    }

    /// Notes that a record was asked for, unless too much waits to be written.
    pub(super) fn touch(&self, key: Key) {
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(Job::Touch(key));
        }
    }

    /// Removes a record that is damaged, so that nothing counts on it.
    fn lose(&self, key: Key) {
        let Key { name, item } = &key;
        log::warn(format_args!("the record of `{item}` in `{name}` is damaged, and counts as gone"));
        METRICS.records_damaged.inc();
        let (done, removed) = std::sync::mpsc::channel();
        if let Some(queue) = &self.queue
            && queue.try_send(Job::Remove(key, done)).is_ok()
        {
            // If it could not be, it is found again.
            let _ = removed.recv();
        }
    }

    pub(super) fn contains(&self, key: &Key) -> Result<bool, Error> {
        self.read(|database| {
            let reading = database.begin_read()?;
            Ok(reading.open_table(PLACES)?.get(key.parts())?.is_some())
        })
    }

    pub(super) fn bytes(&self) -> Result<u64, Error> {
        self.read(|database| {
            let reading = database.begin_read()?;
            Ok(reading.open_table(NUMBERS)?.get("bytes")?.map_or(0, |bytes| bytes.value()))
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or_else(|| self.unusable(GONE.to_owned()))?;
        let read = || read(database).map_err(|error| describe(&error));
        caught(read, |panic| panic).map_err(|problem| self.unusable(problem))
    }

    pub(super) fn unusable(&self, problem: String) -> Error {
        Error::Records { path: self.path.clone(), problem }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // That it panicked is on stderr already.
            let _ = writer.join();
        }
        close(&mut self.database.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Makes the file, if there is none, so that only its owner can read what is in private repositories.
fn make_private(path: &Path) -> io::Result<()> {
    if fs::exists(path)? { Ok(()) } else { data::write(path, b"", Outlives::PowerLoss) }
}

/// Makes the tables, or looks whether they are of this version or the one before.
fn prepare(database: &Database) -> Result<(), String> {
    let prepare = || -> Result<u64, redb::Error> {
        let writing = database.begin_write()?;
        let mut version = VERSION;
        {
            let mut numbers = writing.open_table(NUMBERS)?;
            match numbers.get("version")?.map(|number| number.value()) {
                Some(number) if number != FORMER_VERSION => version = number,
                _ => {}
            }
            if version == VERSION {
                numbers.insert("version", VERSION)?;
            }
            writing.open_table(RECORDS)?;
            writing.open_table(PLACES)?;
        }
        if version == VERSION {
            writing.commit()?;
        } else {
            writing.abort()?;
        }
        Ok(version)
    };
    match prepare() {
        Ok(VERSION) => Ok(()),
        Ok(version) => {
            Err(format!("its format has version `{version}`, and this program knows version `{VERSION}`"))
        }
        Err(error) => Err(describe(&error)),
    }
}

/// Reads every record, so that what is damaged beyond what checksums of values can tell is known before anything is
/// answered; and says whether places and numbers are those of the records.
fn look_through(database: &Database) -> Result<bool, redb::Error> {
    let reading = database.begin_read()?;
    let records = reading.open_table(RECORDS)?;
    // In their order. To look each of them up in the table again takes eight times as long as to read all.
    let mut read = Vec::new();
    let mut is_readable = true;
    let mut numbers = Numbers::default();
    for record in records.iter()? {
        let (place, value) = record?;
        // It panics where the lengths are others.
        match caught(|| Ok(size::of(value.value().1)), |_| ()) {
            Ok(size) => numbers.add(place.value(), size),
            Err(()) => is_readable = false,
        }
        read.push(place.value());
    }
    let count = read.len() as u64;
    if count != records.len()? {
        return Err(redb::Error::Corrupted("it has another number of records than it says".to_owned()));
    }
    let are_sound = || -> Result<bool, redb::Error> {
        let places = reading.open_table(PLACES)?;
        let (mut last, mut found) = (None, 0);
        for entry in places.iter()? {
            let (key, place) = entry?;
            let (name, digest) = key.value();
            let key = Some((name.to_owned(), digest.to_owned()));
            if key <= last || read.binary_search(&place.value()).is_err() {
                return Ok(false);
            }
            last = key;
            found += 1;
        }
        Ok(found == count)
    };
    // It panics at keys that are no text.
    let stored = Numbers::read(&reading.open_table(NUMBERS)?)?;
    let are_right = is_readable && numbers.are_within(&stored);
    Ok(are_right && caught(are_sound, redb::Error::Corrupted).unwrap_or(false))
}

/// Writes what comes.
struct Writer {
    database: Shared,
    path: PathBuf,
    capacity: u64,
    evictions: Arc<AtomicU64>,
    /// Whether the database can only be read.
    is_frozen: bool,
}

impl Writer {
    /// Goes on until nobody can send anything any more.
    fn write(mut self, jobs: mpsc::Receiver<Job>) {
        let mut batches = Batches { jobs, batch: Vec::new(), haste: 0 };
        while let Some(batch) = batches.next() {
            let written = self.write_if_there_is_room(batch);
            for job in batch.drain(..) {
                // Nobody waits if the client is gone.
                match job {
                    Job::Keep(_, done) => drop(done.send(written.clone())),
                    Job::Remove(.., done) => drop(done.send(())),
                    Job::Touch(_) => {}
                }
            }
        }
    }

    /// Writes all of it or nothing. A database that fails is opened again, at once or with what comes next; until then it
    /// is frozen.
    fn write_if_there_is_room(&mut self, batch: &[Job]) -> Result<(), String> {
        let bytes = kept(batch).map(News::bytes).sum();
        let mut room = room::check(&self.path, bytes);
        if self.is_frozen {
            room =
                room.and_then(|()| room::probe(&self.path)).and_then(|()| reopen(&self.database, &self.path));
            self.is_frozen = room.is_err();
        }
        let written = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let database = database.as_ref().ok_or(GONE)?;
            let write = || match &room {
                Ok(()) => write_batch(database, self.capacity, batch).map(Some),
                // What is there already need not be written.
                Err(_) => are_there(database, kept(batch)).map(|are_there| are_there.then_some(0)),
            };
            caught(|| write().map_err(|error| describe(&error)), |panic| panic)
        };
        match written {
            Ok(Some(evicted)) => {
                METRICS.records_evicted.inc_by(evicted);
                self.evictions.fetch_add(evicted, Ordering::Relaxed);
                Ok(())
            }
            Ok(None) => room,
            Err(problem) => {
                // That it cannot be is noticed when the next one comes.
                self.is_frozen = reopen(&self.database, &self.path).is_err();
                Err(problem)
            }
        }
    }
}

impl News {
    /// How many records this is about.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Layers(layers) => layers.len(),
        }
    }

    /// Bytes that this may come to.
    fn bytes(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.iter().map(|row| size::of(&row.payload)).sum(),
            Self::Layers(layers) => layers.len() as u64 * layers::MOST_BYTES,
        }
    }
}

/// What is to be kept.
fn kept(batch: &[Job]) -> impl Iterator<Item = &News> {
    batch.iter().filter_map(|job| match job {
        Job::Keep(news, _) => Some(news),
        _ => None,
    })
}

/// The jobs, as they are written together.
struct Batches {
    jobs: mpsc::Receiver<Job>,
    batch: Vec<Job>,
    /// How many batches more do not wait.
    haste: u32,
}

impl Batches {
    /// The next ones, once there are any. They are to be taken out.
    fn next(&mut self) -> Option<&mut Vec<Job>> {
        let first = self.jobs.blocking_recv()?;
        self.batch.push(first);
        self.collect();
        if self.haste > 0 {
            self.haste -= 1;
        } else if self.batch.len() >= CROWD {
            self.wait();
        }
        Some(&mut self.batch)
    }

    /// Takes what is there already.
    fn collect(&mut self) {
        while self.batch.len() < MAX_BATCH
            && let Ok(job) = self.jobs.try_recv()
        {
            self.batch.push(job);
        }
    }

    /// Waits for others. Where most of those who could come are there already, as with a few clients that ask again
    /// and again, that only makes them slower.
    fn wait(&mut self) {
        let (start, crowd) = (Instant::now(), self.batch.len());
        while self.batch.len() < ENOUGH && start.elapsed() < PATIENCE {
            let before = self.batch.len();
            thread::sleep(MOMENT);
            self.collect();
            if self.batch.len() == before {
                break;
            }
        }
        if self.batch.len() < ENOUGH.min(crowd + crowd / 2) {
            self.haste = HASTE;
        }
    }
}

/// Whether all records are there as they are, whenever they were reported.
fn are_there<'r>(database: &Database, mut all: impl Iterator<Item = &'r News>) -> Result<bool, redb::Error> {
    let reading = database.begin_read()?;
    let (places, kept) = (reading.open_table(PLACES)?, reading.open_table(RECORDS)?);
    let row = |key: tables::Key<'_>| -> Result<Option<Row>, redb::Error> {
        let Some(place) = places.get(key)? else { return Ok(None) };
        Ok(kept.get(place.value())?.and_then(|kept| {
            let (entry, payload) = kept.value();
            Some(Row { entry: Entry::parse(entry, payload)?, payload: payload.to_vec() })
        }))
    };
    let is_there = |wanted: &Row| -> Result<bool, redb::Error> {
        let found = row((&wanted.entry.name, &wanted.entry.digest))?;
        Ok(found.is_some_and(|found| found.entry.is_like(&wanted.entry)))
    };
    let is_layer_there = |(name, layer): &(String, LayerFacts)| -> Result<bool, redb::Error> {
        let former = row(LayerKind::Sources.key(name, &layer.diff_id).parts())?;
        let rows = layers::rows(name, layer, former.as_ref().map(|row| row.payload.as_slice()));
        let rows = rows.map_err(tables::unwritable)?;
        rows.iter().try_fold(true, |all, row| Ok(all && is_there(row)?))
    };
    all.try_fold(true, |are_there, news| {
        let mut fold = |are_there, is_next_there: Result<bool, redb::Error>| Ok(are_there && is_next_there?);
        match news {
            News::Rows(rows) => rows.iter().map(is_there).try_fold(are_there, &mut fold),
            News::Layers(layers) => layers.iter().map(is_layer_there).try_fold(are_there, &mut fold),
        }
    })
}

/// Opens the database, or makes it.
fn open(path: &Path) -> Result<Database, String> {
    let open = || {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(path);
        let database = database.map_err(|error| describe(&error.into()))?;
        prepare(&database)?;
        Ok(database)
    };
    caught(open, |panic| panic)
}

/// Opens the database as [`open`] does, reads it through, and mends it where it can be.
fn open_checked(path: &Path) -> Result<Database, String> {
    let database = open(path)?;
    let check = || {
        if !look_through(&database)? {
            log::warn(format_args!("`{}` is damaged, and mended from its records", path.display()));
            mend(&database)?;
        }
        Ok(())
    };
    match caught(|| check().map_err(|error: redb::Error| describe(&error)), |panic| panic) {
        Ok(()) => Ok(database),
        Err(problem) => {
            close(&mut Some(database));
            Err(problem)
        }
    }
}

/// Closes the database, if it is open.
fn close(database: &mut Option<Database>) {
    // It writes when it is closed, and has nobody to tell that this failed.
    let close = || {
        drop(database.take());
        Ok::<_, String>(())
    };
    let _ = caught(close, |panic| panic);
}

/// Opens the database again, which after a failure can neither be written nor read. Where it cannot be written, that is
/// an error, and what is on the disk can be read.
fn reopen(database: &Shared, path: &Path) -> Result<(), String> {
    let mut database = database.write().unwrap_or_else(PoisonError::into_inner);
    // Before the next one, for there can be one only.
    close(&mut database);
    let opened = open(path);
    let is_open = opened.as_ref().map(drop).map_err(Clone::clone);
    *database = opened.or_else(|_| open_frozen(path)).ok();
    is_open
}

/// Opens the database to read what is on the disk, and writes nothing there.
fn open_frozen(path: &Path) -> Result<Database, String> {
    let open = || {
        let file = Frozen::open(path).map_err(|error| error.to_string())?;
        let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(file);
        database.map_err(|error| describe(&error.into()))
    };
    caught(open, |panic| panic)
}

/// Writes all of it or nothing, and says how many records had to go.
fn write_batch(database: &Database, capacity: u64, batch: &[Job]) -> Result<u64, redb::Error> {
    let writing = database.begin_write()?;
    let mut evicted = 0;
    let is_changed = {
        let mut tables = Tables::open(&writing)?;
        for job in batch {
            match job {
                Job::Touch(key) => tables.touch(key.parts())?,
                Job::Remove(key, _) => evicted += tables.remove_damaged(key.parts())?,
                Job::Keep(..) => {}
            }
        }
        tables.balance(capacity)?;
        let first_age = tables.next_age();
        kept(batch).try_for_each(|news| match news {
            News::Rows(rows) => rows.iter().try_for_each(|row| tables.insert(row)),
            News::Layers(layers) => {
                layers.iter().try_for_each(|(name, layer)| tables.insert_layer(name, layer))
            }
        })?;
        if tables.next_age() > first_age {
            evicted += tables.shrink_to(capacity, first_age)?;
        }
        if tables.is_changed {
            tables.finish()?;
        }
        tables.is_changed
    };
    if is_changed {
        writing.commit()?;
    } else {
        writing.abort()?;
    }
    Ok(evicted)
}

fn describe(error: &redb::Error) -> String {
    match error {
        redb::Error::DatabaseAlreadyOpen => "another process has it open".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use downshift::answer::Record;

    use super::*;
    use crate::data::records::Records;
    use crate::data::records::packed::Packed;
    use crate::data::records::tests::record;

    /// Writes a database as the former version did.
    fn write_former(path: &Path, records: &[Record]) {
        let database = Database::create(path).unwrap();
        let writing = database.begin_write().unwrap();
        {
            let mut numbers = writing.open_table(NUMBERS).unwrap();
            let (mut kept, mut places) =
                (writing.open_table(RECORDS).unwrap(), writing.open_table(PLACES).unwrap());
            let mut bytes = 0;
            for (age, record) in (0..).zip(records) {
                let Packed { record: packed, unpacked } = Packed::of(record.clone());
                let entry = serde_json::to_vec(&Entry::of(&packed, unpacked, 7)).unwrap();
                kept.insert(age, (entry.as_slice(), record.payload.as_slice())).unwrap();
                places.insert((record.name.as_str(), record.digest.as_str()), age).unwrap();
                bytes += size::of(&record.payload);
            }
            for (name, number) in
                [("version", FORMER_VERSION), ("bytes", bytes), ("next-age", records.len() as u64)]
            {
                numbers.insert(name, number).unwrap();
            }
        }
        writing.commit().unwrap();
    }

    #[tokio::test]
    async fn the_former_version_is_read_and_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut damaged = record("damaged");
        damaged.payload = b"changed".to_vec();
        write_former(&path, &[record("a"), damaged.clone(), record("b")]);
        let records = Records::open(folder.path(), 1 << 20).unwrap();
        let bytes = records.bytes().unwrap();
        assert_eq!(records.get("library/httpd", &record("a").digest).unwrap(), Some(record("a")));
        assert_eq!(records.get("library/httpd", &damaged.digest).unwrap(), None);
        assert_eq!(records.get("library/httpd", &record("b").digest).unwrap(), Some(record("b")));
        // After what was asked for, which is written anew.
        records.keep(vec![record("c")]).await.unwrap();
        assert_eq!(records.bytes().unwrap(), bytes - size::of(b"changed") + size::of(b"c"));
        drop(records);
        let database = open(&path).unwrap();
        assert!(look_through(&database).unwrap());
        let reading = database.begin_read().unwrap();
        let kept = reading.open_table(RECORDS).unwrap();
        let kept: Vec<_> = kept.iter().unwrap().map(Result::unwrap).collect();
        let formats: Vec<_> = kept.iter().map(|(_, value)| value.value().0[0]).collect();
        assert_eq!(formats, [2, 2, 2]);
    }

    #[tokio::test]
    async fn places_and_numbers_are_mended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let all = ["a", "b", "c"].map(record);
        for number in ["bytes", "protected-bytes", "next-age", "places"] {
            let records = Records::open(folder.path(), 1 << 20).unwrap();
            records.keep(all.to_vec()).await.unwrap();
            let bytes = records.bytes().unwrap();
            drop(records);
            let database = open(&path).unwrap();
            let writing = database.begin_write().unwrap();
            if number == "places" {
                let mut places = writing.open_table(PLACES).unwrap();
                places.remove(("library/httpd", all[0].digest.as_str())).unwrap();
            } else {
                let mut numbers = writing.open_table(NUMBERS).unwrap();
                let sound = numbers.get(number).unwrap().map_or(0, |sound| sound.value());
                numbers.insert(number, sound ^ (1 << 63)).unwrap();
            }
            writing.commit().unwrap();
            drop(database);
            let records = Records::open(folder.path(), 1 << 20).unwrap();
            assert_eq!(records.bytes().unwrap(), bytes, "{number}");
            records.keep(vec![record("d")]).await.unwrap();
            for record in &all {
                let found = records.get(&record.name, &record.digest).unwrap();
                assert_eq!(found.as_ref(), Some(record), "{number}");
            }
        }
    }
}
