//! Docker 1.5 to 20.10 as clients: the requests that they send, and the rules by which they take the answers.
//!
//! The requests were recorded from these versions, built from their tags; those of 20.10 and what it prints from Debian's
//! 20.10.24, and what 1.13 prints is from its source. Of what is tested here only the verification of signatures is used.

mod docker;
mod rules;
mod v1;

use core::net::SocketAddr;
use std::thread;

use anyhow::{Context, anyhow, bail, ensure};
use downshift::{Digest, Form};
use serde_json::Value;

pub use self::docker::Docker;
use self::rules::Image;
pub use self::v1::{Registered, TokenAs, V1Pull};
use crate::http;
use downshift_cases::response::Response;

/// What a pull brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The digest that came with the manifest.
    pub reported: Option<String>,
    /// The layers, lowest first, the empty ones included where the engine fetches them.
    pub layers: Vec<Vec<u8>>,
}

impl Docker {
    /// Pulls an image by a tag or a digest.
    ///
    /// # Errors
    /// What the engine would print: it does not take an answer, or the registry refuses.
    pub fn pull(self, registry: SocketAddr, repository: &str, reference: &str) -> anyhow::Result<Pulled> {
        let client = Client { docker: self, registry, repository };
        // 1.6 and 1.7 look whether there is a registry once for its version, and once for themselves.
        for _ in 0..if self <= Self::V1_7_1 { 2 } else { 1 } {
            client.ping()?;
        }
        let response = client.manifest(reference)?;
        let layers = if response.header("content-type") == Some(Form::Schema1.media_type())
            || self <= Self::V1_9_1
        {
            client.schema1_layers(&rules::images(self, &response, Digest::parse(reference).ok().as_ref())?)?
        } else {
            client.schema2_layers(&response)?
        };
        Ok(Pulled { reported: response.header("docker-content-digest").map(ToString::to_string), layers })
    }

    /// Takes a schema 1 manifest that was asked for by tag, or by the digest `pinned`: whether the engine would.
    ///
    /// # Errors
    /// The rule by which it does not.
    pub fn takes(self, response: &Response, pinned: Option<&Digest>) -> anyhow::Result<()> {
        rules::images(self, response, pinned).map(|_| ())
    }

    /// What it says of itself.
    #[must_use]
    pub fn user_agent(self) -> String {
        let (go, commit) = match self {
            Self::V1_6_2 => ("1.4.2", "7c8fca2"),
            Self::V1_7_1 => ("1.4.2", "786b29d"),
            Self::V1_8_3 => ("1.4.2", "f4bf5c7"),
            Self::V1_9_1 => ("1.4.3", "a34a1d5"),
            Self::V1_10_3 => ("1.5.3", "20f81dd"),
            Self::V1_13_1 => ("1.7.5", "092cba3"),
            Self::V20_10_24 => ("1.19.8", "5d6db84"),
        };
        let version = self.version();
        format!("docker/{version} go/go{go} git-commit/{commit} kernel/3.16.0 os/linux arch/amd64")
    }

    /// The `Accept` lines of its requests for manifests. Those of 1.10 come in random order.
    const fn accept(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::V1_6_2 | Self::V1_7_1 | Self::V1_8_3 | Self::V1_9_1 => &[],
            Self::V1_10_3 | Self::V1_13_1 => &[
                ("Accept", "application/vnd.docker.distribution.manifest.list.v2+json"),
                ("Accept", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
                ("Accept", "application/json"),
                ("Accept", "application/vnd.docker.distribution.manifest.v2+json"),
            ],
            Self::V20_10_24 => &[
                ("Accept", "application/vnd.oci.image.manifest.v1+json"),
                ("Accept", "application/vnd.oci.image.index.v1+json"),
                ("Accept", "application/vnd.docker.distribution.manifest.list.v2+json"),
                ("Accept", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
                ("Accept", "application/json"),
                ("Accept", "application/vnd.docker.distribution.manifest.v2+json"),
            ],
        }
    }
}

/// The types of configs that Docker takes for those of images (moby, `distribution/registry.go`).
const IMAGE_CONFIGS: [&str; 6] = [
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
];

/// A version of Docker that talks to a registry about a repository.
#[derive(Clone, Copy)]
struct Client<'a> {
    docker: Docker,
    registry: SocketAddr,
    repository: &'a str,
}

impl Client<'_> {
    /// Looks whether there is a registry of version 2; otherwise these engines speak version 1.
    fn ping(self) -> anyhow::Result<()> {
        let response = self.send("GET", "/v2/", &[])?;
        let versions = response.header("docker-distribution-api-version").unwrap_or_default();
        ensure!(response.status == 200, "the base has status {}", response.status);
        ensure!(versions.split(' ').any(|version| version == "registry/2.0"), "it is no V2 registry");
        Ok(())
    }

    fn manifest(self, reference: &str) -> anyhow::Result<Response> {
        let path = |reference: &str| format!("/v2/{}/manifests/{reference}", self.repository);
        if self.docker >= Docker::V20_10_24 && Digest::parse(reference).is_err() {
            // It asks by the digest that HEAD reports, and by the tag where that is of no use.
            let head = self.send("HEAD", &path(reference), self.docker.accept())?;
            if let Some(digest) = head.header("docker-content-digest").filter(|_| head.status == 200) {
                let response = self.send("GET", &path(digest), self.docker.accept())?;
                if response.status == 200 {
                    return Ok(response);
                }
            }
        }
        let response = self.send("GET", &path(reference), self.docker.accept())?;
        if response.status == 200 {
            return Ok(response);
        }
        Err(self.refused(reference, &response)?)
    }

    /// What it says of an error in the place of a manifest.
    fn refused(self, reference: &str, response: &Response) -> anyhow::Result<anyhow::Error> {
        if response.status >= 500 && self.docker >= Docker::V1_10_3 {
            // The body is not read (distribution, `registry/client/errors.go`).
            return Ok(anyhow!("received unexpected HTTP status: {}", response.status));
        }
        let errors = &response.json()?["errors"];
        // 1.8 and 1.9 crash without a first entry.
        let error = errors.as_array().and_then(|errors| errors.first()).context("there is no error")?;
        let code = error["code"].as_str().context("an error has no code")?;
        let message = error["message"].as_str().context("an error has no message")?;
        let text = format!("{}: {message}", code.to_lowercase().replace('_', " "));
        let name = self.repository;
        let is_unknown = matches!(code, "MANIFEST_UNKNOWN" | "NAME_UNKNOWN");
        Ok(match self.docker {
            Docker::V1_6_2 | Docker::V1_7_1 => self.failed()?,
            Docker::V1_8_3 | Docker::V1_9_1 if response.status >= 500 => self.failed()?,
            _ if is_unknown && self.docker <= Docker::V1_13_1 => self.failed()?,
            // `distribution/errors.go` since 1.13; of 20.10 it was measured.
            Docker::V1_13_1 if code == "DENIED" => {
                anyhow!("repository {name} not found: does not exist or no pull access")
            }
            Docker::V20_10_24 => match code {
                "DENIED" => anyhow!(
                    "pull access denied for {name}, repository does not exist or may require 'docker login': {text}"
                ),
                "MANIFEST_UNKNOWN" => anyhow!("manifest for {name}:{reference} not found: {text}"),
                "NAME_UNKNOWN" => anyhow!("repository {name} not found: {text}"),
                _ => anyhow!(text),
            },
            _ => anyhow!(text),
        })
    }

    /// What it says in the end, which is what version 1 says.
    fn failed(self) -> anyhow::Result<anyhow::Error> {
        let path = format!("/v1/repositories/{}/images", self.repository);
        let v1 = self.send("GET", &path, &[("X-Docker-Token", "true")])?;
        let text = String::from_utf8_lossy(&v1.body).into_owned();
        Ok(match v1.status {
            404 => anyhow!("image {} not found", self.repository),
            status => anyhow!("{status} of V1: {}", text.trim()),
        })
    }

    fn schema1_layers(self, images: &[(String, Image)]) -> anyhow::Result<Vec<Vec<u8>>> {
        // Since 1.10 there is nothing to fetch where the history says so.
        let is_fetched = |image: &Image| self.docker <= Docker::V1_9_1 || !image.throwaway;
        let blobs = images.iter().rev().filter(|(_, image)| is_fetched(image)).map(|(blob, _)| blob.as_str());
        self.blobs(blobs)
    }

    fn schema2_layers(self, response: &Response) -> anyhow::Result<Vec<Vec<u8>>> {
        let document = response.json()?;
        if let Some(entries) = document["manifests"].as_array() {
            let is_ours = |entry: &&Value| {
                entry["platform"]["os"] == "linux" && entry["platform"]["architecture"] == "amd64"
            };
            let none = if self.docker >= Docker::V20_10_24 {
                "no matching manifest for linux/amd64 in the manifest list entries"
            } else {
                "no supported platform found in manifest list"
            };
            let entry = entries.iter().find(is_ours).context(none)?;
            let digest = entry["digest"].as_str().context("an entry has no digest")?;
            let response = self.manifest(digest)?;
            ensure!(Digest::parse(digest)?.matches(&response.body), "manifest verification failed");
            return self.schema2_layers(&response);
        }
        let config_type = document["config"]["mediaType"].as_str().unwrap_or_default();
        if self.docker >= Docker::V20_10_24 && !IMAGE_CONFIGS.contains(&config_type) {
            bail!("Encountered remote \"{config_type}\"(unknown) when fetching");
        }
        let of = |part: &Value| part["digest"].as_str().map(ToString::to_string).context("no digest");
        let layers = document["layers"].as_array().context("there are no layers")?;
        let layers: Vec<String> = layers.iter().map(of).collect::<anyhow::Result<_>>()?;
        self.blob(&of(&document["config"])?)?;
        self.blobs(layers.iter().map(String::as_str))
    }

    /// Fetches blobs, all at once since 1.8.
    fn blobs<'b>(self, digests: impl Iterator<Item = &'b str>) -> anyhow::Result<Vec<Vec<u8>>> {
        if self.docker <= Docker::V1_7_1 {
            return digests.map(|digest| self.blob(digest)).collect();
        }
        thread::scope(|scope| {
            let fetching: Vec<_> = digests.map(|digest| scope.spawn(move || self.blob(digest))).collect();
            fetching.into_iter().map(|thread| thread.join().expect("fetching does not panic")).collect()
        })
    }

    fn blob(self, digest: &str) -> anyhow::Result<Vec<u8>> {
        let path = format!("/v2/{}/blobs/{digest}", self.repository);
        let length = |response: &Response| -> anyhow::Result<usize> {
            Ok(response.header("content-length").context("a blob has no length")?.parse()?)
        };
        let mut announced = None;
        if matches!(self.docker, Docker::V1_8_3 | Docker::V1_9_1) {
            let head = self.send("HEAD", &path, &[])?;
            if !(200..400).contains(&head.status) {
                return Err(self.failed()?);
            }
            announced = Some(length(&head)?);
        }
        let response = self.send("GET", &path, &[])?;
        if response.status != 200 && self.docker <= Docker::V1_9_1 {
            return Err(self.failed()?);
        }
        // `distribution/pull_v2.go`; of 20.10 it was measured.
        ensure!(response.status != 404, "unknown blob");
        ensure!(response.status == 200, "a blob has status {}", response.status);
        let length = length(&response)?;
        ensure!(announced.is_none_or(|announced| announced == length), "HEAD has another length");
        // 1.6 logs it only; what is there must be right all the same.
        ensure!(Digest::parse(digest)?.matches(&response.body), "filesystem layer verification failed");
        Ok(response.body)
    }

    /// Sends a request as Go does it: its own headers, these, and those of its transport.
    fn send(self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Response> {
        let agent = self.docker.user_agent();
        let mut all = vec![("User-Agent", agent.as_str())];
        all.extend(headers);
        if method == "GET" {
            all.push(("Accept-Encoding", "gzip"));
        }
        let response = http::send(self.registry, method, path, &all)?;
        // Go would unpack it, and forget its length.
        ensure!(response.header("content-encoding").is_none(), "`{path}` is packed");
        Ok(response)
    }
}
