//! The digests that were reported, so that they can be pulled: of converted manifests, and of unpacked layers.
//!
//! Where there is no room for all, those go first that were only reported: anybody can have images converted, however
//! large, but what was asked for by digest is pinned somewhere. Of these there is a segment with most of the room, in the
//! order in which they were asked for; what has to leave that is treated as reported just now.

mod disk;
mod entry;
mod frozen;
mod layer_kind;
mod layers;
mod memory;
mod packed;
mod panics;
mod place;
mod room;
mod size;
mod tables;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::path::Path;
use std::sync::Arc;

use downshift::Digest;
use downshift::answer::Record;
use downshift::layer::LayerFacts;
use tokio::task;

use self::disk::{Disk, News};
use self::layer_kind::{Key, LayerKind};
use self::memory::Memory;
use self::packed::{COMPRESSED_FROM, Packed, Row};
pub(crate) use self::place::REFRESH;
use crate::error::Error;
use crate::metrics::METRICS;

/// Bytes of all records in memory: some ten thousand converted manifests of the usual size.
pub(crate) const MEMORY_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of all records on disk, if nothing else is said: some hundred thousand.
pub(crate) const DISK_BYTES: u64 = 1024 * 1024 * 1024;

/// Records by repository and digest. Where there is no room, those reported longest ago go first, and those that were asked
/// for by digest last.
pub(crate) struct Records {
    kept: Storage,
    evictions: Arc<AtomicU64>,
    /// Whether the last attempt to keep some failed.
    is_failing: AtomicBool,
}

enum Storage {
    Memory(Memory),
    Disk(Disk),
}

impl Records {
    /// No records, and room for `capacity` bytes in memory.
    pub(crate) fn in_memory(capacity: u64) -> Self {
        Self::new(Storage::Memory(Memory::new(capacity)), Arc::default())
    }

    /// The records in the data folder, with room for `capacity` bytes. No other process can have them at the same time.
    ///
    /// # Errors
    /// [`Error::Unwritable`] and [`Error::Records`].
    pub(crate) fn open(data: &Path, capacity: u64) -> Result<Self, Error> {
        let evictions = Arc::default();
        Ok(Self::new(Storage::Disk(Disk::open(data, capacity, Arc::clone(&evictions))?), evictions))
    }

    fn new(kept: Storage, evictions: Arc<AtomicU64>) -> Self {
        Self { kept, evictions, is_failing: AtomicBool::new(false) }
    }

    /// Keeps `records`, for good before this is ready. One that is kept already counts as reported now.
    ///
    /// # Errors
    /// [`Error::Records`]: then none of them may be reported.
    pub(crate) async fn keep(&self, records: Vec<Record>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let pack =
            |records: Vec<Record>| records.into_iter().map(|record| Packed::of(record).into()).collect();
        // What takes long is done where it keeps nobody waiting.
        let rows = if records.iter().any(|record| record.payload.len() >= COMPRESSED_FROM) {
            task::spawn_blocking(move || pack(records)).await.map_err(|_| Error::Panicked)?
        } else {
            pack(records)
        };
        self.write(News::Rows(rows)).await
    }

    /// Keeps the facts of layers, each of which was reported by its diff id in the repository of that name, and that it is a
    /// source of it: all of that in one transaction, and for good before this is ready.
    ///
    /// # Errors
    /// [`Error::Records`]: then none of these diff ids may be reported.
    pub(crate) async fn keep_layers(&self, reported: Vec<(String, LayerFacts)>) -> Result<(), Error> {
        if reported.is_empty() {
            return Ok(());
        }
        self.write(News::Layers(reported)).await
    }

    /// Keeps what was learnt of a layer, in whichever repository that was.
    ///
    /// # Errors
    /// [`Error::Records`].
    pub(crate) async fn keep_facts(&self, layer: &LayerFacts) -> Result<(), Error> {
        let row = layers::facts_row(layer).map_err(|problem| self.unusable(problem))?;
        self.write(News::Rows(vec![row])).await
    }

    /// Keeps that the origin has answered for a blob in the repository `name`, to a caller who may pull there. If that was
    /// written within the last day, nothing is.
    ///
    /// # Errors
    /// [`Error::Records`].
    pub(crate) async fn keep_known_blob(&self, name: &str, digest: &Digest) -> Result<(), Error> {
        self.write(News::Rows(vec![layers::known_row(name, digest)])).await
    }

    async fn write(&self, news: News) -> Result<(), Error> {
        let count = news.len() as u64;
        let kept = match &self.kept {
            Storage::Memory(memory) => {
                let kept = match news {
                    News::Rows(rows) => Ok(memory.keep(rows)),
                    News::Layers(layers) => memory.keep_layers(&layers),
                };
                kept.map_err(|problem| self.unusable(problem)).map(|evicted| {
                    METRICS.records_evicted.inc_by(evicted);
                    self.evictions.fetch_add(evicted, Ordering::Relaxed);
                })
            }
            Storage::Disk(disk) => disk.keep(news).await,
        };
        self.is_failing.store(kept.is_err(), Ordering::Relaxed);
        kept.inspect_err(|_| METRICS.records_failed.inc())?;
        METRICS.records_kept.inc_by(count);
        Ok(())
    }

    fn unusable(&self, problem: String) -> Error {
        match &self.kept {
            Storage::Memory(_) => Error::Records { path: Path::new("memory").to_path_buf(), problem },
            Storage::Disk(disk) => disk.unusable(problem),
        }
    }

    /// Notes that `digest` was asked for in the repository `name`. It waits for nothing.
    pub(crate) fn protect(&self, name: &str, digest: &Digest) {
        let key = Key::manifest(name, digest);
        match &self.kept {
            Storage::Memory(memory) => drop(memory.get(key)),
            Storage::Disk(disk) => disk.touch(key),
        }
    }

    /// The record of `digest` in the repository `name`, which is asked for. One that is damaged is as good as none. It may
    /// wait for the disk.
    pub(crate) fn get(&self, name: &str, digest: &Digest) -> Result<Option<Record>, Error> {
        self.read(Key::manifest(name, digest), |row| row.into_record(name, digest))
    }

    /// The facts of the blob with this digest, wherever it is; nothing if they were never learnt, or by a decoder of another
    /// version. Who may know of them is for the caller to decide. It may wait for the disk.
    pub(crate) fn facts(&self, digest: &Digest) -> Result<Option<LayerFacts>, Error> {
        let key = LayerKind::Facts.key("", digest);
        Ok(self.read(key, |row| Some(row.payload))?.and_then(|payload| layers::facts(&payload)))
    }

    /// The stored blobs that unpack to a diff id which was reported in the repository `name`, the newest first, and at the
    /// most eight. They may have been read by a decoder of another version. It may wait for the disk.
    pub(crate) fn sources(&self, name: &str, diff_id: &Digest) -> Result<Vec<LayerFacts>, Error> {
        let key = LayerKind::Sources.key(name, diff_id);
        let payload = self.read(key, |row| Some(row.payload))?;
        Ok(payload.map(|payload| layers::sources(&payload)).unwrap_or_default())
    }

    /// Whether the origin has answered for a blob in the repository `name`. It may wait for the disk.
    pub(crate) fn is_known_blob(&self, name: &str, digest: &Digest) -> Result<bool, Error> {
        Ok(self.read(LayerKind::Known.key(name, digest), Some)?.is_some())
    }

    /// Whether a stored blob is known that unpacks to a diff id which was reported in the repository `name`.
    pub(crate) fn has_sources(&self, name: &str, diff_id: &Digest) -> Result<bool, Error> {
        self.has(&LayerKind::Sources.key(name, diff_id))
    }

    fn read<T>(&self, key: Key, read: impl FnOnce(Row) -> Option<T>) -> Result<Option<T>, Error> {
        match &self.kept {
            Storage::Memory(memory) => Ok(memory.get(key).and_then(read)),
            Storage::Disk(disk) => disk.get(key, read),
        }
    }

    /// Whether there is a record of `digest` in the repository `name`.
    pub(crate) fn contains(&self, name: &str, digest: &Digest) -> Result<bool, Error> {
        self.has(&Key::manifest(name, digest))
    }

    fn has(&self, key: &Key) -> Result<bool, Error> {
        match &self.kept {
            Storage::Memory(memory) => Ok(memory.contains(key)),
            Storage::Disk(disk) => disk.contains(key),
        }
    }

    /// Whether the last attempt to keep some failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Bytes of all records, as they count against the room for them. It may wait for the disk.
    pub(crate) fn bytes(&self) -> Result<u64, Error> {
        match &self.kept {
            Storage::Memory(memory) => Ok(memory.bytes()),
            Storage::Disk(disk) => disk.bytes(),
        }
    }

    /// How many records had to go so far. As long as this is the same, what was there is there.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use core::time::Duration;
    use std::io::Write;
    use std::{env, fs, process};

    use downshift::{Form, Platform, SourceSignature};
    use tempfile::TempDir;

    use super::size::OVERHEAD;
    use super::*;
    use crate::data::victim::said_until_killed;

    /// Tells the test of this name that it is to be killed.
    const VICTIM: &str = "DOWNSHIFT_RECORDS_OF_A_VICTIM";

    pub(crate) fn record(payload: &str) -> Record {
        Record {
            name: "library/httpd".to_owned(),
            digest: Digest::of(payload.as_bytes()),
            form: Form::Schema1,
            payload: payload.as_bytes().to_vec(),
            source: Digest::empty_layer(),
            tag: Some("latest".to_owned()),
            platform: Some(Platform::new("linux", "arm64")),
            time: "2016-01-02T03:04:05Z".parse().ok(),
            signature: Some(SourceSignature::valid(vec!["ABCD:2345".to_owned()])),
        }
    }

    /// Records of both kinds, with room for so many bytes.
    pub(crate) fn of_each_kind(capacity: u64) -> (TempDir, [Records; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let records = [Records::in_memory(capacity), Records::open(folder.path(), capacity).unwrap()];
        (folder, records)
    }

    fn kept(records: &Records, payload: &str) -> bool {
        let digest = Digest::of(payload.as_bytes());
        let kept = records.get("library/httpd", &digest).unwrap();
        assert_eq!(kept.is_some(), records.contains("library/httpd", &digest).unwrap());
        assert!(kept.is_none_or(|kept| kept == record(payload)));
        !records.contains("library/nginx", &digest).unwrap()
            && records.contains("library/httpd", &digest).unwrap()
    }

    #[tokio::test]
    async fn a_record_is_of_its_repository_only() {
        let (_folder, kinds) = of_each_kind(1 << 20);
        for records in kinds {
            records.keep(vec![record("a"), record("b")]).await.unwrap();
            assert!(kept(&records, "a") && kept(&records, "b") && !kept(&records, "c"));
        }
    }

    #[tokio::test]
    async fn the_record_reported_longest_ago_goes_first() {
        let (_folder, kinds) = of_each_kind(2 * (OVERHEAD + 1));
        for records in kinds {
            records.keep(vec![record("a"), record("b")]).await.unwrap();
            assert_eq!(records.evictions(), 0);
            records.keep(vec![record("c")]).await.unwrap();
            assert_eq!(records.evictions(), 1);
            assert!(!kept(&records, "a") && kept(&records, "b") && kept(&records, "c"));
        }
    }

    #[tokio::test]
    async fn what_is_reported_together_stays_together() {
        let (_folder, kinds) = of_each_kind(1);
        for records in kinds {
            records.keep(vec![record("a"), record("b")]).await.unwrap();
            assert!(kept(&records, "a") && kept(&records, "b"));
            records.keep(vec![record("c")]).await.unwrap();
            assert!(!kept(&records, "a") && !kept(&records, "b") && kept(&records, "c"));
        }
    }

    #[tokio::test]
    async fn records_outlive_the_server() {
        let folder = tempfile::tempdir().unwrap();
        for round in ["a", "b"] {
            let records = Records::open(folder.path(), 1 << 20).unwrap();
            records.keep(vec![record(round)]).await.unwrap();
            assert!(kept(&records, "a"));
            assert!(
                matches!(Records::open(folder.path(), 1), Err(Error::Records { .. })),
                "it is open already"
            );
        }
    }

    #[test]
    fn what_is_no_file_of_records_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.redb");
        fs::write(&path, "something else").unwrap();
        let Err(error) = Records::open(folder.path(), 1) else { panic!("it is opened") };
        assert_eq!(error.code(), "unusable-records");
        assert_eq!(fs::read(&path).unwrap(), b"something else");
    }

    #[tokio::test]
    async fn what_was_asked_for_by_digest_outlives_what_was_only_reported() {
        let (_folder, kinds) = of_each_kind(10 * (OVERHEAD + 10));
        let digest = |payload: &str| Digest::of(payload.as_bytes());
        for records in kinds {
            records.keep(vec![record("pinned"), record("other")]).await.unwrap();
            assert!(records.get("library/httpd", &digest("pinned")).unwrap().is_some());
            for number in 0..40 {
                records.keep(vec![record(&format!("stranger's {number}"))]).await.unwrap();
            }
            assert!(records.contains("library/httpd", &digest("pinned")).unwrap());
            assert!(!records.contains("library/httpd", &digest("other")).unwrap());
            assert!(records.bytes().unwrap() <= 10 * (OVERHEAD + 10));
            // Those of the segment that were asked for longest ago make room.
            for number in 0..12 {
                let payload = format!("pinned {number}");
                records.keep(vec![record(&payload)]).await.unwrap();
                assert!(records.get("library/httpd", &digest(&payload)).unwrap().is_some());
                records.keep(vec![record("stranger's")]).await.unwrap();
            }
            assert!(!records.contains("library/httpd", &digest("pinned")).unwrap());
            for number in 5..12 {
                let payload = format!("pinned {number}");
                assert!(records.contains("library/httpd", &digest(&payload)).unwrap(), "{payload}");
            }
            assert!(records.bytes().unwrap() <= 10 * (OVERHEAD + 10));
        }
    }

    #[tokio::test]
    async fn large_payloads_that_are_all_the_same_take_no_room() {
        let (_folder, kinds) = of_each_kind(1 << 20);
        let large = |number: u32| format!("{number}{}", "\\u003c".repeat(1 << 19));
        for records in kinds {
            records.keep(vec![record("a")]).await.unwrap();
            for number in 0..40 {
                records.keep(vec![record(&large(number))]).await.unwrap();
            }
            assert_eq!(records.evictions(), 0);
            assert!(kept(&records, "a") && kept(&records, &large(0)) && kept(&records, &large(39)));
        }
    }

    /// The file of a database with some records, which is closed.
    async fn file_of(folder: &Path, count: u32) -> Vec<u8> {
        let records = Records::open(folder, 1 << 20).unwrap();
        for number in 0..count {
            let records = &records;
            records.keep(vec![record(&format!("payload {number}"))]).await.unwrap();
        }
        drop(records);
        fs::read(folder.join("records.redb")).unwrap()
    }

    /// Opens a file of records, and says how many of them are there; nothing if it is refused with its code.
    fn readable(bytes: &[u8], count: u32) -> Option<u32> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("records.redb"), bytes).unwrap();
        let records = match Records::open(folder.path(), 1 << 20) {
            Ok(records) => records,
            Err(error) => {
                assert_eq!(error.code(), "unusable-records");
                return None;
            }
        };
        let is_there = |number: &u32| {
            let expected = record(&format!("payload {number}"));
            // What is there is right, and what is not was told.
            let found = records.get(&expected.name, &expected.digest);
            found.is_ok_and(|found| found.map(|found| assert_eq!(found, expected)).is_some())
        };
        Some(u32::try_from((0..count).filter(is_there).count()).unwrap())
    }

    #[tokio::test]
    async fn no_damage_to_the_file_is_a_panic_or_believed() {
        const COUNT: u32 = 20;
        let folder = tempfile::tempdir().unwrap();
        let sound = file_of(folder.path(), COUNT).await;
        assert_eq!(readable(&sound, COUNT), Some(COUNT));
        // Empty, short, and of something else.
        for len in [1, 4095, 4096, sound.len() / 2, sound.len() - 1] {
            assert_ne!(readable(&sound[..len], COUNT), Some(0), "the first {len} bytes");
        }
        assert_eq!(readable(&vec![0; sound.len()], COUNT), None);
        // Pages that are lost.
        let used: Vec<_> = (0..sound.len() / 4096)
            .filter(|page| sound[page * 4096..][..4096].iter().any(|byte| *byte != 0))
            .collect();
        for page in used {
            let mut damaged = sound.clone();
            damaged[page * 4096..][..4096].fill(0);
            assert_ne!(readable(&damaged, COUNT), Some(0), "page {page}");
        }
        // Bits of the values, of which there are several copies in pages that are no longer used.
        let mut lost = 0;
        for (needle, at) in
            [("library/httpd", 3), ("latest", 2), ("payload 7", 4), ("arm64", 1), ("2016-01-02", 3)]
        {
            let places =
                sound.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle.as_bytes());
            for (place, _) in places.take(200) {
                let mut damaged = sound.clone();
                damaged[place + at] ^= 1 << (place % 8);
                let readable = readable(&damaged, COUNT).unwrap_or(0);
                lost += COUNT - readable;
            }
        }
        assert!(lost > 0, "nothing of that was in use");
    }

    #[tokio::test]
    async fn a_damaged_record_is_gone_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = file_of(folder.path(), 1).await;
        let places: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"arm64")).collect();
        for place in places {
            bytes[place] = b'A';
        }
        fs::write(folder.path().join("records.redb"), bytes).unwrap();
        let records = Records::open(folder.path(), 1 << 20).unwrap();
        let damaged = record("payload 0");
        assert!(records.contains(&damaged.name, &damaged.digest).unwrap());
        assert_eq!(records.get(&damaged.name, &damaged.digest).unwrap(), None);
        // So that nobody counts on it.
        assert!(!records.contains(&damaged.name, &damaged.digest).unwrap());
        assert_eq!(records.evictions(), 1);
        records.keep(vec![damaged.clone()]).await.unwrap();
        assert_eq!(records.get(&damaged.name, &damaged.digest).unwrap(), Some(damaged));
    }

    #[tokio::test]
    async fn an_empty_file_beside_a_key_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.redb");
        fs::write(&path, "").unwrap();
        // As a first start leaves it that was stopped at once.
        drop(Records::open(folder.path(), 1 << 20).unwrap());
        crate::data::keys::read_or_make(folder.path()).unwrap();
        drop(Records::open(folder.path(), 1 << 20).unwrap());
        fs::write(&path, "").unwrap();
        let Err(error) = Records::open(folder.path(), 1 << 20) else { panic!("it is opened") };
        assert_eq!(error.code(), "unusable-records");
        assert!(error.to_string().contains("are lost"), "{error}");
        fs::remove_file(&path).unwrap();
        assert!(Records::open(folder.path(), 1 << 20).is_ok());
    }

    /// Not a test, but what [`no_reported_digest_is_lost_by_a_kill`] kills.
    #[test]
    fn victim() {
        let Some(folder) = env::var_os(VICTIM) else { return };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
        runtime.block_on(async {
            let records = Arc::new(Records::open(Path::new(&folder), DISK_BYTES).unwrap());
            for keeper in 0..8 {
                let records = Arc::clone(&records);
                tokio::spawn(async move {
                    for number in 0.. {
                        let payload = format!("{} {keeper} {number}", process::id());
                        records.keep(vec![record(&payload)]).await.unwrap();
                        // As a response goes out.
                        writeln!(std::io::stdout().lock(), "kept {payload}").unwrap();
                    }
                });
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
        });
    }

    #[test]
    fn no_reported_digest_is_lost_by_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        let mut reported = Vec::new();
        for round in 0..50_usize {
            let read = |line: String| Some(line.strip_prefix("kept ")?.to_owned());
            // Somewhere between two reports, which is anywhere within the writing of those that follow.
            let test = "data::records::tests::victim";
            reported.extend(said_until_killed(test, VICTIM, folder.path(), read, round * 7 % 40 + 1));
            let records = Records::open(folder.path(), DISK_BYTES).unwrap();
            for payload in &reported {
                assert!(kept(&records, payload), "`{payload}` is lost in round {round}");
            }
        }
        assert!(reported.len() > 50 * 10);
    }
}
