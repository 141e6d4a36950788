//! Current engines pull through the running server: as they are, and made older by a proxy.

use core::net::SocketAddr;

use anyhow::{Context, ensure};
use downshift_cases::images::{REPOSITORY, sample};
use downshift_tests::clients::Client;
use downshift_tests::front::{Engine, Front};
use downshift_tests::programs::{DOCKER, DOCKERD, PODMAN, case_after};
use downshift_tests::proxy::Proxy;
use libtest_mimic::Trial;

use crate::Named;

/// The paths that Docker puts into every container.
const MADE_BY_DOCKER: [&str; 6] =
    [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"];

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let (name, run): Named<fn(Engine, &Client) -> anyhow::Result<()>> = named!(pulls_every_form);
    let name = |client: &str| format!("{}::front::clients::{name}::{client}", engine.name);
    vec![
        case_after(engine.programs(&[PODMAN]), name("podman"), Client::podman, move |podman| {
            run(engine, &podman)
        }),
        case_after(engine.programs(&[DOCKER, DOCKERD]), name("docker"), Client::docker, move |docker| {
            run(engine, &docker)
        }),
    ]
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
