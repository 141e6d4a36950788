//! `downshift publish`: a folder that web servers serve as a registry, with the settings that were written for them.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use downshift::{Digest, EMPTY_LAYER, Form};
use downshift_cases::images::{Family, Image, REPOSITORY, layout, sample};
use downshift_cases::response::Response;
use downshift_cases::upward;
use downshift_tests::clients::Client;
use downshift_tests::current::CONTAINERD_ACCEPT as CONTAINERD;
use downshift_tests::engines::{Docker, TokenAs, V1Pull};
use downshift_tests::file_servers::{FileServer, Running};
use downshift_tests::front::manifest_path;
use downshift_tests::program::said;
use downshift_tests::programs::{
    DOCKER, DOCKER_REGISTRY, DOCKERD, JQ, NODE, PODMAN, SKOPEO, case, case_after, case_with,
};
use downshift_tests::pulp::{Published, Pulp};
use downshift_tests::registry::Registry;
use downshift_tests::server::free_address;
use downshift_tests::web::{Web, respond};
use downshift_tests::{http, program, skopeo};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Named;
use crate::clients::pulls;

const SIX: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.v1+prettyjws, application/vnd.docker.distribution.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json";
const DOCKER_FORMS: &str = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_1_10: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws, application/json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_FORMS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// Clients that a web server has to tell apart, each with its `User-Agent` and `Accept`.
const CLIENTS: [(&str, &str); 19] = [
    ("docker/1.6.2 go/go1.4.2 git-commit/7c8fca2 kernel/3.16.0 os/linux arch/amd64", ""),
    ("docker/1.7.1-el6 go/go1.4.2 os/linux arch/amd64", ""),
    ("docker/1.9.1 go/go1.4.3 os/linux arch/amd64", ""),
    ("docker/1.10.3 go/go1.5.3 os/linux arch/amd64", DOCKER_1_10),
    (
        "docker/1.13.1 go/go1.7.5 os/linux arch/amd64 UpstreamClient(Docker-Client/1.13.1 \\(linux\\))",
        DOCKER_1_10,
    ),
    ("docker/17.05.0-ce go/go1.7.5 os/linux arch/amd64", DOCKER_1_10),
    ("docker/18.03.1-ce go/go1.9.5 os/linux arch/amd64", DOCKER_1_10),
    ("docker/18.06.3-ce go/go1.10.3 os/linux arch/amd64", SIX),
    ("docker/20.10.24+dfsg1 go/go1.19.8 os/linux arch/amd64", SIX),
    ("docker/25.0.5 go/go1.21.8 os/linux arch/amd64", SIX),
    ("docker/29.0.1 go/go1.24.3 os/linux arch/amd64", CONTAINERD),
    ("containerd/1.4.13", CONTAINERD),
    ("containerd/1.6.20+unknown", CONTAINERD),
    ("containerd/1.7.20", CONTAINERD),
    ("containerd/2.4.0-beta", CONTAINERD),
    ("containers/5.23.1 (github.com/containers/image)", SIX),
    ("crane/v0.21.10 go-containerregistry/v0.21.10", SIX),
    ("oras/1.3.3", OCI_FORMS),
    ("snyk", DOCKER_FORMS),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for server in FileServer::ALL {
        let of_server = |(name, run): Named<fn(FileServer) -> anyhow::Result<()>>,
                         programs: &[&'static str]| {
            let name = format!("publish::{}::{name}", server.name());
            case_with([&[server.program()], programs].concat(), name, move || run(server))
        };
        trials.push(of_server(named!(answers_are_those_of_a_server), &[]));
        trials.push(of_server(named!(blobs_lists_and_errors_are_those_of_a_registry), &[]));
        trials.push(of_server(named!(old_engines_pull), &[]));
        trials.push(of_server(named!(docker_before_1_6_pulls_by_version_1_and_nobody_else), &[]));
        trials.push(of_server(named!(a_moved_tag_is_seen_at_once), &[]));
        trials.push(of_server(named!(a_moved_tag_is_not_what_a_client_has_already), &[]));
        trials.push(of_server(named!(manifests_of_other_types_are_served), &[]));
        trials.push(of_server(named!(skopeo_pulls), &[SKOPEO]));
        let name = |client: &str| format!("publish::{}::engines_pull_every_form::{client}", server.name());
        trials.push(case_after([server.program(), PODMAN], name("podman"), Client::podman, move |podman| {
            engines_pull_every_form(server, &podman)
        }));
        let programs = [server.program(), DOCKER, DOCKERD];
        trials.push(case_after(programs, name("docker"), Client::docker, move |docker| {
            engines_pull_every_form(server, &docker)
        }));
    }
    let (name, run): Named<fn() -> anyhow::Result<()>> = named!(buckets_give_what_a_server_gives);
    trials.push(case_with([NODE, JQ], format!("publish::{name}"), run));
    let (name, run): Named<fn() -> anyhow::Result<()>> = named!(a_registry_that_fails_leaves_what_was_there);
    trials.push(case_with([DOCKER_REGISTRY], format!("publish::{name}"), run));
    let alone = |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("publish::{name}"), run);
    trials.extend([
        alone(named!(two_folders_are_the_same_to_the_byte)),
        alone(named!(a_second_run_writes_nothing)),
        alone(named!(what_is_damaged_is_mended)),
        alone(named!(what_cannot_be_read_is_not_dropped)),
        alone(named!(what_was_published_stays_by_its_digest_until_it_is_pruned)),
        alone(named!(a_run_that_is_killed_leaves_what_was_there)),
        alone(named!(a_data_folder_keeps_the_key)),
        alone(named!(layers_of_a_store_are_linked)),
        alone(named!(what_a_client_cannot_get_is_told)),
        alone(named!(platforms_are_told_apart)),
        alone(named!(files_of_version_1_are_for_who_can_be_told_apart)),
        alone(named!(an_id_of_version_1_is_one_image)),
        alone(named!(images_of_version_1_stay_for_pulls_that_have_begun)),
        alone(named!(the_layout_of_pulp_gives_readers_what_a_server_gives_them)),
        alone(named!(the_layout_of_pulp_is_published_again_as_it_is)),
        alone(named!(the_layout_of_pulp_keeps_digests_until_they_are_pruned)),
        alone(named!(what_has_no_place_in_the_layout_of_pulp_is_told)),
        alone(named!(what_pulp_has_published_is_a_source)),
        alone(named!(usage)),
    ]);
    trials
}

/// A store with a key, and where to publish.
struct Site {
    folder: TempDir,
}

impl Site {
    fn of(images: &[(&str, Image)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        // Web servers run as somebody else.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let site = Self { folder };
        site.store(images)?;
        program::succeed(["key", "new", "--output", &site.path("key")])?;
        Ok(site)
    }

    /// Every form, and what has to be made for somebody.
    fn full() -> anyhow::Result<Self> {
        Self::of(&full()?)
    }

    fn store(&self, images: &[(&str, Image)]) -> anyhow::Result<()> {
        let repository = self.folder.path().join("store").join(REPOSITORY);
        if repository.exists() {
            fs::remove_dir_all(&repository)?;
        }
        layout::write(&repository, images)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The arguments that publish its store.
    fn arguments(&self, out: &str) -> Vec<String> {
        let [store, key, out] = ["store", "key", out].map(|name| self.path(name));
        let arguments = ["publish", &out, "--engine", "native", "--json", "--from", &store, "--key", &key];
        arguments.map(str::to_owned).to_vec()
    }

    /// Publishes, and gives the summary.
    fn publish(&self, more: &[&str]) -> anyhow::Result<Value> {
        let arguments = [self.arguments("out"), more.iter().map(ToString::to_string).collect()].concat();
        let output = program::run(arguments)?;
        ensure!(output.status.success(), "{}", said(&output));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn serve(&self, server: FileServer) -> anyhow::Result<Running> {
        server.serve(&self.out())
    }
}

fn full() -> anyhow::Result<Vec<(&'static str, Image)>> {
    let mut images = sample::in_every_form().to_vec();
    images.push(("zstd", sample::zstd()));
    images.push(("zstd-index", sample::zstd_index()));
    images.push(("without-layers", sample::without_layers()));
    images.push(("artifact", sample::artifact()));
    // What Docker 1.9 has pushed.
    let pushed = upward::read()?.into_iter().next().context("there is no recorded image")?;
    let mut schema1 = Image::bare(Form::Schema1, pushed.manifest.clone().into_bytes());
    schema1.layers = pushed
        .documents()?
        .into_iter()
        .filter(|(digest, _)| pushed.blobs.contains_key(digest.as_str()))
        .map(|(_, blob)| blob)
        .collect();
    images.push(("schema1", schema1));
    Ok(images)
}

fn headers<'h>(user_agent: &'h str, accept: &'h str) -> Vec<(&'static str, &'h str)> {
    let accept = Some(("Accept", accept)).filter(|(_, accept)| !accept.is_empty());
    [("User-Agent", user_agent)].into_iter().chain(accept).collect()
}

/// What a client looks at in an answer.
fn seen(response: &Response) -> (u16, Option<&str>, Option<&str>, Option<&str>, &[u8]) {
    let header = |name| response.header(name);
    (
        response.status,
        header("content-type"),
        header("docker-content-digest"),
        header("docker-distribution-api-version"),
        &response.body,
    )
}

/// Each client gets from files what a server would give it, to the byte.
fn answers_are_those_of_a_server(server: FileServer) -> anyhow::Result<()> {
    let site = Site::full()?;
    site.publish(&[])?;
    let files = site.serve(server)?;
    let [store, key] = ["store", "key"].map(|name| site.path(name));
    let live = program::serve(["--engine", "native", "--store", &store, "--key", &key])?;
    for (user_agent, accept) in CLIENTS {
        for (tag, _) in full()? {
            let context = || format!("`{tag}` for {user_agent}");
            let ask = |address: SocketAddr, method: &str, reference: &str| {
                http::send(address, method, &manifest_path(reference), &headers(user_agent, accept))
            };
            let expected = ask(live.address(), "GET", tag)?;
            let answer = ask(files.address(), "GET", tag).with_context(context)?;
            if expected.status != 200 {
                ensure!(answer.status == 404, "{}: {answer:?}", context());
                continue;
            }
            ensure!(seen(&answer) == seen(&expected), "{}: {answer:?}\n\n{expected:?}", context());
            for header in ["vary", "cache-control"] {
                // httpd writes lists without spaces.
                let value = |response: &Response| response.header(header).map(|value| value.replace(' ', ""));
                ensure!(value(&answer) == value(&expected), "{} {header}: {answer:?}", context());
            }
            let head = ask(files.address(), "HEAD", tag).with_context(context)?;
            let (status, kind, digest, version, _) = seen(&expected);
            ensure!(seen(&head) == (status, kind, digest, version, b""), "HEAD {}: {head:?}", context());
            ensure!(head.header("content-length") == expected.header("content-length"), "HEAD {}", context());
            let digest = digest.context("no digest is reported")?;
            let by_digest = ask(files.address(), "GET", digest).with_context(context)?;
            ensure!(seen(&by_digest) == seen(&expected), "{} by digest: {by_digest:?}", context());
        }
    }
    Ok(())
}

fn blobs_lists_and_errors_are_those_of_a_registry(server: FileServer) -> anyhow::Result<()> {
    let site = Site::full()?;
    site.publish(&[])?;
    let files = site.serve(server)?;
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| {
        http::send(files.address(), method, path, headers)
    };
    let base = send("GET", "/v2/", &[])?;
    ensure!(seen(&base).0 == 200 && base.body == b"{}", "{base:?}");
    ensure!(base.header("docker-distribution-api-version") == Some("registry/2.0"), "{base:?}");

    let layer = &sample::oci().layers[0];
    let digest = Digest::of(layer);
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    let whole = send("GET", &path, &[])?;
    ensure!(whole.status == 200 && whole.body == *layer, "{whole:?}");
    ensure!(whole.header("docker-content-digest") == Some(digest.as_str()), "{whole:?}");
    ensure!(whole.header("content-type") == Some("application/octet-stream"), "{whole:?}");
    ensure!(whole.header("content-encoding").is_none(), "{whole:?}");
    let head = send("HEAD", &path, &[])?;
    ensure!(
        head.status == 200 && head.header("content-length") == whole.header("content-length"),
        "{head:?}"
    );
    let part = send("GET", &path, &[("Range", "bytes=3-9"), ("Accept-Encoding", "gzip")])?;
    ensure!(part.status == 206 && part.body == layer[3..10], "{part:?}");
    let empty = send("GET", &format!("/v2/{REPOSITORY}/blobs/{}", Digest::EMPTY_LAYER), &[])?;
    ensure!(empty.body == EMPTY_LAYER, "{empty:?}");

    let tags = send("GET", &format!("/v2/{REPOSITORY}/tags/list"), &[])?.json()?;
    let mut expected: Vec<_> = full()?.iter().map(|(tag, _)| *tag).collect();
    expected.sort_unstable();
    ensure!(tags["name"] == REPOSITORY && tags["tags"] == serde_json::json!(expected), "{tags}");
    let catalog = send("GET", "/v2/_catalog", &[])?.json()?;
    ensure!(catalog["repositories"] == serde_json::json!([REPOSITORY]), "{catalog}");

    let unknown = Digest::of(b"unknown");
    for (method, path, status, code) in [
        ("GET", manifest_path("unknown"), 404, "MANIFEST_UNKNOWN"),
        ("GET", manifest_path(unknown.as_str()), 404, "MANIFEST_UNKNOWN"),
        ("GET", format!("/v2/{REPOSITORY}/blobs/{unknown}"), 404, "BLOB_UNKNOWN"),
        ("GET", "/v2/library/other/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        ("GET", "/v2/library/other/manifests/latest".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("GET", format!("/v2/{REPOSITORY}/blobs/uploads/"), 404, "UNSUPPORTED"),
        ("PUT", manifest_path("new"), 405, "UNSUPPORTED"),
        ("DELETE", manifest_path("oci"), 405, "UNSUPPORTED"),
    ] {
        let error = send(method, &path, &[])?;
        ensure!(error.status == status, "{method} {path}: {error:?}");
        ensure!(error.json()?["errors"][0]["code"] == code, "{method} {path}: {error:?}");
        let kind = error.header("content-type").unwrap_or_default();
        ensure!(kind.starts_with("application/json"), "{method} {path}: {error:?}");
        let version = error.header("docker-distribution-api-version");
        ensure!(version == Some("registry/2.0"), "{method} {path}: {error:?}");
    }
    // Nobody gets out of the tree.
    for path in ["/v2/../../key", "/v2/library/sample/manifests/..%2f..%2fkey", "/v2/%2e%2e/%2e%2e/key"] {
        let response = send("GET", path, &[])?;
        // Caddy gives nothing of what is no site's.
        let is_nothing = matches!(response.status, 400 | 403 | 404) || response.body.is_empty();
        ensure!(is_nothing, "{path}: {response:?}");
    }
    Ok(())
}

fn old_engines_pull(server: FileServer) -> anyhow::Result<()> {
    let site = Site::full()?;
    site.publish(&[])?;
    let files = site.serve(server)?;
    for docker in Docker::ALL.into_iter().chain([Docker::V1_13_1, Docker::V20_10_24]) {
        for (tag, _) in full()?.iter().filter(|(tag, _)| *tag != "artifact") {
            let context = || format!("{tag} by {}", docker.version());
            let by_tag = docker.pull(files.address(), REPOSITORY, tag).with_context(context)?;
            let reported = by_tag.reported.clone().with_context(context)?;
            let by_digest = docker.pull(files.address(), REPOSITORY, &reported).with_context(context)?;
            ensure!(by_digest == by_tag, "{} by its digest is something else", context());
        }
    }
    Ok(())
}

fn docker_before_1_6_pulls_by_version_1_and_nobody_else(server: FileServer) -> anyhow::Result<()> {
    let site = Site::full()?;
    layout::write(&site.folder.path().join("store/tool"), &[("latest", sample::schema2())])?;
    let summary = site.publish(&["--v1"])?;
    // What is not an image is not there, and the other repository has one.
    ensure!(summary["v1"]["tags"] == full()?.len() && summary["failed"] == 0, "{summary}");
    let files = site.serve(server)?;
    let tags = full()?.into_iter().map(|(tag, _)| (REPOSITORY, tag)).filter(|(_, tag)| *tag != "artifact");
    for (repository, tag) in tags.chain([("tool", "latest")]) {
        let context = || format!("{repository}:{tag}");
        let newer = Docker::V1_6_2.pull(files.address(), repository, tag).with_context(context)?.layers;
        for how in [TokenAs::Authorization, TokenAs::Cookie] {
            let pull = V1Pull::begin(files.address(), repository, tag, how).with_context(context)?;
            let images = pull.finish(tag).with_context(context)?;
            let layers = images.iter().map(|image| &image.layer);
            ensure!(layers.eq(&newer), "{} has other layers than Docker 1.6 gets", context());
            let image = images.last().context("there is no image")?;
            let (size, start) = (image.layer.len(), image.layer.len() / 2);
            ensure!(
                pull.rest(&image.id, start, size)? == image.layer[start..],
                "{}: another rest",
                context()
            );
        }
    }
    let told = V1Pull::begin(files.address(), REPOSITORY, "oci", TokenAs::Authorization)?.tags()?;
    let id = told["oci"].as_str();
    let images = format!("/v1/repositories/{REPOSITORY}/images");
    let tags = format!("/v1/repositories/{REPOSITORY}/tags");
    let parts = ["ancestry", "json", "layer"].map(|part| format!("/v1/images/{id}/{part}"));
    for (user_agent, accept) in CLIENTS {
        for path in [&images, &tags].into_iter().chain(&parts) {
            let answer = http::send(files.address(), "GET", path, &headers(user_agent, accept))?;
            ensure!(answer.status == 404, "{path} for {user_agent}: {answer:?}");
        }
        if user_agent.starts_with("docker/") {
            let ping = http::send(files.address(), "GET", "/v1/_ping", &headers(user_agent, accept))?;
            ensure!(ping.status == 404, "{user_agent}: {ping:?}");
        }
    }
    let old = headers("docker/1.5.0 go/go1.3.3 os/linux arch/amd64", "");
    for (path, status) in [
        (manifest_path("oci"), 404),
        ("/v1/_ping".to_owned(), 200),
        ("/v1/repositories/library/none/images".to_owned(), 404),
        (format!("/v1/images/{}/json", "0".repeat(64)), 404),
        ("/v1/users/".to_owned(), 404),
        ("/v1/repositories/../../../key/tags".to_owned(), 404),
    ] {
        let answer = http::send(files.address(), "GET", &path, &old)?;
        let is_nothing = status == 404 && (matches!(answer.status, 400 | 403) || answer.body.is_empty());
        ensure!(answer.status == status || is_nothing, "{path}: {answer:?}");
    }
    let layer = http::send(files.address(), "GET", &parts[2], &old)?;
    ensure!(layer.header("content-type") == Some("application/octet-stream"), "{layer:?}");
    let json = http::send(files.address(), "GET", &parts[1], &old)?;
    ensure!(json.header("content-type") == Some("application/json"), "{json:?}");
    for answer in [&layer, &json] {
        ensure!(answer.header("cache-control") == Some("no-store"), "{answer:?}");
    }
    Ok(())
}

fn a_moved_tag_is_seen_at_once(server: FileServer) -> anyhow::Result<()> {
    let (one, other) = (sample::oci(), sample::index());
    let site = Site::of(&[("latest", one.clone())])?;
    site.publish(&[])?;
    let files = site.serve(server)?;
    let ask = |reference: &str| {
        http::send(files.address(), "GET", &manifest_path(reference), &[("Accept", OCI_FORMS)])
    };
    is_it(&ask("latest")?, Form::Oci, &one.manifest.digest())?;
    site.store(&[("latest", other.clone()), ("new", one.clone())])?;
    site.publish(&[])?;
    is_it(&ask("latest")?, Form::Index, &other.manifest.digest())?;
    is_it(&ask("new")?, Form::Oci, &one.manifest.digest())
}

/// By default web servers tell files apart by their size and the second, or the moment, of their last change.
fn a_moved_tag_is_not_what_a_client_has_already(server: FileServer) -> anyhow::Result<()> {
    let image = |number: u8| {
        let config = json!({ "architecture": "amd64", "os": "linux", "config": { "Labels": { "number": number } },
                             "rootfs": { "type": "layers", "diff_ids": [] }, "history": [] });
        Image::single(Family::Docker, config.to_string().into_bytes(), Vec::new())
    };
    let (one, other) = (image(1), image(2));
    ensure!(one.manifest.bytes.len() == other.manifest.bytes.len(), "they have other sizes");
    let site = Site::of(&[("latest", one.clone()), ("other", other.clone())])?;
    let publish = || -> anyhow::Result<()> {
        site.publish(&["--for", "schema2"])?;
        for image in [&one, &other] {
            let digest = image.manifest.digest();
            let path = format!("current/objects/{REPOSITORY}/{digest}/{digest}.schema2");
            let file = fs::File::options().append(true).open(site.out().join(path))?;
            file.set_modified(
                std::time::SystemTime::UNIX_EPOCH + core::time::Duration::from_secs(1_500_000_000),
            )?;
        }
        Ok(())
    };
    publish()?;
    let files = site.serve(server)?;
    let ask = |known: &str| {
        let headers = [("Accept", DOCKER_FORMS), ("If-None-Match", known)];
        http::send(files.address(), "GET", &manifest_path("latest"), &headers)
    };
    let etag = |response: &Response| {
        response.header("etag").map(str::to_string).with_context(|| format!("there is no ETag: {response:?}"))
    };
    let first = ask("\"none\"")?;
    is_it(&first, Form::Schema2, &one.manifest.digest())?;
    let before = etag(&first)?;
    ensure!(ask(&before)?.status == 304, "what a client has is sent again");
    site.store(&[("latest", other.clone()), ("other", other.clone())])?;
    publish()?;
    let moved = ask(&before)?;
    is_it(&moved, Form::Schema2, &other.manifest.digest())?;
    let after = etag(&moved)?;
    for known in [after.clone(), format!("{before}, {after}")] {
        ensure!(ask(&known)?.status == 304, "what a client has is sent again: {known}");
    }
    Ok(())
}

/// What is of no form is for who takes any, under its own type, whatever that is.
fn manifests_of_other_types_are_served(server: FileServer) -> anyhow::Result<()> {
    let document = |media_type: &str| {
        Image::bare(Form::Other, serde_json::json!({ "mediaType": media_type }).to_string().into_bytes())
    };
    let types = ["application/vnd.x#$y&z!+json", "application/vnd.a.b+json", "application/vnd.a-b+json"];
    let images = [("one", document(types[0])), ("two", document(types[1])), ("three", document(types[2]))];
    let site = Site::of(&images)?;
    site.publish(&[])?;
    let files = site.serve(server)?;
    for ((tag, image), media_type) in images.iter().zip(types) {
        let headers = headers("containerd/1.7.20", CONTAINERD);
        for reference in [(*tag).to_owned(), Digest::of(&image.manifest.bytes).to_string()] {
            let answer = http::send(files.address(), "GET", &manifest_path(&reference), &headers)?;
            ensure!(answer.status == 200 && answer.body == image.manifest.bytes, "{reference}: {answer:?}");
            ensure!(answer.header("content-type") == Some(media_type), "{reference}: {answer:?}");
        }
    }
    Ok(())
}

/// Web servers have entity tags of their own.
fn is_it(response: &Response, form: Form, digest: &Digest) -> anyhow::Result<()> {
    let (status, kind, reported, ..) = seen(response);
    let expected = (200, Some(form.media_type()), Some(digest.as_str()));
    ensure!((status, kind, reported) == expected, "{response:?}");
    Ok(())
}

fn skopeo_pulls(server: FileServer) -> anyhow::Result<()> {
    let site = Site::full()?;
    site.publish(&[])?;
    let files = site.serve(server)?;
    for (tag, image) in sample::in_every_form() {
        for reference in [format!(":{tag}"), format!("@{}", image.manifest.digest())] {
            let pulled = skopeo::pull(files.address(), &reference, &["--all"])?;
            ensure!(pulled.manifest == image.manifest.bytes, "`{reference}` is another manifest");
            let mut documents = image.documents();
            documents.remove(&image.manifest.digest());
            ensure!(pulled.documents == documents, "`{reference}` has other documents");
        }
    }
    Ok(())
}

fn engines_pull_every_form(server: FileServer, client: &Client) -> anyhow::Result<()> {
    let site = Site::full()?;
    site.publish(&[])?;
    let files = site.serve(server)?;
    for (tag, image) in sample::in_every_form() {
        pulls(client, files.address(), &format!(":{tag}")).with_context(|| tag.to_owned())?;
        pulls(client, files.address(), &format!("@{}", image.manifest.digest()))
            .with_context(|| tag.to_owned())?;
    }
    // Debian's Docker reads no zstd, and podman does.
    pulls(client, files.address(), ":zstd")
}

/// What stands for the program that copies into a bucket: a folder, where each object has its settings beside it.
const AWS: &str = r#"#!/bin/sh
shift 3
from=$1 to=$BUCKET/${2#s3://bucket/}
shift 2
mkdir -p "$(dirname "$to")"
cp "$from" "$to"
printf '%s\n' "$@" > "$to.settings"
"#;

/// The upload, the worker for R2, and the function before S3.
fn buckets_give_what_a_server_gives() -> anyhow::Result<()> {
    let site = Site::full()?;
    site.publish(&["--v1"])?;
    let programs = site.folder.path().join("programs");
    fs::create_dir(&programs)?;
    fs::write(programs.join("aws"), AWS)?;
    fs::set_permissions(programs.join("aws"), Permissions::from_mode(0o755))?;
    let tree = site.out().join("current");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH")?);
    let upload = Command::new("sh")
        .arg(tree.join("cloudfront/upload.sh"))
        .arg("s3://bucket")
        .env("PATH", path)
        .env("BUCKET", site.path("bucket"))
        .output()?;
    ensure!(upload.status.success(), "{}", said(&upload));

    let [store, key] = ["store", "key"].map(|name| site.path(name));
    let live = program::serve(["--engine", "native", "--store", &store, "--key", &key])?;
    let (mut requests, mut expected) = (Vec::new(), Vec::new());
    for (user_agent, accept) in CLIENTS {
        for (tag, _) in full()? {
            let path = manifest_path(tag);
            expected.push(http::send(live.address(), "GET", &path, &headers(user_agent, accept))?);
            let lines: BTreeMap<_, _> = headers(user_agent, accept)
                .into_iter()
                .map(|(name, value)| (name.to_lowercase(), value))
                .collect();
            requests.push(serde_json::json!({"path": path, "headers": lines}));
        }
    }
    let of_v1 = requests.len();
    let (old, new) =
        ("docker/1.5.0 go/go1.3.3 os/linux arch/amd64", "docker/1.9.1 go/go1.4.3 os/linux arch/amd64");
    let tags: Value = serde_json::from_slice(&fs::read(tree.join(format!("v1-api/v1/{REPOSITORY}/tags")))?)?;
    let id = tags["oci"].as_str().context("there is no image")?;
    let json = fs::read(tree.join(format!("v1-api/images/{id}/json")))?;
    let layer = fs::read(tree.join(format!("v1-api/images/{id}/layer")))?;
    let size = layer.len().to_string();
    let mut expected_of_v1 = Vec::new();
    for (path, user_agent, answer) in [
        ("/v1/_ping".to_owned(), "Go-http-client/1.1", Some((&br#"{"standalone":false}"#[..], None))),
        ("/v1/_ping".to_owned(), new, None),
        (format!("/v1/images/{id}/json"), old, Some((&json[..], Some(size.as_str())))),
        (format!("/v1/images/{id}/json"), new, None),
        (format!("/v1/repositories/{REPOSITORY}/none"), old, None),
        (manifest_path("oci"), old, None),
    ] {
        requests.push(serde_json::json!({"path": path, "headers": {"user-agent": user_agent}}));
        expected_of_v1.push(answer);
    }
    let mut node = Command::new(NODE)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/js/published.mjs"))
        .args([tree.display().to_string(), site.path("bucket")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    serde_json::to_writer(node.stdin.take().context("there is no input")?, &requests)?;
    let output = node.wait_with_output()?;
    ensure!(output.status.success(), "{}", said(&output));
    let answers: Vec<[Value; 2]> = serde_json::from_slice(&output.stdout)?;
    ensure!(answers.len() == requests.len(), "there are {} answers", answers.len());
    for ((answers, expected), request) in answers[of_v1..].iter().zip(expected_of_v1).zip(&requests[of_v1..])
    {
        for answer in answers {
            let Some((body, size)) = expected else {
                ensure!(answer["status"] == 404, "{request}: {answer}");
                continue;
            };
            ensure!(answer["status"] == 200 && answer["type"] == "application/json", "{request}: {answer}");
            ensure!(answer["body"].as_str().map(str::as_bytes) == Some(body), "{request}: {answer}");
            ensure!(answer["size"].as_str() == size, "{request}: {answer}");
        }
    }
    for ((answers, expected), request) in answers.iter().zip(&expected).zip(&requests) {
        for answer in answers {
            if expected.status != 200 {
                ensure!(answer["status"] == 404, "{request}: {answer}");
                continue;
            }
            let (_, kind, digest, _, body) = seen(expected);
            ensure!(answer["status"] == 200 && answer["type"].as_str() == kind, "{request}: {answer}");
            ensure!(answer["digest"].as_str() == digest, "{request}: {answer}");
            ensure!(answer["body"].as_str().map(str::as_bytes) == Some(body), "{request}: {answer}");
        }
    }
    Ok(())
}

/// Everything in a folder: files with their bytes, links with their targets.
fn contents(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut all = BTreeMap::new();
    walk(folder, &mut |path, metadata| {
        let bytes = if metadata.is_symlink() {
            fs::read_link(path)?.into_os_string().into_encoded_bytes()
        } else {
            fs::read(path)?
        };
        all.insert(path.strip_prefix(folder)?.to_path_buf(), bytes);
        Ok(())
    })?;
    Ok(all)
}

/// The inode of each file, and the times of its last changes.
type State = BTreeMap<PathBuf, (u64, i64, i64, i64, i64)>;

/// The state of everything in a folder, itself included: whatever is written changes it.
fn state(folder: &Path) -> anyhow::Result<State> {
    let mut all = BTreeMap::new();
    let mut add = |path: &Path, metadata: &fs::Metadata| {
        let state = (
            metadata.ino(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        );
        all.insert(path.to_path_buf(), state);
        Ok(())
    };
    add(folder, &fs::symlink_metadata(folder)?)?;
    walk(folder, &mut add)?;
    Ok(all)
}

fn walk(
    folder: &Path,
    visit: &mut impl FnMut(&Path, &fs::Metadata) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            walk(&path, visit)?;
        } else {
            visit(&path, &metadata)?;
        }
    }
    Ok(())
}

fn two_folders_are_the_same_to_the_byte() -> anyhow::Result<()> {
    let site = Site::full()?;
    site.publish(&["--v1"])?;
    let other = program::succeed([site.arguments("other"), vec!["--v1".to_owned()]].concat())?;
    ensure!(!other.is_empty(), "there is no summary");
    let [one, other] = ["out", "other"].map(|name| fs::canonicalize(site.path(name) + "/current"));
    let (one, other) = (one?, other?);
    ensure!(one.file_name() == other.file_name(), "{one:?} and {other:?} have other names");
    let (one, other) = (contents(&one)?, contents(&other)?);
    ensure!(one.len() > 100, "there are only {} files", one.len());
    for (path, bytes) in &one {
        ensure!(other.get(path) == Some(bytes), "`{}` is another", path.display());
    }
    ensure!(one.len() == other.len(), "there are other files");
    Ok(())
}

fn a_second_run_writes_nothing() -> anyhow::Result<()> {
    let site = Site::full()?;
    let first = site.publish(&[])?;
    ensure!(first["published"] == true && first["changed"] == true, "{first}");
    let before = state(&site.out())?;
    let second = site.publish(&[])?;
    ensure!(second["published"] == true && second["changed"] == false, "{second}");
    ensure!(second["written"] == 0 && second["linked"] == 0, "{second}");
    let after = state(&site.out())?;
    ensure!(before == after, "something was written");
    // Another image leaves the files of all others as they are.
    site.store(&[&full()?[..], &[("again", sample::oci())]].concat())?;
    let third = site.publish(&[])?;
    ensure!(third["changed"] == true, "{third}");
    let inode = |state: &State, tree: &Path| {
        let layer = Digest::of(&sample::oci().layers[0]);
        state.get(&tree.join(format!("v2/{REPOSITORY}/blobs/{layer}"))).map(|state| state.0)
    };
    let current = fs::canonicalize(site.out().join("current"))?;
    let former = before.keys().find(|path| path.ends_with("headers.json")).and_then(|path| path.parent());
    let former = former.context("there is no former tree")?;
    ensure!(inode(&state(&site.out())?, &current) == inode(&before, former), "a layer was written again");
    Ok(())
}

fn what_is_damaged_is_mended() -> anyhow::Result<()> {
    let site = Site::full()?;
    site.publish(&[])?;
    let path = site.out().join(format!("current/v2/{REPOSITORY}/tags/list"));
    fs::remove_file(&path)?;
    let summary = site.publish(&[])?;
    ensure!(summary["changed"] == true && path.exists(), "{summary}");
    Ok(())
}

fn what_cannot_be_read_is_not_dropped() -> anyhow::Result<()> {
    let site = Site::of(&[("latest", sample::oci())])?;
    let other = site.folder.path().join("store/team/other");
    layout::write(&other, &[("latest", sample::schema2())])?;
    site.publish(&[])?;
    let current = || contents(&site.out().join("current/"));
    let before = current()?;
    let fails = |out: &str, reason: &str, is_published: bool| -> anyhow::Result<()> {
        let output = program::run(site.arguments(out))?;
        ensure!(output.status.code() == Some(1), "{}", said(&output));
        let summary: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(summary["published"] == is_published, "{summary}");
        ensure!(summary["failures"][0]["reason"] == reason, "{summary}");
        Ok(())
    };
    fs::write(other.join("index.json"), "{")?;
    fails("out", "broken-layout", false)?;
    // Where it was not published before, it is in nobody's way.
    fails("fresh", "broken-layout", true)?;
    ensure!(
        site.folder.path().join(format!("fresh/current/v2/{REPOSITORY}/tags/list")).exists(),
        "nothing is there"
    );
    // A disk that is not mounted.
    fs::remove_dir_all(site.folder.path().join("store"))?;
    fs::create_dir(site.folder.path().join("store"))?;
    fails("out", "no-images", false)?;
    ensure!(before == current()?, "what was there is gone");
    // Metadata of Pulp that somebody is writing, of which nobody knows whose they are.
    let folder = tempfile::tempdir()?;
    let pulp = Pulp::new(folder.path())?;
    let tags = [("latest", vec![sample::schema2()])];
    for (id, name) in [("one", "team/one"), ("two", "team/two")] {
        pulp.publish(&Published { id, name, tags: &tags, ..Published::default() })?;
    }
    let [published, content] = [pulp.published(), pulp.content()].map(|path| path.display().to_string());
    let key = site.path("key");
    for (out, more) in [("pulp-web", vec![]), ("pulp-crane", vec!["--layout", "pulp", "--url", PULP_URL])] {
        let path = site.path(out);
        let from =
            ["--engine", "native", "--json", "--from", &published, "--store-links", &content, "--key", &key];
        let publish = || program::run([&["publish", &path], &from[..], &more[..]].concat());
        pulp.publish(&Published { id: "two", name: "team/two", tags: &tags, ..Published::default() })?;
        ensure!(publish()?.status.success(), "it is not published");
        let before = contents(&Path::new(&path).join("current/"))?;
        let file = fs::canonicalize(pulp.metadata("v2", "two"))?;
        fs::write(file, "{")?;
        let output = publish()?;
        let summary: Value = serde_json::from_slice(&output.stdout)?;
        let is_kept = output.status.code() == Some(1) && summary["published"] == false;
        ensure!(is_kept && summary["failures"][0]["reason"] == "broken-pulp-repository", "{summary}");
        ensure!(before == contents(&Path::new(&path).join("current/"))?, "what was there is gone");
    }
    Ok(())
}

fn what_was_published_stays_by_its_digest_until_it_is_pruned() -> anyhow::Result<()> {
    let (one, other) = (sample::oci(), sample::schema2());
    let site = Site::of(&[("latest", one.clone())])?;
    site.publish(&[])?;
    site.store(&[("latest", other)])?;
    site.publish(&[])?;
    let layer = Digest::of(&one.configs[0]);
    let kept = [
        site.out().join(format!("current/v2/{REPOSITORY}/manifests/{}", one.manifest.digest())),
        site.out().join(format!("current/v2/{REPOSITORY}/blobs/{layer}")),
    ];
    ensure!(kept.iter().all(|path| path.is_file()), "what was published is gone");
    let before = state(&site.out())?;
    site.publish(&[])?;
    ensure!(before == state(&site.out())?, "something was written");
    site.publish(&["--prune"])?;
    ensure!(!kept.iter().any(|path| path.exists()), "what was to be dropped is there");
    Ok(())
}

/// A registry that has one image, and never sends its layers to the end.
fn stuck(image: &Image) -> anyhow::Result<Web> {
    let manifest = image.manifest.bytes.clone();
    let digest = image.manifest.digest().to_string();
    let config = image.configs.concat();
    let config_digest = Digest::of(&config).to_string();
    Ok(Web::start(move |request, client| {
        let digest = [("Docker-Content-Digest", digest.as_str()), ("Content-Type", Form::Oci.media_type())];
        match request.path.as_str() {
            path if path.contains("/manifests/") && request.method == "HEAD" => {
                let length = manifest.len().to_string();
                downshift_tests::web::write_head(
                    client,
                    200,
                    &[&digest[..], &[("Content-Length", length.as_str())]].concat(),
                )
            }
            path if path.contains("/manifests/") => respond(client, 200, &digest, &manifest),
            path if path.ends_with(&config_digest) => respond(client, 200, &[], &config),
            path if path.contains("/blobs/") => {
                // It is there, and does not come.
                loop {
                    std::thread::park();
                }
            }
            _ => respond(client, 200, &[], b"{}"),
        }
    })?)
}

fn a_run_that_is_killed_leaves_what_was_there() -> anyhow::Result<()> {
    let site = Site::of(&[("latest", sample::schema2())])?;
    site.publish(&[])?;
    let before = contents(&site.out())?;
    // Its layers are others: those that were published before are not asked for again.
    let image = sample::zstd();
    let config = Digest::of(&image.configs.concat());
    let web = stuck(&image)?;
    let (out, key) = (site.path("out"), site.path("key"));
    let mut command = program::command()?;
    command.args(["publish", &out, "--engine", "native", "--key", &key, "--from", &web.url()]);
    command.args(["--image", "library/sample:stuck", "--for", "oci"]);
    let mut child = command.spawn()?;
    let is_of_layer = |path: &str| path.contains("/blobs/") && !path.ends_with(config.as_str());
    while !web.seen().iter().any(|request| is_of_layer(&request.path)) {
        ensure!(child.try_wait()?.is_none(), "it ended before it asked for a layer");
        std::thread::yield_now();
    }
    child.kill()?;
    child.wait()?;
    let current: BTreeMap<_, _> = contents(&site.out())?
        .into_iter()
        .filter(|(path, _)| !path.to_string_lossy().contains(".draft-"))
        .collect();
    let other: Vec<_> =
        before.keys().chain(current.keys()).filter(|path| current.get(*path) != before.get(*path)).collect();
    ensure!(other.is_empty(), "what was there is another: {other:?}");
    // The next run removes what is left of it.
    site.publish(&[])?;
    ensure!(contents(&site.out())? == before, "something is left");
    Ok(())
}

fn a_registry_that_fails_leaves_what_was_there() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::oci())?;
    let site = Site::of(&[("latest", sample::schema2())])?;
    site.publish(&[])?;
    let before = contents(&site.out())?;
    // Nobody listens there.
    let url = format!("http://{}", free_address()?);
    let (out, key) = (site.path("out"), site.path("key"));
    let arguments = ["publish", &out, "--engine", "native", "--json", "--key", &key, "--from", &url];
    let output = program::run([&arguments[..], &["--image", "library/sample"]].concat())?;
    ensure!(output.status.code() == Some(1), "{}", said(&output));
    let summary: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(summary["published"] == false && summary["failed"] != 0, "{summary}");
    ensure!(contents(&site.out())? == before, "what was there is another");
    // A registry that is there is published beside.
    let url = registry.url().to_owned();
    let (out, key) = (site.path("out"), site.path("key"));
    let arguments = ["publish", &out, "--engine", "native", "--key", &key, "--from", &url];
    program::succeed([&arguments[..], &["--image", "library/sample"]].concat())?;
    let manifest = site.out().join(format!("current/v2/{REPOSITORY}/manifests/latest"));
    ensure!(fs::read(manifest)? == sample::oci().manifest.bytes, "it is another manifest");
    Ok(())
}

fn a_data_folder_keeps_the_key() -> anyhow::Result<()> {
    let site = Site::of(&[("zstd", sample::zstd())])?;
    let [store, data] = ["store", "data"].map(|name| site.path(name));
    for out in ["one", "other"] {
        let out = site.path(out);
        program::succeed(["publish", &out, "--engine", "native", "--from", &store, "--data", &data])?;
    }
    let [one, other] = ["one", "other"].map(|name| contents(Path::new(&(site.path(name) + "/current/"))));
    ensure!(one? == other?, "they are signed by two keys");
    Ok(())
}

fn layers_of_a_store_are_linked() -> anyhow::Result<()> {
    let image = sample::oci();
    let site = Site::of(&[("latest", image.clone())])?;
    site.publish(&[])?;
    let layer = Digest::of(&image.layers[0]);
    let stored = site.folder.path().join(format!("store/{REPOSITORY}/blobs/sha256/{}", layer.hex()));
    let published =
        |out: &str| site.folder.path().join(out).join(format!("current/v2/{REPOSITORY}/blobs/{layer}"));
    let inode = |path: &Path| anyhow::Ok(fs::metadata(path)?.ino());
    ensure!(inode(&published("out"))? == inode(&stored)?, "it is a copy");
    // What a web server could not read is copied, and so is all if that is wanted.
    program::succeed([site.arguments("copies"), vec!["--copy".to_owned()]].concat())?;
    ensure!(inode(&published("copies"))? != inode(&stored)?, "it is a link");
    fs::set_permissions(&stored, Permissions::from_mode(0o600))?;
    program::succeed(site.arguments("private"))?;
    ensure!(fs::metadata(published("private"))?.mode() & 0o777 == 0o644, "nobody else can read it");
    // What is stored under another digest is not published.
    fs::write(&stored, b"something else")?;
    let output = program::run(site.arguments("broken"))?;
    ensure!(output.status.code() == Some(1), "{}", said(&output));
    ensure!(!published("broken").exists(), "it is published");
    Ok(())
}

fn what_a_client_cannot_get_is_told() -> anyhow::Result<()> {
    let site = Site::of(&[("zstd", sample::zstd()), ("oci", sample::oci())])?;
    let more = ["--plain-layers", "never", "--for", "oci,docker-1.9"].map(str::to_owned);
    let output = program::run([site.arguments("out"), more.to_vec()].concat())?;
    ensure!(output.status.code() == Some(1), "{}", said(&output));
    let summary: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(summary["published"] == true && summary["failed"] == 1, "{summary}");
    let failure = &summary["failures"][0];
    ensure!(failure["image"] == "library/sample:zstd" && failure["client"] == "docker-1.9", "{summary}");
    // The others get all the same what they can.
    let variants = summary["variants"].as_object().context("there are no variants")?;
    ensure!(variants.keys().eq(["docker-1.9", "oci"]), "{summary}");
    let there = |variant: &str, tag: &str| {
        fs::metadata(site.out().join(format!("current/tags/{variant}/{REPOSITORY}/_{tag}"))).is_ok()
    };
    ensure!(
        there("oci", "zstd") && there("oci", "oci") && there("docker-1.9", "oci"),
        "something is missing"
    );
    ensure!(!there("docker-1.9", "zstd"), "it is there for Docker 1.9");
    Ok(())
}

fn platforms_are_told_apart() -> anyhow::Result<()> {
    let site = Site::of(&[("index", sample::index())])?;
    let summary = site.publish(&["--for", "docker-1.9,oci", "--platforms", "linux/amd64,linux/arm64"])?;
    let variants = summary["variants"].as_object().context("there are no variants")?;
    ensure!(variants.keys().eq(["docker-1.9", "docker-1.9@linux-arm64", "oci"]), "{summary}");
    let read = |variant: &str| {
        let folder = site.out().join(format!("current/tags/{variant}/{REPOSITORY}/_index"));
        let file = fs::read_dir(folder)?.next().context("there is no file")??;
        let manifest: Value = serde_json::from_slice(&fs::read(file.path())?)?;
        anyhow::Ok(manifest["architecture"].clone())
    };
    ensure!(
        read("docker-1.9")? == "amd64" && read("docker-1.9@linux-arm64")? == "arm64",
        "they are not told apart"
    );
    Ok(())
}

fn files_of_version_1_are_for_who_can_be_told_apart() -> anyhow::Result<()> {
    let site = Site::of(&[("index", sample::index())])?;
    let platforms = ["--for", "oci,docker-1.5", "--platforms", "linux/amd64,linux/arm64"];
    site.publish(&[&platforms[..], &["--v1"]].concat())?;
    let tree = site.out().join("current");
    let tags = |variant: &str| {
        let path = tree.join(format!("v1-api/{variant}/{REPOSITORY}/tags"));
        anyhow::Ok(serde_json::from_slice::<Value>(&fs::read(path)?)?["index"].clone())
    };
    ensure!(tags("v1")?.is_string() && tags("v1")? != tags("v1@linux-arm64")?, "they are not told apart");
    // Where nothing chooses by a request, nobody is led there.
    ensure!(!tree.join("v1").exists(), "version 1 is there for everybody");
    let netlify = fs::read_to_string(tree.join("_headers"))?;
    ensure!(!netlify.contains("v1-api") && !netlify.contains("/v1/"), "{netlify}");
    // Without the option there is nothing of it.
    site.publish(&["--for", "oci"])?;
    ensure!(!tree.join("v1-api").exists() && !tree.join("v1.txt").exists(), "something is left");
    Ok(())
}

/// The paths of version 1 name no repository.
fn an_id_of_version_1_is_one_image() -> anyhow::Result<()> {
    let site = Site::of(&[("latest", sample::schema2())])?;
    layout::write(&site.folder.path().join("store/sample"), &[("latest", sample::oci())])?;
    let arguments = [site.arguments("out"), vec!["--v1".to_owned()]].concat();
    let output = program::run(arguments)?;
    ensure!(output.status.code() == Some(1), "{}", said(&output));
    let summary: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(summary["published"] == true && summary["failed"] == 1, "{summary}");
    let failure = &summary["failures"][0];
    ensure!(failure["image"] == "sample:latest" && failure["client"] == "docker-1.5", "{summary}");
    ensure!(failure["reason"] == "v1-images", "{summary}");
    let tree = site.out().join("current/v1-api/v1");
    ensure!(tree.join("library/sample/tags").exists() && !tree.join("sample").exists(), "{summary}");
    Ok(())
}

fn images_of_version_1_stay_for_pulls_that_have_begun() -> anyhow::Result<()> {
    let site = Site::of(&[("latest", sample::schema2())])?;
    site.publish(&["--v1"])?;
    let images = site.out().join("current/v1-api/images");
    let ids = || -> anyhow::Result<Vec<_>> {
        let mut ids: Vec<_> =
            fs::read_dir(&images)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        ids.sort();
        Ok(ids)
    };
    let before = ids()?;
    site.store(&[("latest", sample::zstd())])?;
    site.publish(&["--v1"])?;
    let after = ids()?;
    ensure!(after.len() > before.len(), "there are only {} images", after.len());
    for id in &before {
        let is_there = ["ancestry", "json", "layer"].iter().all(|part| id.join(part).is_file());
        ensure!(is_there && after.contains(id), "`{}` is gone", id.display());
    }
    let state_before = state(&site.out())?;
    site.publish(&["--v1"])?;
    ensure!(state_before == state(&site.out())?, "something was written");
    site.publish(&["--v1", "--prune"])?;
    ensure!(ids()?.len() < after.len(), "what was to be dropped is there");
    Ok(())
}

/// The URL of the folders that Crane sends clients to.
const PULP_URL: &str = "https://pulp.example/pulp/docker/v2";

/// What Crane tells apart.
const READERS: [(&str, &str); 3] = [
    ("lists", DOCKER_FORMS),
    ("schema2", "application/vnd.docker.distribution.manifest.v2+json"),
    ("schema1", ""),
];

/// The file of a manifest that Crane sends a client to, below `manifests` (`crane/views/v2.py`).
fn file_of_crane(metadata: &Value, reference: &str, accept: &str) -> String {
    let has = |list: &str| metadata[list].as_array().is_some_and(|all| all.contains(&json!(reference)));
    let (schema2, lists) = (accept.contains("manifest.v2+json"), accept.contains("manifest.list.v2+json"));
    let single = &metadata["manifest_list_amd64_tags"][reference];
    let (folder, name) = if lists && has("manifest_list_data") {
        ("list".to_owned(), reference)
    } else if let (Some(digest), version) = (single[0].as_str(), &single[1])
        && (schema2 || *version == 1)
    {
        (version.to_string(), digest)
    } else if single.is_null() && schema2 && has("schema2_data") {
        ("2".to_owned(), reference)
    } else {
        ("1".to_owned(), reference)
    };
    format!("{folder}/{name}")
}

/// What a manifest names: other manifests, and blobs.
fn named_by(manifest: &Value) -> [Vec<String>; 2] {
    let all = |list: &str, member: &str| {
        let entries = manifest[list].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry[member].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let config = manifest["config"]["digest"].as_str().map(str::to_owned);
    let blobs = config.into_iter().chain(all("layers", "digest")).chain(all("fsLayers", "blobSum"));
    [all("manifests", "digest"), blobs.collect()]
}

fn the_layout_of_pulp_gives_readers_what_a_server_gives_them() -> anyhow::Result<()> {
    let site = Site::full()?;
    site.publish(&["--layout", "pulp", "--url", PULP_URL])?;
    let current = site.out().join("current");
    let metadata: Value = serde_json::from_slice(&fs::read(current.join("v2/app/library..sample.json"))?)?;
    ensure!(metadata["version"] == 4 && metadata["repo-registry-id"] == REPOSITORY, "{metadata}");
    ensure!(metadata["url"] == format!("{PULP_URL}/library..sample/"), "{metadata}");
    let web = current.join("v2/web/library..sample");
    let [store, key, out] = ["store", "key", "out/current"].map(|name| site.path(name));
    let live = program::serve(["--engine", "native", "--store", &store, "--key", &key])?;
    // Without the key: what it gives is what is there.
    let files = program::serve(["--engine", "native", "--pulp", &out])?;
    let mut seen_of_readers = 0;
    for (reader, accept) in READERS {
        for (tag, _) in full()? {
            let mut references = vec![tag.to_owned()];
            while let Some(reference) = references.pop() {
                let context = || format!("`{tag}`, `{reference}` for {reader}");
                let ask = |address: SocketAddr| {
                    let accept = headers("curl/8.5.0", accept);
                    http::send(address, "GET", &manifest_path(&reference), &accept).with_context(context)
                };
                let (expected, answer) = (ask(live.address())?, ask(files.address())?);
                let file = web.join("manifests").join(file_of_crane(&metadata, &reference, accept));
                if expected.status != 200 {
                    ensure!(answer.status != 200 && !file.exists(), "{}: {answer:?}", context());
                    continue;
                }
                ensure!(seen(&answer) == seen(&expected), "{}: {answer:?}\n\n{expected:?}", context());
                ensure!(fs::read(&file).with_context(context)? == expected.body, "{}: {file:?}", context());
                seen_of_readers += 1;
                let [manifests, blobs] = named_by(&expected.json()?);
                references.extend(manifests);
                if reference == tag {
                    references.extend(expected.header("docker-content-digest").map(str::to_owned));
                }
                for blob in blobs {
                    let path = format!("/v2/{REPOSITORY}/blobs/{blob}");
                    let [expected, answer] =
                        [&live, &files].map(|server| http::send(server.address(), "GET", &path, &[]));
                    let (expected, answer) = (expected?, answer?);
                    ensure!(expected.status == 200, "{} {blob}: {expected:?}", context());
                    ensure!(answer.body == expected.body, "{} {blob}: {answer:?}", context());
                    let file = fs::read(web.join("blobs").join(&blob)).with_context(context)?;
                    ensure!(file == expected.body, "{} {blob}: it is another file", context());
                }
            }
        }
    }
    ensure!(seen_of_readers > 30, "there are only {seen_of_readers} manifests");
    for docker in Docker::ALL {
        docker.pull(files.address(), REPOSITORY, "oci")?;
    }
    Ok(())
}

fn the_layout_of_pulp_is_published_again_as_it_is() -> anyhow::Result<()> {
    let site = Site::full()?;
    let pulp = ["--layout", "pulp", "--url", PULP_URL];
    site.publish(&pulp)?;
    let before = state(&site.out())?;
    let second = site.publish(&pulp)?;
    ensure!(second["changed"] == false && before == state(&site.out())?, "something was written: {second}");
    // Everything that its readers get is there: nothing is signed.
    let [current, again, web] = ["out/current", "again", "web"].map(|name| site.path(name));
    program::succeed([&["publish", &again, "--engine", "native", "--from", &current], &pulp[..]].concat())?;
    let of = |out: &str| contents(&fs::canonicalize(site.path(out) + "/current")?);
    let (one, other) = (of("out")?, of("again")?);
    ensure!(one.len() > 50, "there are only {} files", one.len());
    for (path, bytes) in &one {
        ensure!(other.get(path) == Some(bytes), "`{}` is another", path.display());
    }
    ensure!(one.len() == other.len(), "there are other files");
    // Whoever else wants it for any web server.
    program::succeed(["publish", &web, "--engine", "native", "--from", &current, "--for", "schema1,oci"])?;
    let (web, tag) = (of("web")?, "v2/library/sample/manifests/oci");
    ensure!(web.contains_key(Path::new(tag)), "it is not there for a web server");
    Ok(())
}

fn the_layout_of_pulp_keeps_digests_until_they_are_pruned() -> anyhow::Result<()> {
    let pulp = ["--layout", "pulp", "--url", PULP_URL];
    let (one, other) = (sample::without_layers(), sample::list());
    let site = Site::of(&[("latest", one.clone())])?;
    site.publish(&pulp)?;
    site.store(&[("latest", other.clone())])?;
    site.publish(&pulp)?;
    let web = site.out().join("current/v2/web/library..sample");
    let kept = [
        web.join(format!("manifests/2/{}", one.manifest.digest())),
        web.join(format!("blobs/{}", Digest::of(&one.configs[0]))),
    ];
    let metadata = || anyhow::Ok(fs::read_to_string(site.out().join("current/v2/app/library..sample.json"))?);
    ensure!(kept.iter().all(|path| path.is_file()), "what was published is gone");
    ensure!(metadata()?.contains(one.manifest.digest().as_str()), "Crane does not know its form");
    // All is there by its digest: what the tag stands for is another thing all the same.
    site.store(&[("latest", one.clone())])?;
    let back = site.publish(&pulp)?;
    ensure!(back["changed"] == true, "{back}");
    ensure!(fs::read(web.join("manifests/2/latest"))? == one.manifest.bytes, "the tag has not moved");
    ensure!(!web.join("manifests/list/latest").exists(), "the tag has its list still");
    site.store(&[("latest", other)])?;
    site.publish(&[&pulp[..], &["--prune"]].concat())?;
    ensure!(!kept.iter().any(|path| path.exists()), "what was to be dropped is there");
    // Another layout takes its place as another state does.
    let moved = site.publish(&[])?;
    ensure!(moved["changed"] == true && !site.out().join("current/v2/app").exists(), "{moved}");
    Ok(())
}

fn what_has_no_place_in_the_layout_of_pulp_is_told() -> anyhow::Result<()> {
    let site = Site::of(&[("zstd", sample::zstd()), ("latest", sample::schema2())])?;
    let pulp = ["--layout", "pulp", "--url", PULP_URL];
    // By its digest an OCI manifest is what it is.
    let oci = format!("{REPOSITORY}@{}", sample::zstd().manifest.digest());
    let latest = format!("{REPOSITORY}:latest");
    let more = [&pulp[..], &["--image", &oci, "--image", &latest]].concat();
    let arguments = [site.arguments("out"), more.iter().map(ToString::to_string).collect()].concat();
    let output = program::run(arguments)?;
    ensure!(output.status.code() == Some(1), "{}", said(&output));
    let summary: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(summary["published"] == true, "{summary}");
    let failures = summary["failures"].as_array().context("there are no failures")?;
    ensure!(failures.iter().any(|failure| failure["reason"] == "pulp-layout"), "{summary}");
    let tag = site.out().join("current/v2/web/library..sample/manifests/2/latest");
    ensure!(fs::read(tag)? == sample::schema2().manifest.bytes, "the other image is not there");
    // What is refused for one reader is told, and the others have it.
    let refused = [&pulp[..], &["--plain-layers", "never"]].concat();
    let arguments = [site.arguments("plain"), refused.iter().map(ToString::to_string).collect()].concat();
    let output = program::run(arguments)?;
    ensure!(output.status.code() == Some(1), "{}", said(&output));
    let summary: Value = serde_json::from_slice(&output.stdout)?;
    let failures = summary["failures"].as_array().context("there are no failures")?;
    let is_told = |reader: &str| failures.iter().any(|failure| failure["client"] == reader);
    ensure!(is_told("schema1"), "{summary}");
    Ok(())
}

fn what_pulp_has_published_is_a_source() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let pulp = Pulp::new(&folder.path().join("pulp"))?;
    let image = sample::schema2();
    let tags = [("latest", vec![image.clone()])];
    pulp.publish(&Published { protected: true, tags: &tags, ..Published::default() })?;
    pulp.publish(&Published { id: "open", name: "team/open", tags: &tags, ..Published::default() })?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let [published, content] = [pulp.published(), pulp.content()].map(|path| path.display().to_string());
    let (out, key) = (path("out"), path("key"));
    let from = ["--engine", "native", "--from", &published, "--store-links", &content];
    program::succeed([&["publish", &out, "--for", "schema2"], &from[..]].concat())?;
    let v2 = Path::new(&out).join("current/v2");
    ensure!(
        fs::read(v2.join("team/open/manifests/latest"))? == image.manifest.bytes,
        "it is another manifest"
    );
    ensure!(!v2.join(REPOSITORY).exists(), "what is protected is published");
    let layer = Digest::of(&image.layers[0]);
    let linked = fs::metadata(v2.join(format!("team/open/blobs/{layer}")))?;
    ensure!(
        linked.nlink() > 1 && fs::read(v2.join(format!("team/open/blobs/{layer}")))? == image.layers[0],
        "it is a copy"
    );
    // What is served all the same stays protected for Crane.
    program::succeed(["key", "new", "--output", &key])?;
    let settings = format!("pulp = {published:?}\nstore-links = [{content:?}]\npulp-protected = \"serve\"\n");
    fs::write(path("settings.toml"), settings)?;
    let (out, config) = (path("crane"), path("settings.toml"));
    let layout = ["--layout", "pulp", "--url", PULP_URL, "--engine", "native", "--key", &key];
    program::succeed([&["publish", &out, "--config", &config], &layout[..]].concat())?;
    for (id, is_protected) in [("library..sample", true), ("team..open", false)] {
        let metadata = fs::read(Path::new(&out).join(format!("current/v2/app/{id}.json")))?;
        let metadata: Value = serde_json::from_slice(&metadata)?;
        ensure!(metadata["protected"] == is_protected, "{id}: {metadata}");
    }
    // Images of the V1 protocol are signed whenever they are read.
    let v1 = Pulp::new(&folder.path().join("v1"))?;
    let images = full()?;
    let (_, schema1) = images.last().context("there is no schema 1")?;
    let publication = Published { version: 1, ..Published::default() };
    v1.publish_images(&publication, "latest", &schema1.manifest.bytes, &schema1.layers)?;
    let [published, content] = [v1.published(), v1.content()].map(|path| path.display().to_string());
    let from = ["--engine", "native", "--from", &published, "--store-links", &content, "--for", "schema1"];
    let output = program::run([&["publish", &path("unsigned")], &from[..]].concat())?;
    ensure!(output.status.code() == Some(2) && said(&output).contains("--key"), "{}", said(&output));
    for out in ["v1-out", "v1-other"] {
        program::succeed([&["publish", &path(out), "--key", &key], &from[..]].concat())?;
    }
    let [one, other] = ["v1-out", "v1-other"].map(|name| contents(Path::new(&(path(name) + "/current/"))));
    ensure!(one? == other?, "they are signed by two keys");
    Ok(())
}

fn usage() -> anyhow::Result<()> {
    let site = Site::of(&[("latest", sample::oci())])?;
    let (out, store) = (site.path("usage"), site.path("store"));
    let fails = |arguments: &[&str], expected: &str| {
        let output = program::run([&["publish"], arguments].concat())?;
        ensure!(output.status.code() == Some(2), "{arguments:?} ends with {}", output.status);
        ensure!(said(&output).contains(expected), "{arguments:?}: {}", said(&output));
        anyhow::Ok(())
    };
    fails(&[&out], "--from")?;
    fails(&[&out, "--from", &store, "--for", "netscape"], "`netscape` is not a client that is known")?;
    fails(&[&out, "--from", &store, "--for", "docker-1.5"], "add --v1")?;
    fails(&[&out, "--from", "/nowhere"], "/nowhere")?;
    // What goes with one of the layouts alone.
    let pulp = [out.as_str(), "--from", &store, "--layout", "pulp"];
    fails(&pulp, "--url")?;
    fails(&[&out, "--from", &store, "--url", PULP_URL], "`--url` goes with `--layout pulp` alone")?;
    let pulp = [&pulp[..], &["--url"]].concat();
    fails(&[&pulp[..], &["ftp://pulp.example/"]].concat(), "it must be a URL")?;
    fails(&[&pulp[..], &[PULP_URL, "--for", "docker-1.9"]].concat(), "`--for` does not go with")?;
    fails(
        &[&pulp[..], &[PULP_URL, "--platforms", "linux/arm64"]].concat(),
        "`--platforms` does not go with",
    )?;
    fails(&[&pulp[..], &[PULP_URL, "--v1"]].concat(), "`--v1` does not go with")?;
    // What is signed has to be signed by the same key each time.
    fails(&[&out, "--engine", "native", "--from", &store], "name one with --key")?;
    // A folder of somebody else.
    let other = site.folder.path().join("other");
    fs::create_dir_all(other.join("current"))?;
    let other = other.display().to_string();
    fails(&[&other, "--from", &store], "is not a link")
}
