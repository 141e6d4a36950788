//! Why there is nothing more of a layer, and where its plain bytes go.

use core::fmt;
use std::io;
use std::path::Path;

use downshift::Digest;

use crate::error::Error;

/// Gets the plain bytes of a layer as they come, and may end that with an error.
pub(crate) type Take<'t> = &'t mut dyn FnMut(&[u8]) -> Result<(), LayerError>;

/// Why there is nothing more of a layer.
#[derive(Debug)]
pub(crate) enum LayerError {
    /// The bytes of the blob do not come.
    Blob(io::Error),
    /// The layer is refused, or cannot be read here and now.
    Failed(Error),
    /// All of the blob came, which has this digest, and it cannot be unpacked.
    Unreadable {
        /// Why.
        error: Error,
        /// The digest of the blob.
        digest: Digest,
    },
    /// Nobody wants more of it.
    Stopped,
}

impl LayerError {
    /// The same without the digest of the blob, for a command, which knows of none that it should have.
    pub(crate) fn without_digest(self) -> Self {
        match self {
            Self::Unreadable { error, .. } => Self::Failed(error),
            other => other,
        }
    }

    /// The error of a command that reads the layer from the file at `path`.
    pub(crate) fn of_file(self, path: &Path) -> Error {
        match self {
            Self::Failed(error) | Self::Unreadable { error, .. } => error,
            Self::Blob(error) => Error::unreadable(path, error),
            Self::Stopped => Error::Busy,
        }
    }
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(error) => error.fmt(f),
            Self::Failed(error) | Self::Unreadable { error, .. } => error.fmt(f),
            Self::Stopped => f.write_str("nobody waits for the layer any more"),
        }
    }
}

impl core::error::Error for LayerError {}

impl From<Error> for LayerError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<downshift_layer::Error> for LayerError {
    fn from(error: downshift_layer::Error) -> Self {
        Self::Failed(Error::Core(error.into()))
    }
}
