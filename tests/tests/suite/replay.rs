//! Docker 1.5 to 1.10 pull through the running server: their recorded requests, and their own rules for the answers.

use std::io::Read as _;

use anyhow::{Context, ensure};
use downshift::EMPTY_LAYER;
use downshift_cases::images::{Image, REPOSITORY, sample};
use downshift_tests::engines::{Docker, Registered, TokenAs, V1Pull};
use downshift_tests::front::{Engine, Front};
use downshift_tests::programs::case_with;
use flate2::read::GzDecoder;
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
    let v1 = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        let name = format!("{}::front::replay::{name}::docker_1_5_0", engine.name);
        case_with(engine.programs(&[]), name, move || run(engine))
    };
    let v1 = [
        v1(named!(pulls_by_version_1)),
        v1(named!(goes_on_with_a_layer)),
        v1(named!(is_told_by_version_1_why_there_is_no_image)),
    ];
    trials.chain(v1).collect()
}

/// The sample in every form, and an image without layers.
fn images() -> Vec<(&'static str, Image)> {
    sample::in_every_form().into_iter().chain([("without-layers", sample::without_layers())]).collect()
}

fn pulls_by_tag_and_by_reported_digest(engine: Engine, docker: Docker) -> anyhow::Result<()> {
    let images = images();
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

/// The images of version 1 are those of the schema 1 manifest, which Docker 1.6 gets, with its layers.
fn pulls_by_version_1(engine: Engine) -> anyhow::Result<()> {
    let zstd = [("zstd", sample::zstd()), ("zstd-index", sample::zstd_index())];
    let images: Vec<_> = images().into_iter().chain(zstd).collect();
    let front = Front::start(engine, &images)?;
    let plain = sample::plain_layers();
    for (tag, image) in &images {
        let newer_layers = Docker::V1_6_2.pull(front.address(), REPOSITORY, tag).context(*tag)?.layers;
        for how in [TokenAs::Authorization, TokenAs::Cookie] {
            let pull = V1Pull::begin(front.address(), REPOSITORY, tag, how).context(*tag)?;
            let pulled = pull.finish(tag).with_context(|| format!("`{tag}`, {how:?}"))?;
            // An edge unpacks all of them, for it checks nothing that it only copies.
            let layers: Vec<_> =
                pulled.iter().map(|image| unpacked(&image.layer)).collect::<Result<_, _>>()?;
            let newer: Vec<_> = newer_layers.iter().map(|layer| unpacked(layer)).collect::<Result<_, _>>()?;
            ensure!(layers == newer, "`{tag}` has other layers than Docker 1.6 gets");
            let empty = unpacked(&EMPTY_LAYER)?;
            let layers: Vec<_> = layers.iter().filter(|layer| **layer != empty).collect();
            let ours: &[_] = if image.layers.is_empty() { &[] } else { &plain };
            ensure!(layers.iter().copied().eq(ours), "`{tag}` has other layers");
            let is_as_stored = |image: &Registered| newer_layers.contains(&image.layer);
            ensure!(engine.is_worker || pulled.iter().all(is_as_stored), "`{tag}` is unpacked without need");
            ensure!(pull.tags()?.contains_key(*tag), "it is not told the tag that it wants");
        }
    }
    // What it was not given opens nothing.
    let pull = V1Pull::begin(front.address(), REPOSITORY, "schema2", TokenAs::Authorization)?;
    let id = pull.tags()?["schema2"].clone();
    ensure!(pull.ancestry(&id)?.len() > 1, "there are no images below it");
    let said = pull.with_another_token().ancestry(&id).map_err(|error| format!("{error:#}"));
    let refused = format!("Server error: 403 trying to fetch remote history for {id}");
    ensure!(said == Err(refused), "it is {said:?}");
    Ok(())
}

/// A layer as a plain tar.
fn unpacked(layer: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match layer {
        [0x1f, 0x8b, ..] => GzDecoder::new(layer).read_to_end(&mut plain)?,
        _ => return Ok(layer.to_vec()),
    };
    Ok(plain)
}

fn goes_on_with_a_layer(engine: Engine) -> anyhow::Result<()> {
    let front = Front::start(engine, &[("schema2", sample::schema2()), ("zstd", sample::zstd())])?;
    for tag in ["schema2", "zstd"] {
        let pull = V1Pull::begin(front.address(), REPOSITORY, tag, TokenAs::Authorization)?;
        let images = pull.finish(tag)?;
        let image = images.iter().find(|image| image.layer != EMPTY_LAYER).context("there is no layer")?;
        let size = image.layer.len();
        for start in [1, size / 2, size - 1] {
            let rest = pull.rest(&image.id, start, size)?;
            ensure!(rest == image.layer[start..], "`{tag}` from byte {start} is something else");
        }
    }
    Ok(())
}

fn is_told_by_version_1_why_there_is_no_image(engine: Engine) -> anyhow::Result<()> {
    let images = [("zstd", sample::zstd()), ("artifact", sample::artifact())];
    let front = Front::start_with(engine, &["--plain-layers", "never"], &images)?;
    let said = |tag: &str| match V1Pull::begin(front.address(), REPOSITORY, tag, TokenAs::Authorization) {
        Ok(_) => anyhow::bail!("`{tag}` is pulled"),
        Err(error) => Ok(format!("{error:#}")),
    };
    ensure!(said("none")? == "Error: image library/sample:none not found", "none: {}", said("none")?);
    for (tag, cause) in [("zstd", "is compressed with zstd"), ("artifact", "artifact")] {
        let text = said(tag)?;
        let begins =
            "Error: Status 400 trying to pull repository library/sample: \"library/sample was not pulled: ";
        ensure!(text.starts_with(begins) && text.contains(cause), "{tag}: {text}");
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
