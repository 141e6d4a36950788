//! A record as it is kept: with a large payload compressed, so that one which is all the same takes next to no room.

use std::io::{Read, Write};

use downshift::Digest;
use downshift::answer::Record;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use super::entry::Entry;
use super::layer_kind::Key;

/// Bytes from which on a payload is compressed. To compress a smaller one takes about as long as to convert the image.
pub(super) const COMPRESSED_FROM: usize = 32 * 1024;

/// Bytes for which there is room before anything is decompressed.
const FIRST_BYTES: usize = 1024 * 1024;

/// A record, and its payload as it is kept.
#[derive(Clone)]
pub(super) struct Packed {
    /// The record.
    pub(super) record: Record,
    /// The bytes of its payload before that was compressed, if it is.
    pub(super) unpacked: Option<u64>,
}

/// A record of whatever kind, as a value of the database.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) entry: Entry,
    pub(super) payload: Vec<u8>,
}

impl Row {
    /// The key of the record.
    pub(super) fn key(&self) -> Key {
        Key { name: self.entry.name.clone(), item: self.entry.digest.clone() }
    }

    /// Whether it is the record with this key, and what it says can be.
    pub(super) fn is_sound(&self, key: (&str, &str)) -> bool {
        if (self.entry.name.as_str(), self.entry.digest.as_str()) != key {
            return false;
        }
        // The checksum of its value is all there is to check.
        if self.entry.layer_kind().is_some() {
            return true;
        }
        Digest::parse(key.1).is_ok_and(|digest| self.clone().into_record(key.0, &digest).is_some())
    }

    /// The record of a manifest, if it is that, and sound.
    pub(super) fn into_record(self, name: &str, digest: &Digest) -> Option<Record> {
        let (record, unpacked) = self.entry.into_record(name, digest, self.payload)?;
        Packed { record, unpacked }.unpack()
    }
}

impl From<Packed> for Row {
    fn from(packed: Packed) -> Self {
        Self { entry: Entry::of(&packed.record, packed.unpacked, 0), payload: packed.record.payload }
    }
}

impl Packed {
    /// Compresses the payload of a record, if it is large and becomes smaller by that.
    pub(super) fn of(mut record: Record) -> Self {
        let unpacked = compressed(&record.payload).map(|compressed| {
            let unpacked = record.payload.len() as u64;
            record.payload = compressed;
            unpacked
        });
        Self { record, unpacked }
    }

    /// The record with its payload as it was; nothing if that is damaged: it has other bytes than its digest says, or
    /// another number of them than were counted, beyond which nothing is decompressed.
    pub(super) fn unpack(self) -> Option<Record> {
        let Self { mut record, unpacked } = self;
        if let Some(bytes) = unpacked {
            record.payload = decompressed(&record.payload, bytes)?;
        }
        record.digest.matches(&record.payload).then_some(record)
    }
}

fn compressed(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() < COMPRESSED_FROM {
        return None;
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(payload).ok()?;
    encoder.finish().ok().filter(|compressed| compressed.len() < payload.len())
}

fn decompressed(payload: &[u8], bytes: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(bytes).ok()?;
    let mut decompressed = Vec::with_capacity(length.min(FIRST_BYTES));
    let decoder = DeflateDecoder::new(payload);
    decoder.take(bytes.saturating_add(1)).read_to_end(&mut decompressed).ok()?;
    (decompressed.len() == length).then_some(decompressed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::records::tests::record;

    #[test]
    fn large_payloads_are_compressed_and_come_back() {
        for (text, is_small) in [("a".to_owned(), false), ("\\u003c".repeat(1 << 20), true)] {
            let packed = Packed::of(record(&text));
            assert_eq!(packed.record.payload.len() < text.len() / 100, is_small);
            assert_eq!(packed.unpack(), Some(record(&text)));
        }
    }

    #[test]
    fn what_is_compressed_ends_where_it_should() {
        let text = "<".repeat(1 << 20);
        let sound = Packed::of(record(&text));
        for unpacked in [Some((1 << 20) - 1), Some((1 << 20) + 1), Some(0), None] {
            assert_eq!(Packed { unpacked, ..sound.clone() }.unpack(), None);
        }
        let mut cut = sound;
        cut.record.payload.truncate(100);
        assert_eq!(cut.unpack(), None);
    }
}
