//! An OCI image layout on disk (OCI image specification, image-layout.md): `oci-layout`, `index.json` and `blobs`.
//!
//! Every file is opened by [`StoreFiles`], which decides where links may lead.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use downshift::{Digest, Limits};
use serde::Deserialize;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::bounded;
use crate::error::Error;
use crate::origin::store_files::{StoreFiles, is_absence};
use crate::time;

/// The one version of the layout that there is (image-layout.md, "oci-layout file").
pub(super) const LAYOUT_VERSION: &str = "1.0.0";

/// Bytes of an `index.json` or `oci-layout`: room for some 100,000 tags.
pub(super) const INDEX_BYTES: u64 = 32 * 1024 * 1024;

/// Who may read a blob that is written: everybody, as other tools write them.
const BLOB_MODE: u32 = 0o644;

/// How long after its last change a file may change again without a visible difference: some file systems keep time
/// by the second only.
const TIME_GRANULARITY: Duration = Duration::from_secs(1);

/// A folder that is an OCI image layout.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    files: Arc<StoreFiles>,
    /// Where it is below the folder of `files`.
    name: PathBuf,
    /// Where `index.json` is.
    index: PathBuf,
}

/// The file of a blob, opened. Its bytes are not checked against the digest.
#[derive(Debug)]
pub(crate) struct BlobFile {
    /// The file, at its first byte.
    pub(crate) file: File,
    /// The state that it was opened in.
    pub(crate) stamp: Stamp,
    /// Where it is, for errors.
    pub(crate) path: PathBuf,
}

/// What an `index.json` says.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    /// The manifests that the layout offers. Tools written in Go say `null` where there are none.
    pub(crate) manifests: Option<Vec<Entry>>,
    /// What else is said of the layout.
    pub(crate) annotations: Option<Value>,
}

/// One manifest that a layout offers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Its media type, if the layout says so.
    pub(crate) media_type: Option<String>,
    /// What kind of artifact it is, if it is one.
    pub(crate) artifact_type: Option<String>,
    /// Its digest, not yet checked.
    pub(crate) digest: String,
    /// What else is said of it; the tag is among it.
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

/// The state of a file: another one wherever its bytes were changed, or another file has taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    modified: SystemTime,
    /// When the inode was last changed: unlike the time of modification, nobody can set it.
    changed: SystemTime,
    size: u64,
    device: u64,
    inode: u64,
    /// How many names it has.
    links: u64,
}

impl Entry {
    /// What an annotation says.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

impl BlobFile {
    /// The same file once more, for somebody who reads it from its beginning wherever this one is read.
    pub(crate) fn again(&self) -> Result<Self, Error> {
        let file = self.file.try_clone().map_err(|error| Error::unreadable(&self.path, error))?;
        Ok(Self { file, stamp: self.stamp, path: self.path.clone() })
    }
}

impl Layout {
    /// The layout `name` among `files`; with an empty name the folder of these itself. Nothing is read yet.
    pub(crate) fn new(files: Arc<StoreFiles>, name: impl Into<PathBuf>) -> Self {
        let name = name.into();
        let index = files.folder().join(&name).join("index.json");
        Self { files, name, index }
    }

    /// Which state `index.json` is in, if it exists. Links to it are followed wherever they lead, for nothing is read.
    pub(crate) fn stamp(&self) -> Result<Option<Stamp>, Error> {
        let unreadable = |error| Error::unreadable(&self.index, error);
        match fs::metadata(&self.index) {
            Ok(metadata) => Stamp::of(&metadata).map(Some).map_err(unreadable),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Reads `index.json`, after a look at `oci-layout`, and gives the state that it was in; nothing if there is none.
    pub(crate) fn index(&self) -> Result<Option<(Index, Stamp)>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let Some((index, stamp)) = self.open("index.json")? else { return Ok(None) };
        let path = self.path("oci-layout");
        let missing = || Error::BrokenLayout { path: path.clone(), problem: "it is missing".to_owned() };
        let (marker, _) = self.open("oci-layout")?.ok_or_else(missing)?;
        let marker: Marker = read_json(marker, &path)?;
        if marker.image_layout_version != LAYOUT_VERSION {
            let problem = format!("the layout has the unknown version `{}`", marker.image_layout_version);
            return Err(Error::BrokenLayout { path, problem });
        }
        Ok(Some((read_json(index, &self.index)?, stamp)))
    }

    /// Opens the blob with `digest`, if it is there and a regular file.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<BlobFile>, Error> {
        let name = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
        let opened = self.open(&name)?;
        Ok(opened.map(|(file, stamp)| BlobFile { file, stamp, path: self.path(&name) }))
    }

    /// Reads the document with `digest`, if it is there. Its bytes are not checked against the digest.
    pub(crate) fn document(&self, digest: &Digest, limits: &Limits) -> Result<Option<Vec<u8>>, Error> {
        let Some(BlobFile { mut file, stamp, path }) = self.blob(digest)? else { return Ok(None) };
        let size = stamp.size();
        let too_large = || Error::document_too_large(limits, size);
        let length = usize::try_from(size).ok().filter(|&length| length <= limits.document_bytes);
        // In one go: without a known length it would be read in a dozen pieces.
        let mut bytes = vec![0; length.ok_or_else(too_large)?];
        match file.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) => Err(Error::unreadable(&path, error)),
        }
    }

    /// Writes a blob, unless it is there. Under its name there is never a part of it.
    pub(crate) fn add_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        let folder = self.path("blobs").join(digest.algorithm());
        let path = folder.join(digest.hex());
        let write = || {
            // A folder that is not there is a mistake, and no new layout.
            fs::metadata(self.files.folder())?;
            fs::create_dir_all(&folder)?;
            let mut draft = NamedTempFile::new_in(&folder)?;
            draft.write_all(bytes)?;
            draft.as_file().set_permissions(Permissions::from_mode(BLOB_MODE))?;
            draft.persist(&path).map(drop).map_err(|error| error.error)
        };
        if self.blob(digest)?.is_some() {
            return Ok(());
        }
        write().map_err(|error| Error::unwritable(&path, error))
    }

    /// That `index.json` cannot be used as it is.
    pub(crate) fn broken_index(&self, problem: &downshift::Error) -> Error {
        Error::BrokenLayout { path: self.index.clone(), problem: problem.to_string() }
    }

    /// Where `index.json` is, for people.
    pub(crate) fn index_path(&self) -> &Path {
        &self.index
    }

    fn path(&self, file: &str) -> PathBuf {
        self.files.folder().join(&self.name).join(file)
    }

    fn open(&self, file: &str) -> Result<Option<(File, Stamp)>, Error> {
        let unreadable = |error| Error::unreadable(&self.path(file), error);
        let Some(file) = self.files.open(&self.name.join(file)).map_err(unreadable)? else { return Ok(None) };
        let stamp = file.metadata().and_then(|metadata| Stamp::of(&metadata)).map_err(unreadable)?;
        Ok(Some((file, stamp)))
    }
}

impl Stamp {
    /// The state of a file.
    pub(crate) fn of(metadata: &fs::Metadata) -> std::io::Result<Self> {
        let seconds = Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or_default());
        let nanoseconds = Duration::from_nanos(u64::try_from(metadata.ctime_nsec()).unwrap_or_default());
        Ok(Self {
            modified: metadata.modified()?,
            changed: SystemTime::UNIX_EPOCH + seconds + nanoseconds,
            size: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            links: metadata.nlink(),
        })
    }

    /// Whether the bytes are those of the state `before`, also where the file has got another name or lost one since: layouts
    /// share blobs as the same file, and that is a change of the inode as well.
    pub(crate) fn has_bytes_of(self, before: Self) -> bool {
        let is_linked = self.links != before.links;
        self == before || is_linked && self == Self { changed: self.changed, links: self.links, ..before }
    }

    /// The bytes of the file.
    pub(crate) fn size(self) -> u64 {
        self.size
    }

    /// Whether any later change gives another stamp.
    pub(crate) fn is_settled(self) -> bool {
        time::age(self.modified.max(self.changed)) > TIME_GRANULARITY
    }
}

fn read_json<T: for<'a> Deserialize<'a>>(file: File, path: &Path) -> Result<T, Error> {
    let broken = |problem: String| Error::BrokenLayout { path: path.to_path_buf(), problem };
    let bytes = bounded::read(file, INDEX_BYTES)
        .map_err(|error| Error::unreadable(path, error))?
        .ok_or_else(|| broken(format!("it has more than `{INDEX_BYTES}` bytes")))?;
    serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))
}
