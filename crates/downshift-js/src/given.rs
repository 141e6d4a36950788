//! JSON that a caller gives.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use downshift::Limits;
use downshift::json::{Json, Kind, Value};

use crate::thrown::Thrown;

/// Parses what the package wrote, which limits nothing: it is in the caller's memory already.
pub(crate) fn parse(text: &str) -> Result<Json<'_>, Thrown> {
    let mut limits = Limits::default();
    limits.document_bytes = usize::MAX;
    limits.string_bytes = usize::MAX;
    Json::parse("argument", text.as_bytes(), &limits).map_err(|_| Thrown::invalid("json"))
}

/// What is read of JSON that a caller gives.
#[derive(Clone, Copy)]
pub(crate) struct Given<'j>(Value<'j>);

impl<'j> Given<'j> {
    /// All that was given.
    pub(crate) fn of(json: &'j Json<'_>) -> Self {
        Self(json.root())
    }

    /// A member, if it is there and not null.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        self.0.member(name).filter(|value| !value.is_null()).map(Self)
    }

    pub(crate) fn text(self, name: &str) -> Result<String, Thrown> {
        self.optional_text(name)?.ok_or_else(|| Thrown::invalid(name))
    }

    #[inline(never)]
    pub(crate) fn optional_text(self, name: &str) -> Result<Option<String>, Thrown> {
        self.member(name).map(|member| member.as_text().ok_or_else(|| Thrown::invalid(name))).transpose()
    }

    pub(crate) fn number(self, name: &str) -> Result<u64, Thrown> {
        self.optional_number(name)?.ok_or_else(|| Thrown::invalid(name))
    }

    #[inline(never)]
    pub(crate) fn optional_number(self, name: &str) -> Result<Option<u64>, Thrown> {
        self.member(name).map(|member| member.0.as_u64().ok_or_else(|| Thrown::invalid(name))).transpose()
    }

    /// Whether a member is `true`.
    pub(crate) fn is(self, name: &str) -> bool {
        self.member(name).is_some_and(|member| member.0.kind() == Kind::True)
    }

    /// The whole as a text.
    pub(crate) fn as_argument(self) -> Result<String, Thrown> {
        self.as_text().ok_or_else(|| Thrown::invalid("argument"))
    }

    pub(crate) fn as_text(self) -> Option<String> {
        self.0.as_text().map(Cow::into_owned)
    }

    /// A name and a value: an array of two texts.
    pub(crate) fn as_pair(self) -> Option<(String, String)> {
        let mut elements = self.0.elements();
        let (name, value) = (elements.next()?, elements.next()?);
        if elements.next().is_some() {
            return None;
        }
        Some((Self(name).as_text()?, Self(value).as_text()?))
    }

    /// The elements of an array that is a member; none of anything else.
    #[inline(never)]
    pub(crate) fn elements_of(self, name: &str) -> Vec<Self> {
        self.member(name).map(|member| member.0.elements().map(Self).collect()).unwrap_or_default()
    }

    /// The numbers by name of an object; none of anything else.
    #[inline(never)]
    pub(crate) fn numbers(self) -> Vec<(Cow<'j, str>, u64)> {
        let mut numbers = Vec::new();
        for (name, value) in self.0.members() {
            if let Some(number) = value.as_u64() {
                numbers.push((name.text(), number));
            }
        }
        numbers
    }
}
