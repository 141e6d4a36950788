//! Numbers and values from outside, in sentences.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A value from outside, on one line and cut to what a sentence has room for.
pub(crate) struct Outside<'o>(pub(crate) &'o str);

impl fmt::Display for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS: usize = 256;
        for (index, c) in self.0.chars().enumerate() {
            match c {
                _ if index == CHARACTERS => return f.write_str("…"),
                c if c.is_control() => write!(f, "{}", c.escape_unicode())?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

/// A number with its noun: `1 layer`, `2 layers`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match noun {
        _ if number == 1 => format!("1 {noun}"),
        "entry" => format!("{number} entries"),
        _ => format!("{number} {noun}s"),
    }
}

/// Where the lines of a document end.
pub(crate) fn line_breaks(bytes: &[u8]) -> Vec<usize> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect()
}

/// The line and the byte in it, both from 1, at which `offset` is.
pub(crate) fn position(breaks: &[usize], offset: usize) -> (usize, usize) {
    let before = breaks.partition_point(|&at| at < offset);
    let start = before.checked_sub(1).and_then(|last| breaks.get(last)).map_or(0, |at| at.saturating_add(1));
    (before.saturating_add(1), offset.saturating_sub(start).saturating_add(1))
}
