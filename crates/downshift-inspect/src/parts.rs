//! The parts that documents name: configs, subjects, and the manifests of a list or index.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use downshift::Form;
use downshift::document::{Descriptor, Document, Index};
use downshift::layer::LayerType;
use downshift_json::Value;

use crate::read::{Documents, Read};
use crate::report::{Entry, Pair, Part, Role};

impl Part {
    pub(crate) fn of(descriptor: &Descriptor, documents: &Documents<'_>) -> Self {
        Self {
            media_type: Some(descriptor.media_type.clone()).filter(|media_type| !media_type.is_empty()),
            ..Self::new(descriptor.digest.as_str(), Some(descriptor.size), documents)
        }
    }

    /// A part that is known by its digest, and perhaps its size.
    pub(crate) fn new(digest: &str, size: Option<u64>, documents: &Documents<'_>) -> Self {
        let document = documents.find(digest);
        let given = document.and_then(|index| documents.get(index)).map(|read| read.bytes.len() as u64);
        // A descriptor of signed schema 1 may count either.
        let is_signed = document
            .and_then(|index| documents.get(index))
            .is_some_and(|read| read.digests.payload.is_some());
        let wrong_size = matches!((size, given), (Some(size), Some(given)) if size != given && !is_signed);
        Self { digest: digest.to_owned(), media_type: None, size, document, wrong_size }
    }

    /// A descriptor as it stands in a document.
    pub(crate) fn of_json(descriptor: Value<'_>, documents: &Documents<'_>) -> Option<Self> {
        let digest = descriptor.member("digest")?.as_text()?;
        let size = descriptor.member("size").and_then(Value::as_u64);
        let media_type = descriptor.member("mediaType").and_then(Value::as_text);
        let media_type = media_type.filter(|text| !text.is_empty()).map(Into::into);
        Some(Self { media_type, ..Self::new(&digest, size, documents) })
    }
}

/// The entries of a list or index.
pub(crate) fn entries(index: &Index, root: Value<'_>, documents: &Documents<'_>) -> Vec<Entry> {
    let spelt = root.member("manifests").into_iter().flat_map(Value::elements);
    let mut entries: Vec<Entry> = index
        .entries
        .iter()
        .zip(spelt)
        .map(|(descriptor, spelt)| Entry {
            part: Part::of(descriptor, documents),
            platform: descriptor.plain_platform().cloned(),
            os_version: descriptor.platform.as_ref().and_then(|platform| platform.os_version.clone()),
            os_features: descriptor
                .platform
                .iter()
                .flat_map(|platform| platform.os_features.clone())
                .collect(),
            role: role(descriptor),
            about: None,
            artifact: descriptor.artifact_type.clone().filter(|artifact| !artifact.is_empty()),
            annotations: spelt.member("annotations").map(pairs).unwrap_or_default(),
        })
        .collect();
    let digests = index.entries.iter().map(|descriptor| descriptor.digest.as_str());
    let places = places(digests, entries.iter().map(attested));
    for (entry, place) in entries.iter_mut().zip(places) {
        entry.about = place;
    }
    entries
}

/// The digest that an attestation says it is about.
fn attested(entry: &Entry) -> Option<&str> {
    let is_meant = |pair: &&Pair| pair.name == "vnd.docker.reference.digest";
    let digest = (entry.role == Role::Attestation).then(|| entry.annotations.iter().find(is_meant));
    digest.flatten().map(|pair| pair.value.as_str())
}

/// The place of the first of `all` that is the same as each of `wanted`.
fn places<K: Ord>(
    all: impl Iterator<Item = K>,
    wanted: impl Iterator<Item = Option<K>>,
) -> Vec<Option<usize>> {
    let mut places = BTreeMap::new();
    for (place, key) in all.enumerate() {
        places.entry(key).or_insert(place);
    }
    wanted.map(|key| places.get(&key?).copied()).collect()
}

fn role(descriptor: &Descriptor) -> Role {
    if descriptor.is_attestation {
        return Role::Attestation;
    }
    match Form::from_media_type(&descriptor.media_type) {
        Some(form) if form.is_index() => Role::Nested,
        Some(_) if descriptor.artifact_type.as_ref().is_none_or(String::is_empty) => Role::Image,
        _ => Role::Other,
    }
}

/// The members of an object of strings. Other values are written as they are spelt.
pub(crate) fn pairs(object: Value<'_>) -> Vec<Pair> {
    object
        .members()
        .map(|(name, value)| {
            let text = match value.as_text() {
                Some(text) => text.into_owned(),
                None => String::from_utf8_lossy(value.raw()).into_owned(),
            };
            Pair::new(name.text(), text)
        })
        .collect()
}

/// The digests that a document names, with the media types that it gives them.
pub(crate) fn named(read: &Read<'_>) -> Vec<(String, String)> {
    let plain = |descriptor: &Descriptor| (descriptor.digest.to_string(), descriptor.media_type.clone());
    let mut named = Vec::new();
    match &read.document {
        Some(Document::Manifest(manifest)) => {
            named.push(plain(&manifest.config));
            named.extend(manifest.layers.iter().map(plain));
        }
        Some(Document::Index(index)) => named.extend(index.entries.iter().map(plain)),
        _ => {}
    }
    if let Some(subject) = read.root().and_then(|root| root.member("subject")) {
        let text = |name| subject.member(name).map(Value::text).unwrap_or_default().into_owned();
        named.push((text("digest"), text("mediaType")));
    }
    named
}

/// The peculiarities of a layer's type.
pub(crate) fn flags(descriptor: &Descriptor) -> Vec<&'static str> {
    use downshift::layer::Compression;

    match LayerType::of(descriptor) {
        Ok(layer_type) => {
            let compression = match layer_type.compression {
                Compression::Plain => Some("uncompressed"),
                Compression::Gzip => None,
                other => Some(other.name()),
            };
            layer_type.is_foreign.then_some("foreign").into_iter().chain(compression).collect()
        }
        Err(error) if matches!(*error, downshift::Error::EncryptedLayer { .. }) => vec!["encrypted"],
        Err(_) => vec!["unknown-type"],
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail")]
mod tests {
    use core::cell::Cell;
    use core::cmp::Ordering;

    use super::places;

    /// A key that counts how often it is compared.
    struct Counted<'c>(usize, &'c Cell<usize>);

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other) == Ordering::Equal
        }
    }

    impl Eq for Counted<'_> {}

    impl PartialOrd for Counted<'_> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Counted<'_> {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    #[test]
    fn places_of_many_are_found_without_looking_at_all_for_each() {
        const MANY: usize = 4096;
        let comparisons = Cell::new(0);
        let all = (0..MANY).map(|number| Counted(number, &comparisons));
        let wanted = (0..MANY).rev().map(|number| Some(Counted(number, &comparisons)));
        let found = places(all, wanted);
        assert!(found.into_iter().eq((0..MANY).rev().map(Some)));
        // Some dozens for each, where a look at all of them takes 2048 on average.
        assert!(comparisons.get() < 100 * MANY, "{} comparisons", comparisons.get());
    }

    #[test]
    fn the_first_of_several_is_meant_and_nothing_has_no_place() {
        assert_eq!(
            places("abca".chars(), [Some('a'), None, Some('x'), Some('c')].into_iter()),
            [Some(0), None, None, Some(2)]
        );
    }
}
