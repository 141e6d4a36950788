//! Error responses: JSON in Distribution's shape (OCI distribution specification 1.1, "Error Codes").
//!
//! Each has exactly one entry, for Docker 1.8 and 1.9 crash on an empty list. What is unknown is told in Distribution's
//! words; all other errors have a message of cause and remedy, and a detail of both and a stable `reason`. Only the
//! API of version 1 is answered in plain text.

use alloc::format;
use alloc::string::{String, ToString as _};

use downshift::{Digest, Failure, Fault};
use downshift_json::{Object, array, string};

use crate::limits::{MAX_BODY_BYTES, MAX_HEADER_BYTES};
use crate::message::{DECIDES_MANIFESTS, JSON, NO_STORE};
use crate::{Demand, Reference, Resource, Response, Scope};

/// Why an image is not given in a form that the client understands, or cannot be read.
///
/// 400 and `MANIFEST_INVALID`, for Docker 1.8–1.10 print the message of that, but not of `MANIFEST_UNKNOWN`
/// (measured). Documents that are broken where they are stored are no exception, although Distribution has status 500
/// for them: all engines hide the body of that, and asking again would not help. Only a fault of this program is 500.
#[must_use]
pub fn refusal(failure: &Failure) -> Response {
    let Failure { code, fault, cause, remedy } = failure;
    let (status, entry) = match fault {
        Fault::Caller => (500, "UNKNOWN"),
        Fault::Client | Fault::Document | Fault::Image | Fault::Limit => (400, "MANIFEST_INVALID"),
    };
    explained(status, entry, code, cause, remedy).with("vary", DECIDES_MANIFESTS)
}

/// There is no such manifest in the repository, or no such repository.
#[must_use]
pub fn manifest_unknown(name: &str, reference: &Reference) -> Response {
    let detail = match reference {
        Reference::Tag(tag) => Object::new().text("Tag", &excerpt(tag)).finish(),
        Reference::Digest(digest) => {
            Object::new().text("Name", name).text("Revision", digest.as_str()).finish()
        }
    };
    // A client that takes the index as it is gets it, where another one is told that a manifest of it is missing.
    entry(404, "MANIFEST_UNKNOWN", "manifest unknown", &detail).with("vary", DECIDES_MANIFESTS)
}

/// There is no such blob in the repository, or no such repository.
#[must_use]
pub fn blob_unknown(digest: &Digest) -> Response {
    entry(404, "BLOB_UNKNOWN", "blob unknown to registry", &string(digest.as_str()))
}

/// There is no such repository.
#[must_use]
pub fn name_unknown(name: &str) -> Response {
    entry(
        404,
        "NAME_UNKNOWN",
        "repository name not known to registry",
        &Object::new().text("name", name).finish(),
    )
}

/// There is no registry of this name behind this server, whether it stood before the repository's name or in the query: 404,
/// after which clients that know of a mirror ask the registry itself.
#[must_use]
pub fn unknown_registry(registry: &str) -> Response {
    let cause = format!("this server has no images of the registry `{}`", excerpt(registry));
    let remedy = "ask that registry directly, or have this server's operator add it as an upstream registry";
    explained(404, "NAME_UNKNOWN", "unknown-registry", &cause, remedy)
}

/// A request names two registries, in its query and before the repository's name, or twice in its query.
#[must_use]
pub fn registry_mismatch(one: &str, other: &str) -> Response {
    let cause =
        format!("the request names the registry `{}` and the registry `{}`", excerpt(one), excerpt(other));
    explained(400, "NAME_INVALID", "registry-mismatch", &cause, "name one registry")
}

/// There is no such path.
#[must_use]
pub fn unknown_path() -> Response {
    explained(404, "UNSUPPORTED", "unknown-path", "there is no such path", "use the paths of the V2 API")
}

/// Nobody knows the referrers: 404, after which clients look for the referrers tag (OCI distribution specification
/// 1.1, "Unavailable Referrers API"). An empty list would hide what there is.
#[must_use]
pub fn no_referrers() -> Response {
    let remedy = "look for the referrers tag";
    explained(404, "UNSUPPORTED", "no-referrers", "there is no referrers API", remedy)
}

/// This program failed. The cause is for its log, not for clients.
#[must_use]
pub fn internal() -> Response {
    let remedy = "ask its operator: the log has the cause";
    explained(500, "UNKNOWN", "internal", "the registry failed", remedy)
}

/// There is more to do than this program can. Clients may come again after the seconds of `Retry-After`.
#[must_use]
pub fn busy() -> Response {
    let response = explained(503, "UNAVAILABLE", "busy", "too many requests are waiting", "try again");
    response.with("retry-after", "1")
}

/// What would be reported could not be recorded, and so could not be pulled again. Clients may come again after the
/// seconds of `Retry-After`; the cause is for the log.
#[must_use]
pub fn not_recorded() -> Response {
    let cause = "the registry cannot record the digest that it would report";
    let remedy = "ask its operator: the log has the cause";
    explained(503, "UNAVAILABLE", "not-recorded", cause, remedy).with("retry-after", "30")
}

/// Layers of the image are being read for the first time, and that takes longer than a client waits. It goes on meanwhile, and
/// clients may come again after the seconds of `Retry-After`.
#[must_use]
pub fn layers_unread() -> Response {
    let cause =
        "layers of this image are being unpacked for the first time, to learn their digests and sizes";
    explained(503, "UNAVAILABLE", "layers-unread", cause, "try again in half a minute")
        .with("retry-after", "30")
}

/// This client has too many requests in flight. It may come again after the seconds of `Retry-After`.
#[must_use]
pub fn too_many_requests() -> Response {
    let cause = "this client has too many requests in flight";
    explained(429, "TOOMANYREQUESTS", "too-many-requests", cause, "try again").with("retry-after", "1")
}

/// Too many logins of this client are waiting to be checked. It may come again after the seconds of `Retry-After`.
#[must_use]
pub fn too_many_logins() -> Response {
    let cause = "too many logins of this client are waiting to be checked";
    explained(429, "TOOMANYREQUESTS", "too-many-logins", cause, "try again").with("retry-after", "1")
}

/// A request has no `Host` header, more than one, or one that is no host (RFC 9112, 3.2).
#[must_use]
pub fn host_invalid() -> Response {
    let cause = "the request does not have exactly one `Host` header, with one host in it";
    explained(
        400,
        "UNSUPPORTED",
        "invalid-host",
        cause,
        "send one `Host` header with the name of the registry",
    )
}

/// A request came in plain HTTP to where TLS is spoken. Otherwise clients would show the bytes of a TLS alert.
#[must_use]
pub fn tls_required() -> Response {
    let cause = "the request came in plain HTTP, and this port speaks TLS";
    let remedy = "use https:// for this registry, and do not name it among the insecure ones";
    explained(400, "UNSUPPORTED", "tls-required", cause, remedy)
}

/// This client has too many connections. It may come again after the seconds of `Retry-After`.
#[must_use]
pub fn too_many_connections() -> Response {
    let cause = "this client has too many connections open";
    let response =
        explained(429, "TOOMANYREQUESTS", "too-many-connections", cause, "close some, and try again");
    response.with("retry-after", "1")
}

/// The head of a request took too long to come (RFC 9110, 15.5.9).
#[must_use]
pub fn request_timeout() -> Response {
    explained(408, "UNSUPPORTED", "request-timeout", "the request took too long", "send it faster")
}

/// A request came with more than [`MAX_BODY_BYTES`] of a body, which it does not need.
#[must_use]
pub fn body_too_large() -> Response {
    let cause = format!("the request has a body of more than `{MAX_BODY_BYTES}` bytes");
    explained(413, "SIZE_INVALID", "body-bytes", &cause, "send it without a body")
}

/// The client has to authenticate as `demand` says; where it asks for a repository, for `scope`.
///
/// The code and message are those that Docker ≤ 1.9 knows. There is one challenge: with two of them it fails
/// (distribution, `registry/client/auth`).
#[must_use]
pub fn unauthorized(demand: &Demand, scope: Option<&Scope>) -> Response {
    let detail = scope.map(|scope| {
        let mut right = Object::new();
        right.text("Action", &scope.actions).text("Class", "").text("Name", &scope.name);
        array([right.text("Type", scope.resource.name()).finish()])
    });
    entry(401, "UNAUTHORIZED", "authentication required", detail.as_deref().unwrap_or("null"))
        .with("www-authenticate", demand.header(scope))
}

/// The user that the client authenticated as may not do this.
#[must_use]
pub fn denied(scope: &Scope) -> Response {
    let (what, remedy) = match scope.resource {
        Resource::Repository => ("", "log in as a user who may pull it"),
        Resource::Registry => ("the ", "log in as a user who may list all repositories"),
    };
    let cause = format!("access to {what}`{}` is denied", scope.name);
    explained(403, "DENIED", "denied", &cause, remedy)
}

/// Nobody says which repositories there are, as it is with many registries.
#[must_use]
pub fn no_catalog() -> Response {
    let remedy = "ask for repositories by name";
    explained(404, "UNSUPPORTED", "no-catalog", "there is no list of repositories", remedy)
}

/// An upstream registry did not give what it should: why, for programs and for people.
///
/// `status` is 403, 429, 502, 503 or 504. Where the upstream registry said after how many seconds to come again, so
/// does this.
#[must_use]
pub fn upstream(status: u16, reason: &str, cause: &str, remedy: &str, retry_after: Option<u64>) -> Response {
    // Of `DENIED` Docker 1.13 says that the repository does not exist, and 20.10 asks for a login of the user's (measured),
    // where it is this server that may not have it.
    let code = match status {
        429 => "TOOMANYREQUESTS",
        _ => "UNAVAILABLE",
    };
    let response = explained(status, code, reason, cause, remedy);
    match retry_after {
        Some(seconds) => response.with("retry-after", seconds.to_string()),
        None => response,
    }
}

pub(crate) fn name_invalid(name: &str) -> Response {
    let cause = format!("`{}` is not a repository name", excerpt(name));
    let remedy = "write it in lower-case letters, digits and separators, in at most 255 bytes";
    explained(400, "NAME_INVALID", "invalid-name", &cause, remedy)
}

pub(crate) fn digest_invalid(text: &str) -> Response {
    let cause = format!("`{}` is not a digest", excerpt(text));
    let remedy = "write it as `sha256:` and 64 lower-case hexadecimal digits";
    explained(400, "DIGEST_INVALID", "invalid-digest", &cause, remedy)
}

pub(crate) fn pagination_number_invalid(n: &str) -> Response {
    let cause = format!("`{}` is not a number of entries", excerpt(n));
    explained(400, "PAGINATION_NUMBER_INVALID", "invalid-n", &cause, "write it in decimal digits")
}

pub(crate) fn unsupported() -> Response {
    let remedy = "push to the registry that its images come from";
    let response = explained(405, "UNSUPPORTED", "read-only", "this registry is read-only", remedy);
    response.with("allow", "GET, HEAD")
}

/// The range that is asked for begins after the end of a blob of `size` bytes.
///
/// The code is Distribution 3's; version 2 answers in plain text.
#[must_use]
pub fn range_invalid(size: u64) -> Response {
    let cause = format!("the range begins past the end of the blob's `{size}` bytes");
    let response =
        explained(416, "RANGE_INVALID", "invalid-range", &cause, "ask for a range inside the blob");
    response.with("content-range", format!("bytes */{size}"))
}

pub(crate) fn headers_too_large() -> Response {
    let cause = format!("the headers that decide the answer have more than `{MAX_HEADER_BYTES}` bytes");
    explained(431, "UNSUPPORTED", "header-bytes", &cause, "name fewer types in the Accept header")
}

/// An engine that pulls by version 1 asks for an image, and may not have it so: `remedy` says what to do. It prints what version
/// 1 says of that.
#[must_use]
pub fn no_v1_pulls(cause: &str, remedy: &str) -> Response {
    explained(400, "MANIFEST_INVALID", "no-v1-pulls", cause, remedy).with("vary", DECIDES_MANIFESTS)
}

/// What a pull by version 1 goes on with is not the token that it was given, or does not count any more.
#[must_use]
pub fn v1_token_invalid() -> Response {
    let cause = "the token of this pull is missing, wrong, of another platform or no longer valid";
    explained(403, "DENIED", "invalid-v1-token", cause, "pull the image again")
}

fn explained(status: u16, code: &str, reason: &str, cause: &str, remedy: &str) -> Response {
    let mut detail = Object::new();
    detail.text("cause", cause).text("reason", reason).text("remedy", remedy);
    entry(status, code, &[cause, "; ", remedy].concat(), &detail.finish())
}

fn entry(status: u16, code: &str, message: &str, detail: &str) -> Response {
    let mut entry = Object::new();
    entry.text("code", code).text("message", message).json("detail", detail);
    let mut body = Object::new().json("errors", &array([entry.finish()])).finish();
    body.push('\n');
    // A cache must not go on denying what has come to be there.
    Response::new(status).with("cache-control", NO_STORE).with_body(JSON, body.into_bytes())
}

/// The beginning of what a client wrote, for it may be as long as the whole request.
fn excerpt(text: &str) -> String {
    text.chars().take(256).collect()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use downshift::{Error, Form};

    use super::*;
    use crate::{Body, Method};

    fn assert_body(response: &Response, status: u16, body: &str) {
        let body = format!("{body}\n");
        let headers = [
            ("docker-distribution-api-version", "registry/2.0".to_string()),
            ("x-content-type-options", "nosniff".to_string()),
            ("cache-control", "no-store".to_string()),
            ("content-type", "application/json; charset=utf-8".to_string()),
            ("content-length", body.len().to_string()),
        ];
        assert_eq!(response.status, status);
        assert!(response.headers.starts_with(&headers), "{response:?}");
        assert_eq!(response.body, Body::Bytes(body.into()));
    }

    #[test]
    fn what_is_unknown_is_told_as_by_distribution() {
        let by_tag = manifest_unknown("a", &Reference::Tag("latest".to_string()));
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"latest"}}]}"#;
        assert_body(&by_tag, 404, body);
        let by_digest = manifest_unknown("a", &Reference::Digest(Digest::empty_layer()));
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Name":"a","Revision":"sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"}}]}"#;
        assert_body(&by_digest, 404, body);
        let body = r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry","detail":"sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"}]}"#;
        assert_body(&blob_unknown(&Digest::empty_layer()), 404, body);
        let body = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"name":"a"}}]}"#;
        assert_body(&name_unknown("a"), 404, body);
    }

    #[test]
    fn errors_of_manifests_name_the_headers_that_decide() {
        let digest = Reference::Digest(Digest::empty_layer());
        for response in [refusal(&Error::NoRootfs.into()), manifest_unknown("a", &digest)] {
            let vary = response.headers.iter().find(|(name, _)| *name == "vary").map(|(_, value)| &**value);
            assert_eq!(vary, Some("Accept, User-Agent"), "{response:?}");
        }
    }

    #[test]
    fn refusals_say_cause_and_remedy() {
        let body = r#"{"errors":[{"code":"MANIFEST_INVALID","message":"the config has no `rootfs`; rebuild the image: its config does not match its manifest","detail":{"cause":"the config has no `rootfs`","reason":"no-rootfs","remedy":"rebuild the image: its config does not match its manifest"}}]}"#;
        assert_body(&refusal(&Error::NoRootfs.into()), 400, body);
    }

    #[test]
    fn only_a_fault_of_the_program_hides_behind_500() {
        for (error, status) in [
            (Error::SignatureLength { expected: 64, actual: 0 }, 500),
            (Error::NotAcceptable { stored: Form::Oci }, 400),
            (Error::MissingMember { path: "config" }, 400),
            (Error::BaseLayer, 400),
            (Error::LimitExceeded { name: "layers", limit: 1, actual: 2 }, 400),
        ] {
            assert_eq!(refusal(&Failure::from(&error)).status, status, "{error}");
        }
    }

    #[test]
    fn writes_are_answered_with_what_is_allowed_and_where_to_go() {
        let body = r#"{"errors":[{"code":"UNSUPPORTED","message":"this registry is read-only; push to the registry that its images come from","detail":{"cause":"this registry is read-only","reason":"read-only","remedy":"push to the registry that its images come from"}}]}"#;
        assert_body(&unsupported(), 405, body);
        assert_eq!(unsupported().headers.last(), Some(&("allow", "GET, HEAD".to_string())));
    }

    #[test]
    fn what_the_client_wrote_is_escaped_and_cut() {
        let response = manifest_unknown("a", &Reference::Tag("\"\n".repeat(1000)));
        let named = r#"\"\n"#.repeat(128);
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"NAMED"}}]}"#;
        assert_body(&response, 404, &body.replace("NAMED", &named));
    }

    #[test]
    fn who_has_to_log_in_is_told_where() {
        let demand = Demand::Bearer { realm: "http://a/t".into(), service: None };
        let response = unauthorized(&demand, Some(&Scope::pull("a")));
        let challenge = r#"Bearer realm="http://a/t",scope="repository:a:pull""#.into();
        assert!(response.headers.contains(&("www-authenticate", challenge)));
        let entry = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[{"Action":"pull","Class":"","Name":"a","Type":"repository"}]}]}"#;
        assert_body(&response, 401, entry);
        let base = unauthorized(&demand, None);
        assert_body(
            &base,
            401,
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}"#,
        );
    }

    #[test]
    fn errors_of_head_keep_their_headers() {
        let (get, head) = (name_unknown("a"), name_unknown("a").for_method(Method::Head));
        assert_eq!(
            (head.status, head.headers, head.body),
            (404, get.headers, Body::Bytes([].as_slice().into()))
        );
    }
}
