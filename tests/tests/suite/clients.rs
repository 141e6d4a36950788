//! Current engines pull through the running server: as they are, and made older by a proxy.

use core::net::SocketAddr;

use anyhow::{Context, ensure};
use downshift_cases::images::{REPOSITORY, sample};
use downshift_tests::clients::Client;
use downshift_tests::containerd::Containerd;
use downshift_tests::current;
use downshift_tests::front::{Engine, Front};
use downshift_tests::programs::{
    CONTAINERD, CTR, DOCKER, DOCKERD, PIP, PODMAN, PYTHON, SKOPEO, case_after, case_with,
};
use downshift_tests::proxy::Proxy;
use libtest_mimic::Trial;

use crate::Named;
use crate::archives::{
    Pull, containerd_pulls, oci_client_pulls, oras_pulls, replayed, skopeo_pulls, without_schema_1,
};

/// The paths that Docker puts into every container.
const MADE_BY_DOCKER: [&str; 6] =
    [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"];

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let (name, run): Named<fn(Engine, &Client) -> anyhow::Result<()>> = named!(pulls_every_form);
    let name = |client: &str| format!("{}::front::clients::{name}::{client}", engine.name);
    let mut trials = vec![
        case_after(engine.programs(&[PODMAN]), name("podman"), Client::podman, move |podman| {
            run(engine, &podman)
        }),
        case_after(engine.programs(&[DOCKER, DOCKERD]), name("docker"), Client::docker, move |docker| {
            run(engine, &docker)
        }),
    ];
    let (stored, pulls): Named<fn(Engine, Pull<'_>) -> anyhow::Result<()>> = named!(pulls_every_stored_form);
    let stored = |client: &str| format!("{}::front::clients::{stored}::{client}", engine.name);
    trials.extend([
        case_after(
            engine.programs(&[CONTAINERD, CTR]),
            stored("containerd"),
            Containerd::start,
            move |containerd| pulls(engine, &|at, image| containerd_pulls(&containerd, at, image)),
        ),
        case_with(engine.programs(&[SKOPEO]), stored("skopeo"), move || {
            pulls(engine, &|registry, image| without_schema_1(registry, |at| skopeo_pulls(at, image)))
        }),
        case_with(engine.programs(&[]), stored("oci_client"), move || pulls(engine, &oci_client_pulls)),
        case_with(engine.programs(&[PYTHON, PIP]), stored("oras_for_python"), move || {
            pulls(engine, &oras_pulls)
        }),
    ]);
    trials.extend(current::ALL.map(|client| {
        case_with(engine.programs(&[]), stored(client.name), move || {
            pulls(engine, &|registry, image| replayed(client, registry, image))
        })
    }));
    trials
}

/// A client of today takes whatever is stored: each form, and each compression.
fn pulls_every_stored_form(engine: Engine, pull: Pull<'_>) -> anyhow::Result<()> {
    let others = [
        ("zstd", sample::zstd()),
        ("zstd-index", sample::zstd_index()),
        ("list-of-oci", sample::list_of_oci()),
        ("plain", sample::with_plain_layers()),
    ];
    let images: Vec<_> = sample::in_every_form().into_iter().chain(others).collect();
    let front = Front::start(engine, &images)?;
    for (tag, image) in &images {
        pull(front.address(), &format!(":{tag}")).with_context(|| (*tag).to_string())?;
        let digest = image.manifest.digest();
        pull(front.address(), &format!("@{digest}")).with_context(|| format!("{tag} by digest"))?;
    }
    Ok(())
}

fn pulls_every_form(engine: Engine, client: &Client) -> anyhow::Result<()> {
    let images = sample::in_every_form();
    let front = Front::start(engine, &images)?;
    let proxy = Proxy::start(front.address(), Some(&[]))?;
    for (tag, image) in &images {
        let stored = image.manifest.digest().to_string();
        pulls_both(client, front.address(), tag, &stored)
            .with_context(|| format!("`{tag}` as it is stored"))?;
        let schema1 = front.manifest(tag, &[])?;
        let reported = schema1.header("docker-content-digest").context("no digest is reported")?;
        ensure!(reported != stored, "`{tag}` is not converted");
        pulls_both(client, proxy.address(), tag, reported).with_context(|| format!("`{tag}` as schema 1"))?;
    }
    Ok(())
}

/// Pulls an image by its tag and by the digest that was reported for it.
fn pulls_both(client: &Client, registry: SocketAddr, tag: &str, digest: &str) -> anyhow::Result<()> {
    pulls(client, registry, &format!(":{tag}"))?;
    pulls(client, registry, &format!("@{digest}"))
}

/// Pulls an image, and compares the files.
pub(crate) fn pulls(client: &Client, registry: SocketAddr, reference: &str) -> anyhow::Result<()> {
    let mut files = client.pull(&format!("{registry}/{REPOSITORY}{reference}"))?;
    files.retain(|path, _| !MADE_BY_DOCKER.contains(&path.as_str()));
    ensure!(files == sample::files(), "`{reference}` has other files: {files:#?}");
    Ok(())
}
