//! `tests/vectors/fixed-key.json`: whole signed documents, made with one key, one time and RFC 6979 nonces.

use std::fs;

use anyhow::Context;
use downshift::{Digest, Limits, Timestamp, jws};
use downshift_sign::{P256Signer, PrivateKey};
use serde::Deserialize;

use crate::files;
use crate::images::{Descriptor, Family, Image, Manifest};

/// The suite's key, and documents that were signed with it.
#[derive(Clone, Debug, Deserialize)]
pub struct FixedKey {
    /// The time that all the documents were signed with.
    pub time: String,
    key: Key,
    /// Images and their whole schema 1 documents.
    pub cases: Vec<ImageCase>,
    /// JSON objects in several layouts, and the same signed.
    pub format_cases: Vec<FormatCase>,
}

#[derive(Clone, Debug, Deserialize)]
struct Key {
    sec1_pem: String,
}

/// A schema 2 image, and the whole schema 1 document that it gives.
#[derive(Clone, Debug, Deserialize)]
pub struct ImageCase {
    /// What it is about.
    pub name: String,
    /// The repository's name.
    #[serde(rename = "repo")]
    pub repository: String,
    /// The tag.
    pub tag: String,
    config: String,
    layers: Vec<String>,
    /// The whole document.
    pub signed: String,
}

/// A JSON object, and the same signed.
#[derive(Clone, Debug, Deserialize)]
pub struct FormatCase {
    /// What is special about its layout.
    pub name: String,
    /// The object.
    pub payload: String,
    /// The whole document.
    pub signed: String,
}

impl FixedKey {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or is something else.
    pub fn read() -> anyhow::Result<Self> {
        let path = files::path("vectors/fixed-key.json");
        let text = fs::read(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("`{}` is something else", path.display()))
    }

    /// The key, to sign with.
    ///
    /// # Errors
    /// If it is no P-256 key.
    pub fn signer(&self) -> anyhow::Result<P256Signer> {
        Ok(P256Signer::new(&PrivateKey::parse(self.key.sec1_pem.as_bytes())?))
    }

    /// The key as a file.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.key.sec1_pem
    }

    /// The [time](Self::time), read.
    ///
    /// # Errors
    /// If it is no time.
    pub fn time(&self) -> anyhow::Result<Timestamp> {
        Ok(self.time.parse()?)
    }
}

impl ImageCase {
    /// The image: its layers are known by their digests only.
    ///
    /// # Errors
    /// If a layer's digest is none.
    pub fn image(&self) -> anyhow::Result<Image> {
        let layer = |digest: &String| -> anyhow::Result<_> {
            let digest = Digest::parse(digest)?;
            Ok(Descriptor { media_type: Family::Docker.layer(), size: 0, digest, platform: None })
        };
        let config = self.config.clone().into_bytes();
        let manifest = Manifest::single(
            Family::Docker,
            Descriptor::of(Family::Docker.config(), &config),
            self.layers.iter().map(layer).collect::<Result<_, _>>()?,
        );
        Ok(Image { manifest, children: Vec::new(), configs: vec![config], layers: Vec::new() })
    }
}

/// A signed schema 1 manifest that no part of this project has made.
///
/// # Errors
/// If it cannot be read.
pub fn signed_schema1() -> anyhow::Result<Vec<u8>> {
    let case = FixedKey::read()?.cases.into_iter().next().context("there are no cases")?;
    Ok(case.signed.into_bytes())
}

/// Another one, without its signature.
///
/// # Errors
/// If it cannot be read.
pub fn unsigned_schema1() -> anyhow::Result<Vec<u8>> {
    let case = FixedKey::read()?.cases.into_iter().nth(1).context("there is one case only")?;
    Ok(jws::parse(case.signed.as_bytes(), &Limits::default())?.payload)
}
