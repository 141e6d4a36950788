//! Towards upstream registries: names, challenges, tokens and faults.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift_json::{Object, string};
use downshift_registry::{
    BadRedirect, Challenge, ContentRange, Demand, Fault, Mapping, Problem, Scope, Token, TokenRequest, link,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::given::Given;
use crate::json::flag;

/// The name of a repository at an upstream registry, and which of the `mappings` says so: `{name, index}`.
pub(crate) fn remote(given: Given<'_>) -> Option<String> {
    let name = given.text("name");
    let mut read = Vec::new();
    for given in given.elements_of("mappings") {
        let mapping = Mapping {
            prefix: given.optional_text("prefix").unwrap_or_default(),
            remote_prefix: given.optional_text("remotePrefix").unwrap_or_default(),
            library: given.is("library"),
        };
        if !mapping.is_valid() {
            given.refuse("prefix");
        }
        read.push(mapping);
    }
    let (name, index) = Mapping::choose(&name, read.iter().zip(0_u64..))?;
    Some(Object::new().text("name", &name).number("index", index).finish())
}

/// The host that a registry is asked at.
pub(crate) fn registry_host(given: Given<'_>) -> Option<String> {
    Some(string(&downshift_registry::registry_host(&given.as_argument())))
}

/// Whether a host is Docker Hub's.
pub(crate) fn is_docker_hub(given: Given<'_>) -> Option<String> {
    Some(flag(downshift_registry::is_docker_hub(&given.as_argument())))
}

/// The `Accept` header with every type that can be used.
pub(crate) fn every_type() -> String {
    string(&downshift_registry::every_type())
}

/// What a `WWW-Authenticate` header asks for: `{scheme, realm, service}`, or nothing that is known.
pub(crate) fn demand(given: Given<'_>) -> Option<String> {
    let header = given.as_argument();
    let demand = Demand::strongest(&Challenge::parse_all([header.as_bytes()]))?;
    let (scheme, realm, service) = match &demand {
        Demand::Basic { realm } => ("basic", realm, None),
        Demand::Bearer { realm, service } => ("bearer", realm, service.as_deref()),
    };
    let mut object = Object::new();
    Some(object.text("scheme", scheme).text("realm", realm).optional_text("service", service).finish())
}

pub(crate) fn demand_of(given: Given<'_>) -> Demand {
    let realm = given.text("realm");
    match given.text("scheme").as_str() {
        "basic" => Demand::Basic { realm },
        "bearer" => Demand::Bearer { realm, service: given.optional_text("service") },
        _ => {
            given.refuse("scheme");
            Demand::Basic { realm }
        }
    }
}

/// The URL of a token: of `{realm, service, scopes, account}`.
pub(crate) fn token_url(given: Given<'_>) -> Option<String> {
    let mut scopes = Vec::new();
    for scope in given.elements_of("scopes") {
        scopes.push(Scope { name: scope.text("name"), actions: scope.text("actions") });
    }
    let (service, account) = (given.optional_text("service"), given.optional_text("account"));
    Some(string(&TokenRequest { service, scopes, account }.url(&given.text("realm"))))
}

/// What a token service answered: `{value, lifetime}`, in seconds, or nothing if there is no token in it.
#[wasm_bindgen]
pub fn token(body: &[u8]) -> Option<String> {
    let Token { value, lifetime } = Token::parse(body)?;
    Some(Object::new().text("value", &value).number("lifetime", lifetime).finish())
}

/// The query of the next page, by a `Link` header.
pub(crate) fn next_query(given: Given<'_>) -> Option<String> {
    link::next_query(&given.as_argument()).as_deref().map(string)
}

/// What a `Content-Range` header says: `{start, end, size}`.
pub(crate) fn content_range(given: Given<'_>) -> Option<String> {
    let ContentRange { part, size } = ContentRange::parse(&given.as_argument())?;
    let mut object = Object::new();
    object.optional_number("start", part.as_ref().map(|part| part.start));
    object.optional_number("end", part.as_ref().map(|part| part.end));
    Some(object.number("size", size).finish())
}

/// What is to be done about a fault: `{isTransient, isAboutCaller, code, message}`.
pub(crate) fn fault_of(given: Given<'_>) -> Option<String> {
    let fault = fault(given);
    let mut object = Object::new();
    object.flag("isTransient", fault.is_transient()).flag("isAboutCaller", fault.is_about_caller());
    object.text("code", fault.code()).text("message", &fault.to_string());
    Some(object.finish())
}

/// A fault: its `host`, its `problem`, and what belongs to that.
pub(crate) fn fault(given: Given<'_>) -> Fault {
    let problem = match given.text("problem").as_str() {
        "corrupt" => Problem::Corrupt { digest: given.digest("digest") },
        "denied" => Problem::Denied,
        "invalid" => Problem::Invalid(given.text("what")),
        "circle" => Problem::Redirect(BadRedirect::Circle),
        "downgrade" => Problem::Redirect(BadRedirect::Downgrade),
        "nowhere" => Problem::Redirect(BadRedirect::Nowhere),
        "status" => Problem::Status(u16::try_from(given.number("status")).unwrap_or_default()),
        "timeout" => Problem::Timeout,
        "too-large" => {
            Problem::TooLarge { limit: usize::try_from(given.number("limit")).unwrap_or(usize::MAX) }
        }
        "too-many-requests" => Problem::TooManyRequests { retry_after: given.optional_number("retryAfter") },
        "unauthorized" => Problem::Unauthorized(demand_of(given)),
        "unreachable" => Problem::Unreachable(given.text("what")),
        _ => {
            given.refuse("problem");
            Problem::Denied
        }
    };
    Fault { host: given.text("host"), problem }
}
