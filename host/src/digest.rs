//! The digests by which registries know documents: that of the bytes, and for schema 1 that of the signed payload.

use std::io::{self, ErrorKind, Read};

use downshift::document::Document;
use downshift::{Digest, Limits};
use ring::digest::{Context, SHA256, SHA384, SHA512};

use crate::error::Error;

/// A digest that is checked while the bytes come.
pub(crate) struct DigestCheck {
    expected: Digest,
    hash: Context,
}

impl DigestCheck {
    /// The check for bytes that must have the digest `expected`, by any of the three algorithms that a [`Digest`] has.
    pub(crate) fn new(expected: Digest) -> Self {
        let algorithm = match expected.algorithm() {
            "sha256" => &SHA256,
            "sha384" => &SHA384,
            _ => &SHA512,
        };
        Self { expected, hash: Context::new(algorithm) }
    }

    /// Takes the next bytes in.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Checks the digest of all bytes so far.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub(crate) fn finish(self) -> Result<(), Error> {
        if base16ct::lower::encode_string(self.hash.finish().as_ref()) == self.expected.hex() {
            Ok(())
        } else {
            Err(Error::Corrupt { digest: self.expected })
        }
    }
}

/// The algorithms of digests, each of which has a folder where blobs are files.
pub(crate) const ALGORITHMS: [&str; 3] = ["sha256", "sha384", "sha512"];

/// Bytes of a file that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Gives all bytes of a file to `take`, piece by piece, and says how many they are. It waits for the disk.
///
/// # Errors
/// Those of reading.
pub(crate) fn read_pieces(mut file: impl Read, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
    let (mut chunk, mut length) = (vec![0; CHUNK_BYTES], 0);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(length),
            Ok(read) => {
                take(chunk.get(..read).unwrap_or_default());
                length += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The digest of all that has gone into a hash by SHA-256.
///
/// # Errors
/// Never with such a hash.
pub(crate) fn sha256(hash: Context) -> Result<Digest, Error> {
    let hex = base16ct::lower::encode_string(hash.finish().as_ref());
    Ok(format!("sha256:{hex}").parse::<Digest>()?)
}

/// Checks a document as it arrives, so that nothing is made of wrong bytes.
///
/// # Errors
/// [`Error::Corrupt`].
pub(crate) fn check(digest: &Digest, bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    if digest.matches(bytes) || of_payload(bytes, limits).as_ref() == Some(digest) {
        Ok(())
    } else {
        Err(Error::Corrupt { digest: digest.clone() })
    }
}

/// The digest of a schema 1 manifest's payload, by which registries know that manifest; none for other documents.
pub(crate) fn of_payload(bytes: &[u8], limits: &Limits) -> Option<Digest> {
    match Document::parse(bytes, limits) {
        Ok(Document::Schema1(schema1)) => Some(schema1.digest()),
        _ => None,
    }
}
