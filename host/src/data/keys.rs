//! Key files.

use std::io::Write;
use std::path::{Path, PathBuf};

use downshift_sign::PrivateKey;

use crate::bounded;
use crate::data::{self, Outlives};
use crate::error::Error;

/// The name of the key that a server makes for itself in its data folder.
const SERVER_KEY: &str = "signing-key.json";

/// Reads a private key.
pub(crate) fn read(path: &Path) -> Result<PrivateKey, Error> {
    let bytes = bounded::read_secrets(path, PrivateKey::MAX_BYTES)?;
    PrivateKey::parse(&bytes).map_err(|error| Error::KeyFile { path: path.to_path_buf(), error })
}

/// Writes a private key to a file that does not exist yet, and that only its owner can read.
pub(crate) fn write_new(path: &Path, key: &PrivateKey) -> Result<(), Error> {
    let written = data::make_file(path).and_then(|mut file| {
        file.write_all(key.to_jwk().as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Error::unwritable(path, error))
}

/// Where the key is in the data folder of a server.
pub(crate) fn path_in(data: &Path) -> PathBuf {
    data.join(SERVER_KEY)
}

/// Reads the key in the data folder of a server, and makes it first where there is none. The caller has the folder.
pub(crate) fn read_or_make(data: &Path) -> Result<PrivateKey, Error> {
    let path = path_in(data);
    if !path.exists() {
        let key = PrivateKey::generate()?;
        data::write(&path, key.to_jwk().as_bytes(), Outlives::PowerLoss)
            .map_err(|error| Error::unwritable(&path, error))?;
    }
    read(&path)
}

/// Whether a server has made a key in this data folder.
pub(crate) fn is_made(data: &Path) -> bool {
    data.join(SERVER_KEY).exists()
}

/// Reads the key in the data folder of a server, if there is one.
pub(crate) fn read_if_made(data: &Path) -> Result<Option<PrivateKey>, Error> {
    let path = path_in(data);
    if path.exists() { read(&path).map(Some) } else { Ok(None) }
}
