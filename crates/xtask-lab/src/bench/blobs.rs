//! Blobs, as they are stored, and unpacked on their way.

mod layer;

use core::time::Duration;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use downshift::Form;
use downshift_tests::programs::{CURL, ZSTD, locate};

use self::layer::{Blob, Layer};
use super::document::{Chapter, Detail, Row, Section, Table, Unit};
use super::http::{DETAILS, WARM_UP};
use super::servers::{Contestant, Images, REFERENCE, Running, STATIC_FILE};
use super::site::Site;
use super::wrk::{CONNECTIONS, Wrk};
use super::{curl, process};

/// The smaller of the blobs, in MiB.
const SMALL: u32 = 10;

/// On how many connections it is asked for as a plain tar: Docker fetches three layers at the same time.
const UNPACKED_CONNECTIONS: usize = 4;

/// What is measured with the throughput of the larger one.
const LARGE_DETAILS: &[Detail] = &[
    Detail { name: "processor time for one", unit: Unit::Milliseconds },
    Detail { name: "most memory", unit: Unit::Mebibytes },
];

/// What all requests to Downshift have that are for an unpacked layer: its client cannot read zstd.
const AGENT: &str =
    "User-Agent: docker/20.10.24+dfsg1 go/go1.19.8 git-commit/5d6db84 kernel/6.1.0 os/linux arch/amd64";

/// What this client reads.
const ACCEPT: &str = "Accept: application/vnd.oci.image.manifest.v1+json";

/// How long a server may take to know a layer, or to keep it.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(20);

/// What a server is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The tar, which it has.
    Tar,
    /// The tar by its diff id, where it has the layer that is compressed with zstd.
    Unpacked,
    /// The same with `Content-Encoding: zstd`.
    Coded,
    /// The compressed layer, which it has.
    Zstd,
}

/// How large the blob is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// 10 MiB, asked for on several connections.
    Small,
    /// So many MiB, asked for on one.
    Large(u32),
}

impl Size {
    const fn mebibytes(self) -> u32 {
        match self {
            Self::Small => SMALL,
            Self::Large(mebibytes) => mebibytes,
        }
    }

    fn title(self) -> String {
        let mebibytes = self.mebibytes();
        if mebibytes.is_multiple_of(1024) {
            format!("{} GiB", mebibytes / 1024)
        } else {
            format!("{mebibytes} MiB")
        }
    }
}

/// A server, and what it is asked for.
type Asked = (Contestant, Wanted);

/// Measures blobs of these sizes, the smaller for `time` in each round.
pub(super) fn measure(
    downshift: &Path,
    sizes: &[Size],
    rounds: u32,
    time: Duration,
) -> anyhow::Result<Chapter> {
    let mut chapter =
        Chapter { title: "Blobs", text: TEXT.to_owned(), sections: Vec::new(), left_out: Vec::new() };
    let wrk = match Wrk::find() {
        Ok(wrk) => wrk,
        Err(reason) => {
            chapter.left_out.push(reason);
            return Ok(chapter);
        }
    };
    if let Some(program) = [CURL, ZSTD].into_iter().find(|program| locate(program).is_none()) {
        chapter.left_out.push(format!("everything, for `{program}` is not installed"));
        return Ok(chapter);
    }
    for (name, server) in
        [(REFERENCE, Contestant::docker_registry(REFERENCE)), (STATIC_FILE, Contestant::nginx(STATIC_FILE))]
    {
        if server.is_none() {
            chapter.left_out.push(format!("whatever needs {name}, for it is not installed"));
        }
    }
    for &size in sizes {
        let site = Site::write(Vec::new())?;
        if let Err(reason) = layer::has_room(&site, size.mebibytes())? {
            chapter.left_out.push(format!("a blob of {}, for {reason}", size.title()));
            continue;
        }
        eprintln!("making a layer of {}", size.title());
        let layer = Layer::make(&site, size.mebibytes())?;
        if let Some(registry) = Contestant::docker_registry(REFERENCE) {
            layer.push(&registry.start(&site)?.url(Form::Oci))?;
        }
        let tables = [
            (format!("A blob of {}", size.title()), stored_text(size), CONNECTIONS, stored(downshift)),
            (
                format!("A layer of {}, from zstd to tar", size.title()),
                unpacked_text(size, &layer),
                UNPACKED_CONNECTIONS,
                unpacked(downshift),
            ),
        ];
        for (title, text, connections, asked) in tables {
            let mut rows: Vec<Row> = asked.iter().map(|(server, _)| Row::new(server.name)).collect();
            for round in 1..=rounds {
                eprintln!("{title}, round {round} of {rounds}");
                for ((server, wanted), row) in asked.iter().zip(&mut rows) {
                    ask(&wrk, connections, server, *wanted, &site, &layer, size, time, row)
                        .with_context(|| server.name)?;
                }
            }
            let (unit, details) = match size {
                Size::Small => (Unit::Rate, DETAILS),
                Size::Large(_) => (Unit::Throughput, LARGE_DETAILS),
            };
            let bases = &[REFERENCE, STATIC_FILE];
            let table = Table { subject: "server", unit, bases, details, rows };
            chapter.sections.push(Section { title, text: Some(text), table });
        }
    }
    Ok(chapter)
}

/// The servers that are asked for a blob as it is stored. The sandbox has no part in that.
fn stored(downshift: &Path) -> Vec<Asked> {
    let ours = [
        ("downshift, from a folder", Images::Folder),
        ("downshift, from its cache", Images::Cache),
        ("downshift, streamed from docker-registry", Images::DockerRegistry),
    ];
    let mut servers: Vec<Contestant> = (ours.into_iter())
        .map(|(name, images)| Contestant::downshift(downshift, name, "wasm", images))
        .collect();
    servers.extend(Contestant::docker_registry(REFERENCE));
    servers.extend(Contestant::docker_registry_proxy("docker-registry, from its cache (proxy mode)"));
    servers.extend(Contestant::nginx(STATIC_FILE));
    with_upstream(servers.into_iter().map(|server| (server, Wanted::Tar)).collect())
}

/// The servers that are asked for a layer as a plain tar, and those that have it as one.
fn unpacked(downshift: &Path) -> Vec<Asked> {
    let ours = [
        ("downshift, wasm, from a folder", "wasm", Images::Folder, Wanted::Unpacked),
        ("downshift, native, from a folder", "native", Images::Folder, Wanted::Unpacked),
        ("downshift, wasm, from its cache", "wasm", Images::Cache, Wanted::Unpacked),
        ("downshift, native, from its cache", "native", Images::Cache, Wanted::Unpacked),
        ("downshift, wasm, streamed from docker-registry", "wasm", Images::DockerRegistry, Wanted::Unpacked),
        (
            "downshift, native, streamed from docker-registry",
            "native",
            Images::DockerRegistry,
            Wanted::Unpacked,
        ),
        ("downshift, coded, from a folder", "wasm", Images::Folder, Wanted::Coded),
        ("downshift, coded, from its cache", "wasm", Images::Cache, Wanted::Coded),
        ("downshift, coded, streamed from docker-registry", "wasm", Images::DockerRegistry, Wanted::Coded),
    ];
    let mut asked: Vec<Asked> = (ours.into_iter())
        .map(|(name, engine, images, wanted)| {
            (Contestant::downshift(downshift, name, engine, images), wanted)
        })
        .collect();
    asked.extend(Contestant::docker_registry(REFERENCE).map(|server| (server, Wanted::Tar)));
    asked.extend(Contestant::nginx(STATIC_FILE).map(|server| (server, Wanted::Tar)));
    asked.extend(Contestant::nginx("nginx, the zstd").map(|server| (server, Wanted::Zstd)));
    with_upstream(asked)
}

/// Those that can be started: not all have what they ask.
fn with_upstream(mut asked: Vec<Asked>) -> Vec<Asked> {
    if Contestant::docker_registry(REFERENCE).is_none() {
        asked.retain(|(server, _)| !server.is_before_docker_registry());
    }
    asked
}

const TEXT: &str = "\
The same blob again and again: in requests a second, asked by wrk, or where it is large in MiB a second of one request
after the other, asked by curl. Everything else is as under HTTP, the processor time, too. What comes from a
cache was fetched from docker-registry before, and is the second pull: Downshift's with `blobs = \"cache\"`, and that of
docker-registry in its own proxy mode. What is streamed is fetched from docker-registry with each request. The time of
the docker-registry that is asked is not in the processor time, but it has the same processors.";

fn stored_text(size: Size) -> String {
    match size {
        Size::Small => format!("By its digest, as it is stored, on {CONNECTIONS} connections."),
        Size::Large(_) => "By its digest, as it is stored: one request in each round.".to_owned(),
    }
}

fn unpacked_text(size: Size, layer: &Layer) -> String {
    let ratio = layer.tar.bytes as f64 / layer.zstd.bytes as f64;
    let how = match size {
        Size::Small => format!(" There are {UNPACKED_CONNECTIONS} connections."),
        Size::Large(_) => " One request in each round; the MiB are those of the tar.".to_owned(),
    };
    format!(
        "\
The layer is stored as `zstd -3` compresses it, {ratio:.1} to 1, and asked for by its diff id, as by Docker 20.10 after it got the
manifest with it. Downshift unpacks it as it sends it, by default one layer at a time for two processors; where it is
coded, the client takes `Content-Encoding: zstd`, and gets what is stored, which it has to unpack itself: that is not in the figures.
docker-registry and nginx have the same tar as a file, and send that; the last row is the compressed file.{how}"
    )
}

/// Starts a server, and has it answer once, so that it knows and has what it will; then measures it.
#[expect(clippy::too_many_arguments, reason = "it is one measurement")]
fn ask(
    wrk: &Wrk,
    connections: usize,
    contestant: &Contestant,
    wanted: Wanted,
    site: &Site,
    layer: &Layer,
    size: Size,
    time: Duration,
    row: &mut Row,
) -> anyhow::Result<()> {
    let server = contestant.start(site)?;
    let mut headers = Vec::new();
    if matches!(wanted, Wanted::Unpacked | Wanted::Coded) {
        let coding = if wanted == Wanted::Coded { "zstd" } else { "identity" };
        headers = vec![AGENT.to_owned(), format!("Accept-Encoding: {coding}")];
        learn(&server, site, layer)?;
    }
    let stored = if matches!(wanted, Wanted::Tar) { &layer.tar } else { &layer.zstd };
    let sent = if matches!(wanted, Wanted::Coded | Wanted::Zstd) { &layer.zstd } else { &layer.tar };
    let named = if wanted == Wanted::Coded { &layer.tar } else { sent };
    let url = format!("{}{}", server.blobs_url(), stored.path(&named.digest));
    let fetched = site.path("fetched");
    check(&curl::get(&url, &headers, Some(&fetched))?, wanted, sent)?;
    sent.check(&fetched)?;
    if let Some(path) = contestant.cached(site, &stored.digest) {
        until("it keeps the blob", || Ok(path.metadata().is_ok_and(|file| file.len() == stored.bytes)))?;
    }
    let process = server.process();
    match size {
        Size::Small => {
            wrk.hot(&url, &headers, connections, WARM_UP)?;
            let before = process::processor_time_of_all(process)?;
            let asked = wrk.hot(&url, &headers, connections, time)?;
            ensure!(asked.requests > 0.0, "nothing is answered in {} s", time.as_secs());
            let taken = process::processor_time_of_all(process)?.saturating_sub(before);
            let taken = taken.as_secs_f64() * 1e6 / asked.requests;
            let peak = process::memory(process)?.peak;
            row.push(asked.rate, [asked.median, asked.percentile_99, taken, peak]);
        }
        Size::Large(mebibytes) => {
            let before = process::processor_time_of_all(process)?;
            let answer = curl::get(&url, &headers, None)?;
            let taken = process::processor_time_of_all(process)?.saturating_sub(before);
            check(&answer, wanted, sent)?;
            let peak = process::memory(process)?.peak;
            row.push(f64::from(mebibytes) / answer.seconds, [taken.as_secs_f64() * 1e3, peak]);
        }
    }
    Ok(())
}

/// Asks for the manifest, until the server knows what the layer is as a plain tar.
fn learn(server: &Running, site: &Site, layer: &Layer) -> anyhow::Result<()> {
    let url = format!("{}{}", server.url(Form::Oci), Blob::manifest_path(layer.zstd.repository));
    let headers = [AGENT, ACCEPT].map(str::to_owned);
    let file = site.path("manifest");
    until("it knows the layer", || {
        let answer = curl::get(&url, &headers, Some(&file))?;
        ensure!(matches!(answer.status, 200 | 503), "{url} gave {answer:?}");
        Ok(answer.status == 200)
    })?;
    let manifest = std::fs::read_to_string(&file)?;
    ensure!(manifest.contains(layer.tar.digest.as_str()), "{url} does not name the diff id: {manifest}");
    Ok(())
}

/// Whether an answer is the blob that was to be sent.
fn check(answer: &curl::Answer, wanted: Wanted, sent: &Blob) -> anyhow::Result<()> {
    let coding = if wanted == Wanted::Coded { "zstd" } else { "" };
    let is_right = answer.status == 200 && answer.bytes == sent.bytes && answer.coding == coding;
    ensure!(is_right, "not {} bytes, coded as `{coding}`, but {answer:?}", sent.bytes);
    Ok(())
}

/// Waits until something is true.
fn until(what: &str, mut is_true: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_true()? {
        ensure!(Instant::now() < deadline, "it takes more than {} s until {what}", PATIENCE.as_secs());
        thread::sleep(PAUSE);
    }
    Ok(())
}
