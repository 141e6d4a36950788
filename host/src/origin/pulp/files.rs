//! The files of a tree, and what was read of them.

use std::fs::File;
use std::hash::RandomState;
use std::path::Path;
use std::sync::{Arc, Mutex};

use downshift::{Digest, Form, Limits};

use crate::byte_cache::ByteCache;
use crate::error::Error;
use crate::origin::layout::Stamp;
use crate::origin::store_files::StoreFiles;
use crate::origin::verified_blobs::VerifiedBlobs;

/// Bytes of what is known of files whose digests are not their names.
const DIGESTS_BYTES: u64 = 16 * 1024 * 1024;

/// What one of them takes.
const DIGEST_BYTES: usize = 256;

/// The files of a tree.
pub(super) struct PulpFiles {
    pub(super) store: StoreFiles,
    pub(super) limits: Limits,
    pub(super) verified: Arc<VerifiedBlobs>,
    /// What was read of files, by their states.
    pub(super) manifests: ByteCache<Stamp, (Digest, Form)>,
    pub(super) layers: ByteCache<Stamp, Digest>,
    /// By the digests of manifests that were made of images the tags, and by those of layers the images, in the numbered
    /// folders of repositories.
    pub(super) made: ByteCache<(u64, Digest), String>,
    pub(super) images: ByteCache<(u64, Digest), String>,
    /// The numbered states of repositories of which all tags were looked at for these.
    pub(super) searched: ByteCache<u64, ()>,
    /// Who reads layers for their digests, which is one at a time.
    pub(super) layer_reader: Mutex<()>,
    /// What numbers readings: nobody can make two that have the same.
    pub(super) numbering: RandomState,
}

impl PulpFiles {
    pub(super) fn new(store: StoreFiles, limits: Limits) -> Self {
        Self {
            store,
            limits,
            verified: Arc::new(VerifiedBlobs::new()),
            manifests: ByteCache::new(DIGESTS_BYTES, DIGEST_BYTES, |_| 0),
            layers: ByteCache::new(DIGESTS_BYTES, DIGEST_BYTES, |_| 0),
            made: ByteCache::new(DIGESTS_BYTES, DIGEST_BYTES, |_| 0),
            images: ByteCache::new(DIGESTS_BYTES, DIGEST_BYTES, |_| 0),
            searched: ByteCache::new(DIGESTS_BYTES, DIGEST_BYTES, |_| 0),
            layer_reader: Mutex::default(),
            numbering: RandomState::new(),
        }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        self.store.folder()
    }

    /// Opens a file, if there is one and links lead there.
    pub(super) fn open(&self, path: &Path) -> Result<Option<(File, Stamp)>, Error> {
        let unreadable = |error| Error::unreadable(&self.folder().join(path), error);
        let Some(file) = self.store.open(path).map_err(unreadable)? else { return Ok(None) };
        let stamp = file.metadata().and_then(|metadata| Stamp::of(&metadata)).map_err(unreadable)?;
        Ok(Some((file, stamp)))
    }
}
