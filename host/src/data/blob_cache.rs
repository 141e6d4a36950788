//! A cache of blobs on disk, for layers of registries: files under their digests, of which the least recently used go.
//!
//! A blob is fetched once, however many want it: the first who asks gets a [`Writer`], and everybody a [`Reader`] of what is
//! there and of what comes. The writer waits for no reader, and stops when there is none. What a break has left is gone on
//! with, and counts as a blob once its digest was checked. Nothing here is needed: where the cache has no room, or its disk
//! fails, whoever asks is told so, and streams the blob from where it is.
//!
//! Who may have a blob is not known here: that is for the caller to decide, before anything is asked.

mod cache;
mod flight;
mod folder;
mod index;
mod pin;
mod writer;

use std::fs::File;
use std::io;
use std::sync::Arc;

use downshift::Digest;
use tokio::task;

use self::cache::count_fill;
pub(crate) use self::cache::{BlobCache, CachedBlob};
use self::flight::Flight;
pub(crate) use self::flight::{Broken, Reader, Why};
use self::index::Found;
pub(crate) use self::index::Uncached;
pub(crate) use self::writer::Writer;
use crate::digest::DigestCheck;
use crate::metrics::{Cache, METRICS};

/// Bytes of a file that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

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

#[cfg(test)]
mod tests;
