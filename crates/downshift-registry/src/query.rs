//! Percent-encoding and queries (RFC 3986, 2.1 and 3.4).

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::Digest;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

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
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut query = String::new();
        if let Some(artifact_type) = &self.artifact_type {
            query = ["artifactType=", &encoded(artifact_type), "&"].concat();
        }
        [&query, "last=", &encoded(last.as_str())].concat()
    }
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

/// `text` with its percent-encoding undone; `None` if that is broken or gives no UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    decoded(text, b'+')
}

/// The same, where a plus sign stands for `plus`.
fn decoded(text: &str, plus: u8) -> Option<String> {
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
    fn pages_of_referrers_are_asked_for_as_they_are_linked() {
        let query = ReferrersQuery::parse("artifactType=application%2Fspdx%2Bjson&n=3");
        assert_eq!(query.artifact_type.as_deref(), Some("application/spdx+json"));
        let last = Digest::of(b"");
        let next = ReferrersQuery::parse(&query.after(&last));
        assert_eq!(next, ReferrersQuery { last: Some(last.to_string()), ..query });
        assert_eq!(ReferrersQuery::parse("artifactType=&x"), ReferrersQuery::default());
    }
}
