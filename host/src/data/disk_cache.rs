//! Manifests and configs of upstream registries on disk, and what their tags pointed to, so that a server which was
//! started again need not ask for them, nor fail while a registry is down.
//!
//! It is a cache: nothing in it is needed, and what is damaged is fetched again. A document is in the folder of its
//! registry and repository, under its digest, which is checked whenever it is read: what one repository has is never
//! given out for another. Under a name there is a whole file or none.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::fs::{self, DirEntry, File, FileTimes, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use downshift::{Digest, Limits};
use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::data::disk_trouble::DiskTrouble;
use crate::data::{self, Outlives};
use crate::digest;
use crate::error::Error;
use crate::metrics::METRICS;
use crate::time;

/// The name of the folder in a server's data folder.
const FOLDER: &str = "documents";

/// What a file takes beside its bytes: its place in its folder, and the rest of its last block.
const OVERHEAD: u64 = 4096;

/// How long a document counts as used now, so that using it again and again writes nothing.
const REFRESH: Duration = Duration::from_secs(3600);

/// Bytes of a file with a tag.
const MAX_TAG_BYTES: u64 = 1024;

/// A cache of documents in a folder.
pub(crate) struct DiskCache {
    folder: PathBuf,
    capacity: u64,
    limits: Limits,
    /// Bytes of all files, as far as they were counted.
    bytes: AtomicU64,
    /// Whether the folder is being swept.
    is_swept: AtomicBool,
    trouble: DiskTrouble,
}

/// The documents of one repository at one registry.
#[derive(Clone)]
pub(crate) struct RepositoryFolder {
    documents: Arc<DiskCache>,
    folder: PathBuf,
}

/// What a tag pointed to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct TagTarget {
    /// The digest.
    pub(crate) digest: String,
    /// When the registry said so, in seconds since 1970.
    pub(crate) at: u64,
}

impl DiskCache {
    /// The documents in the data folder, with room for `capacity` bytes. They are counted while the server runs.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if their folder cannot be made.
    pub(crate) fn open(data: &Path, capacity: u64, limits: Limits) -> Result<Arc<Self>, Error> {
        let folder = data.join(FOLDER);
        data::make_folder(&folder).map_err(|error| Error::unwritable(&folder, error))?;
        let documents = Arc::new(Self {
            folder,
            capacity,
            limits,
            bytes: AtomicU64::new(0),
            is_swept: AtomicBool::new(false),
            trouble: DiskTrouble::default(),
        });
        Arc::clone(&documents).sweep_aside();
        Ok(documents)
    }

    /// The documents of the repository `name` at the registry `url`.
    pub(crate) fn repository(self: &Arc<Self>, url: &str, name: &str) -> RepositoryFolder {
        let key = Digest::of(format!("{url} {name}").as_bytes());
        let (first, rest) = key.hex().split_at(2);
        RepositoryFolder { folder: self.folder.join(first).join(rest), documents: Arc::clone(self) }
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
        self.trouble.tell(&what(path, error));
    }

    fn write(self: &Arc<Self>, path: &Path, bytes: &[u8]) {
        let before = fs::metadata(path).map(|metadata| metadata.len() + OVERHEAD).unwrap_or(0);
        // That it outlives a loss of power is not worth waiting for the disk: it is checked when it is read, and can be
        // fetched again.
        let folder = path.parent().unwrap_or(&self.folder);
        let written = data::make_folder(folder).and_then(|()| data::write(path, bytes, Outlives::Crash));
        if let Err(error) = written {
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
        match File::open(path).and_then(|file| bounded::read(file, limit)) {
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
            let name = file.path.file_name().unwrap_or_default();
            if data::is_leftover(name) {
                self.remove(&file.path);
            }
            !data::is_draft(name)
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
    fn files(&self) -> Vec<CachedFile> {
        let mut files = Vec::new();
        for repository in entries(&self.folder).flat_map(|folder| entries(&folder.path())) {
            let kept = entries(&repository.path());
            files.extend(kept.filter_map(|file| Some(CachedFile::of(&file, &file.metadata().ok()?))));
        }
        files
    }
}

/// A file.
struct CachedFile {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl CachedFile {
    fn of(file: &DirEntry, metadata: &Metadata) -> Self {
        Self {
            path: file.path(),
            bytes: metadata.len() + OVERHEAD,
            used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }
}

impl RepositoryFolder {
    /// The document with this digest, if it is there. It waits for the disk.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        let (documents, path) = (&self.documents, self.path(digest));
        let bytes = documents.read(&path, documents.limits.document_bytes as u64)?;
        if digest::check(digest, &bytes, &documents.limits).is_err() {
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
    pub(crate) fn tag(&self, tag: &str) -> Option<TagTarget> {
        let bytes = self.documents.read(&self.tag_path(tag), MAX_TAG_BYTES)?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Keeps what a tag points to. It waits for the disk.
    pub(crate) fn put_tag(&self, tag: &str, digest: &Digest) {
        let target = TagTarget { digest: digest.to_string(), at: time::now() };
        let path = self.tag_path(tag);
        match serde_json::to_vec(&target) {
            Ok(json) => self.documents.write(&path, &json),
            Err(error) => self.documents.complain(&path, error.into(), Error::unwritable),
        }
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
        if time::age(file.metadata()?.modified()?) > REFRESH {
            file.set_times(FileTimes::new().set_modified(time::file_time()))?;
        }
        Ok(())
    };
    let _ = File::open(path).and_then(|file| used(&file));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(capacity: u64) -> (tempfile::TempDir, Arc<DiskCache>) {
        let data = tempfile::tempdir().unwrap();
        let documents = DiskCache::open(data.path(), capacity, Limits::default()).unwrap();
        while documents.is_swept.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        (data, documents)
    }

    #[test]
    fn a_document_is_of_its_registry_and_repository() {
        let (_data, documents) = documents(1 << 20);
        let digest = Digest::of(b"text");
        let folder = documents.repository("https://a/", "library/httpd");
        folder.put(&digest, b"text");
        assert_eq!(folder.get(&digest), Some(Bytes::from("text")));
        assert_eq!(documents.repository("https://a/", "library/nginx").get(&digest), None);
        assert_eq!(documents.repository("https://b/", "library/httpd").get(&digest), None);
        folder.clear();
        assert_eq!(folder.get(&digest), None);
    }

    #[test]
    fn what_is_damaged_is_not_there() {
        let (_data, documents) = documents(1 << 20);
        let digest = Digest::of(b"text");
        let folder = documents.repository("https://a/", "library/httpd");
        for damaged in ["tex", "", "other text"] {
            folder.put(&digest, b"text");
            fs::write(folder.path(&digest), damaged).unwrap();
            assert_eq!(folder.get(&digest), None);
            assert!(!folder.path(&digest).exists(), "it stays");
        }
    }

    #[test]
    fn tags_are_told_with_their_time() {
        let (_data, documents) = documents(1 << 20);
        let folder = documents.repository("https://a/", "library/httpd");
        folder.put_tag("latest", &Digest::of(b"text"));
        let pointed = folder.tag("latest").unwrap();
        assert_eq!(pointed.digest, Digest::of(b"text").as_str());
        assert!(pointed.at.abs_diff(time::now()) <= 1);
        assert_eq!(folder.tag("Latest"), None);
        folder.remove_tag("latest");
        assert_eq!(folder.tag("latest"), None);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let (_data, documents) = documents(20 * OVERHEAD);
        let folder = documents.repository("https://a/", "library/httpd");
        let digest = |number: u32| Digest::of(number.to_string().as_bytes());
        for number in 0..19 {
            folder.put(&digest(number), number.to_string().as_bytes());
            let used = SystemTime::now() - Duration::from_secs(u64::from(100 - number));
            let file = File::options().write(true).open(folder.path(&digest(number))).unwrap();
            file.set_modified(used).unwrap();
        }
        documents.sweep();
        assert!(folder.get(&digest(0)).is_some());
        for number in 19..22 {
            folder.put(&digest(number), number.to_string().as_bytes());
        }
        documents.sweep();
        assert!(documents.bytes() <= 20 * OVERHEAD, "{}", documents.bytes());
        assert!(folder.get(&digest(0)).is_none() && folder.get(&digest(21)).is_some());
    }

    #[test]
    fn drafts_of_a_crash_are_removed() {
        let (_data, documents) = documents(1 << 20);
        let folder = documents.repository("https://a/", "library/httpd");
        folder.put(&Digest::of(b"text"), b"text");
        let draft = folder.folder.join("draft-1-2-3");
        fs::write(&draft, "te").unwrap();
        documents.sweep();
        assert!(!draft.exists() && folder.has(&Digest::of(b"text")));
        assert_eq!(documents.bytes(), 4 + OVERHEAD);
    }

    #[test]
    fn a_disk_that_fails_is_no_reason_to_fail() {
        let (_data, documents) = documents(1 << 20);
        let folder = documents.repository("https://a/", "library/httpd");
        // No folder can be made where a file is.
        fs::create_dir_all(folder.folder.parent().unwrap()).unwrap();
        fs::write(&folder.folder, "").unwrap();
        folder.put(&Digest::of(b"text"), b"text");
        assert_eq!(folder.get(&Digest::of(b"text")), None);
    }
}
