//! Real clients have one front for the mirror of several registries, by the settings that each of them has for mirrors: a
//! repository of the same name in two of them never answers for the other.

use std::fs;

use anyhow::ensure;
use downshift::Digest;
use downshift_cases::images::{Image, sample};
use downshift_tests::clients::Client;
use downshift_tests::containerd::Containerd;
use downshift_tests::front::{Engine, Front};
use downshift_tests::programs::{CONTAINERD, CTR, DOCKER, DOCKER_REGISTRY, DOCKERD, PODMAN, case_after};
use downshift_tests::registry::Registry;
use libtest_mimic::Trial;
use tempfile::TempDir;

/// What is in the registries, each under the same name and tag.
const REPOSITORY: &str = "library/app";

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let name = |client: &str| format!("{}::upstream::mirrors::by_{client}", engine.name);
    let programs = |own: &[&'static str]| engine.programs(&[&[DOCKER_REGISTRY], own].concat());
    vec![
        case_after(programs(&[CONTAINERD, CTR]), name("containerd"), Containerd::start, move |containerd| {
            by_containerd(engine, &containerd)
        }),
        case_after(programs(&[DOCKER, DOCKERD]), name("docker"), Client::docker, move |_| by_docker(engine)),
        case_after(programs(&[PODMAN]), name("podman"), Client::podman, move |_| by_podman(engine)),
    ]
}

/// One front for three registries: Docker Hub, and two more.
struct Mirrors {
    front: Front,
    images: [(&'static str, Image); 3],
    _registries: [Registry; 3],
    _folder: TempDir,
}

impl Mirrors {
    fn start(engine: Engine) -> anyhow::Result<Self> {
        let images =
            [("docker.io", sample::schema2()), ("ghcr.io", sample::no_history()), ("quay.io", sample::oci())];
        let registries = [Registry::start()?, Registry::start()?, Registry::start()?];
        let mut settings = String::new();
        for ((host, image), registry) in images.iter().zip(&registries) {
            registry.push(REPOSITORY, "1.0", image)?;
            let prefix = if *host == "docker.io" { "" } else { host };
            let url = registry.url();
            settings
                .push_str(&format!("[[upstream]]\nurl = {url:?}\nprefix = {prefix:?}\nns = [{host:?}]\n"));
        }
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("downshift.toml");
        fs::write(&path, settings)?;
        let front = Front::start_before_several(engine, &["--config", &path.display().to_string()])?;
        Ok(Self { front, images, _registries: registries, _folder: folder })
    }

    fn url(&self) -> String {
        format!("http://{}", self.front.address())
    }
}

/// containerd says in each request which registry it means, and goes on by itself where there is none.
fn by_containerd(engine: Engine, containerd: &Containerd) -> anyhow::Result<()> {
    let mirrors = Mirrors::start(engine)?;
    for (host, image) in &mirrors.images {
        containerd.mirror(host, &mirrors.url())?;
        let pulled = containerd.pull(&format!("{host}/{REPOSITORY}:1.0"))?;
        ensure!(pulled == image.manifest.digest(), "`{host}` has {pulled}");
    }
    // A name that nobody has is neither another registry's nor found anywhere.
    containerd.mirror("other.invalid", &mirrors.url())?;
    let pulled = containerd.pull(&format!("other.invalid/{REPOSITORY}:1.0"));
    ensure!(pulled.is_err(), "an unknown registry has {pulled:?}");
    Ok(())
}

/// Docker has mirrors of Docker Hub only, and for others the front stands in the name.
fn by_docker(engine: Engine) -> anyhow::Result<()> {
    let mirrors = Mirrors::start(engine)?;
    let docker = Client::docker_with(&format!("{{\"registry-mirrors\": [{:?}]}}", mirrors.url()))?;
    let front = mirrors.front.address();
    let names = [
        "app:1.0".to_owned(),
        format!("{front}/ghcr.io/{REPOSITORY}:1.0"),
        format!("{front}/quay.io/{REPOSITORY}:1.0"),
    ];
    pulls(&docker, &names, &mirrors)
}

/// podman puts the mirror in the place of the registry's host.
fn by_podman(engine: Engine) -> anyhow::Result<()> {
    let mirrors = Mirrors::start(engine)?;
    let front = mirrors.front.address();
    let mirror = |(host, _): &(&str, Image)| {
        let before = if *host == "docker.io" { String::new() } else { format!("/{host}") };
        format!(
            "[[registry]]\nlocation = {host:?}\n[[registry.mirror]]\nlocation = \"{front}{before}\"\ninsecure = true\n"
        )
    };
    let podman = Client::podman_with(&mirrors.images.iter().map(mirror).collect::<String>())?;
    let names = mirrors.images.each_ref().map(|(host, _)| format!("{host}/{REPOSITORY}:1.0"));
    pulls(&podman, &names, &mirrors)
}

/// Each name is the image of its registry.
fn pulls(client: &Client, names: &[String; 3], mirrors: &Mirrors) -> anyhow::Result<()> {
    for (name, (_, image)) in names.iter().zip(&mirrors.images) {
        let id = client.pulled_id(name)?;
        let is_own = image.configs.iter().any(|config| Digest::of(config) == id);
        ensure!(is_own, "`{name}` is the image {id}");
    }
    Ok(())
}
