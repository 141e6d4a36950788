//! A store that is written: by one process at a time, beside servers that read it.
//!
//! In the folder `.downshift-sync` of the store, which is no repository's, are the lock, blobs that are not whole yet, and
//! since when nothing refers to which blobs.

use core::sync::atomic::AtomicBool;
use core::time::Duration;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use downshift::Digest;
use downshift_registry::is_local_name;
use serde::{Deserialize, Serialize};

use super::layout_writer::LayoutWriter;
use super::store::{MAX_FOLDERS, repository_names, too_many_folders};
use super::store_files::{StoreFiles, open_anywhere};
use crate::bounded;
use crate::data::{self, Outlives};
use crate::digest::{ALGORITHMS, DigestCheck, read_pieces};
use crate::error::Error;
use crate::time;

/// The folder of what is no layout. Repositories have no such names.
const WORK_FOLDER: &str = ".downshift-sync";

/// Bytes of the file that says what nothing refers to: room for some 500,000 blobs.
const UNREFERENCED_BYTES: u64 = 64 * 1024 * 1024;

/// For how long a blob that is not whole is worth resuming. What it is of may have moved on since.
const PART_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// A store that nobody else writes, as long as this value lives.
pub(crate) struct StoreWriter {
    folder: PathBuf,
    /// Where each blob of the store is, in any of its layouts.
    known: Mutex<HashMap<Digest, KnownBlob>>,
    unreferenced: Mutex<Unreferenced>,
    _lock: File,
}

#[derive(Clone)]
struct KnownBlob {
    path: PathBuf,
    /// Whether its digest was checked by this process.
    is_checked: bool,
}

/// Since when nothing refers to what is there, in seconds since 1970.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Unreferenced {
    /// Blobs, by repository and digest.
    blobs: BTreeMap<String, BTreeMap<String, u64>>,
    /// Repositories that were removed.
    repositories: BTreeMap<String, u64>,
}

/// A blob that is not whole yet.
pub(crate) struct Part {
    digest: Digest,
    path: PathBuf,
    file: File,
    length: u64,
    check: DigestCheck,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Removed {
    pub(crate) blobs: usize,
    pub(crate) bytes: u64,
}

impl StoreWriter {
    /// Takes the store at `folder`, which is made if there is none.
    ///
    /// # Errors
    /// [`Error::Unwritable`], and [`Error::StoreInUse`].
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let work = folder.join(WORK_FOLDER);
        let parts = work.join("parts");
        fs::create_dir_all(&parts).map_err(|error| Error::unwritable(&parts, error))?;
        let path = work.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| Error::unwritable(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::StoreInUse { path: folder.to_path_buf() }),
            // Without locks nobody can tell; two that write the same still put whole files in each other's place.
            Err(TryLockError::Error(_)) => {}
        }
        data::remove_leftovers(&work);
        data::remove_leftovers(&parts);
        remove_old_parts(&parts);
        let known = Mutex::new(known_blobs(folder)?);
        let unreferenced = Mutex::new(read_unreferenced(&work.join("unreferenced.json"))?);
        Ok(Self { folder: folder.to_path_buf(), known, unreferenced, _lock: lock })
    }

    /// The layout of a repository.
    pub(crate) fn layout(&self, name: &str) -> LayoutWriter {
        LayoutWriter::new(&self.folder, name)
    }

    /// Whether another layout seems to have a blob.
    pub(crate) fn has_elsewhere(&self, layout: &LayoutWriter, digest: &Digest) -> bool {
        let own = layout.blob_path(digest);
        self.known().get(digest).is_some_and(|known| known.path != own)
    }

    /// Has a layout have a blob that another layout has, if one has it, and it is not damaged. It waits for the disk.
    pub(crate) fn link(&self, layout: &LayoutWriter, digest: &Digest) -> Result<bool, Error> {
        let own = layout.blob_path(digest);
        let Some(known) = self.known().get(digest).filter(|known| known.path != own).cloned() else {
            return Ok(false);
        };
        if !known.is_checked && !has_digest(&known.path, digest) || !known.path.is_file() {
            self.known().remove(digest);
            return Ok(false);
        }
        layout.link_blob(&known.path, digest)?;
        self.known().insert(digest.clone(), KnownBlob { is_checked: true, ..known });
        Ok(true)
    }

    /// Puts a whole blob into a layout. It waits for the disk.
    pub(crate) fn put(&self, layout: &LayoutWriter, digest: &Digest, file: &Path) -> Result<(), Error> {
        layout.take_blob(file, digest)?;
        let known = KnownBlob { path: layout.blob_path(digest), is_checked: true };
        self.known().insert(digest.clone(), known);
        Ok(())
    }

    /// Keeps a document that is not to be in its layout yet, for it names what is not there. It is of use for that layout
    /// alone: a list in another one may name it as well, whose registry need not have it. It waits for the disk.
    pub(crate) fn stash(&self, layout: &LayoutWriter, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        let path = self.stash_path(layout, digest);
        data::write(&path, bytes, Outlives::Crash).map_err(|error| Error::unwritable(&path, error))
    }

    /// A document that was kept so. It waits for the disk.
    pub(crate) fn stashed(&self, layout: &LayoutWriter, digest: &Digest, limit: usize) -> Option<Vec<u8>> {
        let file = File::open(self.stash_path(layout, digest)).ok()?;
        let bytes = bounded::read(file, limit as u64).ok()??;
        digest.matches(&bytes).then_some(bytes)
    }

    /// Puts a document into a layout. It waits for the disk.
    pub(crate) fn put_document(
        &self,
        layout: &LayoutWriter,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<(), Error> {
        if layout.document(digest, bytes.len()).is_none() {
            layout.put_document(digest, bytes)?;
        }
        // There is one of those only that were fetched by their digest.
        let _ = fs::remove_file(self.stash_path(layout, digest));
        Ok(())
    }

    /// What there is of a blob that is not whole. It waits for the disk.
    pub(crate) fn part(&self, digest: &Digest) -> Result<Part, Error> {
        let path = self.part_path(digest);
        let unwritable = |error| Error::unwritable(&path, error);
        let options = OpenOptions::new().create(true).truncate(false).read(true).append(true).open(&path);
        let mut file = options.map_err(unwritable)?;
        let mut check = DigestCheck::new(digest.clone());
        let length = read_pieces(&mut file, |piece| check.update(piece)).map_err(unwritable)?;
        Ok(Part { digest: digest.clone(), path, file, length, check })
    }

    /// Notes which blobs of a layout nothing refers to, and removes those of which that is true for so long.
    pub(crate) fn sweep(
        &self,
        layout: &LayoutWriter,
        referenced: &HashSet<Digest>,
        kept_for: Duration,
    ) -> Result<Removed, Error> {
        let now = time::now();
        let before = self.unreferenced().blobs.remove(&layout.name).unwrap_or_default();
        let mut removed = Removed::default();
        let mut left = BTreeMap::new();
        for digest in layout.blobs().filter(|digest| !referenced.contains(digest)) {
            let since = before.get(digest.as_str()).copied().unwrap_or(now);
            if now.saturating_sub(since) < kept_for.as_secs() {
                left.insert(digest.to_string(), since);
                continue;
            }
            let path = layout.blob_path(&digest);
            // Of a file with other names nothing is won.
            let bytes = fs::metadata(&path).map_or(0, |file| if file.nlink() == 1 { file.len() } else { 0 });
            fs::remove_file(&path).map_err(|error| Error::unwritable(&path, error))?;
            let mut known = self.known();
            if known.get(&digest).is_some_and(|known| known.path == path) {
                known.remove(&digest);
            }
            removed.add(Removed { blobs: 1, bytes });
        }
        if !left.is_empty() {
            self.unreferenced().blobs.insert(layout.name.clone(), left);
        }
        Ok(removed)
    }

    /// Notes that a repository was removed.
    pub(crate) fn removed_repository(&self, name: &str) {
        self.unreferenced().repositories.insert(name.to_owned(), time::now());
    }

    /// Removes what is left of repositories that were removed at least this long ago.
    pub(crate) fn sweep_repositories(&self, kept_for: Duration) -> Result<Removed, Error> {
        let now = time::now();
        let repositories = core::mem::take(&mut self.unreferenced().repositories);
        let mut removed = Removed::default();
        for (name, since) in repositories {
            let layout = self.layout(&name);
            if layout.folder().join("index.json").exists() {
                continue;
            }
            if now.saturating_sub(since) < kept_for.as_secs() {
                self.unreferenced().repositories.insert(name, since);
                continue;
            }
            removed.add(self.sweep(&layout, &HashSet::new(), Duration::ZERO)?);
            let _ = fs::remove_file(layout.folder().join("oci-layout"));
            // Other repositories may be below it: what is not empty stays.
            let blobs = layout.folder().join("blobs");
            for folder in ALGORITHMS.map(|algorithm| blobs.join(algorithm)).iter().chain([&blobs]) {
                let _ = fs::remove_dir(folder);
            }
            let _ = fs::remove_dir(layout.folder());
            for parent in layout.folder().ancestors().skip(1).take_while(|parent| *parent != self.folder) {
                let _ = fs::remove_dir(parent);
            }
        }
        Ok(removed)
    }

    /// Keeps for the next one what nothing refers to.
    pub(crate) fn save(&self) -> Result<(), Error> {
        let path = self.folder.join(WORK_FOLDER).join("unreferenced.json");
        let bytes = serde_json::to_vec(&*self.unreferenced()).unwrap_or_default();
        data::write(&path, &bytes, Outlives::Crash).map_err(|error| Error::unwritable(&path, error))
    }

    fn part_path(&self, digest: &Digest) -> PathBuf {
        let name = format!("{}-{}", digest.algorithm(), digest.hex());
        self.folder.join(WORK_FOLDER).join("parts").join(name)
    }

    fn stash_path(&self, layout: &LayoutWriter, digest: &Digest) -> PathBuf {
        let repository = Digest::of(layout.name.as_bytes());
        let mut path = self.part_path(digest).into_os_string();
        path.push(format!("-of-{}", repository.hex()));
        path.into()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, KnownBlob>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreferenced(&self) -> MutexGuard<'_, Unreferenced> {
        self.unreferenced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// How many bytes are there.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// Takes the next bytes. It waits for the disk.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| Error::unwritable(&self.path, error))?;
        self.check.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Begins anew.
    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        self.file.set_len(0).map_err(|error| Error::unwritable(&self.path, error))?;
        (self.length, self.check) = (0, DigestCheck::new(self.digest.clone()));
        Ok(())
    }

    /// Where the blob is, whole, right and on the disk; nothing if its digest is another one. It waits for the disk.
    pub(crate) fn finish(self) -> Result<Option<PathBuf>, Error> {
        let unwritable = |error| Error::unwritable(&self.path, error);
        if self.check.finish().is_err() {
            fs::remove_file(&self.path).map_err(unwritable)?;
            return Ok(None);
        }
        self.file.sync_all().map_err(unwritable)?;
        Ok(Some(self.path))
    }
}

impl Removed {
    /// Adds what else was removed.
    pub(crate) fn add(&mut self, other: Self) {
        self.blobs += other.blobs;
        self.bytes += other.bytes;
    }
}

/// The names of the repositories that are in a store.
///
/// # Errors
/// As of a store that is served.
pub(crate) fn stored_names(folder: &Path) -> Result<Vec<String>, Error> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    repository_names(&StoreFiles::with_all_links(folder.to_path_buf()), &AtomicBool::new(true))
}

/// The blobs of all layouts in a store.
pub(crate) fn stored_blobs(folder: &Path) -> Result<HashSet<Digest>, Error> {
    Ok(known_blobs(folder)?.into_keys().collect())
}

/// The blobs of all layouts, also of those that have no index yet: what was fetched for them is of use to others.
fn known_blobs(folder: &Path) -> Result<HashMap<Digest, KnownBlob>, Error> {
    let files = StoreFiles::with_all_links(folder.to_path_buf());
    let (mut known, mut open, mut looked_at) = (HashMap::new(), vec![String::new()], 0_usize);
    while let Some(name) = open.pop() {
        let layout = LayoutWriter::new(folder, &name);
        let is_layout = is_local_name(&name) && layout.folder().join("oci-layout").is_file();
        // What is gone by now, or cannot be read, has no blobs.
        for (component, path) in files.folders(Path::new(&name)).unwrap_or_default() {
            looked_at += 1;
            if looked_at > MAX_FOLDERS {
                return Err(too_many_folders(folder));
            }
            let is_own = is_layout && component == "blobs";
            let below = if name.is_empty() { component } else { format!("{name}/{component}") };
            // A link may lead up again, and what it leads to is elsewhere in the store, or not of it.
            if !is_own && is_local_name(&format!("{below}/x")) && path == folder.join(&below) {
                open.push(below);
            }
        }
        if is_layout {
            for digest in layout.blobs() {
                let path = layout.blob_path(&digest);
                known.entry(digest).or_insert(KnownBlob { path, is_checked: false });
            }
        }
    }
    Ok(known)
}

fn read_unreferenced(path: &Path) -> Result<Unreferenced, Error> {
    let bytes = match bounded::read_file(path, UNREFERENCED_BYTES) {
        Ok(bytes) => bytes,
        Err(Error::Unreadable { error, .. }) if error.kind() == ErrorKind::NotFound => {
            return Ok(Unreferenced::default());
        }
        Err(error) => return Err(error),
    };
    // Where it says nothing, all that nothing refers to is there for as long again.
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

fn remove_old_parts(parts: &Path) {
    for entry in fs::read_dir(parts).into_iter().flatten().filter_map(Result::ok) {
        let modified = entry.metadata().and_then(|part| part.modified());
        if modified.is_ok_and(|modified| time::age(modified) > PART_LIFETIME) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether the bytes of a file have a digest. It waits for the disk.
pub(crate) fn has_digest(path: &Path, digest: &Digest) -> bool {
    let mut check = DigestCheck::new(digest.clone());
    let Ok(Some(file)) = open_anywhere(path) else { return false };
    read_pieces(file, |piece| check.update(piece)).is_ok() && check.finish().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writes_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreWriter::open(folder.path()).unwrap();
        assert_eq!(StoreWriter::open(folder.path()).err().unwrap().code(), "store-in-use");
        drop(store);
        assert!(StoreWriter::open(folder.path()).is_ok());
    }

    #[test]
    fn what_is_kept_for_one_layout_is_not_there_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreWriter::open(folder.path()).unwrap();
        let (own, other, digest) = (store.layout("a/b"), store.layout("c"), Digest::of(b"list"));
        store.stash(&own, &digest, b"list").unwrap();
        drop(store);
        let store = StoreWriter::open(folder.path()).unwrap();
        assert_eq!(store.stashed(&own, &digest, 10).as_deref(), Some(&b"list"[..]));
        assert_eq!((store.stashed(&other, &digest, 10), store.stashed(&own, &digest, 3)), (None, None));
        store.put_document(&own, &digest, b"list").unwrap();
        assert_eq!(store.stashed(&own, &digest, 10), None);
    }

    #[test]
    fn a_part_is_gone_on_with_and_a_wrong_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"bytes");
        let store = StoreWriter::open(folder.path()).unwrap();
        store.part(&digest).unwrap().append(b"by").unwrap();
        drop(store);
        let store = StoreWriter::open(folder.path()).unwrap();
        let mut part = store.part(&digest).unwrap();
        assert_eq!(part.len(), 2);
        part.append(b"tes").unwrap();
        let layout = store.layout("a/b");
        store.put(&layout, &digest, &part.finish().unwrap().unwrap()).unwrap();
        assert_eq!(layout.document(&digest, 10).as_deref(), Some(&b"bytes"[..]));
        let other = store.layout("c");
        assert!(store.link(&other, &digest).unwrap());
        assert_eq!(other.document(&digest, 10).as_deref(), Some(&b"bytes"[..]));
        let mut part = store.part(&digest).unwrap();
        assert_eq!(part.len(), 0);
        part.append(b"other").unwrap();
        assert_eq!(part.finish().unwrap(), None);
        assert_eq!(store.part(&digest).unwrap().len(), 0);
    }

    #[test]
    fn a_part_is_kept_for_a_week() {
        let folder = tempfile::tempdir().unwrap();
        let [young, old] = [&b"young"[..], b"old"].map(Digest::of);
        let store = StoreWriter::open(folder.path()).unwrap();
        store.part(&young).unwrap().append(b"yo").unwrap();
        let mut part = store.part(&old).unwrap();
        part.append(b"ol").unwrap();
        part.file
            .set_modified(std::time::SystemTime::now() - PART_LIFETIME - Duration::from_secs(60))
            .unwrap();
        drop((part, store));
        let store = StoreWriter::open(folder.path()).unwrap();
        assert_eq!((store.part(&young).unwrap().len(), store.part(&old).unwrap().len()), (2, 0));
    }

    #[test]
    fn a_damaged_blob_is_not_shared() {
        let folder = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"bytes");
        let layout = LayoutWriter::new(folder.path(), "a");
        layout.make().unwrap();
        layout.put_document(&digest, b"wrong").unwrap();
        let store = StoreWriter::open(folder.path()).unwrap();
        let other = store.layout("b");
        assert!(store.has_elsewhere(&other, &digest));
        assert!(!store.link(&other, &digest).unwrap());
        assert!(!store.has_elsewhere(&other, &digest));
    }

    #[test]
    fn what_nothing_refers_to_goes_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let [kept, gone] = [&b"kept"[..], b"gone"].map(Digest::of);
        let store = StoreWriter::open(folder.path()).unwrap();
        let layout = store.layout("a/b");
        layout.put_document(&kept, b"kept").unwrap();
        layout.put_document(&gone, b"gone").unwrap();
        let referenced = HashSet::from([kept.clone()]);
        let hour = Duration::from_secs(3600);
        assert_eq!(store.sweep(&layout, &referenced, hour).unwrap().blobs, 0);
        store.save().unwrap();
        drop(store);
        let store = StoreWriter::open(folder.path()).unwrap();
        assert!(store.unreferenced().blobs["a/b"].contains_key(gone.as_str()));
        let removed = store.sweep(&layout, &referenced, Duration::ZERO).unwrap();
        assert_eq!((removed.blobs, removed.bytes), (1, 4));
        assert_eq!((layout.blob_size(&kept), layout.blob_size(&gone)), (Some(4), None));
        assert!(store.unreferenced().blobs.is_empty());
        store.removed_repository("a/b");
        assert_eq!(store.sweep_repositories(hour).unwrap().blobs, 0);
        assert_eq!(store.sweep_repositories(Duration::ZERO).unwrap().blobs, 1);
        assert!(!folder.path().join("a").exists());
    }
}
