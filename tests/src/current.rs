//! Clients of today that cannot be installed here: the requests that they send, and the rules by which they take the answers.
//!
//! The requests were recorded from containerd 2.4, Docker 29 with both of its stores, crane 0.21, regctl 0.11 and oras 1.3; the
//! rules are those of their sources, and what each refuses was seen.

use core::net::SocketAddr;
use std::io::Read as _;

use anyhow::{Context, bail, ensure};
use downshift::layer::Compression;
use downshift::{Digest, Limits, jws};
use downshift_cases::layers;
use downshift_cases::response::Response;
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::http;

const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
const SCHEMA1_UNSIGNED: &str = "application/vnd.docker.distribution.manifest.v1+json";
const SCHEMA2: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

/// What containerd names: the one line that its users send, too.
pub const CONTAINERD_ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, */*";

/// A client.
#[derive(Clone, Copy, Debug)]
pub struct CurrentClient {
    /// Its name, as a part of the names of tests.
    pub name: &'static str,
    user_agent: &'static str,
    /// The lines that a tag is asked for with.
    accept: &'static [&'static str],
    /// Whether a digest is asked for with the type that HEAD or an index has said.
    asks_by_type: bool,
    /// Whether HEAD comes first, with whose digest the rest goes on.
    resolves: bool,
    /// Whether each blob has to have the size that its descriptor says.
    checks_sizes: bool,
    /// Whether it takes schema 1, of which it makes nothing else.
    copies_schema1: bool,
    /// What it takes of a blob.
    codings: Option<&'static str>,
    /// Whether it asks for large blobs in parts.
    splits: bool,
}

const CONTAINERD: CurrentClient = CurrentClient {
    name: "containerd_2_4",
    user_agent: "containerd/2.4.0-beta",
    accept: &[CONTAINERD_ACCEPT],
    asks_by_type: true,
    resolves: true,
    checks_sizes: true,
    copies_schema1: false,
    codings: Some("zstd;q=1.0, gzip;q=0.8, deflate;q=0.5"),
    splits: false,
};

/// All of them.
pub const ALL: [CurrentClient; 7] = [
    CONTAINERD,
    // With `concurrent_layer_fetch_buffer`.
    CurrentClient { name: "containerd_2_4_cri", splits: true, ..CONTAINERD },
    CurrentClient {
        name: "docker_29",
        user_agent: "docker/29.0.1 go/go1.25.4 git-commit/198b5e3 kernel/6.1.0 os/linux arch/amd64",
        ..CONTAINERD
    },
    CurrentClient {
        name: "docker_29_graphdriver",
        user_agent: "docker/29.0.1 go/go1.25.4 git-commit/198b5e3 kernel/6.1.0 os/linux arch/amd64",
        accept: &[INDEX, SCHEMA2, LIST, OCI],
        asks_by_type: false,
        checks_sizes: false,
        codings: Some("gzip"),
        ..CONTAINERD
    },
    CurrentClient {
        name: "crane_0_21",
        user_agent: "crane/v0.21.10 go-containerregistry/v0.21.10",
        accept: &["application/vnd.docker.distribution.manifest.v1+json,\
            application/vnd.docker.distribution.manifest.v1+prettyjws,\
            application/vnd.docker.distribution.manifest.v2+json,application/vnd.oci.image.manifest.v1+json,\
            application/vnd.docker.distribution.manifest.list.v2+json,application/vnd.oci.image.index.v1+json"],
        asks_by_type: false,
        resolves: false,
        codings: Some("gzip"),
        ..CONTAINERD
    },
    CurrentClient {
        name: "regctl_0_11",
        user_agent: "regclient/regctl (v0.11.5)",
        accept: &[INDEX, OCI, LIST, SCHEMA2, SCHEMA1, SCHEMA1_UNSIGNED, ARTIFACT],
        asks_by_type: false,
        copies_schema1: true,
        codings: None,
        ..CONTAINERD
    },
    CurrentClient {
        name: "oras_1_3",
        user_agent: "oras/1.3.3",
        accept: &["application/vnd.docker.distribution.manifest.v2+json, \
            application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
            application/vnd.oci.image.index.v1+json, application/vnd.oci.artifact.manifest.v1+json"],
        asks_by_type: false,
        codings: Some("gzip"),
        ..CONTAINERD
    },
];

/// What a pull brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The digest of what the tag or digest stands for.
    pub digest: Digest,
    /// The config; schema 1 has none.
    pub config: Option<Vec<u8>>,
    /// The layers, lowest first.
    pub layers: Vec<Vec<u8>>,
}

impl CurrentClient {
    /// Pulls an image for linux/amd64 by a tag or a digest.
    ///
    /// # Errors
    /// What it would not take.
    pub fn pull(self, registry: SocketAddr, repository: &str, reference: &str) -> anyhow::Result<Pulled> {
        Pulling { client: self, registry, repository }.pull(reference)
    }
}

/// A client that talks to a registry about a repository.
#[derive(Clone, Copy)]
struct Pulling<'a> {
    client: CurrentClient,
    registry: SocketAddr,
    repository: &'a str,
}

/// What is known of a manifest before it is there.
struct Expected<'e> {
    digest: &'e str,
    media_type: &'e str,
    size: u64,
}

impl Pulling<'_> {
    fn pull(self, reference: &str) -> anyhow::Result<Pulled> {
        if !self.client.resolves {
            return self.read(&self.manifest("GET", reference, self.client.accept)?, reference, None);
        }
        let head = self.manifest("HEAD", reference, self.client.accept)?;
        let of = |name: &str| head.header(name).with_context(|| format!("HEAD has no {name}"));
        let expected = Expected {
            digest: of("docker-content-digest")?,
            media_type: of("content-type")?,
            size: of("content-length")?.parse()?,
        };
        self.takes(expected.media_type)?;
        self.follow(&expected)
    }

    /// Whether it goes on with a manifest of this type.
    fn takes(self, media_type: &str) -> anyhow::Result<()> {
        let is_schema1 = [SCHEMA1, SCHEMA1_UNSIGNED].contains(&media_type);
        ensure!(
            !is_schema1 || self.client.copies_schema1,
            "media type `{media_type}` is no longer supported"
        );
        ensure!(is_schema1 || [SCHEMA2, LIST, OCI, INDEX].contains(&media_type), "`{media_type}` is unknown");
        Ok(())
    }

    /// Fetches the manifest of a descriptor, and what it names.
    fn follow(self, expected: &Expected<'_>) -> anyhow::Result<Pulled> {
        let by_type = format!("{}, */*", expected.media_type);
        let accept = if self.client.asks_by_type { &[by_type.as_str()] } else { self.client.accept };
        self.read(&self.manifest("GET", expected.digest, accept)?, expected.digest, Some(expected))
    }

    fn read(
        self,
        response: &Response,
        reference: &str,
        expected: Option<&Expected<'_>>,
    ) -> anyhow::Result<Pulled> {
        let media_type = response.header("content-type").context("a manifest has no type")?;
        self.takes(media_type)?;
        if media_type == SCHEMA1 {
            return self.schema1(response, reference);
        }
        let digest = Digest::of(&response.body);
        for other in [response.header("docker-content-digest"), Some(reference)].into_iter().flatten() {
            ensure!(Digest::parse(other).is_err() || digest.as_str() == other, "the digest is not `{other}`");
        }
        if let Some(expected) = expected {
            ensure!(
                media_type == expected.media_type,
                "it is `{media_type}` and not `{}`",
                expected.media_type
            );
            let size = response.body.len() as u64;
            ensure!(size == expected.size, "failed size validation: {size} != {}", expected.size);
        }
        let manifest = response.json()?;
        if let Some(inside) = manifest["mediaType"].as_str() {
            ensure!(inside == media_type, "it says of itself that it is `{inside}`");
        }
        if let Some(entries) = manifest["manifests"].as_array() {
            let is_ours = |entry: &&Value| {
                entry["platform"]["os"] == "linux" && entry["platform"]["architecture"] == "amd64"
            };
            let entry = entries.iter().find(is_ours).context("no match for platform in manifest")?;
            let (child, media_type, size) = described(entry)?;
            return Ok(Pulled { digest, ..self.follow(&Expected { digest: child, media_type, size })? });
        }
        let config = self.blob(&manifest["config"])?;
        let layers = manifest["layers"].as_array().context("there are no layers")?;
        let layers = layers.iter().map(|layer| {
            let blob = self.blob(layer)?;
            is_named_rightly(layer, &blob)?;
            Ok(blob)
        });
        Ok(Pulled { digest, config: Some(config), layers: layers.collect::<anyhow::Result<_>>()? })
    }

    /// Copies signed schema 1 as it is.
    fn schema1(self, response: &Response, reference: &str) -> anyhow::Result<Pulled> {
        let payload = jws::parse(&response.body, &Limits::default())?.payload;
        let digest = Digest::of(&payload);
        ensure!(Digest::parse(reference).is_err() || digest.as_str() == reference, "it is {digest}");
        let payload: Value = serde_json::from_slice(&payload)?;
        let layers = payload["fsLayers"].as_array().context("there are no layers")?;
        let layers = layers.iter().rev().map(|layer| {
            let digest = layer["blobSum"].as_str().context("a layer has no digest")?;
            self.fetch(digest, None)
        });
        Ok(Pulled { digest, config: None, layers: layers.collect::<anyhow::Result<_>>()? })
    }

    fn blob(self, descriptor: &Value) -> anyhow::Result<Vec<u8>> {
        let (digest, _, size) = described(descriptor)?;
        let blob = self.fetch(digest, Some(size))?;
        let is_size = !self.client.checks_sizes || blob.len() as u64 == size;
        ensure!(is_size, "failed size validation of `{digest}`: {} != {size}", blob.len());
        Ok(blob)
    }

    /// Fetches a blob of a size, as far as that is known.
    fn fetch(self, digest: &str, size: Option<u64>) -> anyhow::Result<Vec<u8>> {
        let path = format!("/v2/{}/blobs/{digest}", self.repository);
        let get = |range: Option<&str>| {
            let codings = self.client.codings.map(|codings| ("Accept-Encoding", codings));
            // Go leaves its own away where there is a range.
            let codings = codings.filter(|_| range.is_none() || self.client.asks_by_type);
            let range = range.map(|range| ("Range", range));
            self.send("GET", &path, &codings.into_iter().chain(range).collect::<Vec<_>>())
        };
        let response = get(None)?;
        ensure!(response.status == 200, "a blob has status {}: {response:?}", response.status);
        let length = response.header("content-length").map(str::parse::<u64>).transpose()?;
        if let (Some(length), Some(size)) = (length, size.filter(|_| self.client.checks_sizes)) {
            ensure!(length == size, "the length of `{digest}` is {length} and not {size}");
        }
        let mut blob = decoded(&response)?;
        // It takes the length of the first answer for that of all, and undoes its coding over the whole.
        if let Some(length) = length.filter(|length| self.client.splits && *length > 2) {
            blob.clear();
            let mut at = 0;
            for end in [length / 3, 2 * length / 3, length].into_iter().filter(|end| *end > 0) {
                let part = get(Some(&format!("bytes={at}-{}", end - 1)))?;
                ensure!(part.status == 206, "a part has status {}", part.status);
                blob.extend(part.body);
                at = end;
            }
        }
        ensure!(Digest::parse(digest)?.matches(&blob), "`{digest}` has another digest");
        Ok(blob)
    }

    fn manifest(self, method: &str, reference: &str, accept: &[&str]) -> anyhow::Result<Response> {
        let accept: Vec<_> = accept.iter().map(|&accept| ("Accept", accept)).collect();
        let path = format!("/v2/{}/manifests/{reference}", self.repository);
        let response = self.send(method, &path, &accept)?;
        match response.status {
            200 => Ok(response),
            status => bail!("{method} of {path} has status {status}: {response:?}"),
        }
    }

    fn send(self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Response> {
        let agent = [("User-Agent", self.client.user_agent)];
        http::send(self.registry, method, path, &[&agent, headers].concat())
    }
}

/// The digest, the media type and the size in a descriptor.
fn described(descriptor: &Value) -> anyhow::Result<(&str, &str, u64)> {
    let text = |name: &str| descriptor[name].as_str().with_context(|| format!("no {name}: {descriptor}"));
    let size = descriptor["size"].as_u64().with_context(|| format!("no size: {descriptor}"))?;
    Ok((text("digest")?, text("mediaType")?, size))
}

/// Checks that a layer is compressed as its descriptor says, by which engines choose how they unpack it.
fn is_named_rightly(descriptor: &Value, layer: &[u8]) -> anyhow::Result<()> {
    let (digest, media_type, _) = described(descriptor)?;
    let compression = layers::facts(layer)?.compression;
    let ending = match compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::Plain => "tar",
        other => bail!("no client reads `{digest}`, which is {other:?}"),
    };
    ensure!(media_type.ends_with(ending), "`{digest}` is {compression:?} and named `{media_type}`");
    Ok(())
}

/// A body without its coding.
fn decoded(response: &Response) -> anyhow::Result<Vec<u8>> {
    match response.header("content-encoding") {
        None => Ok(response.body.clone()),
        Some("gzip") => {
            let mut plain = Vec::new();
            MultiGzDecoder::new(response.body.as_slice()).read_to_end(&mut plain)?;
            Ok(plain)
        }
        Some(other) => bail!("it is coded as `{other}`"),
    }
}
