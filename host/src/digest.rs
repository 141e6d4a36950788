//! The digests by which registries know documents: that of the bytes, and for schema 1 that of the signed payload.

use downshift::document::Document;
use downshift::{Digest, Limits};

use crate::error::Error;

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
