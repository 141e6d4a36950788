//! What the settings are written from, and what all of them say.

use downshift::Form;
use downshift_json::{Object, array};
use downshift_registry::{Body, v1_images};

use crate::rules::{Rule, Rules};
use crate::tree::{Headers, extension};
use crate::v1::is_v1;

/// What the settings are written from.
#[derive(Clone, Debug)]
pub struct Site<'s> {
    /// Who gets what.
    pub rules: &'s Rules,
    /// The media types of manifests that are of no form.
    pub other_types: Vec<String>,
    /// What is said of each path.
    pub headers: &'s Headers,
}

/// The version of the protocol, without which Docker 1.9 and earlier take a registry for one of version 1.
pub(super) const API_VERSION: &str = "registry/2.0";
pub(super) const JSON: &str = "application/json; charset=utf-8";
/// How long caches keep what a tag stands for.
pub const BY_TAG: &str = "no-cache";
/// The same of what is there by its digest.
pub const BY_DIGEST: &str = "max-age=31536000, immutable";
/// The same of a blob.
pub const BLOB: &str = "max-age=31536000";
pub(super) const VARY: &str = "Accept, User-Agent";

/// What a digest looks like in a path.
pub(super) const DIGEST: &str = "sha(?:256|384|512):[0-9a-f]+";
/// What a tag looks like.
pub(super) const TAG: &str = "[A-Za-z0-9_][A-Za-z0-9._-]*";

/// The answers that are errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Blob,
    Manifest,
    Name,
    Path,
    Write,
}

impl Problem {
    pub(super) const ALL: [Self; 5] = [Self::Blob, Self::Manifest, Self::Name, Self::Path, Self::Write];

    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Blob => "errors/blob-unknown.json",
            Self::Manifest => "errors/manifest-unknown.json",
            Self::Name => "errors/name-unknown.json",
            Self::Path => "errors/unknown-path.json",
            Self::Write => "errors/unsupported.json",
        }
    }

    /// The body, in the form of the specification (OCI distribution specification, "Error Codes").
    pub(super) fn body(self) -> String {
        let (code, message) = match self {
            Self::Blob => ("BLOB_UNKNOWN", "this repository has no such blob"),
            Self::Manifest => (
                "MANIFEST_UNKNOWN",
                "this repository has no such manifest, or none for this client: see its tags/list; the operator can publish it \
                 for other clients",
            ),
            Self::Name => ("NAME_UNKNOWN", "there is no such repository"),
            Self::Path => ("UNSUPPORTED", "this registry is made of files, and has no such part"),
            Self::Write => ("UNSUPPORTED", "this registry is read-only"),
        };
        let error = Object::new().text("code", code).text("message", message).finish();
        Object::new().json("errors", &array([error])).finish()
    }
}

/// What old engines are told who ask for version 1 after an error.
pub(super) const NO_V1: &str = "this registry speaks version 2 only";

/// What Docker before 1.6 is told of an image or a repository that is not there.
pub(super) const NO_V1_IMAGE: &str = "there is no such image";

/// What engines that say who they are begin with. Some do not where they ask whether there is version 1.
pub(super) const DOCKER: &str = "^docker/";

/// That no cache in between may keep version 1 for engines that are not to have it.
pub(super) const NO_STORE: &str = "no-store";

/// The folder of version 1.
pub(super) use crate::v1::FOLDER as V1_FOLDER;

/// The answer to `/v1/_ping`: its own headers, and its body.
pub(super) fn v1_ping() -> (Vec<(&'static str, String)>, String) {
    let response = v1_images::ping();
    let is_own = |(name, _): &(&'static str, String)| name.starts_with("x-docker-");
    let body = match response.body {
        Body::Bytes(body) => String::from_utf8_lossy(&body).into_owned(),
        _ => String::new(),
    };
    (response.headers.into_iter().filter(is_own).collect(), body)
}

/// The media type of what version 1 says.
pub(super) const V1_JSON: &str = "application/json";

impl Site<'_> {
    /// The variants of clients that pull by version 1; none if there is nothing for them.
    pub(super) fn v1_variants(&self) -> Vec<&str> {
        self.rules.v1_variants()
    }

    /// By which `User-Agent` these clients are known.
    pub(super) fn v1_patterns(&self) -> impl Iterator<Item = &str> {
        let is_one = |rule: &&Rule| rule.variant.as_deref().is_some_and(is_v1);
        self.rules.agents.iter().filter(is_one).map(|rule| rule.pattern.as_str())
    }

    /// The file names of manifests end so for these media types.
    pub(super) fn types(&self) -> Vec<(String, &str)> {
        let forms = Form::ALL.iter().chain([&Form::Other]).map(|form| form.media_type());
        let all = forms.chain(self.other_types.iter().map(String::as_str));
        all.map(|media_type| (extension(media_type), media_type)).collect()
    }

    /// The rules, for programs.
    pub(super) fn rules_json(&self) -> String {
        let rules = |rules: &[Rule]| {
            array(rules.iter().map(|rule| {
                let mut object = Object::new();
                object.text("pattern", &rule.pattern).optional_text("variant", rule.variant.as_deref());
                object.finish()
            }))
        };
        let variants = array(self.rules.variants.iter().map(|variant| {
            let clients = array(variant.clients.iter().map(|name| downshift_json::string(name)));
            Object::new().json("clients", &clients).text("name", &variant.name).finish()
        }));
        let types = self.types();
        let mut by_extension = Object::new();
        for (extension, media_type) in &types {
            by_extension.text(extension, media_type);
        }
        let mut text = Object::new()
            .json("accept", &rules(&self.rules.accepts))
            .json("types", &by_extension.finish())
            .json("userAgent", &rules(&self.rules.agents))
            .json("variants", &variants)
            .finish();
        text.push('\n');
        text
    }
}
