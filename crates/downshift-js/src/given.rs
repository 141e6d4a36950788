//! JSON that a caller gives.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use crate::thrown::Thrown;

/// What is read of JSON that a caller gives.
pub(crate) struct Given(Value);

impl Given {
    pub(crate) fn parse(text: &str) -> Result<Self, Thrown> {
        serde_json::from_str(text).map(Self).map_err(|_| Thrown::invalid("json"))
    }

    /// A member, if it is there and not null.
    pub(crate) fn member(&self, name: &str) -> Option<Self> {
        self.0.get(name).filter(|value| !value.is_null()).cloned().map(Self)
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, Thrown> {
        self.optional_text(name)?.ok_or_else(|| Thrown::invalid(name))
    }

    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<String>, Thrown> {
        self.member(name).map(|member| member.as_text().ok_or_else(|| Thrown::invalid(name))).transpose()
    }

    pub(crate) fn number(&self, name: &str) -> Result<u64, Thrown> {
        self.optional_number(name)?.ok_or_else(|| Thrown::invalid(name))
    }

    pub(crate) fn optional_number(&self, name: &str) -> Result<Option<u64>, Thrown> {
        self.member(name).map(|member| member.0.as_u64().ok_or_else(|| Thrown::invalid(name))).transpose()
    }

    /// Whether a member is `true`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    pub(crate) fn as_text(&self) -> Option<String> {
        self.0.as_str().map(str::to_owned)
    }

    /// The elements of an array; none of anything else.
    pub(crate) fn elements(self) -> Vec<Self> {
        match self.0 {
            Value::Array(elements) => elements.into_iter().map(Self).collect(),
            _ => Vec::new(),
        }
    }

    /// The numbers by name of an object; none of anything else.
    pub(crate) fn numbers(self) -> Vec<(String, u64)> {
        match self.0 {
            Value::Object(members) => {
                members.into_iter().filter_map(|(name, value)| Some((name, value.as_u64()?))).collect()
            }
            _ => Vec::new(),
        }
    }
}
