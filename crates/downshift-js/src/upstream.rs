//! Towards upstream registries: names, challenges, tokens and faults.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::json::Object;
use downshift_registry::{
    BadRedirect, Challenge, ContentRange, Demand, Fault, Mapping, Problem, Scope, Token, TokenRequest, link,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::decode;
use crate::given::{self, Given};
use crate::thrown::Thrown;

/// The name of a repository at an upstream registry, and which of the `mappings` says so: `{name, index}`.
#[wasm_bindgen]
pub fn remote(mappings: &str, name: &str) -> Result<Option<String>, Thrown> {
    let mut read = Vec::new();
    let json = given::parse(mappings)?;
    for given in Given::of(&json).elements() {
        let mapping = Mapping {
            prefix: given.optional_text("prefix")?.unwrap_or_default(),
            remote_prefix: given.optional_text("remotePrefix")?.unwrap_or_default(),
            library: given.is("library"),
        };
        read.push(if mapping.is_valid() { mapping } else { return Err(Thrown::invalid("prefix")) });
    }
    let chosen = Mapping::choose(name, read.iter().zip(0_u64..));
    Ok(chosen.map(|(name, index)| Object::new().text("name", &name).number("index", index).finish()))
}

/// The host that a registry is asked at.
#[wasm_bindgen(js_name = registryHost)]
pub fn registry_host(host: &str) -> String {
    downshift_registry::registry_host(host)
}

/// Whether a host is Docker Hub's.
#[wasm_bindgen(js_name = isDockerHub)]
pub fn is_docker_hub(host: &str) -> bool {
    downshift_registry::is_docker_hub(host)
}

/// The `Accept` header with every type that can be used.
#[wasm_bindgen(js_name = everyType)]
pub fn every_type() -> String {
    downshift_registry::every_type()
}

/// What a `WWW-Authenticate` header asks for: `{scheme, realm, service}`, or nothing that is known.
#[wasm_bindgen]
pub fn demand(header: &str) -> Option<String> {
    let demand = Demand::strongest(&Challenge::parse_all([header.as_bytes()]))?;
    let (scheme, realm, service) = match demand {
        Demand::Basic { realm } => ("basic", realm, None),
        Demand::Bearer { realm, service } => ("bearer", realm, service),
    };
    let mut object = Object::new();
    object.text("scheme", scheme).text("realm", &realm);
    Some(object.optional_text("service", service.as_deref()).finish())
}

pub(crate) fn demand_of(given: Given<'_>) -> Result<Demand, Thrown> {
    let realm = given.text("realm")?;
    match given.text("scheme")?.as_str() {
        "basic" => Ok(Demand::Basic { realm }),
        "bearer" => Ok(Demand::Bearer { realm, service: given.optional_text("service")? }),
        _ => Err(Thrown::invalid("scheme")),
    }
}

/// The URL of a token: of `{realm, service, scopes, account}`.
#[wasm_bindgen(js_name = tokenUrl)]
pub fn token_url(request: &str) -> Result<String, Thrown> {
    let json = given::parse(request)?;
    let given = Given::of(&json);
    let mut scopes = Vec::new();
    for scope in given.elements_of("scopes") {
        scopes.push(Scope { name: scope.text("name")?, actions: scope.text("actions")? });
    }
    let (service, account) = (given.optional_text("service")?, given.optional_text("account")?);
    Ok(TokenRequest { service, scopes, account }.url(&given.text("realm")?))
}

/// What a token service answered: `{value, lifetime}`, in seconds, or nothing if there is no token in it.
#[wasm_bindgen]
pub fn token(body: &[u8]) -> Option<String> {
    let Token { value, lifetime } = Token::parse(body)?;
    Some(Object::new().text("value", &value).number("lifetime", lifetime).finish())
}

/// The query of the next page, by a `Link` header.
#[wasm_bindgen(js_name = nextQuery)]
pub fn next_query(header: &str) -> Option<String> {
    link::next_query(header)
}

/// What a `Content-Range` header says: `{start, end, size}`.
#[wasm_bindgen(js_name = contentRange)]
pub fn content_range(header: &str) -> Option<String> {
    let ContentRange { part, size } = ContentRange::parse(header)?;
    let mut object = Object::new();
    object.optional_number("start", part.as_ref().map(|part| part.start));
    object.optional_number("end", part.as_ref().map(|part| part.end));
    Some(object.number("size", size).finish())
}

/// What is to be done about a fault: `{isTransient, isAboutCaller, message}`.
#[wasm_bindgen(js_name = faultOf)]
pub fn fault_of(fault: &str) -> Result<String, Thrown> {
    let json = given::parse(fault)?;
    let fault = self::fault(Given::of(&json))?;
    let mut object = Object::new();
    object.flag("isTransient", fault.is_transient()).flag("isAboutCaller", fault.is_about_caller());
    Ok(object.text("code", fault.code()).text("message", &fault.to_string()).finish())
}

/// A fault: its `host`, its `problem`, and what belongs to that.
pub(crate) fn fault(given: Given<'_>) -> Result<Fault, Thrown> {
    let problem = match given.text("problem")?.as_str() {
        "corrupt" => Problem::Corrupt { digest: decode::digest(given, "digest")? },
        "denied" => Problem::Denied,
        "invalid" => Problem::Invalid(given.text("what")?),
        "circle" => Problem::Redirect(BadRedirect::Circle),
        "downgrade" => Problem::Redirect(BadRedirect::Downgrade),
        "nowhere" => Problem::Redirect(BadRedirect::Nowhere),
        "status" => Problem::Status(u16::try_from(given.number("status")?).unwrap_or_default()),
        "timeout" => Problem::Timeout,
        "too-large" => {
            Problem::TooLarge { limit: usize::try_from(given.number("limit")?).unwrap_or(usize::MAX) }
        }
        "too-many-requests" => Problem::TooManyRequests { retry_after: given.optional_number("retryAfter")? },
        "unauthorized" => Problem::Unauthorized(demand_of(given)?),
        "unreachable" => Problem::Unreachable(given.text("what")?),
        _ => return Err(Thrown::invalid("problem")),
    };
    Ok(Fault { host: given.text("host")?, problem })
}
