//! Percent-encoding and queries (RFC 3986, 2.1 and 3.4).

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::Digest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Which referrers are asked for (OCI distribution specification 1.1, "Listing Referrers"), and on which page of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferrersQuery {
    /// Of which artifact type; of all without it.
    pub artifact_type: Option<String>,
    /// The digest of the last referrer on the page before.
    pub last: Option<String>,
}

impl ReferrersQuery {
    /// Reads a query.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let value = |name: &str| query_value(query, name).filter(|value| !value.is_empty());
        Self { artifact_type: value("artifactType"), last: value("last") }
    }

    /// The query of the page that begins after `last`.
    #[must_use]
    pub fn after(&self, last: &Digest) -> String {
        let mut query = String::new();
        if let Some(artifact_type) = &self.artifact_type {
            query = ["artifactType=", &encoded(artifact_type), "&"].concat();
        }
        [&query, "last=", &encoded(last.as_str())].concat()
    }
}

/// Which part of the catalog is asked for, where several origins have a part of it each.
///
/// A client that makes its own queries has `n` and `last`, the name of a repository here. A link to the next page has what
/// its origin wants to hear there, and says which one that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogQuery {
    /// The prefix of the origin that the query is for; without one it is the client's own.
    pub origin: Option<String>,
    /// All else of it, as it came.
    pub rest: String,
}

/// The name under which a query says for which origin it is.
const ORIGIN: &str = "_origin";

impl CatalogQuery {
    /// Reads a query.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let is_other = |pair: &&str| pair.split_once('=').is_none_or(|(name, _)| name != ORIGIN);
        let rest: Vec<&str> = query.split('&').filter(is_other).collect();
        Self { origin: query_value(query, ORIGIN), rest: rest.join("&") }
    }

    /// The query for a number of repositories after one.
    #[must_use]
    pub fn of_page(n: Option<usize>, last: Option<&str>) -> Self {
        let n = n.map(|n| ["n=", &n.to_string()].concat());
        let last = last.map(|last| ["last=", &encoded(last)].concat());
        let parts: Vec<String> = n.into_iter().chain(last).collect();
        Self { origin: None, rest: parts.join("&") }
    }

    /// The name of the last repository on the page before.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        query_value(&self.rest, "last")
    }

    /// How many repositories are asked for, if that is a number.
    #[must_use]
    pub fn n(&self) -> Option<usize> {
        query_value(&self.rest, "n")?.parse().ok()
    }

    /// All of it, as it stands in a link.
    #[must_use]
    pub fn text(&self) -> String {
        let origin = self.origin.as_ref().map(|origin| [ORIGIN, "=", &encoded(origin)].concat());
        let parts: Vec<&str> = [origin.as_deref().unwrap_or_default(), &self.rest]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        parts.join("&")
    }
}

/// `text` as it stands in a query. What names are made of needs no encoding.
fn encoded(text: &str) -> String {
    const OTHER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'/');
    utf8_percent_encode(text, OTHER).to_string()
}

/// The first value that a query has under a name.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    query_pairs(query).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The names and values of a query, with their encoding undone. Those in which it is broken are left out.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((percent_decoded(name)?, decoded(value, b' ')?))
    })
}

/// A query without the pairs that have this name.
pub(crate) fn without(query: &str, name: &str) -> String {
    let has_name = |pair: &&str| {
        let own = pair.split_once('=').map_or(*pair, |(own, _)| own);
        percent_decoded(own).is_some_and(|own| own == name)
    };
    let pairs: Vec<_> = query.split('&').filter(|pair| !has_name(pair)).collect();
    pairs.join("&")
}

/// `text` with its percent-encoding undone; `None` if that is broken or gives no UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    decoded(text, b'+')
}

/// The same, where a plus sign stands for `plus`.
fn decoded(text: &str, plus: u8) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_string());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => (digit(bytes.next()?)? << 4) | digit(bytes.next()?)?,
            b'+' => plus,
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_catalog_are_asked_for_as_they_are_linked() {
        let own = CatalogQuery::parse("n=3&last=a/b");
        assert_eq!((own.origin.clone(), own.n(), own.last().as_deref()), (None, Some(3), Some("a/b")));
        assert_eq!(CatalogQuery::of_page(Some(3), Some("a/b")), own);
        assert_eq!(own.text(), "n=3&last=a/b");
        for origin in ["", "hub", "a/b&c"] {
            let query = CatalogQuery { origin: Some(origin.into()), rest: "next=%2Fx&n=1".into() };
            assert_eq!(CatalogQuery::parse(&query.text()), query, "{}", query.text());
        }
        assert_eq!(CatalogQuery::parse(""), CatalogQuery::default());
    }

    #[test]
    fn pages_of_referrers_are_asked_for_as_they_are_linked() {
        let query = ReferrersQuery::parse("artifactType=application%2Fspdx%2Bjson&n=3");
        assert_eq!(query.artifact_type.as_deref(), Some("application/spdx+json"));
        let last = Digest::of(b"");
        let next = ReferrersQuery::parse(&query.after(&last));
        assert_eq!(next, ReferrersQuery { last: Some(last.to_string()), ..query });
        assert_eq!(ReferrersQuery::parse("artifactType=&x"), ReferrersQuery::default());
    }
}
