//! The `Authorization` header: who a client says it is.

use alloc::string::{String, ToString};
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The value of an `Authorization` header. It is a secret: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Authorization(String);

/// A user's name and password. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password, or whatever the registry takes for one.
    pub password: String,
}

impl Authorization {
    /// The header for a bearer token (RFC 6750, 2.1); `None` if the token has what cannot stand in a header.
    #[must_use]
    pub fn bearer(token: &str) -> Option<Self> {
        let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Self(["Bearer ", token].concat()))
    }

    /// Reads the value of a header; `None` if that is no visible ASCII, as every scheme's is.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(value).ok()?.trim();
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        (is_visible && !text.is_empty()).then(|| Self(text.to_string()))
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
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        Some(Credentials { username: username.to_string(), password: password.to_string() })
    }
}

impl Credentials {
    /// Both as a header of the scheme `Basic`.
    #[must_use]
    pub fn authorization(&self) -> Authorization {
        let encoded = STANDARD.encode([&self.username, ":", &self.password].concat());
        Authorization(["Basic ", &encoded].concat())
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(…)")
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
        assert_eq!((&*credentials.username, &*credentials.password), ("Aladdin", "open sesame"));
        assert_eq!(credentials.authorization().as_str(), header);
        let colons = Authorization::parse(b"basic YTpiOmM=").unwrap().credentials().unwrap();
        assert_eq!((&*colons.username, &*colons.password), ("a", "b:c"));
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
    fn secrets_are_not_shown() {
        let credentials = Credentials { username: "a".into(), password: "secret".into() };
        let shown = format!("{credentials:?} {:?}", credentials.authorization());
        assert!(!shown.contains("secret") && !shown.contains("OnNlY"), "{shown}");
    }
}
