//! Real clients pull what a registry has, by tag and by reported digest.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Barrier};
use std::thread;

use anyhow::{Context, ensure};
use downshift::{Digest, Limits, jws};
use downshift_cases::difference;
use downshift_cases::images::{Image, REPOSITORY, sample};
use downshift_tests::clients::Client;
use downshift_tests::faults::FaultyRegistry;
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::programs::{DOCKER, DOCKER_REGISTRY, DOCKERD, PODMAN, SKOPEO, case_after, case_with};
use downshift_tests::proxy::Proxy;
use downshift_tests::registry::Registry;
use downshift_tests::skopeo::pull;
use downshift_tests::tokens::{TokenService, User};
use downshift_tests::web::{Web, respond, write_head};
use libtest_mimic::Trial;

use crate::Named;
use crate::clients::pulls;

/// Who pushes the images and who pulls them for everybody.
const SERVER: User = ("server", "a:secret", &["*"]);

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let name = |name: &str| format!("{}::upstream::pulls::{name}", engine.name);
    let trial = |(what, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        case_with(engine.programs(&[DOCKER_REGISTRY, SKOPEO]), name(what), move || run(engine))
    };
    let (everywhere, pull): Named<fn(Engine, &Client) -> anyhow::Result<()>> =
        named!(engine_pulls_everywhere);
    vec![
        trial(named!(skopeo_in_front_of_an_open_registry)),
        trial(named!(skopeo_in_front_of_a_registry_with_a_password)),
        trial(named!(skopeo_in_front_of_a_registry_with_tokens)),
        trial(named!(skopeo_with_blobs_that_are_elsewhere)),
        trial(named!(several_registries_by_prefix)),
        trial(named!(a_thousand_cold_pulls_ask_once)),
        trial(named!(lists_go_on_as_the_registry_has_them)),
        case_after(
            engine.programs(&[DOCKER_REGISTRY, PODMAN]),
            name(&format!("{everywhere}::podman")),
            Client::podman,
            move |podman| pull(engine, &podman),
        ),
        case_after(
            engine.programs(&[DOCKER_REGISTRY, DOCKER, DOCKERD]),
            name(&format!("{everywhere}::docker")),
            Client::docker,
            move |docker| pull(engine, &docker),
        ),
    ]
}

fn skopeo_in_front_of_an_open_registry(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    skopeo_pulls(engine, &registry, &[])
}

fn skopeo_in_front_of_a_registry_with_a_password(engine: Engine) -> anyhow::Result<()> {
    let (registry, folder) = registry_with_password()?;
    let password = folder.path().join("password").display().to_string();
    let credentials = ["--upstream-username", SERVER.0, "--upstream-password-file", &password];
    skopeo_pulls(engine, &registry, &credentials)
}

fn skopeo_in_front_of_a_registry_with_tokens(engine: Engine) -> anyhow::Result<()> {
    let (registry, folder) = registry_with_tokens()?;
    let config = folder.path().join("config.json").display().to_string();
    skopeo_pulls(engine, &registry, &["--upstream-docker-config", &config])
}

/// A registry with a password, and a folder with the file `password`.
fn registry_with_password() -> anyhow::Result<(Registry, tempfile::TempDir)> {
    let registry = Registry::start_with_password(SERVER.0, SERVER.1)?;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("password"), format!("{}\n", SERVER.1))?;
    Ok((registry, folder))
}

/// A registry with tokens, and a folder with the `config.json` of who may pull from it.
fn registry_with_tokens() -> anyhow::Result<(Registry, tempfile::TempDir)> {
    let service = Arc::new(TokenService::start(&[SERVER])?);
    let registry = Registry::start_with_tokens(&service, SERVER)?;
    let folder = tempfile::tempdir()?;
    let auth = serde_json::json!({ "username": SERVER.0, "password": SERVER.1 });
    let config = serde_json::json!({ "auths": { registry.host(): auth } });
    fs::write(folder.path().join("config.json"), config.to_string())?;
    Ok((registry, folder))
}

/// Pulls every form as it is stored and as schema 1, by tag and by digest, before and after the server was killed and
/// the tag was moved.
fn skopeo_pulls(engine: Engine, registry: &Registry, arguments: &[&str]) -> anyhow::Result<()> {
    let images = sample::in_every_form();
    for (tag, image) in &images {
        registry.push(REPOSITORY, tag, image)?;
    }
    let mut front = Front::start_before(engine, &[arguments, &["--tag-ttl", "0"]].concat(), registry)?;
    let mut reported = BTreeMap::new();
    for (tag, image) in &images {
        pulls_as_stored(&front, tag, image).with_context(|| format!("`{tag}` as it is stored"))?;
        let proxy = Proxy::start(front.address(), Some(&[]))?;
        let by_tag = pull(proxy.address(), &format!(":{tag}"), &[])?;
        let document = jws::parse(&by_tag.manifest, &Limits::default())?;
        ensure!(downshift_sign::verify(&document).is_valid(), "the signature of `{tag}` does not hold");
        reported.insert(Digest::of(&document.payload), by_tag);
    }
    for round in ["at once", "after a kill", "after the tags were moved"] {
        let proxy = Proxy::start(front.address(), Some(&[]))?;
        for (digest, by_tag) in &reported {
            let by_digest = pull(proxy.address(), &format!("@{digest}"), &[]).context(round)?;
            difference::compare(round, &by_tag.manifest, &by_digest.manifest)?;
            ensure!(by_digest.documents == by_tag.documents, "{round} other layers come by digest");
        }
        match round {
            "at once" => front = front.killed_and_restarted()?,
            "after a kill" => {
                for (tag, _) in &images {
                    registry.push(REPOSITORY, tag, &sample::no_history())?;
                }
                pulls_as_stored(&front, "oci", &sample::no_history()).context("the tag that was moved")?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn pulls_as_stored(front: &Front, tag: &str, image: &Image) -> anyhow::Result<()> {
    for reference in [format!(":{tag}"), format!("@{}", image.manifest.digest())] {
        let pulled = pull(front.address(), &reference, &["--all"])?;
        difference::compare("manifest", &image.manifest.bytes, &pulled.manifest)?;
        for layer in &image.layers {
            ensure!(pulled.documents.contains_key(&Digest::of(layer)), "a layer did not come");
        }
    }
    Ok(())
}

fn skopeo_with_blobs_that_are_elsewhere(engine: Engine) -> anyhow::Result<()> {
    let images = sample::in_every_form();
    let elsewhere = blobs_of(&images)?;
    let registry = Registry::start_with_redirects(&elsewhere.url())?;
    for (tag, image) in &images {
        registry.push(REPOSITORY, tag, image)?;
    }
    for delivery in ["stream", "redirect"] {
        let front = Front::start_before(engine, &["--blobs", delivery], &registry)?;
        let before = elsewhere.seen().len();
        for (tag, image) in &images {
            pulls_as_stored(&front, tag, image).with_context(|| format!("`{tag}`, {delivery}"))?;
            pull(Proxy::start(front.address(), Some(&[]))?.address(), &format!(":{tag}"), &[])?;
        }
        ensure!(elsewhere.seen().len() > before, "nobody asks for blobs where they are");
        let layer = Digest::of(&images[0].1.layers[0]);
        let blob = front.blob(layer.as_str())?;
        match delivery {
            "redirect" => {
                let location = blob.header("location").context("there is no location")?;
                ensure!(blob.status == 307 && location.starts_with(&elsewhere.url()), "{blob:?}");
            }
            _ => ensure!(blob.status == 200 && blob.body == images[0].1.layers[0], "{blob:?}"),
        }
    }
    let credentials = elsewhere.seen().iter().any(|request| request.values("authorization").next().is_some());
    ensure!(!credentials, "credentials go to another host");
    Ok(())
}

/// A server that has the blobs of `images`, whatever is before and behind the digest in the path.
fn blobs_of(images: &[(&str, Image)]) -> anyhow::Result<Web> {
    let blobs: BTreeMap<String, Vec<u8>> = images
        .iter()
        .flat_map(|(_, image)| image.configs.iter().chain(&image.layers))
        .map(|blob| (Digest::of(blob).hex().to_string(), blob.clone()))
        .collect();
    Ok(Web::start(move |request, client| {
        let blob = blobs.iter().find(|(hex, _)| request.path.contains(hex.as_str()));
        match blob {
            Some((_, blob)) if request.method == "HEAD" => {
                write_head(client, 200, &[("Content-Length", &blob.len().to_string())])
            }
            Some((_, blob)) => respond(client, 200, &[], blob),
            None => respond(client, 404, &[], b""),
        }
    })?)
}

/// Tags in pages and referrers, from a registry that has both in its own way.
fn lists_go_on_as_the_registry_has_them(engine: Engine) -> anyhow::Result<()> {
    let digest = sample::oci().manifest.digest();
    let index = br#"{"schemaVersion":2,"manifests":[]}"#;
    let registry = Web::start(move |request, client| {
        let json = ("Content-Type", "application/json");
        match request.path.as_str() {
            "/v2/library/sample/tags/list?n=2" => {
                let next = "<https://elsewhere.example.org/v2/library/sample/tags/list?next_page=x%3D>; rel=\"next\"";
                respond(
                    client,
                    200,
                    &[json, ("Link", next)],
                    br#"{"name":"library/sample","tags":["b","A"]}"#,
                )
            }
            "/v2/library/sample/tags/list?next_page=x%3D" => {
                respond(client, 200, &[json], br#"{"name":"library/sample","tags":["c"]}"#)
            }
            path if path.contains("/referrers/") && path.ends_with("?artifactType=a%2Fb") => {
                respond(client, 200, &[("OCI-Filters-Applied", "artifactType")], index)
            }
            _ => respond(client, 404, &[json], b"{}"),
        }
    })?;
    let front = Front::start_before_url(engine, &[], &registry.url())?;
    let first = front.send("GET", "/v2/library/sample/tags/list?n=2", &[])?;
    ensure!(first.json()?["tags"] == serde_json::json!(["b", "A"]), "{first:?}");
    let next = "</v2/library/sample/tags/list?next_page=x%3D>; rel=\"next\"";
    ensure!(first.header("link") == Some(next), "{first:?}");
    let second = front.send("GET", "/v2/library/sample/tags/list?next_page=x%3D", &[])?;
    ensure!(
        second.json()?["tags"] == serde_json::json!(["c"]) && second.header("link").is_none(),
        "{second:?}"
    );

    let path = format!("/v2/{REPOSITORY}/referrers/{digest}");
    let referrers = front.send("GET", &format!("{path}?artifactType=a%2Fb"), &[])?;
    ensure!(referrers.status == 200 && referrers.body == index, "{referrers:?}");
    ensure!(referrers.header("oci-filters-applied") == Some("artifactType"), "{referrers:?}");
    // Then clients look for the tag.
    let none = front.send("GET", &path, &[])?;
    ensure!(
        none.status == 404 && none.json()?["errors"][0]["detail"]["reason"] == "no-referrers",
        "{none:?}"
    );
    Ok(())
}

fn several_registries_by_prefix(engine: Engine) -> anyhow::Result<()> {
    let (one, other) = (Registry::start()?, Registry::start()?);
    one.push("library/sample", "latest", &sample::schema2())?;
    other.push("team/app", "latest", &sample::oci())?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("downshift.toml");
    let text = format!(
        "[[upstream]]\nurl = \"{}\"\nlibrary = true\n\n\
         [[upstream]]\nurl = \"{}\"\nprefix = \"mirror\"\nremote-prefix = \"team\"\nblobs = \"redirect\"\n",
        one.url(),
        other.url()
    );
    fs::write(&config, text)?;
    let server = Front::start_before_several(engine, &["--config", &config.display().to_string()])?;
    for (name, image) in
        [("sample", sample::schema2()), ("library/sample", sample::schema2()), ("mirror/app", sample::oci())]
    {
        let target = format!("/v2/{name}/manifests/latest");
        let accept = [("Accept", image.manifest.form.media_type())];
        let response = downshift_tests::http::send(server.address(), "GET", &target, &accept)?;
        ensure!(response.body == image.manifest.bytes, "`{name}` is something else: {response:?}");
        let schema1 = downshift_tests::http::send(server.address(), "GET", &target, &[])?;
        ensure!(schema1.json()?["name"] == name, "the name is not the client's: {schema1:?}");
    }
    let tags = downshift_tests::http::send(server.address(), "GET", "/v2/mirror/app/tags/list", &[])?;
    ensure!(tags.json()? == serde_json::json!({ "name": "mirror/app", "tags": ["latest"] }), "{tags:?}");
    let missing = downshift_tests::http::send(server.address(), "GET", "/v2/mirror/none/tags/list", &[])?;
    ensure!(missing.status == 404, "{missing:?}");
    Ok(())
}

fn a_thousand_cold_pulls_ask_once(engine: Engine) -> anyhow::Result<()> {
    const PULLS: usize = 1000;
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let seen = FaultyRegistry::start(&registry)?;
    // Long enough that the tag is fresh for the last pull.
    let front = Arc::new(Front::start_before_url(engine, &["--tag-ttl", "3600"], &seen.url())?);
    let barrier = Arc::new(Barrier::new(PULLS));
    let pulls: Vec<_> = (0..PULLS)
        .map(|_| {
            let (front, barrier) = (Arc::clone(&front), Arc::clone(&barrier));
            thread::Builder::new().stack_size(256 * 1024).spawn(move || {
                barrier.wait();
                front.manifest("latest", &[])
            })
        })
        .collect::<Result<_, _>>()?;
    let mut bodies = Vec::new();
    for pulled in pulls {
        let response = pulled.join().map_err(|_| anyhow::anyhow!("a pull panicked"))??;
        ensure!(response.status == 200, "{response:?}");
        bodies.push(response.body);
    }
    ensure!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "the answers differ");
    let asked: Vec<_> = seen.seen().into_iter().map(|request| (request.method, request.path)).collect();
    let config = sample::schema2().configs.first().map(|config| Digest::of(config)).context("no config")?;
    let expected = [
        ("GET".to_string(), manifest_path("latest")),
        ("GET".to_string(), format!("/v2/{REPOSITORY}/blobs/{config}")),
    ];
    ensure!(asked == expected, "the registry was asked for {asked:?}");
    Ok(())
}

/// A container engine in front of an open registry, whose blobs are elsewhere, and of those with a password and tokens.
fn engine_pulls_everywhere(engine: Engine, client: &Client) -> anyhow::Result<()> {
    let elsewhere = blobs_of(&sample::in_every_form())?;
    let registry = Registry::start_with_redirects(&elsewhere.url())?;
    engine_pulls(engine, client, &registry, &["--blobs", "redirect"]).context("open")?;

    let (registry, folder) = registry_with_password()?;
    let password = folder.path().join("password").display().to_string();
    let credentials = ["--upstream-username", SERVER.0, "--upstream-password-file", &password];
    engine_pulls(engine, client, &registry, &credentials).context("with a password")?;

    let (registry, folder) = registry_with_tokens()?;
    let config = folder.path().join("config.json").display().to_string();
    engine_pulls(engine, client, &registry, &["--upstream-docker-config", &config]).context("with tokens")
}

/// A container engine pulls every form as stored and as schema 1, by tag and digest, before and after the server was
/// killed and the tags were moved.
fn engine_pulls(
    engine: Engine,
    client: &Client,
    registry: &Registry,
    arguments: &[&str],
) -> anyhow::Result<()> {
    let images = sample::in_every_form();
    for (tag, image) in &images {
        registry.push(REPOSITORY, tag, image)?;
    }
    let mut front = Front::start_before(engine, arguments, registry)?;
    let mut reported = Vec::new();
    for (tag, image) in &images {
        pulls(client, front.address(), &format!(":{tag}")).with_context(|| format!("`{tag}`"))?;
        pulls(client, front.address(), &format!("@{}", image.manifest.digest()))?;
        let proxy = Proxy::start(front.address(), Some(&[]))?;
        pulls(client, proxy.address(), &format!(":{tag}")).with_context(|| format!("`{tag}` as schema 1"))?;
        let schema1 = front.manifest(tag, &[])?;
        reported.push(schema1.header("docker-content-digest").context("no digest")?.to_string());
    }
    front = front.killed_and_restarted()?;
    for (tag, _) in &images {
        registry.push(REPOSITORY, tag, &sample::no_history())?;
    }
    let proxy = Proxy::start(front.address(), Some(&[]))?;
    for digest in reported {
        pulls(client, proxy.address(), &format!("@{digest}")).context("after a kill")?;
    }
    Ok(())
}
