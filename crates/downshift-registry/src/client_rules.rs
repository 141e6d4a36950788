//! What an operator knows of clients that the table does not: an engine with patches, a scanner that nobody has measured.
//!
//! A rule is a line, such as `docker/20.10..23 zstd=all`: a product as its `User-Agent` begins, its versions where not all are
//! meant, and what these read. What a rule does not say the table does.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use downshift::{Form, ZstdSupport};

use crate::client_table::{ClientFacts, NEWEST, PrintedErrors, Version, canonical};

/// How many rules there may be in one place: each request is compared with all of them.
pub const MAX_CLIENT_RULES: usize = 64;

/// Characters of a rule.
const MAX_RULE_CHARS: usize = 256;

/// The properties of a client, with their values.
const PROPERTIES: &str = "`reads=` or `refuses=` with forms such as `schema1+oci`, `zstd=` with `none`, `oci` or `all`, \
                          `length=` with `needed` or `optional`, or `errors=` with `none`, `client`, `but-unknown` or `all`";

/// The rules of one place: of all repositories, or of those of one registry. The first that says something decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRules(Vec<ClientRule>);

/// A rule: of which clients it is, and what it says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ClientRule {
    product: String,
    /// From this version on, up to and without the other one.
    versions: (Version, Version),
    unreadable: Option<Vec<Form>>,
    zstd: Option<ZstdSupport>,
    needs_length: Option<bool>,
    errors: Option<PrintedErrors>,
}

/// What rules say of one client.
#[derive(Clone, Copy, Default)]
pub(crate) struct Said<'r> {
    unreadable: Option<&'r [Form]>,
    zstd: Option<ZstdSupport>,
    needs_length: Option<bool>,
    errors: Option<PrintedErrors>,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidClientRule {
    /// The rule, as far as it is shown.
    pub rule: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for InvalidClientRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a rule for clients: {}", self.rule, self.problem)
    }
}

impl core::error::Error for InvalidClientRule {}

impl ClientRules {
    /// Reads rules.
    ///
    /// # Errors
    /// [`InvalidClientRule`], for the first of them that cannot be used, or that is one too many.
    pub fn parse<'a>(rules: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidClientRule> {
        let mut parsed = Vec::new();
        for rule in rules {
            let invalid = |problem| InvalidClientRule { rule: excerpt(rule), problem };
            if parsed.len() >= MAX_CLIENT_RULES {
                return Err(invalid(["there are more than ", &MAX_CLIENT_RULES.to_string()].concat()));
            }
            parsed.push(ClientRule::parse(rule).map_err(invalid)?);
        }
        Ok(Self(parsed))
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is about this version of a client, as its User-Agent names both.
    pub(crate) fn are_about(&self, product: &str, version: &str) -> bool {
        self.0.iter().any(|rule| rule.is_about(product, version))
    }

    /// What they say of this version of a client, as its User-Agent names both.
    pub(crate) fn said_of(&self, product: &str, version: &str) -> Said<'_> {
        let about = self.0.iter().filter(|rule| rule.is_about(product, version));
        about.fold(Said::default(), |said, rule| said.or(rule.said()))
    }
}

impl<'r> Said<'r> {
    /// What this says, and what only `other` says.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            unreadable: self.unreadable.or(other.unreadable),
            zstd: self.zstd.or(other.zstd),
            needs_length: self.needs_length.or(other.needs_length),
            errors: self.errors.or(other.errors),
        }
    }

    /// What is known of a client of which the table has these `facts`.
    pub(crate) fn over(self, facts: ClientFacts<'r>) -> ClientFacts<'r> {
        ClientFacts {
            unreadable: self.unreadable.unwrap_or(facts.unreadable),
            zstd: self.zstd.or(facts.zstd),
            needs_length: self.needs_length.unwrap_or(facts.needs_length),
            errors: self.errors.unwrap_or(facts.errors),
            pulls_by_v1: facts.pulls_by_v1,
        }
    }
}

impl ClientRule {
    fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > MAX_RULE_CHARS {
            return Err(["it has more than ", &MAX_RULE_CHARS.to_string(), " characters"].concat());
        }
        let mut words = text.split_ascii_whitespace();
        let client = words.next().unwrap_or_default();
        let (product, versions) = match client.split_once('/') {
            Some((product, versions)) => (product, range(versions)?),
            None => (client, (Version(0, 0), NEWEST)),
        };
        // A token (RFC 9110, 5.6.2), without what stands for something else here.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if product.is_empty() || !product.bytes().all(is_token) {
            return Err(
                "it must begin with a product as in a User-Agent, such as `docker` or `docker/20.10..23`"
                    .to_owned(),
            );
        }
        let product = canonical(&product.to_ascii_lowercase()).to_owned();
        let mut rule =
            Self { product, versions, unreadable: None, zstd: None, needs_length: None, errors: None };
        let mut says_something = false;
        for word in words {
            rule.read_property(word)?;
            says_something = true;
        }
        if !says_something {
            return Err(["it says nothing of the client: add ", PROPERTIES].concat());
        }
        Ok(rule)
    }

    fn read_property(&mut self, word: &str) -> Result<(), String> {
        let unknown = || ["`", word, "` is not a property of clients: write ", PROPERTIES].concat();
        let (name, value) = word.split_once('=').ok_or_else(unknown)?;
        let is_new = match name {
            "reads" | "refuses" => {
                let named = forms(value)?;
                let is_unreadable = |form: &Form| named.contains(form) == (name == "refuses");
                let unreadable = Form::ALL.into_iter().filter(is_unreadable).collect();
                self.unreadable.replace(unreadable).is_none()
            }
            "zstd" => {
                let support = ZstdSupport::ALL.into_iter().find(|support| support.name() == value);
                self.zstd.replace(support.ok_or_else(unknown)?).is_none()
            }
            "length" => {
                let needs = match value {
                    "needed" => true,
                    "optional" => false,
                    _ => return Err(unknown()),
                };
                self.needs_length.replace(needs).is_none()
            }
            "errors" => {
                let errors = match value {
                    "none" => PrintedErrors::None,
                    "client" => PrintedErrors::Client,
                    "but-unknown" => PrintedErrors::ButUnknown,
                    "all" => PrintedErrors::All,
                    _ => return Err(unknown()),
                };
                self.errors.replace(errors).is_none()
            }
            _ => return Err(unknown()),
        };
        if is_new { Ok(()) } else { Err(["`", word, "` says again what was said before it"].concat()) }
    }

    fn is_about(&self, product: &str, version: &str) -> bool {
        let (from, before) = self.versions;
        let is_product = self.product.eq_ignore_ascii_case(canonical(product))
            || self.product.eq_ignore_ascii_case(product);
        let version = Version::parse(version);
        is_product && from <= version && (version < before || before == NEWEST)
    }

    fn said(&self) -> Said<'_> {
        Said {
            unreadable: self.unreadable.as_deref(),
            zstd: self.zstd,
            needs_length: self.needs_length,
            errors: self.errors,
        }
    }
}

/// Forms with `+` between them, or `none`. Schema 1 is both of its forms.
fn forms(text: &str) -> Result<Vec<Form>, String> {
    let mut forms = Vec::new();
    for name in text.split('+').filter(|_| text != "none") {
        let form = Form::named(name).filter(|form| *form != Form::Other).ok_or_else(|| {
            let known = "`schema1`, `schema1-unsigned`, `schema2`, `list`, `oci`, `index` or `none`";
            ["`", name, "` is not a form: write ", known].concat()
        })?;
        forms.push(form);
        if form == Form::Schema1 {
            forms.push(form.sibling());
        }
    }
    Ok(forms)
}

/// Versions: `20.10..23.0` from one up to and without another, `20.10..` and `..23` without an end, `20.10` and `20` all
/// that begin so.
fn range(text: &str) -> Result<(Version, Version), String> {
    let invalid = || {
        let forms = "`20.10`, `20.10..23`, `20.10..` or `..23`, each with one or two numbers";
        ["`", text, "` is not a range of versions: write ", forms].concat()
    };
    let (from, before) = match text.split_once("..") {
        Some((from, before)) => {
            let from = if from.is_empty() { Some(Version(0, 0)) } else { first(from) };
            let before = if before.is_empty() { Some(NEWEST) } else { first(before) };
            (from, before)
        }
        None => (first(text), first(text).and_then(|version| next(text, version))),
    };
    let (Some(from), Some(before)) = (from, before) else { return Err(invalid()) };
    if from >= before || text == ".." {
        return Err(invalid());
    }
    Ok((from, before))
}

/// The first version that begins so.
fn first(text: &str) -> Option<Version> {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
    Some(Version(number(major)?, number(minor)?))
}

/// The first version that does not begin so, and is later.
fn next(text: &str, Version(major, minor): Version) -> Option<Version> {
    if text.contains('.') {
        minor.checked_add(1).map(|minor| Version(major, minor))
    } else {
        major.checked_add(1).map(|major| Version(major, 0))
    }
}

/// As much of a rule as is shown.
fn excerpt(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(MAX_RULE_CHARS).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::format;

    use super::*;
    use crate::UserAgent;
    use crate::client_table::facts;

    fn by(rules: &[&str], user_agent: &str) -> (Vec<Form>, Option<ZstdSupport>, bool, PrintedErrors) {
        let rules = ClientRules::parse(rules.iter().copied()).unwrap();
        let facts = UserAgent::parse(user_agent).facts_by([&rules]);
        (facts.unreadable.to_vec(), facts.zstd, facts.needs_length, facts.errors)
    }

    #[test]
    fn a_rule_is_about_the_versions_of_a_product() {
        for (rule, is, is_not) in [
            (
                "docker",
                &["docker/1.6.2", "docker/29.1", "docker", "Docker/20.10.3"][..],
                &["dockerd/1", ""][..],
            ),
            ("docker/20.10", &["docker/20.10.3", "docker/20.10.24+dfsg1"], &["docker/20.11", "docker/23.0"]),
            ("docker/20", &["docker/20.10.3", "docker/20.0"], &["docker/19.03", "docker/21.0", "docker/dev"]),
            ("docker/20.10..23", &["docker/20.10.0", "docker/22.9"], &["docker/20.9", "docker/23.0.1"]),
            ("docker/..1.10", &["docker/1.9.1", "docker/0.9"], &["docker/1.10.3"]),
            ("docker/28.2..", &["docker/28.2.2", "docker/dev", "docker/0.0.0-dev"], &["docker/28.1.1"]),
            ("Trivy", &["trivy/0.50.1", "Trivy/dev"], &["trivia/1.0"]),
            ("crane", &["crane/v0.21", "go-containerregistry/v0.20.2"], &["krane/1.0"]),
            ("balena", &["balena-engine/20.10.43", "balena/17.12"], &["docker/17.12"]),
        ] {
            let rules = ClientRules::parse([&*format!("{rule} zstd=oci")]).unwrap();
            for (agents, expected) in [(is, true), (is_not, false)] {
                for agent in agents {
                    let UserAgent { product, version, .. } = UserAgent::parse(agent);
                    assert_eq!(rules.are_about(product, version), expected, "{rule}: {agent}");
                }
            }
        }
    }

    #[test]
    fn what_a_rule_says_goes_before_the_table() {
        let plain = |agent: &str| {
            let UserAgent { product, version, .. } = UserAgent::parse(agent);
            let facts = facts(product, version);
            (facts.unreadable.to_vec(), facts.zstd, facts.needs_length, facts.errors)
        };
        let patched = "docker/20.10.3";
        let (unreadable, zstd, needs_length, errors) = plain(patched);
        assert_eq!(zstd, Some(ZstdSupport::None));
        let all = Some(ZstdSupport::All);
        assert_eq!(by(&["docker/20.10 zstd=all"], patched), (unreadable, all, needs_length, errors));
        assert_eq!(by(&["docker/24 zstd=all"], patched), plain(patched));
        let schema1 = [Form::Schema1Unsigned, Form::Schema1];
        assert_eq!(by(&["trivy refuses=schema1"], "trivy/0.50").0, schema1);
        assert_eq!(by(&["crane refuses=none"], "crane/v0.21").0, []);
        assert_eq!(
            by(&["a reads=schema2+list"], "a/1").0,
            [&schema1[..], &[Form::Oci, Form::Index]].concat()
        );
        let oldest = by(&["docker/1.6..1.8 length=optional errors=all"], "docker/1.7.1");
        assert_eq!((oldest.2, oldest.3), (false, PrintedErrors::All));
        assert_eq!(by(&["a errors=none length=needed"], "a/1").3, PrintedErrors::None);
        // The first that says something decides about that alone.
        let two = by(&["a/1 zstd=none", "a zstd=all refuses=oci"], "a/1.5");
        assert_eq!((two.0, two.1), ([Form::Oci].to_vec(), Some(ZstdSupport::None)));
    }

    #[test]
    fn what_is_no_rule_is_told() {
        for (rule, problem) in [
            ("", "must begin with a product"),
            ("/1.0 zstd=all", "must begin with a product"),
            ("do(cker zstd=all", "must begin with a product"),
            ("docker", "says nothing of the client"),
            ("docker/ zstd=all", "not a range of versions"),
            ("docker/20.10.24 zstd=all", "not a range of versions"),
            ("docker/23..20 zstd=all", "not a range of versions"),
            ("docker/.. zstd=all", "not a range of versions"),
            ("docker/x zstd=all", "not a range of versions"),
            ("docker zstd", "not a property of clients"),
            ("docker zstd=some", "not a property of clients"),
            ("docker length=1", "not a property of clients"),
            ("docker errors=500", "not a property of clients"),
            ("docker colour=red", "not a property of clients"),
            ("docker refuses=schema3", "`schema3` is not a form"),
            ("docker reads=", "`` is not a form"),
            ("docker reads=oci refuses=schema1", "says again"),
            ("docker zstd=all zstd=all", "says again"),
            (&format!("docker zstd=all {}", " ".repeat(300)), "more than 256"),
        ] {
            let invalid = ClientRules::parse([rule]).unwrap_err();
            assert!(invalid.problem.contains(problem), "{rule}: {invalid}");
        }
        let many = ["a zstd=all"; MAX_CLIENT_RULES + 1];
        assert!(ClientRules::parse(many).unwrap_err().problem.contains("more than 64"));
        assert!(ClientRules::parse(many.into_iter().skip(1)).is_ok());
    }
}
