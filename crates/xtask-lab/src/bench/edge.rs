//! The package for JavaScript, and the worker that is made of it.

use core::hint::black_box;
use core::iter;
use core::time::Duration;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use downshift::Policy;
use downshift_cases::images::built;
use downshift_cases::implementation::{Implementation, Native, schema1_request};
use downshift_tests::http;
use downshift_tests::javascript::{JavaScript, Place, serve_worker};
use downshift_tests::key_file;
use downshift_tests::programs::{DOCKER_REGISTRY, locate};
use downshift_tests::registry::Registry;
use downshift_tests::server::Server;
use tempfile::TempDir;

use super::document::{Chapter, Row, Section, Table, Unit};
use super::process;
use xtask::js::{self, Built};
use xtask::node;

const TEXT: &str = "\
The package for JavaScript in Node and workerd, and the worker for Cloudflare in workerd on this machine, with what stands
in for R2 and for the cache there. The image has 5 layers and a config of 2.4 KB, and becomes signed schema 1.";

/// The row that others are compared with.
const BASE: &str = "native, p256";

/// How long something is repeated in each round.
const BATCH: Duration = Duration::from_millis(200);

/// How often the package converts in each round.
const CONVERSIONS: u32 = 200;

/// How many images are pulled in each round.
const PULLS: usize = 100;

/// Their layers.
const LAYERS: usize = 5;

/// The repository of the images.
const REPOSITORY: &str = "library/cold";

/// The module of a worker that is run.
const MAIN: &str = "worker.mjs";

/// What the worker's own is called by the one around it, in `in_memory.mjs`.
const INNER: &str = "inner.mjs";

/// A worker that does nothing.
const EMPTY: &str = "export default { fetch: () => new Response() };\n";

/// Measures all of it.
pub(super) fn measure(rounds: u32) -> anyhow::Result<Chapter> {
    let mut chapter = Chapter {
        title: "In JavaScript, and at the edge",
        text: TEXT.to_owned(),
        sections: Vec::new(),
        left_out: Vec::new(),
    };
    if !node::is_installed() {
        chapter.left_out.push("all of it, for `node` or `npm` is not installed".to_owned());
        return Ok(chapter);
    }
    let Built { package, worker } = js::build()?;
    chapter.sections.push(conversions(&package, rounds)?);
    chapter.sections.push(starts(&worker, rounds)?);
    if locate(DOCKER_REGISTRY).is_some() {
        chapter.sections.push(pulls(&worker, rounds)?);
    } else {
        chapter.left_out.push(format!("pulls, for `{DOCKER_REGISTRY}` is not installed"));
    }
    Ok(chapter)
}

/// How often the core converts and signs, documents checked.
fn conversions(package: &Path, rounds: u32) -> anyhow::Result<Section> {
    let image = built::layers(LAYERS, 0);
    let request = schema1_request("library/sample", "latest", image.manifest.digest(), Policy::Strict);
    let documents = image.documents();
    let folder = package.ancestors().nth(2).context("the package is in no folder")?;
    let [node, workerd] =
        [Place::Node, Place::Workerd].map(|place| JavaScript::installed(place, folder.to_path_buf()));
    let places = [
        ("Node, p256", &node, "p256"),
        ("Node, WebCrypto", &node, "webcrypto"),
        ("workerd, p256", &workerd, "p256"),
        ("workerd, WebCrypto", &workerd, "webcrypto"),
    ];
    let mut rows = vec![Row::new(BASE)];
    rows.extend(places.map(|(name, ..)| Row::new(name)));
    for (_, place, signer) in places {
        // What is done for the first time takes longer.
        place.mean(&request, &documents, signer, CONVERSIONS)?;
    }
    for round in 1..=rounds {
        eprintln!("conversions, round {round} of {rounds}");
        let native = mean(|| drop(black_box(Native.answer(&request, &documents))));
        rows[0].figures.push(1.0 / native.as_secs_f64());
        for ((_, place, signer), row) in places.iter().zip(&mut rows[1..]) {
            let mean = place.mean(&request, &documents, signer, CONVERSIONS)?;
            row.figures.push(1.0 / mean.as_secs_f64());
        }
    }
    let text =
        "By one thread. Native is the core as a part of the server; there documents are at hand, while the \
                package checks each against\nits digest first."
            .to_owned();
    let table = Table { subject: "where", unit: Unit::Conversions, bases: &[BASE], details: &[], rows };
    Ok(Section { title: "Conversions".to_owned(), text: Some(text), table })
}

/// How long `run` takes on average.
fn mean(mut run: impl FnMut()) -> Duration {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < BATCH {
        run();
        count += 1;
    }
    start.elapsed() / count
}

/// How much later the worker answers for the first time than one that does nothing.
fn starts(worker: &Path, rounds: u32) -> anyhow::Result<Section> {
    let empty = tempfile::tempdir()?;
    fs::write(empty.path().join(MAIN), EMPTY)?;
    let first_answer = |worker: &Path| -> anyhow::Result<f64> {
        let start = Instant::now();
        let server = serve_worker(worker, &["--upstream".to_owned(), "http://127.0.0.1:1".to_owned()])?;
        ask(&server, "/v2/")?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    let [mut nothing, mut all, mut more] =
        ["a worker that does nothing", "the worker", "what it takes more"].map(Row::new);
    for round in 1..=rounds {
        eprintln!("starts, round {round} of {rounds}");
        let (less, own) = (first_answer(empty.path())?, first_answer(worker)?);
        nothing.figures.push(less);
        all.figures.push(own);
        more.figures.push(own - less);
    }
    let text = "From the start of Node, which starts workerd, to the first answer to `/v2/`.".to_owned();
    let table = Table {
        subject: "what starts",
        unit: Unit::Milliseconds,
        bases: &[],
        details: &[],
        rows: vec![nothing, all, more],
    };
    Ok(Section { title: "Starts".to_owned(), text: Some(text), table })
}

/// What a pull of a manifest costs in processor time.
fn pulls(worker: &Path, rounds: u32) -> anyhow::Result<Section> {
    let registry = Registry::start()?;
    eprintln!("pushing {PULLS} images");
    for number in 0..PULLS {
        registry.push(REPOSITORY, &number.to_string(), &built::layers(LAYERS, number))?;
    }
    let (folder, key) = key_file::write()?;
    let alone = in_memory(worker)?;
    let mut nothing = Row::new("`/`, which needs nothing");
    let mut measured = [
        ("p256", worker, "p256"),
        ("webcrypto", worker, "WebCrypto"),
        ("p256", alone.path(), "p256, all in memory"),
        ("webcrypto", alone.path(), "WebCrypto, all in memory"),
    ]
    .map(|(signer, worker, name)| {
        let [cold, warm] = ["nothing at hand", "the answer at hand"];
        (signer, worker, Row::new(&format!("{name}, {cold}")), Row::new(&format!("{name}, {warm}")))
    });
    for round in 1..=rounds {
        eprintln!("pulls, round {round} of {rounds}");
        for (number, (signer, worker, cold, warm)) in measured.iter_mut().enumerate() {
            let arguments = ["--upstream", registry.url(), "--key", &key, "--signer", signer];
            let server = serve_worker(worker, &arguments.map(str::to_owned))?;
            let process = workerd_of(&server)?;
            // What is done for the first time takes longer.
            processor_time(&server, process, |_| manifest(0))?;
            if number == 0 {
                nothing.figures.push(processor_time(&server, process, |_| "/".to_owned())?);
            }
            cold.figures.push(processor_time(&server, process, |number| manifest(1 + number % (PULLS - 1)))?);
            warm.figures.push(processor_time(&server, process, |_| manifest(0))?);
        }
    }
    drop(folder);
    let text = "Milliseconds of all processors for one request by tag without an Accept header, in the process of \
                workerd: with it are\nits HTTP, and what stands in for R2 and for the cache, which elsewhere are \
                no part of a worker's time. \"All in memory\" is\nthe worker without those: what it writes to them, \
                it has in a map of its own."
        .to_owned();
    let (cold, warm): (Vec<_>, Vec<_>) = measured.into_iter().map(|(_, _, cold, warm)| (cold, warm)).unzip();
    let rows = iter::once(nothing).chain(cold).chain(warm).collect();
    let table = Table { subject: "request", unit: Unit::Milliseconds, bases: &[], details: &[], rows };
    Ok(Section { title: "Processor time of a pull".to_owned(), text: Some(text), table })
}

/// The same worker with R2 and the cache in its own memory.
fn in_memory(worker: &Path) -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    for entry in fs::read_dir(worker)? {
        let entry = entry?;
        let name = if entry.file_name() == MAIN { INNER.into() } else { entry.file_name() };
        fs::copy(entry.path(), folder.path().join(name))?;
    }
    fs::write(folder.path().join(MAIN), include_str!("in_memory.mjs"))?;
    Ok(folder)
}

fn manifest(number: usize) -> String {
    format!("/v2/{REPOSITORY}/manifests/{number}")
}

/// How many milliseconds of the process one request takes, of `PULLS - 1` for different targets.
fn processor_time(server: &Server, process: u32, target: impl Fn(usize) -> String) -> anyhow::Result<f64> {
    let before = process::processor_time(process)?;
    (0..PULLS - 1).try_for_each(|number| ask(server, &target(number)))?;
    let taken = process::processor_time(process)?.saturating_sub(before);
    Ok(taken.as_secs_f64() * 1e3 / (PULLS - 1) as f64)
}

fn ask(server: &Server, target: &str) -> anyhow::Result<()> {
    let response = http::send(server.address(), "GET", target, &[])?;
    ensure!(response.status == 200, "{response:?}");
    Ok(())
}

/// The process of workerd that Node has started for a server.
fn workerd_of(server: &Server) -> anyhow::Result<u32> {
    process::children(server.pid())?.first().copied().context("Node has started no workerd")
}
