//! Writes small objects and arrays.

use alloc::string::{String, ToString as _};

use downshift_text::{is_hidden, push_json_escape};

/// Writes an object, without white space. Beside what JSON demands (RFC 8259, 7), the characters that cannot be seen are
/// escaped.
///
/// It is for what Downshift itself says: bodies of errors, and plain data on its way to JavaScript. What has to come
/// out as Go writes it is written elsewhere.
#[derive(Debug, Default)]
pub struct Object(String);

impl Object {
    /// An object without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member that is JSON already.
    #[inline(never)]
    pub fn json(&mut self, name: &str, json: &str) -> &mut Self {
        self.key(name);
        self.0.push_str(json);
        self
    }

    /// Adds a member that is a string.
    #[inline(never)]
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.key(name);
        push_string(&mut self.0, text);
        self
    }

    /// Adds a member that is a string or `null`.
    #[inline(never)]
    pub fn optional_text(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(name, text),
            None => self.json(name, "null"),
        }
    }

    /// Adds a member that is a number.
    #[inline(never)]
    pub fn number(&mut self, name: &str, number: u64) -> &mut Self {
        self.json(name, &number.to_string())
    }

    /// Adds a member that is a number or `null`.
    #[inline(never)]
    pub fn optional_number(&mut self, name: &str, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.number(name, number),
            None => self.json(name, "null"),
        }
    }

    /// Adds a member that is `true` or `false`.
    #[inline(never)]
    pub fn flag(&mut self, name: &str, flag: bool) -> &mut Self {
        self.json(name, if flag { "true" } else { "false" })
    }

    /// The object, which is without members again.
    #[inline(never)]
    pub fn finish(&mut self) -> String {
        let mut json = core::mem::take(&mut self.0);
        json.push_str(if json.is_empty() { "{}" } else { "}" });
        json
    }

    fn key(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_string(&mut self.0, name);
        self.0.push(':');
    }
}

/// `text` as a JSON string.
#[must_use]
pub fn string(text: &str) -> String {
    let mut json = String::new();
    push_string(&mut json, text);
    json
}

/// An array of elements that are JSON already.
pub fn array(elements: impl IntoIterator<Item = String>) -> String {
    let mut json = String::new();
    for element in elements {
        push_element(&mut json, &element);
    }
    json.push_str(if json.is_empty() { "[]" } else { "]" });
    json
}

#[inline(never)]
fn push_element(json: &mut String, element: &str) {
    json.push(if json.is_empty() { '[' } else { ',' });
    json.push_str(element);
}

#[inline(never)]
fn push_string(json: &mut String, text: &str) {
    json.push('"');
    for char in text.chars() {
        let escape = match char {
            '"' => '"',
            '\\' => '\\',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{c}' => 'f',
            '\r' => 'r',
            // Those of C0, as JSON demands; and those that terminals obey, or that nobody sees.
            _ if is_hidden(char) => {
                push_json_escape(json, char);
                continue;
            }
            _ => {
                json.push(char);
                continue;
            }
        };
        json.push('\\');
        json.push(escape);
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn strings_are_written_as_serde_json_writes_them() {
        let all: String = ('\0'..='\u{ff}')
            .chain(['\u{ffff}', '\u{10ffff}'])
            .filter(|&c| c < '\u{7f}' || !is_hidden(c))
            .collect();
        let expected: Result<String, _> = serde_json::to_string(&all);
        assert_eq!(string(&all), expected.unwrap_or_default());
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let text = "\u{7f}\u{85}\u{9b}\u{ad}\u{200b}\u{2028}\u{202e}\u{feff}\u{e0001}";
        let expected = r#""\u007f\u0085\u009b\u00ad\u200b\u2028\u202e\ufeff\udb40\udc01""#;
        assert_eq!(string(text), expected);
        assert_eq!(serde_json::from_str::<String>(expected).ok().as_deref(), Some(text));
    }

    #[test]
    fn objects_and_arrays_may_be_empty() {
        assert_eq!((Object::new().finish(), array(Vec::new())), ("{}".into(), "[]".into()));
        let mut object = Object::new();
        object.text("a", "b").optional_text("c", None).number("d", 1).flag("e", true);
        object.optional_number("f", Some(2)).optional_number("g", None);
        object.json("h", &array([string("i"), Object::new().finish()]));
        let expected = r#"{"a":"b","c":null,"d":1,"e":true,"f":2,"g":null,"h":["i",{}]}"#;
        assert_eq!((object.finish().as_str(), object.finish().as_str()), (expected, "{}"));
    }
}
