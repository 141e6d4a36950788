//! The blobs of a store whose bytes were checked against their digest, so that each is checked once.

use core::sync::atomic::{AtomicBool, Ordering};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use downshift::Digest;
use downshift_pull::CHECKED_FIRST;
use moka::future::Cache;
use tokio::sync::Semaphore;
use tokio::task;

use crate::digest::DigestCheck;
use crate::error::Error;
use crate::origin::layout::{BlobFile, Stamp};

/// How many blobs are remembered: some ten megabytes of memory.
const CAPACITY: u64 = 32 * 1024;

/// How many blobs of up to [`CHECKED_FIRST`] bytes are checked at once, each on a thread. More wait.
const SMALL_CHECKS: usize = 4;

/// How many larger ones are, for ranges of them. They have places of their own, so that small ones do not wait for these.
const LARGE_CHECKS: usize = 2;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// The blobs that were checked, and room for checking others.
#[derive(Debug)]
pub(crate) struct VerifiedBlobs {
    verified: Cache<BlobState, ()>,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A digest, and the state of the file that is to have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlobState {
    /// The digest.
    pub(crate) digest: Digest,
    /// The state of the file.
    pub(crate) stamp: Stamp,
}

/// Says that nobody waits any more.
struct HungUp(Arc<AtomicBool>);

impl VerifiedBlobs {
    /// None yet.
    pub(crate) fn new() -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        let (small, large) = (semaphore(SMALL_CHECKS), semaphore(LARGE_CHECKS));
        Self { verified: Cache::new(CAPACITY), small, large }
    }

    /// Whether the blob was checked in this state.
    pub(crate) fn contains(&self, state: &BlobState) -> bool {
        self.verified.contains_key(state)
    }

    /// Remembers a blob that was checked, if any later change of its file shows.
    pub(crate) async fn remember(&self, state: BlobState) {
        if state.stamp.is_settled() {
            self.verified.insert(state, ()).await;
        }
    }

    /// Checks a blob, unless it was checked in this state. Of several that ask at once one does. It ends when the future is
    /// dropped.
    ///
    /// # Errors
    /// [`Error::Corrupt`] and [`Error::Unreadable`].
    pub(crate) async fn verify(&self, state: &BlobState, blob: &BlobFile) -> Result<(), Arc<Error>> {
        let unreadable = |error| Error::unreadable(&blob.path, error);
        // A change after that shows.
        let is_settled = state.stamp.is_settled();
        let check = async {
            let places = if state.stamp.size() <= CHECKED_FIRST { &self.small } else { &self.large };
            // Nobody closes it.
            let place = Arc::clone(places).acquire_owned().await.map_err(|_| Error::Busy)?;
            let file = blob.file.try_clone().map_err(unreadable)?;
            let is_over = Arc::new(AtomicBool::new(false));
            let _hung_up = HungUp(Arc::clone(&is_over));
            let state = state.clone();
            let job = task::spawn_blocking(move || {
                let _place = place;
                check(&state, &file, &is_over)
            });
            job.await.map_err(|_| Error::Panicked)?.map_err(unreadable)?
        };
        self.verified.try_get_with_by_ref(state, Box::pin(check)).await?;
        if !is_settled {
            self.verified.invalidate(state).await;
        }
        Ok(())
    }
}

impl Drop for HungUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads a file from its first byte to its last, wherever it is read by others, until it `is_over`.
fn check(state: &BlobState, file: &File, is_over: &AtomicBool) -> io::Result<Result<(), Error>> {
    let mut check = DigestCheck::new(state.digest.clone());
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut done = 0;
    loop {
        if is_over.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let read = match file.read_at(&mut chunk, done) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        check.update(chunk.get(..read).unwrap_or_default());
        done += read as u64;
    }
    if !Stamp::of(&file.metadata()?)?.has_bytes_of(state.stamp) {
        return Err(io::Error::other("it changes while it is read"));
    }
    Ok(check.finish())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The file of a blob that was written some time ago, opened.
    fn blob(path: &Path) -> (BlobFile, Stamp) {
        let file = File::open(path).unwrap();
        let stamp = Stamp::of(&file.metadata().unwrap()).unwrap();
        (BlobFile { file, stamp, path: path.to_path_buf() }, stamp)
    }

    async fn settled(stamp: Stamp) {
        while !stamp.is_settled() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_blob_is_checked_once_for_each_state_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        fs::write(&path, "right").unwrap();
        let (file, stamp) = blob(&path);
        let (blobs, digest) = (VerifiedBlobs::new(), Digest::of(b"right"));
        let state = BlobState { digest: digest.clone(), stamp };
        // Too young to be remembered.
        blobs.verify(&state, &file).await.unwrap();
        assert!(!blobs.contains(&state));
        settled(stamp).await;
        blobs.verify(&state, &file).await.unwrap();
        assert!(blobs.contains(&state));
        // Of the same size, with the same time of modification.
        let modified = file.file.metadata().unwrap().modified().unwrap();
        fs::write(&path, "wrong").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let (file, stamp) = blob(&path);
        let state = BlobState { digest, stamp };
        assert!(!blobs.contains(&state));
        settled(stamp).await;
        let error = blobs.verify(&state, &file).await.unwrap_err();
        assert_eq!(error.code(), "corrupt-document");
        assert!(!blobs.contains(&state));
    }

    #[test]
    fn a_file_that_is_not_in_its_state_any_more_is_not_checked_for_that() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (blob, stamp) = blob(file.path());
        let state = BlobState { digest: Digest::of(b"right"), stamp };
        // What is read has the digest, but nobody knows what others have read of it before.
        fs::write(file.path(), "right").unwrap();
        let error = check(&state, &blob.file, &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.to_string(), "it changes while it is read");
    }

    #[test]
    fn checking_ends_with_who_waits_for_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (blob, stamp) = blob(file.path());
        let state = BlobState { digest: Digest::of(b""), stamp };
        let is_over = Arc::new(AtomicBool::new(false));
        assert!(check(&state, &blob.file, &is_over).unwrap().is_ok());
        drop(HungUp(Arc::clone(&is_over)));
        assert!(check(&state, &blob.file, &is_over).is_err());
    }
}
