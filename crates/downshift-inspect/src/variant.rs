//! Changes that keep what a document says, and change its digest.

use alloc::vec::Vec;

use crate::limits::Limits;
use crate::report::Variant;
use downshift::Error;
use downshift::jws;
use downshift_json::Json;

/// A change, and how it is made.
pub(crate) struct Change {
    pub(crate) variant: Variant,
    make: Make,
}

/// How a change is made.
enum Make {
    /// From any bytes.
    Bytes(fn(&[u8]) -> Option<Vec<u8>>),
    /// By writing JSON anew.
    Json(Style),
}

/// How JSON is written. Names, values and their order stay.
#[derive(Clone, Copy)]
struct Style {
    layout: Layout,
    escapes: Escapes,
    /// Whether a line break follows the end.
    newline: bool,
}

#[derive(Clone, Copy)]
enum Layout {
    /// White space as it is.
    Kept,
    /// No white space.
    Compact,
    /// On one line, a space after commas and colons.
    Spaced,
    /// A line for each member and element, indented by so many of these for each level.
    Indented(usize, u8),
}

/// What becomes of `<`, `>` and `&` in strings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Kept,
    /// Escaped, as Go does it.
    Made,
    /// Plain.
    Undone,
}

const fn bytes(
    code: &'static str,
    text: &'static str,
    cause: &'static str,
    make: fn(&[u8]) -> Option<Vec<u8>>,
) -> Change {
    Change { variant: Variant { code, text, cause }, make: Make::Bytes(make) }
}

const fn json(
    code: &'static str,
    text: &'static str,
    cause: &'static str,
    layout: Layout,
    escapes: Escapes,
    newline: bool,
) -> Change {
    Change { variant: Variant { code, text, cause }, make: Make::Json(Style { layout, escapes, newline }) }
}

const JQ: &str = "`jq .` does that";
const GO: &str = "Docker and registries write schema 1 so";
const GO_ESCAPES: &str = "programs in Go escape these characters, and most others do not";

/// What is tried, the likeliest and cheapest first.
pub(crate) static CHANGES: [Change; 25] = [
    bytes(
        "final-newline-removed",
        "the line break at the end removed",
        "editors, `echo` and `jq` add one",
        without_final_newline,
    ),
    bytes("final-newline-added", "a line break added at the end", "`$(…)` in a shell removes it", |bytes| {
        Some([bytes, b"\n"].concat())
    }),
    bytes(
        "final-space-removed",
        "all white space at the end removed",
        "terminals and editors add it",
        |bytes| Some(bytes.trim_ascii_end().to_vec()),
    ),
    bytes("crlf-to-lf", "CRLF turned into LF", "Windows and some editors write CRLF", |bytes| {
        Some(replace(bytes, b"\r\n", b"\n"))
    }),
    bytes("lf-to-crlf", "LF turned into CRLF", "browsers and Unix programs turn CRLF into LF", |bytes| {
        Some(replace(&replace(bytes, b"\r\n", b"\n"), b"\n", b"\r\n"))
    }),
    bytes("bom-removed", "the byte order mark removed", "Windows' editors write one", |bytes| {
        Some(bytes.strip_prefix(BOM)?.to_vec())
    }),
    bytes("bom-added", "a byte order mark put before", "programs that read text remove it", |bytes| {
        Some([BOM, bytes].concat())
    }),
    bytes(
        "surroundings-removed",
        "what stands before the first and after the last brace removed",
        "a shell's prompt, or a log, was copied too",
        without_surroundings,
    ),
    json("compact", "all white space removed", "it was made readable", Layout::Compact, Escapes::Kept, false),
    json(
        "compact-newline",
        "all white space removed but a line break at the end",
        "`jq -c` writes so",
        Layout::Compact,
        Escapes::Kept,
        true,
    ),
    json("indent-3", "indented by three spaces", GO, Layout::Indented(3, b' '), Escapes::Kept, false),
    json("indent-2", "indented by two spaces", JQ, Layout::Indented(2, b' '), Escapes::Kept, false),
    json(
        "indent-2-newline",
        "indented by two spaces, with a line break at the end",
        JQ,
        Layout::Indented(2, b' '),
        Escapes::Kept,
        true,
    ),
    json(
        "indent-4",
        "indented by four spaces",
        "Python and editors do that",
        Layout::Indented(4, b' '),
        Escapes::Kept,
        false,
    ),
    json(
        "indent-tab",
        "indented by tabs",
        "some builders and editors do that",
        Layout::Indented(1, b'\t'),
        Escapes::Kept,
        false,
    ),
    json(
        "spaced",
        "on one line, with spaces after commas and colons",
        "Python writes so",
        Layout::Spaced,
        Escapes::Kept,
        false,
    ),
    json("escaped", "`<`, `>` and `&` escaped", GO_ESCAPES, Layout::Kept, Escapes::Made, false),
    json("unescaped", "`<`, `>` and `&` not escaped", GO_ESCAPES, Layout::Kept, Escapes::Undone, false),
    json(
        "compact-escaped",
        "all white space removed, `<`, `>` and `&` escaped",
        "it was made readable by a program that does not escape",
        Layout::Compact,
        Escapes::Made,
        false,
    ),
    json(
        "compact-unescaped",
        "all white space removed, `<`, `>` and `&` not escaped",
        "it was made readable by a program that escapes",
        Layout::Compact,
        Escapes::Undone,
        false,
    ),
    json(
        "indent-3-escaped",
        "indented by three spaces, `<`, `>` and `&` escaped",
        GO,
        Layout::Indented(3, b' '),
        Escapes::Made,
        false,
    ),
    json(
        "indent-2-escaped",
        "indented by two spaces, `<`, `>` and `&` escaped",
        "builders in Go write so",
        Layout::Indented(2, b' '),
        Escapes::Made,
        false,
    ),
    json(
        "indent-4-newline",
        "indented by four spaces, with a line break at the end",
        "Python's `json.tool` does that",
        Layout::Indented(4, b' '),
        Escapes::Kept,
        true,
    ),
    bytes(
        "encoding-undone",
        "characters decoded that were encoded twice",
        "UTF-8 was taken for Latin-1",
        encoded_once,
    ),
    bytes(
        "line-breaks-removed",
        "all line breaks removed",
        "it was copied from a terminal or message that wraps lines",
        |bytes| Some(bytes.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect()),
    ),
];

const BOM: &[u8] = &[0xef, 0xbb, 0xbf];

impl Change {
    /// The changed bytes; nothing where there is nothing to change, or where that makes too much. `is_json` says whether `bytes` are JSON.
    pub(crate) fn make(&self, bytes: &[u8], is_json: bool) -> Option<Vec<u8>> {
        let made = match &self.make {
            Make::Bytes(make) => make(bytes)?,
            Make::Json(style) if is_json => style.write(bytes)?,
            Make::Json(_) => return None,
        };
        (made != bytes).then_some(made)
    }
}

/// The bytes of the variant with this code; nothing where the change cannot be made.
#[must_use]
pub fn variant(bytes: &[u8], code: &str) -> Option<Vec<u8>> {
    let change = CHANGES.iter().find(|change| change.variant.code == code)?;
    change.make(bytes, Json::parse("document", bytes, &Limits::core()).is_ok())
}

/// The payload of a signed document.
///
/// # Errors
/// As [`jws::parse`].
pub fn payload(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(jws::parse(bytes, &Limits::core())?.payload)
}

fn without_final_newline(bytes: &[u8]) -> Option<Vec<u8>> {
    let rest = bytes.strip_suffix(b"\n")?;
    Some(rest.strip_suffix(b"\r").unwrap_or(rest).to_vec())
}

fn without_surroundings(bytes: &[u8]) -> Option<Vec<u8>> {
    let start = bytes.iter().position(|&byte| byte == b'{')?;
    let end = bytes.iter().rposition(|&byte| byte == b'}')?;
    Some(bytes.get(start..=end)?.to_vec())
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(from) {
            out.extend_from_slice(to);
            rest = after;
        } else {
            out.push(byte);
            rest = after;
        }
    }
    out
}

/// Takes text for UTF-8 whose bytes were read as Latin-1 and encoded again.
fn encoded_once(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = core::str::from_utf8(bytes).ok()?;
    let once: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<_>>()?;
    core::str::from_utf8(&once).is_ok().then_some(once)
}

impl Style {
    /// Writes valid JSON anew. Names, numbers and strings are copied as they are spelt, but for what `escapes` says.
    /// Nothing if that makes too much.
    fn write(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut writer = Writer {
            style: self,
            out: Vec::with_capacity(bytes.len().saturating_add(bytes.len() / 4)),
            depth: 0,
        };
        writer.write(bytes);
        if self.newline {
            writer.out.push(b'\n');
        }
        (writer.out.len() <= Limits::VARIANT_BYTES).then_some(writer.out)
    }
}

struct Writer {
    style: Style,
    out: Vec<u8>,
    depth: usize,
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) {
        let is_kept = matches!(self.style.layout, Layout::Kept);
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.out.len() > Limits::VARIANT_BYTES {
                return;
            }
            rest = after;
            match byte {
                b'"' => rest = self.string(after),
                b' ' | b'\t' | b'\r' | b'\n' if !is_kept => {}
                _ if is_kept => self.out.push(byte),
                b'{' | b'[' => {
                    self.out.push(byte);
                    let inner = after.trim_ascii_start();
                    if let Some((&close @ (b'}' | b']'), after)) = inner.split_first() {
                        self.out.push(close);
                        rest = after;
                    } else {
                        self.depth = self.depth.saturating_add(1);
                        self.line();
                    }
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.line();
                    self.out.push(byte);
                }
                b',' => {
                    self.out.push(byte);
                    self.line();
                    if matches!(self.style.layout, Layout::Spaced) {
                        self.out.push(b' ');
                    }
                }
                b':' => {
                    self.out.push(byte);
                    if !matches!(self.style.layout, Layout::Compact) {
                        self.out.push(b' ');
                    }
                }
                _ => self.out.push(byte),
            }
        }
    }

    /// Copies a string, whose opening quote is read already, and returns what follows it.
    fn string<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        self.out.push(b'"');
        let mut rest = bytes;
        loop {
            let plain = rest.iter().position(|byte| b"\"\\<>&".contains(byte)).unwrap_or(rest.len());
            let (run, special) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
            self.out.extend_from_slice(run);
            rest = match special {
                [] => return special,
                [b'"', after @ ..] => {
                    self.out.push(b'"');
                    return after;
                }
                [b'\\', b'u', b'0', b'0', high, low, after @ ..]
                    if self.style.escapes == Escapes::Undone && html(*high, *low).is_some() =>
                {
                    self.out.extend(html(*high, *low));
                    after
                }
                [b'\\', escaped, after @ ..] => {
                    self.out.extend_from_slice(&[b'\\', *escaped]);
                    after
                }
                [byte @ (b'<' | b'>' | b'&'), after @ ..] if self.style.escapes == Escapes::Made => {
                    self.out.extend_from_slice(match byte {
                        b'<' => br"\u003c",
                        b'>' => br"\u003e",
                        _ => br"\u0026",
                    });
                    after
                }
                [byte, after @ ..] => {
                    self.out.push(*byte);
                    after
                }
            };
        }
    }

    fn line(&mut self) {
        if let Layout::Indented(count, byte) = self.style.layout {
            self.out.push(b'\n');
            let indented = self.out.len().saturating_add(self.depth.saturating_mul(count));
            // One byte too much is enough to be given up.
            self.out.resize(indented.min(Limits::VARIANT_BYTES.saturating_add(1)), byte);
        }
    }
}

/// The character of an escape's last two digits, if it is one that is escaped for HTML.
fn html(high: u8, low: u8) -> Option<u8> {
    match (high, low.to_ascii_lowercase()) {
        (b'3', b'c') => Some(b'<'),
        (b'3', b'e') => Some(b'>'),
        (b'2', b'6') => Some(b'&'),
        _ => None,
    }
}
