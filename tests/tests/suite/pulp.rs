//! What Pulp 2 has published for Crane is served: each of the four versions of its metadata, and as Crane served it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, ensure};
use downshift::{Digest, EMPTY_LAYER, Form};
use downshift_cases::difference;
use downshift_cases::images::{Image, REPOSITORY, digest_of, sample};
use downshift_cases::response::{Response, is_manifest, is_refused};
use downshift_pulp::{File, Manifest, Publication};
use downshift_tests::clients::Client;
use downshift_tests::engines::Docker;
use downshift_tests::front::{Engine, Front, NATIVE};
use downshift_tests::http;
use downshift_tests::operated::Operated;
use downshift_tests::patience::await_true;
use downshift_tests::programs::{DOCKER, DOCKERD, PODMAN, SKOPEO, case_after, case_with};
use downshift_tests::pulp::{Published, Pulp};
use downshift_tests::skopeo;
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::Named;
use crate::clients::pulls;

/// What Docker 20.10 accepts.
const DOCKER_20_10: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
];

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>, programs: &[&'static str]| {
        case_with(programs.to_vec(), format!("{}::pulp::{name}", engine.name), move || run(engine))
    };
    let (pulls, run): Named<fn(Engine, &Client) -> anyhow::Result<()>> = named!(current_engines_pull);
    let name = |client: &str| format!("{}::pulp::{pulls}::{client}", engine.name);
    vec![
        trial(named!(engines_pull_what_every_version_of_the_metadata_has), &[]),
        trial(named!(skopeo_pulls_every_form_as_it_is_stored), &[SKOPEO]),
        case_after([PODMAN].to_vec(), name("podman"), Client::podman, move |podman| run(engine, &podman)),
        case_after([DOCKER, DOCKERD].to_vec(), name("docker"), Client::docker, move |docker| {
            run(engine, &docker)
        }),
        trial(named!(who_reads_no_lists_gets_what_crane_gave), &[]),
        trial(named!(what_is_stored_in_no_form_that_is_asked_for_is_converted), &[]),
        trial(named!(protected_repositories_are_hidden_unless_they_are_to_be_served), &[]),
        trial(named!(blobs_are_where_crane_sent_clients_to), &[]),
        trial(named!(links_lead_into_the_content_and_nowhere_else), &[]),
        trial(named!(what_pulp_publishes_is_seen_while_it_is_served), &[]),
        trial(named!(broken_metadata_are_an_error_of_one_repository), &[]),
        trial(named!(damaged_files_are_not_served), &[]),
        trial(named!(what_is_written_in_its_layout_is_served), &[]),
        trial(named!(every_one_of_many_tags_is_there), &[]),
        trial(named!(a_folder_that_pulp_has_not_published_is_no_tree), &[]),
    ]
}

/// What a registry with conversions of its own had given Pulp as schema 1.
pub(crate) fn schema1_of(image: &Image) -> anyhow::Result<Image> {
    let front = Front::start(NATIVE, &[("latest", image.clone())])?;
    let response = front.manifest("latest", &[])?;
    ensure!(response.status == 200, "there is no schema 1: {response:?}");
    let layers = [image.layers.clone(), vec![EMPTY_LAYER.to_vec()]].concat();
    Ok(Image { layers, ..Image::bare(Form::Schema1, response.body) })
}

/// A folder with what Pulp has published, and that.
pub(crate) fn pulp() -> anyhow::Result<(TempDir, Pulp)> {
    let folder = tempfile::tempdir()?;
    let pulp = Pulp::new(folder.path())?;
    Ok((folder, pulp))
}

fn serve(engine: Engine, pulp: &Pulp, arguments: &[&str]) -> anyhow::Result<Operated> {
    let folder = tempfile::tempdir()?;
    let [published, content] = [pulp.published(), pulp.content()].map(|path| path.display().to_string());
    let own = ["--pulp", &published, "--store-links", &content];
    Operated::start_in(folder, &[&own, engine.arguments, arguments].concat())
}

fn get(server: &Operated, target: &str, accept: &[&str]) -> anyhow::Result<Response> {
    let headers: Vec<_> = accept.iter().map(|accept| ("Accept", *accept)).collect();
    http::send(server.address(), "GET", target, &headers)
}

fn manifest(server: &Operated, reference: &str, accept: &[&str]) -> anyhow::Result<Response> {
    get(server, &format!("/v2/{REPOSITORY}/manifests/{reference}"), accept)
}

fn engines_pull_what_every_version_of_the_metadata_has(engine: Engine) -> anyhow::Result<()> {
    let image = sample::schema2();
    let schema1 = schema1_of(&image)?;
    for version in 1..=4 {
        let (_folder, pulp) = pulp()?;
        let images = if version == 2 { vec![schema1.clone()] } else { vec![schema1.clone(), image.clone()] };
        let publication = Published { version, tags: &[("latest", images)], ..Published::default() };
        if version == 1 {
            pulp.publish_images(&publication, "latest", &schema1.manifest.bytes, &image.layers)?;
        } else {
            pulp.publish(&publication)?;
        }
        let server = serve(engine, &pulp, &[])?;
        let pull = |docker: Docker| -> anyhow::Result<()> {
            let by_tag = docker.pull(server.address(), REPOSITORY, "latest")?;
            let layers = by_tag.layers.iter().filter(|layer| **layer != EMPTY_LAYER);
            ensure!(layers.eq(&image.layers), "the layers are others");
            let reported = by_tag.reported.as_deref().context("no digest is reported")?;
            let by_digest = docker.pull(server.address(), REPOSITORY, reported).context("by digest")?;
            ensure!(by_digest == by_tag, "by its digest it is something else");
            Ok(())
        };
        for docker in Docker::ALL {
            pull(docker).with_context(|| format!("version {version}, Docker {}", docker.version()))?;
        }
        let tags = get(&server, &format!("/v2/{REPOSITORY}/tags/list"), &[])?.json()?;
        ensure!(tags["tags"] == serde_json::json!(["latest"]), "version {version}: {tags}");
        let catalog = get(&server, "/v2/_catalog", &[])?.json()?;
        ensure!(catalog["repositories"] == serde_json::json!([REPOSITORY]), "version {version}: {catalog}");
        if version > 1 {
            // Not one that is made here, which would have another signature.
            let stored = manifest(&server, "latest", &[])?;
            difference::compare("manifest", &schema1.manifest.bytes, &stored.body)?;
        }
    }
    Ok(())
}

fn skopeo_pulls_every_form_as_it_is_stored(engine: Engine) -> anyhow::Result<()> {
    let images = [("schema2", sample::schema2()), ("list", sample::list())];
    let (_folder, pulp) = pulp()?;
    let tags: Vec<_> = images.iter().map(|(tag, image)| (*tag, vec![image.clone()])).collect();
    pulp.publish(&Published { tags: &tags, ..Published::default() })?;
    let server = serve(engine, &pulp, &[])?;
    for (tag, image) in &images {
        for reference in [format!(":{tag}"), format!("@{}", image.manifest.digest())] {
            let pulled =
                skopeo::pull(server.address(), &reference, &["--all"]).with_context(|| reference.clone())?;
            let mut expected = image.documents();
            expected.remove(&image.manifest.digest());
            ensure!(pulled.manifest == image.manifest.bytes, "`{reference}` has another manifest");
            ensure!(pulled.documents == expected, "`{reference}` has something else");
        }
    }
    Ok(())
}

fn current_engines_pull(engine: Engine, client: &Client) -> anyhow::Result<()> {
    let image = sample::schema2();
    let schema1 = schema1_of(&image)?;
    let (_folder, pulp) = pulp()?;
    let tags = [
        ("schema1", vec![schema1.clone()]),
        ("schema2", vec![schema1.clone(), image.clone()]),
        ("list", vec![schema1.clone(), sample::list()]),
    ];
    pulp.publish(&Published { tags: &tags, ..Published::default() })?;
    let server = serve(engine, &pulp, &[])?;
    for (tag, _) in &tags {
        pulls(client, server.address(), &format!(":{tag}"))?;
    }
    pulls(client, server.address(), &format!("@{}", image.manifest.digest()))?;
    // Images of the V1 protocol, which these engines read no more.
    let (_folder, pulp) = self::pulp()?;
    let publication = Published { version: 1, ..Published::default() };
    pulp.publish_images(&publication, "latest", &schema1.manifest.bytes, &image.layers)?;
    let server = serve(engine, &pulp, &[])?;
    pulls(client, server.address(), ":latest").context("images of the V1 protocol")
}

fn who_reads_no_lists_gets_what_crane_gave(engine: Engine) -> anyhow::Result<()> {
    let list = sample::list();
    let schema1 = schema1_of(&list)?;
    let digest1 = digest_of(Form::Schema1, &schema1.manifest.bytes)?;
    // The second one is for amd64.
    let child = list.children.last().context("the list is empty")?.digest();
    let (_folder, pulp) = pulp()?;
    let tags = [("latest", vec![list.clone(), schema1.clone()]), ("old", vec![list.clone()])];
    let amd64 = [("latest", child.clone(), 2), ("old", child.clone(), 2)];
    pulp.publish(&Published { tags: &tags, amd64: &amd64, ..Published::default() })?;
    let server = serve(engine, &pulp, &[])?;
    let (schema2, lists) = (&DOCKER_20_10[..1], &DOCKER_20_10[..2]);
    is_manifest(&manifest(&server, "latest", lists)?, Form::List, &list.manifest.digest())?;
    is_manifest(&manifest(&server, "latest", schema2)?, Form::Schema2, &child)?;
    for accept in [&[][..], &["*/*"]] {
        let stored = manifest(&server, "latest", accept)?;
        is_manifest(&stored, Form::Schema1, &digest1)?;
        difference::compare("manifest", &schema1.manifest.bytes, &stored.body)?;
    }
    // Crane has nothing for these, and neither has it for another platform.
    let made = manifest(&server, "old", &[])?;
    ensure!(
        made.status == 200 && made.header("content-type") == Some(Form::Schema1.media_type()),
        "{made:?}"
    );
    let arm = "docker/1.9.1 go/go1.4.3 git-commit/a34a1d5 kernel/3.16.0 os/linux arch/arm64";
    let target = format!("/v2/{REPOSITORY}/manifests/latest");
    let for_arm = http::send(server.address(), "GET", &target, &[("User-Agent", arm)])?;
    ensure!(for_arm.json()?["architecture"] == "arm64", "{for_arm:?}");
    Ok(())
}

fn what_is_stored_in_no_form_that_is_asked_for_is_converted(engine: Engine) -> anyhow::Result<()> {
    let schema1 = schema1_of(&sample::schema2())?;
    let (_folder, pulp) = pulp()?;
    let tags =
        [("schema1", vec![schema1]), ("schema2", vec![sample::schema2()]), ("list", vec![sample::list()])];
    pulp.publish(&Published { tags: &tags, ..Published::default() })?;
    let mut server = serve(engine, &pulp, &[])?;
    let mut reported = Vec::new();
    for (tag, accept, form) in [
        ("schema1", &DOCKER_20_10[..1], Form::Schema2),
        ("schema1", &DOCKER_20_10[3..], Form::Oci),
        ("schema2", &DOCKER_20_10[3..], Form::Oci),
        ("schema2", &[], Form::Schema1),
        ("list", &DOCKER_20_10[2..3], Form::Index),
        ("list", &DOCKER_20_10[..1], Form::Schema2),
        ("list", &[], Form::Schema1),
    ] {
        let response = manifest(&server, tag, accept)?;
        let is_form = response.header("content-type") == Some(form.media_type());
        ensure!(response.status == 200 && is_form, "`{tag}` as {form}: {response:?}");
        let digest = response.header("docker-content-digest").context("no digest is reported")?;
        reported.push((digest.to_string(), form));
    }
    // Also after a restart.
    for is_again in [false, true] {
        for (digest, form) in &reported {
            let response = manifest(&server, digest, &[form.media_type()])?;
            is_manifest(&response, *form, &Digest::parse(digest)?)
                .with_context(|| format!("again: {is_again}"))?;
        }
        server = server.restarted()?;
    }
    Ok(())
}

fn protected_repositories_are_hidden_unless_they_are_to_be_served(engine: Engine) -> anyhow::Result<()> {
    let (_folder, pulp) = pulp()?;
    let tags = [("latest", vec![sample::schema2()])];
    let with_old = [("latest", vec![sample::schema2()]), ("old", vec![schema1_of(&sample::schema2())?])];
    let open = Published { id: "open", name: "team/open", tags: &with_old, ..Published::default() };
    pulp.publish(&open)?;
    pulp.publish(&Published { protected: true, tags: &tags, ..Published::default() })?;
    let server = serve(engine, &pulp, &[])?;
    let layer = Digest::of(&sample::schema2().layers[0]);
    let digest = sample::schema2().manifest.digest();
    let targets =
        ["manifests/latest", "tags/list", &format!("manifests/{digest}"), &format!("blobs/{layer}")]
            .map(|rest| format!("/v2/{REPOSITORY}/{rest}"));
    for target in &targets {
        let (hidden, none) = (
            get(&server, target, &DOCKER_20_10)?,
            get(&server, &target.replace("sample", "none"), &DOCKER_20_10)?,
        );
        ensure!(hidden.status == 404, "{target}: {hidden:?}");
        // Nothing says that there is one.
        let body = String::from_utf8(none.body)?.replace("library/none", REPOSITORY);
        ensure!(body == String::from_utf8(hidden.body)?, "{target} is told from what is not there");
    }
    server.await_log("is protected in Pulp")?;
    let catalog = get(&server, "/v2/_catalog", &[])?.json()?;
    ensure!(catalog["repositories"] == serde_json::json!(["team/open"]), "{catalog}");
    ensure!(
        get(&server, "/v2/team/open/manifests/latest", &DOCKER_20_10)?.status == 200,
        "the other is not there"
    );
    // It becomes so while it is served, with what was made of it before.
    let made = get(&server, "/v2/team/open/manifests/old", &DOCKER_20_10[3..])?;
    let config = made.json()?["config"]["digest"].as_str().context("there is no config")?.to_string();
    let made = made.header("docker-content-digest").context("no digest is reported")?.to_string();
    let made =
        [format!("blobs/{config}"), format!("manifests/{made}")].map(|rest| format!("/v2/team/open/{rest}"));
    for target in &made {
        ensure!(get(&server, target, &DOCKER_20_10)?.status == 200, "{target} is not there");
    }
    pulp.publish(&Published { protected: true, timestamp: "1480000000.2", ..open })?;
    ensure!(get(&server, "/v2/team/open/manifests/latest", &DOCKER_20_10)?.status == 404, "it is served on");
    for target in &made {
        ensure!(get(&server, target, &DOCKER_20_10)?.status == 404, "{target} is served on");
    }
    let server = serve(engine, &pulp, &["--pulp-protected", "serve"])?;
    for target in &targets {
        let served = get(&server, target, &DOCKER_20_10)?;
        ensure!(served.status == 200, "{target}: {served:?}");
    }
    Ok(())
}

fn blobs_are_where_crane_sent_clients_to(engine: Engine) -> anyhow::Result<()> {
    let (_folder, pulp) = pulp()?;
    let image = sample::schema2();
    pulp.publish(&Published { tags: &[("latest", vec![image.clone()])], ..Published::default() })?;
    let server = serve(engine, &pulp, &["--pulp-blobs", "redirect"])?;
    let digest = Digest::of(&image.layers[0]);
    let blob = |digest: &Digest| get(&server, &format!("/v2/{REPOSITORY}/blobs/{digest}"), &[]);
    let sent = blob(&digest)?;
    let expected = format!("https://pulp.example/pulp/docker/v2/sample/blobs/{digest}");
    ensure!(sent.status == 307 && sent.header("location") == Some(&expected), "{sent:?}");
    ensure!(blob(&Digest::of(b"none"))?.status == 404, "what is not there is somewhere else");
    // These the server has itself.
    ensure!(blob(&Digest::parse(Digest::EMPTY_LAYER)?)?.body == EMPTY_LAYER, "the empty layer is not there");
    let stored = manifest(&server, "latest", &DOCKER_20_10)?;
    is_manifest(&stored, Form::Schema2, &image.manifest.digest())
}

fn links_lead_into_the_content_and_nowhere_else(engine: Engine) -> anyhow::Result<()> {
    let (folder, pulp) = pulp()?;
    pulp.publish(&Published { tags: &[("latest", vec![sample::schema2()])], ..Published::default() })?;
    let secret = folder.path().join("secret");
    fs::write(&secret, "{}")?;
    let web = fs::canonicalize(pulp.published().join("v2/web/sample"))?;
    let digest = Digest::of(b"{}");
    symlink(&secret, web.join("blobs").join(digest.as_str()))?;
    symlink(&secret, web.join("manifests/2/secret"))?;
    let server = serve(engine, &pulp, &[])?;
    ensure!(manifest(&server, "latest", &DOCKER_20_10)?.status == 200, "the content is not there");
    ensure!(manifest(&server, "secret", &DOCKER_20_10)?.status == 404, "a manifest is read elsewhere");
    let blob = get(&server, &format!("/v2/{REPOSITORY}/blobs/{digest}"), &[])?;
    ensure!(blob.status == 404, "a blob is read elsewhere: {blob:?}");
    server.await_log("link-outside-store")?;
    // Without the content there is nothing, and the log says what to do.
    let published = pulp.published().display().to_string();
    let server = Operated::start(&[&["--pulp", &published], engine.arguments].concat())?;
    ensure!(manifest(&server, "latest", &DOCKER_20_10)?.status == 404, "links lead anywhere");
    server.await_log("--store-links")
}

fn what_pulp_publishes_is_seen_while_it_is_served(engine: Engine) -> anyhow::Result<()> {
    let (_folder, pulp) = pulp()?;
    let (first, second) = (sample::schema2(), sample::without_layers());
    let publish = |image: &Image, timestamp: &str| {
        let tags = [("latest", vec![image.clone()])];
        pulp.publish(&Published { tags: &tags, timestamp, ..Published::default() })
    };
    publish(&first, "1480000000.1")?;
    let server = serve(engine, &pulp, &[])?;
    let latest = || manifest(&server, "latest", &DOCKER_20_10);
    is_manifest(&latest()?, Form::Schema2, &first.manifest.digest())?;
    publish(&second, "1480000000.2")?;
    is_manifest(&latest()?, Form::Schema2, &second.manifest.digest())?;
    // What is not published any more is not there by its digest either.
    let gone = manifest(&server, first.manifest.digest().as_str(), &DOCKER_20_10)?;
    ensure!(gone.status == 404, "it is still there: {gone:?}");
    // A repository that comes is there soon, and one that goes at once.
    let tags = [("latest", vec![first])];
    pulp.publish(&Published { id: "new", name: "team/new", tags: &tags, ..Published::default() })?;
    let new = || anyhow::Ok(get(&server, "/v2/team/new/manifests/latest", &DOCKER_20_10)?.status);
    await_true("the new repository", || Ok(new()? == 200))?;
    fs::remove_file(pulp.metadata("v2", "new"))?;
    ensure!(new()? == 404, "it is still there");
    Ok(())
}

fn broken_metadata_are_an_error_of_one_repository(engine: Engine) -> anyhow::Result<()> {
    let (_folder, pulp) = pulp()?;
    let tags = [("latest", vec![sample::schema2()])];
    pulp.publish(&Published { tags: &tags, ..Published::default() })?;
    let text = fs::read_to_string(pulp.metadata("v2", "sample"))?;
    let named = |name: &str| text.replace(REPOSITORY, name);
    let cases = [
        ("bad-json", "bad-json", "{".to_string()),
        ("version", "team/version", named("team/version").replace("\"version\":4", "\"version\":5")),
        ("types", "team/types", named("team/types").replace("\"protected\":false", "\"protected\":\"no\"")),
        ("lists", "team/lists", named("team/lists").replace("\"schema2_data\":[", "\"schema2_data\":[7,")),
        (
            "folder",
            "team/folder",
            named("team/folder")
                .replace("\"repository\":\"sample\"", "\"repository\":\"../../v2/web/sample\""),
        ),
        ("twice", REPOSITORY, text.clone()),
    ];
    for (id, _, text) in cases.iter().filter(|(id, ..)| *id != "twice") {
        fs::write(pulp.metadata("v2", id), text)?;
    }
    // A name that leads elsewhere is nobody's.
    fs::write(pulp.metadata("v2", "UP"), named("../../etc"))?;
    symlink("/etc/passwd", pulp.metadata("v2", "out"))?;
    // Neither a link to a sound one nor a folder in a circle is a second one.
    symlink("sample.json", pulp.metadata("v2", "again"))?;
    symlink(".", pulp.published().join("v2/app/circle"))?;
    let server = serve(engine, &pulp, &[])?;
    let asked = |name: &str| get(&server, &format!("/v2/{name}/manifests/latest"), &DOCKER_20_10);
    for (id, name, _) in cases.iter().filter(|(id, ..)| *id != "twice") {
        is_refused(&asked(name)?, 400, "broken-pulp-repository").context(*id)?;
        server.await_log(&format!("{id}.json"))?;
    }
    server.await_log("UP.json")?;
    server.await_log("link-outside-store")?;
    ensure!(asked("out")?.status == 404, "a link leads out");
    ensure!(asked(REPOSITORY)?.status == 200, "the sound one is not served");
    let catalog = get(&server, "/v2/_catalog", &[])?.json()?;
    ensure!(catalog["repositories"] == serde_json::json!([REPOSITORY]), "{catalog}");
    // One that somebody writes in place is of the repository that it was of.
    let whole = fs::canonicalize(pulp.metadata("v2", "sample"))?;
    fs::write(&whole, &text[..text.len() / 2])?;
    is_refused(&asked(REPOSITORY)?, 400, "broken-pulp-repository").context("half of a file")?;
    fs::write(&whole, &text)?;
    await_true("the whole file to be seen", || Ok(asked(REPOSITORY)?.status == 200))?;
    // Two that say the same name: nobody knows which of them is meant.
    fs::write(pulp.metadata("v2", "twice"), &text)?;
    await_true("the other file to be seen", || {
        Ok(get(&server, "/v2/_catalog", &[])?.json()?["repositories"] == serde_json::json!([]))
    })?;
    is_refused(&asked(REPOSITORY)?, 400, "broken-pulp-repository")
}

fn damaged_files_are_not_served(engine: Engine) -> anyhow::Result<()> {
    let (_folder, pulp) = pulp()?;
    let image = sample::schema2();
    pulp.publish(&Published { tags: &[("latest", vec![image.clone()])], ..Published::default() })?;
    let web = pulp.published().join("v2/web/sample");
    let damage = |path: &Path| {
        let file = fs::canonicalize(path)?;
        let mut bytes = fs::read(&file)?;
        *bytes.last_mut().context("it is empty")? ^= 1;
        Ok::<_, anyhow::Error>(fs::write(&file, bytes)?)
    };
    let layer = Digest::of(&image.layers[0]);
    let server = serve(engine, &pulp, &[])?;
    let blob = || get(&server, &format!("/v2/{REPOSITORY}/blobs/{layer}"), &[]);
    ensure!(blob()?.body == image.layers[0], "the layer is another one");
    damage(&web.join("blobs").join(layer.as_str()))?;
    is_refused(&blob()?, 400, "corrupt-document")?;
    let digest = image.manifest.digest();
    damage(&web.join("manifests/2").join(digest.as_str()))?;
    is_refused(&manifest(&server, digest.as_str(), &DOCKER_20_10)?, 400, "corrupt-document")
}

fn what_is_written_in_its_layout_is_served(engine: Engine) -> anyhow::Result<()> {
    let (list, schema2) = (sample::list(), sample::schema2());
    // Of both, for the list has the same image: the digest is the same, and so is the file.
    let schema1 = schema1_of(&schema2)?;
    let tags = [("list", [&list, &schema1]), ("schema2", [&schema2, &schema1])];
    let mut publication = Publication {
        id: downshift_pulp::id_of(REPOSITORY),
        name: REPOSITORY.to_string(),
        url: "https://pulp.example/".to_string(),
        is_protected: false,
        tags: BTreeMap::new(),
        manifests: BTreeMap::new(),
        blobs: BTreeSet::new(),
    };
    let mut blobs = BTreeMap::new();
    for (tag, images) in &tags {
        for image in images {
            for manifest in image.children.iter().chain([&image.manifest]) {
                let digest = digest_of(manifest.form, &manifest.bytes)?;
                let own = Manifest { form: manifest.form, bytes: manifest.bytes.clone() };
                publication.manifests.insert(digest, own);
            }
            let digest = digest_of(image.manifest.form, &image.manifest.bytes)?;
            publication.tags.entry((*tag).to_string()).or_default().insert(digest);
            blobs.extend(
                image.configs.iter().chain(&image.layers).map(|blob| (Digest::of(blob), blob.as_slice())),
            );
        }
    }
    publication.blobs = blobs.keys().cloned().collect();
    let folder = tempfile::tempdir()?;
    let docker = folder.path().join("docker");
    // In this order, for what is the same comes after what it is the same as.
    let files = publication.files()?;
    let (same, own): (Vec<_>, Vec<_>) = files.iter().partition(|(_, file)| matches!(file, File::Same(_)));
    for (path, file) in own.into_iter().chain(same) {
        let path = docker.join(path);
        fs::create_dir_all(path.parent().context("it is in a folder")?)?;
        match file {
            File::Bytes(bytes) => fs::write(path, bytes)?,
            File::Same(other) => fs::hard_link(docker.join(other), path)?,
            File::Blob(digest) => fs::write(path, blobs.get(digest).context("there is no such blob")?)?,
        }
    }
    let docker = docker.display().to_string();
    let server = Operated::start_in(folder, &[&["--pulp", &docker], engine.arguments].concat())?;
    for (tag, [image, schema1]) in &tags {
        let stored = manifest(&server, tag, &DOCKER_20_10)?;
        is_manifest(&stored, image.manifest.form, &image.manifest.digest())?;
        let old = manifest(&server, tag, &[])?;
        difference::compare("manifest", &schema1.manifest.bytes, &old.body)?;
        for docker in Docker::ALL {
            let pulled = docker.pull(server.address(), REPOSITORY, tag);
            let pulled = pulled.with_context(|| format!("`{tag}`, Docker {}", docker.version()))?;
            let layers = pulled.layers.iter().filter(|layer| **layer != EMPTY_LAYER);
            ensure!(layers.eq(&schema2.layers), "`{tag}` has other layers");
        }
    }
    Ok(())
}

/// More than are looked through for a digest of a manifest that is stored.
const MANY_TAGS: usize = 70;

fn every_one_of_many_tags_is_there(engine: Engine) -> anyhow::Result<()> {
    let image = sample::schema2();
    let schema1 = schema1_of(&image)?;
    let (_folder, pulp) = pulp()?;
    let publication = Published { version: 1, ..Published::default() };
    pulp.publish_images(&publication, "latest", &schema1.manifest.bytes, &image.layers)?;
    // Each of them has a manifest of its own, for its tag is in it.
    let path = pulp.metadata("v1", "sample");
    let mut metadata: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
    let tags: Vec<String> = (0..MANY_TAGS).map(|number| format!("t{number}")).collect();
    metadata["tags"] = tags.iter().map(|tag| (tag.clone(), metadata["tags"]["latest"].clone())).collect();
    fs::write(fs::canonicalize(&path)?, metadata.to_string())?;
    let mut server = serve(engine, &pulp, &[])?;
    let mut reported = BTreeSet::new();
    for tag in &tags {
        let made = manifest(&server, tag, &[])?;
        let digest = made.header("docker-content-digest").map(str::to_string);
        reported.insert(digest.with_context(|| format!("`{tag}`: {made:?}"))?);
    }
    ensure!(reported.len() == MANY_TAGS, "two of them have the same digest");
    for is_again in [false, true] {
        for digest in &reported {
            let made = manifest(&server, digest, &[])?;
            ensure!(made.status == 200, "again: {is_again}: {made:?}");
        }
        server = server.restarted()?;
    }
    let layer = Digest::of(&image.layers[0]);
    let blob = get(&server, &format!("/v2/{REPOSITORY}/blobs/{layer}"), &[])?;
    ensure!(blob.body == image.layers[0], "the layer is not there: {blob:?}");
    Ok(())
}

fn a_folder_that_pulp_has_not_published_is_no_tree(engine: Engine) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().display().to_string();
    let refused = Operated::start(&[&["--pulp", &path], engine.arguments].concat());
    let said = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(said.contains("it has neither `app` nor `v2/app`"), "{said}");
    let (_folder, pulp) = pulp()?;
    pulp.publish(&Published { tags: &[("latest", vec![sample::schema2()])], ..Published::default() })?;
    // The log says what one is that is taken for a store, and `v2` alone is one.
    let published = pulp.published().display().to_string();
    let server = Operated::start(&[&["--store", &published], engine.arguments].concat())?;
    server.await_log("--pulp")?;
    let [v2, content] = [pulp.published().join("v2"), pulp.content()].map(|path| path.display().to_string());
    let server = Operated::start(&[&["--pulp", &v2, "--store-links", &content], engine.arguments].concat())?;
    ensure!(manifest(&server, "latest", &DOCKER_20_10)?.status == 200, "v2 alone is not served");
    Ok(())
}
