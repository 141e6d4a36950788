//! JSON that a caller gives.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

use downshift::{Digest, Limits};
use downshift_json::{Json, Kind, Value};

use crate::js_error::JsError;

/// Parses what the package wrote, which limits nothing: it is in the caller's memory already.
pub(crate) fn parse(text: &str) -> Result<Json<'_>, JsError> {
    let mut limits = Limits::default();
    limits.document_bytes = usize::MAX;
    limits.string_bytes = usize::MAX;
    Json::parse("argument", text.as_bytes(), &limits).map_err(|_| JsError::invalid("json"))
}

/// What is wrong with what a caller gives: the first problem that was found, if there is any.
#[derive(Default)]
pub(crate) struct Problems(Cell<Option<JsError>>);

impl Problems {
    fn note(&self, problem: JsError) {
        let first = self.0.take();
        self.0.set(first.or(Some(problem)));
    }

    /// What was `made`, if nothing is wrong with what it was made of.
    pub(crate) fn check<T>(self, made: T) -> Result<T, JsError> {
        match self.0.into_inner() {
            Some(problem) => Err(problem),
            None => Ok(made),
        }
    }
}

/// What is read of JSON that a caller gives.
///
/// Where it is not what it should be, that is noted and something else read in its place, so that what reads it need not
/// know of problems: leaving each function early takes a good deal of code. [`Problems::check`] comes at the end.
#[derive(Clone, Copy)]
pub(crate) struct Argument<'j> {
    value: Value<'j>,
    problems: &'j Problems,
}

impl<'j> Argument<'j> {
    /// All that was given.
    pub(crate) fn of(json: &'j Json<'_>, problems: &'j Problems) -> Self {
        Self { value: json.root(), problems }
    }

    /// Notes that the argument `name` is not what the documentation says.
    pub(crate) fn refuse(self, name: &str) {
        self.problems.note(JsError::invalid(name));
    }

    /// What was `found` for the argument `name`, which is refused if that is nothing.
    pub(crate) fn or_refuse<T>(self, name: &str, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.refuse(name);
        }
        found
    }

    /// What was read, or notes the problem with it.
    pub(crate) fn accept<T>(self, read: Result<T, impl Into<JsError>>) -> Option<T> {
        read.map_err(|problem| self.problems.note(problem.into())).ok()
    }

    /// A member, if it is there and not null.
    #[inline(never)]
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        let value = self.value.member(name).filter(|value| !value.is_null())?;
        Some(Self { value, ..self })
    }

    /// A member that has to be there.
    pub(crate) fn required(self, name: &str) -> Option<Self> {
        self.or_refuse(name, self.member(name))
    }

    #[inline(never)]
    pub(crate) fn text(self, name: &str) -> String {
        self.required(name).and_then(|member| member.as_text_called(name)).unwrap_or_default()
    }

    #[inline(never)]
    pub(crate) fn optional_text(self, name: &str) -> Option<String> {
        self.member(name)?.as_text_called(name)
    }

    #[inline(never)]
    pub(crate) fn number(self, name: &str) -> u64 {
        self.required(name).and_then(|member| member.as_number_called(name)).unwrap_or_default()
    }

    #[inline(never)]
    pub(crate) fn optional_number(self, name: &str) -> Option<u64> {
        self.member(name)?.as_number_called(name)
    }

    #[inline(never)]
    pub(crate) fn digest(self, name: &str) -> Digest {
        self.accept(self.text(name).parse()).unwrap_or_else(Digest::empty_layer)
    }

    /// Whether a member is `true`.
    #[inline(never)]
    pub(crate) fn is(self, name: &str) -> bool {
        self.member(name).is_some_and(|member| member.value.kind() == Kind::True)
    }

    #[inline(never)]
    fn as_text_called(self, name: &str) -> Option<String> {
        self.or_refuse(name, self.as_text())
    }

    #[inline(never)]
    fn as_number_called(self, name: &str) -> Option<u64> {
        self.or_refuse(name, self.value.as_u64())
    }

    #[inline(never)]
    pub(crate) fn as_text(self) -> Option<String> {
        self.value.as_text().map(Cow::into_owned)
    }

    /// A name and a value: an array of two texts.
    pub(crate) fn as_pair(self) -> Option<(String, String)> {
        let mut elements = self.value.elements().map(|value| Self { value, ..self });
        let (name, value) = (elements.next()?, elements.next()?);
        if elements.next().is_some() {
            return None;
        }
        Some((name.as_text()?, value.as_text()?))
    }

    /// The elements of an array that is a member; none of anything else.
    #[inline(never)]
    pub(crate) fn elements_of(self, name: &str) -> Vec<Self> {
        let mut elements = Vec::new();
        if let Some(member) = self.member(name) {
            elements.extend(member.value.elements().map(|value| Self { value, ..self }));
        }
        elements
    }

    /// The numbers by name of an object; none of anything else.
    #[inline(never)]
    pub(crate) fn numbers(self) -> Vec<(Cow<'j, str>, u64)> {
        let mut numbers = Vec::new();
        for (name, value) in self.value.members() {
            if let Some(number) = value.as_u64() {
                numbers.push((name.text(), number));
            }
        }
        numbers
    }
}
