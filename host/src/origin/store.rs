//! The store: a folder with one OCI image layout per repository, such as `DIR/library/httpd`. It is only read.
//!
//! A manifest's tag is in its annotations, as the tool that has written the layout puts it there. Docker's media types are
//! as good as OCI's.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use downshift::{Digest, Form, Limits};
use downshift_pull::ReferrersValue;

use crate::digest;
use crate::error::Error;
use crate::log;
use crate::origin::layout::{Entry, Layout, Stamp};
use crate::origin::layout_tags::Tags;
use crate::origin::store_files::StoreFiles;
use crate::origin::verified_blobs::VerifiedBlobs;

/// How many manifests without a tag the log names.
const LOGGED_DIGESTS: usize = 3;

/// A folder of repositories.
pub(crate) struct Store {
    files: Arc<StoreFiles>,
    limits: Limits,
    verified: Arc<VerifiedBlobs>,
    /// What was loaded, by the repository's name. An entry is good as long as its stamp is.
    loaded: Mutex<HashMap<String, Arc<Repository>>>,
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
    /// The manifests that its index has, in their order.
    pub(crate) manifests: Vec<Digest>,
    /// What they and those that they reach refer to, once somebody has asked for it.
    pub(crate) referrers: OnceLock<ReferrersValue>,
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
        std::fs::read_dir(folder).map_err(|error| Error::unreadable(folder, error))?;
        let verified = Arc::new(VerifiedBlobs::new());
        Ok(Self { files: Arc::new(files), limits, verified, loaded: Mutex::default() })
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
        let repository = Arc::new(repository);
        if is_settled && repository.stamp == stamp {
            self.lock().insert(name.to_owned(), Arc::clone(&repository));
        }
        Ok(Some(repository))
    }

    /// The repository called `name`, if it was read before and has not changed since.
    pub(crate) fn loaded(&self, name: &str) -> Option<Arc<Repository>> {
        let stamp = self.layout(name).stamp().ok()??;
        self.read_before(name, stamp)
    }

    fn read_before(&self, name: &str, stamp: Stamp) -> Option<Arc<Repository>> {
        self.lock().get(name).filter(|loaded| loaded.stamp == stamp).map(Arc::clone)
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
        let mut entries = Vec::new();
        for entry in index.manifests.unwrap_or_default() {
            let digest = Digest::parse(&entry.digest).map_err(|error| layout.broken_index(&error))?;
            if may_be_schema1(&entry)
                && let Some(payload) = payload_digest(&layout, &digest, limits)
            {
                payloads.insert(payload, digest.clone());
            }
            entries.push((entry, digest));
        }
        let Tags { targets: tags, untagged } = Tags::of(name, &entries);
        if !untagged.is_empty() {
            log::warn(without_tags(&layout, &untagged));
        }
        let manifests = entries.into_iter().map(|(_, digest)| digest).collect();
        let (reading, referrers) = (READINGS.fetch_add(1, Ordering::Relaxed), OnceLock::new());
        Ok(Some(Self { layout, verified, stamp, reading, tags, manifests, referrers, payloads }))
    }

    /// The tags, sorted.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.keys().map(String::as_str)
    }

    /// The digest that `tag` points to.
    pub(crate) fn tagged(&self, tag: &str) -> Option<&Digest> {
        self.tags.get(tag)
    }

    /// A tag that points to the manifest `digest`.
    pub(crate) fn tag_of(&self, digest: &Digest) -> Option<&str> {
        let file = self.file_of(digest);
        self.tags.iter().find(|&(_, tagged)| tagged == file).map(|(tag, _)| tag.as_str())
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

/// That a layout has manifests which can only be pulled by digest.
fn without_tags(layout: &Layout, untagged: &[Digest]) -> String {
    let mut digests: Vec<String> =
        untagged.iter().take(LOGGED_DIGESTS).map(|digest| format!("`{digest}`")).collect();
    if untagged.len() > LOGGED_DIGESTS {
        digests.push(format!("`{}` more", untagged.len() - LOGGED_DIGESTS));
    }
    let (path, digests) = (layout.index_path(), digests.join(", "));
    format!("`{}` has manifests without a tag, which can only be pulled by digest: {digests}", path.display())
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
