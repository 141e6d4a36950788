//! Records in a database, written by one thread that makes one transaction of all that waits.

use core::time::Duration;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use downshift::answer::Record;
use downshift::{Digest, Form, Platform};
use redb::{Builder, Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::frozen::Frozen;
use super::{room, size};
use crate::data::{self, Outlives};
use crate::error::Error;
use crate::time::now;

/// The name of the database in a server's data folder.
const FILE: &str = "records.redb";

/// What the tables below mean. Another meaning gets another number.
const VERSION: u64 = 1;

/// Records by age: the smaller the number, the longer ago it was reported. So what is written together is together.
const RECORDS: TableDefinition<'_, u64, (&[u8], &[u8])> = TableDefinition::new("records");
/// The age of a record, by the repository's name and the digest.
const AGES: TableDefinition<'_, Key<'_>, u64> = TableDefinition::new("ages");
/// The version, the bytes of all records, and the next age.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// How many requests' records wait to be written at the most. More wait in line.
const QUEUE_LENGTH: usize = 1024;

/// How many of them are written at once.
const MAX_BATCH: usize = 1024;

/// Bytes of the database that are kept in memory: the upper pages of its trees. The system keeps the others.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// What is said where the database could not be opened again.
const GONE: &str = "it failed, and could not be opened again";

/// How long a record counts as reported now, so that reporting it again and again writes nothing.
const REFRESH: Duration = Duration::from_secs(3600);

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

type Key<'a> = (&'a str, &'a str);

/// The database; nothing where it could not even be read after it had failed.
type Shared = Arc<RwLock<Option<Database>>>;

pub(super) struct Disk {
    database: Shared,
    path: PathBuf,
    /// Where the writer gets its jobs from. It ends without this.
    queue: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// Records that somebody waits for.
struct Job {
    records: Vec<Record>,
    done: oneshot::Sender<Result<u64, String>>,
}

/// What a record is beside its key and payload.
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    digest: String,
    /// When it was reported, in seconds since 1970.
    reported: u64,
    form: String,
    source: String,
    tag: Option<String>,
    platform: Option<[Option<String>; 3]>,
    time: Option<String>,
}

impl Disk {
    pub(super) fn open(data: &Path, capacity: u64) -> Result<Self, Error> {
        let path = data.join(FILE);
        make_private(&path).map_err(|error| Error::unwritable(&path, error))?;
        let unusable = |problem| Error::Records { path: path.clone(), problem };
        let database: Shared = Arc::new(RwLock::new(Some(open(&path).map_err(unusable)?)));
        let (queue, jobs) = mpsc::channel(QUEUE_LENGTH);
        let writer = {
            let (database, path) = (Arc::clone(&database), path.clone());
            move || write(&database, &path, capacity, jobs)
        };
        let started = thread::Builder::new().name("records".to_owned()).spawn(writer);
        let writer = Some(started.map_err(|error| unusable(error.to_string()))?);
        Ok(Self { database, path, queue: Some(queue), writer })
    }

    /// Keeps records, and says how many others had to go. It is ready when all of that is on the disk.
    pub(super) async fn keep(&self, records: Vec<Record>) -> Result<u64, Error> {
        let (done, written) = oneshot::channel();
        let stopped = || self.unusable("the thread that writes them has stopped".to_owned());
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Job { records, done }).await.map_err(|_| stopped())?;
        written.await.map_err(|_| stopped())?.map_err(|problem| self.unusable(problem))
    }

    pub(super) fn get(&self, name: &str, digest: &Digest) -> Result<Option<Record>, Error> {
        let read = |database: &Database| -> Result<_, redb::Error> {
            let reading = database.begin_read()?;
            let key = (name, digest.as_str());
            let Some(age) = reading.open_table(AGES)?.get(key)? else { return Ok(None) };
            let Some(record) = reading.open_table(RECORDS)?.get(age.value())? else { return Ok(None) };
            let (entry, payload) = record.value();
            Ok(Some((entry.to_vec(), payload.to_vec())))
        };
        let Some((entry, payload)) = self.read(read)? else { return Ok(None) };
        let record = Entry::parse(&entry).and_then(|entry| entry.into_record(name, digest, payload));
        record.map(Some).ok_or_else(|| self.unusable("an entry is damaged".to_owned()))
    }

    pub(super) fn contains(&self, name: &str, digest: &Digest) -> Result<bool, Error> {
        self.read(|database| {
            let reading = database.begin_read()?;
            Ok(reading.open_table(AGES)?.get((name, digest.as_str()))?.is_some())
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
        read(database).map_err(|error| self.unusable(describe(&error)))
    }

    fn unusable(&self, problem: String) -> Error {
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
    }
}

impl Entry {
    fn of(record: &Record, reported: u64) -> Self {
        let Record { name, digest, form, source, tag, platform, time, .. } = record;
        let platform = platform.clone();
        Self {
            name: name.clone(),
            digest: digest.to_string(),
            reported,
            form: form.name().to_owned(),
            source: source.to_string(),
            tag: tag.clone(),
            platform: platform
                .map(|Platform { os, architecture, variant }| [Some(os), Some(architecture), variant]),
            time: time.map(|time| time.to_string()),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    fn to_bytes(&self) -> Result<Vec<u8>, redb::Error> {
        serde_json::to_vec(self).map_err(|error| redb::Error::Io(error.into()))
    }

    fn into_record(self, name: &str, digest: &Digest, payload: Vec<u8>) -> Option<Record> {
        let platform = match self.platform {
            Some([os, architecture, variant]) => {
                Some(Platform { os: os?, architecture: architecture?, variant })
            }
            None => None,
        };
        Some(Record {
            name: name.to_owned(),
            digest: digest.clone(),
            form: Form::ALL.into_iter().find(|form| form.name() == self.form)?,
            payload,
            source: Digest::parse(&self.source).ok()?,
            tag: self.tag,
            platform,
            time: self.time.and_then(|time| time.parse().ok()),
        })
    }

    /// Whether the other one says the same of the record.
    fn is_like(&self, other: &Self) -> bool {
        let parts = |entry: &Self| {
            let Self { form, source, tag, platform, time, .. } = entry;
            (form.clone(), source.clone(), tag.clone(), platform.clone(), time.clone())
        };
        parts(self) == parts(other)
    }
}

/// Makes the file, if there is none, so that only its owner can read what is in private repositories.
fn make_private(path: &Path) -> io::Result<()> {
    if fs::exists(path)? { Ok(()) } else { data::write(path, b"", Outlives::PowerLoss) }
}

/// Makes the tables, or looks whether they are of this version.
fn prepare(database: &Database) -> Result<(), String> {
    let prepare = || -> Result<u64, redb::Error> {
        let writing = database.begin_write()?;
        let mut version = VERSION;
        {
            let mut numbers = writing.open_table(NUMBERS)?;
            let stored = numbers.get("version")?.map(|number| number.value());
            match stored {
                Some(number) => version = number,
                None => drop(numbers.insert("version", VERSION)?),
            }
            writing.open_table(RECORDS)?;
            writing.open_table(AGES)?;
        }
        writing.commit()?;
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

/// Writes what comes, until nobody can send anything any more.
fn write(database: &Shared, path: &Path, capacity: u64, jobs: mpsc::Receiver<Job>) {
    let mut batches = Batches { jobs, batch: Vec::new(), haste: 0 };
    let mut is_frozen = false;
    while let Some(batch) = batches.next() {
        let written = write_if_there_is_room(database, path, capacity, batch, &mut is_frozen);
        for (position, job) in batch.drain(..).enumerate() {
            // Nobody waits if the client is gone. All that had to go are counted once.
            let evicted = written.clone().map(|evicted| if position == 0 { evicted } else { 0 });
            let _ = job.done.send(evicted);
        }
    }
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

/// Writes all of it or nothing, and says how many records had to go. A database that fails is opened again, at once or
/// with what comes next; until then it is frozen.
fn write_if_there_is_room(
    database: &Shared,
    path: &Path,
    capacity: u64,
    batch: &[Job],
    is_frozen: &mut bool,
) -> Result<u64, String> {
    let records = || batch.iter().flat_map(|job| &job.records);
    let mut room = room::check(path, records().map(|record| size::of(&record.payload)).sum());
    if *is_frozen {
        room = room.and_then(|()| room::probe(path)).and_then(|()| reopen(database, path));
        *is_frozen = room.is_err();
    }
    let written = {
        let database = database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(GONE)?;
        match room {
            Ok(()) => write_batch(database, capacity, batch),
            // What is there already need not be written.
            Err(problem) => match are_there(database, records()) {
                Ok(false) => return Err(problem),
                are_there => are_there.map(|_| 0),
            },
        }
    };
    written.map_err(|error| {
        // That it cannot be is noticed when the next one comes.
        *is_frozen = reopen(database, path).is_err();
        describe(&error)
    })
}

/// Whether all records are there as they are, whenever they were reported.
fn are_there<'r>(
    database: &Database,
    mut records: impl Iterator<Item = &'r Record>,
) -> Result<bool, redb::Error> {
    let reading = database.begin_read()?;
    let (ages, kept) = (reading.open_table(AGES)?, reading.open_table(RECORDS)?);
    let is_there = |record: &Record| -> Result<bool, redb::Error> {
        let Some(age) = ages.get((record.name.as_str(), record.digest.as_str()))? else { return Ok(false) };
        let entry = kept.get(age.value())?.and_then(|kept| Entry::parse(kept.value().0));
        Ok(entry.is_some_and(|entry| entry.is_like(&Entry::of(record, 0))))
    };
    records.try_fold(true, |all, record| Ok(all && is_there(record)?))
}

/// Opens the database, or makes it.
fn open(path: &Path) -> Result<Database, String> {
    let database = Builder::new().set_cache_size(CACHE_BYTES).create(path);
    let database = database.map_err(|error| describe(&error.into()))?;
    prepare(&database)?;
    Ok(database)
}

/// Opens the database again, which after a failure can neither be written nor read. Where it cannot be written, that is
/// an error, and what is on the disk can be read.
fn reopen(database: &Shared, path: &Path) -> Result<(), String> {
    let mut database = database.write().unwrap_or_else(PoisonError::into_inner);
    // Before the next one, for there can be one only.
    *database = None;
    let opened = open(path);
    let is_open = opened.as_ref().map(drop).map_err(Clone::clone);
    *database = opened.or_else(|_| open_frozen(path)).ok();
    is_open
}

/// Opens the database to read what is on the disk, and writes nothing there.
fn open_frozen(path: &Path) -> Result<Database, String> {
    let file = Frozen::open(path).map_err(|error| error.to_string())?;
    let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(file);
    database.map_err(|error| describe(&error.into()))
}

/// Writes all of it or nothing, and says how many records had to go.
fn write_batch(database: &Database, capacity: u64, batch: &[Job]) -> Result<u64, redb::Error> {
    let writing = database.begin_write()?;
    let mut evicted = 0;
    let is_changed = {
        let mut tables = Tables::open(&writing)?;
        let before = tables.next_age;
        for record in batch.iter().flat_map(|job| &job.records) {
            tables.insert(record)?;
        }
        let is_changed = tables.next_age > before;
        if is_changed {
            evicted = tables.shrink_to(capacity, before)?;
            tables.finish()?;
        }
        is_changed
    };
    if is_changed {
        writing.commit()?;
    } else {
        writing.abort()?;
    }
    Ok(evicted)
}

/// The tables, within a transaction.
struct Tables<'t> {
    records: Table<'t, u64, (&'static [u8], &'static [u8])>,
    ages: Table<'t, Key<'static>, u64>,
    numbers: Table<'t, &'static str, u64>,
    bytes: u64,
    next_age: u64,
    now: u64,
}

impl<'t> Tables<'t> {
    fn open(writing: &'t WriteTransaction) -> Result<Self, redb::Error> {
        let numbers = writing.open_table(NUMBERS)?;
        let number = |name| -> Result<u64, redb::Error> {
            Ok(numbers.get(name)?.map(|number| number.value()).unwrap_or_default())
        };
        let (bytes, next_age) = (number("bytes")?, number("next-age")?);
        let (records, ages) = (writing.open_table(RECORDS)?, writing.open_table(AGES)?);
        Ok(Self { records, ages, numbers, bytes, next_age, now: now() })
    }

    fn insert(&mut self, record: &Record) -> Result<(), redb::Error> {
        let key = (record.name.as_str(), record.digest.as_str());
        let entry = Entry::of(record, self.now);
        let age = self.ages.get(key)?.map(|age| age.value());
        if let Some(age) = age {
            let is_fresh = self.records.get(age)?.is_some_and(|older| {
                let older = Entry::parse(older.value().0);
                older.is_some_and(|older| {
                    older.is_like(&entry) && self.now.abs_diff(older.reported) < REFRESH.as_secs()
                })
            });
            if is_fresh {
                return Ok(());
            }
            self.remove(age)?;
        }
        self.records.insert(self.next_age, (entry.to_bytes()?.as_slice(), record.payload.as_slice()))?;
        self.ages.insert(key, self.next_age)?;
        self.bytes += size::of(&record.payload);
        self.next_age += 1;
        Ok(())
    }

    /// Takes a record out, and gives what it is beside its payload.
    fn remove(&mut self, age: u64) -> Result<Option<Entry>, redb::Error> {
        let Some(record) = self.records.remove(age)? else { return Ok(None) };
        let (entry, payload) = record.value();
        self.bytes = self.bytes.saturating_sub(size::of(payload));
        Ok(Entry::parse(entry))
    }

    /// Lets the oldest go until the rest fits, but none from `first_age` on, and says how many these were.
    fn shrink_to(&mut self, capacity: u64, first_age: u64) -> Result<u64, redb::Error> {
        let mut evicted = 0;
        while self.bytes > capacity {
            let oldest = self.records.first()?.map(|(age, _)| age.value());
            let Some(age) = oldest.filter(|&age| age < first_age) else { break };
            if let Some(entry) = self.remove(age)? {
                self.ages.remove((entry.name.as_str(), entry.digest.as_str()))?;
            }
            evicted += 1;
        }
        Ok(evicted)
    }

    fn finish(&mut self) -> Result<(), redb::Error> {
        self.numbers.insert("bytes", self.bytes)?;
        self.numbers.insert("next-age", self.next_age)?;
        Ok(())
    }
}

fn describe(error: &redb::Error) -> String {
    match error {
        redb::Error::DatabaseAlreadyOpen => "another process has it open".to_owned(),
        error => error.to_string(),
    }
}
