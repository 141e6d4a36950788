//! What a pull costs: subrequests, which platforms count, and conversions, of which there is one for each answer.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use downshift::Form;
use downshift_cases::difference;
use downshift_cases::images::{REPOSITORY, sample};
use downshift_cases::response::{Response, is_refused};
use downshift_tests::faults::FaultyRegistry;
use downshift_tests::front::{Front, WORKERD, manifest_path};
use downshift_tests::http;
use downshift_tests::javascript;
use downshift_tests::key_file;
use downshift_tests::programs::{DOCKER_REGISTRY, case_with};
use downshift_tests::registry::Registry;
use downshift_tests::tokens::{TokenService, User};
use libtest_mimic::Trial;

use crate::Named;

/// Who pushes the images, and who the worker is where the registry wants to know.
const SERVER: User = ("server", "a:secret", &["*"]);

/// Tag, the form that is asked for, and how many subrequests that takes where nothing is at hand: what the registry is
/// asked, and what is written to R2. The README of the worker has the same figures.
const COLD: &[(&str, Form, u32)] = &[
    ("schema2", Form::Schema2, 1),
    ("schema2", Form::Schema1, 3),
    ("oci", Form::Schema2, 2),
    ("oci", Form::Schema1, 3),
    ("list", Form::Schema1, 4),
    ("index", Form::List, 6),
];

pub(super) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with(WORKERD.programs(&[DOCKER_REGISTRY]), format!("workerd::edge::costs::{name}"), run)
    };
    vec![
        trial(named!(a_cold_pull_takes_so_many_subrequests_and_no_more)),
        trial(named!(credentials_take_two_more_for_each_repository)),
        trial(named!(an_answer_at_hand_is_not_made_again)),
        trial(named!(what_is_at_hand_needs_no_registry)),
        trial(named!(what_a_passing_key_has_signed_is_not_kept)),
    ]
}

fn a_cold_pull_takes_so_many_subrequests_and_no_more() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    for (tag, image) in sample::in_every_form() {
        registry.push(REPOSITORY, tag, &image)?;
    }
    for &(tag, form, subrequests) in COLD {
        let pull = |allowed: u32| -> anyhow::Result<Response> {
            let front = Front::start_before(WORKERD, &["--subrequests", &allowed.to_string()], &registry)?;
            front.manifest(tag, accept(form))
        };
        let enough = pull(subrequests)?;
        ensure!(enough.status == 200, "`{tag}` as `{form}` takes more than {subrequests}: {enough:?}");
        ensure!(enough.header("content-type") == Some(form.media_type()), "{enough:?}");
        let too_few = pull(subrequests - 1)?;
        is_refused(&too_few, 400, "edge-subrequests").with_context(|| format!("`{tag}` as `{form}`"))?;
    }
    Ok(())
}

/// What a client says that understands nothing else.
fn accept(form: Form) -> &'static [&'static str] {
    match form {
        Form::Schema1 => &[],
        Form::Schema2 => &["application/vnd.docker.distribution.manifest.v2+json"],
        _ => &["application/vnd.docker.distribution.manifest.list.v2+json"],
    }
}

fn credentials_take_two_more_for_each_repository() -> anyhow::Result<()> {
    let service = Arc::new(TokenService::start(&[SERVER])?);
    let registry = Registry::start_with_tokens(&service, SERVER)?;
    let images = sample::in_every_form();
    for (tag, image) in &images {
        registry.push(REPOSITORY, tag, image)?;
    }
    let folder = tempfile::tempdir()?;
    let password = folder.path().join("password");
    fs::write(&password, SERVER.1)?;
    let password = password.display().to_string();
    // The token, and the request that was made without it; then it is at hand.
    let arguments =
        ["--upstream-username", SERVER.0, "--upstream-password-file", &password, "--subrequests", "5"];
    let front = Front::start_before(WORKERD, &arguments, &registry)?;
    let before = service.seen().len();
    for (tag, _) in &images {
        let pulled = front.manifest(tag, &[])?;
        ensure!(pulled.status == 200, "`{tag}`: {pulled:?}");
    }
    let asked = service.seen().len() - before;
    ensure!(asked == 1, "the token service was asked {asked} times");
    Ok(())
}

/// WebCrypto's signatures are other ones each time: the same bytes are the same answer.
fn an_answer_at_hand_is_not_made_again() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::oci())?;
    let (folder, key) = key_file::write()?;
    let cache = folder.path().join("cache").display().to_string();
    let arguments = ["--signer", "webcrypto", "--key", &key, "--cache", &cache];
    let mut front = Front::start_before(WORKERD, &arguments, &registry)?;
    let first = front.manifest("latest", &[])?;
    ensure!(first.status == 200, "{first:?}");
    let reported = first.header("docker-content-digest").context("no digest")?.to_string();
    let by_digest = front.manifest(&reported, &[])?;
    for round in ["at once", "after a restart"] {
        let again = front.manifest("latest", &[])?;
        difference::compare(round, &first.body, &again.body)?;
        difference::compare(round, &by_digest.body, &front.manifest(&reported, &[])?.body)?;
        let unchanged = [("If-None-Match", first.header("etag").unwrap_or_default())];
        ensure!(front.send("GET", &manifest_path("latest"), &unchanged)?.status == 304, "{round}");
        front = front.killed_and_restarted()?;
    }
    let other = Front::start_before(WORKERD, &arguments[..4], &registry)?.manifest("latest", &[])?;
    ensure!(other.body != first.body, "WebCrypto signs alike, so that this test shows nothing");
    Ok(())
}

fn what_is_at_hand_needs_no_registry() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::index())?;
    let seen = FaultyRegistry::start(&registry)?;
    let (_folder, key) = key_file::write()?;
    let arguments = ["--tag-ttl", "3600", "--key", &key];
    let front = Front::start_before_url(WORKERD, &arguments, &seen.url())?;
    let mut references = vec!["latest".to_string()];
    for accept in [&[] as &[&str], accept(Form::Schema2), accept(Form::List)] {
        let pulled = front.manifest("latest", accept)?;
        ensure!(pulled.status == 200, "{pulled:?}");
        references.push(pulled.header("docker-content-digest").context("no digest")?.to_string());
        for reference in &references {
            ensure!(front.manifest(reference, accept)?.status == 200, "`{reference}` does not come");
        }
    }
    let before = seen.seen().len();
    for accept in [&[] as &[&str], accept(Form::Schema2), accept(Form::List)] {
        for reference in &references {
            ensure!(front.manifest(reference, accept)?.status == 200, "`{reference}` does not come again");
        }
    }
    let asked = &seen.seen()[before..];
    ensure!(asked.is_empty(), "the registry was asked for {asked:?}");
    Ok(())
}

fn what_a_passing_key_has_signed_is_not_kept() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let (folder, key) = key_file::write()?;
    for (name, arguments, is_kept) in
        [("passing", &[] as &[&str], false), ("lasting", &["--key", &key], true)]
    {
        let cache = folder.path().join(name);
        let path = cache.display().to_string();
        let arguments = [&["--upstream", registry.url(), "--cache", &path], arguments].concat();
        let arguments: Vec<_> = arguments.into_iter().map(str::to_owned).collect();
        let server = javascript::serve(&arguments)?;
        for _ in 0..2 {
            let pulled = http::send(server.address(), "GET", &manifest_path("latest"), &[])?;
            ensure!(pulled.status == 200, "{pulled:?}");
        }
        drop(server);
        ensure!(holds(&cache, b"\"fsLayers\"")?, "{name}: there is no record, or it is elsewhere");
        ensure!(holds(&cache, b"\"signatures\"")? == is_kept, "{name}: a signature is kept, or is not");
    }
    Ok(())
}

/// Whether some file in a folder has these bytes in it.
fn holds(folder: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_there = match path.is_dir() {
            true => holds(&path, bytes)?,
            false => fs::read(&path)?.windows(bytes.len()).any(|window| window == bytes),
        };
        if is_there {
            return Ok(true);
        }
    }
    Ok(false)
}
