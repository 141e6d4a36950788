//! A registry that fails: the right error in bounded time, nothing wrong is kept, and the next good request works.

use anyhow::{Context, ensure};
use downshift::Digest;
use downshift_cases::images::{REPOSITORY, sample};
use downshift_cases::response::is_refused;
use downshift_tests::faults::{Fault, FaultyRegistry};
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::http;
use downshift_tests::programs::{DOCKER_REGISTRY, case_with};
use downshift_tests::registry::Registry;
use downshift_tests::server::free_address;
use downshift_tests::web::{Web, respond};
use libtest_mimic::Trial;

use crate::Named;

/// For registries that answer: enough for three attempts on a busy machine.
const PATIENT: &[&str] = &["--upstream-timeout", "30", "--tag-ttl", "0"];

/// For registries that hang.
const IMPATIENT: &[&str] = &["--upstream-timeout", "3", "--tag-ttl", "0"];

/// What goes wrong with manifests and configs, the status, and the reason; status 200 where it does no harm.
fn document_faults() -> Vec<(Fault, u16, &'static str)> {
    let status = |status| Fault::Status(status, Vec::new());
    let with = |status, name, value: &str| Fault::Status(status, vec![(name, value.to_string())]);
    vec![
        (Fault::Close, 502, "upstream-unreachable"),
        (Fault::Hang, 504, "upstream-timeout"),
        (Fault::HangInBody, 504, "upstream-timeout"),
        (Fault::Cut, 502, "upstream-unreachable"),
        (Fault::WrongByte, 502, "upstream-corrupt"),
        (status(500), 502, "upstream-status"),
        (status(503), 502, "upstream-status"),
        (status(418), 502, "upstream-status"),
        (status(403), 403, "upstream-denied"),
        (with(429, "Retry-After", "7"), 429, "upstream-too-many-requests"),
        (status(401), 502, "upstream-invalid"),
        (with(401, "WWW-Authenticate", "=\",,;Bearer"), 502, "upstream-invalid"),
        (with(401, "WWW-Authenticate", "Bearer realm=\"gopher://x\""), 502, "upstream-invalid"),
        (with(401, "WWW-Authenticate", "Basic realm=\"x\""), 403, "upstream-unauthorized"),
        (Fault::RedirectLoop, 502, "upstream-redirect"),
        (with(307, "Location", "file:///etc/passwd"), 502, "upstream-redirect"),
        (status(307), 502, "upstream-redirect"),
        (Fault::Huge { announced: true }, 502, "upstream-too-large"),
        (Fault::Huge { announced: false }, 502, "upstream-too-large"),
        (Fault::NotHttp, 502, "upstream-unreachable"),
        (Fault::Times(2), 200, ""),
        (Fault::Chunked, 200, ""),
    ]
}

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        let name = format!("{}::upstream::faults::{name}", engine.name);
        case_with(engine.programs(&[DOCKER_REGISTRY]), name, move || run(engine))
    };
    vec![
        trial(named!(of_manifests)),
        trial(named!(of_configs)),
        trial(named!(of_digests_that_tags_have)),
        trial(named!(documents_that_are_none_or_are_missing)),
        trial(named!(of_blobs)),
        trial(named!(a_blob_of_another_digest_breaks_off)),
        trial(named!(a_registry_that_is_not_there)),
        trial(named!(a_certificate_that_nobody_has_signed)),
        trial(named!(tokens_that_expire)),
        trial(named!(parts_that_nobody_asked_for_and_blobs_that_are_empty)),
    ]
}

fn patience(fault: &Fault) -> &'static [&'static str] {
    if matches!(fault, Fault::Hang | Fault::HangInBody) { IMPATIENT } else { PATIENT }
}

fn of_manifests(engine: Engine) -> anyhow::Result<()> {
    of_documents(engine, "/manifests/")
}

fn of_configs(engine: Engine) -> anyhow::Result<()> {
    of_documents(engine, "/blobs/")
}

fn of_documents(engine: Engine, part: &str) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let faulty = FaultyRegistry::start(&registry)?;
    for (fault, status, reason) in document_faults() {
        // A front that knows nothing yet.
        let front = Front::start_before_url(engine, patience(&fault), &faulty.url())?;
        faulty.set(part, fault.clone());
        let response = front.manifest("latest", &[])?;
        if status == 200 {
            ensure!(response.status == 200, "{fault:?}: {response:?}");
        } else {
            is_refused(&response, status, reason).with_context(|| format!("{fault:?}"))?;
        }
        if status == 429 {
            ensure!(response.header("retry-after") == Some("7"), "{response:?}");
        }
        faulty.clear();
        is_good(&front).with_context(|| format!("after {fault:?}"))?;
    }
    Ok(())
}

/// Wrong documents under a tag: those that the tag's own digest tells apart.
fn of_digests_that_tags_have(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let faulty = FaultyRegistry::start(&registry)?;
    let front = Front::start_before_url(engine, PATIENT, &faulty.url())?;
    faulty.set("/manifests/", Fault::WrongDigestHeader);
    is_refused(&front.manifest("latest", &[])?, 502, "upstream-corrupt")?;
    let stored = sample::schema2().manifest.digest();
    faulty.set("/manifests/", Fault::Longer);
    is_refused(&front.manifest(stored.as_str(), &[])?, 502, "upstream-corrupt")?;
    faulty.set("/blobs/", Fault::Longer);
    is_refused(&front.manifest("latest", &[])?, 502, "upstream-corrupt")?;
    faulty.clear();
    is_good(&front)
}

/// What no registry would have taken, and one that has lost something.
fn documents_that_are_none_or_are_missing(engine: Engine) -> anyhow::Result<()> {
    let stored = sample::schema2().manifest.bytes;
    let registry = Web::start(move |request, client| {
        let body = match request.path.rsplit_once("/manifests/") {
            Some((_, "config-missing")) => stored.as_slice(),
            Some((_, "no-manifest")) => br#"{"schemaVersion":3}"#,
            Some((_, "no-json")) => b"<html>",
            _ => return respond(client, 404, &[], b"{}"),
        };
        respond(client, 200, &[("Content-Type", "application/json")], body)
    })?;
    let front = Front::start_before_url(engine, PATIENT, &registry.url())?;
    for (tag, status, reason) in [
        ("config-missing", 400, "missing-document"),
        ("no-manifest", 400, "unknown-document"),
        ("no-json", 502, "upstream-no-document"),
    ] {
        is_refused(&front.manifest(tag, &[])?, status, reason).context(tag)?;
    }
    let none = front.manifest("none", &[])?;
    ensure!(none.status == 404 && none.json()?["errors"][0]["code"] == "MANIFEST_UNKNOWN", "{none:?}");
    Ok(())
}

fn of_blobs(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let layer = sample::schema2().layers.into_iter().next().context("there are no layers")?;
    let digest = Digest::of(&layer);
    let faulty = FaultyRegistry::start(&registry)?;
    for (fault, expected) in [
        (Fault::Close, Some((502, "upstream-unreachable"))),
        (Fault::Hang, Some((504, "upstream-timeout"))),
        (Fault::Status(500, Vec::new()), Some((502, "upstream-status"))),
        (
            Fault::Status(429, vec![("Retry-After", "7".to_string())]),
            Some((429, "upstream-too-many-requests")),
        ),
        (Fault::RedirectLoop, Some((502, "upstream-redirect"))),
        // Too late for an error: the client must not take it for the whole.
        (Fault::Cut, None),
        (Fault::HangInBody, None),
    ] {
        faulty.set("/blobs/", fault.clone());
        let front = Front::start_before_url(engine, patience(&fault), &faulty.url())?;
        let response = front.blob(digest.as_str());
        match expected {
            Some((status, reason)) => {
                is_refused(&response?, status, reason).with_context(|| format!("{fault:?}"))?;
            }
            None => ensure!(response.is_err(), "{fault:?} gives a whole blob: {response:?}"),
        }
        faulty.clear();
        let good = front.blob(digest.as_str())?;
        ensure!(good.status == 200 && good.body == layer, "after {fault:?}: {good:?}");
    }
    let front = Front::start_before_url(engine, PATIENT, &faulty.url())?;
    // The manifest says how long it is.
    ensure!(front.manifest("latest", &[])?.status == 200, "the manifest cannot be pulled");
    faulty.set("/blobs/", Fault::Chunked);
    let chunked = front.blob(digest.as_str())?;
    ensure!(chunked.status == 200 && chunked.body == layer, "without a length: {chunked:?}");
    faulty.clear();
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    let part = front.send("GET", &path, &[("Range", "bytes=3-9")])?;
    ensure!(part.status == 206 && part.body == layer[3..10], "{part:?}");
    let past = front.send("GET", &path, &[("Range", "bytes=99999999-")])?;
    is_refused(&past, 416, "invalid-range")?;
    let etag = format!("\"{digest}\"");
    ensure!(front.send("GET", &path, &[("If-None-Match", &etag)])?.status == 304, "it is sent again");
    let head = front.send("HEAD", &path, &[])?;
    ensure!(head.header("content-length") == Some(&layer.len().to_string()), "{head:?}");
    let none = Digest::of(b"none");
    ensure!(front.blob(none.as_str())?.status == 404, "there is a blob of anything");
    Ok(())
}

/// Parts in the place of the whole, other parts than the one that is asked for, and nothing at all: from the registry, and
/// from where it redirects to.
fn parts_that_nobody_asked_for_and_blobs_that_are_empty(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let layer = sample::schema2().layers.into_iter().next().context("there are no layers")?;
    let digest = Digest::of(&layer);
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    let faulty = FaultyRegistry::start(&registry)?;
    let redirecting = Web::start({
        let target = faulty.url();
        move |request, client| {
            respond(client, 307, &[("Location", &format!("{target}{}", request.path))], b"")
        }
    })?;
    for url in [faulty.url(), redirecting.url()] {
        let front = Front::start_before_url(engine, PATIENT, &url)?;
        let get = |range: Option<&str>| {
            let headers: Vec<_> = range.map(|range| ("Range", range)).into_iter().collect();
            front.send("GET", &path, &headers)
        };
        for (fault, range, reason) in [
            (Fault::Part(3..10), None, "upstream-corrupt"),
            (Fault::Part(0..layer.len()), None, "upstream-corrupt"),
            (Fault::Part(3..10), Some("bytes=4-9"), "upstream-invalid"),
            (Fault::Part(3..10), Some("bytes=3-10"), "upstream-invalid"),
            (Fault::Part(3..10), Some("bytes=3-"), "upstream-invalid"),
            (Fault::Part(3..10), Some("bytes=-7"), "upstream-invalid"),
            (Fault::Empty, None, "upstream-corrupt"),
            (Fault::Empty, Some("bytes=3-9"), "upstream-invalid"),
        ] {
            faulty.set("/blobs/", fault.clone());
            let refused = get(range)?;
            is_refused(&refused, 502, reason).with_context(|| format!("{fault:?} for {range:?}"))?;
        }
        faulty.set("/blobs/", Fault::Empty);
        let head = front.send("HEAD", &path, &[])?;
        let is_right = head.header("content-length") == Some(&layer.len().to_string());
        ensure!(head.status == 502 || is_right, "an empty blob by HEAD: {head:?}");
        faulty.set("/blobs/", Fault::Part(3..10));
        let part = get(Some("bytes=3-9"))?;
        ensure!(part.status == 206 && part.body == layer[3..10], "the very part: {part:?}");
        faulty.clear();
        let good = get(None)?;
        ensure!(good.status == 200 && good.body == layer, "after that: {good:?}");
        let several = get(Some("bytes=3-9,11-12"))?;
        let boundary = digest.hex();
        let part = |line: &str, first: usize, last: usize| {
            let head = format!(
                "{line}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Range: bytes {first}-{last}/{}\r\n\r\n",
                layer.len()
            );
            [head.as_bytes(), &layer[first..=last]].concat()
        };
        let end = format!("\r\n--{boundary}--\r\n");
        let expected = [part("", 3, 9), part("\r\n", 11, 12), end.into_bytes()].concat();
        ensure!(several.status == 206 && several.body == expected, "several parts: {several:?}");
        let end = get(Some("bytes=-7"))?;
        ensure!(end.status == 206 && end.body == layer[layer.len() - 7..], "after that: {end:?}");
    }
    Ok(())
}

fn a_blob_of_another_digest_breaks_off(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let layer = sample::schema2().layers.into_iter().next().context("there are no layers")?;
    let digest = Digest::of(&layer);
    let faulty = FaultyRegistry::start(&registry)?;
    let front = Front::start_before_url(engine, PATIENT, &faulty.url())?;
    faulty.set("/blobs/", Fault::WrongByte);
    let response = front.blob(digest.as_str());
    ensure!(response.is_err(), "it gives a whole blob: {response:?}");
    faulty.clear();
    let good = front.blob(digest.as_str())?;
    ensure!(good.status == 200 && good.body == layer, "after that: {good:?}");
    Ok(())
}

fn a_registry_that_is_not_there(engine: Engine) -> anyhow::Result<()> {
    let address = free_address()?;
    let front = Front::start_before_url(engine, PATIENT, &format!("http://{address}"))?;
    is_refused(&front.manifest("latest", &[])?, 502, "upstream-unreachable")?;
    let base = front.send("GET", "/v2/", &[])?;
    ensure!(base.status == 200, "the server itself is not there: {base:?}");
    Ok(())
}

fn a_certificate_that_nobody_has_signed(engine: Engine) -> anyhow::Result<()> {
    let (registry, certificate) = Registry::start_with_tls()?;
    let front = Front::start_before(engine, PATIENT, &registry)?;
    is_refused(&front.manifest("latest", &[])?, 502, "upstream-unreachable")?;
    let certificate = certificate.path().display().to_string();
    let front = Front::start_before(engine, &["--upstream-ca", &certificate], &registry)?;
    let response = front.manifest("latest", &[])?;
    ensure!(response.status == 404, "a certificate that is trusted is not: {response:?}");
    Ok(())
}

/// A registry whose tokens are each good for a few requests, and say that they are good for an hour.
fn tokens_that_expire(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let host = registry.host().parse()?;
    let (issued, used) = (core::sync::atomic::AtomicU32::new(0), core::sync::atomic::AtomicU32::new(0));
    let order = core::sync::atomic::Ordering::SeqCst;
    let guarded = Web::start(move |request, client| {
        if request.path.starts_with("/token") {
            used.store(0, order);
            let token = format!("{{\"token\":\"t{}\",\"expires_in\":3600}}", issued.fetch_add(1, order) + 1);
            return respond(client, 200, &[], token.as_bytes());
        }
        let current = format!("Bearer t{}", issued.load(order));
        let is_current = request.values("authorization").eq([current.as_str()]);
        if !is_current || used.fetch_add(1, order) >= 2 {
            let own = request.values("host").next().unwrap_or_default();
            let challenge =
                format!("Bearer realm=\"http://{own}/token\",service=\"s\",error=\"invalid_token\"");
            return respond(client, 401, &[("WWW-Authenticate", &challenge)], b"{\"errors\":[]}");
        }
        let headers: Vec<_> = request.values("accept").map(|value| ("Accept", value)).collect();
        let response = http::send(host, &request.method, &request.path, &headers);
        let response = response.map_err(std::io::Error::other)?;
        let kept = ["content-type", "docker-content-digest"];
        let headers: Vec<_> = response
            .headers
            .iter()
            .filter(|(name, _)| kept.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        respond(client, response.status, &headers, &response.body)
    })?;
    let front = Front::start_before_url(engine, PATIENT, &guarded.url())?;
    for _ in 0..5 {
        is_good(&front)?;
        for layer in &sample::schema2().layers {
            ensure!(front.blob(Digest::of(layer).as_str())?.status == 200, "a layer does not come");
        }
    }
    Ok(())
}

/// Checks that the image comes, converted.
fn is_good(front: &Front) -> anyhow::Result<()> {
    let response = front.send("GET", &manifest_path("latest"), &[])?;
    ensure!(response.status == 200, "{response:?}");
    let source = sample::schema2().manifest.digest();
    ensure!(response.header("downshift-source-digest") == Some(source.as_str()), "{response:?}");
    Ok(())
}
