//! What looks secret in documents.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::config::split;
use crate::given::Given;
use crate::limits::Limits;
use crate::report::Secret;
use crate::response::Responses;
use downshift_json::{Json, Kind, Value};

/// Parts of names that secrets have, in lower case without separators.
const NAMES: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authkey",
    "connectionstring",
    "signingkey",
    "clientkey",
];

/// How values begin that are secret whatever their name is: of cloud and code hosts, and keys.
const VALUES: [&str; 12] = [
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "-----BEGIN",
    "npm_",
    "sk_live_",
];

const BY_NAME: &str = "its name is that of a secret";
const BY_VALUE: &str = "its value looks like a key or token";
const BY_URL: &str = "it has a URL with a user name and password";

/// Finds what looks secret in documents, by its name or by its value.
#[must_use]
pub fn secrets(given: &[Given<'_>]) -> Vec<Secret> {
    let mut search = Search { document: 0, found: Vec::new() };
    for (index, given) in given.iter().enumerate() {
        search.document = index;
        let responses = Responses::parse(given.bytes);
        let bytes = responses.as_ref().map_or(given.bytes, |found| found.body.of(given.bytes));
        for head in responses.iter().flat_map(|found| found.earlier.iter().chain([&found.head])) {
            for header in &head.headers {
                let is = |name: &str| header.name.eq_ignore_ascii_case(name);
                if is("set-cookie") || is("authorization") || is("cookie") || is("x-amz-security-token") {
                    search.add("header", &header.name, BY_NAME);
                } else {
                    search.value("header", &header.name, &header.value);
                }
            }
        }
        if let Ok(json) = Json::parse("document", bytes, &Limits::core()) {
            search.json(json.root());
        }
    }
    search.found
}

struct Search {
    document: usize,
    found: Vec<Secret>,
}

impl Search {
    fn add(&mut self, place: &'static str, name: &str, text: &'static str) {
        let secret = Secret { document: self.document, place, name: name.to_owned(), text };
        if self.found.len() < Limits::SECRETS && !self.found.contains(&secret) {
            self.found.push(secret);
        }
    }

    /// Looks at all of a document, and at the JSON in its strings.
    fn json(&mut self, root: Value<'_>) {
        let mut open = vec![("", root)];
        while let Some((place, value)) = open.pop() {
            for (key, member) in value.members() {
                let name = key.text();
                match (&*name, member.kind()) {
                    ("Env", Kind::Array) => open.push(("env", member)),
                    ("Labels", Kind::Object) => open.push(("label", member)),
                    ("annotations", Kind::Object) => open.push(("annotation", member)),
                    ("v1Compatibility", Kind::String) => self.record(&member.text()),
                    ("created_by", Kind::String) => self.arguments(&member.text()),
                    ("urls", Kind::Array) => open.push(("url", member)),
                    (_, Kind::String) => self.named(
                        if place.is_empty() { "argument" } else { place },
                        &name,
                        &member.text(),
                        !place.is_empty(),
                    ),
                    _ => open.push((place, member)),
                }
            }
            for element in value.elements() {
                match (place, element.kind()) {
                    ("env", Kind::String) => {
                        let pair = split(&element.text());
                        self.named("env", &pair.name, &pair.value, true);
                    }
                    ("url", Kind::String) => self.value("url", "urls", &element.text()),
                    (_, Kind::String) => self.arguments(&element.text()),
                    _ => open.push((place, element)),
                }
            }
        }
    }

    fn record(&mut self, text: &str) {
        if let Ok(json) = Json::parse("v1Compatibility", text.as_bytes(), &Limits::core()) {
            self.json(json.root());
        }
    }

    /// Looks at a command: at `NAME=value` and `--name=value` in it, and at each word by itself.
    fn arguments(&mut self, command: &str) {
        for word in command.split_ascii_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => self.named("argument", name.trim_start_matches('-'), value, true),
                None => self.value("argument", "a word of a command", word),
            }
        }
    }

    fn named(&mut self, place: &'static str, name: &str, value: &str, by_name: bool) {
        if value.is_empty() {
            return;
        }
        let plain: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        // A path to a secret is not secret.
        let is_path = value.starts_with('/')
            || plain.ends_with("file")
            || plain.ends_with("path")
            || plain.ends_with("url");
        if by_name && !is_path && NAMES.iter().any(|part| plain.contains(part)) {
            self.add(place, name, BY_NAME);
        } else {
            self.value(place, name, value);
        }
    }

    fn value(&mut self, place: &'static str, name: &str, value: &str) {
        let bare = value.trim_start_matches(['"', '\'']);
        let is_token =
            |prefix: &str| bare.starts_with(prefix) && bare.len() >= prefix.len().saturating_add(12);
        let is_jwt = bare.starts_with("eyJ") && bare.matches('.').count() == 2;
        if has_credentials(value) {
            self.add(place, name, BY_URL);
        } else if VALUES.into_iter().any(is_token) || is_jwt {
            self.add(place, name, BY_VALUE);
        }
    }
}

/// Whether there is a URL with a name and password (RFC 3986, 3.2.1).
fn has_credentials(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        user.split_once(':').is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
    })
}
