use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs};

use bytes::Bytes;
use futures_util::FutureExt;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::cache::DISK_RESERVE;
use super::flight::HELD_BACK;
use super::folder::{Disk, SystemDisk};
use super::index::OVERHEAD;
use super::*;
use crate::data::victim::said_until_killed;

const MIB: usize = 1024 * 1024;

/// Tells the test of this name that it is to be killed.
const VICTIM: &str = "DOWNSHIFT_BLOBS_OF_A_VICTIM";

/// A blob, and its digest.
#[derive(Clone)]
struct Blob {
    digest: Digest,
    bytes: Bytes,
}

impl Blob {
    fn new(seed: u64, length: usize) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let mut bytes: Vec<u8> = core::iter::repeat_with(next).take(length.div_ceil(8)).flatten().collect();
        bytes.truncate(length);
        Self { digest: Digest::of(&bytes), bytes: bytes.into() }
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

fn cache(blobs: u64, length: usize) -> (TempDir, Arc<BlobCache>) {
    let data = tempfile::tempdir().unwrap();
    let cache = BlobCache::open(data.path(), blobs * (length as u64 + OVERHEAD)).unwrap();
    (data, cache)
}

async fn lead(cache: &Arc<BlobCache>, blob: &Blob) -> (Writer, Reader) {
    match cache.fill(&blob.digest, Some(blob.size())).await {
        Fill::Leader(writer, reader) => (writer, reader),
        Fill::Follower(_) => panic!("another one fetches it"),
        Fill::Whole(_) => panic!("it is there"),
        Fill::Uncached(uncached) => panic!("{uncached:?}"),
    }
}

/// Writes what is missing of a blob.
async fn write(writer: &mut Writer, blob: &Blob) -> Result<(), Broken> {
    let start = usize::try_from(writer.len()).unwrap();
    for chunk in blob.bytes[start..].chunks(16 * 1024) {
        writer.write(Bytes::copy_from_slice(chunk)).await?;
    }
    Ok(())
}

async fn put(cache: &Arc<BlobCache>, blob: &Blob) -> CachedBlob {
    let (mut writer, _reader) = lead(cache, blob).await;
    write(&mut writer, blob).await.unwrap();
    writer.commit().await.unwrap()
}

/// All that can be read from `offset` on, and how that ends.
async fn read(reader: &mut Reader, offset: u64) -> (Vec<u8>, Result<(), Broken>) {
    let mut read = Vec::new();
    loop {
        match reader.read_at(offset + read.len() as u64, 100_000).await {
            Ok(bytes) if bytes.is_empty() => return (read, Ok(())),
            Ok(bytes) => read.extend(bytes),
            Err(broken) => return (read, Err(broken)),
        }
    }
}

async fn content(blob: &CachedBlob) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let bytes = blob.read_at(read.len() as u64, 100_000).await.unwrap();
        if bytes.is_empty() {
            return read;
        }
        read.extend(bytes);
    }
}

async fn is_there(cache: &Arc<BlobCache>, blob: &Blob) -> bool {
    match cache.get(&blob.digest).await {
        Some(cached) => {
            assert_eq!(cached.size(), blob.size());
            assert!(content(&cached).await == blob.bytes, "it has other bytes");
            true
        }
        None => false,
    }
}

fn path(data: &TempDir, blob: &Blob, suffix: &str) -> PathBuf {
    let hex = blob.digest.hex();
    data.path().join("blobs/sha256").join(&hex[..2]).join(format!("{hex}{suffix}"))
}

/// The bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() { bytes_below(&entry.path()) } else { metadata.len() }
    });
    bytes.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_who_ask_one_fetches_and_all_get_it() {
    let (_data, cache) = cache(1, 3 * MIB);
    let blob = Blob::new(1, 3 * MIB);
    let fetched = Arc::new(AtomicUsize::new(0));
    let mut readers = JoinSet::new();
    for number in 0..50_u64 {
        let (cache, blob, fetched) = (Arc::clone(&cache), blob.clone(), Arc::clone(&fetched));
        readers.spawn(async move {
            let offset = number * 60_000;
            let expected = &blob.bytes[usize::try_from(offset).unwrap()..];
            let mut reader = match cache.fill(&blob.digest, Some(blob.size())).await {
                Fill::Leader(mut writer, reader) => {
                    fetched.fetch_add(1, Ordering::Relaxed);
                    let blob = blob.clone();
                    tokio::spawn(async move {
                        write(&mut writer, &blob).await.unwrap();
                        writer.commit().await.unwrap();
                    });
                    reader
                }
                Fill::Follower(reader) => reader,
                Fill::Whole(cached) => {
                    assert!(content(&cached).await == blob.bytes);
                    return;
                }
                Fill::Uncached(uncached) => panic!("{uncached:?}"),
            };
            assert_eq!(reader.size().await, Ok(Some(blob.size())));
            let (bytes, end) = read(&mut reader, offset).await;
            assert_eq!(end, Ok(()));
            assert!(bytes == expected, "reader {number} gets other bytes");
        });
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
    assert_eq!(fetched.load(Ordering::Relaxed), 1);
    assert!(is_there(&cache, &blob).await);
}

#[tokio::test]
async fn a_break_is_gone_on_with_also_after_a_restart() {
    let (data, mut cache) = cache(2, MIB);
    let blob = Blob::new(1, MIB);
    for quarter in 1..=3 {
        let (mut writer, mut reader) = lead(&cache, &blob).await;
        let start = (quarter - 1) * MIB / 4;
        assert_eq!(writer.len(), start as u64);
        writer.write(blob.bytes.slice(start..start + MIB / 4)).await.unwrap();
        let end = (start + MIB / 4) as u64;
        assert_eq!(reader.available(end - 1).await, Ok(end));
        drop(writer);
        let (bytes, broken) = read(&mut reader, 0).await;
        assert_eq!(broken, Err(Broken { good: end, why: Why::Interrupted }));
        assert!(bytes == blob.bytes[..start + MIB / 4]);
        if quarter == 2 {
            drop(cache);
            cache = BlobCache::open(data.path(), 2 * MIB as u64).unwrap();
        }
        assert!(cache.get(&blob.digest).await.is_none());
    }
    let cached = put(&cache, &blob).await;
    assert!(content(&cached).await == blob.bytes);
    assert!(is_there(&cache, &blob).await);
}

#[tokio::test]
async fn a_blob_that_ends_too_early_is_gone_on_with() {
    let (_data, cache) = cache(1, MIB);
    let blob = Blob::new(1, MIB);
    let (mut writer, mut reader) = lead(&cache, &blob).await;
    writer.write(blob.bytes.slice(..MIB - 1)).await.unwrap();
    assert_eq!(writer.commit().await.unwrap_err().why, Why::Interrupted);
    let (bytes, broken) = read(&mut reader, 0).await;
    assert_eq!(broken, Err(Broken { good: blob.size() - HELD_BACK, why: Why::Interrupted }));
    assert!(blob.bytes.starts_with(&bytes));
    let (writer, _) = lead(&cache, &blob).await;
    assert_eq!(writer.len(), blob.size() - 1);
}

#[tokio::test]
async fn a_wrong_blob_never_ends_and_is_removed() {
    let (data, cache) = cache(2, MIB);
    let blob = Blob::new(1, MIB);
    let mut wrong = blob.clone();
    wrong.bytes = Blob::new(2, MIB).bytes;
    let too_long = Blob { bytes: [&blob.bytes[..], b"x"].concat().into(), ..blob.clone() };
    for (wrong, size) in [(&wrong, Some(blob.size())), (&wrong, None), (&too_long, Some(blob.size()))] {
        let Fill::Leader(mut writer, mut reader) = cache.fill(&blob.digest, size).await else { panic!() };
        assert_eq!(writer.len(), 0);
        let broken = match write(&mut writer, wrong).await {
            Ok(()) => writer.commit().await.unwrap_err(),
            Err(broken) => broken,
        };
        assert_eq!(broken.why, Why::Corrupt);
        let (bytes, end) = read(&mut reader, 0).await;
        assert_eq!(end, Err(broken));
        assert!(bytes.len() as u64 <= blob.size() - HELD_BACK);
        assert!(cache.get(&blob.digest).await.is_none());
        assert_eq!((cache.len(), cache.bytes(), bytes_below(data.path())), (0, 0, 0));
    }
    put(&cache, &blob).await;
    assert!(is_there(&cache, &blob).await);
}

#[tokio::test]
async fn a_small_blob_is_read_whole_or_not_at_all() {
    let (_data, cache) = cache(1, MIB);
    let blob = Blob::new(1, usize::try_from(HELD_BACK).unwrap());
    let (mut writer, mut reader) = lead(&cache, &blob).await;
    write(&mut writer, &blob).await.unwrap();
    assert!(reader.available(0).now_or_never().is_none());
    writer.commit().await.unwrap();
    assert!(read(&mut reader, 0).await.0 == blob.bytes);
    // That of no bytes as well.
    let empty = Blob::new(1, 0);
    let (writer, mut reader) = lead(&cache, &empty).await;
    assert!(reader.available(0).now_or_never().is_none());
    writer.commit().await.unwrap();
    assert_eq!(read(&mut reader, 0).await, (vec![], Ok(())));
    assert!(is_there(&cache, &empty).await);
}

#[tokio::test]
async fn the_size_is_told_once_it_is_known() {
    let (_data, cache) = cache(1, MIB);
    let blob = Blob::new(1, MIB);
    for size in [Some(blob.size()), None] {
        let Fill::Leader(mut writer, mut reader) = cache.fill(&blob.digest, None).await else { panic!() };
        assert!(reader.size().now_or_never().is_none());
        writer.begin(size).await.unwrap();
        assert_eq!(reader.size().await, Ok(size));
        write(&mut writer, &blob).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(reader.size().await, Ok(Some(blob.size())));
        assert!(is_there(&cache, &blob).await);
        cache.remove(&blob.digest).await;
        assert!(!is_there(&cache, &blob).await);
    }
    // Nobody waits for one that ends before that.
    let Fill::Leader(writer, mut reader) = cache.fill(&blob.digest, None).await else { panic!() };
    drop(writer);
    assert_eq!(reader.size().await, Err(Broken { good: 0, why: Why::Interrupted }));
    // Larger than all of the cache.
    let Fill::Leader(mut writer, mut reader) = cache.fill(&blob.digest, None).await else { panic!() };
    assert_eq!(writer.begin(Some(3 * MIB as u64)).await.unwrap_err().why, Why::Uncached);
    assert_eq!(reader.size().await.unwrap_err().why, Why::Uncached);
}

#[tokio::test]
async fn a_blob_is_wanted_as_long_as_it_has_a_reader() {
    let (_data, cache) = cache(1, MIB);
    let blob = Blob::new(1, MIB);
    let (writer, first) = lead(&cache, &blob).await;
    let Fill::Follower(second) = cache.fill(&blob.digest, None).await else { panic!() };
    drop(first);
    assert!(writer.is_wanted() && writer.unwanted().now_or_never().is_none());
    drop(second);
    assert!(!writer.is_wanted());
    writer.unwanted().await;
}

#[tokio::test]
async fn what_is_read_stays_and_nobody_notices_that_others_go() {
    let (_data, cache) = cache(2, MIB);
    let [a, b, c, d] = [1, 2, 3, 4].map(|seed| Blob::new(seed, MIB));
    put(&cache, &a).await;
    let reading = cache.get(&a.digest).await.unwrap();
    put(&cache, &b).await;
    put(&cache, &c).await;
    assert!(is_there(&cache, &a).await && !is_there(&cache, &b).await && is_there(&cache, &c).await);
    let pin = cache.get(&c.digest).await;
    // There is no room where everything is read.
    let refused = cache.fill(&d.digest, Some(d.size())).await;
    assert!(matches!(refused, Fill::Uncached(Uncached::NoRoom)));
    drop(pin);
    // Not even one that is removed under their hands.
    cache.remove(&a.digest).await;
    put(&cache, &d).await;
    assert!(!is_there(&cache, &a).await && is_there(&cache, &d).await);
    assert!(content(&reading).await == a.bytes);
    assert!(cache.bytes() <= 2 * (MIB as u64 + OVERHEAD));
    let too_large = cache.fill(&b.digest, Some(3 * MIB as u64)).await;
    assert!(matches!(too_large, Fill::Uncached(Uncached::TooLarge)));
    assert_eq!(cache.len(), 2);
}

#[tokio::test]
async fn the_order_outlives_the_server() {
    let (data, cache) = cache(3, MIB);
    let all = [1, 2, 3, 4].map(|seed| Blob::new(seed, MIB));
    for (blob, age) in all.iter().zip([300, 100, 200]) {
        let cached = put(&cache, blob).await;
        cached.file().set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    drop(cache);
    let cache = BlobCache::open(data.path(), 3 * (MIB as u64 + OVERHEAD)).unwrap();
    assert_eq!((cache.len(), cache.bytes()), (3, 3 * (MIB as u64 + OVERHEAD)));
    // Which says on the disk that it is used.
    assert!(is_there(&cache, &all[0]).await);
    drop(cache);
    let cache = BlobCache::open(data.path(), 3 * (MIB as u64 + OVERHEAD)).unwrap();
    put(&cache, &all[3]).await;
    assert!(!is_there(&cache, &all[2]).await, "that used longest ago stays");
    drop(cache);
    // With less room, the others go at the start.
    let cache = BlobCache::open(data.path(), MIB as u64 + OVERHEAD).unwrap();
    assert_eq!(cache.len(), 1);
    assert!(is_there(&cache, &all[3]).await);
    assert_eq!(bytes_below(data.path()), MIB as u64);
}

#[tokio::test]
async fn whatever_else_is_in_the_folder_is_not_believed_and_stays() {
    let data = tempfile::tempdir().unwrap();
    let open = || BlobCache::open(data.path(), 10 * MIB as u64).unwrap();
    let all = [1, 2, 3, 4, 5, 6].map(|seed| Blob::new(seed, MIB));
    let [linked, linked_part, folder, folder_part, foreign, misplaced] = &all;
    for blob in &all {
        fs::create_dir_all(path(&data, blob, "").parent().unwrap()).unwrap();
    }
    let secret = data.path().join("secret");
    fs::write(&secret, &linked.bytes).unwrap();
    symlink(&secret, path(&data, linked, "")).unwrap();
    symlink(&secret, path(&data, linked_part, ".part")).unwrap();
    fs::create_dir(path(&data, folder, "")).unwrap();
    fs::create_dir(path(&data, folder_part, ".part")).unwrap();
    fs::write(path(&data, foreign, ""), &foreign.bytes).unwrap();
    // Only root can give files away.
    let is_foreign = std::os::unix::fs::chown(path(&data, foreign, ""), Some(12_345), None).is_ok();
    fs::create_dir_all(data.path().join("blobs/sha256/zz")).unwrap();
    fs::write(data.path().join("blobs/sha256/zz").join(misplaced.digest.hex()), &misplaced.bytes).unwrap();
    for name in ["blobs/README", "blobs/sha256/README", "blobs/sha256/zz/README.part"] {
        fs::write(data.path().join(name), "README").unwrap();
    }
    let own = usize::from(!is_foreign);
    let before = bytes_below(data.path());
    let cache = open();
    assert_eq!(cache.len(), own);
    for blob in &all[..all.len() - 2] {
        assert!(cache.get(&blob.digest).await.is_none());
    }
    assert_eq!(bytes_below(data.path()), before);
    // What is in a part's place is left there, and the blob is streamed.
    for blob in [linked_part, folder_part] {
        let fill = cache.fill(&blob.digest, Some(blob.size())).await;
        assert!(matches!(fill, Fill::Uncached(Uncached::Disk)));
        assert!(fs::symlink_metadata(path(&data, blob, ".part")).is_ok());
    }
    // A folder cannot be replaced, and a link is, but not what it leads to.
    let (mut writer, mut reader) = lead(&cache, folder).await;
    write(&mut writer, folder).await.unwrap();
    assert_eq!(writer.commit().await.unwrap_err().why, Why::Uncached);
    assert!(read(&mut reader, 0).await == (folder.bytes.to_vec(), Ok(())));
    put(&cache, linked).await;
    assert!(is_there(&cache, linked).await && path(&data, linked, "").metadata().unwrap().is_file());
    assert!(fs::symlink_metadata(path(&data, linked, "")).unwrap().is_file());
    assert!(fs::read(&secret).unwrap() == linked.bytes);
    assert_eq!(cache.len(), own + 1);
}

#[tokio::test]
async fn what_a_crash_left_is_taken_in_or_removed() {
    let data = tempfile::tempdir().unwrap();
    let open = || BlobCache::open(data.path(), 10 * MIB as u64).unwrap();
    let [part, old, long] = [1, 2, 3].map(|seed| Blob::new(seed, MIB));
    for blob in [&part, &old, &long] {
        fs::create_dir_all(path(&data, blob, "").parent().unwrap()).unwrap();
    }
    fs::write(path(&data, &part, ".part"), &part.bytes[..MIB / 2]).unwrap();
    fs::write(path(&data, &long, ".part"), [&long.bytes[..], b"more"].concat()).unwrap();
    // It may not have been on the disk when that lost its power.
    fs::write(path(&data, &old, ".part"), &old.bytes[..MIB / 2]).unwrap();
    let file = File::options().write(true).open(path(&data, &old, ".part")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    fs::write(data.path().join("blobs/draft-1-2-3"), "evicted").unwrap();
    let cache = open();
    assert_eq!(cache.len(), 2);
    assert!(!data.path().join("blobs/draft-1-2-3").exists() && !path(&data, &old, ".part").exists());
    for (blob, length) in [(&part, MIB / 2), (&old, 0), (&long, 0)] {
        assert!(cache.get(&blob.digest).await.is_none());
        let (mut writer, _reader) = lead(&cache, blob).await;
        assert_eq!(writer.len(), length as u64);
        write(&mut writer, blob).await.unwrap();
        writer.commit().await.unwrap();
        assert!(is_there(&cache, blob).await);
    }
}

/// A disk on which there are so many bytes left.
struct SmallDisk(Arc<AtomicU64>);

impl Disk for SmallDisk {
    fn free(&self, _: &Path) -> io::Result<u64> {
        // Others take that before it is written.
        Ok(u64::MAX)
    }

    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let take = |left: u64| left.checked_sub(bytes.len() as u64);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => SystemDisk.write(file, bytes, at),
            Err(_) => Err(ErrorKind::StorageFull.into()),
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_was_written_can_be_read() {
    let data = tempfile::tempdir().unwrap();
    let left = Arc::new(AtomicU64::new(MIB as u64 / 2));
    let disk = Box::new(SmallDisk(Arc::clone(&left)));
    let cache = BlobCache::open_on(disk, data.path(), 10 * MIB as u64).unwrap();
    let blob = Blob::new(1, MIB);
    let (mut writer, mut reader) = lead(&cache, &blob).await;
    let broken = match write(&mut writer, &blob).await {
        Ok(()) => writer.commit().await.unwrap_err(),
        Err(broken) => broken,
    };
    assert_eq!(broken, Broken { good: MIB as u64 / 2, why: Why::Uncached });
    let (bytes, end) = read(&mut reader, 0).await;
    assert!(end == Err(broken) && bytes == blob.bytes[..MIB / 2]);
    assert_eq!((cache.len(), cache.bytes(), bytes_below(data.path())), (0, 0, 0));
    left.store(u64::from(u32::MAX), Ordering::Relaxed);
    put(&cache, &blob).await;
    assert!(is_there(&cache, &blob).await);
}

/// A disk of so many bytes, of which only the cache takes any.
struct TinyDisk(u64);

impl Disk for TinyDisk {
    fn free(&self, path: &Path) -> io::Result<u64> {
        Ok(self.0.saturating_sub(bytes_below(path)))
    }

    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        SystemDisk.write(file, bytes, at)
    }
}

#[tokio::test]
async fn what_the_records_need_stays_free() {
    let data = tempfile::tempdir().unwrap();
    let disk = |bytes: usize| Box::new(TinyDisk(DISK_RESERVE + bytes as u64));
    let open = |bytes| BlobCache::open_on(disk(bytes), data.path(), 100 * MIB as u64).unwrap();
    let [a, b, c] = [1, 2, 3].map(|seed| Blob::new(seed, MIB));
    let cache = open(2 * MIB);
    for blob in [&a, &b, &c] {
        put(&cache, blob).await;
    }
    assert!(!is_there(&cache, &a).await && is_there(&cache, &b).await && is_there(&cache, &c).await);
    drop(cache);
    // Where others have taken too much, nothing goes in vain.
    let cache = BlobCache::open_on(Box::new(TinyDisk(0)), data.path(), 100 * MIB as u64).unwrap();
    let fill = cache.fill(&a.digest, Some(a.size())).await;
    assert!(matches!(fill, Fill::Uncached(Uncached::Disk)));
    assert!(is_there(&cache, &b).await && is_there(&cache, &c).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hangs_up_while_it_is_kept_breaks_nothing() {
    let (_data, cache) = cache(1, MIB);
    let blob = Blob::new(1, MIB);
    for round in 0..50 {
        let (mut writer, _reader) = lead(&cache, &blob).await;
        write(&mut writer, &blob).await.unwrap();
        // At another point each time.
        let mut commit = Box::pin(writer.commit());
        for _ in 0..round % 10 {
            if (&mut commit).now_or_never().is_some() {
                break;
            }
            task::yield_now().await;
        }
        drop(commit);
        loop {
            match cache.fill(&blob.digest, Some(blob.size())).await {
                Fill::Leader(mut writer, _reader) => {
                    write(&mut writer, &blob).await.unwrap();
                    writer.commit().await.unwrap();
                }
                Fill::Follower(mut reader) => {
                    let (bytes, _) = read(&mut reader, 0).await;
                    assert!(blob.bytes.starts_with(&bytes));
                }
                Fill::Whole(cached) => {
                    assert!(content(&cached).await == blob.bytes);
                    break;
                }
                Fill::Uncached(uncached) => panic!("{uncached:?}"),
            }
        }
        assert_eq!((cache.len(), cache.bytes()), (1, blob.size() + OVERHEAD));
        cache.remove(&blob.digest).await;
    }
}

/// The blobs of the victim, and the room for them: a third of what they take.
fn blobs_of_a_victim() -> (Vec<Blob>, u64) {
    let blobs: Vec<_> = (0..12).map(|seed| Blob::new(seed, 100_000 + 70_000 * seed as usize)).collect();
    let bytes: u64 = blobs.iter().map(Blob::size).sum();
    (blobs, bytes / 3)
}

/// Not a test, but what [`no_wrong_byte_is_given_out_after_a_kill`] kills.
#[test]
fn victim() {
    let Some(folder) = env::var_os(VICTIM) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let (blobs, capacity) = blobs_of_a_victim();
        let cache = BlobCache::open(Path::new(&folder), capacity).unwrap();
        let seed = u64::from(std::process::id());
        for client in 0..4 {
            let (cache, blobs) = (Arc::clone(&cache), blobs.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    let blob = &blobs[usize::try_from((seed + client * 5 + number * 7) % 12).unwrap()];
                    let is_right = pull(&cache, blob).await;
                    let word = if is_right { "right" } else { "wrong" };
                    writeln!(io::stdout().lock(), "{word} {}", blob.digest).unwrap();
                }
            });
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
}

/// Whether a client gets the right bytes of a blob, as far as it gets any.
async fn pull(cache: &Arc<BlobCache>, blob: &Blob) -> bool {
    match cache.fill(&blob.digest, Some(blob.size())).await {
        Fill::Leader(mut writer, mut reader) => {
            let whole = blob.clone();
            let fetching = tokio::spawn(async move {
                write(&mut writer, &whole).await?;
                writer.commit().await
            });
            let (bytes, _) = read(&mut reader, 0).await;
            let _ = fetching.await.unwrap();
            blob.bytes.starts_with(&bytes)
        }
        Fill::Follower(mut reader) => blob.bytes.starts_with(&read(&mut reader, 0).await.0),
        Fill::Whole(cached) => content(&cached).await == blob.bytes,
        Fill::Uncached(_) => true,
    }
}

/// `DOWNSHIFT_KILLS` says how often, if not as often as there is time for in each run of the tests.
#[test]
fn no_wrong_byte_is_given_out_after_a_kill() {
    let kills = env::var("DOWNSHIFT_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (blobs, capacity) = blobs_of_a_victim();
    let (mut pulled, mut whole, mut parts) = (0, 0, 0);
    for round in 0..kills {
        let is_said = |line: &String| line.starts_with("right ") || line.starts_with("wrong ");
        let read = |line| Some(line).filter(is_said);
        // Somewhere between two pulls, which is anywhere within those that go on.
        let test = "data::blob_cache::tests::victim";
        let told = said_until_killed(test, VICTIM, folder.path(), read, round * 7 % 12 + 1);
        assert!(told.iter().all(|line| line.starts_with("right ")), "{told:?} in round {round}");
        pulled += told.len();
        // Of files that went, at most what had room before.
        assert!(bytes_below(folder.path()) <= 2 * capacity, "in round {round}");
        let cache = BlobCache::open(folder.path(), capacity).unwrap();
        assert!(bytes_below(folder.path()) <= capacity, "in round {round}");
        runtime.block_on(async {
            for blob in &blobs {
                whole += usize::from(is_there(&cache, blob).await);
                parts += usize::from(path(&folder, blob, ".part").exists());
            }
        });
    }
    assert!(pulled > 0 && whole > 0 && parts > 0, "{pulled} pulls, {whole} blobs, {parts} parts");
}
