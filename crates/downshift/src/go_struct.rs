//! Structs as Go's `encoding/json` reads and writes them.
//!
//! An engine that decodes JSON into a struct and encodes that again keeps the struct's fields alone, in the struct's order,
//! each with the type that it has there: `null` and a member that is missing become zero values, maps are sorted, and empty
//! fields stay or go as their tags say.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::time::GoTime;
use downshift_json::{Kind, Pretty, Value};

/// A field of a struct.
pub(crate) struct Field {
    /// Its name in JSON.
    pub(crate) name: &'static str,
    pub(crate) field_type: FieldType,
    /// Whether it is left out where it is empty: Go's `omitempty`, which a struct and a time never are.
    pub(crate) omits_empty: bool,
}

/// The types that fields have.
#[derive(Clone, Copy)]
pub(crate) enum FieldType {
    Text,
    Time,
    /// `int64`.
    Integer,
    /// `*int`.
    OptionalInteger,
    Boolean,
    /// `[]string`.
    Texts,
    /// Docker's `strslice.StrSlice`: an array of strings, or one string.
    Command,
    /// `map[string]struct{}`.
    Set,
    /// `map[string]string`.
    TextMap,
    Struct(&'static [Field]),
    /// A pointer to a struct.
    Optional(&'static [Field]),
}

/// A struct, with the values of its fields in their order.
pub(crate) struct GoStruct {
    fields: &'static [Field],
    values: Vec<GoValue>,
}

enum GoValue {
    Text(String),
    Time(GoTime),
    Integer(i64),
    OptionalInteger(Option<i64>),
    Boolean(bool),
    Texts(Option<Texts>),
    Command(Option<Texts>),
    Set(Option<BTreeSet<String>>),
    TextMap(Option<BTreeMap<String, String>>),
    Struct(GoStruct),
    Optional(&'static [Field], Option<Box<GoStruct>>),
}

/// A slice of strings. What an array stands over that is decoded into it again stays where the array has `null`, as it does
/// in the slice's memory.
#[derive(Default)]
struct Texts {
    elements: Vec<String>,
    length: usize,
}

/// A member that has another type than its field.
pub(crate) struct Mismatch {
    /// Where it is, such as `config.Env`; empty for the struct itself.
    pub(crate) path: String,
    /// What it should be.
    pub(crate) expected: &'static str,
}

const AN_OBJECT: &str = "an object";

impl GoStruct {
    /// The zero value.
    pub(crate) fn new(fields: &'static [Field]) -> Self {
        Self { fields, values: fields.iter().map(|field| GoValue::zero(field.field_type)).collect() }
    }

    /// Decodes an object into the struct: of a member that stands twice, the second into what the first has left.
    pub(crate) fn read(&mut self, object: Value<'_>) -> Result<(), Mismatch> {
        match object.kind() {
            Kind::Object => {}
            Kind::Null => return Ok(()),
            _ => return Err(Mismatch::new(AN_OBJECT)),
        }
        for (key, value) in object.members() {
            let Some(index) = key.folds_to_one_of(self.fields.iter().map(|field| field.name)) else {
                continue;
            };
            let (Some(field), Some(own)) = (self.fields.get(index), self.values.get_mut(index)) else {
                continue;
            };
            own.read(value).map_err(|mismatch| mismatch.within(field.name))?;
        }
        Ok(())
    }

    pub(crate) fn write(&self, json: &mut Pretty<'_>) {
        json.open(b'{');
        for (field, value) in self.fields.iter().zip(&self.values) {
            if !(field.omits_empty && value.is_empty()) {
                json.key(field.name);
                value.write(json);
            }
        }
        json.close(b'}');
    }

    /// The text of a field; empty where that has none.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Some(GoValue::Text(text)) => text,
            _ => "",
        }
    }

    /// The time of a field; Go's zero time where that has none.
    pub(crate) fn time(&self, name: &str) -> GoTime {
        match self.value(name) {
            Some(GoValue::Time(time)) => *time,
            _ => GoTime::ZERO,
        }
    }

    /// The number of a field, if it has one.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(GoValue::OptionalInteger(number)) => *number,
            _ => None,
        }
    }

    /// The strings of a field.
    pub(crate) fn texts(&self, name: &str) -> &[String] {
        match self.value(name) {
            Some(GoValue::Texts(Some(texts)) | GoValue::Command(Some(texts))) => texts.get(),
            _ => &[],
        }
    }

    /// Whether a field is true.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        matches!(self.value(name), Some(GoValue::Boolean(true)))
    }

    /// The struct in a field.
    pub(crate) fn inner(&self, name: &str) -> Option<&Self> {
        match self.value(name) {
            Some(GoValue::Struct(inner)) => Some(inner),
            Some(GoValue::Optional(_, inner)) => inner.as_deref(),
            _ => None,
        }
    }

    fn value(&self, name: &str) -> Option<&GoValue> {
        let index = self.fields.iter().position(|field| field.name == name)?;
        self.values.get(index)
    }
}

impl GoValue {
    fn zero(field_type: FieldType) -> Self {
        match field_type {
            FieldType::Text => Self::Text(String::new()),
            FieldType::Time => Self::Time(GoTime::ZERO),
            FieldType::Integer => Self::Integer(0),
            FieldType::OptionalInteger => Self::OptionalInteger(None),
            FieldType::Boolean => Self::Boolean(false),
            FieldType::Texts => Self::Texts(None),
            FieldType::Command => Self::Command(None),
            FieldType::Set => Self::Set(None),
            FieldType::TextMap => Self::TextMap(None),
            FieldType::Struct(fields) => Self::Struct(GoStruct::new(fields)),
            FieldType::Optional(fields) => Self::Optional(fields, None),
        }
    }

    fn read(&mut self, value: Value<'_>) -> Result<(), Mismatch> {
        if value.is_null() {
            self.read_null();
            return Ok(());
        }
        match self {
            Self::Text(text) => {
                *text = value.as_text().ok_or(Mismatch::new("a string"))?.into_owned();
            }
            Self::Time(time) => *time = read_time(value).ok_or(Mismatch::new("an RFC 3339 time"))?,
            Self::Integer(number) => *number = read_integer(value)?,
            Self::OptionalInteger(number) => *number = Some(read_integer(value)?),
            Self::Boolean(is_true) => {
                *is_true = match value.kind() {
                    Kind::True => true,
                    Kind::False => false,
                    _ => return Err(Mismatch::new("a boolean")),
                };
            }
            Self::Texts(texts) => texts.get_or_insert_default().read(value)?,
            Self::Command(command) => *command = Some(read_command(value)?),
            Self::Set(set) => {
                let set = set.get_or_insert_default();
                for (key, element) in members(value)? {
                    if !matches!(element.kind(), Kind::Object | Kind::Null) {
                        return Err(Mismatch::new("an object of objects"));
                    }
                    set.insert(key.text().into_owned());
                }
            }
            Self::TextMap(map) => {
                let map = map.get_or_insert_default();
                for (key, element) in members(value)? {
                    if !matches!(element.kind(), Kind::String | Kind::Null) {
                        return Err(Mismatch::new("an object of strings"));
                    }
                    map.insert(key.text().into_owned(), element.text().into_owned());
                }
            }
            Self::Struct(inner) => inner.read(value)?,
            Self::Optional(fields, inner) => {
                inner.get_or_insert_with(|| GoStruct::new(fields).into()).read(value)?;
            }
        }
        Ok(())
    }

    /// `null` empties slices, maps and pointers, and leaves all else as it is.
    fn read_null(&mut self) {
        match self {
            Self::Texts(texts) | Self::Command(texts) => *texts = None,
            Self::OptionalInteger(number) => *number = None,
            Self::Set(set) => *set = None,
            Self::TextMap(map) => *map = None,
            Self::Optional(_, inner) => *inner = None,
            Self::Text(_) | Self::Time(_) | Self::Integer(_) | Self::Boolean(_) | Self::Struct(_) => {}
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Integer(number) => *number == 0,
            Self::OptionalInteger(number) => number.is_none(),
            Self::Boolean(is_true) => !is_true,
            Self::Texts(texts) | Self::Command(texts) => {
                texts.as_ref().is_none_or(|texts| texts.get().is_empty())
            }
            Self::Set(set) => set.as_ref().is_none_or(BTreeSet::is_empty),
            Self::TextMap(map) => map.as_ref().is_none_or(BTreeMap::is_empty),
            Self::Optional(_, inner) => inner.is_none(),
            Self::Time(_) | Self::Struct(_) => false,
        }
    }

    fn write(&self, json: &mut Pretty<'_>) {
        match self {
            Self::Text(text) => json.string(text),
            Self::Time(time) => json.plain(&time.to_text()),
            Self::Integer(number) | Self::OptionalInteger(Some(number)) => json.literal(&number.to_string()),
            Self::Boolean(is_true) => json.literal(if *is_true { "true" } else { "false" }),
            Self::Texts(Some(texts)) | Self::Command(Some(texts)) => {
                json.open(b'[');
                for text in texts.get() {
                    json.element();
                    json.string(text);
                }
                json.close(b']');
            }
            Self::Set(Some(set)) => {
                json.open(b'{');
                for key in set {
                    json.any_key(key);
                    json.literal("{}");
                }
                json.close(b'}');
            }
            Self::TextMap(Some(map)) => {
                json.open(b'{');
                for (key, text) in map {
                    json.any_key(key);
                    json.string(text);
                }
                json.close(b'}');
            }
            Self::Struct(inner) => inner.write(json),
            Self::Optional(_, Some(inner)) => inner.write(json),
            Self::OptionalInteger(None)
            | Self::Texts(None)
            | Self::Command(None)
            | Self::Set(None)
            | Self::TextMap(None)
            | Self::Optional(_, None) => json.literal("null"),
        }
    }
}

impl Texts {
    fn get(&self) -> &[String] {
        self.elements.get(..self.length).unwrap_or_default()
    }

    fn read(&mut self, array: Value<'_>) -> Result<(), Mismatch> {
        let expected = || Mismatch::new("an array of strings");
        if array.kind() != Kind::Array {
            return Err(expected());
        }
        let mut length = 0_usize;
        for element in array.elements() {
            if self.elements.len() == length {
                self.elements.push(String::new());
            }
            if !element.is_null()
                && let Some(own) = self.elements.get_mut(length)
            {
                *own = element.as_text().ok_or_else(expected)?.into_owned();
            }
            length = length.saturating_add(1);
        }
        if length == 0 {
            self.elements.clear();
        }
        self.length = length;
        Ok(())
    }
}

impl Mismatch {
    fn new(expected: &'static str) -> Self {
        Self { path: String::new(), expected }
    }

    pub(crate) fn within(self, field: &str) -> Self {
        let path = if self.path.is_empty() { field.to_owned() } else { format!("{field}.{}", self.path) };
        Self { path, ..self }
    }
}

fn members<'j>(value: Value<'j>) -> Result<impl Iterator<Item = (Value<'j>, Value<'j>)>, Mismatch> {
    if value.kind() == Kind::Object { Ok(value.members()) } else { Err(Mismatch::new(AN_OBJECT)) }
}

/// Go reads a number into an integer only if it is spelt as one.
fn read_integer(value: Value<'_>) -> Result<i64, Mismatch> {
    let number = core::str::from_utf8(value.raw()).ok().and_then(|digits| digits.parse().ok());
    number.filter(|_| value.kind() == Kind::Number).ok_or(Mismatch::new("a whole number"))
}

/// `time.Time` is read as it is spelt, so that escapes in it are no digits.
fn read_time(value: Value<'_>) -> Option<GoTime> {
    GoTime::parse(value.raw().strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

fn read_command(value: Value<'_>) -> Result<Texts, Mismatch> {
    if let Some(text) = value.as_text() {
        return Ok(Texts { elements: [text.into_owned()].into(), length: 1 });
    }
    let mut texts = Texts::default();
    texts.read(value).map_err(|_| Mismatch::new("an array of strings, or a string"))?;
    Ok(texts)
}
