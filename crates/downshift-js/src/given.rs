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

    /// The texts of an array that has as many.
    pub(crate) fn as_texts<const N: usize>(self) -> Option<[String; N]> {
        let texts: Option<Vec<String>> = self.elements().map(Self::as_text).collect();
        texts?.try_into().ok()
    }

    /// The elements of an array; none of anything else.
    pub(crate) fn elements(self) -> impl Iterator<Item = Self> {
        self.0.elements().map(Self)
    }

    /// The elements of a member.
    pub(crate) fn elements_of(self, name: &str) -> impl Iterator<Item = Self> {
        self.member(name).into_iter().flat_map(Self::elements)
    }

    /// The numbers by name of an object; none of anything else.
    pub(crate) fn numbers(self) -> impl Iterator<Item = (Cow<'j, str>, u64)> {
        self.0.members().filter_map(|(name, value)| Some((name.text(), value.as_u64()?)))
    }
}
