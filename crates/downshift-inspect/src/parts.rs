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
    // The first with a digest.
    let mut by_digest = BTreeMap::new();
    for (at, descriptor) in index.entries.iter().enumerate() {
        by_digest.entry(descriptor.digest.as_str()).or_insert(at);
    }
    for entry in entries.iter_mut().filter(|entry| entry.role == Role::Attestation) {
        let digest = entry.annotations.iter().find(|pair| pair.name == "vnd.docker.reference.digest");
        entry.about = digest.and_then(|digest| by_digest.get(digest.value.as_str()).copied());
    }
    entries
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
