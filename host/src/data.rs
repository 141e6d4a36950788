//! The data folder: what a server keeps from one start to the next, for nobody but its owner.
//!
//! Under a name there is always a whole file or none: what is written goes into a draft beside it first ([`write`]). One
//! server at a time has the folder ([`DataFolder`]), so drafts of other processes are what a crash has left.

pub(crate) mod blob_cache;
pub(crate) mod disk_cache;
mod disk_trouble;
pub(crate) mod keys;
pub(crate) mod old_clients;
pub(crate) mod records;
#[cfg(test)]
mod victim;

use core::sync::atomic::{AtomicU64, Ordering};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use crate::error::Error;
use crate::time;

/// The mode of folders.
const FOLDER_MODE: u32 = 0o700;

/// The mode of files.
const FILE_MODE: u32 = 0o600;

/// The beginning of a draft's name. No file that is kept has such a name.
const DRAFT: &str = "draft-";

/// A data folder that no other process has, as long as this value lives.
pub(crate) struct DataFolder {
    path: PathBuf,
    /// The folder itself, which is locked.
    _lock: File,
}

/// The accident that a file outlives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlives {
    /// A loss of power: the file and its name are on the disk before [`write`] returns.
    PowerLoss,
    /// A crash of this program. It is for what is checked when it is read, and can be had again.
    Crash,
}

impl DataFolder {
    /// Takes the data folder at `path`, makes it if there is none, and removes the drafts that a crash has left.
    ///
    /// # Errors
    /// [`Error::Unwritable`], and [`Error::DataFolderInUse`].
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let unwritable = |error| Error::unwritable(path, error);
        make_folder(path).map_err(unwritable)?;
        let folder = File::open(path).map_err(unwritable)?;
        match folder.try_lock() {
            Ok(()) => remove_leftovers(path),
            Err(TryLockError::WouldBlock) => return Err(Error::DataFolderInUse { path: path.to_path_buf() }),
            // A file system without locks: whether another server has the folder cannot be known, nor whose drafts
            // these are.
            Err(TryLockError::Error(_)) => {}
        }
        Ok(Self { path: path.to_path_buf(), _lock: folder })
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a folder and those that it is in, as far as they are not there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

/// Makes a file, which must not be there yet.
pub(crate) fn make_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Writes a file, or writes it anew: under its name there is what was there before or all of `bytes`, whatever happens.
///
/// # Errors
/// Those of the file system. Then nothing has changed, unless it is the folder that could not be synchronised: the new
/// bytes are there then, and may not outlive a loss of power.
pub(crate) fn write(path: &Path, bytes: &[u8], outlives: Outlives) -> io::Result<()> {
    let folder = folder_of(path);
    put(path, folder, |draft| write_draft(draft, bytes, outlives))?;
    match outlives {
        Outlives::PowerLoss => sync_folder(folder),
        Outlives::Crash => Ok(()),
    }
}

/// Puts a file in its place that `write` has written to a draft in the folder `drafts`: under its name there is what was there
/// before or all of the new one.
pub(crate) fn put(path: &Path, drafts: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let draft = drafts.join(draft_name());
    let put = write(&draft).and_then(|()| fs::rename(&draft, path));
    put.inspect_err(|_| drop(fs::remove_file(&draft)))
}

/// Makes a folder that has all of what `fill` writes into it, or is not there. It outlives a crash.
pub(crate) fn make_filled_folder(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let folder = folder_of(path);
    make_folder(folder)?;
    let draft = folder.join(draft_name());
    let filled = make_folder(&draft).and_then(|()| fill(&draft)).and_then(|()| fs::rename(&draft, path));
    filled.inspect_err(|_| drop(fs::remove_dir_all(&draft)))
}

/// Checks that a file can be written and synchronised in `folder`, by doing it.
pub(crate) fn probe(folder: &Path) -> io::Result<()> {
    let draft = folder.join(draft_name());
    let written = write_draft(&draft, b"probe", Outlives::PowerLoss);
    // It may not have come to be, or stays where nothing can be written.
    let _ = fs::remove_file(&draft);
    written
}

/// True for the name of a draft.
pub(crate) fn is_draft(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(DRAFT.as_bytes())
}

/// True for the name of a draft that another process has left. It is for the owner of the [`DataFolder`], beside whom no
/// other process writes.
pub(crate) fn is_leftover(name: &OsStr) -> bool {
    is_draft(name) && !name.as_encoded_bytes().starts_with(own_prefix().as_bytes())
}

/// Removes the drafts in a folder that other processes have left there.
pub(crate) fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        if is_leftover(&entry.file_name()) {
            // What cannot be removed is tried again at the next start.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A name that no other draft has, nor had in another process.
fn draft_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}{}", own_prefix(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The beginning of the names of this process' drafts: its number, which is given again (in a container it is always
/// the same), and when it began to write.
fn own_prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let begun = time::file_time().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{DRAFT}{}-{}-", process::id(), begun.as_nanos())
    })
}

fn write_draft(draft: &Path, bytes: &[u8], outlives: Outlives) -> io::Result<()> {
    let mut file = make_file(draft)?;
    file.write_all(bytes)?;
    match outlives {
        Outlives::PowerLoss => file.sync_all(),
        Outlives::Crash => Ok(()),
    }
}

/// Has the names in a folder be on the disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder that a file is in: the current one for a bare name.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_is_for_its_owner_and_leaves_no_draft() {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("a/b");
        let _data = DataFolder::open(&folder).unwrap();
        let path = folder.join("file");
        for (bytes, outlives) in [("one", Outlives::PowerLoss), ("two", Outlives::Crash)] {
            write(&path, bytes.as_bytes(), outlives).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes.as_bytes());
        }
        assert_eq!((mode(&outside.path().join("a")), mode(&folder), mode(&path)), (0o700, 0o700, 0o600));
        probe(&folder).unwrap();
        assert_eq!(names(&folder), ["file"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // A folder is not replaced by a file.
        fs::create_dir(&path).unwrap();
        for outlives in [Outlives::PowerLoss, Outlives::Crash] {
            assert!(write(&path, b"new", outlives).is_err());
        }
        assert!(path.is_dir());
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_folder_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all/one");
        let fails = |draft: &Path| {
            fs::write(draft.join("half"), "")?;
            Err(io::ErrorKind::BrokenPipe.into())
        };
        assert!(make_filled_folder(&path, fails).is_err());
        assert!(names(&folder.path().join("all")).is_empty());
        make_filled_folder(&path, |draft| fs::write(draft.join("whole"), "")).unwrap();
        assert_eq!((names(&path), mode(&path)), (vec!["whole".to_owned()], 0o700));
    }

    #[test]
    fn one_has_the_folder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let Err(error) = DataFolder::open(folder.path()) else { panic!("two have it") };
        assert_eq!(error.code(), "data-folder-in-use");
        drop(data);
        assert!(DataFolder::open(folder.path()).is_ok());
    }

    #[test]
    fn drafts_of_a_crash_are_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let own = draft_name();
        for name in ["draft-1-2-3", "draft-", "drafts", "key", own.as_str()] {
            fs::write(folder.path().join(name), "secret").unwrap();
        }
        let _data = DataFolder::open(folder.path()).unwrap();
        let mut left = [own.as_str(), "drafts", "key"];
        left.sort_unstable();
        assert_eq!(names(folder.path()), left);
    }
}
