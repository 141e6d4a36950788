//! What is sent to break the server itself: the rows of `SECURITY.md` that need no registry behind.

use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context, ensure};
use downshift::Form;
use downshift_cases::images::{Family, Image, sample};
use downshift_cases::response::is_refused;
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::http;
use downshift_tests::programs::case_with;
use libtest_mimic::Trial;

use crate::Named;

/// What the smuggled request asks for, and what its answer has in it.
const SMUGGLED: &str = "GET /v2/library/sample/tags/list HTTP/1.1\r\nHost: a\r\n\r\n";
const SMUGGLED_ANSWER: &[u8] = b"\"tags\"";

/// Requests whose length two readers see in two ways (RFC 9112, 6.3 and 11.2), with another request where one of them
/// sees the body of the first, and the other the next.
const AMBIGUOUS: &[&str] = &[
    "Content-Length: 59\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 59\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Content-Length: 54\r\n\r\n",
    "Content-Length: 0\r\nContent-Length: 54\r\n\r\n",
    "Content-Length: 54\r\nContent-Length: 0\r\n\r\n",
    "Content-Length: 0, 54\r\n\r\n",
    "Content-Length: +0\r\n\r\n",
    "Content-Length: 0x0\r\n\r\n",
    "Content-Length : 54\r\n\r\n",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "X: a\r\n Content-Length: 54\r\n\r\n",
    "X: a\rContent-Length: 54\r\n\r\n",
    "X: a\0\r\n\r\n",
    "\0: a\r\n\r\n",
];

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        case_with(engine.programs(&[]), format!("{}::front::threats::{name}", engine.name), move || {
            run(engine)
        })
    };
    let mut trials = vec![
        trial(named!(no_request_is_smuggled_in_another)),
        trial(named!(documents_that_are_bombs_are_refused)),
    ];
    // The worker gets its requests from the CDN, which has read them.
    if !engine.is_worker {
        trials.push(trial(named!(a_request_names_one_host)));
    }
    trials
}

fn no_request_is_smuggled_in_another(engine: Engine) -> anyhow::Result<()> {
    let front = Front::start(engine, &[("latest", sample::schema2())])?;
    for method in ["GET", "POST"] {
        for ambiguous in AMBIGUOUS {
            let sent = format!("{method} /v2/ HTTP/1.1\r\nHost: a\r\n{ambiguous}{SMUGGLED}");
            let responses = http::converse(front.address(), sent.as_bytes()).with_context(|| sent.clone())?;
            let is_smuggled =
                |body: &[u8]| body.windows(SMUGGLED_ANSWER.len()).any(|window| window == SMUGGLED_ANSWER);
            ensure!(
                !responses.iter().any(|response| is_smuggled(&response.body)),
                "what follows is answered: {sent:?} {responses:?}"
            );
        }
    }
    // What is not ambiguous is answered, and what follows it.
    let sent = format!("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}");
    let responses = http::converse(front.address(), sent.as_bytes())?;
    ensure!(responses.len() == 2, "requests on one connection are not answered: {responses:?}");
    Ok(())
}

/// HTTP/1.1 has exactly one `Host`, and no request has two of them (RFC 9112, 3.2).
fn a_request_names_one_host(engine: Engine) -> anyhow::Result<()> {
    let front = Front::start(engine, &[("latest", sample::schema2())])?;
    for (sent, is_sound) in [
        ("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET /v2/ HTTP/1.1\r\nHost:\r\n\r\n", true),
        ("GET http://a/v2/ HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET /v2/ HTTP/1.0\r\n\r\n", true),
        ("GET /v2/ HTTP/1.1\r\n\r\n", false),
        ("HEAD /v2/ HTTP/1.1\r\n\r\n", false),
        ("GET http://a/v2/ HTTP/1.1\r\n\r\n", false),
        ("GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", false),
        ("GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", false),
        ("GET /v2/ HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", false),
        ("GET /_downshift/ HTTP/1.1\r\n\r\n", false),
    ] {
        let head = sent.starts_with("HEAD");
        let mut stream = TcpStream::connect(front.address())?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(sent.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let answer = String::from_utf8_lossy(&bytes);
        let status = if is_sound { " 200 " } else { " 400 " };
        ensure!(answer.lines().next().is_some_and(|line| line.contains(status)), "{sent:?}: {answer}");
        ensure!(answer.contains("\"reason\":\"invalid-host\"") != (is_sound || head), "{sent:?}: {answer}");
    }
    Ok(())
}

/// Documents that are small for what it takes to read them, or that are too large for anything.
fn documents_that_are_bombs_are_refused(engine: Engine) -> anyhow::Result<()> {
    let nested = |text: &str| [text.repeat(100_000), "]".repeat(100_000)].concat();
    let with_config = |config: String| Image::single(Family::Docker, config.into_bytes(), Vec::new());
    let config = |members: &str| {
        format!(
            "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[]}},\
             \"history\":[{{\"created_by\":\"x\",\"empty_layer\":true}}]{members}}}"
        )
    };
    let entries = |count: usize, entry: &str| vec![entry; count].join(",");
    let manifest = |members: String| format!("{{\"schemaVersion\":2,{members}}}").into_bytes();
    let descriptor = format!("{{\"mediaType\":\"a/b\",\"size\":1,\"digest\":\"sha256:{}\"}}", "0".repeat(64));
    let images = [
        ("depth", "depth", Image::bare(Form::Oci, nested("[").into_bytes())),
        ("config-depth", "depth", with_config(config(&format!(",\"x\":{}", nested("["))))),
        (
            "layers",
            "layers",
            Image::bare(
                Form::Oci,
                manifest(format!("\"config\":{descriptor},\"layers\":[{}]", entries(5_000, &descriptor))),
            ),
        ),
        (
            "entries",
            "entries",
            Image::bare(Form::Index, manifest(format!("\"manifests\":[{}]", entries(5_000, &descriptor)))),
        ),
        (
            "history",
            "history",
            with_config(format!("{{\"rootfs\":{{}},\"history\":[{}]}}", entries(9_000, "{}"))),
        ),
        ("bytes", "document-bytes", with_config(config(&format!(",\"x\":\"{}\"", "x".repeat(5 << 20))))),
    ];
    let stored: Vec<_> = images.iter().map(|(tag, _, image)| (*tag, image.clone())).collect();
    let front = Front::start(engine, &stored)?;
    for (tag, limit, _) in &images {
        let refused = front.manifest(tag, &[])?;
        is_refused(&refused, 400, "limit-exceeded").context(*tag)?;
        let error = refused.json()?;
        let cause = error["errors"][0]["detail"]["cause"].as_str().unwrap_or_default();
        ensure!(cause.contains(&format!("`{limit}`")), "`{tag}` passes another limit: {cause}");
    }
    // Each `<` becomes six bytes of schema 1: a config may grow so, but not without end.
    let grows =
        with_config(config(&format!(",\"config\":{{\"Labels\":{{\"a\":\"{}\"}}}}", "<".repeat(4_000_000))));
    let front = Front::start_with(engine, &["--limit", "output-bytes=8000000"], &[("grows", grows)])?;
    is_refused(&front.manifest("grows", &[])?, 400, "limit-exceeded").context("a config that grows")?;
    let long = with_config(config(&format!(",\"x\":\"{}\"", "x".repeat(2_000))));
    let front = Front::start_with(engine, &["--limit", "string-bytes=1000"], &[("long", long)])?;
    is_refused(&front.manifest("long", &[])?, 400, "limit-exceeded").context("a string that is long")?;
    let alive = front.send("GET", &manifest_path("none"), &[])?;
    ensure!(alive.status == 404, "the server does not go on: {alive:?}");
    Ok(())
}
