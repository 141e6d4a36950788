//! The token of a pull by version 1: which images it is of, for paths there do not say that.
//!
//! Docker before 1.6 is given it with `X-Docker-Token` when it asks for the images of a repository, and says it with all that it
//! asks for next, as `Authorization: Token …`, in the place of a name and password (measured with 1.5.0). Over HTTPS, where
//! nobody has to log in, it says an empty name and password instead, with every request (docker 1.5, `registry/session.go`,
//! "eligible for private registry"); cookies come back all the same, for each of its sessions has a jar of them. So the token
//! goes both ways.
//!
//! There are digests in it, so that a pull gets one image from its beginning to its end, whatever becomes of the tag, and all
//! that decides is in it, so that any instance with the same key can go on with a pull.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::{Digest, Platform};

use crate::{is_local_name, is_tag};

/// The most bytes of a token: proxies take lines of 8 KB.
pub const MAX_V1_TOKEN_BYTES: usize = 6 * 1024;

/// The name of the cookie.
const COOKIE: &str = "downshift-v1";

/// The scheme of the `Authorization` header.
const SCHEME: &str = "Token ";

/// What stands between the parts of a token. No part has it, and neither a header nor a cookie has to quote it.
const SEPARATOR: char = '|';

/// Bytes that a code adds.
const CODE_BYTES: usize = 65;

/// Which images a pull by version 1 is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Token {
    /// The repository's name here.
    pub name: String,
    /// The platform of the client.
    pub platform: Platform,
    /// Until when it counts, in milliseconds since 1970.
    pub until: u64,
    /// The tags, and what each of them pointed to.
    pub tags: Vec<(String, Digest)>,
}

impl V1Token {
    /// All that it says, for the code.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { name, platform, until, tags } = self;
        let mut text = format!("{name}|{platform}|{until}");
        for (tag, digest) in tags {
            text.push(SEPARATOR);
            text.push_str(tag);
            text.push('=');
            text.push_str(digest.as_str());
        }
        text
    }

    /// Whether there is room for one more tag.
    #[must_use]
    pub fn has_room(&self, tag: &str, digest: &Digest) -> bool {
        let added = tag.len().saturating_add(digest.as_str().len()).saturating_add(2 + CODE_BYTES);
        self.text().len().saturating_add(added) <= MAX_V1_TOKEN_BYTES
    }

    /// The token, with the code of its [text](Self::text).
    #[must_use]
    pub fn with_code(&self, code: &[u8; 32]) -> String {
        [&self.text(), "|", &hex(code)].concat()
    }

    /// Takes a token apart: its text, and the code that is said to be of it.
    #[must_use]
    pub fn split(token: &str) -> Option<(&str, &str)> {
        token.rsplit_once(SEPARATOR)
    }

    /// Reads a [text](Self::text) whose code is right.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(SEPARATOR);
        let name = parts.next().filter(|name| is_local_name(name))?.to_string();
        let platform = parts.next()?.parse().ok()?;
        let until = parts.next()?.parse().ok()?;
        let tag = |part: &str| {
            let (tag, digest) = part.split_once('=')?;
            Some((tag.to_string(), Digest::parse(digest).ok()?)).filter(|(tag, _)| is_tag(tag))
        };
        let tags = parts.map(tag).collect::<Option<_>>()?;
        Some(Self { name, platform, until, tags })
    }
}

/// The value of `Set-Cookie` that has a client say `token` again.
pub(crate) fn cookie(token: &str) -> String {
    [COOKIE, "=", token, "; Path=/v1/; HttpOnly"].concat()
}

/// The token in an `Authorization` header, if there is one.
pub(crate) fn in_authorization(value: &str) -> Option<&str> {
    let (scheme, token) = (value.get(..SCHEME.len())?, value.get(SCHEME.len()..)?);
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim())
}

/// The token among cookies, if there is one.
pub(crate) fn in_cookies(value: &str) -> Option<&str> {
    let mut cookies = value.split(';').filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

/// Whether `said` is this `code`, found out in the same time whatever it is.
#[must_use]
pub fn is_code(said: &str, code: &[u8; 32]) -> bool {
    let code = hex(code);
    let differs = said.bytes().zip(code.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
    said.len() == code.len() && differs == 0
}

fn hex(code: &[u8; 32]) -> String {
    code.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn token() -> V1Token {
        let (name, platform) = ("localhost:5000/team/app".into(), "linux/arm/v7".parse().unwrap());
        let tags = [("latest".into(), Digest::of(b"a")), ("1.0_rc-1".into(), Digest::of(b"b"))].into();
        V1Token { name, platform, until: 1_764_350_000_000, tags }
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = token();
        let written = token.with_code(&[0xab; 32]);
        let (text, code) = V1Token::split(&written).unwrap();
        assert_eq!((V1Token::read(text), text), (Some(token.clone()), token.text().as_str()));
        assert!(is_code(code, &[0xab; 32]));
        // It can stand in a header, and in a cookie (RFC 6265, 4.1.1).
        assert!(written.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)));
        assert_eq!(in_authorization(&["token ", &written].concat()), Some(written.as_str()));
        let cookies = ["a=b; ", &cookie(&written)].concat();
        assert_eq!(in_cookies(&cookies), Some(written.as_str()));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let digest = Digest::of(b"");
        for text in [
            String::new(),
            "team/app".into(),
            "team/app|linux/amd64".into(),
            "team/app|linux/amd64|soon".into(),
            "Team|linux/amd64|1".into(),
            "team/app|linux|1".into(),
            "team/app|linux/amd64|1|latest".into(),
            "team/app|linux/amd64|1|latest=x".into(),
            format!("team/app|linux/amd64|1|a b={digest}"),
            format!("team/app|linux/amd64|1|latest={digest}|"),
        ] {
            assert_eq!(V1Token::read(&text), None, "{text}");
        }
        assert_eq!(V1Token::split("token"), None);
        for value in ["", "Token", "Basic QTpC", "Bearer a"] {
            assert_eq!(in_authorization(value), None, "{value}");
        }
        assert!(in_cookies("a=b; downshift-v1").is_none() && in_cookies("").is_none());
    }

    #[test]
    fn another_code_is_another_one() {
        let code = [7; 32];
        let right = hex(&code);
        assert!(is_code(&right, &code));
        for wrong in ["", right.get(1..).unwrap(), &right.replacen('7', "8", 1), &[&right, "0"].concat()] {
            assert!(!is_code(wrong, &code), "{wrong}");
        }
    }

    #[test]
    fn there_is_room_for_what_headers_have_room_for() {
        let mut token = token();
        while token.has_room("latest", &Digest::of(b"")) {
            token.tags.push(("latest".into(), Digest::of(b"")));
        }
        let bytes = token.with_code(&[0; 32]).len();
        assert!((MAX_V1_TOKEN_BYTES - 100..=MAX_V1_TOKEN_BYTES).contains(&bytes), "{bytes}");
        assert!(token.tags.len() >= 64, "{}", token.tags.len());
    }
}
