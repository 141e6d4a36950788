//! Writes strings and values as Go does.

use alloc::vec::Vec;

use crate::byte_set::ByteSet;

/// Writes `text`, escaped for the inside of a string, as Go does it with HTML escaping on (`encoding/json`, up to Go 1.21:
/// later ones write U+0008 and U+000C as `\b` and `\f`). If it `is_quoted`, the string stands in a string itself.
pub(crate) fn push_escaped(out: &mut Vec<u8>, text: &str, is_quoted: bool) {
    out.reserve(text.len());
    let mut rest = text.as_bytes();
    loop {
        let plain = count_ordinary(rest);
        let (run, special) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(run);
        let (escaped, after): (&[u8], _) = match special {
            [] => return,
            [byte @ (b'"' | b'\\'), after @ ..] => (&[b'\\', *byte], after),
            [0xe2, 0x80, last @ (0xa8 | 0xa9), after @ ..] => (line_separator(*last), after),
            [b'\n', after @ ..] => (br"\n", after),
            [b'\r', after @ ..] => (br"\r", after),
            [b'\t', after @ ..] => (br"\t", after),
            [byte @ (..0x20 | b'<' | b'>' | b'&'), after @ ..] => (&unicode_escape(*byte), after),
            [byte, after @ ..] => (&[*byte], after),
        };
        push(out, escaped, is_quoted);
        rest = after;
    }
}

/// [`push_escaped`] for what may be invalid UTF-8: each byte of that becomes `\ufffd`.
pub(crate) fn push_escaped_lossy(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        push_escaped(out, chunk.valid(), false);
        for _ in chunk.invalid() {
            out.extend_from_slice(br"\ufffd");
        }
    }
}

/// What may have to be escaped inside of a string.
const NEEDS_ESCAPE: ByteSet<6> = ByteSet::of(*b"\"\\<>&\xe2").and_control();

/// How many of `bytes` stand before the first that may have to be escaped.
fn count_ordinary(bytes: &[u8]) -> usize {
    NEEDS_ESCAPE.count_before(bytes)
}

fn line_separator(last: u8) -> &'static [u8] {
    if last == 0xa8 { br"\u2028" } else { br"\u2029" }
}

/// `\u00` and the digits of `byte`, which is ASCII.
fn unicode_escape(byte: u8) -> [u8; 6] {
    let digit = |nibble: u8| nibble.wrapping_add(if nibble < 10 { b'0' } else { b'a' - 10 });
    [b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]
}

/// Writes a part of JSON, which stands in a string itself if it `is_quoted`.
fn push(out: &mut Vec<u8>, json: &[u8], is_quoted: bool) {
    for &byte in json {
        if is_quoted && matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// Writes a value as it is spelt in `raw`, but without white space and with `<`, `>`, `&`, U+2028 and U+2029 escaped:
/// Go's `json.RawMessage`. Nothing else changes, invalid UTF-8 and existing escapes included.
///
/// If it `is_quoted`, the value stands in a string itself, and then invalid UTF-8 changes, too.
pub(crate) fn push_compact(out: &mut Vec<u8>, raw: &[u8], is_quoted: bool) {
    // To see that all is valid is much faster than to look for what is not.
    if is_quoted && core::str::from_utf8(raw).is_err() {
        let mut json = Vec::new();
        push_compact(&mut json, raw, false);
        return push_escaped_lossy(out, &json);
    }
    out.reserve(raw.len());
    let mut in_string = false;
    let mut rest = raw;
    loop {
        let plain = if in_string {
            count_ordinary(rest)
        } else {
            // Between strings there are a few bytes only, of which a quote and white space matter.
            rest.iter().take_while(|byte| !matches!(byte, b'"' | b' ' | b'\t' | b'\r' | b'\n')).count()
        };
        let (run, special) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(run);
        let (spelt, after): (&[u8], _) = match special {
            [] => return,
            [b'"', after @ ..] => {
                in_string = !in_string;
                (b"\"", after)
            }
            [b'\\', escaped, after @ ..] => (&[b'\\', *escaped], after),
            [byte @ (b'<' | b'>' | b'&'), after @ ..] => (&unicode_escape(*byte), after),
            [0xe2, 0x80, last @ (0xa8 | 0xa9), after @ ..] => (line_separator(*last), after),
            [b' ' | b'\t' | b'\r' | b'\n', after @ ..] => (b"", after),
            [byte, after @ ..] => (&[*byte], after),
        };
        push(out, spelt, is_quoted);
        rest = after;
    }
}
