//! The blobs that are in the cache: their files, and the index of them.

use core::time::Duration;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(test)]
use bytes::Bytes;
use downshift::Digest;
use tokio::task;

#[cfg(test)]
use super::flight;
use super::flight::Why;
use super::folder::{Disk, Folder, SystemDisk};
use super::index::{Found, Index, Uncached, Victim};
use super::pin::Pin;
use crate::data::disk_trouble::DiskTrouble;
use crate::error::Error;
use crate::log;
use crate::metrics::{Cache, METRICS};
use crate::time;

/// The name of the folder in a server's data folder.
const FOLDER: &str = "blobs";

/// Bytes that stay free on the disk, whatever the cache may have: the records are on it as well, and have to be written.
pub(super) const DISK_RESERVE: u64 = 64 * 1024 * 1024;

/// How long a blob counts as used now, as far as its file says that.
const REFRESH: Duration = Duration::from_secs(60);

/// A cache of blobs.
pub(crate) struct BlobCache {
    pub(super) folder: Folder,
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

impl BlobCache {
    /// The cache in the data folder, with room for `capacity` bytes. What is there is taken in. It waits for the disk.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if its folder cannot be made.
    pub(crate) fn open(data: &Path, capacity: u64) -> Result<Arc<Self>, Error> {
        Self::open_on(Box::new(SystemDisk), data, capacity)
    }

    pub(super) fn open_on(disk: Box<dyn Disk>, data: &Path, capacity: u64) -> Result<Arc<Self>, Error> {
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

    pub(super) fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get_whole(&self, digest: &Digest) -> Option<CachedBlob> {
        let found = self.lock().find(digest);
        let Found::Whole { pin, touched } = found else { return None };
        self.open_whole(digest, pin, touched)
    }

    /// Opens the file of a blob that is there; nothing, and nobody counts on it any more, where that cannot be.
    pub(super) fn open_whole(
        &self,
        digest: &Digest,
        pin: Pin,
        touched: std::time::SystemTime,
    ) -> Option<CachedBlob> {
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

    /// Makes room for a blob that is being fetched, as it grows.
    pub(super) fn grow(&self, digest: &Digest, size: u64) -> Result<(), Uncached> {
        let outs = {
            let mut index = self.lock();
            let victims = index.grow(digest, size)?;
            self.evict(&victims)
        };
        self.delete(outs);
        Ok(())
    }

    /// Writes at a place in a file.
    pub(super) fn write(&self, file: &File, bytes: &[u8], at: u64) -> Result<(), Uncached> {
        self.free_disk(bytes.len() as u64)?;
        self.disk.write(file, bytes, at).map_err(|error| self.disk_failed(error))
    }

    /// Has so many bytes free on the disk, beside those that stay free: what others have taken is made up for by blobs.
    pub(super) fn free_disk(&self, bytes: u64) -> Result<(), Uncached> {
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

    pub(super) fn disk_failed(&self, error: io::Error) -> Uncached {
        self.trouble.tell(&Error::unwritable(self.folder.path(), error));
        Uncached::Disk
    }

    /// Ends a fill that is not whole. What was written of it stays, if that can be gone on with.
    pub(super) fn abandon(&self, digest: &Digest, why: Why, written: u64) {
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
    pub(super) fn complete(
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
    pub(super) fn evict(&self, victims: &[Victim]) -> Vec<PathBuf> {
        METRICS.blobs_evicted.inc_by(victims.len() as u64);
        self.take_out(victims)
    }

    /// Takes files out of their places, while the index is locked: nobody puts another one there meanwhile.
    fn take_out(&self, victims: &[Victim]) -> Vec<PathBuf> {
        victims.iter().filter_map(|victim| self.folder.take_out(victim)).collect()
    }

    /// Removes files that were taken out, which may take long.
    pub(super) fn delete(&self, files: Vec<PathBuf>) {
        for file in files {
            if let Err(error) = fs::remove_file(&file) {
                self.trouble.tell(&Error::unwritable(&file, error));
            }
        }
    }
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

/// Counts what has come of a fill.
pub(super) fn count_fill(result: &str) {
    METRICS.blob_fills.with_label_values(&[result]).inc();
}
