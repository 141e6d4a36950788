//! Documents that are not JSON.

use alloc::borrow::ToOwned as _;
use alloc::string::ToString as _;

use crate::read::Read;
use crate::report::Unreadable;
use crate::text::Lines;
use downshift::Error;

/// Why a document is not JSON, and what it may be instead; nothing if it is JSON.
pub(crate) fn unreadable(read: &Read<'_>) -> Option<Unreadable> {
    let (offset, problem) = match read.error.as_deref()? {
        Error::InvalidJson { document: "document", offset, problem } => (*offset, (*problem).to_owned()),
        error if read.json.is_none() => (0, error.to_string()),
        _ => return None,
    };
    let (line, column) = Lines::of(read.bytes).position(offset);
    let (guess, text) = guess(read.bytes, offset);
    Some(Unreadable { offset, line, column, problem, guess, text })
}

fn guess(bytes: &[u8], offset: usize) -> (&'static str, &'static str) {
    let trimmed = bytes.trim_ascii();
    let lower = trimmed.get(..trimmed.len().min(64)).unwrap_or_default().to_ascii_lowercase();
    let rest = bytes.get(offset..).unwrap_or_default();
    match bytes {
        [] => return ("empty", "it is empty: a response to HEAD, or a failed download"),
        [0x1f, 0x8b, ..] => {
            return ("gzip", "it is compressed with gzip: run `gunzip`, or `curl --compressed`");
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return ("zstd", "it is compressed with zstd: run `unzstd`"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'{', 0, ..] | [0, b'{', ..] => {
            return ("utf-16", "it is UTF-16: PowerShell's `>` writes that; use `curl -o`");
        }
        [0xef, 0xbb, 0xbf, ..] => {
            return ("bom", "it begins with a byte order mark, which no registry writes: an editor added it");
        }
        _ => {}
    }
    if lower.starts_with(b"<!doctype") || lower.starts_with(b"<html") || lower.starts_with(b"<?xml") {
        return ("html", "it is a web page, of a proxy or a login, in place of the registry's response");
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(byte);
    if trimmed.len() >= 16 && trimmed.starts_with(b"ey") && trimmed.iter().all(is_base64) {
        return ("base64", "it is JSON in base64: run `base64 -d`");
    }
    let is_brace = |byte: &u8| matches!(byte, b'{' | b'[');
    if trimmed.first().is_some_and(is_brace) {
        if rest.trim_ascii().is_empty() {
            return ("truncated", "it ends too early: something cut it off");
        }
        if rest.trim_ascii_start().first().is_some_and(is_brace) {
            return ("two-documents", "another document follows the first: give each one separately");
        }
    }
    let first = trimmed.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    if !first.is_empty()
        && first.len() <= 8
        && first.iter().all(u8::is_ascii_hexdigit)
        && trimmed.contains(&b'{')
    {
        return ("chunked", "it is in chunked transfer coding: run `curl` without `--raw`");
    }
    if trimmed.is_empty() {
        ("empty", "it is nothing but white space")
    } else if bytes.contains(&0) || core::str::from_utf8(bytes).is_err() {
        ("binary", "it is binary: a layer, or another blob")
    } else {
        ("text", "it is some other text")
    }
}
