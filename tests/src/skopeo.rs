//! skopeo, which pulls every form of manifest.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, ensure};
use downshift::Digest;

use crate::programs::SKOPEO;
use downshift_cases::images::REPOSITORY;

/// What a pull brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The exact bytes that the tag or digest gave.
    pub manifest: Vec<u8>,
    /// Everything else, by digest: manifests that it lists, configs and layers.
    pub documents: BTreeMap<Digest, Vec<u8>>,
}

/// Pulls an image, `:` and a tag or `@` and a digest, as it is, with more `arguments` for `skopeo copy`.
///
/// # Errors
/// If skopeo fails. The error has its last words.
pub fn pull(registry: SocketAddr, reference: &str, arguments: &[&str]) -> anyhow::Result<Pulled> {
    let folder = tempfile::tempdir()?;
    let output = Command::new(SKOPEO)
        .args(["--insecure-policy", "copy", "--preserve-digests", "--src-tls-verify=false"])
        .args(arguments)
        .arg(format!("docker://{registry}/{REPOSITORY}{reference}"))
        .arg(format!("dir:{}", folder.path().display()))
        .output()?;
    ensure!(
        output.status.success(),
        "skopeo does not pull `{reference}`: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut pulled = Pulled { manifest: Vec::new(), documents: BTreeMap::new() };
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        let bytes = fs::read(entry.path())?;
        match entry.file_name().to_str().context("skopeo writes names in ASCII")? {
            "version" => {}
            "manifest.json" => pulled.manifest = bytes,
            name => {
                let hex = name.strip_suffix(".manifest.json").unwrap_or(name);
                let digest = Digest::of(&bytes);
                ensure!(digest.hex() == hex, "the file `{name}` has the digest `{digest}`");
                pulled.documents.insert(digest, bytes);
            }
        }
    }
    Ok(pulled)
}
