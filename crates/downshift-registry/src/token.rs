//! The token service's side of authentication (Distribution, "Token Authentication Specification").

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use downshift::Limits;
use downshift_json::{Json, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::query::query_pairs;
use crate::{IdentityToken, Scope};

/// Scopes of one request for a token. Clients ask for one, or for a few to mount blobs between repositories.
const MAX_SCOPES: usize = 16;

/// All but what has no meaning of its own anywhere (RFC 3986, 2.3).
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bytes of a form beside its secret, so that this is not left behind where the form grows.
const FORM_BYTES: usize = 4 * 1024;

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
    /// What to ask for the next one with, in the place of the identity token that was used.
    pub identity_token: Option<IdentityToken>,
}

/// The body of a request for a token by `POST`, of the type [`Self::TYPE`]. It is a secret: `Debug` does not show it, and it
/// is cleared from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenForm(Zeroizing<String>);

impl TokenForm {
    /// Its media type.
    pub const TYPE: &str = "application/x-www-form-urlencoded";

    /// The body.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
        let mut separator = if realm.as_bytes().contains(&b'?') { "&" } else { "?" };
        let mut add = |name: &str, value: &str| {
            url.push_str(core::mem::replace(&mut separator, "&"));
            push_pair(&mut url, name, value, NON_ALPHANUMERIC);
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

    /// The form to ask a token service with for whoever has an identity token ("OAuth2 Token Authentication").
    #[must_use]
    pub fn form(&self, client: &str, identity_token: &IdentityToken) -> TokenForm {
        let token = identity_token.as_str();
        let mut form =
            Zeroizing::new(String::with_capacity(FORM_BYTES.saturating_add(token.len().saturating_mul(3))));
        let scopes: Vec<String> = self.scopes.iter().map(ToString::to_string).collect();
        let service = self.service.as_deref().unwrap_or_default();
        let pairs = [
            ("client_id", client),
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", &scopes.join(" ")),
            ("service", service),
        ];
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            if !form.is_empty() {
                form.push('&');
            }
            push_pair(&mut form, name, value, &RESERVED);
        }
        TokenForm(form)
    }
}

/// Appends a pair of a query or form.
fn push_pair(to: &mut String, name: &str, value: &str, escaped: &'static AsciiSet) {
    to.push_str(name);
    to.push('=');
    to.extend(utf8_percent_encode(value, escaped));
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
        let identity_token = text("refresh_token").map(|token| token.into_owned().into());
        Some(Self { value: value.into(), lifetime: lifetime.unwrap_or(DEFAULT_LIFETIME), identity_token })
    }
}

impl fmt::Debug for TokenForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenForm(…)")
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
        let (value, identity_token) = (String::from("secret").into(), Some(String::from("secret").into()));
        let own = IdentityToken::from(String::from("secret"));
        let token = Token { value, lifetime: 60, identity_token };
        let form = TokenRequest::default().form("me", &own);
        assert!(!format!("{token:?} {form:?}").contains("secret"));
    }

    #[test]
    fn an_identity_token_is_in_a_form() {
        let (service, scopes) = (Some("r.example.org".into()), [Scope::pull("a"), Scope::pull("b/c")].into());
        let request = TokenRequest { service, scopes, account: None };
        assert_eq!(
            request.form("me", &String::from("a.b+c/d==").into()).as_str(),
            "client_id=me&grant_type=refresh_token&refresh_token=a.b%2Bc%2Fd%3D%3D\
             &scope=repository%3Aa%3Apull%20repository%3Ab%2Fc%3Apull&service=r.example.org"
        );
        let token = Token::parse(br#"{"access_token":"a","refresh_token":"b"}"#).unwrap();
        assert_eq!(token.identity_token.as_ref().map(|token| token.as_str()), Some("b"));
    }
}
