//! Numbers, places and values from outside, in sentences.

use alloc::format;
use alloc::string::String;
use core::fmt;

use downshift_text::Printable;

/// A value from outside, on one line and cut to what a sentence has room for.
pub(crate) struct Outside<'o>(pub(crate) &'o str);

impl fmt::Display for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS: usize = 256;
        Printable::excerpt(self.0, CHARACTERS).fmt(f)
    }
}

/// A number with its noun: `1 layer`, `2 layers`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}

/// The lines of a document, for places that are asked for in their order.
pub(crate) struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
    line: usize,
    /// Where the line begins.
    start: usize,
}

impl<'b> Lines<'b> {
    pub(crate) fn of(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, line: 1, start: 0 }
    }

    /// The line and the byte in it, both from 1, at which `offset` is. It is not before the last one.
    pub(crate) fn position(&mut self, offset: usize) -> (usize, usize) {
        let passed = self.bytes.get(self.at..offset).unwrap_or_default();
        for (index, _) in passed.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            self.line = self.line.saturating_add(1);
            self.start = self.at.saturating_add(index).saturating_add(1);
        }
        self.at = self.at.max(offset);
        (self.line, offset.saturating_sub(self.start).saturating_add(1))
    }
}
