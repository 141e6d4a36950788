//! HTTP messages as data: the parts that requests and responses are made of.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use downshift::Digest;

/// `Docker-Distribution-Api-Version`, without which Docker ≤ 1.9 takes a registry for one of version 1.
const API_VERSION: &str = "registry/2.0";

/// The media type of JSON that is not a manifest, as Distribution spells it.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// The value of `Cache-Control` for one caller only: its own cache may keep the answer, and has to ask each time whether
/// it may still have it (RFC 9111, 5.2.2.4 and 5.2.2.7).
const PRIVATE: &str = "private, no-cache";

/// What stands behind that where nobody on the way may change how a body is coded (RFC 9111, 5.2.2.6).
pub(crate) const NO_TRANSFORM: &str = ", no-transform";

/// What no cache keeps.
pub(crate) const NO_STORE: &str = "no-store";

/// The value of `Vary` for every answer to a request for a manifest, errors included. The `User-Agent` decides beside the
/// `Accept`: it names the platform, and by digest an engine that would fail on the bytes is told so, where others get them.
pub(crate) const DECIDES_MANIFESTS: &str = "Accept, User-Agent";

/// The methods that a registry without writes has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`: the same without the body.
    Head,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, named in lower case as HTTP/2 wants them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// The body of a [`Response`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// These bytes.
    Bytes(Bytes),
    /// This range of the blob that was asked for, from the shell's store.
    Blob(Range<u64>),
    /// The whole blob that was asked for, of which nobody knows how long it is.
    Stream,
    /// Several ranges of the blob that was asked for, each with its own head.
    Parts(Parts),
}

/// Several ranges of a blob, as they are written one after the other (RFC 9110, 14.6: `multipart/byteranges`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Each range, and the bytes that come before it.
    pub parts: Vec<(Bytes, Range<u64>)>,
    /// The bytes that come after all of them.
    pub end: Bytes,
}

impl Parts {
    /// One range, and nothing beside it.
    #[must_use]
    pub fn one(range: Range<u64>) -> Self {
        Self { parts: [(Bytes::new(), range)].into(), end: Bytes::new() }
    }

    /// Where the last of them ends in the blob.
    #[must_use]
    pub fn last_byte(&self) -> u64 {
        self.parts.last().map_or(0, |(_, range)| range.end)
    }

    /// How many bytes they all have.
    #[must_use]
    pub fn length(&self) -> u64 {
        let parts = self
            .parts
            .iter()
            .map(|(head, range)| range.end.saturating_sub(range.start).saturating_add(head.len() as u64));
        parts.fold(self.end.len() as u64, u64::saturating_add)
    }
}

impl Response {
    /// What this becomes for a request with `method`: for `HEAD` the same without its body. `Content-Length` stays.
    #[must_use]
    pub fn for_method(self, method: Method) -> Self {
        match method {
            Method::Get => self,
            Method::Head => Self { body: Body::Bytes(Bytes::new()), ..self },
        }
    }

    /// The same response where a caller had to be let in: it is for this caller only, whatever it is.
    #[must_use]
    pub fn for_one_caller(mut self) -> Self {
        keep_private(&mut self.headers);
        self
    }

    pub(crate) fn new(status: u16) -> Self {
        let response = Self { status, headers: Vec::with_capacity(12), body: Body::Bytes(Bytes::new()) };
        response
            .with("docker-distribution-api-version", API_VERSION)
            .with("x-content-type-options", "nosniff")
    }

    pub(crate) fn moved(location: &str) -> Self {
        // Without a word about it, a cache may keep a 301 for as long as it likes (RFC 9110, 15.4.2).
        Self::new(301).with("location", location).with("cache-control", NO_STORE).with("content-length", "0")
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.push(name, value.into());
        self
    }

    pub(crate) fn with_number(self, name: &'static str, value: u64) -> Self {
        self.with(name, value.to_string())
    }

    fn push(&mut self, name: &'static str, value: String) {
        self.headers.push((name, value));
    }

    pub(crate) fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.set_body(content_type, body.into());
        self
    }

    fn set_body(&mut self, content_type: &str, body: Bytes) {
        self.push("content-type", content_type.to_string());
        self.push("content-length", body.len().to_string());
        self.body = Body::Bytes(body);
    }

    pub(crate) fn with_digest(self, digest: &Digest) -> Self {
        self.with("docker-content-digest", digest.as_str())
            .with("etag", ["\"", digest.as_str(), "\""].concat())
    }
}

/// Has no shared cache keep the response with these `headers`: their `Cache-Control` becomes `private, no-cache`, unless
/// no cache at all may keep it.
pub fn keep_private(headers: &mut Vec<(&'static str, String)>) {
    match headers.iter_mut().find(|(name, _)| *name == "cache-control") {
        Some((_, value)) if value.starts_with(NO_STORE) => {}
        // Nobody may code it anew for one caller either.
        Some((_, value)) if value.ends_with(NO_TRANSFORM) => *value = [PRIVATE, NO_TRANSFORM].concat(),
        Some((_, value)) => *value = PRIVATE.to_string(),
        None => headers.push(("cache-control", PRIVATE.to_string())),
    }
}
