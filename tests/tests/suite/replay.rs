//! Docker 1.6 to 1.10 pull through the running server: their recorded requests, and their own rules for the answers.

use anyhow::{Context, ensure};
use downshift::EMPTY_LAYER;
use downshift_cases::images::{REPOSITORY, sample};
use downshift_tests::engines::Docker;
use downshift_tests::front::{Engine, Front};
use downshift_tests::programs::case_with;
use libtest_mimic::Trial;

use crate::Named;

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |docker: Docker, (name, run): Named<fn(Engine, Docker) -> anyhow::Result<()>>| {
        let version = docker.version().replace('.', "_");
        case_with(
            engine.programs(&[]),
            format!("{}::front::replay::{name}::docker_{version}", engine.name),
            move || run(engine, docker),
        )
    };
    let trials = Docker::ALL.into_iter().flat_map(|docker| {
        [
            trial(docker, named!(pulls_by_tag_and_by_reported_digest)),
            trial(docker, named!(is_told_why_there_is_no_image)),
        ]
    });
    trials.collect()
}

fn pulls_by_tag_and_by_reported_digest(engine: Engine, docker: Docker) -> anyhow::Result<()> {
    let images = [
        ("schema2", sample::schema2()),
        ("list", sample::list()),
        ("oci", sample::oci()),
        ("index", sample::index()),
        ("without-layers", sample::without_layers()),
    ];
    let front = Front::start(engine, &images)?;
    for (tag, image) in &images {
        let by_tag = docker.pull(front.address(), REPOSITORY, tag).context(*tag)?;
        let layers: Vec<_> = by_tag.layers.iter().filter(|layer| **layer != EMPTY_LAYER).collect();
        // Of a list or index those of the second image are ours.
        let ours = &image.layers[image.layers.len().saturating_sub(3)..];
        ensure!(layers.iter().copied().eq(ours), "`{tag}` has other layers");
        let reported = by_tag.reported.as_deref().context("no digest is reported")?;
        let by_digest =
            docker.pull(front.address(), REPOSITORY, reported).context(format!("{tag} by digest"))?;
        ensure!(by_digest == by_tag, "`{tag}` by its digest is something else");
    }
    Ok(())
}

fn is_told_why_there_is_no_image(engine: Engine, docker: Docker) -> anyhow::Result<()> {
    let front = Front::start_with(engine, &["--plain-layers", "never"], &[("zstd", sample::zstd())])?;
    let said = |reference: &str| match docker.pull(front.address(), REPOSITORY, reference) {
        Ok(_) => anyhow::bail!("`{reference}` is pulled"),
        Err(error) => Ok(format!("{error:#}")),
    };
    // A typo is what it is at every registry.
    ensure!(said("none")? == "image library/sample not found", "none: {}", said("none")?);
    let refusal = said("zstd")?;
    // 1.6 and 1.7 go on to version 1 whatever the error is, and print what that says.
    let expected = if docker >= Docker::V1_8_3 {
        "manifest invalid: the layer `sha256:"
    } else {
        "400 of V1: library/sample was not pulled: the layer `sha256:"
    };
    ensure!(refusal.starts_with(expected), "zstd: {refusal}");
    ensure!(refusal.contains("is compressed with zstd"), "zstd: {refusal}");
    Ok(())
}
