//! The registry's side of HTTP, on the running server: paths, methods, blobs, tags, and the errors of all of them.

use std::process::Command;

use anyhow::{Context, ensure};
use downshift::{Digest, EMPTY_LAYER};
use downshift_cases::images::{REPOSITORY, layout, sample};
use downshift_cases::response::is_refused;
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::http;
use downshift_tests::programs::{CURL, case_with};
use libtest_mimic::Trial;

use crate::Named;

/// Method, target, status, code: what there is not.
#[rustfmt::skip]
const UNKNOWN: &[(&str, &str, u16, &str)] = &[
    ("GET", "/v2/library/sample/manifests/none", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/library/none/manifests/latest", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/library/sample/manifests/sha256:0000000000000000000000000000000000000000000000000000000000000000", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/library/sample/manifests/sha256:00", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/library/sample/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000", 404, "BLOB_UNKNOWN"),
    ("GET", "/v2/library/none/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000", 404, "BLOB_UNKNOWN"),
    ("GET", "/v2/library/none/tags/list", 404, "NAME_UNKNOWN"),
];

/// Method, target, status, reason: what cannot be.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, u16, &str)] = &[
    ("GET", "/v2/library/sample/blobs/sha256:00", 400, "invalid-digest"),
    ("GET", "/v2/library/sample/blobs/latest", 400, "invalid-digest"),
    ("GET", "/v2/Library/sample/tags/list", 400, "invalid-name"),
    ("GET", "/v2/library/sample/tags/list?n=-1", 400, "invalid-n"),
    ("GET", "/v2/library/sample", 404, "unknown-path"),
    ("GET", "/v2/library/_catalog", 404, "unknown-path"),
    ("GET", "/v2/_catalog?n=x", 400, "invalid-n"),
    ("GET", "/metrics", 404, "unknown-path"),
    ("PUT", "/v2/library/sample/manifests/latest", 405, "read-only"),
    ("DELETE", "/v2/library/sample/manifests/latest", 405, "read-only"),
    ("POST", "/v2/library/sample/blobs/uploads/", 405, "read-only"),
    ("PATCH", "/v2/library/sample/blobs/uploads/1", 405, "read-only"),
];

/// Paths that lead to another store in the folder `SECRET`, for whoever takes them at their word.
const HOSTILE: &[&str] = &[
    "/v2/SECRET/manifests/latest",
    "/v2//SECRET/manifests/latest",
    "/v2/../../../../../../../..SECRET/manifests/latest",
    "/v2/library/../../../../../../../../..SECRET/manifests/latest",
    "/v2/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2eSECRET/manifests/latest",
    "/v2/library%2f..%2f..%2f..%2f..%2f..%2f..%2f..SECRET/manifests/latest",
    "/v2/library%252f..%252f..%252f..%252f..%252f..SECRET/manifests/latest",
    "/v2/library/sample/manifests/..%2f..%2f..%2f..%2f..SECRET/index.json",
    "/v2/library/sample/blobs/sha256:..%2f..%2f..%2f..%2f..%2f..%2f..SECRET/index.json",
    "/v2/library/sample/blobs/..%2f..%2foci-layout",
    "/v2/library/sample/blobs/sha256:../../index.json",
    "/v2/library/sample/manifests/..",
    "/v2/library/sample/manifests/latest%00",
    "/v2/library/sample/manifests/%ff",
    "/v2/library/sample/manifests/%",
    "/v2/library\\sample/manifests/latest",
    "/v2/library/sample%0d%0aX-Injected:1/manifests/latest",
    "/../../../../..SECRET/index.json",
    "SECRET/index.json",
];

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |programs: &[&'static str], (name, run): Named<fn(&Front) -> anyhow::Result<()>>| {
        case_with(engine.programs(programs), format!("{}::front::http::{name}", engine.name), move || {
            run(&Front::start(engine, &[("latest", sample::schema2()), ("older", sample::oci())])?)
        })
    };
    vec![
        trial(&[], named!(says_that_it_is_a_registry)),
        trial(&[], named!(http_1_0_gets_the_same_and_the_end)),
        trial(&[CURL], named!(http_2_gets_the_same)),
        trial(&[], named!(errors_have_one_entry_with_code_and_reason)),
        trial(&[], named!(hostile_paths_lead_nowhere)),
        trial(&[], named!(long_headers_and_names_are_refused)),
        trial(&[], named!(blobs_come_whole_in_ranges_and_not_at_all)),
        trial(&[], named!(the_empty_layer_is_in_every_repository)),
        trial(&[], named!(tags_come_sorted_and_in_pages)),
        trial(&[], named!(the_catalog_has_the_repository)),
        trial(&[], named!(nothing_refers_to_what_is_not_there)),
    ]
}

fn says_that_it_is_a_registry(front: &Front) -> anyhow::Result<()> {
    for method in ["GET", "HEAD"] {
        let base = front.send(method, "/v2/", &[])?;
        ensure!(base.status == 200 && base.header("content-length") == Some("2"), "{base:?}");
        ensure!(base.header("content-type") == Some("application/json; charset=utf-8"), "{base:?}");
        ensure!(base.header("docker-distribution-api-version") == Some("registry/2.0"), "{base:?}");
    }
    ensure!(front.send("GET", "/v2/", &[])?.body == b"{}", "the base has another body");
    ensure!(front.send("GET", "/v2", &[])?.header("location") == Some("/v2/"), "`/v2` leads elsewhere");
    ensure!(front.send("GET", "/", &[])?.status == 200, "there is no root");
    // Nobody is told what there is by version 1 but whom it is for.
    let v1 = front.send("GET", "/v1/repositories/library/sample/tags", &[])?;
    ensure!(v1.status == 404 && v1.header("content-type") == Some("text/plain; charset=utf-8"), "{v1:?}");
    Ok(())
}

fn http_1_0_gets_the_same_and_the_end(front: &Front) -> anyhow::Result<()> {
    let layer = sample::schema2().layers.into_iter().next().context("there are no layers")?;
    let old = http::send_1_0(front.address(), &format!("/v2/library/sample/blobs/{}", Digest::of(&layer)))?;
    ensure!(old.status == 200 && old.body == layer, "{old:?}");
    ensure!(old.header("content-length") == Some(&layer.len().to_string()), "{old:?}");
    ensure!(old.header("transfer-encoding").is_none(), "{old:?}");
    let manifest = http::send_1_0(front.address(), &manifest_path("latest"))?;
    ensure!(manifest.body == front.manifest("latest", &[])?.body, "{manifest:?}");
    Ok(())
}

fn http_2_gets_the_same(front: &Front) -> anyhow::Result<()> {
    let url = format!("http://{}{}", front.address(), manifest_path("latest"));
    let output = Command::new(CURL)
        .args(["-sS", "--http2-prior-knowledge", "-w", "%{http_version}", &url])
        .output()?;
    let manifest = front.manifest("latest", &[])?;
    ensure!(output.stdout == [&manifest.body[..], b"2"].concat(), "{}", output.stdout.escape_ascii());
    Ok(())
}

fn errors_have_one_entry_with_code_and_reason(front: &Front) -> anyhow::Result<()> {
    for &(method, target, status, code) in UNKNOWN {
        let response = front.send(method, target, &[])?;
        ensure!(response.status == status, "{method} {target}: {response:?}");
        let errors = &response.json()?["errors"];
        ensure!(errors.as_array().is_some_and(|errors| errors.len() == 1), "{target}: {errors}");
        ensure!(errors[0]["code"] == code && !errors[0]["detail"].is_null(), "{target}: {errors}");
    }
    for &(method, target, status, reason) in REFUSED {
        is_refused(&front.send(method, target, &[])?, status, reason)?;
    }
    let head = front.send("HEAD", "/v2/library/sample/manifests/none", &[])?;
    ensure!(head.status == 404 && head.header("content-length").is_some(), "{head:?}");
    ensure!(front.send("PUT", "/v2/", &[])?.header("allow") == Some("GET, HEAD"), "405 allows nothing");
    Ok(())
}

fn hostile_paths_lead_nowhere(front: &Front) -> anyhow::Result<()> {
    let secret = tempfile::tempdir()?;
    layout::write(secret.path(), &[("latest", sample::schema2())])?;
    for path in HOSTILE {
        let path = path.replace("SECRET", &secret.path().display().to_string());
        let response = front.send("GET", &path, &[])?;
        // A target that is no path does not get as far as the registry: there is no body to it.
        ensure!((400..500).contains(&response.status), "`{path}`: {response:?}");
        ensure!(response.header("x-injected").is_none(), "`{path}`: {response:?}");
        if !response.body.is_empty() {
            let errors = &response.json()?["errors"];
            ensure!(errors[0]["code"].is_string(), "`{path}`: {errors}");
        }
    }
    let alive = front.send("GET", &manifest_path("latest"), &[])?;
    ensure!(alive.status == 200, "the server does not go on: {alive:?}");
    Ok(())
}

fn long_headers_and_names_are_refused(front: &Front) -> anyhow::Result<()> {
    let accept = "text/plain, ".repeat(2000);
    let response = front.send("GET", &manifest_path("latest"), &[("Accept", &accept)])?;
    is_refused(&response, 431, "header-bytes")?;
    let name = ["a/"; 200].concat();
    is_refused(&front.send("GET", &format!("/v2/{name}a/manifests/latest"), &[])?, 400, "invalid-name")
}

fn blobs_come_whole_in_ranges_and_not_at_all(front: &Front) -> anyhow::Result<()> {
    let image = sample::schema2();
    let layer = image.layers.first().map(Vec::as_slice).unwrap_or_default();
    let digest = Digest::of(layer);
    let etag = format!("\"{digest}\"");
    let path = format!("/v2/library/sample/blobs/{digest}");
    let size = layer.len();
    let get = |method: &str, headers: &[(&str, &str)]| front.send(method, &path, headers);

    let whole = get("GET", &[])?;
    ensure!(whole.status == 200 && whole.body == layer, "{whole:?}");
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("docker-content-digest", digest.as_str()),
        ("etag", &etag),
        ("accept-ranges", "bytes"),
    ] {
        ensure!(whole.header(name) == Some(value), "`{name}` is not `{value}`: {whole:?}");
    }
    let head = get("HEAD", &[])?;
    ensure!(head.header("content-length") == Some(&size.to_string()), "{head:?}");

    // As Docker ≥ 1.11 goes on with a layer that broke off.
    let rest = get("GET", &[("Range", "bytes=100-")])?;
    ensure!(rest.status == 206 && rest.body == layer[100..], "{rest:?}");
    let range = format!("bytes 100-{}/{size}", size - 1);
    ensure!(rest.header("content-range") == Some(&range), "{rest:?}");
    let some = get("GET", &[("Range", "bytes=3-5"), ("If-Range", &etag)])?;
    ensure!(some.status == 206 && some.body == layer[3..=5], "{some:?}");
    let changed = get("GET", &[("Range", "bytes=3-5"), ("If-Range", "\"x\"")])?;
    ensure!(changed.status == 200 && changed.body == layer, "{changed:?}");
    let past = get("GET", &[("Range", &format!("bytes={size}-"))])?;
    ensure!(past.header("content-range") == Some(&format!("bytes */{size}")), "{past:?}");
    is_refused(&past, 416, "invalid-range")?;

    let unchanged = get("GET", &[("If-None-Match", &etag)])?;
    ensure!(unchanged.status == 304 && unchanged.header("etag") == Some(&etag), "{unchanged:?}");
    Ok(())
}

fn the_empty_layer_is_in_every_repository(front: &Front) -> anyhow::Result<()> {
    let path = format!("/v2/library/sample/blobs/{}", Digest::EMPTY_LAYER);
    let get = front.send("GET", &path, &[])?;
    ensure!(get.status == 200 && get.body == EMPTY_LAYER, "{get:?}");
    let head = front.send("HEAD", &path, &[])?;
    ensure!(head.header("content-length") == Some(&EMPTY_LAYER.len().to_string()), "{head:?}");
    Ok(())
}

fn the_catalog_has_the_repository(front: &Front) -> anyhow::Result<()> {
    let catalog = front.send("GET", "/v2/_catalog", &[])?;
    let names = catalog.json()?["repositories"].clone();
    ensure!(names.as_array().is_some_and(|names| names.iter().any(|name| name == REPOSITORY)), "{catalog:?}");
    ensure!(catalog.header("cache-control") == Some("no-cache"), "{catalog:?}");
    let after = front.send("GET", &format!("/v2/_catalog?n=1&last={REPOSITORY}"), &[])?;
    let names = after.json()?["repositories"].clone();
    ensure!(names.as_array().is_some_and(|names| names.iter().all(|name| name != REPOSITORY)), "{after:?}");
    Ok(())
}

/// A store says so; the reference knows no referrers, after which clients look for the tag.
fn nothing_refers_to_what_is_not_there(front: &Front) -> anyhow::Result<()> {
    let digest = Digest::of(b"none");
    let referrers = front.send("GET", &format!("/v2/{REPOSITORY}/referrers/{digest}"), &[])?;
    let json = referrers.json()?;
    let is_empty = json["manifests"].as_array().is_some_and(Vec::is_empty);
    let is_unknown = json["errors"][0]["detail"]["reason"] == "no-referrers";
    ensure!(referrers.status == 200 && is_empty || referrers.status == 404 && is_unknown, "{referrers:?}");
    Ok(())
}

fn tags_come_sorted_and_in_pages(front: &Front) -> anyhow::Result<()> {
    let list = |query: &str| front.send("GET", &format!("/v2/library/sample/tags/list{query}"), &[]);
    let all = list("")?;
    ensure!(all.body == b"{\"name\":\"library/sample\",\"tags\":[\"latest\",\"older\"]}\n", "{all:?}");
    let first = list("?n=1")?;
    ensure!(first.json()?["tags"] == serde_json::json!(["latest"]), "{first:?}");
    let next = "</v2/library/sample/tags/list?n=1&last=latest>; rel=\"next\"";
    ensure!(first.header("link") == Some(next), "{first:?}");
    let last = list("?n=1&last=latest")?;
    ensure!(
        last.json()?["tags"] == serde_json::json!(["older"]) && last.header("link").is_none(),
        "{last:?}"
    );
    Ok(())
}
