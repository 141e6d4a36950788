//! Several instances: of the module, where one trapped, and of the worker, where others have reported what is asked for.

use std::fs;
use std::thread;

use anyhow::{Context, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::{Digest, Form, Limits, jws};
use downshift_cases::difference;
use downshift_cases::images::{REPOSITORY, built, sample};
use downshift_cases::response::is_refused;
use downshift_tests::clients::Client;
use downshift_tests::front::{Front, Running, WORKERD};
use downshift_tests::http;
use downshift_tests::javascript::{built as built_folder, package, script, serve_worker};
use downshift_tests::programs::{
    DOCKER, DOCKER_REGISTRY, DOCKERD, NODE, PODMAN, SKOPEO, case_after, case_with,
};
use downshift_tests::proxy::Proxy;
use downshift_tests::registry::Registry;
use downshift_tests::skopeo::pull;
use downshift_tests::web::{Web, respond};
use libtest_mimic::Trial;

use crate::Named;
use crate::clients::pulls;

/// How many pulls come at the same time as a trap.
const PULLS: usize = 8;

pub(super) fn trials() -> Vec<Trial> {
    let programs = |others: &[&'static str]| WORKERD.programs(&[&[DOCKER_REGISTRY], others].concat());
    let trial = |others: &[&'static str], (name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with(programs(others), format!("workerd::edge::instances::{name}"), run)
    };
    let in_node = |(name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with([NODE], format!("workerd::edge::instances::{name}"), run)
    };
    let (engine, pull): Named<fn(&Client) -> anyhow::Result<()>> =
        named!(an_engine_pulls_what_another_one_reported);
    let name = |client: &str| format!("workerd::edge::instances::{engine}::{client}");
    vec![
        trial(&[], named!(a_trap_costs_one_request)),
        trial(&[], named!(several_registries_by_prefix)),
        in_node(named!(several_registries_have_credentials_of_their_own)),
        in_node(named!(its_parts_keep_to_themselves)),
        trial(&[SKOPEO], named!(skopeo_pulls_what_another_one_reported)),
        case_after(programs(&[PODMAN]), name("podman"), Client::podman, move |podman| pull(&podman)),
        case_after(programs(&[DOCKER, DOCKERD]), name("docker"), Client::docker, move |docker| pull(&docker)),
    ]
}

/// Traps with others on their way, and after them.
fn a_trap_costs_one_request() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "trap", &sample::schema2())?;
    for number in 0..3 * PULLS {
        registry.push(REPOSITORY, &number.to_string(), &built::layers(3, number))?;
    }
    let worker = built_folder("DOWNSHIFT_WORKER_THAT_TRAPS")?;
    let server = serve_worker(&worker, &["--upstream".to_string(), registry.url().to_string()])?;
    let address = server.address();
    let get = move |tag: &str| http::send(address, "GET", &format!("/v2/{REPOSITORY}/manifests/{tag}"), &[]);
    for round in 0..3 {
        let pulls: Vec<_> = (0..PULLS)
            .map(|number| thread::spawn(move || get(&(round * PULLS + number).to_string())))
            .collect();
        for _ in 0..3 {
            is_refused(&get("trap")?, 500, "trap")?;
        }
        for pull in pulls {
            let pulled = pull.join().map_err(|_| anyhow!("a pull panicked"))??;
            ensure!(pulled.status == 200, "{pulled:?}");
            let document = jws::parse(&pulled.body, &Limits::default())?;
            ensure!(downshift_sign::verify(&document).is_valid(), "the signature does not hold");
        }
        let after = get("0")?;
        ensure!(after.status == 200, "after a trap: {after:?}");
    }
    Ok(())
}

fn several_registries_by_prefix() -> anyhow::Result<()> {
    let (one, other) = (Registry::start()?, Registry::start()?);
    one.push("library/sample", "latest", &sample::schema2())?;
    other.push("team/app", "latest", &sample::oci())?;
    let upstreams = serde_json::json!([
        { "url": one.url(), "library": true },
        { "url": other.url(), "prefix": "mirror", "remotePrefix": "team", "blobs": "redirect" },
    ]);
    let worker = built_folder("DOWNSHIFT_WORKER")?;
    let server = serve_worker(&worker, &["--upstreams".to_string(), upstreams.to_string()])?;
    let get = |target: &str, headers: &[(&str, &str)]| http::send(server.address(), "GET", target, headers);
    for (name, image) in
        [("sample", sample::schema2()), ("library/sample", sample::schema2()), ("mirror/app", sample::oci())]
    {
        let target = format!("/v2/{name}/manifests/latest");
        let stored = get(&target, &[("Accept", image.manifest.form.media_type())])?;
        ensure!(stored.body == image.manifest.bytes, "`{name}` is something else: {stored:?}");
        ensure!(get(&target, &[])?.json()?["name"] == name, "the name is not the client's");
    }
    let tags = get("/v2/mirror/app/tags/list", &[])?;
    ensure!(tags.json()? == serde_json::json!({ "name": "mirror/app", "tags": ["latest"] }), "{tags:?}");
    ensure!(get("/v2/mirror/none/tags/list", &[])?.status == 404, "there is a repository of any name");
    Ok(())
}

/// Three registries of which two are one, with another name for each of them: nobody hears of the others' passwords.
fn several_registries_have_credentials_of_their_own() -> anyhow::Result<()> {
    let image = sample::schema2();
    let guarded = |challenge: &'static str| {
        let manifest = image.manifest.bytes.clone();
        Web::start(move |request, client| {
            if request.values("authorization").next().is_none() {
                return respond(client, 401, &[("WWW-Authenticate", challenge)], b"{}");
            }
            respond(client, 200, &[("Content-Type", Form::Schema2.media_type())], &manifest)
        })
    };
    let (one, other) = (guarded("Basic realm=\"x\"")?, guarded("Basic realm=\"y\"")?);
    let folder = tempfile::tempdir()?;
    let secret = |name: &str, password: &str| -> anyhow::Result<String> {
        let file = folder.path().join(name);
        fs::write(&file, password)?;
        Ok(format!("{name}={}", file.display()))
    };
    let upstreams = serde_json::json!([
        { "url": one.url(), "prefix": "a", "username": "alice", "password": "OF_ALICE" },
        { "url": one.url(), "prefix": "c", "username": "carol", "password": "OF_CAROL" },
        { "url": other.url(), "prefix": "b" },
    ]);
    let arguments = [
        "--upstreams".to_string(),
        upstreams.to_string(),
        "--secret".to_string(),
        secret("OF_ALICE", "wonderland")?,
        "--secret".to_string(),
        secret("OF_CAROL", "christmas")?,
    ];
    let server = serve_worker(&built_folder("DOWNSHIFT_WORKER")?, &arguments)?;
    let accept = [("Accept", Form::Schema2.media_type())];
    let status = |name: &str| -> anyhow::Result<u16> {
        let target = format!("/v2/{name}/manifests/latest");
        Ok(http::send(server.address(), "GET", &target, &accept)?.status)
    };
    for (name, expected) in [("a/app", 200), ("c/thing", 200), ("a/other", 200), ("b/app", 403)] {
        let status = status(name)?;
        ensure!(status == expected, "`{name}`: {status}");
    }
    let told: Vec<_> = one
        .seen()
        .iter()
        .flat_map(|request| request.values("authorization").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let (alice, carol) = (basic("alice:wonderland"), basic("carol:christmas"));
    ensure!(told == [&*alice, &carol, &alice], "it was told {told:?}");
    let leak = other.seen().into_iter().find(|request| request.values("authorization").next().is_some());
    ensure!(leak.is_none(), "another registry's credentials: {leak:?}");
    Ok(())
}

/// Runs `tests/js/worker.mjs`.
fn its_parts_keep_to_themselves() -> anyhow::Result<()> {
    let folder = package()?.ancestors().nth(2).context("the package is in no folder")?.to_path_buf();
    let output = script("worker.mjs").arg(folder).output()?;
    let (said, also) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "`worker.mjs` fails:\n{said}{also}");
    Ok(())
}

/// A registry with every form, and two workers that share nothing but what they keep for good.
fn two_workers() -> anyhow::Result<(Registry, Front, Running)> {
    let registry = Registry::start()?;
    for (tag, image) in sample::in_every_form() {
        registry.push(REPOSITORY, tag, &image)?;
    }
    let one = Front::start_before(WORKERD, &[], &registry)?;
    let other = one.beside()?;
    Ok((registry, one, other))
}

/// What is reported by one worker for each tag, after which the tags are moved.
fn reported(registry: &Registry, front: &Front) -> anyhow::Result<Vec<String>> {
    let mut reported = Vec::new();
    for (tag, _) in sample::in_every_form() {
        let schema1 = front.manifest(tag, &[])?;
        reported.push(schema1.header("docker-content-digest").context("no digest is reported")?.to_string());
        registry.push(REPOSITORY, tag, &sample::no_history())?;
    }
    Ok(reported)
}

fn skopeo_pulls_what_another_one_reported() -> anyhow::Result<()> {
    let (registry, one, other) = two_workers()?;
    for digest in reported(&registry, &one)? {
        let here = pull(Proxy::start(one.address(), Some(&[]))?.address(), &format!("@{digest}"), &[])?;
        let there = pull(Proxy::start(other.address(), Some(&[]))?.address(), &format!("@{digest}"), &[])?;
        // Each has a key of its own.
        let payload =
            |manifest: &[u8]| Ok::<_, anyhow::Error>(jws::parse(manifest, &Limits::default())?.payload);
        difference::compare("payload", &payload(&here.manifest)?, &payload(&there.manifest)?)?;
        ensure!(Digest::of(&payload(&there.manifest)?).as_str() == digest, "the digest is another");
        ensure!(here.documents == there.documents, "other layers come");
    }
    Ok(())
}

fn an_engine_pulls_what_another_one_reported(client: &Client) -> anyhow::Result<()> {
    let (registry, one, other) = two_workers()?;
    let proxy = Proxy::start(other.address(), Some(&[]))?;
    for digest in reported(&registry, &one)? {
        pulls(client, proxy.address(), &format!("@{digest}"))?;
    }
    Ok(())
}
