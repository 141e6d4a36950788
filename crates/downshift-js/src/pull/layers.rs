//! What an edge knows of layers: under which names it is kept for good, and how it is written.
//!
//! | name | what it says |
//! |---|---|
//! | `facts/DIGEST` | the facts of a layer, by its digest as it is stored |
//! | `blobs/NAME/DIGEST` | that the repository's origin has answered for the blob |
//! | `layers/NAME/DIFF-ID` | that a plain tar was reported in the repository |
//! | `layers/NAME/DIFF-ID/DIGEST` | the facts of a layer that unpacks to it |
//!
//! Each source has a name of its own: nobody who records one has to read the others first, and so none gets lost.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::Digest;
use downshift::answer::LayerRecord;
use downshift::layer::{DECODER_VERSION, LayerFacts};
use downshift_pull::KnownLayer;

use crate::argument::{self, Argument, Problems};
use crate::{decode, json};

/// How many layers are known at the most that unpack to one plain tar: the newest ones. Each is a request of its own that the
/// registry is asked when none of them is there any more.
const MAX_SOURCES: usize = 8;

/// What is said of a blob that is in a repository, or of a plain tar that has sources.
pub(crate) const SEEN: &str = "seen";

/// The name of a layer's facts.
pub(crate) fn facts(digest: &Digest) -> Vec<String> {
    ["facts".into(), digest.to_string()].into()
}

/// The name of what says that a repository has a blob.
pub(crate) fn seen(name: &str, digest: &Digest) -> Vec<String> {
    ["blobs".into(), name.into(), digest.to_string()].into()
}

/// The name of a plain tar, below which its sources are.
pub(crate) fn sources(name: &str, diff_id: &Digest) -> Vec<String> {
    ["layers".into(), name.into(), diff_id.to_string()].into()
}

/// What is kept of a layer of a repository that was read.
pub(crate) fn learnt(layer: &LayerRecord) -> [(Vec<String>, String); 2] {
    let LayerRecord { name, facts: own } = layer;
    [(facts(&own.digest), write(own)), (seen(name, &own.digest), SEEN.into())]
}

/// What is kept of a layer whose plain tar is reported.
pub(crate) fn reported(layer: &LayerRecord) -> [(Vec<String>, String); 2] {
    let LayerRecord { name, facts: own } = layer;
    let tar = sources(name, &own.diff_id);
    let mut source = tar.clone();
    source.push(own.digest.to_string());
    [(tar, SEEN.into()), (source, write(own))]
}

/// What is known of a layer: what was found under [`seen`] and [`facts`], in this order.
pub(crate) fn known(given: Argument<'_>) -> KnownLayer {
    let mut found = given.elements_of("found").into_iter().map(|found| found.optional_text("about"));
    let is_seen = found.next().flatten().is_some();
    let facts = found.next().flatten().and_then(|about| read(&about));
    // What a decoder of another version has learnt is learnt again.
    KnownLayer { facts: facts.filter(|facts| facts.decoder_version == DECODER_VERSION), is_seen }
}

/// The sources of a plain tar, the newest first. A source stays one, whatever has decoded it: the tar has the digest that was
/// reported for it.
pub(crate) fn read_sources(given: Argument<'_>) -> Vec<LayerFacts> {
    let source = |found: Argument<'_>| Some((found.number("time"), read(&found.text("about"))?));
    let mut sources: Vec<_> = given.elements_of("found").into_iter().filter_map(source).collect();
    sources.sort_by_key(|(time, _)| core::cmp::Reverse(*time));
    sources.into_iter().map(|(_, facts)| facts).take(MAX_SOURCES).collect()
}

/// Facts as they are kept: the digest of what follows, and JSON.
fn write(facts: &LayerFacts) -> String {
    let json = json::layer_facts(facts);
    [Digest::of(json.as_bytes()).as_str(), " ", &json].concat()
}

/// Facts that were kept, if nothing has changed of them since.
fn read(about: &str) -> Option<LayerFacts> {
    let (digest, json) = about.split_once(' ')?;
    if Digest::of(json.as_bytes()).as_str() != digest {
        return None;
    }
    let (json, problems) = (argument::parse(json).ok()?, Problems::default());
    let facts = decode::layer_facts(Argument::of(&json, &problems));
    problems.check(facts).ok()
}

#[cfg(test)]
mod tests {
    use downshift::layer::Compression;

    use super::*;

    fn layer(blob: &str, decoder_version: u32) -> LayerFacts {
        LayerFacts {
            digest: Digest::of(blob.as_bytes()),
            compression: Compression::Zstd,
            size: 4,
            diff_id: Digest::of(b"tar"),
            plain_size: 3,
            zstd_window: Some(1 << 20),
            decoder_version,
        }
    }

    /// What comes back where this is found, one after the other.
    fn with<T>(found: &[Option<(String, u64)>], act: impl Fn(Argument<'_>) -> T) -> T {
        let one = |found: &Option<(String, u64)>| match found {
            Some((about, time)) => {
                downshift_json::Object::new().text("about", about).number("time", *time).finish()
            }
            None => "null".into(),
        };
        let all = downshift_json::array(found.iter().map(one));
        let text = downshift_json::Object::new().json("found", &all).finish();
        let (json, problems) = (argument::parse(&text).ok().unwrap(), Problems::default());
        act(Argument::of(&json, &problems))
    }

    #[test]
    fn facts_come_back_unless_something_has_changed_of_them() {
        let facts = layer("zstd", DECODER_VERSION);
        let written = write(&facts);
        assert_eq!(read(&written).as_ref(), Some(&facts));
        for at in 0..written.len() {
            let mut damaged = written.clone().into_bytes();
            damaged[at] ^= 1;
            assert_eq!(read(&String::from_utf8(damaged).unwrap()), None, "byte {at}");
        }
    }

    #[test]
    fn facts_of_another_decoder_are_learnt_again_and_its_sources_stay() {
        let (now, before) = (layer("zstd", DECODER_VERSION), layer("zstd", DECODER_VERSION - 1));
        let seen = Some((SEEN.to_string(), 0));
        let known_as = |facts: &LayerFacts| with(&[seen.clone(), Some((write(facts), 0))], known);
        assert_eq!(known_as(&now), KnownLayer { facts: Some(now.clone()), is_seen: true });
        assert_eq!(known_as(&before), KnownLayer { facts: None, is_seen: true });
        assert_eq!(with(&[Some((write(&before), 0))], read_sources), [before]);
        // Facts say nothing about who may have them.
        let stranger = with(&[None, Some((write(&now), 0))], known);
        assert_eq!(stranger, KnownLayer { facts: Some(now), is_seen: false });
        assert_eq!(with(&[None, None], known), KnownLayer::default());
    }

    #[test]
    fn sources_are_few_and_the_newest_first() {
        let all: Vec<_> =
            (0..MAX_SOURCES + 3).map(|number| layer(&number.to_string(), DECODER_VERSION)).collect();
        let found: Vec<_> =
            all.iter().zip(0..).map(|(facts, time)| Some((write(facts), time % 5 * 100 + time))).collect();
        let sources = with(&found, read_sources);
        assert_eq!(sources.len(), MAX_SOURCES);
        assert_eq!(sources.iter().take(3).collect::<Vec<_>>(), [&all[9], &all[4], &all[8]]);
    }

    #[test]
    fn a_source_is_below_its_plain_tar_in_its_repository() {
        let facts = layer("zstd", DECODER_VERSION);
        let [(tar, _), (source, about)] =
            reported(&LayerRecord { name: "team/app".into(), facts: facts.clone() });
        assert_eq!(tar, sources("team/app", &facts.diff_id));
        assert_eq!(source, [tar, [facts.digest.to_string()].into()].concat());
        assert_eq!(read(&about), Some(facts));
    }
}
