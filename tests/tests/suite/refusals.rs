//! What some clients cannot have, and what they are told instead.

use anyhow::{Context, ensure};
use downshift::{Digest, Form, Platform};
use downshift_cases::difference;
use downshift_cases::images::{Descriptor, Family, Image, Manifest, sample};
use downshift_cases::response::{is_manifest, is_refused};
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::programs::case_with;
use libtest_mimic::Trial;

use crate::Named;

/// What the name of a layer that is fetched from elsewhere is in Docker's forms.
const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

const SCHEMA2: &[&str] = &["application/vnd.docker.distribution.manifest.v2+json"];
const OCI: &[&str] = &["application/vnd.oci.image.manifest.v1+json"];
const CONTAINERD: &[&str] = &["application/vnd.docker.distribution.manifest.v2+json, */*"];
const NO_ACCEPT: &[&str] = &[];

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        case_with(engine.programs(&[]), format!("{}::front::refusals::{name}", engine.name), move || {
            run(engine)
        })
    };
    vec![
        trial(named!(docker_1_9_asking_by_a_digest_that_it_cannot_read_is_told_another)),
        trial(named!(docker_1_10_asking_by_a_digest_that_it_cannot_read_is_told_another)),
        trial(named!(docker_1_10_asking_by_digest_gets_what_has_it)),
        trial(named!(a_client_gets_the_manifest_for_its_platform)),
        trial(named!(layers_that_a_form_cannot_express_are_refused)),
        trial(named!(foreign_layers_are_refused_to_old_clients)),
        trial(named!(an_artifact_is_served_as_it_is_stored_or_not_at_all)),
        trial(named!(a_damaged_document_is_refused)),
    ]
}

fn docker_1_9_asking_by_a_digest_that_it_cannot_read_is_told_another(engine: Engine) -> anyhow::Result<()> {
    let images = sample::in_every_form();
    let front = Front::start(engine, &images)?;
    let agent = user_agent("1.9.1", "linux", "amd64");
    for (tag, image) in &images {
        for digest in core::iter::once(&image.manifest).chain(&image.children).map(Manifest::digest) {
            is_told_another(&front, &digest, &[("User-Agent", &agent)], Form::Schema1).context(*tag)?;
        }
    }
    Ok(())
}

fn docker_1_10_asking_by_a_digest_that_it_cannot_read_is_told_another(engine: Engine) -> anyhow::Result<()> {
    let image = sample::index();
    let front = Front::start(engine, &[("latest", image.clone())])?;
    let agent = user_agent("1.10.3", "linux", "amd64");
    for manifest in core::iter::once(&image.manifest).chain(&image.children) {
        let headers = [("User-Agent", agent.as_str()), ("Accept", SCHEMA2[0])];
        // What an engine names by digest is not all that it reads.
        let form = if manifest.form.is_index() { Form::List } else { Form::Schema2 };
        is_told_another(&front, &manifest.digest(), &headers, form)?;
    }
    Ok(())
}

/// A digest is refused to a client with these headers, and another one is named, which it can pull in this form.
fn is_told_another(
    front: &Front,
    digest: &Digest,
    headers: &[(&str, &str)],
    form: Form,
) -> anyhow::Result<()> {
    let refused = front.send("GET", &manifest_path(digest.as_str()), headers)?;
    is_refused(&refused, 400, "unreadable-digest")?;
    let errors = refused.json()?;
    let message = errors["errors"][0]["message"].as_str().unwrap_or_default();
    let instead = message.split('`').filter(|word| Digest::parse(word).is_ok()).nth(1);
    let instead = instead.with_context(|| format!("`{message}` names no other digest"))?;
    let pulled = front.send("GET", &manifest_path(instead), headers)?;
    is_manifest(&pulled, form, &Digest::parse(instead)?)
}

fn docker_1_10_asking_by_digest_gets_what_has_it(engine: Engine) -> anyhow::Result<()> {
    let image = sample::list();
    let front = Front::start(engine, &[("latest", image.clone())])?;
    let agent = user_agent("1.10.3", "linux", "amd64");
    for manifest in core::iter::once(&image.manifest).chain(&image.children) {
        let path = manifest_path(manifest.digest().as_str());
        let response = front.send("GET", &path, &[("User-Agent", &agent), ("Accept", SCHEMA2[0])])?;
        is_manifest(&response, manifest.form, &manifest.digest())?;
        difference::compare("manifest", &manifest.bytes, &response.body)?;
    }
    Ok(())
}

fn a_client_gets_the_manifest_for_its_platform(engine: Engine) -> anyhow::Result<()> {
    let image = sample::list();
    let [arm64, amd64] = image.children.as_slice() else { anyhow::bail!("the sample has other platforms") };
    let front = Front::start(engine, &[("latest", image.clone())])?;
    let get = |front: &Front, agent: Option<&str>| {
        let agent = agent.map(|agent| ("User-Agent", agent));
        let headers: Vec<_> = agent.into_iter().chain([("Accept", SCHEMA2[0])]).collect();
        front.send("GET", &manifest_path("latest"), &headers)
    };
    let on = |os, architecture| user_agent("1.10.3", os, architecture);
    for (agent, child) in
        [(Some(on("linux", "arm64")), arm64), (Some(on("linux", "amd64")), amd64), (None, amd64)]
    {
        let response = get(&front, agent.as_deref())?;
        is_manifest(&response, Form::Schema2, &child.digest()).with_context(|| format!("{agent:?}"))?;
    }
    is_refused(&get(&front, Some(&on("windows", "amd64")))?, 400, "platform-missing")?;

    let platform = Platform::new("linux", "arm64").to_string();
    let front = Front::start_with(engine, &["--platform", &platform], &[("latest", image.clone())])?;
    is_manifest(&get(&front, None)?, Form::Schema2, &arm64.digest())
}

fn layers_that_a_form_cannot_express_are_refused(engine: Engine) -> anyhow::Result<()> {
    let images = [
        ("zstd", sample::zstd()),
        (
            "encrypted",
            sample::with_layers(Family::Oci, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
        ),
    ];
    let front = Front::start_with(engine, &["--plain-layers", "never"], &images)?;
    for (tag, accept, reason) in [
        ("zstd", NO_ACCEPT, "zstd-layer"),
        ("zstd", SCHEMA2, "zstd-layer"),
        ("encrypted", NO_ACCEPT, "encrypted-layer"),
        ("encrypted", SCHEMA2, "encrypted-layer"),
    ] {
        is_refused(&front.manifest(tag, accept)?, 400, reason).context(tag)?;
    }
    // Who understands them gets them.
    for tag in ["zstd", "encrypted"] {
        ensure!(front.manifest(tag, OCI)?.status == 200, "`{tag}` does not come");
    }
    Ok(())
}

fn foreign_layers_are_refused_to_old_clients(engine: Engine) -> anyhow::Result<()> {
    let front = Front::start(engine, &[("foreign", sample::with_layers(Family::Docker, FOREIGN))])?;
    is_refused(&front.manifest("foreign", NO_ACCEPT)?, 400, "foreign-layer")?;
    // OCI has them too.
    for accept in [SCHEMA2, OCI] {
        ensure!(front.manifest("foreign", accept)?.status == 200, "it does not come for {accept:?}");
    }
    Ok(())
}

fn an_artifact_is_served_as_it_is_stored_or_not_at_all(engine: Engine) -> anyhow::Result<()> {
    let config = Descriptor::of("application/vnd.oci.empty.v1+json", b"{}");
    let layer = Descriptor::of("application/spdx+json", b"{}");
    let artifact = Manifest::single(Family::Oci, config, vec![layer]);
    let image = Image { configs: vec![b"{}".to_vec()], ..Image::bare(Form::Oci, artifact.bytes.clone()) };
    let front = Front::start(engine, &[("sbom", image)])?;
    for accept in [OCI, CONTAINERD] {
        let response = front.manifest("sbom", accept)?;
        is_manifest(&response, Form::Oci, &artifact.digest()).with_context(|| format!("{accept:?}"))?;
        difference::compare("manifest", &artifact.bytes, &response.body)?;
    }
    for accept in [NO_ACCEPT, SCHEMA2] {
        is_refused(&front.manifest("sbom", accept)?, 400, "artifact")?;
    }
    Ok(())
}

fn a_damaged_document_is_refused(engine: Engine) -> anyhow::Result<()> {
    let mut config_missing = sample::schema2();
    config_missing.configs.clear();
    let images = [
        ("config-missing", config_missing),
        ("no-manifest", Image::bare(Form::Schema2, br#"{"schemaVersion":3}"#.to_vec())),
        ("no-json", Image::bare(Form::Oci, b"<html>".to_vec())),
    ];
    let front = Front::start(engine, &images)?;
    for (tag, reason) in [
        ("config-missing", "missing-document"),
        ("no-manifest", "unknown-document"),
        ("no-json", "invalid-json"),
    ] {
        is_refused(&front.manifest(tag, NO_ACCEPT)?, 400, reason).context(tag)?;
    }
    Ok(())
}

/// What Docker says of itself.
fn user_agent(version: &str, os: &str, architecture: &str) -> String {
    format!("docker/{version} go/go1.4.3 git-commit/a34a1d5 kernel/4.2.0 os/{os} arch/{architecture}")
}
