//! Manifests and configs of upstream registries on disk, and what their tags pointed to, so that a server which was
//! started again need not ask for them, nor fail while a registry is down.
//!
//! It is a cache: nothing in it is needed, and what is damaged is fetched again. A document is in the folder of its
//! registry and repository, under its digest, which is checked whenever it is read: what one repository has is never
//! given out for another. Under a name there is a whole file or none.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::fs::{self, DirBuilder, DirEntry, File, FileTimes, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use downshift::{Digest, Limits};
use serde::{Deserialize, Serialize};

use crate::engine;
use crate::error::Error;
use crate::layout::read_at_most;
use crate::log;
use crate::metrics::METRICS;
use crate::sightings::now;

/// The name of the folder in a server's data folder.
const FOLDER: &str = "documents";

/// What a file takes beside its bytes: its place in its folder, and the rest of its last block.
const OVERHEAD: u64 = 4096;

/// How long a document counts as used now, so that using it again and again writes nothing.
const REFRESH: Duration = Duration::from_secs(3600);

/// How long a file may be in the making. After that its maker is gone.
const DRAFT: Duration = Duration::from_secs(3600);

/// How long nothing is said about the disk after something was.
const QUIET: Duration = Duration::from_secs(60);

/// Bytes of a file with a tag.
const MAX_TAG_BYTES: u64 = 1024;

/// How the name of a file in the making begins.
const DRAFT_PREFIX: &str = "draft-";

/// Documents below a folder.
pub(crate) struct Documents {
    folder: PathBuf,
    capacity: u64,
    limits: Limits,
    /// Bytes of all files, as far as they were counted.
    bytes: AtomicU64,
    /// Whether the folder is being swept.
    is_swept: AtomicBool,
    /// When something was said about the disk.
    complained: Mutex<Option<Instant>>,
}

/// The documents of one repository at one registry.
#[derive(Clone)]
pub(crate) struct Shelf {
    documents: Arc<Documents>,
    folder: PathBuf,
}

/// What a tag pointed to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Pointed {
    /// The digest.
    pub(crate) digest: String,
    /// When the registry said so, in seconds since 1970.
    pub(crate) at: u64,
}

impl Documents {
    /// The documents in the data folder, with room for `capacity` bytes. They are counted while the server runs.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if their folder cannot be made.
    pub(crate) fn open(data: &Path, capacity: u64, limits: Limits) -> Result<Arc<Self>, Error> {
        let folder = data.join(FOLDER);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| Error::unwritable(&folder, error))?;
        let documents = Arc::new(Self {
            folder,
            capacity,
            limits,
            bytes: AtomicU64::new(0),
            is_swept: AtomicBool::new(false),
            complained: Mutex::default(),
        });
        Arc::clone(&documents).sweep_aside();
        Ok(documents)
    }

    /// The documents of the repository `name` at the registry `url`.
    pub(crate) fn shelf(self: &Arc<Self>, url: &str, name: &str) -> Shelf {
        let key = Digest::of(format!("{url} {name}").as_bytes());
        let (first, rest) = key.hex().split_at(2);
        Shelf { folder: self.folder.join(first).join(rest), documents: Arc::clone(self) }
    }

    /// Bytes of all documents.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Removes all documents. It waits for the disk.
    pub(crate) fn clear(&self) {
        for file in self.files() {
            self.remove(&file.path);
        }
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Says that the disk failed: what could be remembered is not, and nothing else comes of it.
    fn complain(&self, path: &Path, error: io::Error, what: fn(&Path, io::Error) -> Error) {
        METRICS.documents_failed.inc();
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|at| at.elapsed() > QUIET) {
            *complained = Some(Instant::now());
            log::error(&what(path, error));
        }
    }

    fn write(self: &Arc<Self>, path: &Path, bytes: &[u8]) {
        let before = fs::metadata(path).map(|metadata| metadata.len() + OVERHEAD).unwrap_or(0);
        if let Err(error) = replace(path, bytes) {
            self.complain(path, error, Error::unwritable);
            return;
        }
        let size = bytes.len() as u64 + OVERHEAD;
        let total = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        self.bytes.fetch_sub(before, Ordering::Relaxed);
        if total > self.capacity {
            Arc::clone(self).sweep_aside();
        }
    }

    /// Reads a file, if it is there.
    fn read(&self, path: &Path, limit: u64) -> Option<Vec<u8>> {
        match File::open(path).and_then(|file| read_at_most(file, limit)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                self.complain(path, error, Error::unreadable);
                None
            }
        }
    }

    fn remove(&self, path: &Path) {
        if let Err(error) = fs::remove_file(path)
            && error.kind() != ErrorKind::NotFound
        {
            self.complain(path, error, Error::unwritable);
        }
    }

    /// Sweeps on a thread of its own, unless one does so already.
    fn sweep_aside(self: Arc<Self>) {
        if self.is_swept.swap(true, Ordering::AcqRel) {
            return;
        }
        let sweeper = Arc::clone(&self);
        let sweep = move || {
            sweeper.sweep();
            // What was written meanwhile was not counted, and asked for no sweep of its own.
            if sweeper.bytes() > sweeper.capacity {
                sweeper.sweep();
            }
            sweeper.is_swept.store(false, Ordering::Release);
        };
        if std::thread::Builder::new().name("sweep".to_owned()).spawn(sweep).is_err() {
            self.is_swept.store(false, Ordering::Release);
        }
    }

    /// Counts all files, and removes those used longest ago until the rest takes nine tenths of the room.
    fn sweep(&self) {
        let before = self.bytes();
        let mut files = self.files();
        files.retain(|file| {
            let is_left_over = file.is_draft && file.used.elapsed().is_ok_and(|age| age > DRAFT);
            if is_left_over {
                self.remove(&file.path);
            }
            !file.is_draft
        });
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        if bytes > self.capacity {
            files.sort_by_key(|file| file.used);
            for file in files {
                if bytes <= self.capacity / 10 * 9 {
                    break;
                }
                self.remove(&file.path);
                METRICS.documents_swept.inc();
                bytes -= file.bytes;
                // It is empty or it stays.
                let _ = file.path.parent().map(fs::remove_dir);
            }
        }
        // What was written meanwhile counts, perhaps twice: until the next sweep, which comes the earlier.
        let counted = |now: u64| now.saturating_sub(before) + bytes;
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(counted(now)));
    }

    /// Every file, as far as folders can be read.
    fn files(&self) -> Vec<Kept> {
        let mut files = Vec::new();
        for repository in entries(&self.folder).flat_map(|folder| entries(&folder.path())) {
            let kept = entries(&repository.path());
            files.extend(kept.filter_map(|file| Some(Kept::of(&file, &file.metadata().ok()?))));
        }
        files
    }
}

/// A file.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    is_draft: bool,
}

impl Kept {
    fn of(file: &DirEntry, metadata: &Metadata) -> Self {
        Self {
            path: file.path(),
            bytes: metadata.len() + OVERHEAD,
            used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            is_draft: file.file_name().to_string_lossy().starts_with(DRAFT_PREFIX),
        }
    }
}

impl Shelf {
    /// The document with this digest, if it is there. It waits for the disk.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        let (documents, path) = (&self.documents, self.path(digest));
        let bytes = documents.read(&path, documents.limits.document_bytes as u64)?;
        if engine::check(digest, &bytes, &documents.limits).is_err() {
            documents.remove(&path);
            return None;
        }
        touch(&path);
        Some(bytes.into())
    }

    /// Whether there is a file for the document with this digest.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Keeps a document, whose digest is checked. It waits for the disk.
    pub(crate) fn put(&self, digest: &Digest, bytes: &[u8]) {
        self.documents.write(&self.path(digest), bytes);
    }

    /// What a tag pointed to when that was last kept. It waits for the disk.
    pub(crate) fn tag(&self, tag: &str) -> Option<Pointed> {
        let bytes = self.documents.read(&self.tag_path(tag), MAX_TAG_BYTES)?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Keeps what a tag points to. It waits for the disk.
    pub(crate) fn put_tag(&self, tag: &str, digest: &Digest) {
        let pointed = Pointed { digest: digest.to_string(), at: now() };
        let json = serde_json::to_vec(&pointed).expect("it is text and a number");
        self.documents.write(&self.tag_path(tag), &json);
    }

    /// Forgets a tag.
    pub(crate) fn remove_tag(&self, tag: &str) {
        self.documents.remove(&self.tag_path(tag));
    }

    /// Removes all documents of the repository. It waits for the disk.
    pub(crate) fn clear(&self) {
        for file in entries(&self.folder) {
            self.documents.remove(&file.path());
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}-{}", digest.algorithm(), digest.hex()))
    }

    /// Tags in upper and lower case are two, and file systems may not know.
    fn tag_path(&self, tag: &str) -> PathBuf {
        self.folder.join(format!("tag-{}", Digest::of(tag.as_bytes()).hex()))
    }
}

/// The entries of a folder, if it can be read.
fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok)
}

/// Says that a file was used now, if it was not lately. That a disk is read-only makes no difference.
fn touch(path: &Path) {
    let used = |file: &File| -> io::Result<()> {
        if file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > REFRESH) {
            file.set_times(FileTimes::new().set_modified(SystemTime::now()))?;
        }
        Ok(())
    };
    let _ = File::open(path).and_then(|file| used(&file));
}

/// Writes a file so that under its name there is always a whole one. It need not outlive a loss of power: a digest tells
/// what is whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new(""));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = folder.join(format!("{DRAFT_PREFIX}{}-{number}", std::process::id()));
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let written = opened.and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&draft, path));
    written.inspect_err(|_| drop(fs::remove_file(&draft)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(capacity: u64) -> (tempfile::TempDir, Arc<Documents>) {
        let data = tempfile::tempdir().unwrap();
        let documents = Documents::open(data.path(), capacity, Limits::default()).unwrap();
        while documents.is_swept.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        (data, documents)
    }

    #[test]
    fn a_document_is_of_its_registry_and_repository() {
        let (_data, documents) = documents(1 << 20);
        let digest = Digest::of(b"text");
        let shelf = documents.shelf("https://a/", "library/httpd");
        shelf.put(&digest, b"text");
        assert_eq!(shelf.get(&digest), Some(Bytes::from("text")));
        assert_eq!(documents.shelf("https://a/", "library/nginx").get(&digest), None);
        assert_eq!(documents.shelf("https://b/", "library/httpd").get(&digest), None);
        shelf.clear();
        assert_eq!(shelf.get(&digest), None);
    }

    #[test]
    fn what_is_damaged_is_not_there() {
        let (_data, documents) = documents(1 << 20);
        let digest = Digest::of(b"text");
        let shelf = documents.shelf("https://a/", "library/httpd");
        for damaged in ["tex", "", "other text"] {
            shelf.put(&digest, b"text");
            fs::write(shelf.path(&digest), damaged).unwrap();
            assert_eq!(shelf.get(&digest), None);
            assert!(!shelf.path(&digest).exists(), "it stays");
        }
    }

    #[test]
    fn tags_are_told_with_their_time() {
        let (_data, documents) = documents(1 << 20);
        let shelf = documents.shelf("https://a/", "library/httpd");
        shelf.put_tag("latest", &Digest::of(b"text"));
        let pointed = shelf.tag("latest").unwrap();
        assert_eq!(pointed.digest, Digest::of(b"text").as_str());
        assert!(pointed.at.abs_diff(now()) <= 1);
        assert_eq!(shelf.tag("Latest"), None);
        shelf.remove_tag("latest");
        assert_eq!(shelf.tag("latest"), None);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let (_data, documents) = documents(20 * OVERHEAD);
        let shelf = documents.shelf("https://a/", "library/httpd");
        let digest = |number: u32| Digest::of(number.to_string().as_bytes());
        for number in 0..19 {
            shelf.put(&digest(number), number.to_string().as_bytes());
            let used = SystemTime::now() - Duration::from_secs(u64::from(100 - number));
            let file = File::options().write(true).open(shelf.path(&digest(number))).unwrap();
            file.set_modified(used).unwrap();
        }
        documents.sweep();
        assert!(shelf.get(&digest(0)).is_some());
        for number in 19..22 {
            shelf.put(&digest(number), number.to_string().as_bytes());
        }
        documents.sweep();
        assert!(documents.bytes() <= 20 * OVERHEAD, "{}", documents.bytes());
        assert!(shelf.get(&digest(0)).is_none() && shelf.get(&digest(21)).is_some());
    }

    #[test]
    fn a_disk_that_fails_is_no_reason_to_fail() {
        let (_data, documents) = documents(1 << 20);
        let shelf = documents.shelf("https://a/", "library/httpd");
        // No folder can be made where a file is.
        fs::create_dir_all(shelf.folder.parent().unwrap()).unwrap();
        fs::write(&shelf.folder, "").unwrap();
        shelf.put(&Digest::of(b"text"), b"text");
        assert_eq!(shelf.get(&Digest::of(b"text")), None);
    }
}
