//! Requests: what they ask for, and who asks.

use alloc::string::String;
use alloc::vec::Vec;

use downshift_json::{Object, array, string};
use downshift_registry::{
    AnswerKey, Authorization, Credentials, Meaning, Method, Page, Reference, Request, Response, Route,
    TokenRequest,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::given::{self, Given, Problems};
use crate::json::flag;
use crate::reply::{self, Reply};
use crate::thrown::Thrown;
use crate::{decode, encode};

/// A request: `{method, target, headers}`, where headers are pairs of name and value.
pub(crate) fn parse(given: Given<'_>) -> Result<Request, Response> {
    let (method, target) = (given.text("method"), given.text("target"));
    let mut headers = Vec::new();
    for pair in given.elements_of("headers") {
        match pair.as_pair() {
            Some(header) => headers.push(header),
            None => given.refuse("headers"),
        }
    }
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Request::read(&method, &target, headers)
}

/// What a request asks for; nothing if [`reply`] has its response without anything else.
pub(crate) fn read(given: Given<'_>) -> Option<String> {
    parse(given).ok().map(|request| asked(&request))
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
        Route::Token { query } => {
            let TokenRequest { scopes, account, .. } = TokenRequest::parse(query);
            let scopes = scopes.iter().map(|scope| {
                Object::new().text("name", &scope.name).text("actions", &scope.actions).finish()
            });
            asked.text("route", "token").json("scopes", &array(scopes));
            asked.optional_text("account", account.as_deref())
        }
        Route::V1Images { .. } | Route::V1 => asked.text("route", "noV1"),
        Route::Page { .. } | Route::Unknown => asked.text("route", "unknownPath"),
    };
}

/// The path of an answer in a cache: of the manifest with `digest` at an upstream registry, for this `request`.
pub(crate) fn answer_path(given: Given<'_>) -> Option<String> {
    let digest = given.digest("digest");
    let request = parse(given.required("request")?);
    let Ok(Request { route: Route::Manifest { name, reference }, client, .. }) = request else {
        return None;
    };
    let key = AnswerKey { name, reference, meaning: Meaning::Upstream(digest), client: client.canonical() };
    Some(string(&key.path()))
}

/// Whether a `request` asks for this `part` of a blob.
pub(crate) fn asks_for(given: Given<'_>) -> Option<String> {
    let part = given.required("part")?;
    let (start, end, size) = (part.number("start"), part.number("end"), part.number("size"));
    let request = parse(given.required("request")?);
    let asks = request.is_ok_and(|request| request.asks_for(&(start..end), size));
    Some(flag(asks))
}

/// The response to a request: what was `found`, as JSON with its `kind`, and where that has a body of its own, `bytes`.
#[wasm_bindgen]
pub fn reply(request: &str, found: &str, bytes: Option<Vec<u8>>) -> Result<Reply, Thrown> {
    let (request, found, problems) = (given::parse(request)?, given::parse(found)?, Problems::default());
    let response = match parse(Given::of(&request, &problems)) {
        Ok(request) => reply::response_to(&request, Given::of(&found, &problems), bytes.unwrap_or_default()),
        Err(response) => response,
    };
    Ok(Reply::of(problems.check(response)?))
}

/// The `Authorization` header of a token, or of a name and password; nothing for a token that cannot stand in one.
pub(crate) fn authorization(given: Given<'_>) -> Option<String> {
    let header = match given.optional_text("token") {
        Some(token) => Authorization::bearer(&token)?,
        None => {
            let (username, password) = (given.text("username"), given.text("password").into());
            Credentials { username, password }.authorization()
        }
    };
    Some(string(header.as_str()))
}

/// Checks limits, `{name: value}`: an error says which is none.
pub(crate) fn check_limits(given: Given<'_>) -> Option<String> {
    decode::limits(given);
    None
}
