//! Layers, and the history that made them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::Digest;
use downshift::document::Manifest;
use downshift::schema1::Schema1;

use crate::parts::flags;
use crate::read::Documents;
use crate::report::{HistoryEntry, Layer, Part, Totals};

/// The layers of a schema 2 or OCI manifest.
pub(crate) fn of_manifest(manifest: &Manifest, documents: &Documents<'_>) -> Vec<Layer> {
    let mut layers: Vec<Layer> = manifest
        .layers
        .iter()
        .enumerate()
        .map(|(index, descriptor)| Layer {
            part: Part::of(descriptor, documents),
            number: index.saturating_add(1),
            empty: descriptor.digest.as_str() == Digest::EMPTY_LAYER,
            flags: flags(descriptor),
            ..Layer::default()
        })
        .collect();
    mark_repeated(&mut layers);
    layers
}

/// The layers of schema 1, lowest first, with what facts say of them: it has neither their sizes nor their diff ids itself.
pub(crate) fn of_schema1(schema1: &Schema1<'_>, documents: &Documents<'_>) -> Vec<Layer> {
    let mut layers: Vec<Layer> = schema1
        .layers
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digest)| {
            let facts = documents.facts(digest);
            Layer {
                part: Part::new(digest, facts.map(|facts| facts.size), documents),
                number: index.saturating_add(1),
                empty: digest == Digest::EMPTY_LAYER,
                diff_id: facts.map(|facts| facts.diff_id.to_string()),
                ..Layer::default()
            }
        })
        .collect();
    mark_repeated(&mut layers);
    layers
}

fn mark_repeated(layers: &mut [Layer]) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for layer in &*layers {
        let times = times.entry(layer.part.digest.clone()).or_default();
        *times = times.saturating_add(1);
    }
    for layer in layers.iter_mut().filter(|layer| layer.part.digest != Digest::EMPTY_LAYER) {
        if times.get(&layer.part.digest).is_some_and(|&times| times > 1) {
            layer.flags.push("repeated");
        }
    }
}

/// Joins the history of a config to the layers that it made, each entry that is not empty to the next.
pub(crate) fn join(layers: &mut [Layer], history: &mut [HistoryEntry]) {
    let mut next = 0_usize;
    for (index, entry) in history.iter_mut().enumerate().filter(|(_, entry)| !entry.empty) {
        let Some(layer) = layers.get_mut(next) else { break };
        layer.history = Some(index);
        entry.layer = Some(next);
        next = next.saturating_add(1);
    }
}

/// Joins the records of schema 1 to its layers: there each has one, be it the empty layer.
pub(crate) fn join_records(layers: &mut [Layer], history: &mut [HistoryEntry]) {
    for (index, (layer, entry)) in layers.iter_mut().zip(history).enumerate() {
        layer.history = Some(index);
        layer.empty |= entry.empty;
        entry.empty = layer.empty;
        entry.layer = Some(index);
    }
}

/// Gives layers their diff ids, and the chain ids that follow (OCI image specification, config.md, "Layer ChainID").
pub(crate) fn identify(layers: &mut [Layer], diff_ids: &[String]) {
    let mut chain: Option<String> = None;
    for (layer, diff_id) in layers.iter_mut().zip(diff_ids) {
        let next = match &chain {
            Some(chain) => Digest::of([chain, " ", diff_id].concat().as_bytes()).to_string(),
            None => diff_id.clone(),
        };
        layer.diff_id = Some(diff_id.clone());
        layer.chain_id = Some(next.clone());
        chain = Some(next);
    }
}

/// Numbers over layers and the history entries that made none.
pub(crate) fn totals(layers: &[Layer], history: &[HistoryEntry]) -> Totals {
    let mut seen = BTreeSet::new();
    let distinct = layers.iter().filter(|layer| seen.insert(&layer.part.digest));
    let sizes: Option<Vec<u64>> = distinct.map(|layer| layer.part.size).collect();
    let sizes = sizes.filter(|_| !layers.is_empty());
    let without = history.iter().filter(|entry| entry.empty && entry.layer.is_none()).count();
    let empty = layers.iter().filter(|layer| layer.empty).count();
    Totals {
        layers: layers.len(),
        empty: empty.saturating_add(without),
        size: sizes.as_ref().map(|sizes| sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size))),
        largest: sizes.and_then(|sizes| sizes.into_iter().max()),
    }
}
