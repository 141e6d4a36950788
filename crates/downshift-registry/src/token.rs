//! The token service's side of authentication (Distribution, "Token Authentication Specification").

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use downshift::Limits;
use downshift_json::{Json, Value};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::Scope;
use crate::query::query_pairs;

/// Scopes of one request for a token. Clients ask for one, or for a few to mount blobs between repositories.
const MAX_SCOPES: usize = 16;

/// Seconds for which a token is good if its service does not say ("Token Response Fields").
const DEFAULT_LIFETIME: u64 = 60;

/// A request for a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// The name under which the token service knows the registry.
    pub service: Option<String>,
    /// What the token is to be good for; without any it proves no more than who asks.
    pub scopes: Vec<Scope>,
    /// The user's name, where there is one.
    pub account: Option<String>,
}

/// A token. It is a secret: `Debug` does not show it, and it is cleared from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub value: Zeroizing<String>,
    /// For how many seconds it is good, from when it was issued.
    pub lifetime: u64,
}

impl TokenRequest {
    /// Reads the query of a request for a token. Scopes of other things than repositories are left out.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut request = Self::default();
        for (name, value) in query_pairs(query) {
            match name.as_str() {
                "service" => request.service = Some(value),
                "account" => request.account = Some(value),
                "scope" => {
                    let room = MAX_SCOPES.saturating_sub(request.scopes.len());
                    request.scopes.extend(value.split(' ').filter_map(Scope::parse).take(room));
                }
                _ => {}
            }
        }
        request
    }

    /// The URL to ask at the token service `realm`.
    #[must_use]
    pub fn url(&self, realm: &str) -> String {
        let mut url = realm.to_string();
        let mut separator = if realm.as_bytes().contains(&b'?') { '&' } else { '?' };
        let mut add = |name: &str, value: &str| {
            url.push(separator);
            separator = '&';
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        };
        // In the order of the alphabet, as Docker's are.
        if let Some(account) = &self.account {
            add("account", account);
        }
        for scope in &self.scopes {
            add("scope", &scope.to_string());
        }
        if let Some(service) = &self.service {
            add("service", service);
        }
        url
    }
}

impl Token {
    /// Reads the answer of a token service; `None` if there is no token in it.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let answer =
            Json::parse("token", core::str::from_utf8(body).ok()?.as_bytes(), &Limits::default()).ok()?;
        let answer = answer.root();
        let text = |name: &str| answer.member(name)?.as_text().filter(|text| !text.is_empty());
        // The same under two names: the second is OAuth2's.
        let value = text("token").or_else(|| text("access_token"))?.into_owned();
        let lifetime = answer.member("expires_in").and_then(Value::as_u64).filter(|&seconds| seconds > 0);
        Some(Self { value: value.into(), lifetime: lifetime.unwrap_or(DEFAULT_LIFETIME) })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn docker_asks_for_a_token() {
        let query = "account=me&scope=repository%3Alibrary%2Fhttpd%3Apull&service=registry.docker.io&client_id=docker";
        let request = TokenRequest::parse(query);
        let expected = TokenRequest {
            service: Some("registry.docker.io".into()),
            scopes: [Scope::pull("library/httpd")].into(),
            account: Some("me".into()),
        };
        assert_eq!(request, expected);
        assert_eq!(
            request.url("https://auth.docker.io/token"),
            "https://auth.docker.io/token?account=me&scope=repository%3Alibrary%2Fhttpd%3Apull\
             &service=registry%2Edocker%2Eio"
        );
    }

    #[test]
    fn several_scopes_come_one_by_one_or_together() {
        let expected = [Scope::pull("a"), Scope::pull("b")];
        for query in
            ["scope=repository:a:pull&scope=repository:b:pull", "scope=repository:a:pull+repository:b:pull"]
        {
            assert_eq!(TokenRequest::parse(query).scopes, expected, "{query}");
        }
        assert_eq!(TokenRequest::parse(&"scope=repository:a:pull&".repeat(99)).scopes.len(), MAX_SCOPES);
    }

    #[test]
    fn a_realm_may_have_a_query() {
        assert_eq!(TokenRequest::default().url("http://a/t"), "http://a/t");
        let request = TokenRequest { service: Some("s".into()), ..TokenRequest::default() };
        assert_eq!(request.url("http://a/t?x=y"), "http://a/t?x=y&service=s");
    }

    #[test]
    fn tokens_have_two_names_and_a_lifetime() {
        let parse =
            |body: &str| Token::parse(body.as_bytes()).map(|token| (token.value.to_string(), token.lifetime));
        assert_eq!(parse(r#"{"token":"a","expires_in":300}"#), Some(("a".into(), 300)));
        assert_eq!(parse(r#"{"access_token":"b","token":"","expires_in":0}"#), Some(("b".into(), 60)));
        assert_eq!(parse(r#"{"token":7}"#), None);
        assert_eq!(parse("<html>"), None);
        let token = Token { value: String::from("secret").into(), lifetime: 60 };
        assert!(!format!("{token:?}").contains("secret"));
    }
}
