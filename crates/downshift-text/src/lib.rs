//! Text from strangers, made safe to show.
//!
//! A manifest, a header or a file name may hold characters that move the cursor, reorder the line (U+202E) or cannot be
//! seen at all (U+200B). Terminals and browsers obey them, so that a reader sees something else than what is there.
//! Here they are escaped: [`Printable`] for people, [`push_json_escape`] and [`escape_in_json`] for programs.
//!
//! ```
//! use downshift_text::{Printable, escape_in_json};
//!
//! assert_eq!(Printable::new("a\u{202e}b\n").to_string(), r"a\u{202e}b\n");
//! assert_eq!(escape_in_json("\"a\u{202e}b\""), r#""a\u202eb""#);
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use core::fmt::{self, Write as _};

/// The hidden characters beyond Latin-1, first and last: the general categories Cf, Zl and Zp, and the property
/// Default_Ignorable_Code_Point (Unicode 16, `DerivedGeneralCategory.txt` and `DerivedCoreProperties.txt`).
///
/// A table of our own, as the worker carries it: a crate for these properties has some 40 KB of them.
const HIDDEN: [(char, char); 24] = [
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character cannot be seen, or changes how others are seen: controls (C0, U+007F, C1), the marks of
/// bidirectional text, joiners, separators of lines, tags and the like. Spaces are not hidden.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\0'..='\u{9f}' | '\u{ad}' => true,
        '\u{a0}'..='\u{34e}' => false,
        _ => HIDDEN.iter().any(|&(first, last)| first <= c && c <= last),
    }
}

/// Text on one line in which [hidden](is_hidden) characters are escaped, as `\n` or `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'t> {
    text: &'t str,
    /// How many characters are shown.
    limit: usize,
}

impl<'t> Printable<'t> {
    /// All of a text.
    #[must_use]
    pub const fn new(text: &'t str) -> Self {
        Self { text, limit: usize::MAX }
    }

    /// As many of its first characters as a message has room for, and `…` where there are more.
    #[must_use]
    pub const fn excerpt(text: &'t str, limit: usize) -> Self {
        Self { text, limit }
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.text.chars();
        for c in characters.by_ref().take(self.limit) {
            if is_hidden(c) { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        if characters.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Writes a character into a JSON string as its UTF-16 units, such as `\u202e` (RFC 8259, 7).
pub fn push_json_escape(json: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        json.push_str("\\u");
        for shift in [12, 8, 4, 0] {
            json.push(char::from_digit(u32::from(*unit >> shift & 0xf), 16).unwrap_or('0'));
        }
    }
}

/// JSON with the same values, in whose strings the hidden characters are escaped. `json` is valid, so that all but line
/// breaks and tabs among them stand in strings.
#[must_use]
pub fn escape_in_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) && !matches!(c, '\n' | '\r' | '\t') {
            push_json_escape(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    escaped
}
