//! The Rust crate `oci-client`, which names no schema 1, as its users call it.

use core::net::SocketAddr;

use anyhow::Context as _;
use downshift_cases::images::REPOSITORY;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;

/// What a pull brought.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) manifest: OciImageManifest,
    pub(crate) config: String,
    /// The layers, lowest first.
    pub(crate) layers: Vec<Vec<u8>>,
}

/// Pulls an image, `:` and a tag or `@` and a digest.
pub(crate) fn pull(registry: SocketAddr, reference: &str) -> anyhow::Result<Pulled> {
    // The server, which is built with the same features, has its HTTP client know no TLS by itself. Another test may have done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let protocol = ClientProtocol::Http;
        let client = Client::new(ClientConfig { protocol, ..ClientConfig::default() });
        let image = format!("{registry}/{REPOSITORY}{reference}").parse().context("it is no reference")?;
        let (manifest, _, config) = client.pull_manifest_and_config(&image, &RegistryAuth::Anonymous).await?;
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            let mut blob = Vec::new();
            // It checks the digest.
            client.pull_blob(&image, layer, &mut blob).await?;
            layers.push(blob);
        }
        Ok(Pulled { manifest, config, layers })
    })
}
