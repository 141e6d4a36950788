//! Writes JSON in a layout.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::write::{push_compact, push_escaped};

/// Writes JSON as Go's `json.MarshalIndent` does, or compact if the indent is empty.
///
/// The caller opens and closes arrays and objects, and begins each [element](Self::element) and
/// [member](Self::key) before it writes the value.
pub struct Pretty<'i> {
    out: Vec<u8>,
    indent: &'i [u8],
    depth: usize,
    /// Whether nothing was written yet into the array or object that is open.
    is_empty: bool,
    /// Whether what is written stands in a string itself.
    is_quoted: bool,
}

impl<'i> Pretty<'i> {
    /// A writer for a new document, which indents each level by `indent`.
    #[must_use]
    pub fn new(indent: &'i [u8]) -> Self {
        Self::with_capacity(indent, 1024)
    }

    /// A writer with room for `size` bytes.
    #[must_use]
    pub fn with_capacity(indent: &'i [u8], size: usize) -> Self {
        Self::within(Vec::with_capacity(size), indent, 0)
    }

    /// Goes on writing into `out`, inside of `depth` arrays and objects, the innermost of which has members already.
    #[must_use]
    pub fn within(out: Vec<u8>, indent: &'i [u8], depth: usize) -> Self {
        Self { out, indent, depth, is_empty: false, is_quoted: false }
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Begins an array or object with its `bracket`, `[` or `{`.
    pub fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.depth = self.depth.saturating_add(1);
        self.is_empty = true;
    }

    /// Ends an array or object with its `bracket`, `]` or `}`.
    pub fn close(&mut self, bracket: u8) {
        self.depth = self.depth.saturating_sub(1);
        if !self.is_empty {
            self.new_line();
        }
        self.out.push(bracket);
        self.is_empty = false;
    }

    /// Begins an element of an array.
    pub fn element(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.new_line();
        self.is_empty = false;
    }

    /// Begins a member of an object. Its name needs no escaping.
    pub fn key(&mut self, name: &'static str) {
        self.element();
        self.plain(name);
        self.colon();
    }

    /// Begins a member of an object whose name may be any text.
    pub fn any_key(&mut self, name: &str) {
        self.element();
        self.string(name);
        self.colon();
    }

    fn colon(&mut self) {
        self.out.extend_from_slice(if self.indent.is_empty() { b":" } else { b": " });
    }

    /// A string, escaped as Go does it with HTML escaping on.
    pub fn string(&mut self, text: &str) {
        self.quote();
        push_escaped(&mut self.out, text, self.is_quoted);
        self.quote();
    }

    /// A string that needs no escaping.
    pub fn plain(&mut self, text: &str) {
        self.quote();
        self.literal(text);
        self.quote();
    }

    /// A value as it is spelt in `raw`, but compact: what is in it is not laid out.
    pub fn json(&mut self, raw: &[u8]) {
        push_compact(&mut self.out, raw, self.is_quoted);
    }

    /// A string that holds JSON, without white space: what `write` writes.
    pub fn json_in_string(&mut self, write: impl FnOnce(&mut Self)) {
        self.quote();
        let indent = core::mem::take(&mut self.indent);
        self.is_quoted = true;
        write(self);
        (self.indent, self.is_quoted) = (indent, false);
        self.quote();
    }

    fn quote(&mut self) {
        self.out.extend_from_slice(if self.is_quoted { b"\\\"" } else { b"\"" });
    }

    /// A number.
    pub fn number(&mut self, number: u64) {
        self.literal(&number.to_string());
    }

    /// A value that needs no escaping: a number, `true`, `false` or `null`.
    pub fn literal(&mut self, literal: &str) {
        self.out.extend_from_slice(literal.as_bytes());
    }

    /// A member that is a string.
    pub fn string_member(&mut self, name: &'static str, text: &str) {
        self.key(name);
        self.string(text);
    }

    /// A member that is a string that needs no escaping, such as a digest or a time.
    pub fn plain_member(&mut self, name: &'static str, text: &str) {
        self.key(name);
        self.plain(text);
    }

    /// A member that is an array of strings.
    pub fn strings_member<T: AsRef<str>>(&mut self, name: &'static str, texts: &[T]) {
        self.key(name);
        self.open(b'[');
        for text in texts {
            self.element();
            self.string(text.as_ref());
        }
        self.close(b']');
    }

    fn new_line(&mut self) {
        if !self.indent.is_empty() {
            self.out.push(b'\n');
            for _ in 0..self.depth {
                self.out.extend_from_slice(self.indent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn written(indent: &[u8], write: impl FnOnce(&mut Pretty<'_>)) -> String {
        let mut json = Pretty::new(indent);
        write(&mut json);
        String::from_utf8_lossy(&json.into_bytes()).into_owned()
    }

    fn sample(json: &mut Pretty<'_>) {
        json.open(b'{');
        json.key("none");
        json.open(b'[');
        json.close(b']');
        json.strings_member("some", &["a", "b"]);
        json.any_key("<");
        json.number(1);
        json.plain_member("plain", "x");
        json.close(b'}');
    }

    #[test]
    fn layout_is_that_of_marshal_indent_or_none() {
        let compact = r#"{"none":[],"some":["a","b"],"\u003c":1,"plain":"x"}"#;
        assert_eq!(written(b"", sample), compact);
        let indented = "{\n  \"none\": [],\n  \"some\": [\n    \"a\",\n    \"b\"\n  ],\n  \"\\u003c\": 1,\n  \"plain\": \"x\"\n}";
        assert_eq!(written(b"  ", sample), indented);
    }

    #[test]
    fn strings_are_escaped_as_by_go_with_html() {
        let text = "\"\\<>&\u{2028}\u{2029}\n\r\t\u{8}\u{7f}\u{e9}";
        let escaped = "\"\\\"\\\\\\u003c\\u003e\\u0026\\u2028\\u2029\\n\\r\\t\\u0008\u{7f}\u{e9}\"";
        assert_eq!(written(b"", |json| json.string(text)), escaped);
    }

    #[test]
    fn values_are_copied_as_they_are_spelt_but_compact() {
        let raw = b"{ \"a\\/\" : [1.0, 1E2 ,\"<\\u003c\xff\"]\t}";
        let mut out = Vec::new();
        push_compact(&mut out, raw, false);
        assert_eq!(out, b"{\"a\\/\":[1.0,1E2,\"\\u003c\\u003c\xff\"]}");
    }

    #[test]
    fn json_in_a_string_is_compact_and_escaped_twice() {
        let json = written(b" ", |json| {
            json.open(b'{');
            json.key("v1");
            json.json_in_string(|json| {
                json.open(b'{');
                json.string_member("a", "\"<");
                json.key("b");
                json.json(b"[ 1, \"\xff\" ]");
                json.close(b'}');
            });
            json.string_member("c", "d");
            json.close(b'}');
        });
        // A byte that is not UTF-8 is replaced in the outer string, so that its escape is not escaped again.
        let quoted = r#"{\"a\":\"\\\"\\u003c\",\"b\":[1,\"\ufffd\"]}"#;
        assert_eq!(json, ["{\n \"v1\": \"", quoted, "\",\n \"c\": \"d\"\n}"].concat());
    }
}
