//! The parts of this crate that the fuzz targets look at: `cargo fuzz` builds with the option `fuzzing`.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::write::{push_compact, push_escaped, push_escaped_lossy};
use crate::{Error, Json, Kind, Limits, Value};

/// A JSON value as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as it is spelt.
    Number(String),
    /// A string, decoded.
    String(String),
    /// An array.
    Array(Vec<Tree>),
    /// An object: its members in their order, and with repetitions.
    Object(Vec<(String, Tree)>),
}

/// Reads JSON. A large limit on depth takes a large stack.
///
/// # Errors
/// [`Error::Syntax`] and [`Error::Limit`].
pub fn json(bytes: &[u8], limits: Limits) -> Result<Tree, Box<Error>> {
    Ok(Tree::of(Json::parse("document", bytes, limits)?.root()))
}

/// JSON as it is spelt, but without white space and with HTML escaped: for the inside of a string if it `is_quoted`.
#[must_use]
pub fn compact(json: &[u8], is_quoted: bool) -> Vec<u8> {
    let mut out = Vec::new();
    push_compact(&mut out, json, is_quoted);
    out
}

/// A text for the inside of a string, which stands in a string itself.
#[must_use]
pub fn escaped_twice(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    push_escaped(&mut out, text, true);
    out
}

/// A text as a JSON string.
#[must_use]
pub fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::from(b"\"");
    push_escaped_lossy(&mut out, text);
    out.push(b'"');
    out
}

impl Tree {
    fn of(value: Value<'_>) -> Self {
        match value.kind() {
            Kind::Null => Self::Null,
            Kind::True => Self::Boolean(true),
            Kind::False => Self::Boolean(false),
            Kind::Number => Self::Number(String::from_utf8_lossy(value.raw()).into_owned()),
            Kind::String => Self::String(value.text().into_owned()),
            Kind::Array => Self::Array(value.elements().map(Self::of).collect()),
            Kind::Object => {
                let member =
                    |(key, value): (Value<'_>, Value<'_>)| (Cow::into_owned(key.text()), Self::of(value));
                Self::Object(value.members().map(member).collect())
            }
        }
    }
}
