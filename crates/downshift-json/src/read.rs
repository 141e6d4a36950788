//! Reads JSON.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::byte_set::ByteSet;
use crate::{Error, Limits};

/// A parsed document.
pub struct Json<'a> {
    bytes: &'a [u8],
    /// The same, if it is valid UTF-8: strings without escapes are parts of it then.
    text: Option<&'a str>,
    nodes: Vec<Node>,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true`.
    True,
    /// `false`.
    False,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A value, or the key of an object's member. What an array or object holds follows it directly.
#[derive(Clone, Copy)]
struct Node {
    kind: Kind,
    /// Whether a string is ASCII without escapes, so that its bytes are its text.
    is_plain: bool,
    /// Where the value begins and ends in the document. 32 bits are enough: documents are limited to less.
    start: u32,
    end: u32,
    /// The index of the node after this value and all that it holds.
    next: u32,
}

impl<'a> Json<'a> {
    /// Parses `bytes`; `document` names them in errors.
    ///
    /// # Errors
    /// [`Error::Syntax`], or [`Error::Limit`].
    pub fn parse(
        document: &'static str,
        bytes: &'a [u8],
        limits: impl Into<Limits>,
    ) -> Result<Self, Box<Error>> {
        Self::parse_within(document, bytes, limits.into())
    }

    fn parse_within(document: &'static str, bytes: &'a [u8], limits: Limits) -> Result<Self, Box<Error>> {
        let addressable = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
        Error::check("document-bytes", limits.document_bytes.min(addressable), bytes.len())?;
        // Configs and manifests have a value or key for some 16 bytes.
        let nodes = Vec::with_capacity(bytes.len() / 16);
        let parser = Parser { document, bytes, at: 0, nodes, open: Vec::new(), limits };
        Ok(Self { bytes, text: core::str::from_utf8(bytes).ok(), nodes: parser.parse()? })
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value { json: self, index: 0 }
    }
}

/// A value in a parsed document.
#[derive(Clone, Copy)]
pub struct Value<'j> {
    json: &'j Json<'j>,
    index: usize,
}

impl<'j> Value<'j> {
    fn node(self) -> Node {
        // Values are made only for nodes that exist.
        self.json.nodes.get(self.index).copied().unwrap_or(Node {
            kind: Kind::Null,
            is_plain: false,
            start: 0,
            end: 0,
            next: 0,
        })
    }

    fn at(self, index: usize) -> Self {
        Self { index, ..self }
    }

    /// Its type.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The value as it is spelt in the document.
    #[must_use]
    pub fn raw(self) -> &'j [u8] {
        let node = self.node();
        self.json.bytes.get(node.start as usize..node.end as usize).unwrap_or_default()
    }

    /// Where the value stands in the document, in bytes.
    #[must_use]
    pub fn span(self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// The members of an object, in the document's order and with repetitions; nothing for other values.
    pub fn members(self) -> impl Iterator<Item = (Value<'j>, Value<'j>)> {
        let node = self.node();
        let mut index = self.index.saturating_add(1);
        let end = if node.kind == Kind::Object { node.next as usize } else { 0 };
        core::iter::from_fn(move || {
            if index >= end {
                return None;
            }
            let key = self.at(index);
            let value = self.at(key.node().next as usize);
            index = value.node().next as usize;
            Some((key, value))
        })
    }

    /// The elements of an array; nothing for other values.
    pub fn elements(self) -> impl Iterator<Item = Value<'j>> {
        let node = self.node();
        let mut index = self.index.saturating_add(1);
        let end = if node.kind == Kind::Array { node.next as usize } else { 0 };
        core::iter::from_fn(move || {
            if index >= end {
                return None;
            }
            let element = self.at(index);
            index = element.node().next as usize;
            Some(element)
        })
    }

    /// The member with exactly this key; the last, where there are several.
    #[inline(never)]
    #[must_use]
    pub fn member(self, key: &str) -> Option<Value<'j>> {
        self.members().filter(|(name, _)| name.is_text(key)).map(|(_, value)| value).last()
    }

    /// The member that Go would decode into a field of this name: the last whose key matches it without regard to
    /// case.
    #[inline(never)]
    #[must_use]
    pub fn field(self, name: &str) -> Option<Value<'j>> {
        self.members().filter(|(key, _)| key.folds_to_one_of([name]).is_some()).map(|(_, value)| value).last()
    }

    /// Whether this is a string of exactly this text.
    #[must_use]
    pub fn is_text(self, text: &str) -> bool {
        if self.node().is_plain {
            self.inner() == text.as_bytes()
        } else {
            self.as_text().is_some_and(|own| own == text)
        }
    }

    /// Which of the fields `names` Go's decoder takes this key for.
    #[must_use]
    pub fn folds_to_one_of<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Option<usize> {
        let mut names = names.into_iter();
        if self.node().is_plain {
            let key = self.inner();
            return names.position(|name| key.eq_ignore_ascii_case(name.as_bytes()));
        }
        let key = self.text();
        names.position(|name| fold_eq(&key, name))
    }

    /// What stands between the quotes of a string.
    fn inner(self) -> &'j [u8] {
        let raw = self.raw();
        raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
    }

    /// The text of a string, decoded as Go does it: each byte of invalid UTF-8 and each lone surrogate becomes
    /// U+FFFD. Empty for other values.
    #[inline(never)]
    #[must_use]
    pub fn text(self) -> Cow<'j, str> {
        if self.kind() != Kind::String {
            return Cow::Borrowed("");
        }
        let inner = self.inner();
        let Range { start, end } = self.span();
        let within = start.saturating_add(1)..end.saturating_sub(1);
        match self.json.text.and_then(|text| text.get(within)) {
            Some(text) if self.node().is_plain || !inner.contains(&b'\\') => Cow::Borrowed(text),
            _ => Cow::Owned(unescape(inner)),
        }
    }

    /// The text of a string; nothing for other values.
    #[must_use]
    pub fn as_text(self) -> Option<Cow<'j, str>> {
        (self.kind() == Kind::String).then(|| self.text())
    }

    /// A number that is spelt as an unsigned integer, the only spelling that Go takes for one.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        if self.kind() != Kind::Number {
            return None;
        }
        core::str::from_utf8(self.raw()).ok()?.parse().ok()
    }
}

/// Whether Go's decoder takes the key `key` for the field `name`, which is lower-case ASCII letters, `_` and `.`,
/// or an exact match.
///
/// Beside ASCII's cases that is U+017F for `s` and U+212A for `k`, which fold to them in Unicode.
fn fold_eq(key: &str, name: &str) -> bool {
    let folded = key.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    });
    folded.eq(name.chars().map(|c| c.to_ascii_lowercase()))
}

fn unescape(inner: &[u8]) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let plain = rest.iter().position(|&byte| byte == b'\\').unwrap_or(rest.len());
        let (run, escape) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        push_lossy(&mut text, run);
        rest = match escape {
            [b'\\', b'u', hex @ ..] => push_unicode_escape(&mut text, hex),
            [b'\\', letter, after @ ..] => {
                text.push(match letter {
                    b'b' => '\u{8}',
                    b'f' => '\u{c}',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    other => char::from(*other),
                });
                after
            }
            _ => &[],
        };
    }
    text
}

/// Go replaces each byte of invalid UTF-8 on its own; `String::from_utf8_lossy` replaces runs of them.
fn push_lossy(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

/// Decodes what follows `\u`, together with the second half of a surrogate pair, and returns the rest.
fn push_unicode_escape<'b>(text: &mut String, hex: &'b [u8]) -> &'b [u8] {
    let (first, rest) = hex4(hex);
    if let Some(c) = char::from_u32(first) {
        text.push(c);
        return rest;
    }
    if let [b'\\', b'u', hex @ ..] = rest {
        let (second, after) = hex4(hex);
        if let (0xd800..0xdc00, 0xdc00..0xe000) = (first, second) {
            let bits = (first & 0x3ff) << 10 | second & 0x3ff;
            text.extend(char::from_u32(bits.saturating_add(0x1_0000)));
            return after;
        }
    }
    text.push(char::REPLACEMENT_CHARACTER);
    rest
}

fn hex4(hex: &[u8]) -> (u32, &[u8]) {
    let (digits, rest) = hex.split_at_checked(4).unwrap_or((hex, &[]));
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0);
    (digits.iter().fold(0, |value, byte| value << 4 | digit(byte)), rest)
}

/// What ends a run of plain bytes in a string.
const ENDS_RUN: ByteSet<2> = ByteSet::of(*b"\"\\").and_control().and_non_ascii();

struct Parser<'a> {
    document: &'static str,
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The nodes of the arrays and objects that are open, outermost first.
    open: Vec<usize>,
    limits: Limits,
}

impl Parser<'_> {
    fn parse(mut self) -> Result<Vec<Node>, Box<Error>> {
        loop {
            self.skip_space();
            match self.peek() {
                Some(b'{') => {
                    self.open(Kind::Object)?;
                    if !self.take_after_space(b'}') {
                        self.key()?;
                        continue;
                    }
                    self.close();
                }
                Some(b'[') => {
                    self.open(Kind::Array)?;
                    if !self.take_after_space(b']') {
                        continue;
                    }
                    self.close();
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true", Kind::True)?,
                Some(b'f') => self.literal(b"false", Kind::False)?,
                Some(b'n') => self.literal(b"null", Kind::Null)?,
                Some(_) => return Err(self.problem("a value was expected")),
                None => return Err(self.problem("it ends too early")),
            }
            if self.after_value()? {
                return Ok(self.nodes);
            }
        }
    }

    /// Goes on after a value to where the next one begins; true at the end of the document.
    fn after_value(&mut self) -> Result<bool, Box<Error>> {
        loop {
            self.skip_space();
            let container = self.open.last().and_then(|&index| self.nodes.get(index)).map(|node| node.kind);
            match (container, self.peek()) {
                (None, None) => return Ok(true),
                (None, Some(_)) => return Err(self.problem("something follows the value")),
                (Some(Kind::Array), Some(b',')) => {
                    self.advance(1);
                    return Ok(false);
                }
                (Some(Kind::Object), Some(b',')) => {
                    self.advance(1);
                    self.key()?;
                    return Ok(false);
                }
                (Some(Kind::Array), Some(b']')) | (Some(Kind::Object), Some(b'}')) => {
                    self.advance(1);
                    self.close();
                }
                (Some(_), Some(_)) => return Err(self.problem("a comma or closing bracket is missing")),
                (Some(_), None) => return Err(self.problem("it ends too early")),
            }
        }
    }

    fn problem(&self, problem: &'static str) -> Box<Error> {
        Error::Syntax { document: self.document, offset: self.at, problem }.into()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn advance(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.advance(1);
        }
    }

    fn take_after_space(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        if found {
            self.advance(1);
        }
        found
    }

    fn push(&mut self, kind: Kind, start: usize) {
        let next = self.nodes.len().saturating_add(1);
        let (start, end, next) = (start as u32, self.at as u32, next as u32);
        self.nodes.push(Node { kind, is_plain: false, start, end, next });
    }

    fn open(&mut self, kind: Kind) -> Result<(), Box<Error>> {
        self.open.push(self.nodes.len());
        Error::check("depth", self.limits.depth, self.open.len())?;
        self.push(kind, self.at);
        self.advance(1);
        Ok(())
    }

    fn close(&mut self) {
        let next = self.nodes.len() as u32;
        if let Some(node) = self.open.pop().and_then(|index| self.nodes.get_mut(index)) {
            node.end = self.at as u32;
            node.next = next;
        }
    }

    fn key(&mut self) -> Result<(), Box<Error>> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(_) => return Err(self.problem("a key is missing")),
            None => return Err(self.problem("it ends too early")),
        }
        if self.take_after_space(b':') { Ok(()) } else { Err(self.problem("a colon is missing")) }
    }

    fn string(&mut self) -> Result<(), Box<Error>> {
        let start = self.at;
        self.advance(1);
        let mut is_plain = true;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.advance(ENDS_RUN.count_before(rest));
            match self.peek() {
                Some(b'"') => break,
                Some(0x80..) => {
                    is_plain = false;
                    self.advance(1);
                }
                Some(b'\\') => {
                    is_plain = false;
                    self.escape()?;
                }
                Some(_) => return Err(self.problem("a string has a control character")),
                None => return Err(self.problem("a string does not end")),
            }
        }
        self.advance(1);
        Error::check("string-bytes", self.limits.string_bytes, self.at.saturating_sub(start))?;
        self.push(Kind::String, start);
        if let Some(node) = self.nodes.last_mut() {
            node.is_plain = is_plain;
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Box<Error>> {
        match self.bytes.get(self.at.saturating_add(1)..) {
            Some([b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..]) => self.advance(2),
            Some([b'u', a, b, c, d, ..]) if [a, b, c, d].iter().all(|hex| hex.is_ascii_hexdigit()) => {
                self.advance(6);
            }
            _ => return Err(self.problem("a string has an unknown escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Box<Error>> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.advance(1);
        }
        match self.peek() {
            Some(b'0') => self.advance(1),
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.advance(1);
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.advance(1);
            if let Some(b'+' | b'-') = self.peek() {
                self.advance(1);
            }
            self.digits()?;
        }
        self.push(Kind::Number, start);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Box<Error>> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.advance(1);
        }
        if self.at == start { Err(self.problem("a number lacks a digit")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<(), Box<Error>> {
        let start = self.at;
        if !self.bytes.get(start..).unwrap_or_default().starts_with(word) {
            return Err(self.problem("a value was expected"));
        }
        self.advance(word.len());
        self.push(kind, start);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Json<'_>, Box<Error>> {
        Json::parse("document", bytes, Limits::default())
    }

    /// The text of a document that is one string.
    fn text(json: &[u8]) -> String {
        parse(json).unwrap().root().text().into_owned()
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        for (bytes, offset, problem) in [
            (&b""[..], 0, "it ends too early"),
            (b" x", 1, "a value was expected"),
            (b"nul", 0, "a value was expected"),
            (b"{} {", 3, "something follows the value"),
            (b"[1 2]", 3, "a comma or closing bracket is missing"),
            (b"[1,]", 3, "a value was expected"),
            (b"[1}", 2, "a comma or closing bracket is missing"),
            (b"{\"a\" 1}", 5, "a colon is missing"),
            (b"{a:1}", 1, "a key is missing"),
            (b"{\"a\":1,}", 7, "a key is missing"),
            (b"-", 1, "a number lacks a digit"),
            (b"1.e1", 2, "a number lacks a digit"),
            (b"01", 1, "something follows the value"),
            (b"\"a", 2, "a string does not end"),
            (b"\"\x01\"", 1, "a string has a control character"),
            (b"\"\\x\"", 1, "a string has an unknown escape"),
            (b"\"\\u12g4\"", 1, "a string has an unknown escape"),
        ] {
            let expected = Error::Syntax { document: "document", offset, problem };
            assert_eq!(parse(bytes).err().map(|error| *error), Some(expected), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn limits_are_for_bytes_depth_and_strings() {
        let limits = Limits { document_bytes: 64, depth: 2, string_bytes: 16 };
        let limit = |bytes: &[u8]| match Json::parse("document", bytes, limits).err().map(|error| *error) {
            Some(Error::Limit { name, limit, actual }) => Some((name, limit, actual)),
            _ => None,
        };
        assert_eq!(limit(&[b' '; 65]), Some(("document-bytes", 64, 65)));
        assert_eq!(limit(b"[[[]]]"), Some(("depth", 2, 3)));
        assert_eq!(limit(b"[[],[],[[]]]"), Some(("depth", 2, 3)));
        assert_eq!(limit(b"\"0123456789abcde\""), Some(("string-bytes", 16, 17)));
        assert_eq!(limit(b"[[1],\"0123456789abcd\"]"), None);
    }

    #[test]
    fn strings_are_decoded_as_by_go() {
        assert_eq!(text(br#""a\"\\\/\b\f\n\r\t""#), "a\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(text(br#""\u00e9\ud83d\ude00""#), "\u{e9}\u{1f600}");
        // Half a pair, and a pair in the wrong order.
        assert_eq!(text(br#""\ud83d""#), "\u{fffd}");
        assert_eq!(text(br#""\ude00\ud83d""#), "\u{fffd}\u{fffd}");
        assert_eq!(text(br#""\ud83d\u0041""#), "\u{fffd}A");
        // Each byte on its own.
        assert_eq!(text(b"\"\xe2\x82\xff\""), "\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(text(b"1"), "");
    }

    #[test]
    fn members_are_found_by_their_key_and_fields_as_by_go() {
        let json = parse(b"{\"a\":1,\"A\":2,\"a\":3,\"\\u0061\":4}").unwrap();
        let root = json.root();
        assert_eq!(root.member("a").unwrap().raw(), b"4");
        assert_eq!(root.member("A").unwrap().raw(), b"2");
        assert_eq!(root.field("a").unwrap().raw(), b"4");
        assert_eq!(root.members().count(), 4);
        assert_eq!(root.elements().count(), 0);
        // U+017F folds to `s`, U+212A to `k`.
        let json = parse("{\"o\u{17f}\":1,\"to\u{212a}en\":2}".as_bytes()).unwrap();
        assert_eq!(json.root().field("os").unwrap().raw(), b"1");
        assert_eq!(json.root().field("token").unwrap().raw(), b"2");
        assert!(json.root().member("os").is_none());
    }

    #[test]
    fn a_number_is_an_integer_if_it_is_spelt_as_one() {
        let json = parse(b"[0,18446744073709551615,18446744073709551616,1.0,1e0,-1,\"1\"]").unwrap();
        let numbers: Vec<Option<u64>> = json.root().elements().map(Value::as_u64).collect();
        assert_eq!(numbers, [Some(0), Some(u64::MAX), None, None, None, None, None]);
    }

    #[test]
    fn values_know_where_they_stand() {
        let bytes = b" {\"a\": [1, {}] , \"b\":null}";
        let json = parse(bytes).unwrap();
        let spans: Vec<_> = json.root().members().map(|(key, value)| (key.span(), value.span())).collect();
        assert_eq!(spans, [(2..5, 7..14), (17..20, 21..25)]);
        assert_eq!(json.root().raw().to_ascii_lowercase().as_slice(), bytes.trim_ascii());
        assert_eq!(json.root().member("b").map(Value::is_null), Some(true));
        assert_eq!(json.root().member("a").unwrap().raw().escape_ascii().to_string(), "[1, {}]");
    }
}
