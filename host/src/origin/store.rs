//! The store: a folder with one OCI image layout per repository, such as `DIR/library/httpd`. It is only read.
//!
//! A manifest's tag is in its annotations, as the tool that has written the layout puts it there. Docker's media types are
//! as good as OCI's.

use core::fmt::Display;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use downshift::{Digest, Failure, Fault, Form, Limits};
use downshift_pull::ReferrersValue;
use downshift_registry::is_local_name;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task;

use crate::byte_cache::ByteCache;
use crate::digest;
use crate::error::Error;
use crate::log;
use crate::origin::layout::{Entry, Layout, Stamp};
use crate::origin::layout_tags::{PROTECTED, Tags};
use crate::origin::store_files::StoreFiles;
use crate::origin::verified_blobs::VerifiedBlobs;

/// How many manifests without a tag the log names.
const LOGGED_DIGESTS: usize = 3;

/// How many folders are looked at for the names of all repositories.
pub(super) const MAX_FOLDERS: usize = 100_000;

/// Bytes of the referrers of all repositories in memory.
const REFERRERS_BYTES: u64 = 64 * 1024 * 1024;

/// What those of a repository take beside their descriptors.
const REFERRERS_OVERHEAD: usize = 512;

/// For how long these are told without another look.
const NAMES_LIFETIME: Duration = Duration::from_secs(1);

/// A folder of repositories.
pub(crate) struct Store {
    files: Arc<StoreFiles>,
    limits: Limits,
    verified: Arc<VerifiedBlobs>,
    /// What was loaded, by the repository's name. An entry is good as long as its stamp is.
    loaded: Mutex<HashMap<String, Arc<Repository>>>,
    /// What the manifests of a reading refer to, and those that they reach, once somebody has asked for it.
    pub(crate) referrers: ByteCache<u64, ReferrersValue>,
    /// The states of layouts in which the log was told what has no tag.
    warned: Mutex<HashMap<String, Stamp>>,
    /// What the last look for the names of all repositories found. Whoever asks meanwhile waits, for one look is enough.
    names: AsyncMutex<Option<NamesFound>>,
}

/// What a look for the names of all repositories found.
struct NamesFound {
    names: Result<Arc<Vec<String>>, Arc<Error>>,
    /// Until when that is told without another look.
    until: Instant,
}

/// Whether a look goes on: until whoever waits for it is gone.
struct Looking(Arc<AtomicBool>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// One repository, as its `index.json` was when it was loaded.
#[derive(Debug)]
pub(crate) struct Repository {
    /// Where its documents and blobs are.
    pub(crate) layout: Layout,
    /// The blobs of the store whose digests were checked.
    pub(crate) verified: Arc<VerifiedBlobs>,
    stamp: Stamp,
    /// Which reading of a repository this is. No two have the same.
    pub(crate) reading: u64,
    tags: BTreeMap<String, Digest>,
    /// What a tag has for clients of different forms, where it has several.
    variants: BTreeMap<String, Vec<(Form, Digest)>>,
    /// Whether it was copied from where not everybody may pull it.
    pub(crate) is_protected: bool,
    /// The manifests that have none, and refer to no other.
    untagged: Vec<Digest>,
    /// Digests of its index that are of algorithms which are not computed here.
    unsupported: Vec<String>,
    /// The manifests that its index has, in their order.
    pub(crate) manifests: Vec<Digest>,
    /// For each stored schema 1 the digest of its payload, which is what registries report, and that of its file.
    payloads: HashMap<Digest, Digest>,
}

impl Store {
    /// The store in `files`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if that is no folder.
    pub(crate) fn open(files: StoreFiles, limits: Limits) -> Result<Self, Error> {
        let folder = files.folder();
        fs::read_dir(folder).map_err(|error| Error::unreadable(folder, error))?;
        let verified = Arc::new(VerifiedBlobs::new());
        Ok(Self {
            files: Arc::new(files),
            limits,
            verified,
            loaded: Mutex::default(),
            referrers: ByteCache::new(REFERRERS_BYTES, REFERRERS_OVERHEAD, ReferrersValue::bytes),
            warned: Mutex::default(),
            names: AsyncMutex::default(),
        })
    }

    /// Whether one that is opened anew would be the same.
    pub(crate) fn is_as(&self, files: &StoreFiles, limits: &Limits) -> bool {
        *self.files == *files && self.limits == *limits
    }

    /// The repository called `name`, if there is one. A `name` of the registry's grammar cannot lead out of the store.
    ///
    /// # Errors
    /// [`Error::BrokenLayout`] or [`Error::Unreadable`].
    pub(crate) fn repository(&self, name: &str) -> Result<Option<Arc<Repository>>, Error> {
        let layout = self.layout(name);
        let Some(stamp) = layout.stamp()? else {
            self.lock().remove(name);
            return Ok(None);
        };
        if let Some(loaded) = self.read_before(name, stamp) {
            return Ok(Some(loaded));
        }
        // Settled before the reading starts: a change in the meantime then shows.
        let is_settled = stamp.is_settled();
        let Some(repository) = Repository::load(name, layout, &self.limits, Arc::clone(&self.verified))?
        else {
            return Ok(None);
        };
        self.warn(name, &repository);
        let repository = Arc::new(repository);
        if is_settled && repository.stamp == stamp {
            self.lock().insert(name.to_owned(), Arc::clone(&repository));
        }
        Ok(Some(repository))
    }

    /// The names of all repositories, in order. They are looked for once in a second at the most, and for half of the time,
    /// whether that finds them or fails. A look ends with who waits for it.
    ///
    /// # Errors
    /// [`Error::Unreadable`], and [`Error::Core`] past the limits of folders.
    pub(crate) async fn names(self: &Arc<Self>) -> Result<Arc<Vec<String>>, Arc<Error>> {
        let mut last = self.names.lock().await;
        let begin = Instant::now();
        if let Some(NamesFound { names, until }) = &*last
            && begin < *until
        {
            return names.clone();
        }
        let files = Arc::clone(&self.files);
        let goes_on = Arc::new(AtomicBool::new(true));
        let looking = Looking(Arc::clone(&goes_on));
        let look = move || repository_names(&files, &goes_on);
        let names = task::spawn_blocking(look).await.unwrap_or(Err(Error::Panicked));
        drop(looking);
        let names = names.map(Arc::new).map_err(Arc::new);
        let until = Instant::now() + begin.elapsed().max(NAMES_LIFETIME);
        *last = Some(NamesFound { names: names.clone(), until });
        names
    }

    /// The repository called `name`, if it was read before and has not changed since.
    pub(crate) fn loaded(&self, name: &str) -> Option<Arc<Repository>> {
        let loaded = self.lock().get(name).map(Arc::clone)?;
        (loaded.layout.stamp().ok()?? == loaded.stamp).then_some(loaded)
    }

    fn read_before(&self, name: &str, stamp: Stamp) -> Option<Arc<Repository>> {
        self.lock().get(name).filter(|loaded| loaded.stamp == stamp).map(Arc::clone)
    }

    /// Says once for each state of a layout what can only be pulled by digest, and what cannot be pulled.
    fn warn(&self, name: &str, repository: &Repository) {
        let Repository { layout, untagged, unsupported, .. } = repository;
        if untagged.is_empty() && unsupported.is_empty() {
            return;
        }
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(name.to_owned(), repository.stamp) == Some(repository.stamp) {
            return;
        }
        if !untagged.is_empty() {
            log::warn(about(layout, "without a tag, which can only be pulled by digest", untagged));
        }
        if !unsupported.is_empty() {
            let problem = "whose digests are of algorithms that are not supported, which cannot be pulled";
            log::warn(about(layout, problem, unsupported));
        }
    }

    fn layout(&self, name: &str) -> Layout {
        Layout::new(Arc::clone(&self.files), name)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Repository>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Repository {
    fn load(
        name: &str,
        layout: Layout,
        limits: &Limits,
        verified: Arc<VerifiedBlobs>,
    ) -> Result<Option<Self>, Error> {
        static READINGS: AtomicU64 = AtomicU64::new(0);
        let Some((index, stamp)) = layout.index()? else { return Ok(None) };
        let mut payloads = HashMap::new();
        let (mut entries, mut unsupported) = (Vec::new(), Vec::new());
        for entry in index.manifests.unwrap_or_default() {
            let digest = match Digest::parse(&entry.digest) {
                Ok(digest) => digest,
                // Nobody can check what it names, and the other manifests are sound all the same.
                Err(downshift::Error::UnsupportedDigest { value }) => {
                    unsupported.push(value);
                    continue;
                }
                Err(error) => return Err(layout.broken_index(&error)),
            };
            if may_be_schema1(&entry)
                && let Some(payload) = payload_digest(&layout, &digest, limits)
            {
                payloads.insert(payload, digest.clone());
            }
            entries.push((entry, digest));
        }
        let is_protected = index.annotations.is_some_and(|annotations| annotations.get(PROTECTED).is_some());
        let Tags { targets: tags, variants, untagged } = Tags::of(name, &entries);
        let manifests = entries.into_iter().map(|(_, digest)| digest).collect();
        let reading = READINGS.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Self {
            layout,
            verified,
            stamp,
            reading,
            tags,
            variants,
            is_protected,
            untagged,
            unsupported,
            manifests,
            payloads,
        }))
    }

    /// The tags, sorted.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.keys().map(String::as_str)
    }

    /// The digest that `tag` points to.
    pub(crate) fn tagged(&self, tag: &str) -> Option<&Digest> {
        self.tags.get(tag)
    }

    /// What `tag` has for clients of different forms, if it has several.
    pub(crate) fn variants(&self, tag: &str) -> &[(Form, Digest)] {
        self.variants.get(tag).map(Vec::as_slice).unwrap_or_default()
    }

    /// A tag that points to the manifest `digest`, or has it for some clients.
    pub(crate) fn tag_of(&self, digest: &Digest) -> Option<&str> {
        let file = self.file_of(digest);
        let is_own = |&(tag, target): &(&String, &Digest)| {
            target == file || self.variants(tag).iter().any(|(_, variant)| variant == file)
        };
        self.tags.iter().find(is_own).map(|(tag, _)| tag.as_str())
    }

    /// Reads the manifest or config with `digest`, if it is there. Its bytes are not checked.
    fn document(&self, digest: &Digest, limits: &Limits) -> Result<Option<Vec<u8>>, Error> {
        self.layout.document(self.file_of(digest), limits)
    }

    /// The same, with its digest checked.
    pub(crate) fn checked_document(&self, digest: &Digest, limits: &Limits) -> Result<Option<Bytes>, Error> {
        let bytes = self.document(digest, limits)?;
        if let Some(bytes) = &bytes {
            digest::check(digest, bytes, limits)?;
        }
        Ok(bytes.map(Bytes::from))
    }

    /// The digest of the file to read: another one only if `digest` is of a schema 1 payload.
    fn file_of<'a>(&'a self, digest: &'a Digest) -> &'a Digest {
        self.payloads.get(digest).unwrap_or(digest)
    }
}

/// The names of the repositories below a folder, in order; those that were found where it does not go on.
pub(super) fn repository_names(files: &StoreFiles, goes_on: &AtomicBool) -> Result<Vec<String>, Error> {
    let (mut names, mut looked_at, mut linked) = (Vec::new(), 0_usize, HashSet::new());
    let mut open = vec![String::new()];
    while let Some(name) = open.pop().filter(|_| goes_on.load(Ordering::Relaxed)) {
        let is_layout =
            fs::metadata(files.folder().join(&name).join("index.json")).is_ok_and(|file| file.is_file());
        let folders = match files.folders(Path::new(&name)) {
            Ok(folders) => folders,
            // What is gone by now, or cannot be read, is no repository, unless it is the store itself.
            Err(_) if !name.is_empty() => continue,
            Err(error) => return Err(Error::unreadable(files.folder(), error)),
        };
        for (component, path) in folders {
            looked_at += 1;
            if looked_at > MAX_FOLDERS {
                return Err(too_many_folders(files.folder()));
            }
            let below = if name.is_empty() { component.clone() } else { format!("{name}/{component}") };
            // A host with its port is no name by itself, but names begin with it.
            let is_own = is_layout && component == "blobs" || !is_local_name(&format!("{below}/x"));
            // A link may lead up again, and is followed once.
            let is_link = path != files.folder().join(&below);
            if !is_own && (!is_link || linked.insert(path)) {
                open.push(below);
            }
        }
        if is_layout && is_local_name(&name) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

pub(super) fn too_many_folders(store: &Path) -> Error {
    Error::Core(Failure {
        code: "store-folders".into(),
        fault: Fault::Limit,
        cause: format!(
            "`{}` has more than `{MAX_FOLDERS}` folders, of which no list is made",
            store.display()
        ),
        remedy: "ask for repositories by name, or spread them over several stores".into(),
    })
}

/// That a layout has manifests with a problem.
fn about(layout: &Layout, problem: &str, digests: &[impl Display]) -> String {
    let mut shown: Vec<String> =
        digests.iter().take(LOGGED_DIGESTS).map(|digest| format!("`{digest}`")).collect();
    if digests.len() > LOGGED_DIGESTS {
        shown.push(format!("`{}` more", digests.len() - LOGGED_DIGESTS));
    }
    format!("`{}` has manifests {problem}: {}", layout.index_path().display(), shown.join(", "))
}

/// Whether an entry's media type leaves it open: layouts have none for schema 1, so tools write what they like.
fn may_be_schema1(entry: &Entry) -> bool {
    entry.media_type.as_deref().and_then(Form::from_media_type).is_none_or(Form::is_schema1)
}

/// The digest of a manifest's payload, where it is schema 1.
///
/// What is wrong with the file is found again, and reported to the client, when it is asked for.
fn payload_digest(layout: &Layout, digest: &Digest, limits: &Limits) -> Option<Digest> {
    let missing = || Error::Missing { digest: digest.clone() };
    let read = layout.document(digest, limits).and_then(|bytes| bytes.ok_or_else(missing));
    let bytes = read.inspect_err(log::error).ok()?;
    digest::of_payload(&bytes, limits)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    fn layout(folder: &Path) {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        fs::write(folder.join("index.json"), "{}").unwrap();
    }

    #[test]
    fn a_digest_of_another_algorithm_does_not_hide_the_other_manifests() {
        let store = tempfile::tempdir().unwrap();
        let entry = |digest: &str, tag: &str| {
            format!(
                r#"{{"digest":"{digest}","annotations":{{"org.opencontainers.image.ref.name":"{tag}"}}}}"#
            )
        };
        let (digest, other) = (Digest::of(b""), format!("blake3:{}", "0".repeat(64)));
        let load = |digests: &[&str]| {
            let entries: Vec<String> =
                digests.iter().zip(["a", "b"]).map(|(digest, tag)| entry(digest, tag)).collect();
            fs::write(store.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
            fs::write(store.path().join("index.json"), format!(r#"{{"manifests":[{}]}}"#, entries.join(",")))
                .unwrap();
            let layout = Layout::new(Arc::new(StoreFiles::with_all_links(store.path().to_owned())), "");
            Repository::load("x", layout, &Limits::default(), Arc::new(VerifiedBlobs::new()))
        };
        let repository = load(&[&other, digest.as_str()]).unwrap().unwrap();
        assert_eq!((repository.tagged("a"), repository.tagged("b")), (None, Some(&digest)));
        assert_eq!((&repository.unsupported, &repository.manifests), (&vec![other], &vec![digest.clone()]));
        assert!(matches!(load(&["sha256:0", digest.as_str()]), Err(Error::BrokenLayout { .. })));
    }

    #[test]
    fn the_names_are_those_of_layouts_and_links_lead_where_they_may() {
        let (store, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["b", "a/c", "a/c/d", "a/c/blobs/x", "UPPER", "b/blobs/y"] {
            layout(&store.path().join(name));
        }
        fs::create_dir_all(store.path().join("empty/index.json")).unwrap();
        layout(&outside.path().join("e"));
        symlink(store.path().join("b"), store.path().join("link")).unwrap();
        symlink(store.path(), store.path().join("a/up")).unwrap();
        symlink(outside.path(), store.path().join("out")).unwrap();
        symlink("nowhere", store.path().join("dead")).unwrap();
        let names = |links: &[PathBuf]| {
            let files = StoreFiles::new(store.path(), links, None).unwrap();
            repository_names(&files, &AtomicBool::new(true)).unwrap()
        };
        let within = names(&[]);
        for name in ["b", "a/c", "a/c/d", "link"] {
            assert!(within.iter().any(|own| own == name), "{name}: {within:?}");
        }
        assert!(within.is_sorted() && within.len() < 12, "{within:?}");
        let is_hidden =
            |name: &String| name.contains("blobs") || name.contains("UPPER") || name.contains("out");
        assert!(!within.iter().any(is_hidden), "{within:?}");
        let all = names(&[outside.path().to_owned()]);
        assert!(all.iter().any(|own| own == "out/e"), "{all:?}");
        // Nobody waits for it any more.
        let files = StoreFiles::new(store.path(), &[], None).unwrap();
        let goes_on = Arc::new(AtomicBool::new(true));
        drop(Looking(Arc::clone(&goes_on)));
        assert!(repository_names(&files, &goes_on).unwrap().is_empty());
    }
}
