//! Responses, but for [errors](crate::error).

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use downshift::answer::Answer;
use downshift::{Capabilities, Digest, EMPTY_LAYER, Form, SourceSignature};
use downshift_json::{Object, array, string};

use crate::coding::DECIDES_CODING;
use crate::conditions::Selection;
use crate::message::{DECIDES_MANIFESTS, JSON, NO_STORE, NO_TRANSFORM};
use crate::route::CATALOG_PATH;
use crate::{Body, Coding, Method, Page, Parts, Reference, Request, Response, Route, Token, error, is_tag};

/// What a tag points to may change: caches may keep it, and ask each time.
const BY_TAG: &str = "no-cache";

/// What a digest names never changes (`immutable` is of RFC 8246).
const BY_DIGEST: &str = "max-age=31536000, immutable";

/// A year, as in Distribution.
const BLOB: &str = "max-age=31536000";

/// `/`: nothing, as in Distribution, for load balancers that look there.
#[must_use]
pub fn root() -> Response {
    Response::new(200).with("cache-control", BY_TAG).with("content-length", "0")
}

/// `/v2/`: that there is a registry.
#[must_use]
pub fn base() -> Response {
    Response::new(200).with_body(JSON, Bytes::from_static(b"{}"))
}

/// A token of an upstream registry's token service, for the client.
#[must_use]
pub fn token(token: &Token) -> Response {
    let Token { value, lifetime, .. } = token;
    // Under both names: Docker ≤ 1.9 knows the first only.
    let value = value.as_str();
    let mut body = Object::new();
    body.text("access_token", value).number("expires_in", *lifetime).text("token", value);
    Response::new(200).with("cache-control", NO_STORE).with_body(JSON, body.finish().into_bytes())
}

/// `/v1/…`: that there is no registry of version 1, in its plain text. Other clients are told something else, and the same one
/// may be after its next failure.
#[must_use]
pub fn no_v1() -> Response {
    Response::new(404)
        .with("cache-control", NO_STORE)
        .with_body("text/plain; charset=utf-8", Bytes::from_static(b"this registry speaks version 2 only\n"))
}

/// A manifest as clients get it: what remains of an [`Answer`] once its records are kept. Clones share the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its form, which gives the Content-Type.
    pub form: Form,
    /// Its own media type, where its form has none: that of a JSON document, without parameters.
    pub media_type: Option<String>,
    /// The digest to report.
    pub digest: Digest,
    /// The exact bytes.
    pub body: Bytes,
    /// The digest of the stored manifest that this was made from, where it is not that manifest itself.
    pub source: Option<Digest>,
    /// What the signatures of that prove, if it is schema 1.
    pub signature: Option<SourceSignature>,
}

impl Manifest {
    /// Whether a client that asks for a tag takes it, where its [form](Self::form) does not say that.
    #[must_use]
    pub fn is_for(&self, client: &Capabilities) -> bool {
        self.form != Form::Other || client.takes(self.media_type.as_deref())
    }
}

impl From<Answer<'_>> for Manifest {
    fn from(answer: Answer<'_>) -> Self {
        let Answer { form, media_type, digest, body, source, report, .. } = answer;
        Self { form, media_type, digest, body: body.into_owned().into(), source, signature: report.signature }
    }
}

/// A manifest, or 304 if the client has it.
#[must_use]
pub fn manifest(request: &Request, manifest: &Manifest) -> Response {
    let not_modified = request.conditions.has(&manifest.digest);
    let by_digest = matches!(&request.route, Route::Manifest { reference: Reference::Digest(_), .. });
    let mut response = Response::new(if not_modified { 304 } else { 200 })
        .with_digest(&manifest.digest)
        .with("vary", DECIDES_MANIFESTS)
        .with("cache-control", if by_digest { BY_DIGEST } else { BY_TAG });
    if let (Some(source), Route::Manifest { name, .. }) = (&manifest.source, &request.route) {
        // The same image as it is stored (RFC 8288; `alternate` is of HTML).
        response = response
            .with("downshift-source-digest", source.as_str())
            .with("link", ["</v2/", name, "/manifests/", source.as_str(), ">; rel=\"alternate\""].concat());
    }
    if let Some(signature) = &manifest.signature {
        response = response.with("downshift-source-signature", signature.to_string());
    }
    if not_modified {
        return response;
    }
    if manifest.form == Form::Other {
        // Nobody knows what it is, so that no browser should make anything of it.
        response = response.with("content-security-policy", "sandbox");
    }
    let media_type = manifest.media_type.as_deref().unwrap_or(manifest.form.media_type());
    response.with_body(media_type, manifest.body.clone())
}

/// A blob of `size` bytes, a range of it, or 304 if the client has it.
#[must_use]
pub fn blob(request: &Request, digest: &Digest, size: u64) -> Response {
    selected(requested(request, digest, size), digest, size)
}

/// The client has the blob.
struct NotModified;

/// What is requested of a blob of `size` bytes.
fn requested(request: &Request, digest: &Digest, size: u64) -> Result<Selection, NotModified> {
    if request.conditions.has(digest) {
        return Err(NotModified);
    }
    Ok(match request.method {
        Method::Get => request.conditions.select(digest, size),
        // Ranges are defined for GET alone (RFC 9110, 14.2).
        Method::Head => Selection::Whole,
    })
}

fn selected(requested: Result<Selection, NotModified>, digest: &Digest, size: u64) -> Response {
    match requested {
        Err(NotModified) => Response::new(304).with_digest(digest).with("cache-control", BLOB),
        Ok(Selection::Whole) => blob_part(digest, size, None),
        Ok(Selection::Part(range)) => blob_part(digest, size, Some(range)),
        Ok(Selection::Parts(ranges)) => blob_parts(digest, size, ranges),
        Ok(Selection::Unsatisfiable) => error::range_invalid(size),
    }
}

/// A blob of `size` bytes, or that part of it which somebody else chose.
#[must_use]
pub fn blob_part(digest: &Digest, size: u64, part: Option<Range<u64>>) -> Response {
    let of_blob = |status| Response::new(status).with_digest(digest).with("cache-control", BLOB);
    let (response, range) = match part {
        None => (of_blob(200), 0..size),
        Some(range) => {
            let last = range.end.saturating_sub(1);
            let content_range = format!("bytes {}-{last}/{size}", range.start);
            (of_blob(206).with("content-range", content_range), range)
        }
    };
    let response = response
        .with("accept-ranges", "bytes")
        .with("content-type", "application/octet-stream")
        .with_number("content-length", range.end.saturating_sub(range.start));
    Response { body: Body::Blob(range), ..response }
}

/// Several parts of a blob of `size` bytes.
fn blob_parts(digest: &Digest, size: u64, ranges: Vec<Range<u64>>) -> Response {
    // Nothing of what it stands between may have it in it, and no blob has its own digest. It may have 70 characters (RFC 2046,
    // 5.1.1).
    let boundary = digest.hex().get(..64).unwrap_or(digest.hex());
    let head = |(index, range): (usize, &Range<u64>)| {
        let line = if index == 0 { "" } else { "\r\n" };
        let last = range.end.saturating_sub(1);
        let start = range.start;
        let head = format!(
            "{line}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {start}-{last}/{size}\r\n\r\n"
        );
        Bytes::from(head)
    };
    let heads: Vec<_> = ranges.iter().enumerate().map(head).collect();
    let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let parts = Parts { parts: heads.into_iter().zip(ranges).collect(), end };
    let response = Response::new(206)
        .with_digest(digest)
        .with("cache-control", BLOB)
        .with("accept-ranges", "bytes")
        .with("content-type", format!("multipart/byteranges; boundary={boundary}"))
        .with_number("content-length", parts.length());
    Response { body: Body::Parts(parts), ..response }
}

/// A blob of which nobody knows how long it is.
#[must_use]
pub fn blob_of_unknown_length(digest: &Digest) -> Response {
    let response = Response::new(200)
        .with_digest(digest)
        .with("cache-control", BLOB)
        .with("content-type", "application/octet-stream");
    Response { body: Body::Stream, ..response }
}

/// A blob that may be coded on its way, of `size` plain bytes: a layer that is stored compressed, under its diff id. With a
/// `coding` it has no length, for containerd from 2.0 on splits what has one by its coded bytes; without one it is as
/// [`blob`] says.
#[must_use]
pub fn plain_layer(request: &Request, diff_id: &Digest, size: u64, coding: Option<Coding>) -> Response {
    let Some(coding) = coding else {
        return varying(match requested(request, diff_id, size) {
            // One pass over the layer brings all of them, each as it comes to it; who asks for several may not rely on their order
            // (RFC 9110, 15.3.7.2).
            Ok(Selection::Parts(mut ranges)) => {
                ranges.sort_unstable_by_key(|range| range.start);
                blob_parts(diff_id, size, ranges)
            }
            requested => selected(requested, diff_id, size),
        });
    };
    let entity_tag = coding.entity_tag(diff_id);
    let not_modified = request.conditions.has_tag(&entity_tag);
    let response = Response::new(if not_modified { 304 } else { 200 })
        .with("docker-content-digest", diff_id.as_str())
        .with("etag", entity_tag)
        .with("cache-control", BLOB);
    let response = varying(response);
    if not_modified {
        return response;
    }
    let response =
        response.with("content-type", "application/octet-stream").with("content-encoding", coding.name());
    Response { body: Body::Stream, ..response }
}

/// The same response, where the codings that a client takes decide how it comes. Nobody on the way may code it anew: its
/// length and its parts would be others (RFC 9111, 5.2.2.6).
fn varying(mut response: Response) -> Response {
    if let Some((_, control)) = response.headers.iter_mut().find(|(name, _)| *name == "cache-control") {
        control.push_str(NO_TRANSFORM);
    }
    response.with("vary", DECIDES_CODING)
}

/// The empty layer.
#[must_use]
pub fn empty_layer(request: &Request) -> Response {
    blob_at_hand(request, &Digest::empty_layer(), &Bytes::from_static(&EMPTY_LAYER))
}

/// A blob whose bytes are at hand.
#[must_use]
pub fn blob_at_hand(request: &Request, digest: &Digest, bytes: &Bytes) -> Response {
    let mut response = blob(request, digest, bytes.len() as u64);
    let part = |range: &Range<u64>| {
        let range = usize::try_from(range.start).ok()..usize::try_from(range.end).ok();
        match range {
            Range { start: Some(start), end: Some(end) } if start <= end && end <= bytes.len() => {
                bytes.slice(start..end)
            }
            _ => Bytes::new(),
        }
    };
    let body = match &response.body {
        Body::Blob(range) => part(range),
        Body::Parts(Parts { parts, end }) => {
            let all = parts.iter().flat_map(|(head, range)| [head.clone(), part(range)]);
            Bytes::from(all.chain([end.clone()]).collect::<Vec<_>>().concat())
        }
        Body::Bytes(_) | Body::Stream => return response,
    };
    response.body = Body::Bytes(body);
    response
}

/// A blob that is elsewhere, at the URL `location`, for as long as the upstream registry means it to be there.
///
/// The status is 307, for Docker ≤ 1.11 does not follow 308.
#[must_use]
pub fn blob_elsewhere(digest: &Digest, location: &str) -> Response {
    Response::new(307)
        .with("docker-content-digest", digest.as_str())
        .with("location", location)
        .with("cache-control", NO_STORE)
        .with("content-type", "application/octet-stream")
        .with("content-length", "0")
}

/// What an upstream registry knows of a manifest's referrers, an OCI index; `filters` are those that it applied, and
/// `next` is the query of the next page.
#[must_use]
pub fn referrers(
    name: &str,
    digest: &Digest,
    index: impl Into<Bytes>,
    filters: Option<&str>,
    next: Option<&str>,
) -> Response {
    let mut response = Response::new(200).with("cache-control", BY_TAG);
    if let Some(filters) = filters {
        response = response.with("oci-filters-applied", filters);
    }
    if let Some(query) = next {
        response = response.with("link", format!("</v2/{name}/referrers/{digest}?{query}>; rel=\"next\""));
    }
    response.with_body(Form::Index.media_type(), index)
}

/// Tags as an upstream registry has put them on one page; `next` is the query of the next.
///
/// Registries that know no pages have all tags on one: then the `page` is made here.
#[must_use]
pub fn upstream_tags(name: &str, page: &Page, all: &[String], next: Option<&str>) -> Response {
    let is_paged = next.is_some()
        || page.n.is_none_or(|n| all.len() <= n) && page.last.as_ref().is_none_or(|last| !all.contains(last));
    if !is_paged {
        return tags(name, page, all.iter().map(String::as_str));
    }
    let mut response = Response::new(200).with("cache-control", BY_TAG);
    if let Some(query) = next {
        response = response.with("link", format!("</v2/{name}/tags/list?{query}>; rel=\"next\""));
    }
    with_tags(response, name, all.iter().map(String::as_str).filter(|tag| is_tag(tag)))
}

/// The `page` of a repository's tags, in order. Where tags are left, a `Link` header leads to the next page.
#[must_use]
pub fn tags<'a>(name: &str, page: &Page, tags: impl IntoIterator<Item = &'a str>) -> Response {
    let is_after = |tag: &str| page.last.as_deref().is_none_or(|last| tag > last);
    // What is no tag cannot be pulled, whatever a store may have.
    let mut tags: Vec<&str> = tags.into_iter().filter(|tag| is_tag(tag) && is_after(tag)).collect();
    tags.sort_unstable();
    tags.dedup();
    let n = page.n.unwrap_or(usize::MAX);
    let is_cut = tags.len() > n;
    tags.truncate(n);
    let response = Response::new(200).with("cache-control", BY_TAG);
    let response = match tags.last() {
        Some(last) if is_cut => {
            response.with("link", format!("</v2/{name}/tags/list?n={n}&last={last}>; rel=\"next\""))
        }
        _ => response,
    };
    with_tags(response, name, tags)
}

/// Repositories, as they are on a page of the catalog; `next` is the query of the next page.
#[must_use]
pub fn catalog<'a>(names: impl IntoIterator<Item = &'a str>, next: Option<&str>) -> Response {
    let mut response = Response::new(200).with("cache-control", BY_TAG);
    if let Some(query) = next {
        response = response.with("link", format!("<{CATALOG_PATH}?{query}>; rel=\"next\""));
    }
    let mut body = Object::new().json("repositories", &array(names.into_iter().map(string))).finish();
    body.push('\n');
    response.with_body(JSON, body.into_bytes())
}

fn with_tags<'a>(response: Response, name: &str, tags: impl IntoIterator<Item = &'a str>) -> Response {
    let tags = array(tags.into_iter().map(string));
    let mut body = Object::new().text("name", name).json("tags", &tags).finish();
    body.push('\n');
    response.with_body(JSON, body.into_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::string::ToString;
    use core::str;

    use super::*;

    /// The digest of no bytes.
    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const ETAG: &str = "\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"";

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request {
        Request::read(method, target, headers.iter().map(|&(name, value)| (name, value.as_bytes()))).unwrap()
    }

    fn answer(source: Option<Digest>) -> Manifest {
        let (form, digest, body) = (Form::Schema1, Digest::of(b""), Bytes::from_static(br#"{"a":1}"#));
        Manifest { form, media_type: None, digest, body, source, signature: None }
    }

    /// The status, the headers but for the two that every response has, and the body.
    fn shown(response: &Response) -> String {
        let (common, headers) = response.headers.split_at(2);
        let api_version = ("docker-distribution-api-version", "registry/2.0".to_string());
        assert_eq!(common, [api_version, ("x-content-type-options", "nosniff".to_string())]);
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let body = match &response.body {
            Body::Bytes(bytes) => str::from_utf8(bytes).unwrap().to_string(),
            Body::Blob(range) => format!("{range:?}"),
            Body::Stream => "..".to_string(),
            Body::Parts(Parts { parts, end }) => {
                let text = |bytes: &[u8]| str::from_utf8(bytes).unwrap().to_string();
                let parts: String =
                    parts.iter().map(|(head, range)| format!("{}{range:?}", text(head))).collect();
                [parts, text(end)].concat()
            }
        };
        format!("{}\n{headers}{body}", response.status)
    }

    #[test]
    fn what_needs_no_store_is_answered_as_by_distribution() {
        let json = "200\ncontent-type: application/json; charset=utf-8\ncontent-length: 2\n{}";
        assert_eq!(shown(&base()), json);
        assert_eq!(shown(&root()), "200\ncache-control: no-cache\ncontent-length: 0\n");
        assert_eq!(
            shown(&Response::moved("/v2/")),
            "301\nlocation: /v2/\ncache-control: no-store\ncontent-length: 0\n"
        );
        let text = "404\ncache-control: no-store\ncontent-type: text/plain; charset=utf-8\ncontent-length: 36\n\
                    this registry speaks version 2 only\n";
        assert_eq!(shown(&no_v1()), text);
    }

    #[test]
    fn a_manifest_by_tag_is_asked_for_again_each_time() {
        let request = request("GET", "/v2/a/manifests/latest", &[]);
        let expected = format!(
            "200\ndocker-content-digest: {DIGEST}\netag: {ETAG}\nvary: Accept, User-Agent\ncache-control: no-cache\n\
             content-type: application/vnd.docker.distribution.manifest.v1+prettyjws\ncontent-length: 7\n{{\"a\":1}}"
        );
        assert_eq!(shown(&manifest(&request, &answer(None))), expected);
    }

    #[test]
    fn a_converted_manifest_names_its_source_and_what_it_depends_on() {
        let request = request("HEAD", &format!("/v2/a/manifests/{DIGEST}"), &[]);
        let response = manifest(&request, &answer(Some(Digest::empty_layer()))).for_method(request.method);
        let expected = format!(
            "200\ndocker-content-digest: {DIGEST}\netag: {ETAG}\nvary: Accept, User-Agent\n\
             cache-control: max-age=31536000, immutable\ndownshift-source-digest: {0}\n\
             link: </v2/a/manifests/{0}>; rel=\"alternate\"\n\
             content-type: application/vnd.docker.distribution.manifest.v1+prettyjws\ncontent-length: 7\n",
            Digest::EMPTY_LAYER
        );
        assert_eq!(shown(&response), expected);
    }

    #[test]
    fn what_is_made_of_schema_1_says_what_its_signatures_prove() {
        let keys = ["ABCD:2345".to_string(), "WXYZ:7777".to_string()].into();
        for (signature, text) in [
            (SourceSignature::valid(keys), "valid; key=ABCD:2345; key=WXYZ:7777"),
            (SourceSignature::INVALID, "invalid"),
            (SourceSignature::NONE, "none"),
        ] {
            let answer = Manifest { signature: Some(signature), ..answer(Some(Digest::empty_layer())) };
            for headers in [&[][..], &[("if-none-match", ETAG)]] {
                let response = manifest(&request("GET", "/v2/a/manifests/latest", headers), &answer);
                let own = response.headers.iter().find(|(name, _)| *name == "downshift-source-signature");
                assert_eq!(own.map(|(_, value)| value.as_str()), Some(text), "{headers:?}");
            }
        }
    }

    #[test]
    fn a_manifest_that_the_client_has_is_not_sent_again() {
        let request = request("GET", "/v2/a/manifests/latest", &[("if-none-match", ETAG)]);
        let expected = format!(
            "304\ndocker-content-digest: {DIGEST}\netag: {ETAG}\nvary: Accept, User-Agent\ncache-control: no-cache\n"
        );
        assert_eq!(shown(&manifest(&request, &answer(None))), expected);
    }

    #[test]
    fn what_is_for_one_caller_is_in_no_shared_cache() {
        let control = |response: Response| {
            let headers = response.for_one_caller().headers.into_iter();
            headers.filter(|(name, _)| *name == "cache-control").map(|(_, value)| value).collect::<Vec<_>>()
        };
        let request = request("GET", &format!("/v2/a/manifests/{DIGEST}"), &[]);
        let digest = Digest::of(b"");
        for response in [
            base(),
            blob_part(&digest, 10, None),
            blob_part(&digest, 10, Some(4..6)),
            manifest(&request, &answer(None)),
            tags("a", &Page { n: None, last: None }, ["v1"]),
        ] {
            assert_eq!(control(response.clone()), ["private, no-cache"], "{response:?}");
        }
        for response in
            [Response::moved("/v2/"), error::blob_unknown(&digest), blob_elsewhere(&digest, "https://a/")]
        {
            assert_eq!(control(response.clone()), ["no-store"], "{response:?}");
        }
    }

    /// What a blob of ten bytes gives.
    fn blob_shown(method: &str, headers: &[(&str, &str)]) -> String {
        let request = request(method, &format!("/v2/a/blobs/{DIGEST}"), headers);
        shown(&blob(&request, &Digest::of(b""), 10).for_method(request.method))
    }

    #[test]
    fn blobs_are_whole_in_part_or_not_sent() {
        let head =
            format!("docker-content-digest: {DIGEST}\netag: {ETAG}\ncache-control: max-age=31536000\n");
        let types = "accept-ranges: bytes\ncontent-type: application/octet-stream\n";
        let whole = format!("200\n{head}{types}content-length: 10\n");
        let part = format!("206\n{head}content-range: bytes 4-9/10\n{types}content-length: 6\n4..10");
        let range = ("range", "bytes=4-");
        assert_eq!(blob_shown("GET", &[]), format!("{whole}0..10"));
        assert_eq!(blob_shown("HEAD", &[]), whole);
        assert_eq!(blob_shown("HEAD", &[range]), whole);
        assert_eq!(blob_shown("GET", &[range]), part);
        assert_eq!(blob_shown("GET", &[range, ("if-range", "\"x\"")]), format!("{whole}0..10"));
        assert_eq!(blob_shown("GET", &[range, ("if-none-match", ETAG)]), format!("304\n{head}"));
        let unsatisfiable = blob_shown("GET", &[("range", "bytes=10-")]);
        assert!(unsatisfiable.starts_with("416\n"), "{unsatisfiable}");
        assert!(unsatisfiable.contains("\ncontent-range: bytes */10\n"), "{unsatisfiable}");
    }

    #[test]
    fn several_parts_come_one_after_the_other() {
        let several = blob_shown("GET", &[("range", "bytes=8-,2-4")]);
        let boundary = DIGEST.split_once(':').unwrap().1;
        let part = |line, range| {
            format!(
                "{line}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Range: bytes {range}/10\r\n\r\n"
            )
        };
        let (first, second) = (part("", "8-9"), part("\r\n", "2-4"));
        let end = format!("\r\n--{boundary}--\r\n");
        let length = first.len() + 2 + second.len() + 3 + end.len();
        let expected = format!(
            "206\ndocker-content-digest: {DIGEST}\netag: {ETAG}\ncache-control: max-age=31536000\n\
             accept-ranges: bytes\ncontent-type: multipart/byteranges; boundary={boundary}\n\
             content-length: {length}\n{first}8..10{second}2..5{end}"
        );
        assert_eq!(several, expected);
    }

    #[test]
    fn a_plain_layer_says_what_decides_its_coding() {
        let shown = |method, headers: &[(&str, &str)], coding| {
            let request = request(method, &format!("/v2/a/blobs/{DIGEST}"), headers);
            shown(&plain_layer(&request, &Digest::of(b""), 10, coding).for_method(request.method))
        };
        let control = "cache-control: max-age=31536000, no-transform\n";
        let octets = "content-type: application/octet-stream\n";
        let vary = "vary: Accept-Encoding\n";
        let plain = format!(
            "docker-content-digest: {DIGEST}\netag: {ETAG}\n{control}accept-ranges: bytes\n{octets}content-length: 10\n{vary}"
        );
        assert_eq!(shown("GET", &[], None), format!("200\n{plain}0..10"));
        assert_eq!(shown("HEAD", &[], None), format!("200\n{plain}"));
        let part = shown("GET", &[("range", "bytes=4-")], None);
        assert!(part.starts_with("206\n") && part.ends_with(&format!("{vary}4..10")), "{part}");
        let tag = format!("\"{DIGEST}+zstd\"");
        let head = format!("docker-content-digest: {DIGEST}\netag: {tag}\n{control}{vary}");
        let zstd = format!("200\n{head}{octets}content-encoding: zstd\n..");
        assert_eq!(shown("GET", &[], Some(Coding::Zstd)), zstd);
        // Each representation is known by its own tag.
        assert_eq!(shown("GET", &[("if-none-match", &tag)], Some(Coding::Zstd)), format!("304\n{head}"));
        assert_eq!(shown("GET", &[("if-none-match", ETAG)], Some(Coding::Zstd)), zstd);
        assert!(shown("GET", &[("if-none-match", ETAG)], None).starts_with("304\n"));
        assert!(shown("GET", &[("if-none-match", &tag)], None).starts_with("200\n"));
        let gzip = shown("GET", &[("if-none-match", &format!("\"{DIGEST}+gzip\""))], Some(Coding::Gzip));
        assert!(gzip.starts_with("304\n"), "{gzip}");
    }

    #[test]
    fn the_empty_layer_is_at_hand() {
        let target = format!("/v2/a/blobs/{}", Digest::EMPTY_LAYER);
        let whole = empty_layer(&request("GET", &target, &[]));
        assert_eq!((whole.status, whole.body), (200, Body::Bytes(EMPTY_LAYER.to_vec().into())));
        let part = empty_layer(&request("GET", &target, &[("range", "bytes=0-1")]));
        assert_eq!((part.status, part.body), (206, Body::Bytes([0x1f, 0x8b].to_vec().into())));
    }

    #[test]
    fn pages_of_an_upstream_registry_stay_as_they_are() {
        let page = |n, last: Option<&str>| Page { n, last: last.map(ToString::to_string) };
        let tags = |page: &Page, next| {
            let response = upstream_tags("a", page, &["v2".to_string(), "V1".to_string()], next);
            let link = response.headers.iter().find(|(name, _)| *name == "link");
            let link = link.map(|(_, link)| link.clone());
            (shown(&response).lines().last().unwrap().to_string(), link)
        };
        let as_it_is = r#"{"name":"a","tags":["v2","V1"]}"#.to_string();
        assert_eq!(tags(&page(None, None), None), (as_it_is.clone(), None));
        let link = "</v2/a/tags/list?next_page=x>; rel=\"next\"".to_string();
        assert_eq!(tags(&page(Some(2), Some("a")), Some("next_page=x")), (as_it_is, Some(link)));
        // One that takes no notice of what was asked for.
        let link = "</v2/a/tags/list?n=1&last=V1>; rel=\"next\"".to_string();
        assert_eq!(
            tags(&page(Some(1), None), None),
            (r#"{"name":"a","tags":["V1"]}"#.to_string(), Some(link))
        );
        assert_eq!(
            tags(&page(Some(5), Some("V1")), None),
            (r#"{"name":"a","tags":["v2"]}"#.to_string(), None)
        );
    }

    #[test]
    fn tags_are_sorted_and_paged() {
        let head = "200\ncache-control: no-cache\n";
        let json = "content-type: application/json; charset=utf-8\ncontent-length";
        let link = "link: </v2/a/tags/list?n=2&last=v1>; rel=\"next\"\n";
        for (n, last, link, length, body) in [
            (None, None, "", 41, r#"{"name":"a","tags":["latest","v1","v2"]}"#),
            (Some(2), None, link, 36, r#"{"name":"a","tags":["latest","v1"]}"#),
            (Some(2), Some("v1"), "", 27, r#"{"name":"a","tags":["v2"]}"#),
            (Some(2), Some("m"), "", 32, r#"{"name":"a","tags":["v1","v2"]}"#),
            (Some(0), None, "", 23, r#"{"name":"a","tags":[]}"#),
        ] {
            let page = Page { n, last: last.map(ToString::to_string) };
            let response = tags("a", &page, ["v2", "latest", "v1", "v2", "not/a tag>"]);
            assert_eq!(shown(&response), format!("{head}{link}{json}: {length}\n{body}\n"));
        }
    }
}
