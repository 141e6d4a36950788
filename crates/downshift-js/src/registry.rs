//! Requests: what they ask for, and who asks.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use downshift::Digest;
use downshift_registry::{
    AnswerKey, Credentials, Meaning, Page, Reference, Request, Response, Route, TokenRequest,
};
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::given::Given;
use crate::reply::Reply;
use crate::thrown::Thrown;
use crate::{decode, encode};

/// A request as JSON: `{method, target, headers}`, where headers are pairs of name and value.
pub(crate) fn parse(request: &str) -> Result<Result<Request, Response>, Thrown> {
    let given = Given::parse(request)?;
    let (method, target) = (given.text("method")?, given.text("target")?);
    let mut headers = Vec::new();
    for pair in given.member("headers").into_iter().flat_map(Given::elements) {
        let [name, value] = pair.elements().try_into().map_err(|_| Thrown::invalid("headers"))?;
        let text = |given: Given| given.as_text().ok_or_else(|| Thrown::invalid("headers"));
        headers.push((text(name)?, text(value)?));
    }
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Ok(Request::read(&method, &target, headers))
}

/// What a request asks for; nothing if [`Reply::to`] has its response without anything else.
#[wasm_bindgen]
pub fn read(request: &str) -> Result<Option<String>, Thrown> {
    Ok(parse(request)?.ok().map(|request| asked(&request).to_string()))
}

fn asked(request: &Request) -> Value {
    let mut asked = json!({
        "method": match request.method {
            downshift_registry::Method::Get => "GET",
            downshift_registry::Method::Head => "HEAD",
        },
        "client": encode::capabilities(&request.client),
        "authorization": request.authorization.as_ref().map(downshift_registry::Authorization::as_str),
        "hasCredentials": request.authorization.as_ref().is_some_and(|header| header.credentials().is_some()),
        "host": request.host,
    });
    let (route, more) = route(request);
    asked["route"] = route.into();
    for (name, value) in more {
        asked[name] = value;
    }
    asked
}

fn route(request: &Request) -> (&'static str, Vec<(&'static str, Value)>) {
    let text = |text: &str| Value::from(text);
    match &request.route {
        Route::Root => ("root", Vec::new()),
        Route::Base => ("base", Vec::new()),
        Route::Manifest { name, reference } => {
            let (kind, reference) = match reference {
                Reference::Tag(tag) => ("tag", text(tag)),
                Reference::Digest(digest) => ("digest", text(digest.as_str())),
            };
            ("manifest", vec![("name", text(name)), (kind, reference)])
        }
        Route::Blob { name, digest } => {
            let conditions = vec![
                ("name", text(name)),
                ("digest", text(digest.as_str())),
                ("range", request.range(digest).into()),
                ("has", request.has(digest).into()),
            ];
            ("blob", conditions)
        }
        Route::EmptyLayer => ("emptyLayer", Vec::new()),
        Route::Tags { name, page: Page { .. }, query } => {
            ("tags", vec![("name", text(name)), ("query", text(query))])
        }
        Route::Referrers { name, digest, query } => {
            let more = vec![("name", text(name)), ("digest", text(digest.as_str())), ("query", text(query))];
            ("referrers", more)
        }
        Route::Token { query } => {
            let TokenRequest { scopes, account, .. } = TokenRequest::parse(query);
            let scopes: Vec<_> = scopes
                .into_iter()
                .map(|scope| json!({ "name": scope.name, "actions": scope.actions }))
                .collect();
            ("token", vec![("scopes", scopes.into()), ("account", account.into())])
        }
        Route::V1Images { .. } | Route::V1 => ("noV1", Vec::new()),
        Route::Page { .. } | Route::Unknown => ("unknownPath", Vec::new()),
    }
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
    let found = Given::parse(found)?;
    match parse(request)? {
        Ok(request) => Reply::to(&request, &found, bytes.unwrap_or_default()),
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
    downshift_registry::Authorization::bearer(token).map(|header| header.as_str().to_owned())
}

/// Checks limits, `{name: value}`: an error says which is none.
#[wasm_bindgen(js_name = checkLimits)]
pub fn check_limits(limits: &str) -> Result<(), Thrown> {
    decode::limits(Some(Given::parse(limits)?)).map(drop)
}
