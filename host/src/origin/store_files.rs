//! The files of a store, opened so that links lead nowhere else: layouts may come from strangers, and so may the links in
//! them.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;

use crate::error::Error;
use crate::log;

/// How files are opened: a pipe is not waited for, and a terminal does not become this process's own.
const TO_READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A folder, and where links in it may lead beside that.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoreFiles {
    folder: PathBuf,
    /// The other folders that links may lead into.
    links: Vec<PathBuf>,
    /// The folder that they may not lead into, whatever it is in.
    data: Option<PathBuf>,
    /// Whether what is beneath the folder is never in `data`.
    is_apart: bool,
}

impl StoreFiles {
    /// The files in `folder`. Links lead into that and `links`, and never into `data`, the server's own folder.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if one of `links` is no folder, and [`Error::InvalidSettings`] if it is in `data`.
    pub(crate) fn new(folder: &Path, links: &[PathBuf], data: Option<&Path>) -> Result<Self, Error> {
        // As long as there is none, nothing leads there.
        let data_path = data.and_then(|data| fs::canonicalize(data).ok());
        for link in links {
            let path = fs::read_dir(link).and_then(|_| fs::canonicalize(link));
            let path = path.map_err(|error| Error::unreadable(link, error))?;
            if data_path.as_ref().is_some_and(|data| path.starts_with(data)) {
                let problem = format!("`store-links` has `{}`, which is in the data folder", link.display());
                return Err(Error::InvalidSettings { problem });
            }
        }
        let is_apart = match (&data_path, fs::canonicalize(folder)) {
            (None, _) => data.is_none(),
            (Some(data), Ok(folder)) => !data.starts_with(folder),
            (Some(_), Err(_)) => false,
        };
        let (folder, data) = (folder.to_path_buf(), data.map(Path::to_path_buf));
        Ok(Self { folder, links: links.to_vec(), data, is_apart })
    }

    /// The files in `folder`, and wherever links in it lead: for a command, whose user can read all of that anyway.
    pub(crate) fn with_all_links(folder: PathBuf) -> Self {
        Self { folder, links: vec!["/".into()], data: None, is_apart: true }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the regular file at `path` below the folder, if there is one, and never waits for who writes to a pipe. A
    /// link that leads elsewhere is logged, and as good as none.
    pub(crate) fn open(&self, path: &Path) -> io::Result<Option<File>> {
        let opened = match self.open_beneath(path) {
            // It leads out of the folder, at least on the way; or the kernel or its guard does not know the call.
            Err(Errno::XDEV | Errno::AGAIN | Errno::NOSYS | Errno::PERM) => self.open_checked(path),
            opened => opened.map(File::from).map(Some).map_err(io::Error::from),
        };
        regular(opened)
    }

    /// What is in the folder at `path` below the folder: the names of the folders in it, also of those that links lead to
    /// which may lead there, each with where it is.
    pub(crate) fn folders(&self, path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(self.folder.join(path))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (kind, path) = (entry.file_type()?, entry.path());
            // Where a link leads nowhere, or in a circle, there is nothing.
            let Ok(path) = (if kind.is_symlink() { fs::canonicalize(&path) } else { Ok(path) }) else {
                continue;
            };
            if kind.is_dir() || kind.is_symlink() && path.is_dir() && self.admits(&path) {
                folders.push((name, path));
            }
        }
        Ok(folders)
    }

    /// The names of what is in the folder at `path` below the folder, if it is one, and where links may lead.
    pub(crate) fn names(&self, path: &Path) -> io::Result<Option<Vec<String>>> {
        let found = fs::canonicalize(self.folder.join(path))
            .map(|found| (self.admits(&found) && found.is_dir()).then_some(found));
        let folder = match found {
            Ok(Some(folder)) => folder,
            Ok(None) => return Ok(None),
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let names =
            fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        Ok(Some(names.filter_map(Result::transpose).collect::<io::Result<_>>()?))
    }

    /// Opens what is beneath the folder. The kernel sees to it that nothing on the way leads out of that.
    fn open_beneath(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        if !self.is_apart {
            return Err(Errno::XDEV);
        }
        let folder = open(&self.folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        openat2(folder, path, TO_READ, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
    }

    /// Opens what links lead to, if they may. It is looked at before it is opened for reading, which can have effects; and
    /// what is looked at is what was found, and not its path, under which there may be something else by now.
    fn open_checked(&self, path: &Path) -> io::Result<Option<File>> {
        let path = self.folder.join(path);
        let found = open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let itself = format!("/proc/self/fd/{}", found.as_raw_fd());
        let target = fs::read_link(&itself)?;
        if !self.admits(&target) {
            log::error(&Error::LinkOutside { path, target });
            return Ok(None);
        }
        if fs::metadata(&itself)?.is_file() { File::open(&itself).map(Some) } else { Ok(None) }
    }

    /// Whether the file at `path`, in which there are no links, may be read.
    fn admits(&self, path: &Path) -> bool {
        let data = self.data.as_ref().map(fs::canonicalize);
        let admitting = |root: &PathBuf| {
            let Ok(root) = fs::canonicalize(root) else { return false };
            // A store may be in the data folder, but no root has the data folder itself in it.
            let is_hidden = match &data {
                Some(Ok(data)) => data.starts_with(&root) && path.starts_with(data),
                Some(Err(error)) => error.kind() != ErrorKind::NotFound,
                None => false,
            };
            path.starts_with(&root) && !is_hidden
        };
        core::iter::once(&self.folder).chain(&self.links).any(admitting)
    }
}

/// Opens the regular file at `path`, wherever links lead, if there is one: for a command, whose user can read all of that
/// anyway.
pub(crate) fn open_anywhere(path: &Path) -> io::Result<Option<File>> {
    regular(open(path, TO_READ, Mode::empty()).map(File::from).map(Some).map_err(io::Error::from))
}

/// What was opened, if it is a regular file.
fn regular(opened: io::Result<Option<File>>) -> io::Result<Option<File>> {
    match opened {
        Ok(Some(file)) => Ok(file.metadata()?.is_file().then_some(file)),
        Ok(None) => Ok(None),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is no such file: none of that name, a file where a folder should be, a name too long for any, links in a
/// circle, or what cannot be opened as a file, such as a socket.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename)
        || matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NXIO | Errno::NODEV))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A folder with a store, a data folder and others beside it, and one in the other.
    struct Folders(tempfile::TempDir);

    impl Folders {
        fn new() -> Self {
            let folders = Self(tempfile::tempdir().unwrap());
            for (path, text) in [
                ("store/a/inside", "inside"),
                ("store/b/other", "other"),
                ("store/data/key", "secret"),
                ("data/key", "secret"),
                ("common/blob", "common"),
                ("common-not/blob", "secret"),
            ] {
                let path = folders.path(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            folders
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn link(&self, to: impl AsRef<Path>, at: &str) {
            symlink(to, self.path(at)).unwrap();
        }

        fn files(&self, links: &[&str], data: &str) -> StoreFiles {
            let links: Vec<_> = links.iter().map(|link| self.path(link)).collect();
            StoreFiles::new(&self.path("store"), &links, Some(&self.path(data))).unwrap()
        }
    }

    fn text(files: &StoreFiles, path: &str) -> Option<String> {
        let mut text = String::new();
        files.open(Path::new(path)).unwrap()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn links_are_followed_inside_and_nowhere_else() {
        let folders = Folders::new();
        folders.link("../b/other", "store/a/relative");
        folders.link(folders.path("store/b/other"), "store/a/absolute");
        folders.link("../../store/b", "store/a/out-and-in");
        folders.link("/", "store/root");
        folders.link("../../data/key", "store/a/key");
        folders.link(folders.path("data"), "store/a/folder");
        folders.link("key", "store/a/chained");
        folders.link("../../common/blob", "store/a/common");
        folders.link("../../common-not/blob", "store/a/common-not");
        folders.link("circle", "store/a/circle");
        folders.link("/proc/self/root/etc/passwd", "store/a/magic");
        let files = folders.files(&[], "data");
        assert_eq!(text(&files, "a/inside").as_deref(), Some("inside"));
        for inside in ["a/relative", "a/absolute", "a/out-and-in/other"] {
            assert_eq!(text(&files, inside).as_deref(), Some("other"), "{inside}");
        }
        let outside =
            ["root/etc/passwd", "a/key", "a/folder/key", "a/chained", "a/common-not", "a/circle", "a/magic"];
        for outside in outside.into_iter().chain(["a/common", "../data/key", "a/none", "a/inside/none"]) {
            assert_eq!(text(&files, outside), None, "{outside}");
        }
        let files = folders.files(&["common"], "data");
        assert_eq!(text(&files, "a/common").as_deref(), Some("common"));
        for outside in outside {
            assert_eq!(text(&files, outside), None, "{outside}");
        }
    }

    #[test]
    fn the_data_folder_is_in_no_root() {
        let folders = Folders::new();
        folders.link("../../data/key", "store/a/key");
        folders.link("../data/key", "store/a/inner");
        folders.link("../../common/blob", "store/a/common");
        // A root that has everything, the data folder as well.
        let files = folders.files(&[""], "data");
        assert_eq!(text(&files, "a/key"), None);
        assert_eq!(text(&files, "a/common").as_deref(), Some("common"));
        // A data folder in the store.
        let files = folders.files(&[], "store/data");
        assert_eq!((text(&files, "data/key"), text(&files, "a/inner")), (None, None));
        assert_eq!(text(&files, "a/inside").as_deref(), Some("inside"));
        // A store in the data folder.
        let files = StoreFiles::new(&folders.path("store"), &[], Some(folders.0.path())).unwrap();
        assert_eq!((text(&files, "a/inside").as_deref(), text(&files, "a/key")), (Some("inside"), None));
        for (links, data) in [(&["data"], "data"), (&["store/a"], "store")] {
            let links: Vec<_> = links.iter().map(|link| folders.path(link)).collect();
            let made = StoreFiles::new(&folders.path("store"), &links, Some(&folders.path(data)));
            assert_eq!(made.unwrap_err().code(), "invalid-settings");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_not_there() {
        let folders = Folders::new();
        let pipe = folders.path("store/a/pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _socket = UnixListener::bind(folders.path("store/a/socket")).unwrap();
        folders.link("/dev/zero", "store/a/device");
        folders.link(&pipe, "store/a/absolute");
        for links in [&[][..], &["", "/"]] {
            let files = folders.files(links, "data");
            for path in ["a", "a/pipe", "a/socket", "a/device", "a/absolute"] {
                assert_eq!(text(&files, path), None, "{path}");
            }
        }
    }
}
