//! The chain that the project began with: what Docker builds and pushes goes by a registry, a mirror of that, and what is
//! published of the mirror, to engines old and new. And back: what old engines have pushed, to clients that dropped schema 1.

use core::net::SocketAddr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use downshift::{Digest, Form};
use downshift_cases::difference;
use downshift_cases::images::{REPOSITORY, sample};
use downshift_cases::response::is_manifest;
use downshift_tests::clients::Client;
use downshift_tests::current::{self, CONTAINERD_ACCEPT};
use downshift_tests::engines::Docker;
use downshift_tests::file_servers::{FileServer, Running};
use downshift_tests::front::manifest_path;
use downshift_tests::programs::{
    APACHE, CADDY, DOCKER, DOCKER_REGISTRY, DOCKERD, NGINX, PODMAN, SKOPEO, case_after, locate,
};
use downshift_tests::registry::Registry;
use downshift_tests::server::Server;
use downshift_tests::{http, program, skopeo};
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::Named;
use crate::archives::replayed;
use crate::clients::pulls;

/// The tag of everything here.
const TAG: &str = "latest";

/// The file that the built image has, and what is in it.
const GREETING: (&str, &str) = ("etc/greeting", "Hello\n");

/// Docker and podman of this machine.
type Engines = (Client, Client);

pub(crate) fn trials() -> Vec<Trial> {
    let programs = [APACHE, CADDY, DOCKER, DOCKER_REGISTRY, DOCKERD, NGINX, PODMAN, SKOPEO];
    let trial = |(name, run): Named<fn(&Engines) -> anyhow::Result<()>>| {
        let engines = || Ok((Client::docker()?, Client::podman()?));
        case_after(programs, format!("chain::{name}"), engines, move |engines| run(&engines))
    };
    vec![
        trial(named!(what_docker_built_reaches_engines_old_and_new)),
        trial(named!(what_old_engines_pushed_reaches_clients_of_today)),
    ]
}

/// A mirror of a registry, and what is published of that.
struct Chain {
    folder: TempDir,
}

/// Who serves it, and where.
struct Place {
    name: String,
    address: SocketAddr,
    _process: Process,
}

enum Process {
    Live { _server: Server },
    Files { _server: Running },
}

impl Chain {
    /// Copies what a registry has, and publishes the copy.
    fn from(registry: &Registry) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        // Web servers run as somebody else.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let chain = Self { folder };
        let [store, key, out] = ["store", "key", "out"].map(|name| chain.path(name));
        program::succeed(["key", "new", "--output", &key])?;
        program::succeed(["sync", "--upstream", registry.url(), "--store", &store, REPOSITORY])?;
        program::succeed(["publish", &out, "--engine", "native", "--key", &key, "--from", &store])?;
        Ok(chain)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A server of this project, and each web server that is installed.
    fn places(&self) -> anyhow::Result<Vec<Place>> {
        let [store, key, out] = ["store", "key", "out"].map(|name| self.path(name));
        let live = program::serve(["--engine", "native", "--store", &store, "--key", &key])?;
        let live = Place {
            name: "serve".to_owned(),
            address: live.address(),
            _process: Process::Live { _server: live },
        };
        let files = FileServer::ALL.into_iter().filter(|server| locate(server.program()).is_some());
        let files = files.map(|server| {
            let running = server.serve(Path::new(&out))?;
            let (name, address) = (server.name().to_owned(), running.address());
            Ok(Place { name, address, _process: Process::Files { _server: running } })
        });
        [Ok(live)].into_iter().chain(files).collect()
    }
}

fn what_docker_built_reaches_engines_old_and_new((docker, podman): &Engines) -> anyhow::Result<()> {
    let (path, content) = GREETING;
    let context = tempfile::tempdir()?;
    fs::write(
        context.path().join("Dockerfile"),
        format!("FROM scratch\nCOPY greeting /{path}\nCMD [\"/none\"]\n"),
    )?;
    fs::write(context.path().join("greeting"), content)?;
    let registry = Registry::start()?;
    docker.build_and_push(context.path(), &format!("{}/{REPOSITORY}:{TAG}", registry.host()))?;

    let accept = [("Accept", Form::Schema2.media_type())];
    let ask = |address| http::send(address, "GET", &manifest_path(TAG), &accept);
    let stored = ask(registry.host().parse()?)?;
    let digest: Digest = stored.header("docker-content-digest").context("no digest is reported")?.parse()?;
    is_manifest(&stored, Form::Schema2, &digest)?;

    for Place { name, address, .. } in &Chain::from(&registry)?.places()? {
        let seen = ask(*address)?;
        // Web servers have an ETag of their own.
        let says = |header: &str, value: &str| seen.header(header) == Some(value);
        let is_schema2 = says("content-type", Form::Schema2.media_type());
        ensure!(is_schema2 && says("docker-content-digest", digest.as_str()), "{name}: {seen:?}");
        difference::compare(name, &stored.body, &seen.body)?;
        let mut reported = vec![digest.to_string()];
        for engine in Docker::ALL.into_iter().chain([Docker::V1_13_1, Docker::V20_10_24]) {
            let context = || format!("{} from {name}", engine.version());
            let pulled = engine.pull(*address, REPOSITORY, TAG).with_context(context)?;
            let own = pulled.reported.clone().with_context(context)?;
            let again = engine.pull(*address, REPOSITORY, &own).with_context(context)?;
            ensure!(again == pulled, "{}: by its digest it is something else", context());
            reported.push(own);
        }
        reported.sort_unstable();
        reported.dedup();
        ensure!(reported.len() > 1, "old engines get schema 2 from {name}");
        let references = [format!(":{TAG}")].into_iter().chain(reported.iter().map(|own| format!("@{own}")));
        for reference in references {
            for client in [docker, podman] {
                let pulled = client.pull(&format!("{address}/{REPOSITORY}{reference}"));
                let pulled = pulled.with_context(|| format!("`{reference}` from {name}"))?;
                ensure!(pulled.contains_key(path), "`{reference}` from {name} has other files: {pulled:?}");
            }
        }
        let pulled = skopeo::pull(*address, &format!(":{TAG}"), &[]).with_context(|| name.clone())?;
        ensure!(pulled.manifest == stored.body, "skopeo gets another manifest from {name}");
    }
    Ok(())
}

fn what_old_engines_pushed_reaches_clients_of_today((docker, podman): &Engines) -> anyhow::Result<()> {
    let layers = sample::plain_layers().iter().map(|tar| sample::gzip(tar)).collect();
    let registry = Registry::start()?;
    registry.push(REPOSITORY, TAG, &sample::schema1(layers)?)?;

    for Place { name, address, .. } in &Chain::from(&registry)?.places()? {
        for client in current::ALL {
            let tag = format!(":{TAG}");
            replayed(client, *address, &tag).with_context(|| format!("{} from {name}", client.name))?;
        }
        let accept = [("Accept", CONTAINERD_ACCEPT), ("User-Agent", "containerd/2.4.0")];
        let answer = http::send(*address, "GET", &manifest_path(TAG), &accept)?;
        let made = answer.header("docker-content-digest").with_context(|| format!("{name}: {answer:?}"))?;
        ensure!(answer.status == 200 && !made.is_empty(), "{name}: {answer:?}");
        // By tag these read schema 1, as it was pushed; by the digest that others are given, they get what those get.
        for reference in [format!(":{TAG}"), format!("@{made}")] {
            for client in [docker, podman] {
                pulls(client, *address, &reference).with_context(|| format!("`{reference}` from {name}"))?;
            }
        }
        for engine in Docker::ALL {
            let pulled = engine.pull(*address, REPOSITORY, TAG);
            pulled.with_context(|| format!("{} from {name}", engine.version()))?;
        }
    }
    Ok(())
}
