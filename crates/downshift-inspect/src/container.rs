//! Documents in one piece, to be shared.
//!
//! The first byte is the version, 1. Each document follows: its label, its expected digest and its bytes, each after its
//! length in bytes, which is a number of four bytes, the highest first.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use downshift::Error;

use crate::given::{Given, limit};
use crate::limits::Limits;

const VERSION: u8 = 1;

/// Packs documents.
///
/// # Errors
/// [`Error::LimitExceeded`] if there are too many, or if they are too large.
pub fn pack(given: &[Given<'_>]) -> Result<Vec<u8>, Error> {
    limit("documents", Limits::DOCUMENTS, given.len())?;
    let mut out = vec![VERSION];
    for given in given {
        let label = given.label.as_deref().unwrap_or_default();
        let expected = given.expected.as_deref().unwrap_or_default();
        for part in [label.as_bytes(), expected.as_bytes(), given.bytes] {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            limit("shared-bytes", Limits::SHARED_BYTES, out.len().saturating_add(part.len()))?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(part);
        }
    }
    Ok(out)
}

/// Unpacks documents. Every byte has to have its place.
///
/// # Errors
/// [`Error::UnknownDocument`] for what [`pack`] did not make, and [`Error::LimitExceeded`] for what it would not.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Given<'_>>, Error> {
    let unknown =
        || Error::UnknownDocument { value: "a link that was cut off, or is of a later version".into() };
    limit("shared-bytes", Limits::SHARED_BYTES, bytes.len())?;
    let mut rest = bytes.strip_prefix(&[VERSION]).ok_or_else(unknown)?;
    let mut given = Vec::new();
    while !rest.is_empty() {
        limit("documents", Limits::DOCUMENTS, given.len().saturating_add(1))?;
        let mut parts: [&[u8]; 3] = [&[]; 3];
        for part in &mut parts {
            let (length, after) = rest.split_first_chunk::<4>().ok_or_else(unknown)?;
            let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| unknown())?;
            (*part, rest) = after.split_at_checked(length).ok_or_else(unknown)?;
        }
        let [label, expected, bytes] = parts;
        let text = |part: &[u8]| -> Result<Option<String>, Error> {
            let text = core::str::from_utf8(part).map_err(|_| unknown())?;
            Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
        };
        given.push(Given { bytes, label: text(label)?, expected: text(expected)? });
    }
    Ok(given)
}
