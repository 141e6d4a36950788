//! Responses, as `curl -i` prints them.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::limits::Limits;
use crate::report::{Pair, ResponseHead, Span};

/// The responses of a paste.
#[derive(Clone, Debug)]
pub(crate) struct Responses {
    pub(crate) head: ResponseHead,
    pub(crate) earlier: Vec<ResponseHead>,
    pub(crate) crlf: bool,
    /// How many headers were not read.
    pub(crate) left_out: usize,
    /// The body, in the bytes that were given.
    pub(crate) body: Span,
}

impl Responses {
    /// Reads responses; nothing if `bytes` do not begin with one.
    ///
    /// What `curl -v` writes between is skipped: its lines begin with `*`, `>`, `{` or `}` and a space, and those of
    /// headers with `<` and a space.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes, at: 0, is_verbose: false, crlf: false, left_out: 0 };
        reader.skip_notes();
        let mut heads = vec![reader.head()?];
        while heads.len() < Limits::RESPONSES {
            let at = reader.at;
            reader.skip_notes();
            match reader.head() {
                Some(head) => heads.push(head),
                None => {
                    reader.at = at;
                    break;
                }
            }
        }
        reader.skip_notes();
        let head = heads.pop()?;
        let body = Span { start: reader.at, end: reader.end() };
        Some(Self { head, earlier: heads, crlf: reader.crlf, left_out: reader.left_out, body })
    }

    /// The last header of a name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.head.headers.iter().rev().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value.as_str())
    }

    /// All headers of a name, in any case, joined as one.
    pub(crate) fn joined(&self, name: &str) -> Option<String> {
        let all = self.head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        let values: Vec<&str> = all.map(|header| header.value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    is_verbose: bool,
    crlf: bool,
    left_out: usize,
}

impl<'b> Reader<'b> {
    /// The line at `at`, without its end, and where the next begins. The last line of all has no end.
    fn line(&self) -> Option<(&'b [u8], usize, bool)> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|&byte| byte == b'\n');
        let line = rest.get(..length.unwrap_or(rest.len()))?;
        let next = self.at.saturating_add(line.len()).saturating_add(usize::from(length.is_some()));
        match line.strip_suffix(b"\r") {
            Some(line) => Some((line, next, true)),
            None => Some((line, next, false)),
        }
    }

    /// Skips what `curl -v` says beside.
    fn skip_notes(&mut self) {
        while let Some((line, next, _)) = self.line() {
            let is_note = matches!(line, [b'*' | b'>', b' ', ..] | b">")
                || (self.is_verbose && matches!(line, [b'{' | b'}', b' ', b'[', ..]));
            if !is_note {
                break;
            }
            self.is_verbose = true;
            self.at = next;
        }
    }

    /// Reads a status line and headers, up to and with the empty line.
    fn head(&mut self) -> Option<ResponseHead> {
        let (start, left_out) = (self.at, self.left_out);
        let head = self.try_head();
        if head.is_none() {
            (self.at, self.left_out) = (start, left_out);
        }
        head
    }

    fn try_head(&mut self) -> Option<ResponseHead> {
        let (line, next, crlf) = self.line()?;
        let (mut head, is_verbose) = match line.strip_prefix(b"< ") {
            Some(line) => (status_line(line)?, true),
            None => (status_line(line)?, false),
        };
        self.is_verbose |= is_verbose;
        self.crlf = crlf;
        self.at = next;
        while let Some((line, next, _)) = self.line() {
            self.at = next;
            let line = match line {
                b"<" => b"",
                _ if is_verbose => line.strip_prefix(b"< ").unwrap_or(line),
                _ => line,
            };
            if line.is_empty() {
                return Some(head);
            }
            let text = String::from_utf8_lossy(line);
            // Folded, as nobody may send them any more (RFC 9112, 5.2).
            if let (Some(header), true) = (head.headers.last_mut(), text.starts_with([' ', '\t'])) {
                header.value.push(' ');
                header.value.push_str(text.trim());
            } else {
                // Without a colon it is a document and not a header: then there was no response.
                let (name, value) = text.split_once(':')?;
                if head.headers.len() < Limits::HEADERS {
                    head.headers.push(Pair::new(name.trim(), value.trim()));
                } else {
                    self.left_out = self.left_out.saturating_add(1);
                }
            }
        }
        // The answer to HEAD, without its last line break.
        Some(head)
    }

    /// Where the body ends: `curl -v` has a last word after it.
    fn end(&self) -> usize {
        let whole = self.bytes.len();
        if !self.is_verbose {
            return whole;
        }
        let mut end = whole;
        loop {
            let body = self.bytes.get(self.at..end).unwrap_or_default();
            let line_end = body.strip_suffix(b"\n").unwrap_or(body);
            let start = line_end.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at.saturating_add(1));
            let line = line_end.get(start..).unwrap_or_default();
            let is_note = line.starts_with(b"* ");
            // A body without a line break at its end has the note on its own last line.
            let note = line.windows(14).rposition(|window| window == b"* Connection #");
            if is_note {
                end = self.at.saturating_add(start);
            } else if let Some(at) = note {
                return self.at.saturating_add(start).saturating_add(at);
            } else {
                return end;
            }
        }
    }
}

/// `HTTP/1.1 200 OK`, `HTTP/2 200`.
fn status_line(line: &[u8]) -> Option<ResponseHead> {
    let line = core::str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    version
        .strip_prefix("HTTP/")
        .filter(|number| matches!(number.as_bytes(), [b'1'..=b'3'] | [b'0'..=b'9', b'.', b'0'..=b'9']))?;
    let status = rest.trim_start().get(..3)?.parse().ok().filter(|status| (100..=599).contains(status))?;
    Some(ResponseHead { version: version.to_owned(), status, headers: Vec::new() })
}
