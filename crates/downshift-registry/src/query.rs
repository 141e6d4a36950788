//! Percent-encoding and queries (RFC 3986, 2.1 and 3.4).

use alloc::string::String;
use alloc::vec::Vec;

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
