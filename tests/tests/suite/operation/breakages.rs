//! What users of old engines read where something breaks: the ten commonest breakages, and the line of each engine.

use core::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use anyhow::ensure;
use downshift::Digest;
use downshift_cases::images::{Family, REPOSITORY, sample};
use downshift_tests::engines::Docker;
use downshift_tests::faults::{Fault, FaultyRegistry};
use downshift_tests::front::{Front, NATIVE};
use downshift_tests::programs::{DOCKER_REGISTRY, case_with};
use downshift_tests::registry::Registry;
use downshift_tests::server::free_address;
use downshift_tests::web::{Web, respond};
use libtest_mimic::Trial;

/// The engines: with the API of version 1 alone for a last word, with that or a message, and with that where there is no such
/// image; and one that asks that API no more.
const ENGINES: [Docker; 5] =
    [Docker::V1_6_2, Docker::V1_9_1, Docker::V1_10_3, Docker::V1_13_1, Docker::V20_10_24];

/// What engines since 1.10 print of an error with this status, whatever it says.
const BAD_GATEWAY: &str = "received unexpected HTTP status: 502";

/// A server in front of something that is broken, with what has to be there as long as it is asked.
struct Broken {
    front: Front,
    _behind: Box<dyn Send>,
}

/// A breakage, and what has to stand in the line of each engine.
type Breakage = (&'static str, fn() -> anyhow::Result<Broken>, &'static str, [&'static str; 5]);

pub(crate) fn trials() -> Vec<Trial> {
    let breakages: [Breakage; 10] = [
        (
            "registry_down",
            registry_down,
            "latest",
            early_and_late("library/sample was not pulled: the upstream registry `127.0.0.1:", BAD_GATEWAY),
        ),
        (
            "login_page",
            login_page,
            "latest",
            early_and_late(
                "sent something other than a manifest or config; check whether a login page or a proxy answers in front of \
                 the registry",
                BAD_GATEWAY,
            ),
        ),
        (
            "typo",
            images,
            "nosuch",
            [
                "image library/sample not found",
                "image library/sample not found",
                "image library/sample not found",
                "image library/sample not found",
                "manifest for library/sample:nosuch not found: manifest unknown: manifest unknown",
            ],
        ),
        (
            "zstd",
            zstd,
            "latest",
            oldest_and_newer(
                "library/sample was not pulled: the layer `sha256:",
                "manifest invalid: the layer `sha256:",
            ),
        ),
        (
            "artifact",
            images,
            "artifact",
            [
                "library/sample was not pulled: `application/spdx+json` is not the media type of an image",
                "manifest invalid: `application/spdx+json` is not the media type of an image",
                "manifest invalid: `application/spdx+json` is not the media type of an image",
                "manifest invalid: `application/spdx+json` is not the media type of an image",
                "Encountered remote \"application/vnd.oci.empty.v1+json\"(unknown) when fetching",
            ],
        ),
        (
            "missing_platform",
            images,
            "arm64",
            [
                "library/sample was not pulled: there is no manifest for `linux/amd64`, only for `linux/arm64`",
                "manifest invalid: there is no manifest for `linux/amd64`, only for `linux/arm64`",
                "manifest invalid: there is no manifest for `linux/amd64`, only for `linux/arm64`",
                "manifest invalid: there is no manifest for `linux/amd64`, only for `linux/arm64`",
                "no matching manifest for linux/amd64 in the manifest list entries",
            ],
        ),
        (
            "missing_layer",
            missing_layer,
            "latest",
            early_and_late("is missing; push the image again", "unknown blob"),
        ),
        (
            "wrong_password",
            wrong_password,
            "latest",
            oldest_and_newer(
                "library/sample was not pulled: the upstream registry `127.0.0.1:",
                "unavailable: the upstream registry `127.0.0.1:",
            ),
        ),
        ("rate_limit", rate_limit, "latest", ["received too many requests; try again later"; 5]),
        (
            "tls_mismatch",
            tls_mismatch,
            "latest",
            early_and_late("does not speak TLS: it may speak plain HTTP", BAD_GATEWAY),
        ),
    ];
    let trial = |(name, start, reference, expected): Breakage| {
        case_with([DOCKER_REGISTRY], format!("operation::breakages::{name}"), move || {
            is_told(&start()?.front, reference, expected)
        })
    };
    breakages.into_iter().map(trial).collect()
}

/// What 1.6 and 1.9 print, and what those since 1.10 do.
const fn early_and_late(early: &'static str, late: &'static str) -> [&'static str; 5] {
    [early, early, late, late, late]
}

/// What 1.6 prints, and what those since 1.8 do.
const fn oldest_and_newer(oldest: &'static str, newer: &'static str) -> [&'static str; 5] {
    [oldest, newer, newer, newer, newer]
}

fn is_told(front: &Front, reference: &str, expected: [&str; 5]) -> anyhow::Result<()> {
    let (mut lines, mut is_expected) = (String::new(), true);
    for (docker, expected) in ENGINES.into_iter().zip(expected) {
        let line = match docker.pull(front.address(), REPOSITORY, reference) {
            Ok(_) => "it is pulled".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        is_expected &= line.contains(expected);
        writeln!(lines, "docker {}: {line}", docker.version())?;
    }
    ensure!(is_expected, "other lines:\n{lines}");
    Ok(())
}

fn in_front_of(url: &str, arguments: &[&str], behind: impl Send + 'static) -> anyhow::Result<Broken> {
    let arguments = [&["--upstream-timeout", "20"], arguments].concat();
    Ok(Broken { front: Front::start_before_url(NATIVE, &arguments, url)?, _behind: Box::new(behind) })
}

fn filled() -> anyhow::Result<Registry> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    Ok(registry)
}

fn registry_down() -> anyhow::Result<Broken> {
    in_front_of(&format!("http://{}", free_address()?), &[], ())
}

fn login_page() -> anyhow::Result<Broken> {
    let page = Web::start(|_, client| {
        respond(client, 200, &[("Content-Type", "text/html; charset=utf-8")], b"<html>Please log in</html>")
    })?;
    in_front_of(&page.url(), &[], page)
}

fn images() -> anyhow::Result<Broken> {
    let registry = filled()?;
    registry.push(REPOSITORY, "artifact", &sample::artifact())?;
    registry.push(REPOSITORY, "arm64", &sample::arm64_only(Family::Oci))?;
    let url = registry.url().to_owned();
    in_front_of(&url, &[], registry)
}

/// Where the operator wants no layers unpacked.
fn zstd() -> anyhow::Result<Broken> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::zstd())?;
    let url = registry.url().to_owned();
    in_front_of(&url, &["--plain-layers", "never"], registry)
}

fn missing_layer() -> anyhow::Result<Broken> {
    let registry = filled()?;
    let faulty = FaultyRegistry::start(&registry)?;
    let layer = Digest::of(&sample::schema2().layers[0]);
    faulty.set(layer.as_str(), Fault::Status(404, Vec::new()));
    let url = faulty.url();
    in_front_of(&url, &[], (registry, faulty))
}

fn wrong_password() -> anyhow::Result<Broken> {
    let registry = Registry::start_with_password("alice", "right")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("password");
    fs::write(&file, "wrong\n")?;
    let file = file.display().to_string();
    let url = registry.url().to_owned();
    let arguments = ["--upstream-username", "alice", "--upstream-password-file", &file];
    in_front_of(&url, &arguments, (registry, Arc::new(folder)))
}

fn rate_limit() -> anyhow::Result<Broken> {
    let registry = filled()?;
    let faulty = FaultyRegistry::start(&registry)?;
    faulty.set("/v2/", Fault::Status(429, vec![("Retry-After", "7".to_owned())]));
    let url = faulty.url();
    in_front_of(&url, &[], (registry, faulty))
}

fn tls_mismatch() -> anyhow::Result<Broken> {
    let registry = filled()?;
    let url = registry.url().replace("http:", "https:");
    in_front_of(&url, &[], registry)
}
