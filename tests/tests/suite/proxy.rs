//! What the suite itself stands on: that the proxy makes a new client an old one, in front of the reference.

use std::process::Command;

use anyhow::{Context, ensure};
use downshift::Form;
use downshift_cases::images::sample;
use downshift_tests::programs::{DOCKER_REGISTRY, SKOPEO, case_with};
use downshift_tests::proxy::Proxy;
use downshift_tests::registry::Registry;
use libtest_mimic::Trial;

use crate::Named;

pub(crate) fn trials() -> Vec<Trial> {
    let (name, run): Named<fn() -> anyhow::Result<()>> = named!(skopeo_without_accept_pulls_schema_1);
    vec![case_with([DOCKER_REGISTRY, SKOPEO], format!("reference::{name}"), run)]
}

fn skopeo_without_accept_pulls_schema_1() -> anyhow::Result<()> {
    let (new, old) = (raw_manifest(None)?, raw_manifest(Some(&[]))?);
    ensure!(new == sample::schema2().manifest.bytes, "with Accept skopeo does not get what is stored");
    let old: serde_json::Value = serde_json::from_slice(&old)?;
    ensure!(old["schemaVersion"] == 1, "without Accept skopeo does not get schema 1: {old}");
    Ok(())
}

/// What skopeo gets from the reference through a proxy.
fn raw_manifest(accept: Option<&'static [&'static str]>) -> anyhow::Result<Vec<u8>> {
    let registry = Registry::start()?;
    registry.push("library/sample", "latest", &sample::schema2())?;
    let proxy = Proxy::start(registry.host(), accept)?;
    let output = Command::new(SKOPEO)
        .args(["inspect", "--raw", "--tls-verify=false"])
        .arg(format!("docker://{}/library/sample:latest", proxy.address()))
        .output()?;
    ensure!(output.status.success(), "skopeo: {}", String::from_utf8_lossy(&output.stderr));
    let seen = proxy.seen();
    let request = seen.iter().find(|request| request.path == "/v2/library/sample/manifests/latest");
    let request = request.context("skopeo did not ask for the manifest")?;
    ensure!(
        request.values("accept").any(|value| value.contains(Form::Schema2.media_type())),
        "skopeo does not accept schema 2: {request:?}"
    );
    Ok(output.stdout)
}
