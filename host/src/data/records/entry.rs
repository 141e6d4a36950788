//! A record as a value of the database: what it is beside its payload, with a checksum over both.
//!
//! The checksum is for disks that return other bits than were written, and for nobody's malice: whoever can write in the
//! data folder has the key as well. It is half of a SHA-256, which this program has at hand and which takes a microsecond
//! or two for a record of the usual size; what is served again and again comes from the cache of answers.

use downshift::answer::Record;
use downshift::{Digest, Form, Platform};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::layer_kind::LayerKind;
use super::place::REFRESH;
use crate::time::now;

/// The first byte of a value with a checksum. The first format has none, and begins with `{`.
const FORMAT: u8 = 2;

/// Bytes of a checksum.
const CHECKSUM_BYTES: usize = 16;

/// What a record is beside its payload.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The digest of a manifest; of a layer, what is recorded and the digest.
    pub(super) digest: String,
    /// When it was reported, in seconds since 1970.
    pub(super) reported: u64,
    /// The form of a manifest; of a layer, what is recorded.
    form: String,
    /// The digest of what a manifest was made of; of a layer, that of the payload.
    source: String,
    tag: Option<String>,
    platform: Option<[Option<String>; 3]>,
    time: Option<String>,
    /// What the signatures of its source prove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    /// The bytes of its payload, if that is compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unpacked: Option<u64>,
    /// Whether it has a checksum.
    #[serde(skip)]
    pub(super) is_current: bool,
}

impl Entry {
    /// What `record` is, which is reported at that time. Its payload is compressed if it had `unpacked` bytes before.
    pub(super) fn of(record: &Record, unpacked: Option<u64>, reported: u64) -> Self {
        let Record { name, digest, form, source, tag, platform, time, signature, .. } = record;
        Self {
            name: name.clone(),
            digest: digest.to_string(),
            reported,
            form: form.name().to_owned(),
            source: source.to_string(),
            tag: tag.clone(),
            platform: platform
                .clone()
                .map(|Platform { os, architecture, variant }| [Some(os), Some(architecture), variant]),
            time: time.map(|time| time.to_string()),
            signature: signature.as_ref().map(ToString::to_string),
            unpacked,
            is_current: true,
        }
    }

    /// What is recorded of a layer, for which no digest of the payload says whether that is the same.
    pub(super) fn of_layer(name: String, item: String, kind: &str, payload: &[u8]) -> Self {
        Self {
            name,
            digest: item,
            reported: 0,
            form: kind.to_owned(),
            source: Digest::of(payload).to_string(),
            tag: None,
            platform: None,
            time: None,
            signature: None,
            unpacked: None,
            is_current: true,
        }
    }

    /// What is recorded, if that is of a layer.
    pub(super) fn layer_kind(&self) -> Option<LayerKind> {
        LayerKind::of(&self.form)
    }

    /// Whether to be asked for makes it one of those that go last.
    pub(super) fn is_pinned_by_use(&self) -> bool {
        self.layer_kind().is_none_or(LayerKind::is_pinned_by_use)
    }

    /// Reads what a value says of its `payload`; nothing if its checksum is wrong, or in the first format the digest.
    pub(super) fn parse(bytes: &[u8], payload: &[u8]) -> Option<Self> {
        match bytes.strip_prefix(&[FORMAT]) {
            Some(rest) => {
                let (sum, json) = rest.split_at_checked(CHECKSUM_BYTES)?;
                if sum != checksum(json, payload) {
                    return None;
                }
                let entry: Self = serde_json::from_slice(json).ok()?;
                Some(Self { is_current: true, ..entry })
            }
            None => {
                let entry = Self::parse_unchecked(bytes)?;
                Digest::parse(&entry.digest).is_ok_and(|digest| digest.matches(payload)).then_some(entry)
            }
        }
    }

    /// The same without a check: for what goes anyway.
    pub(super) fn parse_unchecked(bytes: &[u8]) -> Option<Self> {
        let json = match bytes.strip_prefix(&[FORMAT]) {
            Some(rest) => rest.get(CHECKSUM_BYTES..)?,
            None => bytes,
        };
        serde_json::from_slice(json).ok()
    }

    /// The value that says this of `payload`.
    pub(super) fn to_bytes(&self, payload: &[u8]) -> Result<Vec<u8>, redb::Error> {
        let json = serde_json::to_vec(self).map_err(|error| redb::Error::Io(error.into()))?;
        Ok([&[FORMAT], checksum(&json, payload).as_slice(), &json].concat())
    }

    /// The record with this key and payload, and the bytes of that before it was compressed, if it is; nothing if it is another
    /// one, or says what cannot be.
    pub(super) fn into_record(
        self,
        name: &str,
        digest: &Digest,
        payload: Vec<u8>,
    ) -> Option<(Record, Option<u64>)> {
        if self.name != name || self.digest != digest.as_str() {
            return None;
        }
        let platform = match self.platform {
            Some([os, architecture, variant]) => {
                Some(Platform { os: os?, architecture: architecture?, variant })
            }
            None => None,
        };
        let record = Record {
            name: self.name,
            digest: digest.clone(),
            form: Form::named(&self.form)?,
            payload,
            source: Digest::parse(&self.source).ok()?,
            tag: self.tag,
            platform,
            time: self.time.and_then(|time| time.parse().ok()),
            signature: self.signature.and_then(|signature| signature.parse().ok()),
        };
        Some((record, self.unpacked))
    }

    /// Whether it was reported so lately that reporting it again need not be written.
    pub(super) fn is_fresh(&self) -> bool {
        let refresh = self.layer_kind().map_or(REFRESH, LayerKind::refresh);
        self.is_current && now().abs_diff(self.reported) < refresh.as_secs()
    }

    /// Whether the other one says the same of the record.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let parts = |entry: &Self| {
            let Self { name, digest, form, source, tag, platform, time, signature, .. } = entry;
            let key = (name.clone(), digest.clone());
            let signed = (time.clone(), signature.clone());
            (key, form.clone(), source.clone(), tag.clone(), platform.clone(), signed)
        };
        parts(self) == parts(other)
    }
}

fn checksum(json: &[u8], payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Context::new(&SHA256);
    // So that no byte of the one can pass for one of the other.
    hash.update(&(json.len() as u64).to_le_bytes());
    hash.update(json);
    hash.update(payload);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.iter_mut().zip(hash.finish().as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::records::packed::{Packed, Row};
    use crate::data::records::tests::record;

    /// What a value comes to when it is read: the record, if it is that.
    fn read(entry: &[u8], payload: &[u8]) -> Option<Record> {
        let digest = record("payload").digest;
        Row { entry: Entry::parse(entry, payload)?, payload: payload.to_vec() }
            .into_record("library/httpd", &digest)
    }

    fn entry_of(record: Record) -> Entry {
        let Packed { record, unpacked } = Packed::of(record);
        Entry::of(&record, unpacked, 7)
    }

    #[test]
    fn no_flipped_bit_is_believed() {
        let sound = entry_of(record("payload")).to_bytes(b"payload").unwrap();
        assert_eq!(read(&sound, b"payload"), Some(record("payload")));
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&damaged, b"payload"), None, "bit {bit} of the entry");
        }
        for bit in 0..7 * 8 {
            let mut damaged = b"payload".to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&sound, &damaged), None, "bit {bit} of the payload");
        }
        for len in 0..sound.len() {
            assert_eq!(read(&sound[..len], b"payload"), None, "the first {len} bytes");
        }
    }

    #[test]
    fn a_config_is_kept_as_a_manifest_is() {
        let config = Record { form: Form::Other, ..record("payload") };
        let entry = entry_of(config.clone()).to_bytes(b"payload").unwrap();
        assert_eq!(read(&entry, b"payload"), Some(config));
    }

    #[test]
    fn the_first_format_is_checked_against_its_digest() {
        let former = serde_json::to_vec(&entry_of(record("payload"))).unwrap();
        assert_eq!(read(&former, b"payload"), Some(record("payload")));
        assert!(!Entry::parse(&former, b"payload").unwrap().is_current);
        assert_eq!(read(&former, b"pay1oad"), None);
    }
}
