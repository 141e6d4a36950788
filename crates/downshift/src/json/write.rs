use alloc::vec::Vec;

use super::scan::{Found, is, is_control, lanes_before, word};

/// Writes `text` as a JSON string, as Go does it with HTML escaping on (`encoding/json`, up to Go 1.21: later ones
/// write U+0008 and U+000C as `\b` and `\f`).
///
/// `text` may hold invalid UTF-8; each byte of it becomes `\ufffd`.
pub(crate) fn push_quoted_string(out: &mut Vec<u8>, text: &[u8]) {
    // Room for a few escapes; text that is JSON itself has one for every fourth byte or so.
    out.reserve(text.len().saturating_add(text.len() / 4).saturating_add(2));
    out.push(b'"');
    if core::str::from_utf8(text).is_ok() {
        push_escaped(out, text);
    } else {
        for chunk in text.utf8_chunks() {
            push_escaped(out, chunk.valid().as_bytes());
            for _ in chunk.invalid() {
                out.extend_from_slice(br"\ufffd");
            }
        }
    }
    out.push(b'"');
}

/// Writes valid UTF-8, escaped for the inside of a string.
fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        rest = push_run(out, rest, needs_escape);
        rest = match rest {
            [] => return,
            [byte @ (b'"' | b'\\'), after @ ..] => {
                out.extend_from_slice(&[b'\\', *byte]);
                after
            }
            [0xe2, 0x80, last @ (0xa8 | 0xa9), after @ ..] => {
                out.extend_from_slice(line_separator(*last));
                after
            }
            [b'\n', after @ ..] => {
                out.extend_from_slice(br"\n");
                after
            }
            [b'\r', after @ ..] => {
                out.extend_from_slice(br"\r");
                after
            }
            [b'\t', after @ ..] => {
                out.extend_from_slice(br"\t");
                after
            }
            [byte @ (..0x20 | b'<' | b'>' | b'&'), after @ ..] => {
                push_unicode_escape(out, *byte);
                after
            }
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        };
    }
}

/// Copies bytes up to the first that `find` finds, or up to the last few, of which nothing is known, and gives what
/// follows.
fn push_run<'t>(out: &mut Vec<u8>, text: &'t [u8], find: impl Fn(u64) -> Found) -> &'t [u8] {
    let mut rest = text;
    while let Some((word, chunk)) = word(rest) {
        // To copy eight and take some back is faster than to copy as many as it happens to be.
        let length = out.len();
        out.extend_from_slice(chunk);
        let run = lanes_before(find(word));
        rest = rest.get(run..).unwrap_or_default();
        if run < 8 {
            out.truncate(length.saturating_add(run));
            break;
        }
    }
    rest
}

fn needs_escape(word: u64) -> Found {
    is(word, b'"') | is_markup(word) | is_control(word)
}

/// In valid JSON, `<`, `>`, `&` and 0xe2 stand in strings only, and bare white space outside only.
fn needs_care_in_string(word: u64) -> Found {
    is(word, b'"') | is_markup(word)
}

fn needs_care_outside(word: u64) -> Found {
    // White space, and nothing else that stands there, is below 0x21.
    is(word, b'"') | is(word, b' ') | is_control(word)
}

fn is_markup(word: u64) -> Found {
    is(word, b'\\') | is(word, b'<') | is(word, b'>') | is(word, b'&') | is(word, 0xe2)
}

fn line_separator(last: u8) -> &'static [u8] {
    if last == 0xa8 { br"\u2028" } else { br"\u2029" }
}

fn push_unicode_escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    out.extend_from_slice(br"\u00");
    for nibble in [byte >> 4, byte & 0xf] {
        out.push(DIGITS.get(usize::from(nibble)).map_or(b'0', |&digit| digit as u8));
    }
}

/// Writes a value as it is spelt in `raw`, but without white space and with `<`, `>`, `&`, U+2028 and U+2029 escaped:
/// Go's `json.RawMessage`. Nothing else changes, invalid UTF-8 and existing escapes included.
pub(crate) fn push_compact(out: &mut Vec<u8>, raw: &[u8]) {
    out.reserve(raw.len());
    let mut in_string = false;
    let mut rest = raw;
    loop {
        rest = if in_string {
            push_run(out, rest, needs_care_in_string)
        } else {
            push_run(out, rest, needs_care_outside)
        };
        rest = match rest {
            [] => return,
            [b'"', after @ ..] => {
                in_string = !in_string;
                out.push(b'"');
                after
            }
            [b'\\', escaped, after @ ..] => {
                out.extend_from_slice(&[b'\\', *escaped]);
                after
            }
            [byte @ (b'<' | b'>' | b'&'), after @ ..] => {
                push_unicode_escape(out, *byte);
                after
            }
            [0xe2, 0x80, last @ (0xa8 | 0xa9), after @ ..] => {
                out.extend_from_slice(line_separator(*last));
                after
            }
            [b' ' | b'\t' | b'\r' | b'\n', after @ ..] if !in_string => after,
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        };
    }
}
