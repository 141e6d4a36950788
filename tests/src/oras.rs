//! oras for Python, which names no schema 1, as its users call it.

use core::net::SocketAddr;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use downshift::Digest;
use downshift_cases::images::REPOSITORY;
use serde_json::Value;

use crate::programs::PYTHON;

/// Where it is: `cargo xtask test` installs it, and says so.
const VARIABLE: &str = "DOWNSHIFT_ORAS";

/// What a pull brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The manifest. oras does not keep its bytes.
    pub manifest: Value,
    /// The layers, lowest first.
    pub layers: Vec<Vec<u8>>,
}

/// Pulls an image, `:` and a tag or `@` and a digest.
///
/// # Errors
/// If it does not come. The error has its last words.
pub fn pull(registry: SocketAddr, reference: &str) -> anyhow::Result<Pulled> {
    let installed = env::var_os(VARIABLE)
        .with_context(|| format!("{VARIABLE} is not set; `cargo xtask test` sets it"))?;
    let folder = tempfile::tempdir()?;
    let output = Command::new(PYTHON)
        .env("PYTHONPATH", installed)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/pull.py"))
        .arg(format!("{registry}/{REPOSITORY}{reference}"))
        .arg(folder.path())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "oras does not pull `{reference}`: {}", said.trim());
    let manifest: Value = serde_json::from_slice(&output.stdout)?;
    let layers = manifest["layers"].as_array().context("there are no layers")?;
    let layer = |descriptor: &Value| {
        let digest = Digest::parse(descriptor["digest"].as_str().unwrap_or_default())?;
        let layer = fs::read(folder.path().join(digest.as_str()))?;
        ensure!(digest.matches(&layer), "`{digest}` has another digest");
        ensure!(descriptor["size"] == layer.len(), "`{digest}` has {} bytes: {descriptor}", layer.len());
        Ok(layer)
    };
    Ok(Pulled { layers: layers.iter().map(layer).collect::<anyhow::Result<_>>()?, manifest })
}
