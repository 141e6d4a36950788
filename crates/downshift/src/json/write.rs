use alloc::vec::Vec;

use super::ByteSet;

/// Writes `text` as a JSON string, as Go does it with HTML escaping on (`encoding/json`, up to Go 1.21: later ones
/// write U+0008 and U+000C as `\b` and `\f`).
///
/// `text` may hold invalid UTF-8; each byte of it becomes `\ufffd`.
pub(crate) fn push_quoted_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    // To see that all is valid is much faster than to look for what is not.
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

/// Writes `text`, escaped for the inside of a string that stands in a string itself.
pub(crate) fn push_escaped_twice(out: &mut Vec<u8>, text: &str) {
    let mut once = Vec::new();
    push_escaped(&mut once, text.as_bytes());
    push_escaped(out, &once);
}

/// Writes valid UTF-8, escaped for the inside of a string.
pub(crate) fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    // Room for a few escapes; text that is JSON itself has one for every fourth byte or so.
    out.reserve(text.len().saturating_add(text.len() / 4).saturating_add(2));
    let mut rest = text;
    loop {
        let plain = rest.iter().position(|&byte| NEEDS_ESCAPE.contains(byte)).unwrap_or(rest.len());
        let (run, special) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(run);
        rest = match special {
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

static NEEDS_ESCAPE: ByteSet = ByteSet::new(b"\"\\<>&\xe2", true);
/// In valid JSON, `<`, `>`, `&` and 0xe2 stand in strings only, and bare white space outside only.
static NEEDS_CARE_IN_STRING: ByteSet = ByteSet::new(b"\"\\<>&\xe2", false);
static NEEDS_CARE_OUTSIDE: ByteSet = ByteSet::new(b"\" \t\r\n", false);

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
        let special = if in_string { &NEEDS_CARE_IN_STRING } else { &NEEDS_CARE_OUTSIDE };
        let plain = rest.iter().position(|&byte| special.contains(byte)).unwrap_or(rest.len());
        let (run, special) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(run);
        rest = match special {
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
            [b' ' | b'\t' | b'\r' | b'\n', after @ ..] => after,
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        };
    }
}
