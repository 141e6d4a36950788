//! The `Authorization` header: who a client says it is.

use alloc::string::{String, ToString};
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The value of an `Authorization` header. It is a secret: `Debug` does not show it, and it is cleared from memory when
/// it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(Zeroizing<String>);

/// A user's name and password. `Debug` does not show the password, and it is cleared from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password, or whatever the registry takes for one.
    pub password: Zeroizing<String>,
}

/// The name of a user who has an identity token for a password, as Docker's credential helpers say it.
const IDENTITY_TOKEN: &str = "<token>";

/// An identity token: a refresh token of OAuth 2 (RFC 6749, 1.5), as `az acr login` leaves it in Docker's `config.json`. It is
/// for a token service. `Debug` does not show it, and it is cleared from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityToken(Zeroizing<String>);

impl IdentityToken {
    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for IdentityToken {
    fn from(token: String) -> Self {
        Self(token.into())
    }
}

impl From<IdentityToken> for Credentials {
    fn from(IdentityToken(password): IdentityToken) -> Self {
        Self { username: IDENTITY_TOKEN.to_string(), password }
    }
}

impl Authorization {
    /// The header for a bearer token (RFC 6750, 2.1); `None` if the token has what cannot stand in a header.
    #[must_use]
    pub fn bearer(token: &str) -> Option<Self> {
        let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Self(["Bearer ", token].concat().into()))
    }

    /// Reads the value of a header; `None` if that is no visible ASCII, as every scheme's is.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(value).ok()?.trim();
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        (is_visible && !text.is_empty()).then(|| Self(text.to_string().into()))
    }

    /// The value of the header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user's name and password, if the scheme is `Basic` (RFC 7617, 2).
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        let (scheme, encoded) = self.0.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        Credentials::decode(encoded.trim())
    }
}

impl Credentials {
    /// The identity token, if they are one. It is no password for anybody.
    #[must_use]
    pub fn identity_token(&self) -> Option<IdentityToken> {
        (self.username == IDENTITY_TOKEN).then(|| IdentityToken(self.password.clone()))
    }

    /// Reads a name, a colon and a password, in base64 (RFC 7617, 2).
    #[must_use]
    pub fn decode(base64: &str) -> Option<Self> {
        let decoded = Zeroizing::new(STANDARD.decode(base64).ok()?);
        let (username, password) = core::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(Self { username: username.to_string(), password: password.to_string().into() })
    }

    /// Both as a header of the scheme `Basic`.
    #[must_use]
    pub fn authorization(&self) -> Authorization {
        let plain = Zeroizing::new([&self.username, ":", &self.password].concat());
        let encoded = Zeroizing::new(STANDARD.encode(plain.as_bytes()));
        Authorization(["Basic ", &encoded].concat().into())
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(…)")
    }
}

impl fmt::Debug for IdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityToken(…)")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn basic_credentials_are_read_and_written() {
        // The example of RFC 7617, 2.
        let header = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        let credentials = Authorization::parse(header.as_bytes()).unwrap().credentials().unwrap();
        assert_eq!((&*credentials.username, credentials.password.as_str()), ("Aladdin", "open sesame"));
        assert_eq!(credentials.authorization().as_str(), header);
        let colons = Authorization::parse(b"basic YTpiOmM=").unwrap().credentials().unwrap();
        assert_eq!((&*colons.username, colons.password.as_str()), ("a", "b:c"));
    }

    #[test]
    fn what_is_no_basic_authorization_has_no_credentials() {
        for value in ["Bearer QTpC", "Basic", "Basic ?", "Basic QQ==", "Basic /zo="] {
            assert_eq!(Authorization::parse(value.as_bytes()).unwrap().credentials(), None, "{value}");
        }
        for value in [b"" as &[u8], b" ", b"Basic \xff", b"Basic a\r\nb"] {
            assert_eq!(Authorization::parse(value), None);
        }
    }

    #[test]
    fn tokens_that_cannot_stand_in_a_header_are_none() {
        assert_eq!(Authorization::bearer("a.b-c").unwrap().as_str(), "Bearer a.b-c");
        assert!(["", "a b", "a\n", "ä"].into_iter().all(|token| Authorization::bearer(token).is_none()));
    }

    #[test]
    fn an_identity_token_is_no_password() {
        let token = IdentityToken::from(String::from("a.b"));
        let credentials = Credentials::from(token.clone());
        assert_eq!(credentials.identity_token(), Some(token));
        let password = Credentials { username: "a".into(), password: String::from("a.b").into() };
        assert_eq!(password.identity_token(), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials { username: "a".into(), password: String::from("secret").into() };
        let token = IdentityToken::from(String::from("secret"));
        let shown = format!("{credentials:?} {:?} {token:?}", credentials.authorization());
        assert!(!shown.contains("secret") && !shown.contains("OnNlY"), "{shown}");
    }
}
