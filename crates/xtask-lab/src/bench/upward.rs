//! Stored schema 1 for a client that has dropped it: what the first request costs, and what comes after it.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use downshift::Form;
use downshift_cases::images::{Family, Image, REPOSITORY, built, layout};
use downshift_cases::random::Random;
use downshift_cases::response::Response;
use downshift_tests::http;
use downshift_tests::programs::{DOCKER_REGISTRY, locate};
use downshift_tests::registry::Registry;
use downshift_tests::server::Server;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::document::{Chapter, Detail, Row, Section, Table, Unit};

const TEXT: &str = "\
An image is stored in signed schema 1, and a client that reads no schema 1 asks for its tag. The first request reads each
layer once, for its diff id and its size; the second one has to be as fast as any. Then the layers are pulled, one after the
other. Each round begins with an empty data folder and another image, a small one, so that the sandbox is ready.";

/// The row that others are compared with: the same layers, with nothing in between.
const BASE: &str = "docker-registry, the layers alone";

/// The image's layers.
const LAYERS: usize = 5;

/// How much of a layer is random: the rest is one byte again and again, so that it compresses as programs do.
const RANDOM_PERCENT: usize = 40;

const TAG: &str = "latest";

/// The tag of the small image.
const SMALL: &str = "small";

/// Measures an image whose layers have so many MiB together, as they are stored.
pub(super) fn measure(program: &Path, rounds: u32, mebibytes: usize) -> anyhow::Result<Chapter> {
    let title = "Schema 1 for clients that dropped it";
    let mut chapter = Chapter { title, text: TEXT.to_owned(), sections: Vec::new(), left_out: Vec::new() };
    let (small, image) = (image(1)?, image(mebibytes * 1024 * 1024 / LAYERS)?);
    let folder = tempfile::tempdir()?;
    layout::write(&folder.path().join(REPOSITORY), &[(TAG, image.clone()), (SMALL, small.clone())])?;
    let store = folder.path().display().to_string();
    let mut sources = vec![("", ["--store".to_owned(), store])];
    let registry = locate(DOCKER_REGISTRY).is_some().then(Registry::start).transpose()?;
    match &registry {
        Some(registry) => {
            registry.push(REPOSITORY, TAG, &image)?;
            registry.push(REPOSITORY, SMALL, &small)?;
            sources.push((", before docker-registry", ["--upstream".to_owned(), registry.url().to_owned()]));
        }
        None => chapter.left_out.push(format!("a registry, for `{DOCKER_REGISTRY}` is not installed")),
    }
    let mut rows = Vec::new();
    for engine in ["wasm", "native"] {
        for (name, source) in &sources {
            rows.push((Row::new(&format!("downshift, {engine}{name}")), engine, source));
        }
    }
    let mut base = Row::new(BASE);
    for round in 1..=rounds {
        eprintln!("schema 1 of {mebibytes} MiB, round {round} of {rounds}");
        if let Some(registry) = &registry {
            let layers = image.layers.iter().map(|layer| downshift::Digest::of(layer).to_string());
            let took = pull(registry.host(), &layers.collect::<Vec<_>>())?;
            base.push(took, [f64::NAN, took]);
        }
        for (row, engine, source) in &mut rows {
            let data = tempfile::tempdir()?;
            let mut serve = Command::new(program);
            serve.args(["serve", "--listen", "127.0.0.1:0", "--engine", engine, "--facts-wait", "600"]);
            let server = Server::start(serve.arg("--data").arg(data.path()).args(source.iter()))?;
            let host = server.address().to_string();
            manifest(&host, SMALL)?;
            let [(_, first), (manifest, second)] = [manifest(&host, TAG)?, manifest(&host, TAG)?];
            row.push(first, [second, pull(&host, &layers(&manifest)?)?]);
        }
    }
    let mut rows: Vec<Row> = rows.into_iter().map(|(row, ..)| row).collect();
    if registry.is_some() {
        rows.insert(0, base);
    }
    let details = &[
        Detail { name: "second request", unit: Unit::Milliseconds },
        Detail { name: "the layers after it", unit: Unit::Milliseconds },
    ];
    let table = Table { subject: "server", unit: Unit::Milliseconds, bases: &[BASE], details, rows };
    let title = format!("The first request of an image of {mebibytes} MiB in {LAYERS} layers");
    chapter.sections.push(Section { title, text: None, table });
    Ok(chapter)
}

/// A schema 1 image whose layers have about so many bytes each.
fn image(bytes: usize) -> anyhow::Result<Image> {
    let layers = (0..LAYERS).map(|number| layer(number, bytes)).collect::<anyhow::Result<_>>()?;
    let config = built::layers(LAYERS, 0).configs.concat();
    built::in_schema1(Image::single(Family::Docker, config, layers))
}

fn layer(number: usize, bytes: usize) -> anyhow::Result<Vec<u8>> {
    const BLOCK: usize = 4096;
    let mut random = Random::nth(LAYERS as u64, number as u64);
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes + BLOCK), Compression::fast());
    let mut block = vec![0; BLOCK];
    while encoder.get_ref().len() < bytes {
        let (noise, _) = block.split_at_mut(BLOCK * RANDOM_PERCENT / 100);
        noise.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.bits().to_le_bytes()));
        encoder.write_all(&block)?;
    }
    Ok(encoder.finish()?)
}

/// A manifest, and how long it took, in milliseconds.
fn manifest(host: &str, tag: &str) -> anyhow::Result<(Response, f64)> {
    let path = format!("/v2/{REPOSITORY}/manifests/{tag}");
    let (response, took) = get(host, &path, &[("Accept", Form::Oci.media_type())])?;
    let media_type = response.header("content-type");
    ensure!(media_type == Some(Form::Oci.media_type()), "it is not converted: {response:?}");
    Ok((response, took))
}

/// The layers that a manifest names.
fn layers(manifest: &Response) -> anyhow::Result<Vec<String>> {
    let manifest = manifest.json()?;
    let layers = manifest["layers"].as_array().context("there are no layers")?;
    let digest = |layer: &Value| layer["digest"].as_str().context("a layer has no digest").map(str::to_owned);
    layers.iter().map(digest).collect()
}

/// How long the layers take, in milliseconds.
fn pull(host: &str, layers: &[String]) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for layer in layers {
        sum += get(host, &format!("/v2/{REPOSITORY}/blobs/{layer}"), &[])?.1;
    }
    Ok(sum)
}

fn get(host: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<(Response, f64)> {
    let start = Instant::now();
    let response = http::send(host.parse()?, "GET", path, headers)?;
    ensure!(response.status == 200, "{path} gave {response:?}");
    Ok((response, start.elapsed().as_secs_f64() * 1e3))
}
