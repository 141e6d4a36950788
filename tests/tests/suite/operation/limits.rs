//! Clients that are too many, too slow or too large: each is told so, and the others do not notice.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, ensure};
use downshift::Digest;
use downshift_cases::images::{Family, Image, REPOSITORY, sample};
use downshift_cases::response::is_refused;
use downshift_tests::engines::Docker;
use downshift_tests::front::manifest_path;
use downshift_tests::http;
use downshift_tests::http2::Stalled;
use downshift_tests::operated::Operated;
use downshift_tests::patience::await_true;
use downshift_tests::programs::{CURL, case, case_after, case_with};
use downshift_tests::web::{Web, hang};
use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Named;

/// How many connections do nothing, and how many send a request slowly.
const IDLE: usize = 10_000;
const SLOW: usize = 500;

/// Bytes of memory that a server may have with all of them.
const MEMORY_BYTES: u64 = 256 * 1024 * 1024;

pub(crate) fn trials() -> Vec<Trial> {
    let trial =
        |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("operation::limits::{name}"), run);
    let with_curl = |(name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with([CURL], format!("operation::limits::{name}"), run)
    };
    let (name, run): Named<fn(()) -> anyhow::Result<()>> =
        named!(ten_thousand_idle_and_five_hundred_slow_connections_leave_pulls_working);
    vec![
        trial(named!(a_connection_too_many_is_told_so)),
        trial(named!(a_request_too_many_is_told_so)),
        trial(named!(a_client_with_too_many_requests_is_told_so)),
        trial(named!(a_client_with_too_many_connections_is_told_so)),
        trial(named!(streams_that_take_nothing_are_reset_and_the_others_go_on)),
        trial(named!(refusals_that_nobody_reads_take_room_from_nobody)),
        trial(named!(one_client_does_not_fill_a_server_of_which_nothing_is_said)),
        trial(named!(large_answers_that_nobody_reads_have_one_bound)),
        trial(named!(memory_of_large_answers_is_given_back)),
        trial(named!(heads_that_take_too_long_are_told_so)),
        trial(named!(connections_with_nothing_to_do_end)),
        trial(named!(whoever_reads_no_answer_is_let_go)),
        trial(named!(heads_and_bodies_that_are_too_large_are_told_so)),
        with_curl(named!(http_2_connections_with_nothing_to_do_end)),
        case_after([], format!("operation::limits::{name}"), room_for_files, run),
    ]
}

fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// What comes until the connection ends.
fn rest(mut stream: &TcpStream) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn a_connection_too_many_is_told_so() -> anyhow::Result<()> {
    let images = [("latest", sample::schema2())];
    let server = Operated::start_with(&images, &["--max-connections", "2"])?;
    let held = [connect(server.address())?, connect(server.address())?];
    server.await_figure("downshift_connections", 2.0)?;
    let refused = server.manifest("latest", &[])?;
    is_refused(&refused, 503, "busy")?;
    ensure!(refused.header("retry-after").is_some(), "it does not say when to come again: {refused:?}");
    ensure!(refused.header("connection") == Some("close"), "the connection goes on: {refused:?}");
    ensure!(server.figure("downshift_refused_total{reason=\"connections\"}")? == 1.0, "it is not counted");
    drop(held);
    server.await_figure("downshift_connections", 0.0)?;
    ensure!(server.manifest("latest", &[])?.status == 200, "it is no better afterwards");
    Ok(())
}

/// A server before a registry that never answers, with a request under way.
fn with_a_request_under_way(arguments: &[&str]) -> anyhow::Result<(Operated, Web, TcpStream)> {
    let registry = Web::start(|_, client| {
        hang(client);
        Ok(())
    })?;
    let server = Operated::start(&[&["--upstream", &registry.url()], arguments].concat())?;
    let mut held = connect(server.address())?;
    write!(held, "GET {} HTTP/1.1\r\nHost: a\r\n\r\n", manifest_path("latest"))?;
    server.await_figure("downshift_requests_under_way", 1.0)?;
    Ok((server, registry, held))
}

fn a_request_too_many_is_told_so() -> anyhow::Result<()> {
    let (server, _registry, held) = with_a_request_under_way(&["--max-requests", "1"])?;
    let refused = http::send(server.address(), "GET", "/v2/", &[])?;
    is_refused(&refused, 503, "busy")?;
    ensure!(refused.header("retry-after").is_some(), "it does not say when to come again: {refused:?}");
    drop(held);
    server.await_figure("downshift_requests_under_way", 0.0)?;
    ensure!(http::send(server.address(), "GET", "/v2/", &[])?.status == 200, "it is no better afterwards");
    Ok(())
}

fn a_client_with_too_many_requests_is_told_so() -> anyhow::Result<()> {
    let arguments = ["--client-requests", "1", "--trusted-proxy", "127.0.0.1"];
    let (server, _registry, held) = with_a_request_under_way(&arguments)?;
    let refused = http::send(server.address(), "GET", "/v2/", &[])?;
    is_refused(&refused, 429, "too-many-requests")?;
    ensure!(refused.header("retry-after").is_some(), "it does not say when to come again: {refused:?}");
    let other = http::send(server.address(), "GET", "/v2/", &[("X-Forwarded-For", "192.0.2.1")])?;
    ensure!(other.status == 200, "another client is refused: {other:?}");
    drop(held);
    server.await_figure("downshift_requests_under_way", 0.0)?;
    ensure!(http::send(server.address(), "GET", "/v2/", &[])?.status == 200, "it is no better afterwards");
    Ok(())
}

fn a_client_with_too_many_connections_is_told_so() -> anyhow::Result<()> {
    let images = [("latest", sample::schema2())];
    let server = Operated::start_with(&images, &["--client-connections", "2"])?;
    let held = [connect(server.address())?, connect(server.address())?];
    server.await_figure("downshift_connections", 2.0)?;
    let refused = server.manifest("latest", &[])?;
    is_refused(&refused, 429, "too-many-connections")?;
    ensure!(refused.header("connection") == Some("close"), "the connection goes on: {refused:?}");
    drop(held);
    server.await_figure("downshift_connections", 0.0)?;
    ensure!(server.manifest("latest", &[])?.status == 200, "it is no better afterwards");
    Ok(())
}

fn streams_that_take_nothing_are_reset_and_the_others_go_on() -> anyhow::Result<()> {
    let images = [("latest", sample::schema2())];
    let server = Operated::start_with(&images, &["--request-timeout", "1"])?;
    let mut client = Stalled::connect(server.address())?;
    let path = manifest_path("latest");
    let stalled = (0..8).map(|_| client.send("GET", &path, &[])).collect::<anyhow::Result<Vec<_>>>()?;
    for stream in stalled {
        client.await_reset(stream)?;
    }
    server.await_figure("downshift_refused_total{reason=\"stuck\"}", 8.0)?;
    server.await_figure("downshift_requests_under_way", 0.0)?;
    // It takes no room for a head.
    let other = client.send("HEAD", &path, &[])?;
    client.await_head(other)
}

fn refusals_that_nobody_reads_take_room_from_nobody() -> anyhow::Result<()> {
    let images = [("latest", sample::schema2())];
    let arguments = ["--max-requests", "8", "--client-requests", "1", "--trusted-proxy", "127.0.0.1"];
    let server = Operated::start_with(&images, &arguments)?;
    let mut client = Stalled::connect(server.address())?;
    for _ in 0..32 {
        let stream = client.send("GET", &manifest_path("latest"), &[("x-forwarded-for", "192.0.2.1")])?;
        client.await_head(stream)?;
    }
    server.await_figure("downshift_refused_total{reason=\"client\"}", 31.0)?;
    server.await_figure("downshift_requests_under_way", 1.0)?;
    let other = server.manifest("latest", &[("X-Forwarded-For", "192.0.2.2")])?;
    ensure!(other.status == 200, "another client is refused: {other:?}");
    Ok(())
}

fn one_client_does_not_fill_a_server_of_which_nothing_is_said() -> anyhow::Result<()> {
    let images = [("latest", sample::schema2())];
    let arguments = ["--max-requests", "40", "--trusted-proxy", "127.0.0.1"];
    let server = Operated::start_with(&images, &arguments)?;
    let mut client = Stalled::connect(server.address())?;
    for _ in 0..40 {
        let stream = client.send("GET", &manifest_path("latest"), &[("x-forwarded-for", "192.0.2.1")])?;
        client.await_head(stream)?;
    }
    server.await_figure("downshift_requests_under_way", 10.0)?;
    let other = server.manifest("latest", &[("X-Forwarded-For", "192.0.2.2")])?;
    ensure!(other.status == 200, "another client is refused: {other:?}");
    // Clients that nobody tells apart have no limit of one, and the operator hears why.
    for _ in 0..20 {
        let stream = client.send("GET", &manifest_path("latest"), &[])?;
        client.await_head(stream)?;
    }
    server.await_figure("downshift_requests_under_way", 30.0)?;
    server.await_log("have it set `X-Forwarded-For`")
}

/// An image whose manifest in schema 1 has some 8 MB: each `<` of a label is escaped there, twice.
fn escaped(label: &str) -> anyhow::Result<Image> {
    let Image { configs, layers, .. } = sample::schema2();
    let mut config: serde_json::Value = serde_json::from_slice(configs.first().context("no config")?)?;
    config["config"]["Labels"] = serde_json::json!({ "a": "<".repeat(1_200_000), "b": label });
    Ok(Image::single(Family::Docker, serde_json::to_vec(&config)?, layers))
}

fn large_answers_that_nobody_reads_have_one_bound() -> anyhow::Result<()> {
    const WORK_BYTES: u64 = 32 * 1024 * 1024;
    /// Beside work in flight: the server itself, its caches of 64 MiB, and what its allocator gives back later.
    const OTHER_BYTES: u64 = 192 * 1024 * 1024;
    let tags: Vec<_> = (0..40).map(|number| format!("large-{number}")).collect();
    let large = escaped("")?;
    let mut images: Vec<_> = tags.iter().map(|tag| (tag.as_str(), large.clone())).collect();
    images.push(("latest", sample::schema2()));
    let work_bytes = WORK_BYTES.to_string();
    let arguments = ["--work-bytes", &work_bytes, "--trusted-proxy", "127.0.0.1", "--request-timeout", "600"];
    let server = Operated::start_with(&images, &arguments)?;
    let mut client = Stalled::connect(server.address())?;
    let forwarded = [("x-forwarded-for", "192.0.2.1")];
    let send = |tag: &String| client.send("GET", &manifest_path(tag), &forwarded);
    let streams = tags.iter().map(send).collect::<anyhow::Result<Vec<_>>>()?;
    for stream in streams {
        client.await_head(stream)?;
    }
    ensure!(server.figure("downshift_refused_total{reason=\"work\"}")? > 30.0, "nothing was refused");
    let memory = server.memory()?;
    ensure!(memory <= WORK_BYTES + OTHER_BYTES, "it has `{memory}` bytes of memory");
    let other = server.manifest("latest", &[("X-Forwarded-For", "192.0.2.2")])?;
    ensure!(other.status == 200, "another client is refused: {other:?}");
    // Who reads what is large still gets it.
    let read = server.manifest("large-0", &[("X-Forwarded-For", "192.0.2.2")])?;
    ensure!(read.status == 200 && read.body.len() > 8_000_000, "{} {}", read.status, read.body.len());
    Ok(())
}

fn memory_of_large_answers_is_given_back() -> anyhow::Result<()> {
    /// The server itself, in a build without optimisations, and what its allocator keeps at hand: less than its caches would
    /// have if they were full.
    const MEMORY_BYTES: u64 = 100 * 1024 * 1024;
    let tags: Vec<_> = (0..12).map(|number| format!("large-{number}")).collect();
    let mut images = Vec::new();
    for tag in &tags {
        images.push((tag.as_str(), escaped(tag)?));
    }
    for engine in ["native", "wasm"] {
        let server = Operated::start_with(&images, &["--engine", engine])?;
        for tag in &tags {
            let answer = server.manifest(tag, &[])?;
            ensure!(answer.status == 200 && answer.body.len() > 8_000_000, "{engine}: {}", answer.status);
        }
        let mut memory = server.memory()?;
        await_true("memory to be given back", || {
            memory = server.memory()?;
            Ok(memory <= MEMORY_BYTES)
        })
        .with_context(|| format!("{engine}: it has `{memory}` bytes of memory"))?;
    }
    Ok(())
}

fn heads_that_take_too_long_are_told_so() -> anyhow::Result<()> {
    let images = [("latest", sample::schema2())];
    let server = Operated::start_with(&images, &["--request-timeout", "4"])?;
    let mut first = connect(server.address())?;
    first.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Sl")?;
    let mut second = connect(server.address())?;
    // After a request that was fast.
    second.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut answer = [0; 15];
    second.read_exact(&mut answer)?;
    ensure!(answer == *b"HTTP/1.1 200 OK", "{}", answer.escape_ascii());
    second.write_all(b"G")?;
    for (which, stream) in [("first", &first), ("second", &second)] {
        let said = rest(stream)?;
        let (_, answer) = said.split_once("HTTP/1.1 408 ").with_context(|| format!("{which}: {said}"))?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
        let body: serde_json::Value = serde_json::from_str(body)?;
        ensure!(body["errors"][0]["detail"]["reason"] == "request-timeout", "{which}: {body}");
    }
    server.await_figure("downshift_refused_total{reason=\"slow\"}", 2.0)
}

fn connections_with_nothing_to_do_end() -> anyhow::Result<()> {
    let images = [("latest", sample::schema2())];
    let server = Operated::start_with(&images, &["--idle-timeout", "4"])?;
    let silent = connect(server.address())?;
    let mut used = connect(server.address())?;
    used.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    ensure!(rest(&silent)?.is_empty(), "something is said to whoever says nothing");
    let said = rest(&used)?;
    ensure!(said.starts_with("HTTP/1.1 200 OK") && said.matches("HTTP/1.1").count() == 1, "{said}");
    server.await_figure("downshift_connections", 0.0)
}

fn http_2_connections_with_nothing_to_do_end() -> anyhow::Result<()> {
    let images = [("latest", sample::schema2())];
    let server = Operated::start_with(&images, &["--idle-timeout", "4", "--request-timeout", "4"])?;
    let mut stream = connect(server.address())?;
    // The preface and empty settings (RFC 9113, 3.4 and 6.5).
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    // A frame of type 7 says that the end is meant (RFC 9113, 6.8).
    ensure!(
        bytes.windows(4).any(|frame| frame == [0, 0, 8, 7]),
        "there is no GOAWAY: {}",
        bytes.escape_ascii()
    );
    server.await_figure("downshift_connections", 0.0)
}

/// An image with a layer of 64 MiB, which no socket takes at once.
fn large() -> Image {
    let mut image = sample::schema2();
    image.layers.push(vec![7; 64 * 1024 * 1024]);
    image
}

fn whoever_reads_no_answer_is_let_go() -> anyhow::Result<()> {
    let image = large();
    let digest = Digest::of(image.layers.last().context("there are no layers")?);
    let server = Operated::start_with(&[("latest", image)], &["--request-timeout", "4"])?;
    let mut stream = connect(server.address())?;
    write!(stream, "GET /v2/{REPOSITORY}/blobs/{digest} HTTP/1.1\r\nHost: a\r\n\r\n")?;
    server.await_figure("downshift_refused_total{reason=\"stuck\"}", 1.0)?;
    server.await_figure("downshift_requests_under_way", 0.0)?;
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    let part = http::send(server.address(), "GET", &path, &[("Range", "bytes=0-9")])?;
    ensure!(part.status == 206, "it is no better afterwards: {part:?}");
    Ok(())
}

fn heads_and_bodies_that_are_too_large_are_told_so() -> anyhow::Result<()> {
    let server = Operated::start_with(&[("latest", sample::schema2())], &[])?;
    let accept = "text/plain, ".repeat(2000);
    is_refused(&server.manifest("latest", &[("Accept", &accept)])?, 431, "header-bytes")?;
    let mut stream = connect(server.address())?;
    // It may have read enough before the end.
    let _ = write!(stream, "GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "x".repeat(128 * 1024));
    let said = rest(&stream).unwrap_or_default();
    ensure!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");

    let target = manifest_path("latest");
    is_refused(
        &http::send(server.address(), "GET", &target, &[("Content-Length", "1000000")])?,
        413,
        "body-bytes",
    )?;
    // Where nothing can be written, that is what there is to say, whatever the size.
    let put = http::send(server.address(), "PUT", &target, &[("Content-Length", "1000000")])?;
    is_refused(&put, 405, "read-only")?;
    Ok(())
}

/// Has so many files open that both ends of all connections fit.
fn room_for_files() -> anyhow::Result<()> {
    let needed = (IDLE + SLOW + 1000) as u64;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    ensure!(maximum.is_none_or(|maximum| maximum >= needed), "`{needed}` files cannot be open");
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(())
}

fn ten_thousand_idle_and_five_hundred_slow_connections_leave_pulls_working(_: ()) -> anyhow::Result<()> {
    let images = [("schema2", sample::schema2()), ("oci", sample::oci()), ("index", sample::index())];
    let server = Operated::start_with(&images, &["--idle-timeout", "600", "--request-timeout", "600"])?;
    let before = server.memory()?;
    let mut idle = Vec::with_capacity(IDLE);
    for number in 0..IDLE {
        let mut stream = connect(server.address())?;
        // Half of them have asked for something before.
        if number % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
        }
        idle.push(stream);
    }
    let mut slow = Vec::with_capacity(SLOW);
    for _ in 0..SLOW {
        let mut stream = connect(server.address())?;
        stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: ")?;
        slow.push(stream);
    }
    server.await_figure("downshift_connections", (IDLE + SLOW) as f64)?;
    for docker in Docker::ALL {
        for (tag, _) in &images {
            docker.pull(server.address(), REPOSITORY, tag).context(*tag)?;
            slow.iter_mut().try_for_each(|stream| stream.write_all(b"x"))?;
        }
    }
    let with_all = server.memory()?;
    println!("{} KiB before, {} KiB with all connections", before / 1024, with_all / 1024);
    ensure!(with_all <= MEMORY_BYTES, "it has `{with_all}` bytes of memory");
    drop((idle, slow));
    server.await_figure("downshift_connections", 0.0)
}
