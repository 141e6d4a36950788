//! `downshift serve` in front of images made for a test.

use core::net::SocketAddr;

use tempfile::TempDir;

use crate::http::{self, Response};
use crate::images::{Image, layout};
use crate::program;
use crate::server::Server;

/// A way to run the conversions, which everything that is served goes through.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Its name, with which the names of its tests begin.
    pub name: &'static str,
    /// What chooses it on the command line.
    pub arguments: &'static [&'static str],
}

/// Every engine of the program.
pub const ENGINES: &[Engine] = &[Engine { name: "native", arguments: &[] }];

/// A running server with a store of its own.
#[derive(Debug)]
pub struct Front {
    // Dropped in this order: the process ends before its folder goes.
    server: Server,
    _store: TempDir,
}

impl Front {
    /// Serves `images`, each with its tag, as the repository `library/sample`.
    ///
    /// # Errors
    /// If the store cannot be written, or the program does not start.
    pub fn start(engine: Engine, images: &[(&str, Image)]) -> anyhow::Result<Self> {
        Self::start_with(engine, &[], images)
    }

    /// The same, with more `arguments` for `downshift serve`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(engine: Engine, arguments: &[&str], images: &[(&str, Image)]) -> anyhow::Result<Self> {
        let store = tempfile::tempdir()?;
        layout::write(&store.path().join(REPOSITORY), images)?;
        let folder = store.path().display().to_string();
        let arguments = [&["--store", &folder], engine.arguments, arguments].concat();
        Ok(Self { server: program::serve(arguments)?, _store: store })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Asks for a manifest by tag or digest, with one `Accept` line for each of `accept`.
    ///
    /// # Errors
    /// If there is no response.
    pub fn manifest(&self, reference: &str, accept: &[&str]) -> anyhow::Result<Response> {
        let headers: Vec<_> = accept.iter().map(|&value| ("Accept", value)).collect();
        self.send("GET", &manifest_path(reference), &headers)
    }

    /// Asks for a blob.
    ///
    /// # Errors
    /// If there is no response.
    pub fn blob(&self, digest: &str) -> anyhow::Result<Response> {
        self.send("GET", &format!("/v2/{REPOSITORY}/blobs/{digest}"), &[])
    }

    /// Sends one request.
    ///
    /// # Errors
    /// As [`http::send`].
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> anyhow::Result<Response> {
        http::send(self.address(), method, target, headers)
    }
}

/// The repository that is served.
pub const REPOSITORY: &str = "library/sample";

/// The path of a manifest.
#[must_use]
pub fn manifest_path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}
