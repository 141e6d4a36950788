//! The digests that were reported for converted manifests, so that they can be pulled.

mod disk;
mod frozen;
mod memory;
mod room;
mod size;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::path::Path;

use downshift::Digest;
use downshift::answer::Record;

use self::disk::Disk;
use self::memory::Memory;
use crate::error::Error;
use crate::metrics::METRICS;

/// Bytes of all records in memory: some ten thousand converted manifests of the usual size.
pub(crate) const MEMORY_BYTES: u64 = 128 * 1024 * 1024;

/// Bytes of all records on disk, if nothing else is said: some hundred thousand.
pub(crate) const DISK_BYTES: u64 = 1024 * 1024 * 1024;

/// Records by repository and digest. Where there is no room, those reported longest ago go first.
pub(crate) struct Records {
    kept: Kept,
    evictions: AtomicU64,
    /// Whether the last attempt to keep some failed.
    is_failing: AtomicBool,
}

enum Kept {
    Memory(Memory),
    Disk(Disk),
}

impl Records {
    /// No records, and room for `capacity` bytes in memory.
    pub(crate) fn in_memory(capacity: u64) -> Self {
        Self::new(Kept::Memory(Memory::new(capacity)))
    }

    /// The records in the data folder, with room for `capacity` bytes. No other process can have them at the same time.
    ///
    /// # Errors
    /// [`Error::Unwritable`] and [`Error::Records`].
    pub(crate) fn open(data: &Path, capacity: u64) -> Result<Self, Error> {
        Ok(Self::new(Kept::Disk(Disk::open(data, capacity)?)))
    }

    fn new(kept: Kept) -> Self {
        Self { kept, evictions: AtomicU64::new(0), is_failing: AtomicBool::new(false) }
    }

    /// Keeps `records`, for good before this is ready. One that is kept already counts as reported now.
    ///
    /// # Errors
    /// [`Error::Records`]: then none of them may be reported.
    pub(crate) async fn keep(&self, records: Vec<Record>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let count = records.len() as u64;
        let kept = match &self.kept {
            Kept::Memory(memory) => Ok(memory.keep(records)),
            Kept::Disk(disk) => disk.keep(records).await,
        };
        self.is_failing.store(kept.is_err(), Ordering::Relaxed);
        let evicted = kept.inspect_err(|_| METRICS.records_failed.inc())?;
        METRICS.records_kept.inc_by(count);
        METRICS.records_evicted.inc_by(evicted);
        self.evictions.fetch_add(evicted, Ordering::Relaxed);
        Ok(())
    }

    /// The record of `digest` in the repository `name`. It may wait for the disk.
    pub(crate) fn get(&self, name: &str, digest: &Digest) -> Result<Option<Record>, Error> {
        match &self.kept {
            Kept::Memory(memory) => Ok(memory.get(name, digest)),
            Kept::Disk(disk) => disk.get(name, digest),
        }
    }

    /// Whether there is a record of `digest` in the repository `name`.
    pub(crate) fn contains(&self, name: &str, digest: &Digest) -> Result<bool, Error> {
        match &self.kept {
            Kept::Memory(memory) => Ok(memory.contains(name, digest)),
            Kept::Disk(disk) => disk.contains(name, digest),
        }
    }

    /// Whether the last attempt to keep some failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Bytes of all records, as they count against the room for them. It may wait for the disk.
    pub(crate) fn bytes(&self) -> Result<u64, Error> {
        match &self.kept {
            Kept::Memory(memory) => Ok(memory.bytes()),
            Kept::Disk(disk) => disk.bytes(),
        }
    }

    /// How many records had to go so far. As long as this is the same, what was there is there.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    use std::{env, fs, process};

    use downshift::{Form, Platform};
    use tempfile::TempDir;

    use super::size::OVERHEAD;
    use super::*;

    /// Tells the test of this name that it is to be killed.
    const VICTIM: &str = "DOWNSHIFT_RECORDS_OF_A_VICTIM";

    fn record(payload: &str) -> Record {
        Record {
            name: "library/httpd".to_owned(),
            digest: Digest::of(payload.as_bytes()),
            form: Form::Schema1,
            payload: payload.as_bytes().to_vec(),
            source: Digest::empty_layer(),
            tag: Some("latest".to_owned()),
            platform: Some(Platform::new("linux", "arm64")),
            time: "2016-01-02T03:04:05Z".parse().ok(),
        }
    }

    /// Records of both kinds, with room for so many bytes.
    fn of_each_kind(capacity: u64) -> (TempDir, [Records; 2]) {
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

    /// Not a test, but what [`no_reported_digest_is_lost_by_a_kill`] kills.
    #[test]
    fn victim() {
        let Some(folder) = env::var_os(VICTIM) else { return };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
        runtime.block_on(async {
            let records = std::sync::Arc::new(Records::open(Path::new(&folder), DISK_BYTES).unwrap());
            for keeper in 0..8 {
                let records = std::sync::Arc::clone(&records);
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
            let mut victim = Command::new(env::current_exe().unwrap())
                .args(["--exact", "records::tests::victim", "--nocapture"])
                .env(VICTIM, folder.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
            let mut lines = lines.filter_map(|line| Some(line.strip_prefix("kept ")?.to_owned()));
            // Somewhere between two reports, which is anywhere within the writing of those that follow.
            reported.extend(lines.by_ref().take(round * 7 % 40 + 1));
            victim.kill().unwrap();
            reported.extend(lines);
            victim.wait().unwrap();
            let records = Records::open(folder.path(), DISK_BYTES).unwrap();
            for payload in &reported {
                assert!(kept(&records, payload), "`{payload}` is lost in round {round}");
            }
        }
        assert!(reported.len() > 50 * 10);
    }
}
