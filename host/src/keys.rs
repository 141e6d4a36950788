//! Key files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use downshift_sign::PrivateKey;
use zeroize::Zeroizing;

use crate::error::Error;

/// The name of the key that a server makes for itself in its data folder.
const SERVER_KEY: &str = "signing-key.json";

/// Reads a private key.
pub(crate) fn read(path: &Path) -> Result<PrivateKey, Error> {
    // One byte more than there may be, so that a file with more is told from one that just fits.
    let limit = PrivateKey::MAX_BYTES as u64 + 1;
    // Cleared from memory in the end, and with room enough that it never moves and leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(PrivateKey::MAX_BYTES + 64));
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| Error::unreadable(path, error))?;
    PrivateKey::parse(&bytes).map_err(|error| Error::KeyFile { path: path.to_path_buf(), error })
}

/// Writes a private key to a file that does not exist yet, and that only its owner can read.
pub(crate) fn write_new(path: &Path, key: &PrivateKey) -> Result<(), Error> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(key.to_jwk().as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error: io::Error| Error::unwritable(path, error))
}

/// Reads the key in the data folder of a server, and makes it first where there is none.
pub(crate) fn read_or_make(data: &Path) -> Result<PrivateKey, Error> {
    fs::create_dir_all(data).map_err(|error| Error::unwritable(data, error))?;
    let path = data.join(SERVER_KEY);
    if !path.exists() {
        make(data, &path)?;
    }
    read(&path)
}

/// Reads the key in the data folder of a server, if there is one.
pub(crate) fn read_if_made(data: &Path) -> Result<Option<PrivateKey>, Error> {
    let path = data.join(SERVER_KEY);
    if path.exists() { read(&path).map(Some) } else { Ok(None) }
}

/// Makes a key at `path`. Under that name there is a whole key or none, and of several that are made at once the
/// first one stays.
fn make(data: &Path, path: &Path) -> Result<(), Error> {
    let key = PrivateKey::generate()?;
    let draft = data.join(format!("{SERVER_KEY}.{}", key.public_key().kid().replace(':', "")));
    write_new(&draft, &key)?;
    let linked = match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    let removed = fs::remove_file(&draft);
    let synced = File::open(data).and_then(|folder| folder.sync_all());
    linked.and(removed).and(synced).map_err(|error| Error::unwritable(path, error))
}
