//! Numbers and values from outside, in sentences.

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

/// The line and the byte in it, both from 1, at which `offset` is.
pub(crate) fn position(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let lines = before.iter().filter(|&&byte| byte == b'\n').count();
    let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count();
    (lines.saturating_add(1), column.saturating_add(1))
}
