//! `downshift sync` from what Pulp 2 has published: nothing of it is lost, and every client goes on to get what it got.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use downshift::{Digest, EMPTY_LAYER, Form};
use downshift_cases::images::{Image, REPOSITORY, digest_of, sample};
use downshift_cases::response::{Response, is_manifest};
use downshift_tests::engines::Docker;
use downshift_tests::front::NATIVE;
use downshift_tests::http;
use downshift_tests::operated::Operated;
use downshift_tests::program::{self, said};
use downshift_tests::programs::{SKOPEO, case, case_with};
use downshift_tests::pulp::{Published, Pulp};
use downshift_tests::skopeo;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Named;
use crate::pulp::{pulp, schema1_of};

pub(crate) fn trials() -> Vec<Trial> {
    let alone =
        |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("sync::from_pulp::{name}"), run);
    let (name, run): Named<fn() -> anyhow::Result<()>> = named!(skopeo_pulls_what_was_copied);
    vec![
        alone(named!(every_client_gets_what_it_got_from_pulp)),
        alone(named!(every_version_of_the_metadata_is_copied)),
        alone(named!(what_is_published_anew_is_followed)),
        alone(named!(what_has_no_tag_comes_with_the_whole_repository)),
        alone(named!(protected_repositories_stay_protected)),
        alone(named!(what_cannot_be_read_is_told_and_removes_nothing)),
        alone(named!(where_images_come_from_is_said_once)),
        case_with([SKOPEO].to_vec(), format!("sync::from_pulp::{name}"), run),
    ]
}

/// Runs the command, and gives its exit status and its summary.
fn sync(pulp: &Pulp, store: &Path, arguments: &[&str]) -> anyhow::Result<(Option<i32>, Value)> {
    let mut command = program::command()?;
    command.args(["sync", "--json", "--store"]).arg(store).arg("--pulp").arg(pulp.published());
    let output = command.arg("--store-links").arg(pulp.content()).args(arguments).output()?;
    let summary = serde_json::from_slice(&output.stdout).with_context(|| said(&output))?;
    Ok((output.status.code(), summary))
}

fn reasons(summary: &Value) -> Vec<&str> {
    let failures = summary["failures"].as_array().into_iter().flatten();
    failures.filter_map(|failure| failure["reason"].as_str()).collect()
}

fn serve(arguments: &[&str]) -> anyhow::Result<Operated> {
    Operated::start(&[arguments, NATIVE.arguments].concat())
}

fn serve_store(store: &Path) -> anyhow::Result<Operated> {
    serve(&["--store", &store.display().to_string()])
}

fn serve_pulp(pulp: &Pulp) -> anyhow::Result<Operated> {
    let [published, content] = [pulp.published(), pulp.content()].map(|path| path.display().to_string());
    serve(&["--pulp", &published, "--store-links", &content])
}

fn manifest(server: &Operated, reference: &str, headers: &[(&str, &str)]) -> anyhow::Result<Response> {
    let target = format!("/v2/{REPOSITORY}/manifests/{reference}");
    http::send(server.address(), "GET", &target, headers)
}

/// What a tag has for several clients: the content type, the digest, and the bytes where they are stored.
fn answers(server: &Operated, tag: &str) -> anyhow::Result<Vec<Value>> {
    let [list, schema2, schema1, oci, index] =
        [Form::List, Form::Schema2, Form::Schema1, Form::Oci, Form::Index].map(Form::media_type);
    let mut answers = Vec::new();
    for accept in [&[][..], &[schema2], &[list, schema2], &[schema1], &[oci], &[index, oci], &["*/*"]] {
        for platform in ["amd64", "arm64"] {
            let agent = format!("docker/1.12.6 go/go1.6.4 kernel/3.10.0 os/linux arch/{platform}");
            let mut headers = vec![("User-Agent", agent.as_str())];
            headers.extend(accept.iter().map(|accept| ("Accept", *accept)));
            let response = manifest(server, tag, &headers)?;
            let header = |name| response.header(name).map(str::to_string);
            answers.push(json!([response.status, header("content-type"), header("docker-content-digest")]));
        }
    }
    Ok(answers)
}

/// Each tag, with what Pulp has by it, and beside that what Crane gives to who reads no lists.
struct Tree {
    _folder: TempDir,
    pulp: Pulp,
    /// Everything that can be pulled by a digest.
    manifests: Vec<(Form, Digest, Vec<u8>)>,
}

const TAGS: [&str; 5] = ["all", "list", "schema1", "schema2", "two"];

fn tree() -> anyhow::Result<Tree> {
    let (list, schema2, other) = (sample::list(), sample::schema2(), sample::without_layers());
    let schema1 = schema1_of(&schema2)?;
    let child = list.children.last().context("the list is empty")?.digest();
    let (folder, pulp) = pulp()?;
    let tags = [
        // Of these Crane gives the one in the list to who reads schema 2, and the other one by its digest.
        ("all", vec![list.clone(), other.clone(), schema1.clone()]),
        ("list", vec![list.clone()]),
        ("schema1", vec![schema1.clone()]),
        ("schema2", vec![other.clone()]),
        ("two", vec![schema2.clone(), schema1.clone()]),
    ];
    let amd64 = [("all", child.clone(), 2), ("list", child, 2)];
    pulp.publish(&Published { tags: &tags, amd64: &amd64, ..Published::default() })?;
    let mut manifests = Vec::new();
    for image in [&list, &schema2, &other, &schema1] {
        for manifest in image.children.iter().chain([&image.manifest]) {
            let digest = digest_of(manifest.form, &manifest.bytes)?;
            manifests.push((manifest.form, digest, manifest.bytes.clone()));
        }
    }
    Ok(Tree { _folder: folder, pulp, manifests })
}

fn every_client_gets_what_it_got_from_pulp() -> anyhow::Result<()> {
    let Tree { _folder, pulp, manifests } = tree()?;
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let (code, planned) = sync(&pulp, &store, &["--all", "--dry-run"])?;
    ensure!(code == Some(0) && planned["tags"]["added"] == TAGS.len() && !store.exists(), "{planned}");
    let (code, summary) = sync(&pulp, &store, &["--all"])?;
    ensure!(code == Some(0) && summary["tags"]["added"] == TAGS.len(), "{summary}");
    let served = [serve_pulp(&pulp)?, serve_store(&store)?];
    let by_tag = |tag: &str| -> anyhow::Result<Vec<Value>> {
        let [of_pulp, of_store] = &served;
        let expected = answers(of_pulp, tag)?;
        let given = answers(of_store, tag)?;
        ensure!(expected == given, "`{tag}`: {expected:?} {given:?}");
        Ok(given)
    };
    // It is not one for all.
    ensure!(by_tag("all")?.iter().map(Value::to_string).collect::<BTreeSet<_>>().len() >= 5, "too few");
    TAGS.iter().try_for_each(|tag| by_tag(tag).map(drop))?;
    for (form, digest, bytes) in &manifests {
        for server in &served {
            let response = manifest(server, digest.as_str(), &[("Accept", form.media_type())])?;
            is_manifest(&response, *form, digest)?;
            ensure!(response.body == *bytes, "`{digest}` has other bytes");
        }
    }
    let [_, of_store] = &served;
    for docker in Docker::ALL {
        for tag in TAGS.iter().filter(|tag| **tag != "schema2") {
            let pulled = docker.pull(of_store.address(), REPOSITORY, tag);
            let pulled = pulled.with_context(|| format!("`{tag}`, Docker {}", docker.version()))?;
            let layers = pulled.layers.iter().filter(|layer| **layer != EMPTY_LAYER);
            ensure!(layers.eq(&sample::schema2().layers), "`{tag}` has other layers");
        }
    }
    // Once more there is nothing to do, and nothing is removed.
    let index = store.join(REPOSITORY).join("index.json");
    let before = fs::metadata(&index)?.modified()?;
    let (code, again) = sync(&pulp, &store, &["--all", "--delete", "--keep-unreferenced", "0"])?;
    ensure!(code == Some(0) && again["tags"]["unchanged"] == TAGS.len(), "{again}");
    ensure!(again["bytes"] == 0 && again["manifests"] == 0 && again["removed-blobs"] == 0, "{again}");
    ensure!(fs::metadata(&index)?.modified()? == before, "it is written again");
    // And back, for a Crane that is there.
    let out = folder.path().join("out");
    let key = folder.path().join("key");
    program::succeed(["key", "new", "--output", &key.display().to_string()])?;
    program::succeed([
        "publish",
        &out.display().to_string(),
        "--from",
        &store.display().to_string(),
        "--key",
        &key.display().to_string(),
        "--engine",
        "native",
        "--layout",
        "pulp",
        "--url",
        "https://pulp.example/pulp/docker/v2",
    ])?;
    let again = serve(&["--pulp", &out.join("current").display().to_string()])?;
    for (tag, accept) in TAGS.iter().flat_map(|tag| {
        let [list, schema2] = [Form::List, Form::Schema2].map(Form::media_type);
        [vec![], vec![schema2], vec![list, schema2]].map(|accept| (tag, accept))
    }) {
        let headers: Vec<_> = accept.iter().map(|accept| ("Accept", *accept)).collect();
        let [expected, given] = [&served[0], &again].map(|server| manifest(server, tag, &headers));
        let (expected, given) = (expected?, given?);
        let digest = |response: &Response| response.header("docker-content-digest").map(str::to_string);
        ensure!(digest(&given) == digest(&expected), "`{tag}`, {accept:?}: {given:?} {expected:?}");
        let is_stored = manifests.iter().any(|(_, _, bytes)| *bytes == expected.body);
        ensure!(!is_stored || given.body == expected.body, "`{tag}`, {accept:?} has other bytes");
    }
    Ok(())
}

fn every_version_of_the_metadata_is_copied() -> anyhow::Result<()> {
    let image = sample::schema2();
    let schema1 = schema1_of(&image)?;
    let digest1 = digest_of(Form::Schema1, &schema1.manifest.bytes)?;
    for version in 1..=4 {
        let (_folder, pulp) = pulp()?;
        let images = if version < 3 { vec![schema1.clone()] } else { vec![schema1.clone(), image.clone()] };
        let publication = Published { version, tags: &[("latest", images)], ..Published::default() };
        if version == 1 {
            pulp.publish_images(&publication, "latest", &schema1.manifest.bytes, &image.layers)?;
        } else {
            pulp.publish(&publication)?;
        }
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store");
        // What is made of images of the V1 protocol is signed by each run, and stays as it is all the same.
        for added in [1, 0] {
            let (code, summary) = sync(&pulp, &store, &["--all", "--delete"])?;
            let is_good =
                code == Some(0) && summary["tags"]["added"] == added && summary["tags"]["moved"] == 0;
            ensure!(is_good && (added == 1 || summary["manifests"] == 0), "version {version}: {summary}");
        }
        let server = serve_store(&store)?;
        let old = manifest(&server, "latest", &[])?;
        if version > 1 {
            is_manifest(&old, Form::Schema1, &digest1)?;
            ensure!(old.body == schema1.manifest.bytes, "version {version}: it is signed anew");
        }
        for docker in Docker::ALL {
            let pulled = docker.pull(server.address(), REPOSITORY, "latest");
            let pulled = pulled.with_context(|| format!("version {version}, Docker {}", docker.version()))?;
            let layers = pulled.layers.iter().filter(|layer| **layer != EMPTY_LAYER);
            ensure!(layers.eq(&image.layers), "version {version}: the layers are others");
        }
    }
    Ok(())
}

fn what_is_published_anew_is_followed() -> anyhow::Result<()> {
    let (list, schema2) = (sample::list(), sample::schema2());
    let schema1 = schema1_of(&schema2)?;
    let (_folder, pulp) = pulp()?;
    let publish = |tags: &[(&str, Vec<Image>)], timestamp: &str| {
        pulp.publish(&Published { tags, timestamp, ..Published::default() })
    };
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let both = ("latest", vec![schema2.clone(), schema1.clone()]);
    publish(&[both.clone(), ("old", vec![schema1.clone()])], "1")?;
    ensure!(sync(&pulp, &store, &["--all"])?.0 == Some(0), "it is not copied");
    let server = serve_store(&store)?;
    let digest = |accept: &[&str]| -> anyhow::Result<Option<String>> {
        let headers: Vec<_> = accept.iter().map(|accept| ("Accept", *accept)).collect();
        Ok(manifest(&server, "latest", &headers)?.header("docker-content-digest").map(str::to_string))
    };
    let digest1 = Some(digest_of(Form::Schema1, &schema1.manifest.bytes)?.to_string());
    let of = |image: &Image| Some(image.manifest.digest().to_string());
    let lists = [Form::List, Form::Schema2].map(Form::media_type);
    ensure!(digest(&lists)? == of(&schema2) && digest(&[])? == digest1, "it is not served");
    // A form more, and a tag less, which stays until it is to go.
    publish(&[("latest", vec![list.clone(), schema2.clone(), schema1])], "2")?;
    let (code, summary) = sync(&pulp, &store, &["--all"])?;
    let tags = &summary["tags"];
    ensure!(code == Some(0) && tags["moved"] == 1 && tags["gone"] == 1, "{summary}");
    ensure!(summary["changes"][0]["to"] == json!(list.manifest.digest()), "{summary}");
    ensure!(digest(&lists)? == of(&list) && digest(&[])? == digest1, "it is not followed");
    ensure!(manifest(&server, "old", &[])?.status == 200, "a tag is gone");
    // A form less.
    publish(&[("latest", vec![schema2.clone()])], "3")?;
    let (code, summary) = sync(&pulp, &store, &["--all", "--delete"])?;
    let tags = &summary["tags"];
    ensure!(code == Some(0) && tags["moved"] == 1 && tags["removed"] == 1, "{summary}");
    ensure!(digest(&lists)? == of(&schema2), "it is not followed");
    ensure!(manifest(&server, "old", &[])?.status == 404, "a tag is still there");
    let index: Value = serde_json::from_slice(&fs::read(store.join(REPOSITORY).join("index.json"))?)?;
    ensure!(index["manifests"].as_array().is_some_and(|entries| entries.len() == 1), "{index}");
    Ok(())
}

fn what_has_no_tag_comes_with_the_whole_repository() -> anyhow::Result<()> {
    let (schema2, other) = (sample::schema2(), sample::without_layers());
    let schema1 = schema1_of(&schema2)?;
    let (_folder, pulp) = pulp()?;
    let tags = [("latest", vec![other]), ("gone", vec![schema2.clone(), schema1.clone()])];
    pulp.publish(&Published { tags: &tags, ..Published::default() })?;
    // As Pulp leaves it when a tag has moved on: by its digest it is there.
    let web = fs::canonicalize(pulp.published().join("v2/web/sample"))?;
    for folder in ["1", "2"] {
        fs::remove_file(web.join("manifests").join(folder).join("gone"))?;
    }
    fs::write(web.join("tags/list"), json!({ "name": REPOSITORY, "tags": ["latest"] }).to_string())?;
    let folder = tempfile::tempdir()?;
    let digests = [schema2.manifest.digest(), digest_of(Form::Schema1, &schema1.manifest.bytes)?]
        .map(|own| own.to_string());
    let served = |store: &Path| -> anyhow::Result<Vec<u16>> {
        let server = serve_store(store)?;
        let accept = [Form::Schema2, Form::Schema1].map(|form| ("Accept", form.media_type()));
        digests.iter().map(|digest| Ok(manifest(&server, digest, &accept)?.status)).collect()
    };
    let some = folder.path().join("some");
    ensure!(sync(&pulp, &some, &[&format!("{REPOSITORY}:latest")])?.0 == Some(0), "it is not copied");
    ensure!(served(&some)? == [404, 404], "more is there than was named");
    let all = folder.path().join("all");
    for _ in 0..2 {
        let (code, summary) = sync(&pulp, &all, &[REPOSITORY, "--delete", "--keep-unreferenced", "0"])?;
        ensure!(code == Some(0) && summary["removed-blobs"] == 0, "{summary}");
        ensure!(served(&all)? == [200, 200], "what has no tag is not there");
    }
    let (code, summary) = sync(&pulp, &all, &[REPOSITORY, "--delete"])?;
    ensure!(code == Some(0) && summary["manifests"] == 0, "it is fetched again: {summary}");
    let (excluded, without) = (format!("{REPOSITORY}@{}", digests[0]), folder.path().join("without"));
    ensure!(sync(&pulp, &without, &[REPOSITORY, "--exclude", &excluded])?.0 == Some(0), "it is not copied");
    ensure!(served(&without)? == [404, 200], "what was excluded is there");
    // Where Pulp has it no more, it goes as tags do.
    for (folder, digest) in ["2", "1"].into_iter().zip(&digests) {
        fs::remove_file(web.join("manifests").join(folder).join(digest))?;
    }
    ensure!(sync(&pulp, &all, &[REPOSITORY])?.0 == Some(0), "it is not copied");
    ensure!(served(&all)? == [200, 200], "it is removed");
    let (code, summary) = sync(&pulp, &all, &[REPOSITORY, "--delete", "--keep-unreferenced", "0"])?;
    ensure!(code == Some(0) && served(&all)? == [404, 404], "it stays: {summary}");
    Ok(())
}

fn protected_repositories_stay_protected() -> anyhow::Result<()> {
    let (_folder, pulp) = pulp()?;
    let tags = [("latest", vec![sample::schema2()])];
    let open = Published { id: "open", name: "team/open", tags: &tags, ..Published::default() };
    pulp.publish(&open)?;
    pulp.publish(&Published { protected: true, tags: &tags, ..Published::default() })?;
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let (code, summary) = sync(&pulp, &store, &["--all"])?;
    ensure!(code == Some(0) && summary["repositories"] == 1, "{summary}");
    ensure!(!store.join(REPOSITORY).exists(), "it is copied");
    let (code, summary) = sync(&pulp, &store, &[REPOSITORY])?;
    ensure!(code == Some(1) && reasons(&summary) == ["no-repository"], "{summary}");
    let (code, summary) = sync(&pulp, &store, &["--all", "--pulp-protected", "serve"])?;
    ensure!(code == Some(0) && summary["repositories"] == 2, "{summary}");
    // Whoever gets it by Crane again needs a certificate again.
    let out = folder.path().join("out");
    let key = folder.path().join("key").display().to_string();
    program::succeed(["key", "new", "--output", &key])?;
    let [from, to] = [&store, &out].map(|path| path.display().to_string());
    let url = "https://pulp.example/pulp/docker/v2";
    program::succeed([
        "publish", &to, "--from", &from, "--key", &key, "--engine", "native", "--layout", "pulp", "--url",
        url,
    ])?;
    for (name, is_protected) in [(REPOSITORY, true), ("team/open", false)] {
        let file = out.join("current/v2/app").join(format!("{}.json", downshift_pulp::id_of(name)));
        let metadata: Value = serde_json::from_slice(&fs::read(file)?)?;
        ensure!(metadata["protected"] == is_protected, "{metadata}");
    }
    // It is so in Pulp since: what was copied before stays, and is not for everybody when it is published.
    pulp.publish(&Published { protected: true, timestamp: "2", ..open })?;
    let (code, summary) = sync(&pulp, &store, &["team/open", "--delete"])?;
    ensure!(code == Some(1) && reasons(&summary) == ["all-tags-gone"], "{summary}");
    Ok(())
}

fn what_cannot_be_read_is_told_and_removes_nothing() -> anyhow::Result<()> {
    let (_folder, pulp) = pulp()?;
    let tags = [("latest", vec![sample::schema2()])];
    for (id, name) in [("sample", REPOSITORY), ("other", "team/other")] {
        pulp.publish(&Published { id, name, tags: &tags, ..Published::default() })?;
    }
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    ensure!(sync(&pulp, &store, &["--all"])?.0 == Some(0), "it is not copied");
    let everything = ["--all", "--delete", "--delete-repositories"];
    // Half of a file, as whoever writes it in place leaves it for a moment.
    let file = pulp.metadata("v2", "other");
    let text = fs::read(&file)?;
    fs::write(&file, &text[..text.len() / 2])?;
    let (code, summary) = sync(&pulp, &store, &everything)?;
    ensure!(code == Some(1) && reasons(&summary).contains(&"broken-pulp-repository"), "{summary}");
    ensure!(store.join("team/other/index.json").exists(), "it is removed: {summary}");
    let empty = folder.path().join("empty");
    let (code, summary) = sync(&pulp, &empty, &["--all"])?;
    ensure!(code == Some(1) && reasons(&summary) == ["broken-pulp-repository"], "{summary}");
    ensure!(empty.join(REPOSITORY).join("index.json").exists(), "the sound one is not copied");
    let (code, summary) = sync(&pulp, &empty, &["--all", "--exclude", "other"])?;
    ensure!(code == Some(0), "{summary}");
    fs::write(&file, text)?;
    // Without the content, which the links lead into, no repository is empty.
    let mut command = program::command()?;
    command.args(["sync", "--json", "--store"]).arg(&store).arg("--pulp").arg(pulp.published());
    let output = command.args(everything).output()?;
    ensure!(output.status.code() == Some(1), "{}", said(&output));
    ensure!(store.join(REPOSITORY).join("index.json").exists(), "it is removed: {}", said(&output));
    // A manifest that is damaged is not copied, and what was there stays.
    let web = pulp.published().join("v2/web/other/manifests/2/latest");
    fs::write(fs::canonicalize(web)?, "{")?;
    let (code, summary) = sync(&pulp, &store, &everything)?;
    ensure!(code == Some(1), "{summary}");
    ensure!(store.join("team/other/index.json").exists(), "it is removed: {summary}");
    Ok(())
}

fn where_images_come_from_is_said_once() -> anyhow::Result<()> {
    let (_folder, pulp) = pulp()?;
    pulp.publish(&Published { tags: &[("latest", vec![sample::schema2()])], ..Published::default() })?;
    let folder = tempfile::tempdir()?;
    let [published, content, config] = [pulp.published(), pulp.content(), folder.path().join("sync.toml")]
        .map(|path| path.display().to_string());
    let run = |arguments: &[&str]| -> anyhow::Result<(Option<i32>, String)> {
        let output = program::command()?.arg("sync").args(arguments).output()?;
        Ok((output.status.code(), said(&output)))
    };
    // Of the file, with the store.
    let links = format!("store-links = [\"{content}\"]");
    fs::write(&config, format!("store = \"images\"\npulp = \"{published}\"\n{links}\n"))?;
    let (code, said) = run(&["--config", &config, "--all"])?;
    ensure!(code == Some(0), "{said}");
    ensure!(folder.path().join("images").join(REPOSITORY).join("index.json").exists(), "{said}");
    // What is said on the command line takes the place of either.
    let (code, said) = run(&["--config", &config, "--upstream", "http://127.0.0.1:9", REPOSITORY])?;
    ensure!(code == Some(1) && !said.contains("both"), "{said}");
    fs::write(&config, format!("store = \"more\"\n{links}\n[[upstream]]\nurl = \"http://127.0.0.1:9\"\n"))?;
    let (code, said) = run(&["--config", &config, "--pulp", &published, "--all"])?;
    ensure!(code == Some(0), "{said}");
    ensure!(folder.path().join("more").join(REPOSITORY).join("index.json").exists(), "{said}");
    let (code, said) = run(&["--config", &config, "--pulp", &published, "--upstream", "a.example", "--all"])?;
    ensure!(code == Some(2) && said.contains("cannot be used with"), "{said}");
    fs::write(&config, "store = \"more\"\n")?;
    let (code, said) = run(&["--config", &config, "--all"])?;
    ensure!(code == Some(2) && said.contains("--pulp"), "{said}");
    let (code, said) = run(&["--config", &config, "--pulp", &content, "--all"])?;
    ensure!(code == Some(2) && said.contains("it has neither `app` nor `v2/app`"), "{said}");
    Ok(())
}

fn skopeo_pulls_what_was_copied() -> anyhow::Result<()> {
    let Tree { _folder, pulp, .. } = tree()?;
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    ensure!(sync(&pulp, &store, &["--all"])?.0 == Some(0), "it is not copied");
    let server = serve_store(&store)?;
    for (tag, image) in [("all", sample::list()), ("two", sample::schema2())] {
        let pulled = skopeo::pull(server.address(), &format!(":{tag}"), &["--all"])?;
        ensure!(pulled.manifest == image.manifest.bytes, "`{tag}` has another manifest");
    }
    Ok(())
}
