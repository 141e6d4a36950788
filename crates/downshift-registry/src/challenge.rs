//! The `WWW-Authenticate` header: how a registry wants its clients to say who they are.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::Scope;

/// Challenges of one response that are read. Registries send one or two.
const MAX_CHALLENGES: usize = 16;

/// Bytes of a line that are read. The longest known, with a realm and a scope in it, have some 300.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// One challenge of a `WWW-Authenticate` header (RFC 9110, 11.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme, in lower case.
    pub scheme: String,
    /// The parameters, names in lower case, values without their quotes.
    pub parameters: Vec<(String, String)>,
}

/// What a registry asks for: the schemes that registries have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A user's name and password (RFC 7617).
    Basic {
        /// What they are good for, as people are to read it.
        realm: String,
    },
    /// A token of a token service (Distribution, "Token Authentication Specification").
    Bearer {
        /// The URL of the token service.
        realm: String,
        /// The name under which the token service knows the registry.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads all lines of the header of one response: several challenges may stand on one line, and commas both
    /// between challenges and between their parameters, quoted ones among them.
    ///
    /// What cannot be read ends its line. So hostile lines cost no more than their bytes.
    pub fn parse_all<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Vec<Self> {
        let lines = lines.into_iter().filter(|line| line.len() <= MAX_LINE_BYTES);
        let mut challenges = Vec::new();
        for line in lines.filter_map(|line| core::str::from_utf8(line).ok()) {
            let mut rest = Rest(line);
            while let Some(challenge) = rest.challenge() {
                if challenges.len() == MAX_CHALLENGES {
                    return challenges;
                }
                challenges.push(challenge);
            }
        }
        challenges
    }

    /// The value of the parameter called `name`, which is in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Demand {
    /// What to answer to, of several challenges: `Bearer` before `Basic`, for whoever offers both has the second for
    /// its token service or for old clients.
    #[must_use]
    pub fn strongest(challenges: &[Challenge]) -> Option<Self> {
        let find = |scheme| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let bearer = find("bearer").and_then(|challenge| {
            let realm = challenge.parameter("realm")?.to_string();
            Some(Self::Bearer { realm, service: challenge.parameter("service").map(ToString::to_string) })
        });
        let basic = || {
            let realm = find("basic")?.parameter("realm").unwrap_or_default().to_string();
            Some(Self::Basic { realm })
        };
        bearer.or_else(basic)
    }

    /// The value of a `WWW-Authenticate` header that asks for this, and for tokens with `scope`.
    #[must_use]
    pub fn header(&self, scope: Option<&Scope>) -> String {
        let mut header = String::new();
        match self {
            Self::Basic { realm } => {
                header.push_str("Basic ");
                parameter(&mut header, "realm", realm);
            }
            Self::Bearer { realm, service } => {
                header.push_str("Bearer ");
                parameter(&mut header, "realm", realm);
                if let Some(service) = service {
                    header.push(',');
                    parameter(&mut header, "service", service);
                }
                if let Some(scope) = scope {
                    header.push(',');
                    parameter(&mut header, "scope", &scope.to_string());
                }
            }
        }
        header
    }
}

/// Writes a parameter with its value quoted, which every client understands; control characters are left out.
fn parameter(header: &mut String, name: &str, value: &str) {
    header.push_str(name);
    header.push_str("=\"");
    for char in value.chars().filter(|char| !char.is_control()) {
        if matches!(char, '"' | '\\') {
            header.push('\\');
        }
        header.push(char);
    }
    header.push('"');
}

/// What is left of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// The next challenge: a scheme, and then a token or parameters (RFC 9110, 11.2 and 11.3).
    fn challenge(&mut self) -> Option<Challenge> {
        self.skip(|char| matches!(char, ' ' | '\t' | ','));
        let scheme = self.token()?.to_ascii_lowercase();
        let mut challenge = Challenge { scheme, parameters: Vec::new() };
        if self.skip_token68() {
            return Some(challenge);
        }
        while let Some(parameter) = self.parameter() {
            challenge.parameters.push(parameter);
        }
        self.skip_blanks();
        if !self.0.starts_with(',') {
            self.0 = "";
        }
        Some(challenge)
    }

    /// The next parameter, unless another challenge or the end comes next.
    fn parameter(&mut self) -> Option<(String, String)> {
        let before = self.0;
        self.skip(|char| matches!(char, ' ' | '\t' | ','));
        let parsed = self.name_and_value();
        if parsed.is_none() {
            self.0 = before;
        }
        parsed
    }

    fn name_and_value(&mut self) -> Option<(String, String)> {
        let name = self.token()?.to_ascii_lowercase();
        self.skip_blanks();
        self.0 = self.0.strip_prefix('=')?;
        self.skip_blanks();
        let value = match self.0.strip_prefix('"') {
            Some(quoted) => {
                self.0 = quoted;
                self.quoted()?
            }
            None => self.unquoted()?.to_string(),
        };
        Some((name, value))
    }

    /// A value without quotes: a token, or what some leave without quotes that need them, such as URLs.
    fn unquoted(&mut self) -> Option<&'a str> {
        let end = self.0.find([',', ' ', '\t', '"']).unwrap_or(self.0.len());
        let (value, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!value.is_empty()).then_some(value)
    }

    /// The rest of a quoted string (RFC 9110, 5.6.4).
    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(chars.next()?),
                char => value.push(char),
            }
        }
        self.0 = chars.as_str();
        Some(value)
    }

    /// Skips what some schemes have in the place of parameters, such as `Negotiate TlRMTVNTUAA=`.
    fn skip_token68(&mut self) -> bool {
        let rest = self.0.trim_start_matches([' ', '\t']);
        let in_token68 =
            |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_' | '~' | '+' | '/');
        let after = rest.trim_start_matches(in_token68);
        let is_empty = after.len() == rest.len();
        let after = after.trim_start_matches('=').trim_start_matches([' ', '\t']);
        let is_token68 = !is_empty && (after.is_empty() || after.starts_with(','));
        if is_token68 {
            self.0 = after;
        }
        is_token68
    }

    /// A token (RFC 9110, 5.6.2).
    fn token(&mut self) -> Option<&'a str> {
        let is_mark =
            |char| matches!(char, '!' | '#'..='\'' | '*' | '+' | '-' | '.' | '^' | '_' | '`' | '|' | '~');
        let in_token = |char: char| char.is_ascii_alphanumeric() || is_mark(char);
        let rest = self.0.trim_start_matches(in_token);
        let token = self.0.strip_suffix(rest).filter(|token| !token.is_empty())?;
        self.0 = rest;
        Some(token)
    }

    fn skip_blanks(&mut self) {
        self.skip(|char| matches!(char, ' ' | '\t'));
    }

    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(what);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::format;

    use super::*;

    /// Schemes and parameters, as `scheme name=value name=value`.
    fn parsed(lines: &[&str]) -> Vec<String> {
        let challenges = Challenge::parse_all(lines.iter().map(|line| line.as_bytes()));
        let shown = |Challenge { scheme, parameters }: &Challenge| {
            let parameters = parameters.iter().map(|(name, value)| format!(" {name}={value}"));
            [scheme.clone()].into_iter().chain(parameters).collect()
        };
        challenges.iter().map(shown).collect()
    }

    #[test]
    fn challenges_of_registries_are_read() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        assert_eq!(
            parsed(&[hub]),
            [
                "bearer realm=https://auth.docker.io/token service=registry.docker.io scope=repository:a/b:pull,push"
            ]
        );
        assert_eq!(parsed(&[r#"Basic realm="Registry Realm""#]), ["basic realm=Registry Realm"]);
    }

    #[test]
    fn urls_may_lack_their_quotes() {
        let expected = ["bearer realm=http://a.example:1/t?x=y service=s"];
        assert_eq!(parsed(&["Bearer realm=http://a.example:1/t?x=y,service=s"]), expected);
        assert_eq!(parsed(&["Bearer realm = http://a.example:1/t?x=y , service=s"]), expected);
        assert_eq!(parsed(&["Basic realm=a\"b, Bearer realm=c"]), ["basic realm=a"]);
        assert_eq!(parsed(&["Basic realm=, Bearer realm=c"]), ["basic", "bearer realm=c"]);
    }

    #[test]
    fn several_challenges_stand_on_one_line_or_on_several() {
        let expected = ["bearer realm=a,b service=s", "basic realm=x", "negotiate", "basic"];
        let one = r#"Bearer realm="a,b" , Service = s, Basic realm="x", Negotiate abc==, Basic"#;
        assert_eq!(parsed(&[one]), expected);
        assert_eq!(
            parsed(&[r#"bearer realm="a,b",service=s,,"#, "basic realm=x", "Negotiate,Basic"]),
            expected
        );
    }

    #[test]
    fn quotes_may_hold_quotes() {
        assert_eq!(
            parsed(&[r#"Basic realm="a\"b\\c, Bearer realm=d""#]),
            [r#"basic realm=a"b\c, Bearer realm=d"#]
        );
    }

    #[test]
    fn garbage_costs_nothing_but_its_line() {
        assert_eq!(
            parsed(&["", " , ,", "\"", "=", "Basic realm=\"x", "Basic realm=x"]),
            ["basic", "basic realm=x"]
        );
        assert!(parsed(&[&"a,".repeat(MAX_LINE_BYTES)]).is_empty());
        assert_eq!(parsed(&[&"a,".repeat(100)]).len(), MAX_CHALLENGES);
        assert!(Challenge::parse_all([b"\xff".as_slice()]).is_empty());
    }

    #[test]
    fn a_token_comes_before_a_password() {
        let challenges = |line: &str| Demand::strongest(&Challenge::parse_all([line.as_bytes()]));
        let bearer = Demand::Bearer { realm: "u".into(), service: None };
        assert_eq!(challenges("Basic realm=x, Bearer realm=u"), Some(bearer));
        let basic = Demand::Basic { realm: "x".into() };
        assert_eq!(challenges("Bearer service=s, Basic realm=x"), Some(basic));
        assert_eq!(challenges("Negotiate"), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let bearer = Demand::Bearer { realm: "http://a/?x=\"y\"\n".into(), service: Some("a\\b".into()) };
        let header = bearer.header(Some(&Scope::pull("library/httpd")));
        assert_eq!(
            header,
            r#"Bearer realm="http://a/?x=\"y\"",service="a\\b",scope="repository:library/httpd:pull""#
        );
        let read = Challenge::parse_all([header.as_bytes()]);
        assert_eq!(read.first().unwrap().parameter("scope"), Some("repository:library/httpd:pull"));
        assert_eq!(Demand::Basic { realm: "x".into() }.header(None), r#"Basic realm="x""#);
    }
}
