//! Reading from outside, with an upper bound: no file or stream decides how much memory it takes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::Error;

/// Bytes beyond the limit for which a buffer of secrets has room. `read_to_end` looks for the end of a stream with
/// 32 bytes more than it expects; without room for these it would move the secrets, and leave a copy behind.
const SPARE_BYTES: usize = 64;

/// Reads `stream` to its end; nothing if it has more than `limit` bytes.
pub(crate) fn read(stream: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    stream.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Reads the file at `path`.
///
/// # Errors
/// [`Error::Unreadable`], and [`Error::Unusable`] if it has more than `limit` bytes.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let bytes = File::open(path).and_then(|file| read(file, limit));
    bytes.map_err(|error| Error::unreadable(path, error))?.ok_or_else(|| Error::too_large(path, limit))
}

/// Reads the first `limit + 1` bytes of the file at `path`, which has secrets: they are at one place in memory, and
/// cleared when that is given back. It is for the caller to refuse one that has more than `limit` bytes.
///
/// # Errors
/// [`Error::Unreadable`].
pub(crate) fn read_secrets(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit.saturating_add(SPARE_BYTES)));
    File::open(path)
        .and_then(|file| file.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| Error::unreadable(path, error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_limit_itself_is_within_it() {
        assert_eq!(read(&b"four"[..], 4).unwrap(), Some(b"four".to_vec()));
        assert_eq!(read(&b"fives"[..], 4).unwrap(), None);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_file(&path, 4).unwrap(), b"four");
        assert_eq!(read_file(&path, 3).unwrap_err().code(), "unusable-file");
        assert_eq!(read_file(&folder.path().join("none"), 3).unwrap_err().code(), "unreadable-file");
    }

    #[test]
    fn secrets_never_move() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        for len in [0, 1, 999, 1000, 1001, 5000] {
            fs::write(&path, vec![7; len]).unwrap();
            let bytes = read_secrets(&path, 1000).unwrap();
            assert_eq!((bytes.len(), bytes.capacity()), (len.min(1001), 1000 + SPARE_BYTES));
        }
    }
}
