//! `downshift warm`: a server that gets images ready before clients pull them.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use downshift::Digest;
use downshift_cases::images::{Image, REPOSITORY, sample};
use downshift_cases::upward;
use downshift_tests::http;
use downshift_tests::operated::Operated;
use downshift_tests::program::{run, said};
use downshift_tests::programs::{DOCKER_REGISTRY, case, case_with};
use downshift_tests::proxy::{Proxy, SeenRequest};
use downshift_tests::registry::{Registry, htpasswd};
use downshift_tests::server::free_address;
use downshift_tests::tokens::{TokenService, User};
use downshift_tests::web::{Web, respond};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Named;
use crate::convert::fails;

const DOCKER_1_9: &str = "docker/1.9.1 go/go1.4.3 git-commit/a34a1d5 kernel/3.16.0 os/linux arch/arm64";
const CONTAINERD: &str = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with([DOCKER_REGISTRY], format!("operation::warming::{name}"), run)
    };
    let alone =
        |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("operation::warming::{name}"), run);
    vec![
        trial(named!(what_is_warm_costs_the_registry_no_document)),
        trial(named!(every_platform_and_every_tag_is_asked_for)),
        trial(named!(a_user_logs_in_by_password_and_by_token)),
        alone(named!(a_server_that_needs_time_is_waited_for)),
        alone(named!(what_is_refused_or_wrong_is_told_and_the_rest_goes_on)),
        alone(named!(schema_1_is_there_for_those_who_dropped_it)),
        alone(named!(tags_come_page_by_page)),
        alone(named!(usage_and_servers_that_are_none)),
    ]
}

/// Runs the command, and gives its exit status and its summary.
fn warm(server: &str, arguments: &[&str]) -> anyhow::Result<(Option<i32>, Value)> {
    let output = run([&["warm", "--json", "--server", server], arguments].concat())?;
    let summary = serde_json::from_slice(&output.stdout);
    Ok((output.status.code(), summary.with_context(|| said(&output))?))
}

/// The reasons of what is not warm, in order.
fn reasons(summary: &Value) -> Vec<&str> {
    let failures = summary["failures"].as_array().into_iter().flatten();
    let mut reasons: Vec<&str> = failures.filter_map(|failure| failure["reason"].as_str()).collect();
    reasons.sort_unstable();
    reasons
}

fn url(server: &Operated) -> String {
    format!("http://{}", server.address())
}

fn documents(seen: &[SeenRequest]) -> usize {
    seen.iter().filter(|request| request.path.contains("/manifests/")).count()
}

fn what_is_warm_costs_the_registry_no_document() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "schema2", &sample::schema2())?;
    registry.push(REPOSITORY, "oci", &sample::oci())?;
    let proxy = Proxy::start(registry.host(), None)?;
    let upstream = format!("http://{}", proxy.address());
    let server = Operated::start(&["--upstream", &upstream, "--tag-ttl", "3600"])?;
    let images = ["library/sample:schema2", "library/sample:oci"];
    let clients = ["--for", "containerd,docker-1.6-to-1.9"];
    let (code, summary) = warm(&url(&server), &[&clients[..], &images].concat())?;
    ensure!(code == Some(0) && summary["failed"] == 0, "{code:?}: {summary}");
    ensure!(summary["images"] == 2, "{summary}");
    let forms = &summary["manifests"];
    ensure!(forms["schema2"] == 1 && forms["oci"] == 1 && forms["schema1"] == 2, "{summary}");
    let bytes: usize = distinct_bytes(&[sample::schema2(), sample::oci()]);
    let read = summary["bytes"].as_u64().unwrap_or_default() as usize;
    // The empty layer of schema 1 comes on top.
    ensure!(read >= bytes && read < bytes + 100, "{bytes}: {summary}");

    let before = proxy.seen();
    ensure!(documents(&before) > 0, "nobody asks the registry");
    for tag in ["schema2", "oci"] {
        for headers in [("Accept", CONTAINERD), ("User-Agent", DOCKER_1_9)] {
            let answered = server.manifest(tag, &[headers])?;
            ensure!(answered.status == 200, "{answered:?}");
        }
    }
    ensure!(documents(&proxy.seen()) == documents(&before), "the registry is asked again");
    Ok(())
}

/// The bytes of all configs and layers, each counted once.
fn distinct_bytes(images: &[Image]) -> usize {
    let mut seen = std::collections::BTreeMap::new();
    for blob in images.iter().flat_map(|image| image.configs.iter().chain(&image.layers)) {
        seen.insert(Digest::of(blob), blob.len());
    }
    seen.values().sum()
}

fn every_platform_and_every_tag_is_asked_for() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "index", &sample::index())?;
    registry.push(REPOSITORY, "list", &sample::list())?;
    let proxy = Proxy::start(registry.host(), None)?;
    let upstream = format!("http://{}", proxy.address());
    let server = Operated::start(&["--upstream", &upstream, "--tag-ttl", "3600"])?;
    let all = ["--all", REPOSITORY, "--platforms", "all", "--for", "docker-1.6-to-1.9"];
    let (code, summary) = warm(&url(&server), &all)?;
    ensure!(code == Some(0), "{summary}");
    // Of each tag one for linux/amd64, and one for linux/arm64.
    ensure!(summary["images"] == 2 && summary["manifests"]["schema1"] == 4, "{summary}");
    let before = documents(&proxy.seen());
    let answered = server.manifest("index", &[("User-Agent", DOCKER_1_9)])?;
    ensure!(answered.status == 200 && documents(&proxy.seen()) == before, "{answered:?}");

    // Who takes the index takes its manifests by digest.
    let arguments = ["--for", "containerd", "--no-blobs", "library/sample:index"];
    let (code, one) = warm(&url(&server), &arguments)?;
    ensure!(code == Some(0) && one["manifests"]["index"] == 1 && one["manifests"]["oci"] == 1, "{one}");
    ensure!(one["bytes"] == 0 && one["blobs"].as_u64() > Some(1), "{one}");
    let (code, all) = warm(&url(&server), &[&arguments[..], &["--platforms", "all"]].concat())?;
    ensure!(code == Some(0) && all["manifests"]["index"] == 1 && all["manifests"]["oci"] == 2, "{all}");
    let (code, none) = warm(&url(&server), &[&arguments[..], &["--platforms", "linux/s390x"]].concat())?;
    ensure!(code == Some(1) && reasons(&none) == ["platform-not-found"], "{none}");
    Ok(())
}

const ALICE: User = ("alice", "sesame", &["*"]);

fn a_user_logs_in_by_password_and_by_token() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let (right, wrong) = (file("right", "sesame\n")?, file("wrong", "guess\n")?);
    let users = format!("htpasswd:{}", file("users", &htpasswd("alice", "sesame")?)?);
    let service = Arc::new(TokenService::start(&[ALICE])?);
    let registry = Registry::start_with_tokens(&service, ALICE)?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let by_token = Operated::start(&["--upstream", registry.url(), "--auth", "upstream"])?;
    let images = [("latest", sample::schema2())];
    let by_password = Operated::start_with(&images, &["--auth", &users])?;
    for server in [&by_token, &by_password] {
        let credentials = |file| ["--username", "alice", "--password-file", file, REPOSITORY];
        let (code, summary) = warm(&url(server), &credentials(&right))?;
        ensure!(code == Some(0) && summary["failed"] == 0, "{summary}");
        let refused = run([&["warm", "--server", &url(server)][..], &credentials(&wrong)].concat())?;
        fails(&refused, 2, "server-unauthorized")?;
        let (code, summary) = warm(&url(server), &[REPOSITORY, "--for", "containerd"])?;
        ensure!(code == Some(1) && reasons(&summary) == ["UNAUTHORIZED"], "{summary}");
        let remedy = summary["failures"][0]["remedy"].as_str().unwrap_or_default();
        ensure!(remedy.contains("--username"), "{summary}");
    }
    Ok(())
}

/// A server of one image, whose manifest it gives to every second request.
fn slow(request: &SeenRequest, client: &mut TcpStream, image: &Image, is_late: bool) -> io::Result<()> {
    let documents = image.documents();
    let last = request.path.rsplit('/').next().unwrap_or_default();
    let manifest = (last == "one").then_some(&image.manifest.bytes);
    match manifest.or_else(|| documents.get(&Digest::parse(last).ok()?)) {
        _ if request.path == "/v2/" => respond(client, 200, &[], b"{}"),
        Some(_) if is_late => {
            let body = br#"{"errors":[{"code":"UNAVAILABLE","message":"a; b",
                "detail":{"cause":"it reads the layers","reason":"facts-pending","remedy":"come again"}}]}"#;
            respond(client, 503, &[("Retry-After", "1")], body)
        }
        Some(bytes) => respond(client, 200, &[("Content-Type", "application/json")], bytes),
        None => respond(client, 404, &[], b""),
    }
}

fn a_server_that_needs_time_is_waited_for() -> anyhow::Result<()> {
    let image = sample::oci();
    let asked = std::sync::Mutex::new(std::collections::HashSet::new());
    let server = Web::start(move |request, client| {
        let mut asked = asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_first = asked.insert(request.path.clone());
        slow(request, client, &image, is_first)
    })?;
    let (code, summary) = warm(&server.url(), &["a:one", "--for", "containerd"])?;
    ensure!(code == Some(0) && summary["manifests"]["oci"] == 1, "{summary}");
    ensure!(summary["bytes"] == distinct_bytes(&[sample::oci()]), "{summary}");
    let manifests: Vec<_> =
        server.seen().into_iter().filter(|request| request.path.contains("/manifests/")).collect();
    ensure!(manifests.len() == 2, "{manifests:?}");
    for request in &manifests {
        ensure!(request.values("user-agent").eq(["containerd/1.7.20"]), "{request:?}");
        ensure!(request.values("accept").eq([CONTAINERD]), "{request:?}");
    }

    let image = sample::oci();
    let server = Web::start(move |request, client| slow(request, client, &image, true))?;
    let (code, summary) = warm(&server.url(), &["a:one", "--for", "containerd", "--patience", "0"])?;
    ensure!(code == Some(1) && reasons(&summary) == ["facts-pending"], "{summary}");
    ensure!(summary["failures"][0]["cause"] == "it reads the layers", "{summary}");
    Ok(())
}

fn what_is_refused_or_wrong_is_told_and_the_rest_goes_on() -> anyhow::Result<()> {
    let image = sample::oci();
    let damaged = image.layers.first().map(|layer| Digest::of(layer)).context("it has layers")?;
    let cut = image.layers.get(1).map(|layer| Digest::of(layer)).context("it has two layers")?;
    let other = Digest::of(b"other").to_string();
    let moved =
        image.configs.first().map(|config| Digest::of(config)).context("it has a config")?.to_string();
    let (damaged_path, cut_path) = (damaged.to_string(), cut.to_string());
    let server = Web::start(move |request, client| {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        let documents = image.documents();
        let document = Digest::parse(last).ok().and_then(|digest| documents.get(&digest));
        match (last, document) {
            ("", _) => respond(client, 200, &[], b"{}"),
            ("good", _) => respond(client, 200, &[], &image.manifest.bytes),
            ("other", _) => {
                respond(client, 200, &[("Docker-Content-Digest", other.as_str())], &image.manifest.bytes)
            }
            ("refused", _) => {
                let body = br#"{"errors":[{"code":"MANIFEST_INVALID","message":"a; b",
                    "detail":{"cause":"a","reason":"foreign-layer","remedy":"b"}}]}"#;
                respond(client, 400, &[], body)
            }
            // As where storage of the server's own has it.
            (digest, Some(_)) if digest == moved => {
                respond(client, 307, &[("Location", "/elsewhere?signed")], b"")
            }
            ("elsewhere?signed", _) => respond(client, 200, &[], &image.configs.concat()),
            (digest, Some(bytes)) if digest == damaged_path => {
                let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
                respond(client, 200, &[], &other)
            }
            (digest, Some(bytes)) if digest == cut_path => {
                respond(client, 200, &[], bytes.get(1..).unwrap_or_default())
            }
            (_, Some(bytes)) => respond(client, 200, &[], bytes),
            (_, None) => respond(client, 404, &[], b""),
        }
    })?;
    let images = ["a:refused", "a:none", "a:other", "a:good", "a:good"];
    let (code, summary) = warm(&server.url(), &[&images[..], &["--for", "containerd"]].concat())?;
    ensure!(code == Some(1) && summary["failed"] == 5 && summary["images"] == 4, "{summary}");
    let expected = ["corrupt", "corrupt", "foreign-layer", "status-404", "wrong-size"];
    ensure!(reasons(&summary) == expected, "{summary}");
    ensure!(summary["manifests"]["oci"] == 1, "{summary}");
    let failures = summary["failures"].as_array().context("there are none")?;
    let of_blob = |digest: &Digest| failures.iter().any(|failure| failure["blob"] == digest.as_str());
    ensure!(of_blob(&damaged) && of_blob(&cut), "{summary}");

    // For people: each with its cause and remedy.
    let output = run(["warm", "--server", &server.url(), "a:refused", "--for", "containerd"])?;
    let lines = String::from_utf8(output.stdout)?;
    for line in [
        "manifests  none",
        "failed     1",
        "  a:refused for containerd on linux/amd64: foreign-layer",
        "    cause:  a",
        "    remedy: b",
    ] {
        ensure!(lines.lines().any(|said| said == line), "it does not say `{line}`: {lines}");
    }
    Ok(())
}

/// Every tag of a repository of schema 1, as before the nodes of a cluster are upgraded.
fn schema_1_is_there_for_those_who_dropped_it() -> anyhow::Result<()> {
    let store = tempfile::tempdir()?;
    let layout = store.path().join("archive/app");
    fs::create_dir_all(layout.join("blobs/sha256"))?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let images: Vec<_> = upward::read()?.into_iter().take(3).collect();
    let mut manifests = Vec::new();
    for (index, image) in images.iter().enumerate() {
        let digest = Digest::of(image.manifest.as_bytes());
        manifests.push(json!({
            "mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "digest": digest.as_str(), "size": image.manifest.len(),
            "annotations": {"org.opencontainers.image.ref.name": format!("v{index}")},
        }));
        for (digest, bytes) in image.documents()? {
            fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes)?;
        }
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    fs::write(layout.join("index.json"), index.to_string())?;
    let server = Operated::start(&["--store", &store.path().display().to_string()])?;
    let all = ["--all", "archive/app", "--for", "containerd", "--jobs", "2"];
    // The second time as the first: it goes on wherever it was broken off.
    for _ in 0..2 {
        let (code, summary) = warm(&url(&server), &all)?;
        ensure!(code == Some(0) && summary["failed"] == 0, "{summary}");
        ensure!(summary["images"] == 3 && summary["manifests"]["oci"] == 3, "{summary}");
        ensure!(summary["blobs"].as_u64() > Some(3), "{summary}");
    }
    // The configs are there, and all that the manifests name.
    for image in &images {
        let path = format!("/v2/archive/app/blobs/{}", image.docker_image_id);
        let config = http::send(server.address(), "GET", &path, &[])?;
        ensure!(Digest::of(&config.body).as_str() == image.docker_image_id, "{config:?}");
    }
    Ok(())
}

fn tags_come_page_by_page() -> anyhow::Result<()> {
    let image = sample::without_layers();
    let server = Web::start(move |request, client| match request.path.as_str() {
        "/v2/" => respond(client, 200, &[], b"{}"),
        "/v2/a/b/tags/list" => {
            let next = ("Link", "</v2/a/b/tags/list?last=one&n=1>; rel=\"next\"");
            respond(client, 200, &[next], br#"{"name":"a/b","tags":["one"]}"#)
        }
        "/v2/a/b/tags/list?last=one&n=1" => respond(client, 200, &[], br#"{"tags":["two","../no"]}"#),
        "/v2/empty/tags/list" => respond(client, 200, &[], br#"{"tags":null}"#),
        "/v2/a/b/manifests/one" | "/v2/a/b/manifests/two" => respond(client, 200, &[], &image.manifest.bytes),
        _ => respond(client, 404, &[], b""),
    })?;
    let all = ["--no-blobs", "--for", "containerd", "--all", "a/b", "--all", "empty", "--all", "none"];
    let (code, summary) = warm(&server.url(), &all)?;
    ensure!(summary["images"] == 2 && summary["manifests"]["schema2"] == 2, "{summary}");
    // There is no repository `none`, and the config is not there.
    ensure!(code == Some(1) && reasons(&summary) == ["status-404", "status-404"], "{summary}");
    ensure!(!server.seen().iter().any(|request| request.path.contains("..")), "{:?}", server.seen());
    Ok(())
}

fn usage_and_servers_that_are_none() -> anyhow::Result<()> {
    let nobody = format!("http://{}", free_address()?);
    fails(&run(["warm", "--server", &nobody, "a:b"])?, 2, "server-unreachable")?;
    let page = Web::start(|_, client| {
        respond(client, 200, &[("Content-Type", "text/html")], b"<html>Log in</html>")
    })?;
    fails(&run(["warm", "--server", &page.url(), "a:b"])?, 2, "server-unusable")?;
    let empty = Web::start(|_, client| respond(client, 404, &[], b""))?;
    fails(&run(["warm", "--server", &empty.url(), "a:b"])?, 2, "server-unusable")?;
    let folder: TempDir = tempfile::tempdir()?;
    let none = folder.path().join("none").display().to_string();
    let arguments = ["warm", "a:b", "--username", "alice", "--password-file", &none];
    fails(&run(arguments)?, 2, "unreadable-file")?;
    for (arguments, expected) in [
        (&["warm"][..], "REF"),
        (&["warm", "a b"][..], "NAME[:TAG][@DIGEST]"),
        (&["warm", "a", "--for", "docker"][..], "docker-18.06-to-20.10"),
        (&["warm", "a", "--platforms", "linux"][..], "linux"),
        (&["warm", "a", "--jobs", "0"][..], "from 1 to"),
        (&["warm", "a", "--username", "alice"][..], "--password-file"),
        (&["warm", "a", "--server", "localhost"][..], "https://HOST"),
    ] {
        let output = run(arguments)?;
        ensure!(output.status.code() == Some(2) && said(&output).contains(expected), "{output:?}");
    }
    Ok(())
}
