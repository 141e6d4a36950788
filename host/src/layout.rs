//! An OCI image layout on disk (OCI image specification, image-layout.md): `oci-layout`, `index.json` and `blobs`.
//!
//! Symbolic links are followed: whoever may write into the layout decides what is in it.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use downshift::{Digest, Limits};
use rustix::fs::OFlags;
use serde::Deserialize;

use crate::bounded;
use crate::error::Error;
use crate::time;

/// The one version of the layout that there is (image-layout.md, "oci-layout file").
const LAYOUT_VERSION: &str = "1.0.0";

/// Bytes of an `index.json` or `oci-layout`: room for some 100,000 tags.
const INDEX_BYTES: u64 = 32 * 1024 * 1024;

/// How long after its last change a file may change again without a visible difference: some file systems keep time
/// by the second only.
const TIME_GRANULARITY: Duration = Duration::from_secs(1);

/// A folder that is an OCI image layout.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

/// What an `index.json` says.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    /// The manifests that the layout offers. Tools written in Go say `null` where there are none.
    pub(crate) manifests: Option<Vec<Entry>>,
}

/// One manifest that a layout offers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Its media type, if the layout says so.
    pub(crate) media_type: Option<String>,
    /// Its digest, not yet checked.
    pub(crate) digest: String,
    /// What else is said of it; the tag is among it.
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

/// Which state of a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: SystemTime,
    size: u64,
    inode: u64,
}

impl Layout {
    /// The layout in `folder`. Nothing is read yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Which state `index.json` is in, if it exists.
    pub(crate) fn stamp(&self) -> Result<Option<Stamp>, Error> {
        let path = self.index_path();
        match fs::metadata(&path) {
            Ok(metadata) => Stamp::of(&metadata).map(Some).map_err(|error| Error::unreadable(&path, error)),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(Error::unreadable(&path, error)),
        }
    }

    /// Reads `index.json`, after a look at `oci-layout`.
    pub(crate) fn index(&self) -> Result<Index, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let path = self.folder.join("oci-layout");
        let marker: Marker = read_json(&path)?;
        if marker.image_layout_version != LAYOUT_VERSION {
            let problem = format!("the layout has the unknown version `{}`", marker.image_layout_version);
            return Err(Error::BrokenLayout { path, problem });
        }
        read_json(&self.index_path())
    }

    /// Where the blob with `digest` is.
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    /// Opens the blob with `digest`, if it is there, and says how many bytes it has.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<(File, u64)>, Error> {
        let path = self.blob_path(digest);
        open(&path).map_err(|error| Error::unreadable(&path, error))
    }

    /// Reads the document with `digest`, if it is there. Its bytes are not checked against the digest.
    pub(crate) fn document(&self, digest: &Digest, limits: &Limits) -> Result<Option<Vec<u8>>, Error> {
        let Some((mut file, size)) = self.blob(digest)? else { return Ok(None) };
        let too_large = || Error::document_too_large(limits, size);
        let length = usize::try_from(size).ok().filter(|&length| length <= limits.document_bytes);
        // In one go: without a known length it would be read in a dozen pieces.
        let mut bytes = vec![0; length.ok_or_else(too_large)?];
        match file.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) => Err(Error::unreadable(&self.blob_path(digest), error)),
        }
    }

    /// That `index.json` cannot be used as it is.
    pub(crate) fn broken_index(&self, problem: &downshift::Error) -> Error {
        Error::BrokenLayout { path: self.index_path(), problem: problem.to_string() }
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join("index.json")
    }
}

impl Stamp {
    /// The state of a file.
    pub(crate) fn of(metadata: &fs::Metadata) -> std::io::Result<Self> {
        Ok(Self { modified: metadata.modified()?, size: metadata.len(), inode: metadata.ino() })
    }

    /// Whether any later change gives another stamp.
    pub(crate) fn is_settled(self) -> bool {
        time::age(self.modified) > TIME_GRANULARITY
    }
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, Error> {
    let broken = |problem: String| Error::BrokenLayout { path: path.to_path_buf(), problem };
    let (file, _) = open(path)
        .map_err(|error| Error::unreadable(path, error))?
        .ok_or_else(|| broken("it is missing".to_owned()))?;
    let bytes = bounded::read(file, INDEX_BYTES)
        .map_err(|error| Error::unreadable(path, error))?
        .ok_or_else(|| broken(format!("it has more than `{INDEX_BYTES}` bytes")))?;
    serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))
}

/// Opens a regular file, if there is one.
fn open(path: &Path) -> std::io::Result<Option<(File, u64)>> {
    // Opening a pipe would wait for whoever writes to it.
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(without_waiting).open(path) {
        Err(error) if is_absence(&error) => return Ok(None),
        file => file?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(Some((file, metadata.len())))
}

/// Whether there is no such file: none of that name, a file where a folder should be, or a name too long for any.
fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename)
}
