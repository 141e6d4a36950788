//! What there is in a tree: which file of metadata is of which repository.

use core::time::Duration;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use downshift::{Failure, Fault, Limits};
use downshift_pull::Delivery;
use downshift_pulp::{Content, METADATA_BYTES, Metadata, Unusable};
use downshift_registry::is_local_name;

use super::files::PulpFiles;
use super::repository::Repository;
use crate::bounded;
use crate::error::Error;
use crate::log;
use crate::origin::layout::Stamp;
use crate::origin::store_files::StoreFiles;

/// Where `app` and `web` may be.
const ROOTS: [&str; 3] = ["v2", "v1", ""];

/// How many files of metadata there may be.
const MAX_FILES: usize = 100_000;

/// How deep they may be below `app`: Crane looks into folders there as well.
const MAX_DEPTH: usize = 4;

/// For how long a repository that is not there is not looked for again. Of one that is, the file is looked at each time.
const LOOK_LIFETIME: Duration = Duration::from_secs(1);

/// What becomes of repositories for which Crane wants a client certificate with an entitlement.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protected {
    /// They are not there, as for who shows Crane no such certificate.
    #[default]
    Hide,
    /// They are served, to all whom this server serves.
    Serve,
}

/// How clients get blobs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Blobs {
    /// Through this server.
    #[default]
    Stream,
    /// From the URL that the metadata name, as from Crane.
    Redirect,
}

impl From<Blobs> for Delivery {
    fn from(blobs: Blobs) -> Self {
        match blobs {
            Blobs::Stream => Self::Stream,
            Blobs::Redirect => Self::Redirect,
        }
    }
}

/// The folder of what was published.
pub(crate) struct PulpTree {
    files: Arc<PulpFiles>,
    protected: Protected,
    /// The folders with `app` and `web`, below that of the files.
    roots: Vec<PathBuf>,
    last_look: Mutex<Option<Look>>,
    /// The states of files of which the log was told.
    told: Mutex<HashMap<PathBuf, Stamp>>,
}

/// What is known of all repositories.
#[derive(Clone)]
struct Look {
    /// The files, each with the state that it was read in.
    files: Arc<HashMap<PathBuf, MetadataFile>>,
    by_name: Arc<BTreeMap<String, Result<PathBuf, Arc<Error>>>>,
    names: Arc<Vec<String>>,
    at: Instant,
}

/// A file of metadata, as it was read.
#[derive(Clone)]
struct MetadataFile {
    stamp: Stamp,
    /// Whether any later change shows in the stamp.
    is_settled: bool,
    /// Below which folder its `web` is.
    root: PathBuf,
    content: Arc<Result<Metadata, Unusable>>,
}

impl Look {
    /// The file of the repository called `name`, or what is wrong with it.
    fn find(&self, name: &str) -> Option<&Result<PathBuf, Arc<Error>>> {
        // Engines put this before names of one component, and Crane takes it away.
        let short = name.strip_prefix("library/").filter(|short| !short.contains('/'));
        self.by_name.get(name).or_else(|| self.by_name.get(short?))
    }
}

impl PulpTree {
    /// The tree in `files`.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`] if there is none, and [`Error::Unreadable`].
    pub(crate) fn open(files: StoreFiles, protected: Protected, limits: Limits) -> Result<Self, Error> {
        let folder = files.folder();
        fs::read_dir(folder).map_err(|error| Error::unreadable(folder, error))?;
        let candidates = ROOTS.map(PathBuf::from);
        let roots: Vec<_> =
            candidates.into_iter().filter(|root| folder.join(root).join("app").is_dir()).collect();
        if roots.is_empty() {
            let problem = format!(
                "`{}` is no folder that Pulp has published: it has neither `app` nor `v2/app`",
                folder.display()
            );
            return Err(Error::InvalidSettings { problem });
        }
        let files = Arc::new(PulpFiles::new(files, limits));
        Ok(Self { files, protected, roots, last_look: Mutex::default(), told: Mutex::default() })
    }

    /// Whether a folder seems to be one. Repositories may be called `app` and `web` as well, which have no such files.
    pub(crate) fn is_likely(folder: &Path) -> bool {
        ROOTS.into_iter().any(|root| {
            let folder = folder.join(root);
            let Ok(mut app) = fs::read_dir(folder.join("app")) else { return false };
            let is_metadata = |path: PathBuf| {
                path.extension().is_some_and(|extension| extension == "json") && !path.ends_with("index.json")
            };
            folder.join("web").is_dir() && app.any(|entry| entry.is_ok_and(|entry| is_metadata(entry.path())))
        })
    }

    /// Whether one that is opened anew would be the same.
    pub(crate) fn is_as(&self, files: &StoreFiles, protected: Protected, limits: &Limits) -> bool {
        self.files.store == *files && self.protected == protected && self.files.limits == *limits
    }

    /// The repository called `name`, if there is one that may be told of.
    ///
    /// # Errors
    /// [`Error::BrokenPulp`] if what is said of it cannot be used, and [`Error::Unreadable`].
    pub(crate) fn repository(&self, name: &str) -> Result<Option<Repository>, Error> {
        let look = self.look(Some(name))?;
        let path = match look.find(name) {
            Some(Ok(path)) => path,
            Some(Err(error)) => return Err(Error::Shared(Arc::clone(error))),
            None => return Ok(None),
        };
        let Some(MetadataFile { content, root, stamp, .. }) = look.files.get(path) else { return Ok(None) };
        let Ok(metadata) = &**content else { return Ok(None) };
        if metadata.is_protected && self.protected == Protected::Hide {
            if self.is_news(path, *stamp) {
                log::warn(format_args!(
                    "`{}` is protected in Pulp, which lets in only certificates with an entitlement, and is not served: \
                     say who may pull with --auth, and --pulp-protected serve",
                    metadata.name
                ));
            }
            return Ok(None);
        }
        let folder = root.join("web").join(&metadata.folder);
        Ok(Some(Repository::new(Arc::clone(&self.files), Arc::clone(content), folder)))
    }

    /// Where the repository called `name` is, for what is remembered longer than any settings.
    pub(crate) fn place(&self, name: &str) -> String {
        let folder = self.files.folder();
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        format!("file://{}/{name}", folder.display())
    }

    /// The repositories whose metadata cannot be used, each with what is wrong.
    pub(crate) fn unusable(&self) -> Result<Vec<(String, Arc<Error>)>, Error> {
        let look = self.look(None)?;
        let unusable = look.by_name.iter().filter_map(|(name, found)| {
            let error = found.as_ref().err()?;
            Some((name.clone(), Arc::clone(error)))
        });
        Ok(unusable.collect())
    }

    /// The names of all repositories that may be told of, in order.
    pub(crate) fn names(&self) -> Result<Arc<Vec<String>>, Error> {
        Ok(self.look(None)?.names)
    }

    /// What is known by now: of the repository called `name` whatever its file says at this moment.
    fn look(&self, name: Option<&str>) -> Result<Look, Error> {
        let mut last = self.last_look.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(look) = &*last
            && self.is_good(look, name)
        {
            return Ok(look.clone());
        }
        let look = self.look_again(last.as_ref())?;
        *last = Some(look.clone());
        Ok(look)
    }

    fn is_good(&self, look: &Look, name: Option<&str>) -> bool {
        let is_young = look.at.elapsed() < LOOK_LIFETIME;
        let path = name.and_then(|name| look.find(name)).and_then(|found| found.as_ref().ok());
        let Some((path, file)) = path.and_then(|path| Some((path, look.files.get(path)?))) else {
            return is_young;
        };
        let now = self.files.open(path).ok().flatten().map(|(_, stamp)| stamp);
        file.is_settled && now == Some(file.stamp)
    }

    fn look_again(&self, last: Option<&Look>) -> Result<Look, Error> {
        let mut files = HashMap::new();
        for root in &self.roots {
            for path in self.metadata_paths(&root.join("app"))? {
                if files.len() >= MAX_FILES {
                    return Err(too_many_files(self.files.folder()));
                }
                // What is gone by now, or leads elsewhere, says nothing; the log has it.
                let Ok(Some((opened, stamp))) = self.files.open(&path).inspect_err(log::error) else {
                    continue;
                };
                let before = last.and_then(|last| last.files.get(&path));
                let file = match before.filter(|before| before.is_settled && before.stamp == stamp) {
                    Some(before) => before.clone(),
                    None => {
                        let is_settled = stamp.is_settled();
                        let of_file = |unusable| Unusable { name: name_of(&unusable, before), ..unusable };
                        let content = Arc::new(read(opened).map_err(of_file));
                        MetadataFile { stamp, is_settled, root: root.clone(), content }
                    }
                };
                files.insert(path, file);
            }
        }
        let by_name = self.by_name(&files);
        let is_told = |path: &PathBuf| {
            let file = files.get(path).and_then(|file| (*file.content).as_ref().ok());
            file.is_some_and(|metadata| self.protected == Protected::Serve || !metadata.is_protected)
        };
        let names = by_name.iter().filter(|(_, found)| found.as_ref().is_ok_and(is_told));
        let names = Arc::new(names.map(|(name, _)| name.clone()).collect());
        Ok(Look { files: Arc::new(files), by_name: Arc::new(by_name), names, at: Instant::now() })
    }

    /// Which file is of which repository. One that cannot be used is of the repository that it names, or else its own name
    /// does, and says what is wrong; where two are of one, nobody knows which of them is meant.
    fn by_name(
        &self,
        files: &HashMap<PathBuf, MetadataFile>,
    ) -> BTreeMap<String, Result<PathBuf, Arc<Error>>> {
        // Manifests come before images of the V1 protocol, for Pulp publishes a repository as both, and what is sound before
        // what is broken, which may take no name from it.
        let rank = |file: &MetadataFile| match &*file.content {
            Ok(Metadata { content: Content::Manifests { .. }, .. }) => 0,
            Err(Unusable { name: Some(_), .. }) => 1,
            Ok(Metadata { content: Content::Images(_), .. }) => 2,
            Err(Unusable { name: None, .. }) => 3,
        };
        let mut paths: Vec<_> = files.iter().collect();
        paths.sort_by_key(|(path, file)| (rank(file), *path));
        let mut by_name: BTreeMap<String, Result<PathBuf, Arc<Error>>> = BTreeMap::new();
        for (path, file) in paths {
            let broken = |problem: String| {
                let error = Error::BrokenPulp { path: self.files.folder().join(path), problem };
                if self.is_news(path, file.stamp) {
                    log::error(&error);
                }
                Arc::new(error)
            };
            let (name, found) = match &*file.content {
                Ok(metadata) => (Some(metadata.name.clone()), Ok(path.clone())),
                Err(Unusable { name, problem }) => {
                    let stem = || path.file_stem()?.to_str().map(ToOwned::to_owned);
                    let error = broken(problem.clone());
                    (name.clone().or_else(stem).filter(|name| is_local_name(name)), Err(error))
                }
            };
            let Some(name) = name else { continue };
            match by_name.get(&name) {
                None => drop(by_name.insert(name, found)),
                Some(Ok(other)) if found.is_ok() => {
                    // By a link it is the same file, and no other one.
                    let is_other = |own: &MetadataFile| rank(own) == rank(file) && own.stamp != file.stamp;
                    if files.get(other).is_some_and(is_other) {
                        let problem = format!(
                            "`{}` is of the same repository `{name}`",
                            self.files.folder().join(other).display()
                        );
                        by_name.insert(name, Err(broken(problem)));
                    }
                }
                Some(_) => {}
            }
        }
        by_name
    }

    /// The files of metadata below a folder, as far as links lead where they may.
    fn metadata_paths(&self, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let (mut paths, mut open) = (Vec::new(), vec![(folder.to_path_buf(), 0)]);
        let mut seen = HashSet::new();
        while let Some((folder, depth)) = open.pop() {
            // A link may lead up again, and is followed once.
            if !fs::canonicalize(self.files.folder().join(&folder)).is_ok_and(|path| seen.insert(path)) {
                continue;
            }
            let unreadable = |error| Error::unreadable(&self.files.folder().join(&folder), error);
            let Some(names) = self.files.store.names(&folder).map_err(unreadable)? else { continue };
            for name in names {
                let path = folder.join(&name);
                if name.ends_with(".json") {
                    paths.push(path);
                } else if depth < MAX_DEPTH
                    && !name.starts_with('.')
                    && self.files.folder().join(&path).is_dir()
                {
                    open.push((path, depth + 1));
                }
                if paths.len() + open.len() > MAX_FILES {
                    return Err(too_many_files(self.files.folder()));
                }
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }

    /// Whether the log was not told of a file in this state.
    fn is_news(&self, path: &Path, stamp: Stamp) -> bool {
        self.told().insert(path.to_path_buf(), stamp) != Some(stamp)
    }

    fn told(&self) -> MutexGuard<'_, HashMap<PathBuf, Stamp>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The repository of a file: where it does not say that any more, the one of which it was, as while somebody writes it in place.
fn name_of(unusable: &Unusable, before: Option<&MetadataFile>) -> Option<String> {
    let former = || match &*before?.content {
        Ok(metadata) => Some(metadata.name.clone()),
        Err(unusable) => unusable.name.clone(),
    };
    unusable.name.clone().or_else(former)
}

fn read(file: fs::File) -> Result<Metadata, Unusable> {
    let unusable = |problem: String| Unusable { name: None, problem };
    let bytes = bounded::read(file, METADATA_BYTES).map_err(|error| unusable(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| unusable(format!("it has more than `{METADATA_BYTES}` bytes")))?;
    Metadata::parse(&bytes)
}

fn too_many_files(folder: &Path) -> Error {
    Error::Core(Failure {
        code: "pulp-files".into(),
        fault: Fault::Limit,
        cause: format!("`{}` has more than `{MAX_FILES}` files of metadata", folder.display()),
        remedy: "publish fewer repositories there, or serve them from several folders".into(),
    })
}
