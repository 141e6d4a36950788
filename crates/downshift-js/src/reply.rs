//! Responses.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use downshift_json::{Object, array, string};
use downshift_registry::response::{self, Manifest};
use downshift_registry::{Body, Reference, Request, Response, Route, Token, error, v1};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::argument::Argument;
use crate::decode;
use crate::upstream;

/// A response.
#[wasm_bindgen]
pub struct Reply {
    head: String,
    body: Bytes,
}

#[wasm_bindgen]
impl Reply {
    /// `{status, headers, blob}` as JSON, where headers are pairs of name and value, and `blob` says that the body is
    /// that of the blob.
    #[wasm_bindgen(getter)]
    pub fn head(&mut self) -> String {
        core::mem::take(&mut self.head)
    }

    /// The body, if it is not that of the blob.
    #[wasm_bindgen(getter)]
    pub fn body(&self) -> Vec<u8> {
        self.body.to_vec()
    }
}

impl Reply {
    pub(crate) fn of(response: Response) -> Self {
        let Response { status, headers, body } = response;
        let (blob, body) = match body {
            Body::Bytes(bytes) => (false, bytes),
            Body::Blob(_) | Body::Stream | Body::Parts(_) => (true, Bytes::new()),
        };
        let pair = |(name, value): &(&str, String)| array([string(name), string(value)]);
        let mut head = Object::new();
        head.number("status", status.into()).json("headers", &array(headers.iter().map(pair)));
        Self { head: head.flag("blob", blob).finish(), body }
    }
}

/// The response to a request: what was `found`, and the `bytes` of it.
pub(crate) fn response_to(request: &Request, found: Argument<'_>, bytes: Vec<u8>) -> Response {
    let response = response(request, found, bytes).for_method(request.method);
    if found.is("isPrivate") { response.for_one_caller() } else { response }
}

fn response(request: &Request, found: Argument<'_>, bytes: Vec<u8>) -> Response {
    match found.text("kind").as_str() {
        "root" => response::root(),
        "base" => response::base(),
        "emptyLayer" => response::empty_layer(request),
        "noV1" => v1::answer(request, None),
        "unknownPath" => error::unknown_path(),
        "internal" => error::internal(),
        "noReferrers" => error::no_referrers(),
        "noCatalog" => error::no_catalog(),
        "manifest" => response::manifest(request, &manifest(found, bytes)),
        "refused" => error::refusal(&decode::failure(found)),
        "fault" => upstream::fault(found).response(),
        "token" => response::token(&Token {
            value: found.text("value").into(),
            lifetime: found.number("lifetime"),
            identity_token: None,
        }),
        "unauthorized" => error::unauthorized(&upstream::demand_of(found), request.route.scope().as_ref()),
        kind => of_repository(request, kind, found, bytes),
    }
}

/// A response that says the name of the repository.
fn of_repository(request: &Request, kind: &str, found: Argument<'_>, bytes: Vec<u8>) -> Response {
    match (kind, &request.route) {
        ("denied", route) => match route.scope() {
            Some(scope) => error::denied(&scope),
            None => error::internal(),
        },
        ("manifestUnknown", Route::Manifest { name, reference }) => match found.member("digest") {
            Some(_) => error::manifest_unknown(name, &Reference::Digest(found.digest("digest"))),
            None => error::manifest_unknown(name, reference),
        },
        ("blobUnknown", Route::Blob { digest, .. }) => error::blob_unknown(digest),
        ("blob", Route::Blob { digest, .. }) => {
            let size = found.number("size");
            let response = response::blob(request, digest, size);
            // Who responds with this sends one piece of a blob: several ranges may be passed over (RFC 9110, 14.2).
            if matches!(response.body, Body::Parts(_)) {
                response::blob_part(digest, size, None)
            } else {
                response
            }
        }
        ("blobPart", Route::Blob { digest, .. }) => {
            let part = found.optional_number("start").map(|start| start..found.number("end"));
            response::blob_part(digest, found.number("size"), part)
        }
        ("blobElsewhere", Route::Blob { digest, .. }) => {
            response::blob_elsewhere(digest, &found.text("location"))
        }
        ("rangeInvalid", _) => error::range_invalid(found.number("size")),
        ("nameUnknown", Route::Tags { name, .. }) => error::name_unknown(name),
        ("tags", Route::Tags { name, page, .. }) => {
            let tags = texts(found, "tags");
            response::upstream_tags(name, page, &tags, found.optional_text("next").as_deref())
        }
        ("catalog", Route::Catalog { .. }) => {
            let names = texts(found, "repositories");
            let next = found.optional_text("next");
            response::catalog(names.iter().map(String::as_str), next.as_deref())
        }
        ("referrers", Route::Referrers { name, digest, .. }) => {
            let (filters, next) = (found.optional_text("filters"), found.optional_text("next"));
            response::referrers(name, digest, bytes, filters.as_deref(), next.as_deref())
        }
        _ => {
            found.refuse("kind");
            error::internal()
        }
    }
}

fn texts(found: Argument<'_>, name: &str) -> Vec<String> {
    found.elements_of(name).into_iter().filter_map(Argument::as_text).collect()
}

fn manifest(found: Argument<'_>, bytes: Vec<u8>) -> Manifest {
    let form = decode::form(found);
    Manifest {
        form,
        media_type: decode::own_type(found, form),
        digest: found.digest("digest"),
        body: bytes.into(),
        source: decode::optional_digest(found, "source"),
        signature: decode::signature(found),
    }
}
