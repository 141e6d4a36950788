//! The rules by which engines take a schema 1 manifest: those of their sources (`graph/pull_v2.go`, later
//! `distribution/pull_v2.go`), which were measured by what each refuses.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use downshift::{Digest, Limits, jws};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::docker::Docker;
use downshift_cases::response::Response;

/// A schema 1 manifest, as far as engines read it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    #[serde(default)]
    fs_layers: Vec<Layer>,
    #[serde(default)]
    history: Vec<History>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    blob_sum: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    v1_compatibility: String,
}

/// What a `v1Compatibility` is decoded into: `image.Image`. A member of another type is an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Image {
    pub(super) id: String,
    parent: String,
    pub(super) throwaway: bool,
    #[serde(rename = "config")]
    _config: Option<ContainerConfig>,
    #[serde(rename = "container_config")]
    _container_config: Option<ContainerConfig>,
}

impl Image {
    pub(super) fn parent(&self) -> &str {
        &self.parent
    }
}

/// The part of `runconfig.Config` that images have in different types.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerConfig {
    #[serde(rename = "Cmd")]
    _cmd: Option<Vec<String>>,
    #[serde(rename = "Entrypoint")]
    _entrypoint: Option<Vec<String>>,
    #[serde(rename = "Env")]
    _env: Option<Vec<String>>,
    #[serde(rename = "ExposedPorts")]
    _exposed_ports: Option<BTreeMap<String, BTreeMap<String, IgnoredAny>>>,
    #[serde(rename = "Volumes")]
    _volumes: Option<BTreeMap<String, BTreeMap<String, IgnoredAny>>>,
    #[serde(rename = "Labels")]
    _labels: Option<BTreeMap<String, String>>,
}

/// The images of a manifest and their blobs, newest first.
pub(super) fn images(
    docker: Docker,
    response: &Response,
    pinned: Option<&Digest>,
) -> anyhow::Result<Vec<(String, Image)>> {
    let manifest: Manifest = serde_json::from_slice(&trusted(docker, response, pinned)?)?;
    let (layers, history) = (manifest.fs_layers, manifest.history);
    ensure!(manifest.schema_version == 1, "unsupported schema version {}", manifest.schema_version);
    ensure!(!layers.is_empty(), "no FSLayers in manifest");
    ensure!(layers.len() == history.len(), "length of history not equal to number of layers");
    let mut images = Vec::new();
    for (layer, entry) in layers.into_iter().zip(&history) {
        Digest::parse(&layer.blob_sum)?;
        let image: Image = serde_json::from_str(&entry.v1_compatibility)?;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        ensure!(image.id.len() == 64 && image.id.bytes().all(is_hex), "image ID `{}` is invalid", image.id);
        images.push((layer.blob_sum, image));
    }
    if docker >= Docker::V1_8_3 { fixed_chain(images) } else { registered_chain(images) }
}

/// The bytes that the engine reads the manifest from, once it trusts them.
fn trusted(docker: Docker, response: &Response, pinned: Option<&Digest>) -> anyhow::Result<Vec<u8>> {
    let document = jws::parse(&response.body, &Limits::default());
    let reported = response.header("docker-content-digest");
    match docker {
        Docker::V1_6_2 | Docker::V1_7_1 => {
            let document = document?;
            ensure!(downshift_sign::verify(&document).is_valid(), "manifest verification failed");
            let digest = Digest::of(&document.payload);
            match reported {
                Some(reported) => ensure!(reported == digest.as_str(), "remote digest `{reported}`"),
                // 1.7 computes it.
                None => {
                    ensure!(pinned.is_none() || docker == Docker::V1_7_1, "there is no digest to compare");
                }
            }
            ensure!(pinned.is_none_or(|pinned| *pinned == digest), "the digest is `{digest}`");
            Ok(document.payload)
        }
        Docker::V1_8_3 | Docker::V1_9_1 => match pinned {
            None => Ok(response.body.clone()),
            Some(pinned) => {
                let payload = document.map_or_else(|_| response.body.clone(), |document| document.payload);
                ensure!(pinned.matches(&payload), "image verification failed for digest {pinned}");
                Ok(payload)
            }
        },
        Docker::V1_10_3 | Docker::V1_13_1 | Docker::V20_10_24 => {
            let document = document?;
            ensure!(!document.signatures.is_empty(), "no signatures");
            ensure!(
                pinned.is_none_or(|pinned| pinned.matches(&document.payload)),
                "image verification failed"
            );
            Ok(document.payload)
        }
    }
}

/// 1.8.3 and later: each image is the parent of the one before it, and neighbours with one id are one image.
fn fixed_chain(images: Vec<(String, Image)>) -> anyhow::Result<Vec<(String, Image)>> {
    let mut chain: Vec<(String, Image)> = Vec::new();
    let mut ids = BTreeSet::new();
    for (blob, image) in images.into_iter().rev() {
        match chain.last_mut() {
            None => ensure!(image.parent.is_empty(), "invalid parent ID in the base layer of the image"),
            // Of two the older one stays.
            Some((_, older)) if older.id == image.id => continue,
            Some((_, older)) => {
                ensure!(image.parent == older.id, "invalid parent ID; expected `{}`", older.id);
            }
        }
        ensure!(ids.insert(image.id.clone()), "ID `{}` appears multiple times in manifest", image.id);
        chain.push((blob, image));
    }
    chain.reverse();
    Ok(chain)
}

/// 1.6 and 1.7: a parent must have been stored before, but there need not be one.
fn registered_chain(images: Vec<(String, Image)>) -> anyhow::Result<Vec<(String, Image)>> {
    let mut registered = BTreeSet::new();
    for (_, image) in images.iter().rev() {
        let known = image.parent.is_empty() || registered.contains(&image.parent);
        ensure!(known, "could not find image: no such id: {}", image.parent);
        registered.insert(image.id.clone());
    }
    Ok(images)
}
