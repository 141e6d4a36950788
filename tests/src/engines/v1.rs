//! Docker 1.5.0, which pulls by version 1: the requests that were recorded from it, and the rules by which it takes the answers
//! (docker 1.5, `graph/pull.go`, `registry/session.go`).

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::rules::Image;
use crate::http;
use downshift_cases::response::Response;

const USER_AGENT: &str = "docker/1.5.0 go/go1.3.3 git-commit/a8a31ef kernel/3.16.0 os/linux arch/amd64";

/// Whether there is a registry it asks without saying its name.
const NAMELESS: &str = "Go-http-client/1.1";

/// An image that a pull brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: String,
    /// Its layer.
    pub layer: Vec<u8>,
}

/// How the token of a pull is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAs {
    /// As authorization: over HTTP, and where a name and password are asked for.
    Authorization,
    /// As a cookie, beside an empty name and password that go with everything: over HTTPS, where nobody has to log in.
    Cookie,
}

/// A pull on its way.
pub struct V1Pull {
    registry: SocketAddr,
    repository: String,
    how: TokenAs,
    token: Option<String>,
    cookie: Option<String>,
}

impl V1Pull {
    /// Begins one: looks what there is, and falls back to version 1 as version 2 has no manifest.
    ///
    /// # Errors
    /// What the engine would print.
    pub fn begin(registry: SocketAddr, repository: &str, tag: &str, how: TokenAs) -> anyhow::Result<Self> {
        let mut pull = Self { registry, repository: repository.to_owned(), how, token: None, cookie: None };
        let base = pull.send_as(NAMELESS, "/v2/", &[])?;
        ensure!(base.status == 200, "the base has status {}", base.status);
        let manifest = pull.send(&format!("/v2/{repository}/manifests/{tag}"))?;
        ensure!(manifest.status != 200, "it would go on by version 2, and find no TarSum digest there");
        let ping = pull.send_as(NAMELESS, "/v1/_ping", &[])?;
        let is_standalone = match ping.header("x-docker-registry-standalone") {
            Some(text) => text.eq_ignore_ascii_case("true") || text == "1",
            None => ping.json().ok().and_then(|json| json["standalone"].as_bool()).unwrap_or(true),
        };
        ensure!(!is_standalone, "over HTTPS it would say its name and password with everything");
        let path = format!("/v1/repositories/{repository}/images");
        let images = pull.send_as(USER_AGENT, &path, &[("X-Docker-Token", "true")])?;
        let text = String::from_utf8_lossy(&images.body).into_owned();
        match images.status {
            200 => {}
            404 => bail!("Error: image {repository}:{tag} not found"),
            401 => bail!("Authentication is required."),
            status => bail!("Error: Status {status} trying to pull repository {repository}: {text:?}"),
        }
        let listed: Vec<Value> = serde_json::from_slice(&images.body)?;
        ensure!(listed.iter().all(|image| image["id"].is_string()), "an image has no id");
        pull.token = images.header("x-docker-token").map(str::to_owned);
        // Its jar has no more of a cookie than its name and value.
        let cookie = images.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        pull.cookie = cookie.map(str::to_owned);
        Ok(pull)
    }

    /// The ids of the images that tags have.
    ///
    /// # Errors
    /// What the engine would print.
    pub fn tags(&self) -> anyhow::Result<BTreeMap<String, String>> {
        // In this place alone.
        let library = if self.repository.contains('/') { "" } else { "library/" };
        let tags = self.send(&format!("/v1/repositories/{library}{}/tags", self.repository))?;
        ensure!(tags.status != 404, "Repository not found");
        ensure!(tags.status == 200, "Could not reach any registry endpoint");
        Ok(serde_json::from_slice(&tags.body)?)
    }

    /// The ids of an image and of those below it.
    ///
    /// # Errors
    /// What the engine would print.
    pub fn ancestry(&self, id: &str) -> anyhow::Result<Vec<String>> {
        let ancestry = self.send(&format!("/v1/images/{id}/ancestry"))?;
        let status = ancestry.status;
        ensure!(status == 200, "Server error: {status} trying to fetch remote history for {id}");
        let ids: Vec<String> = serde_json::from_slice(&ancestry.body)?;
        ensure!(ids.first().is_some_and(|first| first == id), "the history is not that of {id}");
        Ok(ids)
    }

    /// An image with its layer, if those are `registered` that it needs.
    ///
    /// # Errors
    /// What the engine would print.
    pub fn image(&self, id: &str, registered: &BTreeSet<String>) -> anyhow::Result<Registered> {
        let json = self.send(&format!("/v1/images/{id}/json"))?;
        ensure!(json.status == 200, "HTTP code {}", json.status);
        let size: Option<u64> = json.header("x-docker-size").map(str::parse).transpose()?;
        let image: Image = serde_json::from_slice(&json.body).context("Failed to parse json")?;
        ensure!(image.id == id, "the image has the id `{}`", image.id);
        let parent = image.parent();
        ensure!(parent.is_empty() || registered.contains(parent), "no such id: {parent}");
        let layer = self.send(&format!("/v1/images/{id}/layer"))?;
        let status = layer.status;
        ensure!(status == 200, "Server error: Status {status} while fetching image layer ({id})");
        // Where it breaks off it is gone on with by these.
        ensure!(size == Some(layer.body.len() as u64), "the size is {size:?}");
        ensure!(layer.header("accept-ranges") == Some("bytes"), "it could not be gone on with");
        Ok(Registered { id: id.to_owned(), layer: layer.body })
    }

    /// What is left of a layer from this byte on, as it is asked for after a break: to one byte past the end.
    ///
    /// # Errors
    /// What the engine would print.
    pub fn rest(&self, id: &str, start: usize, size: usize) -> anyhow::Result<Vec<u8>> {
        let range = format!("bytes={start}-{size}");
        let path = format!("/v1/images/{id}/layer");
        let rest = self.send_as(USER_AGENT, &path, &[("Range", &range)])?;
        ensure!(rest.status == 206, "the server doesn't support byte ranges");
        Ok(rest.body)
    }

    /// Goes on to the end: all images, the lowest first.
    ///
    /// # Errors
    /// What the engine would print.
    pub fn finish(&self, tag: &str) -> anyhow::Result<Vec<Registered>> {
        let tags = self.tags()?;
        let id = tags.get(tag).with_context(|| format!("Tag {tag} not found in repository"))?;
        let mut registered = BTreeSet::new();
        let mut images = Vec::new();
        for id in self.ancestry(id)?.iter().rev() {
            images.push(self.image(id, &registered)?);
            registered.insert(id.clone());
        }
        Ok(images)
    }

    /// The same with a token that nobody has given.
    #[must_use]
    pub fn with_another_token(self) -> Self {
        let token = self.token.map(|token| token.chars().rev().collect());
        Self { token, cookie: None, ..self }
    }

    fn send(&self, path: &str) -> anyhow::Result<Response> {
        self.send_as(USER_AGENT, path, &[])
    }

    fn send_as(&self, agent: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Response> {
        let authorization = match (self.how, &self.token) {
            (TokenAs::Cookie, _) => Some("Basic Og==".to_owned()),
            (TokenAs::Authorization, Some(token)) => Some(format!("Token {token}")),
            (TokenAs::Authorization, None) => None,
        };
        let mut all = vec![("User-Agent", agent)];
        all.extend(headers);
        all.extend(authorization.iter().map(|value| ("Authorization", value.as_str())));
        // The jar says it in both cases; here the one is looked at without the other.
        let cookie = self.cookie.as_ref().filter(|_| self.how == TokenAs::Cookie);
        all.extend(cookie.map(|value| ("Cookie", value.as_str())));
        all.push(("Accept-Encoding", "gzip"));
        let response = http::send(self.registry, "GET", path, &all)?;
        ensure!(response.header("content-encoding").is_none(), "`{path}` is packed");
        Ok(response)
    }
}
