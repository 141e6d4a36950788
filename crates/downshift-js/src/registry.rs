//! Requests: what they ask for, and who asks.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::Limits;
use downshift::answer::MAX_ROUNDS;
use downshift::document::Document;
use downshift_json::{Object, array};
use downshift_registry::{Authorization, Method, Page, Reference, Request, Route, TokenRequest};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::argument::{self, Argument, Problems};
use crate::js_error::JsError;
use crate::reply::{self, Reply};
use crate::{decode, encode};

/// What a request asks for; nothing if [`reply`] has its response without anything else.
#[wasm_bindgen(js_name = readRequest)]
pub fn read_request(request: &str) -> Result<Option<String>, JsError> {
    let (json, problems) = (argument::parse(request)?, Problems::default());
    let asked = decode::http_request(Argument::of(&json, &problems)).ok().map(|request| asked(&request));
    problems.check(asked)
}

fn asked(request: &Request) -> String {
    let authorization = request.authorization.as_ref();
    let method = match request.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
    };
    let mut asked = Object::new();
    asked.text("method", method).json("client", &encode::capabilities(&request.client));
    asked.optional_text("authorization", authorization.map(Authorization::as_str));
    asked.flag("hasCredentials", authorization.is_some_and(|header| header.credentials().is_some()));
    asked.optional_text("host", request.host.as_deref());
    route(request, &mut asked);
    asked.finish()
}

fn route(request: &Request, asked: &mut Object) {
    match &request.route {
        Route::Root => asked.text("route", "root"),
        Route::Base => asked.text("route", "base"),
        Route::Manifest { name, reference } => {
            asked.text("route", "manifest").text("name", name);
            match reference {
                Reference::Tag(tag) => asked.text("tag", tag),
                Reference::Digest(digest) => asked.text("digest", digest.as_str()),
            }
        }
        Route::Blob { name, digest } => {
            asked.text("route", "blob").text("name", name).text("digest", digest.as_str());
            asked.optional_text("range", request.range(digest)).flag("has", request.has(digest))
        }
        Route::EmptyLayer => asked.text("route", "emptyLayer"),
        Route::Tags { name, page: Page { .. }, query } => {
            asked.text("route", "tags").text("name", name).text("query", query)
        }
        Route::Referrers { name, digest, query } => {
            asked.text("route", "referrers").text("name", name).text("digest", digest.as_str());
            asked.text("query", query)
        }
        Route::Catalog { page: Page { .. }, query } => asked.text("route", "catalog").text("query", query),
        Route::Token { query } => {
            let TokenRequest { scopes, account, .. } = TokenRequest::parse(query);
            let scopes = scopes.iter().map(|scope| {
                let mut object = Object::new();
                object.text("resource", scope.resource.name()).text("name", &scope.name);
                object.text("actions", &scope.actions).finish()
            });
            asked.text("route", "token").json("scopes", &array(scopes));
            asked.optional_text("account", account.as_deref())
        }
        Route::V1Ping | Route::V1Images { .. } | Route::V1Tags { .. } | Route::V1Image { .. } | Route::V1 => {
            asked.text("route", "noV1")
        }
        Route::Page { .. } | Route::Unknown => asked.text("route", "unknownPath"),
    };
}

/// The response to a request: what was `found`, as JSON with its `kind`, and where that has a body of its own, `bytes`.
#[wasm_bindgen]
pub fn reply(request: &str, found: &str, bytes: Option<Vec<u8>>) -> Result<Reply, JsError> {
    let (request, found, problems) =
        (argument::parse(request)?, argument::parse(found)?, Problems::default());
    let response = match decode::http_request(Argument::of(&request, &problems)) {
        Ok(request) => {
            reply::response_to(&request, Argument::of(&found, &problems), bytes.unwrap_or_default())
        }
        Err(response) => response,
    };
    Ok(Reply::of(problems.check(response)?))
}

/// How many steps a conversion takes at the most.
#[wasm_bindgen(js_name = maxRounds)]
pub fn max_rounds() -> usize {
    MAX_ROUNDS
}

/// The digest by which registries know a document, where it is schema 1: that of its payload.
#[wasm_bindgen(js_name = payloadDigest)]
pub fn payload_digest(bytes: &[u8]) -> Option<String> {
    match Document::parse(bytes, &Limits::default()) {
        Ok(Document::Schema1(schema1)) => Some(schema1.digest().to_string()),
        _ => None,
    }
}
