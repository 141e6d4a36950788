//! What is sent to break the server itself: the rows of `SECURITY.md` that need no registry behind.

use core::time::Duration;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use downshift::{Digest, Form};
use downshift_cases::images::{Family, Image, REPOSITORY, layout, sample};
use downshift_cases::response::is_refused;
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::http;
use downshift_tests::operated::Operated;
use downshift_tests::programs::case_with;
use libtest_mimic::Trial;
use tempfile::TempDir;

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
    // The worker gets its requests from the CDN, which has read them, and has no store.
    if !engine.is_worker {
        trials.push(trial(named!(a_request_names_one_host)));
        trials.push(trial(named!(links_lead_nowhere_outside_a_store)));
        trials.push(trial(named!(blobs_of_a_store_are_checked)));
    }
    trials
}

/// A store with a sample image, and the folder that it is in, where the server keeps its data as well.
fn store() -> anyhow::Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    layout::write(&store.join(REPOSITORY), &[("latest", sample::schema2())])?;
    Ok((folder, store))
}

fn serve(engine: Engine, folder: TempDir, store: &Path, arguments: &[&str]) -> anyhow::Result<Operated> {
    let store = store.display().to_string();
    Operated::start_in(folder, &[&["--store", &store], engine.arguments, arguments].concat())
}

fn blob_path(repository: &str, digest: &str) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

fn links_lead_nowhere_outside_a_store(engine: Engine) -> anyhow::Result<()> {
    let (folder, store) = store()?;
    let (data, elsewhere) = (folder.path().join("data"), folder.path().join("elsewhere"));
    layout::write(&elsewhere.join(REPOSITORY), &[("latest", sample::schema2())])?;
    let blobs = store.join(REPOSITORY).join("blobs/sha256");
    let layer = sample::schema2().layers.into_iter().next().context("there are no layers")?;
    let digest = Digest::of(&layer);
    let key = Digest::of(b"key");
    let password = Digest::of(b"password");
    symlink(data.join("signing-key.json"), blobs.join(key.hex()))?;
    symlink("/etc/passwd", blobs.join(password.hex()))?;
    symlink(folder.path(), store.join("root"))?;
    symlink(&elsewhere, store.join("elsewhere"))?;
    symlink(REPOSITORY, store.join("inside"))?;
    let outside = [format!("elsewhere/{REPOSITORY}"), format!("root/elsewhere/{REPOSITORY}")];
    let get = |server: &Operated, repository: &str, digest: &Digest| {
        http::send(server.address(), "GET", &blob_path(repository, digest.as_str()), &[])
    };
    let manifest = |server: &Operated, repository: &str| {
        http::send(server.address(), "GET", &format!("/v2/{repository}/manifests/latest"), &[])
    };
    let folders = folder.path().display().to_string();
    for (links, leads) in [(&[][..], false), (&["--store-links", folders.as_str()], true)] {
        // Both servers have it, one after the other.
        let data = data.display().to_string();
        let arguments = [&["--data", &data], links].concat();
        let server = serve(engine, tempfile::tempdir()?, &store, &arguments)?;
        for secret in [&key, &password] {
            let response = get(&server, REPOSITORY, secret)?;
            ensure!(response.status == 404, "a link out of the store: {response:?}");
        }
        server.await_log("link-outside-store")?;
        let inside = get(&server, "inside", &digest)?;
        ensure!(inside.status == 200 && inside.body == layer, "a link inside: {inside:?}");
        let status = if leads { 200 } else { 404 };
        for repository in &outside {
            let (blob, manifest) = (get(&server, repository, &digest)?, manifest(&server, repository)?);
            ensure!(blob.status == status, "{repository}: {blob:?}");
            ensure!(manifest.status == status, "{repository}: {manifest:?}");
        }
    }
    Ok(())
}

fn blobs_of_a_store_are_checked(engine: Engine) -> anyhow::Result<()> {
    let (folder, store) = store()?;
    let blobs = store.join(REPOSITORY).join("blobs/sha256");
    let small = sample::schema2().layers.into_iter().next().context("there are no layers")?;
    let large = vec![7; 17 * 1024 * 1024];
    fs::write(blobs.join(Digest::of(&large).hex()), &large)?;
    let pipe = Digest::of(b"pipe");
    let made = Command::new("mkfifo").arg(blobs.join(pipe.hex())).status()?;
    ensure!(made.success(), "there is no pipe");
    let server = serve(engine, folder, &store, &[])?;
    let send = |method: &str, digest: &Digest, headers: &[(&str, &str)]| {
        http::send(server.address(), method, &blob_path(REPOSITORY, digest.as_str()), headers)
    };
    for method in ["GET", "HEAD"] {
        ensure!(send(method, &pipe, &[])?.status == 404, "a pipe by {method}");
    }
    let range: &[(&str, &str)] = &[("Range", "bytes=3-9")];
    for bytes in [&small, &large] {
        let digest = Digest::of(bytes);
        let path = blobs.join(digest.hex());
        for _ in 0..2 {
            let (whole, part) = (send("GET", &digest, &[])?, send("GET", &digest, range)?);
            ensure!(whole.status == 200 && whole.body == *bytes, "`{digest}` is not given");
            ensure!(part.status == 206 && part.body == bytes[3..10], "{part:?}");
        }
        let mut damaged = bytes.clone();
        *damaged.last_mut().context("it is empty")? ^= 1;
        fs::write(&path, &damaged)?;
        is_refused(&send("GET", &digest, range)?, 400, "corrupt-document")?;
        if bytes.len() > small.len() {
            let whole = send("GET", &digest, &[]);
            ensure!(whole.is_err(), "a large blob of another digest ends well");
        } else {
            is_refused(&send("GET", &digest, &[])?, 400, "corrupt-document")?;
        }
        ensure!(send("HEAD", &digest, &[])?.status == 200, "HEAD looks at more than the size");
        server.await_log("corrupt-document")?;
        fs::write(&path, bytes)?;
        let good = send("GET", &digest, &[])?;
        ensure!(good.status == 200 && good.body == *bytes, "after that `{digest}` is not given");
    }
    Ok(())
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
    let smuggled = SMUGGLED.replace("Host: a\r\n", "Host: a\r\nConnection: close\r\n");
    let sent = format!("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n{smuggled}");
    let responses = http::converse_to_the_end(front.address(), sent.as_bytes())?;
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
        ("GET /v2/ HTTP/1.1\r\nHost: a, b\r\n\r\n", false),
        ("GET /v2/ HTTP/1.1\r\nHost: user@a\r\n\r\n", false),
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
