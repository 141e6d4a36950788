//! What is known of layers, as records beside those of manifests: in the same segments, with the same checksum, written in
//! the same transactions. So one number bounds them all, and whatever answers count on goes by the same rules.
//!
//! There are three kinds. The *facts* of a blob are true wherever it is, and so of no repository. The *sources* of a diff id
//! are of the repository in which that was reported: the stored blobs that unpack to it. Of a *known blob* there is no more
//! than that: the registry has given it out in this repository, to somebody who may pull there.

use downshift::Digest;
use downshift::layer::{Compression, LayerFacts};
use downshift_layer::DECODER_VERSION;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::layer_kind::{Key, LayerKind};
use super::packed::Row;

/// How many stored blobs are kept for a diff id in a repository. There is one for each way in which the same tar was
/// compressed, and few images have as many as three.
const MAX_SOURCES: usize = 8;

/// Bytes that the records of a layer may take, at the most.
pub(super) const MOST_BYTES: u64 = 8 * 1024;

fn row(kind: LayerKind, name: &str, digest: &Digest, payload: Vec<u8>) -> Row {
    let Key { name, item } = kind.key(name, digest);
    Row { entry: Entry::of_layer(name, item, kind.word(), &payload), payload }
}

/// Facts as they are written.
#[derive(Deserialize, Serialize)]
struct WrittenFacts {
    digest: String,
    compression: String,
    size: u64,
    diff_id: String,
    plain_size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zstd_window: Option<u64>,
    decoder_version: u32,
}

impl WrittenFacts {
    fn of(facts: &LayerFacts) -> Self {
        Self {
            digest: facts.digest.to_string(),
            compression: facts.compression.name().to_owned(),
            size: facts.size,
            diff_id: facts.diff_id.to_string(),
            plain_size: facts.plain_size,
            zstd_window: facts.zstd_window,
            decoder_version: facts.decoder_version,
        }
    }

    fn read(self) -> Option<LayerFacts> {
        Some(LayerFacts {
            digest: Digest::parse(&self.digest).ok()?,
            compression: Compression::named(&self.compression)?,
            size: self.size,
            diff_id: Digest::parse(&self.diff_id).ok()?,
            plain_size: self.plain_size,
            zstd_window: self.zstd_window,
            decoder_version: self.decoder_version,
        })
    }
}

fn write(facts: &[LayerFacts]) -> Result<Vec<u8>, String> {
    let written: Vec<_> = facts.iter().map(WrittenFacts::of).collect();
    serde_json::to_vec(&written).map_err(|error| error.to_string())
}

/// The facts in a payload whose checksum is right; nothing if a newer program has written what this one does not know.
fn read(payload: &[u8]) -> Option<Vec<LayerFacts>> {
    let written: Vec<WrittenFacts> = serde_json::from_slice(payload).ok()?;
    written.into_iter().map(WrittenFacts::read).collect()
}

/// The facts that a record of facts says, unless a decoder of another version has learnt them.
pub(super) fn facts(payload: &[u8]) -> Option<LayerFacts> {
    read(payload)?.pop().filter(|facts| facts.decoder_version == DECODER_VERSION)
}

/// The sources that a record of sources says, the newest first. A source stays one, whatever has decoded it: the tar has the
/// digest that was reported for it.
pub(super) fn sources(payload: &[u8]) -> Vec<LayerFacts> {
    read(payload).unwrap_or_default()
}

/// The records that are to be kept of a layer that was reported in the repository `name`: its facts, and the sources of its
/// diff id, which are those in `former` and this one.
pub(super) fn rows(name: &str, layer: &LayerFacts, former: Option<&[u8]>) -> Result<[Row; 2], String> {
    let mut all = former.map(sources).unwrap_or_default();
    match all.iter_mut().find(|source| source.digest == layer.digest) {
        // It stays where it is, so that two sources which are reported by turns are not written each time.
        Some(source) => source.clone_from(layer),
        None => all.insert(0, layer.clone()),
    }
    all.truncate(MAX_SOURCES);
    Ok([facts_row(layer)?, row(LayerKind::Sources, name, &layer.diff_id, write(&all)?)])
}

/// The record of a layer's facts.
pub(super) fn facts_row(layer: &LayerFacts) -> Result<Row, String> {
    Ok(row(LayerKind::Facts, "", &layer.digest, write(core::slice::from_ref(layer))?))
}

/// The record of a blob that is in the repository `name`.
pub(super) fn known_row(name: &str, digest: &Digest) -> Row {
    row(LayerKind::Known, name, digest, Vec::new())
}

#[cfg(test)]
mod tests {
    use core::slice;
    use std::fs;

    use super::super::size::OVERHEAD;
    use super::super::tests::{of_each_kind, record};
    use super::super::{Error, Records};
    use super::*;

    const NAME: &str = "library/httpd";

    /// The facts of a layer with this text as its stored blob, of a tar with that one.
    fn layer(blob: &str, tar: &str) -> LayerFacts {
        LayerFacts {
            digest: Digest::of(blob.as_bytes()),
            compression: Compression::Zstd,
            size: blob.len() as u64,
            diff_id: Digest::of(tar.as_bytes()),
            plain_size: tar.len() as u64,
            zstd_window: Some(1 << 23),
            decoder_version: DECODER_VERSION,
        }
    }

    fn reported<const N: usize>(layers: [&LayerFacts; N]) -> Vec<(String, LayerFacts)> {
        layers.into_iter().map(|layer| (NAME.to_owned(), layer.clone())).collect()
    }

    #[tokio::test]
    async fn facts_are_of_a_blob_and_sources_of_a_repository() {
        let (_folder, kinds) = of_each_kind(1 << 20);
        for records in kinds {
            let (zstd, gzip) = (layer("zstd", "tar"), layer("gzip", "tar"));
            records.keep_layers(reported([&zstd])).await.unwrap();
            records.keep_facts(&gzip).await.unwrap();
            for facts in [&zstd, &gzip] {
                assert_eq!(records.facts(&facts.digest).unwrap().as_ref(), Some(facts));
            }
            assert_eq!(records.sources(NAME, &zstd.diff_id).unwrap(), slice::from_ref(&zstd));
            assert!(records.sources("library/nginx", &zstd.diff_id).unwrap().is_empty());
            assert!(records.sources(NAME, &zstd.digest).unwrap().is_empty());
            assert_eq!(records.facts(&zstd.diff_id).unwrap(), None);
            // None of that is a manifest.
            assert_eq!(records.get(NAME, &zstd.diff_id).unwrap(), None);
            assert!(!records.contains("", &zstd.digest).unwrap());
        }
    }

    #[tokio::test]
    async fn every_compression_comes_back() {
        let (_folder, kinds) = of_each_kind(1 << 20);
        for records in kinds {
            for compression in Compression::ALL {
                let facts = LayerFacts { compression, zstd_window: None, ..layer(compression.name(), "tar") };
                records.keep_facts(&facts).await.unwrap();
                assert_eq!(records.facts(&facts.digest).unwrap(), Some(facts));
            }
        }
    }

    #[tokio::test]
    async fn sources_are_few_and_the_newest_first() {
        let (_folder, kinds) = of_each_kind(1 << 20);
        let all: Vec<_> = (0..MAX_SOURCES + 3).map(|number| layer(&number.to_string(), "tar")).collect();
        for records in kinds {
            for facts in &all {
                records.keep_layers(reported([facts])).await.unwrap();
                // Which was reported before, and stays where it is.
                records.keep_layers(reported([&all[0]])).await.unwrap();
                assert_eq!(records.facts(&facts.digest).unwrap().as_ref(), Some(facts));
            }
            let sources = records.sources(NAME, &all[0].diff_id).unwrap();
            assert_eq!(sources.len(), MAX_SOURCES);
            // What was pushed out is back, as the newest.
            let expected = [all.last().unwrap().clone(), all[0].clone()];
            assert!(expected.iter().all(|source| sources.contains(source)), "{sources:?}");
        }
    }

    #[tokio::test]
    async fn facts_of_another_decoder_are_not_there_but_the_source_is() {
        let (_folder, kinds) = of_each_kind(1 << 20);
        for records in kinds {
            let former = LayerFacts { decoder_version: DECODER_VERSION - 1, ..layer("blob", "tar") };
            records.keep_layers(reported([&former])).await.unwrap();
            assert_eq!(records.facts(&former.digest).unwrap(), None);
            assert_eq!(records.sources(NAME, &former.diff_id).unwrap(), slice::from_ref(&former));
            // They are learnt again.
            let now = layer("blob", "tar");
            records.keep_layers(reported([&now])).await.unwrap();
            assert_eq!(records.facts(&now.digest).unwrap().as_ref(), Some(&now));
            assert_eq!(records.sources(NAME, &now.diff_id).unwrap(), slice::from_ref(&now));
        }
    }

    #[tokio::test]
    async fn a_blob_is_known_in_its_repository_only() {
        let (_folder, kinds) = of_each_kind(1 << 20);
        for records in kinds {
            let digest = Digest::of(b"private");
            // Its facts say nothing about who may have it.
            records.keep_facts(&layer("private", "tar")).await.unwrap();
            assert!(records.facts(&digest).unwrap().is_some());
            assert!(!records.is_known_blob(NAME, &digest).unwrap());
            records.keep_known_blob(NAME, &digest).await.unwrap();
            assert!(records.is_known_blob(NAME, &digest).unwrap());
            assert!(!records.is_known_blob("library/nginx", &digest).unwrap());
            assert!(!records.is_known_blob(NAME, &Digest::of(b"tar")).unwrap());
        }
    }

    #[tokio::test]
    async fn all_of_it_outlives_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let facts = layer("blob", "tar");
        for round in 0..2 {
            let records = Records::open(folder.path(), 1 << 20).unwrap();
            if round == 0 {
                records.keep(vec![record("manifest")]).await.unwrap();
                records.keep_layers(reported([&facts])).await.unwrap();
                records.keep_known_blob(NAME, &facts.digest).await.unwrap();
            }
            assert!(records.contains(NAME, &Digest::of(b"manifest")).unwrap());
            assert_eq!(records.facts(&facts.digest).unwrap().as_ref(), Some(&facts));
            assert_eq!(records.sources(NAME, &facts.diff_id).unwrap(), slice::from_ref(&facts));
            assert!(records.is_known_blob(NAME, &facts.digest).unwrap());
        }
    }

    #[tokio::test]
    async fn a_diff_id_that_was_asked_for_outlives_what_was_only_reported() {
        let capacity = 40 * (OVERHEAD + 512);
        let (_folder, kinds) = of_each_kind(capacity);
        for records in kinds {
            let (pinned, other) = (layer("pinned", "pinned tar"), layer("other", "other tar"));
            records.keep_layers(reported([&pinned, &other])).await.unwrap();
            assert_eq!(records.sources(NAME, &pinned.diff_id).unwrap(), slice::from_ref(&pinned));
            // To look facts and blobs up pins nothing: every pull by a tag does.
            for number in 0..100 {
                let stranger = layer(&format!("blob {number}"), &format!("tar {number}"));
                records.keep_layers(reported([&stranger])).await.unwrap();
                records.keep_known_blob(NAME, &stranger.digest).await.unwrap();
                assert!(records.facts(&stranger.digest).unwrap().is_some());
                assert!(records.is_known_blob(NAME, &stranger.digest).unwrap());
            }
            assert_eq!(records.sources(NAME, &pinned.diff_id).unwrap(), slice::from_ref(&pinned));
            assert!(records.sources(NAME, &other.diff_id).unwrap().is_empty());
            assert_eq!(records.facts(&other.digest).unwrap(), None);
            assert!(records.bytes().unwrap() <= capacity);
            assert!(records.evictions() > 0);
        }
    }

    #[test]
    fn no_flipped_bit_is_believed() {
        let known = known_row(NAME, &Digest::of(b"blob"));
        let rows = rows(NAME, &layer("blob", "tar"), None).unwrap().into_iter().chain([known]);
        for Row { entry, payload } in rows {
            let sound = entry.to_bytes(&payload).unwrap();
            assert!(Entry::parse(&sound, &payload).is_some());
            for bit in 0..sound.len() * 8 {
                let mut damaged = sound.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(Entry::parse(&damaged, &payload).is_none(), "bit {bit} of the entry");
            }
            for bit in 0..payload.len() * 8 {
                let mut damaged = payload.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(Entry::parse(&sound, &damaged).is_none(), "bit {bit} of the payload");
            }
        }
    }

    #[tokio::test]
    async fn what_is_damaged_on_the_disk_is_gone_and_learnt_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.redb");
        let facts = layer("blob", "tar");
        let records = Records::open(folder.path(), 1 << 20).unwrap();
        records.keep_layers(reported([&facts])).await.unwrap();
        records.keep_known_blob(NAME, &facts.digest).await.unwrap();
        drop(records);
        let mut bytes = fs::read(&path).unwrap();
        // What all three say, in the values only.
        for needle in [&b"\"plain_size\":3"[..], b"\"form\":\"known-blob\""] {
            let places: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(needle)).collect();
            assert!(!places.is_empty());
            places.into_iter().for_each(|place| bytes[place + needle.len() - 1] ^= 1);
        }
        fs::write(&path, bytes).unwrap();
        let records = Records::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(records.facts(&facts.digest).unwrap(), None);
        assert!(records.sources(NAME, &facts.diff_id).unwrap().is_empty());
        assert!(!records.is_known_blob(NAME, &facts.digest).unwrap());
        // What counted on them is told.
        assert_eq!(records.evictions(), 3);
        records.keep_layers(reported([&facts])).await.unwrap();
        assert_eq!(records.sources(NAME, &facts.diff_id).unwrap(), slice::from_ref(&facts));
    }

    #[tokio::test]
    async fn an_empty_database_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.redb");
        crate::data::keys::read_or_make(folder.path()).unwrap();
        let records = Records::open(folder.path(), 1 << 20).unwrap();
        records.keep_layers(reported([&layer("blob", "tar")])).await.unwrap();
        drop(records);
        let len = fs::metadata(&path).unwrap().len();
        for zeroed in [vec![], vec![0; usize::try_from(len).unwrap()]] {
            fs::write(&path, zeroed).unwrap();
            let opened = Records::open(folder.path(), 1 << 20);
            assert!(matches!(opened, Err(Error::Records { .. })), "it is opened");
        }
    }
}
