//! `downshift serve`, or the worker, in front of images made for a test.

use core::net::SocketAddr;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::images::{Image, REPOSITORY, layout};
use downshift_cases::response::Response;
use tempfile::TempDir;

use crate::http;
use crate::programs::{DOCKER_REGISTRY, NODE};
use crate::registry::Registry;
use crate::server::Server;
use crate::workers::Worker;
use crate::{machine_code, program};

/// A way to run the conversions, which everything that is served goes through.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Its name, with which the names of its tests begin.
    pub name: &'static str,
    /// What chooses it on the command line.
    pub arguments: &'static [&'static str],
    /// Whether it is an edge, which has no store: what it serves is in the reference.
    pub is_worker: bool,
    /// Whether it learns what is in layers, where a conversion takes that.
    pub reads_layers: bool,
    /// Whether a server compiles something when it starts.
    has_sandbox: bool,
    serve: fn(&[String]) -> anyhow::Result<Running>,
}

/// What serves, for as long as this value lives.
#[derive(Debug)]
pub enum Running {
    /// A program.
    Program(Server),
    /// The worker.
    Worker(Worker),
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Program(server) => server.address(),
            Self::Worker(worker) => worker.address(),
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Program(server) => server.said(),
            Self::Worker(worker) => worker.said(),
        }
    }
}

/// The program without a sandbox.
pub const NATIVE: Engine = Engine {
    name: "native",
    arguments: &["--engine", "native"],
    is_worker: false,
    reads_layers: true,
    has_sandbox: false,
    serve: |arguments| program::serve(arguments).map(Running::Program),
};

/// Every engine of the program.
pub const ENGINES: &[Engine] =
    &[NATIVE, Engine { name: "wasmtime", arguments: &["--engine", "wasm"], has_sandbox: true, ..NATIVE }];

/// The worker, in workerd.
pub const WORKERD: Engine = Engine {
    name: "workerd",
    arguments: &[],
    is_worker: true,
    reads_layers: true,
    has_sandbox: false,
    serve: |arguments| Worker::start(arguments).map(Running::Worker),
};

/// The smallest place of all, which is a part of these tests.
pub const MEMORY_EDGE: Engine = Engine {
    name: "memory_edge",
    reads_layers: false,
    serve: |arguments| program::serve_memory_edge(arguments).map(Running::Program),
    ..WORKERD
};

impl Engine {
    /// The programs that its tests need, beside `others`.
    #[must_use]
    pub fn programs(self, others: &[&'static str]) -> Vec<&'static str> {
        let own: &[_] = if self.is_worker { &[NODE, DOCKER_REGISTRY] } else { &[] };
        [own, others].concat()
    }

    /// Has a server that is going to have the folder `data` find there what it would compile otherwise.
    ///
    /// # Errors
    /// If that cannot be compiled.
    fn seed(self, data: &Path) -> anyhow::Result<()> {
        if self.has_sandbox { machine_code::seed(data) } else { Ok(()) }
    }

    fn serve(self, arguments: &[String]) -> anyhow::Result<Running> {
        (self.serve)(arguments)
    }
}

/// A running server with a folder of its own: its store, or the data that it keeps.
#[derive(Debug)]
pub struct Front {
    // Dropped in this order: the process ends before its folder goes.
    running: Running,
    engine: Engine,
    arguments: Vec<String>,
    _folder: TempDir,
    /// Where the worker has its images from.
    _registry: Option<Registry>,
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
        if engine.is_worker {
            let registry = Registry::start()?;
            for (tag, image) in images {
                registry.push(REPOSITORY, tag, image).with_context(|| (*tag).to_string())?;
            }
            let front = Self::start_before(engine, arguments, &registry)?;
            return Ok(Self { _registry: Some(registry), ..front });
        }
        let folder = tempfile::tempdir()?;
        let [store, data] = ["store", "data"].map(|name| folder.path().join(name));
        layout::write(&store.join(REPOSITORY), images)?;
        let [store, data] = [store, data].map(|path| path.display().to_string());
        let mut own = vec!["--store", &store];
        // Without a data folder, each start of a sandbox would compile its guest.
        if engine.has_sandbox {
            own.extend(["--data", &data]);
            engine.seed(Path::new(&data))?;
        }
        Self::run(engine, &[&own, engine.arguments, arguments].concat(), folder)
    }

    /// Serves what is in `registry`, with more `arguments` for `downshift serve`, and a data folder.
    ///
    /// # Errors
    /// If the program does not start.
    pub fn start_before(engine: Engine, arguments: &[&str], registry: &Registry) -> anyhow::Result<Self> {
        Self::start_before_url(engine, arguments, registry.url())
    }

    /// The same for what is at `url`.
    ///
    /// # Errors
    /// If the program does not start.
    pub fn start_before_url(engine: Engine, arguments: &[&str], url: &str) -> anyhow::Result<Self> {
        Self::start_before_several(engine, &[arguments, &["--upstream", url]].concat())
    }

    /// The same for the registries that `arguments` name.
    ///
    /// # Errors
    /// If the program does not start.
    pub fn start_before_several(engine: Engine, arguments: &[&str]) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        engine.seed(data.path())?;
        let folder = data.path().display().to_string();
        let mut own = vec!["--data", &folder];
        // The worker keeps no key of its own.
        let key = data.path().join("key.pem").display().to_string();
        if engine.is_worker && !arguments.contains(&"--key") {
            fs::write(&key, FixedKey::read()?.pem())?;
            own.extend(["--key", &key]);
        }
        Self::run(engine, &[&own, engine.arguments, arguments].concat(), data)
    }

    fn run(engine: Engine, arguments: &[&str], folder: TempDir) -> anyhow::Result<Self> {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let running = engine.serve(&arguments)?;
        Ok(Self { running, engine, arguments, _folder: folder, _registry: None })
    }

    /// Kills the server, which gets no time to do anything about it, and starts it again on the same folder.
    ///
    /// # Errors
    /// If it does not start.
    pub fn killed_and_restarted(self) -> anyhow::Result<Self> {
        let Self { running, engine, arguments, _folder, _registry } = self;
        drop(running);
        Ok(Self { running: engine.serve(&arguments)?, engine, arguments, _folder, _registry })
    }

    /// Starts another server beside this one, with the same folder.
    ///
    /// # Errors
    /// If it does not start.
    pub fn beside(&self) -> anyhow::Result<Running> {
        self.engine.serve(&self.arguments)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// What it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.running.said()
    }

    /// The number of its process.
    ///
    /// # Errors
    /// If it shares that with others, as workers do.
    pub fn pid(&self) -> anyhow::Result<u32> {
        match &self.running {
            Running::Program(server) => Ok(server.pid()),
            Running::Worker(_) => Err(anyhow!("a worker has no process of its own")),
        }
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

/// The path of a manifest.
#[must_use]
pub fn manifest_path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}
