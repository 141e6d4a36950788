//! The files of the cache: `blobs/sha256/ab/ab…` for a whole blob, and the same with `.part` for the beginning of one.
//!
//! Only a blob whose digest was checked gets its name, after it was synchronised: so a file with a digest for a name is whole
//! and right, whatever happened. A part has nothing but bytes that were written one after the other, and is hashed again
//! before it is gone on with. Whatever else is in the folder is nobody's business here, and stays.

use core::time::Duration;
use std::fs::{self, DirEntry, File, FileTimes, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use downshift::Digest;
use rustix::fs::{OFlags, statvfs};
use rustix::time::{ClockId, clock_gettime};

use super::index::Victim;
use crate::data;
use crate::digest::ALGORITHMS;
use crate::time;

/// What the name of a part ends with.
const PART: &str = ".part";

/// How many digits of a digest name the folder that its file is in.
const FOLDER_DIGITS: usize = 2;

/// How far the clock may have been set since the system was started for a part to count as written before that.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// A disk.
pub(super) trait Disk: Send + Sync {
    /// How many bytes are free for this program where `path` is.
    fn free(&self, path: &Path) -> io::Result<u64>;

    /// Writes at a place in a file.
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()>;
}

/// The disk of the system.
pub(super) struct SystemDisk;

impl Disk for SystemDisk {
    fn free(&self, path: &Path) -> io::Result<u64> {
        let disk = statvfs(path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }
}

/// The folder of the cache.
pub(super) struct Folder {
    path: PathBuf,
}

/// A file that was found at the start.
pub(super) struct FoundFile {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) is_whole: bool,
    pub(super) used: SystemTime,
}

impl Folder {
    /// The folder at `path`, which is made if there is none.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        data::make_folder(&path)?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All that can be used, the least recently used first, and how much else there is. What a crash has left that can be of
    /// no use is removed.
    pub(super) fn scan(&self) -> (Vec<FoundFile>, usize) {
        for entry in entries(&self.path).filter(|entry| data::is_leftover(&entry.file_name())) {
            // What cannot be removed is tried again at the next start.
            let _ = fs::remove_file(entry.path());
        }
        let started = system_start();
        let (mut found, mut strangers) = (Vec::new(), 0);
        let folders = ALGORITHMS.iter().map(|algorithm| (algorithm, self.path.join(algorithm)));
        for (algorithm, folder) in folders.filter(|(_, folder)| is_folder(folder)) {
            for files in entries(&folder) {
                if !is_folder(&files.path()) {
                    strangers += 1;
                    continue;
                }
                for file in entries(&files.path()) {
                    let Some(file) = read_entry(algorithm, &files, &file) else {
                        strangers += 1;
                        continue;
                    };
                    // What was not synchronised may have come back from a loss of power with other bytes.
                    if !file.is_whole && file.used < started {
                        let _ = fs::remove_file(self.part(&file.digest));
                    } else {
                        found.push(file);
                    }
                }
            }
        }
        found.sort_by_key(|file| file.used);
        (found, strangers)
    }

    /// Opens the file of a whole blob.
    pub(super) fn open_whole(&self, digest: &Digest) -> io::Result<(File, u64)> {
        open_own(OpenOptions::new().read(true), &self.whole(digest))
    }

    /// Opens the part of a blob, or makes one.
    pub(super) fn open_part(&self, digest: &Digest) -> io::Result<(File, u64)> {
        let path = self.part(digest);
        data::make_folder(path.parent().unwrap_or(&self.path))?;
        let mut options = OpenOptions::new();
        open_own(options.read(true).write(true).create(true).truncate(false).mode(data::FILE_MODE), &path)
    }

    /// Makes a part, all of which is on the disk, the whole blob.
    pub(super) fn complete(&self, digest: &Digest) -> io::Result<()> {
        // That the name outlives a loss of power is not worth waiting for: without it, the blob is fetched again.
        fs::rename(self.part(digest), self.whole(digest))
    }

    /// Takes a file from its name, so that another one can have that, and says where it is now. Those who read it go on.
    pub(super) fn take_out(&self, victim: &Victim) -> Option<PathBuf> {
        let path = if victim.is_whole { self.whole(&victim.digest) } else { self.part(&victim.digest) };
        let draft = self.path.join(data::draft_name());
        fs::rename(path, &draft).ok().map(|()| draft)
    }

    /// Says that a file is used now, so that the order outlives the server. That a disk is read-only makes no difference.
    pub(super) fn touch(file: &File) {
        let _ = file.set_times(FileTimes::new().set_modified(time::file_time()));
    }

    fn whole(&self, digest: &Digest) -> PathBuf {
        let first = digest.hex().get(..FOLDER_DIGITS).unwrap_or_default();
        self.path.join(digest.algorithm()).join(first).join(digest.hex())
    }

    fn part(&self, digest: &Digest) -> PathBuf {
        let mut path = self.whole(digest).into_os_string();
        path.push(PART);
        path.into()
    }
}

/// What a file in the folder of the cache is; nothing if it is not of the cache.
fn read_entry(algorithm: &str, folder: &DirEntry, file: &DirEntry) -> Option<FoundFile> {
    let name = file.file_name().into_string().ok()?;
    let (hex, is_whole) = name.strip_suffix(PART).map_or((name.as_str(), true), |hex| (hex, false));
    let digest = Digest::parse(&format!("{algorithm}:{hex}")).ok()?;
    if folder.file_name().to_str() != digest.hex().get(..FOLDER_DIGITS) {
        return None;
    }
    // Of a link, this is about the link.
    let metadata = file.metadata().ok().filter(is_own)?;
    let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Some(FoundFile { digest, size: metadata.len(), is_whole, used })
}

/// Whether it is a file, and of the user of this program: nobody else can have written it then.
fn is_own(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw()
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Opens a file, if it is one of this program's. No link is followed, and nobody waited for who writes to a pipe.
fn open_own(options: &mut OpenOptions, path: &Path) -> io::Result<(File, u64)> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let file = options.custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if is_own(&metadata) { Ok((file, metadata.len())) } else { Err(ErrorKind::InvalidInput.into()) }
}

/// The entries of a folder, if it can be read.
fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok)
}

/// When the system was started, or some time before.
fn system_start() -> SystemTime {
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::from_secs(u64::try_from(up.tv_sec).unwrap_or_default());
    time::file_time().checked_sub(up + CLOCK_SLACK).unwrap_or(SystemTime::UNIX_EPOCH)
}
