//! Images whose layers are compressed with zstd: pulled by real engines that cannot unpack that, by the rules of those that are
//! replayed, and as containerd 2 goes on with a blob and splits it.

use core::ops::Range;

use anyhow::{Context, ensure};
use downshift::Digest;
use downshift_cases::images::{Family, Image, Manifest, REPOSITORY, sample, zstd};
use downshift_tests::clients::Client;
use downshift_tests::engines::Docker;
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::programs::{DOCKER, DOCKER_REGISTRY, DOCKERD, PODMAN, SKOPEO, case_after, case_with};
use downshift_tests::registry::Registry;
use downshift_tests::skopeo::pull;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::Named;
use crate::clients::pulls;

/// What containerd since 2.1 takes of a blob.
const CODINGS: (&str, &str) = ("Accept-Encoding", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5");

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let name = |name: &str| format!("{}::layers::{name}", engine.name);
    let trial = |programs: &[&'static str], (function, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        case_with(engine.programs(programs), name(function), move || run(engine))
    };
    let client: Named<fn(Engine, &Client) -> anyhow::Result<()>> = named!(pulls_every_kind_of_zstd);
    let mut trials = vec![
        case_after(
            engine.programs(&[DOCKER, DOCKERD]),
            name(&format!("{}::docker", client.0)),
            Client::docker,
            move |docker| client.1(engine, &docker),
        ),
        case_after(
            engine.programs(&[PODMAN]),
            name(&format!("{}::podman", client.0)),
            Client::podman,
            move |podman| client.1(engine, &podman),
        ),
        trial(&[SKOPEO], named!(skopeo_gets_hybrids_as_oci)),
        trial(&[], named!(a_blob_that_is_gone_on_with_or_split_is_plain)),
        trial(&[], named!(all_clients_can_have_one_digest)),
    ];
    if !engine.is_worker {
        trials.push(trial(&[DOCKER_REGISTRY], named!(what_was_reported_is_there_after_a_restart)));
    }
    let with_schema2 = [Docker::V1_13_1, Docker::V20_10_24];
    trials.extend(Docker::ALL.into_iter().chain(with_schema2).map(|docker| {
        let (function, run): Named<fn(Engine, Docker) -> anyhow::Result<()>> =
            named!(is_pulled_by_old_engines);
        let version = docker.version().replace('.', "_");
        case_with(engine.programs(&[]), name(&format!("{function}::docker_{version}")), move || {
            run(engine, docker)
        })
    }));
    trials
}

/// The sample, compressed with zstd in each way that builders have.
fn images() -> [(&'static str, Image); 4] {
    [
        ("zstd", sample::zstd()),
        ("chunked", chunked()),
        ("hybrid", sample::zstd_schema2()),
        ("index", sample::zstd_index()),
    ]
}

/// The sample as podman writes zstd:chunked: frames with skippable ones between them, and annotations of what is where.
fn chunked() -> Image {
    let layer = |tar: &Vec<u8>| {
        let (first, second) = tar.split_at(tar.len() / 2);
        [
            zstd::frame(first),
            zstd::skippable(b"a"),
            zstd::frame(second),
            zstd::skippable(b"table of contents"),
        ]
        .concat()
    };
    let layers: Vec<_> = sample::plain_layers().iter().map(layer).collect();
    let Image { manifest, configs, .. } = sample::zstd();
    let mut json: Value = serde_json::from_slice(&manifest.bytes).expect("a manifest is JSON");
    for (described, layer) in json["layers"].as_array_mut().expect("it has layers").iter_mut().zip(&layers) {
        described["digest"] = Digest::of(layer).as_str().into();
        described["size"] = layer.len().into();
        described["annotations"] = serde_json::json!({
            "io.github.containers.zstd-chunked.manifest-checksum": Digest::of(b"table").as_str(),
            "io.github.containers.zstd-chunked.manifest-position": "100:50:200:1",
            "org.example.kept": "yes",
        });
    }
    let manifest = Manifest { bytes: json.to_string().into_bytes(), ..manifest };
    Image { manifest, children: Vec::new(), configs, layers }
}

/// The headers of Docker 20.10, as Debian 12 has it.
fn docker_20_10() -> Vec<(&'static str, String)> {
    let accept = [
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ];
    let agent = "docker/20.10.24+dfsg1 go/go1.19.8 git-commit/5d6db84 kernel/6.1.0 os/linux arch/amd64";
    let accept = accept.into_iter().map(|accept| ("Accept", accept.to_owned()));
    [("User-Agent", agent.to_owned())].into_iter().chain(accept).collect()
}

/// What Docker 20.10 is given for a tag: its digest.
fn reported(front: &Front, tag: &str) -> anyhow::Result<Digest> {
    let headers = docker_20_10();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = front.send("HEAD", &manifest_path(tag), &headers)?;
    ensure!(response.status == 200, "`{tag}`: {response:?}");
    Ok(Digest::parse(response.header("docker-content-digest").context("no digest is reported")?)?)
}

fn pulls_every_kind_of_zstd(engine: Engine, client: &Client) -> anyhow::Result<()> {
    let front = Front::start(engine, &images())?;
    for (tag, image) in images() {
        pulls(client, front.address(), &format!(":{tag}")).context(tag)?;
        // The image is the same on every client: its id is the digest of its config.
        let id = client.pulled_id(&format!("{}/{REPOSITORY}:{tag}", front.address()))?;
        let is_own = image.configs.iter().any(|config| Digest::of(config) == id);
        ensure!(is_own, "`{tag}` is the image {id}");
        let digest = reported(&front, tag)?;
        pulls(client, front.address(), &format!("@{digest}")).with_context(|| format!("{tag} by digest"))?;
    }
    Ok(())
}

/// skopeo before 1.18 and podman before 5.6 refuse Docker manifests with zstd layers, and read the same in OCI.
fn skopeo_gets_hybrids_as_oci(engine: Engine) -> anyhow::Result<()> {
    let front = Front::start(engine, &images())?;
    for (tag, family) in [("zstd", Family::Oci), ("hybrid", Family::Oci)] {
        let pulled = pull(front.address(), &format!(":{tag}"), &[])?;
        let manifest: Value = serde_json::from_slice(&pulled.manifest)?;
        let expected = family.zstd_layer();
        ensure!(manifest["layers"][0]["mediaType"] == expected, "`{tag}`: {manifest}");
        let by_digest = pull(front.address(), &format!("@{}", Digest::of(&pulled.manifest)), &[])?;
        ensure!(by_digest == pulled, "`{tag}` by digest is something else");
    }
    Ok(())
}

/// Engines from 1.6 on get the plain tars, with their lengths.
fn is_pulled_by_old_engines(engine: Engine, docker: Docker) -> anyhow::Result<()> {
    let front = Front::start(engine, &images())?;
    for (tag, _) in images() {
        let pulled = docker.pull(front.address(), REPOSITORY, tag).context(tag)?;
        let layers: Vec<_> =
            pulled.layers.iter().filter(|layer| **layer != downshift::EMPTY_LAYER).cloned().collect();
        ensure!(layers == sample::plain_layers(), "`{tag}` has other layers");
        let reported = pulled.reported.as_deref().context("no digest is reported")?;
        let again =
            docker.pull(front.address(), REPOSITORY, reported).with_context(|| format!("{tag} again"))?;
        ensure!(again == pulled, "`{tag}` by its digest is something else");
    }
    Ok(())
}

/// containerd 2 counts plain bytes where it goes on with a blob, and coded ones where it splits one that has a length.
fn a_blob_that_is_gone_on_with_or_split_is_plain(engine: Engine) -> anyhow::Result<()> {
    let front = Front::start(engine, &images())?;
    reported(&front, "zstd")?;
    let [tar, ..] = sample::plain_layers();
    let path = format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(&tar));
    let get = |range: Option<Range<usize>>| {
        let range = range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let range = range.as_deref().map(|range| ("Range", range));
        front.send("GET", &path, &[CODINGS].into_iter().chain(range).collect::<Vec<_>>())
    };
    let whole = get(None)?;
    ensure!(whole.header("content-encoding") == Some("zstd"), "it is not coded: {:?}", whole.headers);
    ensure!(whole.header("content-length").is_none(), "containerd would split it: {:?}", whole.headers);
    ensure!(sample::zstd().layers.first() == Some(&whole.body), "it is not what is stored");
    let is_part = |range: Range<usize>| -> anyhow::Result<Vec<u8>> {
        let part = get(Some(range.clone()))?;
        ensure!(
            part.status == 206 && part.header("content-encoding").is_none(),
            "{range:?}: {:?}",
            part.headers
        );
        ensure!(part.body == tar[range.clone()], "{range:?} has other bytes");
        Ok(part.body)
    };
    // It broke off at the beginning, in the middle and before the last byte.
    for at in [1, tar.len() / 2, tar.len() - 1] {
        is_part(at..tar.len())?;
    }
    let head = front.send("HEAD", &path, &[CODINGS])?;
    let length: usize = head.header("content-length").context("HEAD has no length")?.parse()?;
    let third = length / 3;
    let mut all = Vec::new();
    for range in [0..third, third..2 * third, 2 * third..length] {
        all.extend(is_part(range)?);
    }
    ensure!(all == tar, "the parts are not the whole");
    Ok(())
}

/// With `always`, whoever asks for a tag sees one digest, and its layers are plain.
fn all_clients_can_have_one_digest(engine: Engine) -> anyhow::Result<()> {
    let front = Front::start_with(engine, &["--plain-layers", "always"], &images())?;
    let oci = "application/vnd.oci.image.manifest.v1+json";
    for tag in ["zstd", "chunked"] {
        let old = reported(&front, tag)?;
        let current = front.manifest(tag, &[oci])?;
        ensure!(current.header("docker-content-digest") == Some(old.as_str()), "`{tag}`: {current:?}");
        let manifest = current.json()?;
        let layers = manifest["layers"].as_array().context("it has no layers")?;
        for (layer, tar) in layers.iter().zip(sample::plain_layers()) {
            ensure!(layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar", "{layer}");
            ensure!(layer["digest"] == Digest::of(&tar).as_str() && layer["size"] == tar.len(), "{layer}");
        }
    }
    Ok(())
}

/// A digest that Docker has printed, and the layers that it names, are there whatever becomes of the process and of the tag.
fn what_was_reported_is_there_after_a_restart(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::zstd())?;
    let front = Front::start_before(engine, &[], &registry)?;
    let digest = reported(&front, "latest")?;
    registry.push(REPOSITORY, "latest", &sample::oci())?;
    let front = front.killed_and_restarted()?;
    let manifest = front.send("GET", &manifest_path(digest.as_str()), &[])?;
    ensure!(Digest::of(&manifest.body) == digest, "it is gone: {manifest:?}");
    for tar in sample::plain_layers() {
        let blob = front.blob(Digest::of(&tar).as_str())?;
        ensure!(blob.status == 200 && blob.body == tar, "a layer is gone: {:?}", blob.headers);
    }
    Ok(())
}
