//! The folder that is published: trees, and a link to the one that is served.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use downshift::Digest;
use futures_util::StreamExt;
use futures_util::stream::iter;
use rustix::fs::{AtFlags, CWD, linkat, syncfs};
use tokio::task::block_in_place;

use super::plan::{Item, Plan};
use super::source::{Source, Trouble};
use super::summary::Summary;
use crate::cli::failures::{Failed as _, ImageFailure};
use crate::digest::DigestCheck;
use crate::error::Error;
use crate::log::notice;
use crate::origin::layout::BlobFile;

/// The link to the tree that is served.
const CURRENT: &str = "current";
/// The folder of the trees.
const TREES: &str = "trees";
/// How the name of a tree begins that is not whole.
const DRAFT: &str = ".draft-";
/// Web servers run as somebody else, and what is published is for everybody.
const FOLDER_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;
const READABLE_BY_ALL: u32 = 0o004;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// The folder, which nobody else writes into meanwhile.
pub(super) struct Tree {
    folder: PathBuf,
    _lock: File,
}

/// What came of one path.
enum Made {
    Written(u64),
    Linked,
    Missing(Trouble),
}

impl Tree {
    /// Opens the folder, or makes it.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let unwritable = |error| Error::unwritable(folder, error);
        make_folder(&folder.join(TREES)).map_err(unwritable)?;
        let lock = File::open(folder).map_err(unwritable)?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Unusable {
                    path: folder.to_path_buf(),
                    problem: "another process publishes into it".to_owned(),
                });
            }
            // A file system without locks: nobody can know.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        match fs::symlink_metadata(folder.join(CURRENT)) {
            Ok(metadata) if !metadata.is_symlink() => {
                let problem = format!("`{CURRENT}` in it is not a link, so that it is of somebody else");
                Err(Error::Unusable { path: folder.to_path_buf(), problem })
            }
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(error)),
            _ => Ok(Self { folder: folder.to_path_buf(), _lock: lock }),
        }
    }

    /// The tree that is served.
    pub(super) fn current(&self) -> Option<PathBuf> {
        let target = fs::read_link(self.folder.join(CURRENT)).ok()?;
        Some(self.folder.join(target)).filter(|tree| tree.is_dir())
    }

    /// Makes the tree that is planned, and has it served. Gives whether anything is another than before; nothing where it could
    /// not be made.
    pub(super) async fn publish(
        &self,
        plan: &Plan,
        sources: &[Source],
        copies: bool,
        jobs: usize,
        summary: &mut Summary,
    ) -> Result<Option<bool>, Error> {
        let former = self.current();
        if let Some(former) = &former
            && is_tree(former, &plan.id)
            && is_whole(former, plan)
        {
            self.remove_drafts();
            return Ok(Some(false));
        }
        self.remove_drafts();
        let trees = self.folder.join(TREES);
        let draft = trees.join(format!("{DRAFT}{}", plan.id));
        let unwritable = |error| Error::unwritable(&draft, error);
        make_folder(&draft).map_err(unwritable)?;
        let filling = Filling { draft: &draft, former: former.as_deref(), sources, copies };
        if !filling.fill(plan, jobs, summary).await? {
            self.remove_drafts();
            return Ok(None);
        }
        // All of it is on the disk before anybody is sent there.
        syncfs(File::open(&draft).map_err(unwritable)?).map_err(|error| unwritable(error.into()))?;
        let name = self.free_name(&plan.id);
        fs::rename(&draft, trees.join(&name)).map_err(unwritable)?;
        self.switch_to(&name).map_err(unwritable)?;
        self.remove_all_but(&name, former.as_deref());
        Ok(Some(true))
    }

    /// A name for a tree. One that is damaged has the first one already.
    fn free_name(&self, id: &str) -> String {
        let numbered = |number: u32| if number == 0 { id.to_owned() } else { format!("{id}-{number}") };
        let is_free = |name: &String| fs::symlink_metadata(self.folder.join(TREES).join(name)).is_err();
        (0..=u32::MAX).map(numbered).find(is_free).unwrap_or_else(|| id.to_owned())
    }

    /// Has a tree served. A link is replaced at once, or not at all.
    fn switch_to(&self, name: &str) -> io::Result<()> {
        let next = self.folder.join(TREES).join(format!("{DRAFT}{CURRENT}"));
        symlink(Path::new(TREES).join(name), &next)?;
        fs::rename(&next, self.folder.join(CURRENT))?;
        File::open(&self.folder)?.sync_all()
    }

    fn remove_drafts(&self) {
        self.remove(|name| name.starts_with(DRAFT));
    }

    /// Removes the trees but these. Requests that began before the switch are still answered from the former one.
    fn remove_all_but(&self, name: &str, former: Option<&Path>) {
        let former = former.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        self.remove(|tree| tree != name && Some(tree) != former.as_deref());
    }

    fn remove(&self, is_removed: impl Fn(&str) -> bool) {
        let trees = fs::read_dir(self.folder.join(TREES)).into_iter().flatten().flatten();
        for tree in trees.filter(|tree| is_removed(&tree.file_name().to_string_lossy())) {
            let path = tree.path();
            let is_folder = tree.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                notice(format_args!("`{}` could not be removed: {error}", path.display()));
            }
        }
    }
}

/// Whether a tree has this id.
fn is_tree(tree: &Path, id: &str) -> bool {
    let name = tree.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name == id || name.strip_prefix(id).is_some_and(|rest| rest.starts_with('-'))
}

/// Whether everything that is planned is there. What is in a file is not read.
fn is_whole(tree: &Path, plan: &Plan) -> bool {
    plan.items.iter().all(|(path, item)| {
        let Ok(metadata) = fs::symlink_metadata(tree.join(path)) else { return false };
        match item {
            Item::Bytes(bytes) => metadata.len() == bytes.len() as u64,
            Item::Blob { size: Some(size), .. } => metadata.len() == *size,
            Item::Link(_) => metadata.is_symlink(),
            Item::Same(_) | Item::Blob { .. } | Item::Former => metadata.is_file(),
        }
    })
}

struct Filling<'f> {
    draft: &'f Path,
    former: Option<&'f Path>,
    sources: &'f [Source],
    copies: bool,
}

impl Filling<'_> {
    /// Makes everything that is planned; gives whether nothing is missing that may be there another time.
    async fn fill(&self, plan: &Plan, jobs: usize, summary: &mut Summary) -> Result<bool, Error> {
        let (mut made_here, mut stored) = (Vec::new(), Vec::new());
        for (path, item) in &plan.items {
            match item {
                Item::Same(_) => {}
                Item::Blob { .. } if self.is_stored(item)? => stored.push((path, item)),
                _ => made_here.push((path, item)),
            }
        }
        // A link to a file of a store changes that file's state: what is made of it has to be there before.
        let mut is_whole = true;
        for items in [made_here, stored] {
            is_whole &= self.make_all(&items, jobs, summary).await?;
        }
        if is_whole {
            for (path, item) in &plan.items {
                if let Item::Same(other) = item
                    && self.draft.join(other).exists()
                {
                    let (from, to) = (self.draft.join(other), self.place(path)?);
                    link_or_copy(&from, &to).map_err(|error| Error::unwritable(&to, error))?;
                }
            }
        }
        Ok(is_whole)
    }

    async fn make_all(
        &self,
        items: &[(&String, &Item)],
        jobs: usize,
        summary: &mut Summary,
    ) -> Result<bool, Error> {
        let mut is_whole = true;
        let make = |place: usize| async move {
            let (path, item) = items.get(place)?;
            Some((*path, *item, self.make(path, item).await))
        };
        let mut made = iter(0..items.len()).map(make).buffered(jobs);
        while let Some(one) = made.next().await {
            let Some((path, item, made)) = one else { continue };
            match made? {
                Made::Written(bytes) => {
                    summary.written += 1;
                    summary.bytes += bytes;
                }
                Made::Linked => summary.linked += 1,
                Made::Missing(trouble) => {
                    is_whole &= !trouble.is_passing();
                    let mut failure = ImageFailure::of(path, trouble.refusal);
                    if let Item::Blob { repository, digest, .. } = item {
                        failure.image.clone_from(repository);
                        failure.blob = Some(digest.clone());
                    }
                    notice(failure.line());
                    summary.failures.add(failure);
                }
            }
        }
        Ok(is_whole)
    }

    /// Whether it is a blob that a store has as a file.
    fn is_stored(&self, item: &Item) -> Result<bool, Error> {
        let Item::Blob { repository, digest, source, .. } = item else { return Ok(false) };
        let Some(source) = self.sources.get(*source) else { return Ok(false) };
        Ok(source.stored(repository, digest)?.is_some())
    }

    async fn make(&self, path: &str, item: &Item) -> Result<Made, Error> {
        let to = self.place(path)?;
        let unwritable = |error| Error::unwritable(&to, error);
        match item {
            Item::Bytes(bytes) => self.write(path, &to, bytes).map_err(unwritable),
            Item::Link(target) => symlink(target, &to).map(|()| Made::Linked).map_err(unwritable),
            Item::Former if self.link_former(path, &to, None) => Ok(Made::Linked),
            Item::Blob { repository, digest, source, user_agent, size } => {
                if self.link_former(path, &to, *size) {
                    return Ok(Made::Linked);
                }
                let Some(source) = self.sources.get(*source) else { return Ok(Made::Linked) };
                self.blob(source, repository, digest, user_agent, &to).await
            }
            // It was damaged before.
            Item::Former | Item::Same(_) => Ok(Made::Linked),
        }
    }

    fn place(&self, path: &str) -> Result<PathBuf, Error> {
        let to = self.draft.join(path);
        if let Some(folder) = to.parent() {
            make_folder(folder).map_err(|error| Error::unwritable(folder, error))?;
        }
        Ok(to)
    }

    fn write(&self, path: &str, to: &Path, bytes: &Bytes) -> io::Result<Made> {
        let former = self.former.map(|former| former.join(path));
        if let Some(former) = former.filter(|former| fs::read(former).is_ok_and(|own| own == *bytes))
            && fs::hard_link(&former, to).is_ok()
        {
            return Ok(Made::Linked);
        }
        let mut file = new_file(to)?;
        file.write_all(bytes)?;
        Ok(Made::Written(bytes.len() as u64))
    }

    /// Takes what was published before at a path.
    fn link_former(&self, path: &str, to: &Path, size: Option<u64>) -> bool {
        let Some(former) = self.former.map(|former| former.join(path)) else { return false };
        let is_it =
            |metadata: fs::Metadata| metadata.is_file() && size.is_none_or(|size| metadata.len() == size);
        fs::symlink_metadata(&former).is_ok_and(is_it) && link_or_copy(&former, to).is_ok()
    }

    async fn blob(
        &self,
        source: &Source,
        repository: &str,
        digest: &Digest,
        user_agent: &str,
        to: &Path,
    ) -> Result<Made, Error> {
        let stored = block_in_place(|| match source.stored(repository, digest)? {
            Some(stored) => self.stored(stored, digest, to).map(Some),
            None => Ok(None),
        })?;
        if let Some(made) = stored {
            return Ok(made);
        }
        let headers: Vec<_> =
            (!user_agent.is_empty()).then(|| ("user-agent", user_agent.to_owned())).into_iter().collect();
        let path = format!("/v2/{repository}/blobs/{digest}");
        Ok(match source.copy(&path, &headers, digest, to).await? {
            Ok(bytes) => Made::Written(bytes),
            Err(trouble) => {
                // It may have begun.
                let _ = fs::remove_file(to);
                Made::Missing(trouble)
            }
        })
    }

    /// Takes the file of a store, once it is checked.
    fn stored(&self, stored: BlobFile, digest: &Digest, to: &Path) -> Result<Made, Error> {
        let BlobFile { mut file, path, .. } = stored;
        let unreadable = |error| Error::unreadable(&path, error);
        let unwritable = |error| Error::unwritable(to, error);
        let metadata = file.metadata().map_err(unreadable)?;
        // The link is to what is checked here, whatever its name leads to by now.
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        let is_linked = !self.copies
            && metadata.mode() & READABLE_BY_ALL != 0
            && linkat(CWD, own, CWD, to, AtFlags::SYMLINK_FOLLOW).is_ok();
        let mut copy = if is_linked { None } else { Some(new_file(to).map_err(unwritable)?) };
        let mut check = DigestCheck::new(digest.clone());
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = file.read(&mut chunk).map_err(unreadable)?;
            let Some(piece) = chunk.get(..count).filter(|piece| !piece.is_empty()) else { break };
            check.update(piece);
            if let Some(copy) = &mut copy {
                copy.write_all(piece).map_err(unwritable)?;
            }
        }
        if check.finish().is_err() {
            fs::remove_file(to).map_err(unwritable)?;
            let problem = downshift_registry::Problem::Corrupt { digest: digest.clone() };
            // It is so each time, until somebody mends the store.
            return Ok(Made::Missing(Trouble { refusal: problem.into(), status: 404 }));
        }
        Ok(if is_linked { Made::Linked } else { Made::Written(metadata.len()) })
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// A hard link; where there can be none, a copy.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(_) => io::copy(&mut File::open(from)?, &mut new_file(to)?).map(drop),
    }
}
