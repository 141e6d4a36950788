//! What an operator sees: figures, health, the log, and who still asks for the old forms.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use downshift::Form;
use downshift_cases::images::{REPOSITORY, sample};
use downshift_cases::response::is_refused;
use downshift_tests::engines::Docker;
use downshift_tests::front::manifest_path;
use downshift_tests::http;
use downshift_tests::operated::Operated;
use downshift_tests::patience::await_true;
use downshift_tests::program;
use downshift_tests::programs::{DOCKER_REGISTRY, PROMTOOL, case_with};
use downshift_tests::registry::{Registry, htpasswd};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::Named;
use crate::wasmtime::artifact;

/// What current engines accept.
const CURRENT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json";

/// A password that nothing may show.
const SECRET: &str = "correct-horse-battery-staple";

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |programs: &[&'static str], (name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with(programs, format!("operation::seeing::{name}"), run)
    };
    vec![
        trial(&[PROMTOOL, DOCKER_REGISTRY], named!(prometheus_reads_the_figures_and_they_are_right)),
        trial(&[], named!(conversions_that_the_sandbox_stops_are_counted)),
        trial(&[], named!(health_and_unknown_paths)),
        trial(&[DOCKER_REGISTRY], named!(what_is_purged_is_asked_for_again)),
        trial(&[], named!(the_log_has_each_request_and_no_secret)),
        trial(&[], named!(clients_of_five_generations_are_told_as_they_were)),
    ]
}

fn prometheus_reads_the_figures_and_they_are_right() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    for (tag, image) in sample::in_every_form() {
        registry.push(REPOSITORY, tag, &image)?;
    }
    let server = Operated::start(&["--upstream", registry.url()])?;
    for _ in 0..3 {
        server.manifest("schema2", &[("User-Agent", "docker/1.9.1 go/go1.4.3")])?;
        server.manifest("oci", &[("Accept", Form::Schema2.media_type())])?;
        server.manifest("oci", &[("Accept", CURRENT)])?;
        server.manifest("none", &[("Accept", CURRENT)])?;
    }
    for (labels, expected) in [
        ("client=\"docker-1.6-1.9\",outcome=\"given\",served=\"schema1\",stored=\"schema2\"", 3.0),
        ("client=\"schema2\",outcome=\"given\",served=\"schema2\",stored=\"oci\"", 3.0),
        ("client=\"current\",outcome=\"given\",served=\"oci\",stored=\"oci\"", 3.0),
        ("client=\"current\",outcome=\"missing\",served=\"none\",stored=\"none\"", 3.0),
        ("client=\"current\",outcome=\"given\",served=\"schema1\",stored=\"schema2\"", 0.0),
    ] {
        let actual = server.figure(&format!("downshift_manifest_requests_total{{{labels}}}"))?;
        ensure!(actual == expected, "{labels}: {actual}");
    }
    for (name, expected) in [
        ("downshift_requests_total{outcome=\"given\",route=\"manifest\"}", 9.0),
        ("downshift_request_seconds_count{route=\"manifest\"}", 12.0),
        ("downshift_cache_lookups_total{cache=\"answers\",result=\"hit\"}", 6.0),
        ("downshift_cache_lookups_total{cache=\"answers\",result=\"miss\"}", 3.0),
        ("downshift_conversion_seconds_count", 5.0),
        ("downshift_records_kept_total", 2.0),
        ("downshift_guest_traps", 0.0),
        ("downshift_old_clients", 2.0),
    ] {
        let actual = server.figure(name)?;
        let is_right = if name.contains("conversion") { actual >= 3.0 } else { actual == expected };
        ensure!(is_right, "{name}: {actual}");
    }
    for name in ["downshift_records_bytes", "downshift_cache_bytes{cache=\"disk\"}"] {
        ensure!(server.figure(name)? > 0.0, "{name} is nothing");
    }
    let text = server.admin("GET", "/metrics")?;
    ensure!(text.header("content-type") == Some("text/plain; version=0.0.4; charset=utf-8"), "{text:?}");
    let text = String::from_utf8(text.body)?;
    let asked = text.lines().find(|line| line.starts_with("downshift_upstream_requests_total{"));
    ensure!(
        asked.is_some_and(|line| line.contains(&format!("upstream=\"{}\"", registry.host()))),
        "the registry is not told: {text}"
    );

    let mut promtool = Command::new(PROMTOOL)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    promtool.stdin.take().context("it has no input")?.write_all(text.as_bytes())?;
    let said = promtool.wait_with_output()?;
    let complaints = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success() && complaints.is_empty(), "promtool says: {complaints}");
    Ok(())
}

/// Guests that misbehave, each in its way, and are stopped.
fn conversions_that_the_sandbox_stops_are_counted() -> anyhow::Result<()> {
    for (tag, status, reason, outcome) in [
        ("traps", 500, "guest-trap", "failed"),
        ("floods", 500, "guest-answer", "failed"),
        // An image may need that much.
        ("grows", 400, "guest-memory", "refused"),
    ] {
        let guest = artifact("bad_guest.component.wasm")?.display().to_string();
        let arguments = ["--engine", "wasm", "--guest", &guest];
        let server = Operated::start_with(&[(tag, sample::schema2())], &arguments)?;
        ensure!(server.figure("downshift_guest_traps")? == 0.0, "one is counted before there is any");
        for count in 1..=2 {
            is_refused(&server.manifest(tag, &[])?, status, reason)?;
            let counted = server.figure("downshift_guest_traps")?;
            ensure!(counted == f64::from(count), "`{reason}`: {counted} are counted, and not {count}");
        }
        let requests = format!("downshift_requests_total{{outcome=\"{outcome}\",route=\"manifest\"}}");
        ensure!(server.figure(&requests)? == 2.0, "the requests are not counted");
        ensure!(server.admin("GET", "/readyz")?.status == 200, "the server does not go on");
    }
    Ok(())
}

fn health_and_unknown_paths() -> anyhow::Result<()> {
    let server = Operated::start_with(&[("latest", sample::schema2())], &[])?;
    for (method, target, status) in [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/clients", 200),
        ("GET", "/", 404),
        ("GET", "/purge", 405),
        ("POST", "/metrics", 405),
        ("POST", "/purge", 200),
        ("POST", "/purge?name=library/sample", 200),
        ("POST", "/purge?name=library%2Fsample", 200),
        ("POST", "/purge?nmae=library/sample", 400),
        ("POST", "/purge?name=../..", 400),
    ] {
        let response = server.admin(method, target)?;
        ensure!(response.status == status, "{method} {target}: {response:?}");
    }
    // A page in somebody's browser.
    let foreign = http::send(server.admin_address(), "POST", "/purge", &[("Origin", "http://example.org")])?;
    ensure!(foreign.status == 403, "{foreign:?}");
    // What is the operator's is not for clients.
    for target in ["/metrics", "/healthz", "/clients", "/purge"] {
        let response = http::send(server.address(), "GET", target, &[])?;
        ensure!(response.status == 404, "{target}: {response:?}");
    }
    Ok(())
}

fn what_is_purged_is_asked_for_again() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let server = Operated::start(&["--upstream", registry.url(), "--tag-ttl", "3600"])?;
    let digest = |reference: &str| -> anyhow::Result<String> {
        let response = server.manifest(reference, &[])?;
        Ok(response.header("docker-content-digest").context("there is no digest")?.to_string())
    };
    let former = digest("latest")?;
    registry.push(REPOSITORY, "latest", &sample::oci())?;
    ensure!(digest("latest")? == former, "the tag is asked for each time");
    ensure!(server.admin("POST", "/purge?name=library/other")?.status == 200, "nothing is purged");
    ensure!(digest("latest")? == former, "another repository was purged");
    ensure!(server.admin("POST", "/purge?name=library/sample")?.status == 200, "nothing is purged");
    let latter = digest("latest")?;
    ensure!(latter != former, "the tag is not asked for again");
    ensure!(digest(&former)? == former && digest(&latter)? == latter, "what was reported is gone");
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    ensure!(server.admin("POST", "/purge")?.status == 200, "nothing is purged");
    ensure!(digest("latest")? == former, "not everything was purged");
    Ok(())
}

fn the_log_has_each_request_and_no_secret() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let users = folder.path().join("users");
    std::fs::write(&users, htpasswd("somebody", SECRET)?)?;
    let auth = format!("htpasswd:{}", users.display());
    let images = [("latest", sample::schema2()), ("zstd", sample::zstd())];
    let arguments = ["--access-log", "--log-format", "json", "--auth", &auth];
    let server = Operated::start_with(&images, &arguments)?;
    let encoded = STANDARD.encode(format!("somebody:{SECRET}"));
    let basic = format!("Basic {encoded}");
    let good = [("Authorization", basic.as_str()), ("User-Agent", "docker/1.9.1 a\tb")];
    ensure!(server.manifest("latest", &good)?.status == 200, "the user is not let in");
    let bad = STANDARD.encode(format!("nobody:{SECRET}"));
    let denied = server.manifest("latest", &[("Authorization", &format!("Basic {bad}"))])?;
    ensure!(denied.status == 401, "{denied:?}");
    let bearer = http::send(
        server.address(),
        "GET",
        &format!("{}?token={SECRET}", manifest_path("none")),
        &[("Authorization", &format!("Bearer {SECRET}"))],
    )?;
    ensure!(bearer.status == 401, "{bearer:?}");
    let id = denied.header("x-request-id").context("an error has no id")?;
    await_true("the last request in the log", || {
        Ok(server.server().log().iter().any(|line| line.contains("manifests/none")))
    })?;
    let lines = server.server().log();
    for line in &lines {
        let parsed: Value = serde_json::from_str(line).with_context(|| line.clone())?;
        ensure!(parsed["timestamp"].is_string() && parsed["level"].is_string(), "{line}");
        for secret in [SECRET, &encoded, &bad] {
            ensure!(!line.contains(secret), "there is a secret in the log: {line}");
        }
    }
    let requests: Vec<Value> = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["status"].is_number())
        .collect();
    let [given, refused, none] = requests.as_slice() else {
        anyhow::bail!("there are not three requests: {requests:#?}")
    };
    ensure!(given["status"] == 200 && given["user_agent"] == "docker/1.9.1 a\\tb", "{given}");
    ensure!(given["client"] == "127.0.0.1" && given["method"] == "GET", "{given}");
    ensure!(given["path"] == manifest_path("latest") && given["bytes"].as_u64() > Some(500), "{given}");
    ensure!(refused["status"] == 401 && refused["request"] == id, "{refused} is not `{id}`");
    ensure!(none["path"] == manifest_path("none"), "{none}");
    Ok(())
}

/// Who asks for what in a mixed hour, and how often.
fn ask(server: &Operated, rounds: usize) -> anyhow::Result<()> {
    for _ in 0..rounds {
        for docker in Docker::ALL {
            docker.pull(server.address(), REPOSITORY, "schema2").context(docker.version())?;
        }
        let others = [
            ("docker/1.13.1 go/go1.7.5 os/linux arch/amd64", Form::Schema2.media_type()),
            ("docker/27.5.1 go/go1.22.11 os/linux arch/amd64", CURRENT),
            ("containerd/2.1.0", CURRENT),
        ];
        for (user_agent, accept) in others {
            let response = server.manifest("oci", &[("User-Agent", user_agent), ("Accept", accept)])?;
            ensure!(response.status == 200, "{user_agent}: {response:?}");
        }
        // Whoever asks for nothing that is there is nobody.
        let none = server.manifest("none", &[("User-Agent", "docker/1.8.2")])?;
        ensure!(none.status == 404, "{none:?}");
    }
    Ok(())
}

/// What `downshift clients` says: engine, repository, form and number of requests, sorted.
fn told(data: &str) -> anyhow::Result<Vec<(String, String, String, u64)>> {
    let json: Value = serde_json::from_slice(&program::succeed(["clients", "--data", data, "--json"])?)?;
    let told = json.as_array().context("it is no list")?.iter().map(|client| {
        let text = |key: &str| client[key].as_str().unwrap_or_default().to_string();
        ensure!(
            client["address"] == "127.0.0.1" && client["first"].as_u64() <= client["last"].as_u64(),
            "{client}"
        );
        Ok((text("engine"), text("repository"), text("form"), client["requests"].as_u64().unwrap_or(0)))
    });
    let mut told: Vec<_> = told.collect::<anyhow::Result<_>>()?;
    told.sort();
    Ok(told)
}

fn clients_of_five_generations_are_told_as_they_were() -> anyhow::Result<()> {
    let images = [("schema2", sample::schema2()), ("oci", sample::oci())];
    let mut server = Operated::start_with(&images, &[])?;
    let data = server.path("data");
    ensure!(told(&data)?.is_empty(), "somebody was seen before anybody came");
    let mut rounds = 0;
    for more in [3, 2] {
        ask(&server, more)?;
        rounds += more as u64;
        let expected: Vec<_> = [
            ("docker/1.10.3", "schema2"),
            ("docker/1.13.1", "schema2"),
            ("docker/1.6.2", "schema1"),
            ("docker/1.7.1", "schema1"),
            ("docker/1.8.3", "schema1"),
            ("docker/1.9.1", "schema1"),
        ]
        .into_iter()
        .map(|(engine, form)| (engine.to_string(), REPOSITORY.to_string(), form.to_string(), rounds))
        .collect();
        await_true("what was seen on the disk", || Ok(told(&data)? == expected))
            .with_context(|| format!("{:#?}", told(&data)))?;
        // What is not on the disk yet is written at the end.
        server = server.restarted()?;
        ensure!(told(&data)? == expected, "{:#?}", told(&data)?);
    }
    let table = String::from_utf8(program::succeed(["clients", "--data", &data, "--within", "1"])?)?;
    ensure!(table.lines().count() == 7, "{table}");
    ensure!(table.starts_with("ENGINE         REPOSITORY      GETS     REQUESTS  FIRST SEEN "), "{table}");
    ensure!(table.contains("\ndocker/1.9.1   library/sample  schema1  5         20"), "{table}");
    let output = program::run(["clients", "--data", "/none"])?;
    ensure!(output.status.code() == Some(2), "a folder that is not there has clients: {output:?}");
    Ok(())
}
