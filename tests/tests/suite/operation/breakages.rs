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

/// The engines: with the API of version 1 alone for a last word, with that or a message, and with messages only.
const ENGINES: [Docker; 3] = [Docker::V1_6_2, Docker::V1_9_1, Docker::V1_10_3];

/// A server in front of something that is broken, with what has to be there as long as it is asked.
struct Broken {
    front: Front,
    _behind: Box<dyn Send>,
}

/// A breakage, and what has to stand in the line of each engine.
type Breakage = (&'static str, fn() -> anyhow::Result<Broken>, &'static str, [&'static str; 3]);

pub(crate) fn trials() -> Vec<Trial> {
    let breakages: [Breakage; 10] = [
        (
            "registry_down",
            registry_down,
            "latest",
            ["library/sample was not pulled: the upstream registry `127.0.0.1:"; 3],
        ),
        (
            "login_page",
            login_page,
            "latest",
            ["sent something else in the place of a document; check what stands before the registry"; 3],
        ),
        ("typo", images, "nosuch", ["image library/sample not found"; 3]),
        (
            "zstd",
            images,
            "zstd",
            [
                "library/sample was not pulled: the layer `sha256:",
                "manifest invalid: the layer `sha256:",
                "manifest invalid: the layer `sha256:",
            ],
        ),
        (
            "artifact",
            images,
            "artifact",
            [
                "library/sample was not pulled: `application/spdx+json` is not the media type of an image",
                "manifest invalid: `application/spdx+json` is not the media type of an image",
                "manifest invalid: `application/spdx+json` is not the media type of an image",
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
            ],
        ),
        (
            "missing_layer",
            missing_layer,
            "latest",
            ["is missing; push the image again", "is missing; push the image again", "a blob has status 404"],
        ),
        (
            "wrong_password",
            wrong_password,
            "latest",
            [
                "library/sample was not pulled: the upstream registry `127.0.0.1:",
                "manifest invalid: the upstream registry `127.0.0.1:",
                "manifest invalid: the upstream registry `127.0.0.1:",
            ],
        ),
        ("rate_limit", rate_limit, "latest", ["received too many requests; try again later"; 3]),
        ("tls_mismatch", tls_mismatch, "latest", ["does not speak TLS: it may speak plain HTTP"; 3]),
    ];
    let trial = |(name, start, reference, expected): Breakage| {
        case_with([DOCKER_REGISTRY], format!("operation::breakages::{name}"), move || {
            is_told(&start()?.front, reference, expected)
        })
    };
    breakages.into_iter().map(trial).collect()
}

fn is_told(front: &Front, reference: &str, expected: [&str; 3]) -> anyhow::Result<()> {
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
    let arguments = [&["--upstream-timeout", "2"], arguments].concat();
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
    registry.push(REPOSITORY, "zstd", &sample::zstd())?;
    registry.push(REPOSITORY, "artifact", &sample::artifact())?;
    registry.push(REPOSITORY, "arm64", &sample::arm64_only(Family::Oci))?;
    let url = registry.url().to_owned();
    in_front_of(&url, &[], registry)
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
