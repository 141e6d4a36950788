//! A cache of blobs on disk, for layers of registries: files under their digests, of which the least recently used go.
//!
//! A blob is fetched once, however many want it: the first who asks gets a [`Writer`], and everybody a [`Reader`] of what is
//! there and of what comes. The writer waits for no reader, and stops when there is none. What a break has left is gone on
//! with, and counts as a blob once its digest was checked. Nothing here is needed: where the cache has no room, or its disk
//! fails, whoever asks is told so, and streams the blob from where it is.
//!
//! Who may have a blob is not known here: that is for the caller to decide, before anything is asked.

mod flight;
mod folder;
mod index;
mod pin;
mod writer;

use core::time::Duration;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(test)]
use bytes::Bytes;
use downshift::Digest;
use tokio::task;

use self::flight::Flight;
pub(crate) use self::flight::{Broken, Reader, Why};
use self::folder::{Disk, Folder, SystemDisk};
pub(crate) use self::index::Uncached;
use self::index::{Found, Index, Victim};
use self::pin::Pin;
pub(crate) use self::writer::Writer;
use crate::data::disk_trouble::DiskTrouble;
use crate::digest::DigestCheck;
use crate::error::Error;
use crate::log;
use crate::metrics::{Cache, METRICS};
use crate::time;

/// The name of the folder in a server's data folder.
const FOLDER: &str = "blobs";

/// Bytes that stay free on the disk, whatever the cache may have: the records are on it as well, and have to be written.
const DISK_RESERVE: u64 = 64 * 1024 * 1024;

/// How long a blob counts as used now, as far as its file says that.
const REFRESH: Duration = Duration::from_secs(60);

/// Bytes of a file that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A cache of blobs.
pub(crate) struct BlobCache {
    folder: Folder,
    disk: Box<dyn Disk>,
    index: Mutex<Index>,
    trouble: DiskTrouble,
}

/// A whole blob that is in the cache. It stays there as long as somebody has this.
#[derive(Clone, Debug)]
pub(crate) struct CachedBlob {
    file: Arc<File>,
    size: u64,
    _pin: Pin,
}

/// What comes of asking for a blob.
pub(crate) enum Fill {
    /// It is to be fetched by who has asked: from [`Writer::len`] on, for as long as the [`Writer::is_wanted`]. The reader is
    /// for that one, or for whom it is fetched.
    Leader(Writer, Reader),
    /// Another one fetches it.
    Follower(Reader),
    /// It is there.
    Whole(CachedBlob),
    /// It has no place in the cache, and is to be streamed from where it is.
    Uncached(#[cfg_attr(not(test), expect(dead_code, reason = "it is the same to a pull"))] Uncached),
}

impl BlobCache {
    /// The cache in the data folder, with room for `capacity` bytes. What is there is taken in. It waits for the disk.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if its folder cannot be made.
    pub(crate) fn open(data: &Path, capacity: u64) -> Result<Arc<Self>, Error> {
        Self::open_on(Box::new(SystemDisk), data, capacity)
    }

    fn open_on(disk: Box<dyn Disk>, data: &Path, capacity: u64) -> Result<Arc<Self>, Error> {
        let path = data.join(FOLDER);
        let folder = Folder::open(path.clone()).map_err(|error| Error::unwritable(&path, error))?;
        let (files, strangers) = folder.scan();
        if strangers > 0 {
            log::warn(format_args!(
                "`{}` has `{strangers}` entries that are not of the blob cache, or of another user: they stay, and are not \
                 used",
                path.display()
            ));
        }
        let mut index = Index::new(capacity);
        for file in files {
            index.insert(file.digest, file.size, file.is_whole, file.used, Pin::default());
        }
        let victims = index.shrink();
        let cache = Self { folder, disk, index: Mutex::new(index), trouble: DiskTrouble::default() };
        let outs = cache.evict(&victims);
        cache.delete(outs);
        Ok(Arc::new(cache))
    }

    /// The blob with this digest, if all of it is there.
    pub(crate) async fn get(self: &Arc<Self>, digest: &Digest) -> Option<CachedBlob> {
        let (cache, digest) = (Arc::clone(self), digest.clone());
        let found = task::spawn_blocking(move || cache.get_whole(&digest)).await;
        let blob = found.ok().flatten()?;
        METRICS.looked_up(Cache::Blobs, true);
        Some(blob)
    }

    /// The blob with this digest, from wherever it is to be had: of several who ask at once, one fetches it. Its `size`, if
    /// the origin has said that, is what room is looked for with; where only a manifest says it, it is better not to: another
    /// one may name the same blob with another size.
    pub(crate) async fn fill(self: &Arc<Self>, digest: &Digest, size: Option<u64>) -> Fill {
        let (cache, digest) = (Arc::clone(self), digest.clone());
        let begun = task::spawn_blocking(move || cache.begin(&digest, size)).await;
        let fill = begun.unwrap_or(Fill::Uncached(Uncached::Disk));
        METRICS.looked_up(Cache::Blobs, matches!(fill, Fill::Whole(_) | Fill::Follower(_)));
        fill
    }

    /// Removes a blob whose file was found damaged. Those who read it go on.
    pub(crate) async fn remove(self: &Arc<Self>, digest: &Digest) {
        let (cache, digest) = (Arc::clone(self), digest.clone());
        let removed = task::spawn_blocking(move || {
            let outs = {
                let mut index = cache.lock();
                let victim = index.remove(&digest);
                cache.take_out(victim.as_slice())
            };
            cache.delete(outs);
        });
        // It does not panic.
        let _ = removed.await;
    }

    /// Bytes of all blobs, with those that are being fetched.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    /// How many blobs there are, without those that are being fetched.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get_whole(&self, digest: &Digest) -> Option<CachedBlob> {
        let found = self.lock().find(digest);
        let Found::Whole { pin, touched } = found else { return None };
        self.open_whole(digest, pin, touched)
    }

    /// Opens the file of a blob that is there; nothing, and nobody counts on it any more, where that cannot be.
    fn open_whole(&self, digest: &Digest, pin: Pin, touched: std::time::SystemTime) -> Option<CachedBlob> {
        match self.folder.open_whole(digest) {
            Ok((file, size)) => {
                if time::age(touched) > REFRESH {
                    Folder::touch(&file);
                    self.lock().touched(digest, time::file_time());
                }
                Some(CachedBlob { file: Arc::new(file), size, _pin: pin })
            }
            Err(error) => {
                // Whoever has removed the file need not be told.
                if error.kind() != ErrorKind::NotFound {
                    self.trouble.tell(&Error::unreadable(self.folder.path(), error));
                }
                self.lock().remove(digest);
                None
            }
        }
    }

    /// Looks a blob up, or begins to fetch it. It waits for the disk.
    fn begin(self: &Arc<Self>, digest: &Digest, size: Option<u64>) -> Fill {
        let found = self.lock().find(digest);
        if let Found::Whole { pin, touched } = found
            && let Some(blob) = self.open_whole(digest, pin, touched)
        {
            return Fill::Whole(blob);
        }
        let flight = Arc::new(Flight::new());
        let (part, outs, reader) = {
            let mut index = self.lock();
            // Another one may have been faster.
            let part = match index.find(digest) {
                Found::Flight(flight) => return Fill::Follower(flight.reader()),
                Found::Whole { pin, touched } => {
                    drop(index);
                    let blob = self.open_whole(digest, pin, touched);
                    return blob.map_or_else(|| self.not_begun(Uncached::Disk), Fill::Whole);
                }
                Found::Part(bytes) => bytes,
            };
            match index.begin(digest, size.unwrap_or(part).max(part), Arc::clone(&flight)) {
                Ok(victims) => (part, self.evict(&victims), flight.reader()),
                Err(uncached) => return self.not_begun(uncached),
            }
        };
        self.delete(outs);
        let opened = self.free_disk(size.unwrap_or_default().saturating_sub(part)).and_then(|()| {
            let opened = self.folder.open_part(digest);
            opened.map_err(|error| self.disk_failed(error))
        });
        let (file, length) = match opened {
            Ok((file, length)) => (Arc::new(file), length),
            Err(uncached) => {
                // What is in its place, if anything, may be somebody else's.
                self.lock().end(digest);
                flight.broken(Why::Uncached);
                return self.not_begun(uncached);
            }
        };
        flight.opened(Arc::clone(&file));
        match resume(digest, &file, length, size, &flight) {
            Ok(hashed) => {
                if let Some(size) = size {
                    flight.has_size(size);
                    flight.begun();
                }
                let writer = Writer::new(Arc::clone(self), digest.clone(), flight, file, hashed, size);
                Fill::Leader(writer, reader)
            }
            Err(error) => {
                let uncached = self.disk_failed(error);
                self.abandon(digest, Why::Uncached, 0);
                flight.broken(Why::Uncached);
                Fill::Uncached(uncached)
            }
        }
    }

    /// Counts a fill that came to nothing before it had begun.
    fn not_begun(&self, uncached: Uncached) -> Fill {
        count_fill("uncached");
        Fill::Uncached(uncached)
    }

    /// Makes room for a blob that is being fetched, as it grows.
    fn grow(&self, digest: &Digest, size: u64) -> Result<(), Uncached> {
        let outs = {
            let mut index = self.lock();
            let victims = index.grow(digest, size)?;
            self.evict(&victims)
        };
        self.delete(outs);
        Ok(())
    }

    /// Writes at a place in a file.
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> Result<(), Uncached> {
        self.free_disk(bytes.len() as u64)?;
        self.disk.write(file, bytes, at).map_err(|error| self.disk_failed(error))
    }

    /// Has so many bytes free on the disk, beside those that stay free: what others have taken is made up for by blobs.
    fn free_disk(&self, bytes: u64) -> Result<(), Uncached> {
        let missing = || -> Result<u64, Uncached> {
            let free = self.disk.free(self.folder.path()).map_err(|error| self.disk_failed(error))?;
            Ok(bytes.saturating_add(DISK_RESERVE).saturating_sub(free))
        };
        let first = missing()?;
        if first == 0 {
            return Ok(());
        }
        let outs = {
            let mut index = self.lock();
            let victims = index.free(first);
            self.evict(&victims)
        };
        self.delete(outs);
        if missing()? == 0 { Ok(()) } else { Err(self.disk_failed(ErrorKind::StorageFull.into())) }
    }

    fn disk_failed(&self, error: io::Error) -> Uncached {
        self.trouble.tell(&Error::unwritable(self.folder.path(), error));
        Uncached::Disk
    }

    /// Ends a fill that is not whole. What was written of it stays, if that can be gone on with.
    fn abandon(&self, digest: &Digest, why: Why, written: u64) {
        let outs = {
            let mut index = self.lock();
            index.end(digest);
            if why == Why::Interrupted && written > 0 {
                index.insert(digest.clone(), written, false, time::file_time(), Pin::default());
                Vec::new()
            } else {
                self.take_out(&[Victim { digest: digest.clone(), is_whole: false }])
            }
        };
        self.delete(outs);
        count_fill(match why {
            Why::Interrupted => "interrupted",
            Why::Corrupt => "corrupt",
            Why::Uncached => "uncached",
        });
    }

    /// Keeps a blob whose digest was checked.
    fn complete(
        &self,
        digest: &Digest,
        file: &Arc<File>,
        size: u64,
        pin: Pin,
    ) -> Result<CachedBlob, Uncached> {
        file.sync_all().map_err(|error| self.disk_failed(error))?;
        let mut index = self.lock();
        self.folder.complete(digest).map_err(|error| self.disk_failed(error))?;
        index.end(digest);
        index.insert(digest.clone(), size, true, time::file_time(), pin.clone());
        count_fill("whole");
        Ok(CachedBlob { file: Arc::clone(file), size, _pin: pin })
    }

    /// Counts the blobs that have to go, and takes their files out.
    fn evict(&self, victims: &[Victim]) -> Vec<PathBuf> {
        METRICS.blobs_evicted.inc_by(victims.len() as u64);
        self.take_out(victims)
    }

    /// Takes files out of their places, while the index is locked: nobody puts another one there meanwhile.
    fn take_out(&self, victims: &[Victim]) -> Vec<PathBuf> {
        victims.iter().filter_map(|victim| self.folder.take_out(victim)).collect()
    }

    /// Removes files that were taken out, which may take long.
    fn delete(&self, files: Vec<PathBuf>) {
        for file in files {
            if let Err(error) = fs::remove_file(&file) {
                self.trouble.tell(&Error::unwritable(&file, error));
            }
        }
    }
}

/// Hashes what is there of a blob, so that it can be gone on with, and says how many bytes that is. Where it is longer than
/// the blob, it is no part of that.
fn resume(
    digest: &Digest,
    file: &File,
    length: u64,
    size: Option<u64>,
    flight: &Flight,
) -> io::Result<(u64, DigestCheck)> {
    let mut check = DigestCheck::new(digest.clone());
    if size.is_some_and(|size| length > size) {
        file.set_len(0)?;
        return Ok((0, check));
    }
    let (mut chunk, mut at) = (vec![0; CHUNK_BYTES], 0);
    loop {
        match rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut chunk[..], at))? {
            0 => return Ok((at, check)),
            read => {
                check.update(chunk.get(..read).unwrap_or_default());
                at += read as u64;
                flight.written(at);
            }
        }
    }
}

fn count_fill(result: &str) {
    METRICS.blob_fills.with_label_values(&[result]).inc();
}

impl CachedBlob {
    /// Its file, to be read from any place in it.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The bytes of the blob.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// At the most `most` bytes from `offset` on; none where the blob ends.
    ///
    /// # Errors
    /// Those of the file system.
    #[cfg(test)]
    pub(crate) async fn read_at(&self, offset: u64, most: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        flight::read(&self.file, offset, most.min(left)).await
    }
}

#[cfg(test)]
mod tests;
