//! Schema 1 is pulled by clients that dropped it: by real ones, by those that are replayed, and by one that reads it, for
//! which it has to be the same image.

use core::net::SocketAddr;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use downshift::Digest;
use downshift_cases::images::sample::{self, gzip};
use downshift_cases::images::{Image, REPOSITORY, layout};
use downshift_cases::layers;
use downshift_cases::upward::{self, Upward};
use downshift_tests::clients::Client;
use downshift_tests::containerd::Containerd;
use downshift_tests::current::{self, CONTAINERD_ACCEPT, CurrentClient};
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::programs::{
    BZIP2, CONTAINERD, CTR, DOCKER, DOCKER_REGISTRY, DOCKERD, PIP, PODMAN, PYTHON, SKOPEO, XZ, case_after,
    case_with,
};
use downshift_tests::proxy::Proxy;
use downshift_tests::registry::Registry;
use downshift_tests::{oras, skopeo};
use libtest_mimic::Trial;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Named, clients, oci_client};

/// The `Accept` line of a client that has dropped schema 1.
const ACCEPT: &[&str] = &[CONTAINERD_ACCEPT];

/// How many of the recorded images are pulled by a real Docker.
const RECORDED: usize = 20;

/// Pulls `:` and a tag or `@` and a digest, and checks that it is the sample.
pub(crate) type Pull<'p> = &'p dyn Fn(SocketAddr, &str) -> anyhow::Result<()>;

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let (function, run): Named<fn(Engine, Pull<'_>) -> anyhow::Result<()>> =
        named!(pulls_stored_schema_1_by_tag_and_by_digest);
    let name = move |client: &str| format!("{}::archives::{function}::{client}", engine.name);
    let programs =
        move |programs: &[&'static str]| engine.programs(&[programs, &[BZIP2, XZ, DOCKER_REGISTRY]].concat());
    let mut trials = vec![
        case_after(programs(&[PODMAN]), name("podman"), Client::podman, move |podman| {
            run(engine, &|registry, image| {
                without_schema_1(registry, |at| clients::pulls(&podman, at, image))
            })
        }),
        case_after(programs(&[DOCKER, DOCKERD]), name("docker"), Client::docker, move |docker| {
            run(engine, &|registry, image| {
                without_schema_1(registry, |at| clients::pulls(&docker, at, image))
            })
        }),
        case_after(programs(&[CONTAINERD, CTR]), name("containerd"), Containerd::start, move |containerd| {
            // It names none, as those that have dropped it.
            run(engine, &|registry, image| containerd_pulls(&containerd, registry, image))
        }),
        case_with(programs(&[SKOPEO]), name("skopeo"), move || {
            run(engine, &|registry, image| without_schema_1(registry, |at| skopeo_pulls(at, image)))
        }),
        case_with(programs(&[]), name("oci_client"), move || run(engine, &oci_client_pulls)),
        case_with(programs(&[PYTHON, PIP]), name("oras_for_python"), move || run(engine, &oras_pulls)),
    ];
    trials.extend(current::ALL.map(|client| {
        case_with(programs(&[]), name(client.name), move || {
            run(engine, &|registry, image| replayed(client, registry, image))
        })
    }));
    let (function, run): Named<fn(Engine, &Client) -> anyhow::Result<()>> =
        named!(docker_sees_the_same_image);
    trials.push(case_after(
        engine.programs(&[DOCKER, DOCKERD]),
        format!("{}::archives::{function}", engine.name),
        Client::docker,
        move |docker| run(engine, &docker),
    ));
    trials
}

/// Docker 20.10, which reads schema 1, pulls images as they are stored, and again as one does that does not: the ids are
/// those that it had when the images were recorded, and the files are the same.
fn docker_sees_the_same_image(engine: Engine, docker: &Client) -> anyhow::Result<()> {
    let recorded = upward::read_random()?;
    let with_id = recorded.iter().filter(|image| image.docker_error.is_none());
    let images = with_id.take(RECORDED).map(|image| Ok((format!("i{}", image.id), image, image.image()?)));
    let images: Vec<(String, &Upward, Image)> = images.collect::<anyhow::Result<_>>()?;
    ensure!(images.len() == RECORDED, "there are only {}", images.len());
    let stored: Vec<_> = images.iter().map(|(tag, _, image)| (tag.as_str(), image.clone())).collect();
    let front = Front::start(engine, &stored)?;
    let proxy = Proxy::start(front.address(), Some(ACCEPT))?;
    for (tag, image, _) in &images {
        let pull = |registry: SocketAddr| -> anyhow::Result<_> {
            let name = format!("{registry}/{REPOSITORY}:{tag}");
            Ok((docker.pulled_id(&name)?, docker.pull(&name)?))
        };
        let as_stored = pull(front.address()).with_context(|| format!("{tag} as it is stored"))?;
        let converted = pull(proxy.address()).with_context(|| format!("{tag} without schema 1"))?;
        let id = image.docker_image_id.as_str();
        ensure!(as_stored.0.as_str() == id, "{tag} as it is stored is {} and not {id}", as_stored.0);
        ensure!(converted.0 == as_stored.0, "{tag} without schema 1 is {}", converted.0);
        ensure!(converted.1 == as_stored.1, "{tag} without schema 1 has other files");
    }
    Ok(())
}

fn pulls_stored_schema_1_by_tag_and_by_digest(engine: Engine, pull: Pull<'_>) -> anyhow::Result<()> {
    let images = images()?;
    let registry = Registry::start()?;
    for (tag, image) in &images {
        registry.push(REPOSITORY, tag, image)?;
    }
    pulls_all(Front::start_before(engine, &[], &registry)?, &images, pull).context("from docker-registry")?;
    if engine.is_worker {
        // It has no folders.
        return Ok(());
    }
    let folder = TempDir::new()?;
    layout::write(&folder.path().join(REPOSITORY), &images)?;
    let store = folder.path().display().to_string();
    let front = Front::start_before_several(engine, &["--store", &store])?;
    pulls_all(front, &images, pull).context("from a folder")
}

fn pulls_all(front: Front, images: &[(&str, Image)], pull: Pull<'_>) -> anyhow::Result<()> {
    let mut digests = Vec::new();
    for (tag, _) in images {
        pull(front.address(), &format!(":{tag}")).with_context(|| (*tag).to_string())?;
        let digest = reported(&front, tag)?;
        pull(front.address(), &format!("@{digest}")).with_context(|| format!("{tag} by digest"))?;
        digests.push((tag, digest));
    }
    let front = front.killed_and_restarted()?;
    for (tag, digest) in digests {
        pull(front.address(), &format!("@{digest}")).with_context(|| format!("{tag} after a restart"))?;
    }
    Ok(())
}

/// What is reported for a tag to clients that name no schema 1.
fn reported(front: &Front, tag: &str) -> anyhow::Result<Digest> {
    let response = front.send("HEAD", &manifest_path(tag), &[("Accept", CONTAINERD_ACCEPT)])?;
    ensure!(response.status == 200, "`{tag}`: {response:?}");
    Ok(Digest::parse(response.header("docker-content-digest").context("no digest is reported")?)?)
}

/// The sample in schema 1, with layers of every compression that layers of that time have, and with one of each.
fn images() -> anyhow::Result<Vec<(&'static str, Image)>> {
    let plain = sample::plain_layers();
    let by = |program| plain.iter().map(|tar| compressed(program, tar)).collect::<anyhow::Result<Vec<_>>>();
    let (gzip, bzip2, xz) = (plain.iter().map(|tar| gzip(tar)).collect::<Vec<_>>(), by(BZIP2)?, by(XZ)?);
    let [lowest, middle, highest] = [&bzip2[0], &plain[1], &xz[2]];
    let mixed = vec![lowest.clone(), middle.clone(), highest.clone()];
    let all = [("gzip", gzip), ("plain", plain.to_vec()), ("bzip2", bzip2), ("xz", xz), ("mixed", mixed)];
    all.into_iter().map(|(tag, layers)| Ok((tag, sample::schema1(layers)?))).collect()
}

/// What a program writes when it is told to compress a small file.
fn compressed(program: &str, content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new(program);
    let mut child = command.arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    // All of it fits into a pipe, as does what comes out.
    child.stdin.take().context("there is no input")?.write_all(content)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "`{program}` fails");
    Ok(output.stdout)
}

/// Pulls through a proxy that takes schema 1 out of what a client names.
pub(crate) fn without_schema_1(
    registry: SocketAddr,
    pull: impl Fn(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    pull(Proxy::start(registry, Some(ACCEPT))?.address())
}

pub(crate) fn containerd_pulls(
    containerd: &Containerd,
    registry: SocketAddr,
    reference: &str,
) -> anyhow::Result<()> {
    // A registry is asked over plain HTTP where it is said to be its own mirror.
    containerd.mirror(&registry.to_string(), &format!("http://{registry}"))?;
    let digest = containerd.pull(&format!("{registry}/{REPOSITORY}{reference}"))?;
    // It has unpacked the layers, and compared their diff ids with those of the config.
    ensure!(reference.starts_with(':') || reference == format!("@{digest}"), "it is {digest}");
    Ok(())
}

pub(crate) fn skopeo_pulls(registry: SocketAddr, reference: &str) -> anyhow::Result<()> {
    let pulled = skopeo::pull(registry, reference, &[])?;
    let manifest: Value = serde_json::from_slice(&pulled.manifest)?;
    let layers = manifest["layers"].as_array().context("there are no layers")?;
    let layer = |descriptor: &Value| {
        let digest = Digest::parse(descriptor["digest"].as_str().unwrap_or_default())?;
        pulled.documents.get(&digest).with_context(|| format!("the layer {digest} is missing"))
    };
    is_sample(&layers.iter().map(layer).collect::<anyhow::Result<Vec<_>>>()?)
}

pub(crate) fn oci_client_pulls(registry: SocketAddr, reference: &str) -> anyhow::Result<()> {
    let pulled = oci_client::pull(registry, reference)?;
    ensure!(pulled.manifest.config.size as usize == pulled.config.len(), "the config has another size");
    let sizes = pulled.manifest.layers.iter().map(|layer| layer.size as usize);
    ensure!(sizes.eq(pulled.layers.iter().map(Vec::len)), "layers have other sizes");
    is_sample(&pulled.layers.iter().collect::<Vec<_>>())
}

pub(crate) fn oras_pulls(registry: SocketAddr, reference: &str) -> anyhow::Result<()> {
    is_sample(&oras::pull(registry, reference)?.layers.iter().collect::<Vec<_>>())
}

pub(crate) fn replayed(client: CurrentClient, registry: SocketAddr, reference: &str) -> anyhow::Result<()> {
    let (_, name) = reference.split_at(1);
    let pulled = client.pull(registry, REPOSITORY, name)?;
    let again = client.pull(registry, REPOSITORY, pulled.digest.as_str()).context("what it has pulled")?;
    ensure!(again == pulled, "`{}` is something else than `{reference}`", pulled.digest);
    is_sample(&pulled.layers.iter().collect::<Vec<_>>())
}

/// Checks that layers are those of the sample, however they are compressed.
fn is_sample(layers: &[&Vec<u8>]) -> anyhow::Result<()> {
    let layers = layers.iter().filter(|layer| **layer != &downshift::EMPTY_LAYER);
    let diff_ids = layers.map(|layer| Ok(layers::facts(layer)?.diff_id));
    let diff_ids: Vec<Digest> = diff_ids.collect::<anyhow::Result<_>>()?;
    let expected = sample::plain_layers().map(|tar| Digest::of(&tar));
    ensure!(diff_ids == expected, "it has other layers: {diff_ids:?}");
    Ok(())
}
