//! Requests: what they ask for, and who asks.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use downshift::Digest;
use downshift::json::{Object, array};
use downshift_registry::{
    AnswerKey, Authorization, Credentials, Meaning, Method, Page, Reference, Request, Response, Route,
    TokenRequest,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::given::{self, Given};
use crate::reply::Reply;
use crate::thrown::Thrown;
use crate::{decode, encode};

/// A request as JSON: `{method, target, headers}`, where headers are pairs of name and value.
pub(crate) fn parse(request: &str) -> Result<Result<Request, Response>, Thrown> {
    let json = given::parse(request)?;
    let given = Given::of(&json);
    let (method, target) = (given.text("method")?, given.text("target")?);
    let mut headers = Vec::new();
    for pair in given.elements_of("headers") {
        headers.push(pair.as_texts().ok_or_else(|| Thrown::invalid("headers"))?);
    }
    let headers = headers.iter().map(|[name, value]| (name.as_str(), value.as_bytes()));
    Ok(Request::read(&method, &target, headers))
}

/// What a request asks for; nothing if [`Reply::to`] has its response without anything else.
#[wasm_bindgen]
pub fn read(request: &str) -> Result<Option<String>, Thrown> {
    Ok(parse(request)?.ok().map(|request| asked(&request)))
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

/// The path of an answer in a cache: of the manifest with `digest` at an upstream registry, for this request.
#[wasm_bindgen(js_name = answerPath)]
pub fn answer_path(request: &str, digest: &str) -> Result<Option<String>, Thrown> {
    let digest: Digest = digest.parse()?;
    let Ok(Request { route: Route::Manifest { name, reference }, client, .. }) = parse(request)? else {
        return Ok(None);
    };
    Ok(Some(AnswerKey { name, reference, meaning: Meaning::Upstream(digest), client }.path()))
}

/// The response to a request: what was `found`, as JSON with its `kind`, and where that has a body of its own, `bytes`.
#[wasm_bindgen]
pub fn reply(request: &str, found: &str, bytes: Option<Vec<u8>>) -> Result<Reply, Thrown> {
    let json = given::parse(found)?;
    let found = Given::of(&json);
    match parse(request)? {
        Ok(request) => Reply::to(&request, found, bytes.unwrap_or_default()),
        Err(response) => Ok(Reply::of(response)),
    }
}

/// The `Authorization` header of a name and password.
#[wasm_bindgen]
pub fn basic(username: String, password: String) -> String {
    Credentials { username, password: password.into() }.authorization().as_str().to_owned()
}

/// The `Authorization` header of a token; nothing if it cannot stand in one.
#[wasm_bindgen]
pub fn bearer(token: &str) -> Option<String> {
    Authorization::bearer(token).map(|header| header.as_str().to_owned())
}

/// Checks limits, `{name: value}`: an error says which is none.
#[wasm_bindgen(js_name = checkLimits)]
pub fn check_limits(limits: &str) -> Result<(), Thrown> {
    let json = given::parse(limits)?;
    decode::limits(Some(Given::of(&json))).map(drop)
}
