//! JSON as jq writes it again: each member of an object where it stood first, with the value that it has last.
//!
//! What versions of jq write each in its own way is not written at all: numbers of many digits or with an exponent, DEL, and halves of
//! surrogates.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use downshift_json::{Kind, Pretty, Value};

/// The deepest nesting that is written. jq 1.6 reads 256 levels.
const MAX_DEPTH: usize = 100;

/// Digits that no version of jq rounds.
const MAX_DIGITS: usize = 15;

/// The members of an object, with keys as `spell` has them.
pub(super) fn members<'j>(
    object: Value<'j>,
    spell: fn(&mut String),
) -> impl Iterator<Item = (String, Value<'j>)> {
    let (mut places, mut members) = (BTreeMap::new(), Vec::<(String, Value<'j>)>::new());
    for (key, value) in object.members() {
        let mut key = key.text().into_owned();
        spell(&mut key);
        let place = *places.entry(key.clone()).or_insert(members.len());
        match members.get_mut(place) {
            Some((_, own)) => *own = value,
            None => members.push((key, value)),
        }
    }
    members.into_iter()
}

/// Writes a value; nothing if that depends on jq's version.
pub(super) fn write(json: &mut Pretty<'_>, value: Value<'_>) -> Option<()> {
    write_at(json, value, 0)
}

fn write_at(json: &mut Pretty<'_>, value: Value<'_>, depth: usize) -> Option<()> {
    let below = depth.saturating_add(1);
    match value.kind() {
        Kind::Array | Kind::Object if depth == MAX_DEPTH => return None,
        Kind::Array => {
            json.open(b'[');
            for element in value.elements() {
                json.element();
                write_at(json, element, below)?;
            }
            json.close(b']');
        }
        Kind::Object => {
            json.open(b'{');
            for (key, member) in members(value, |_| {}) {
                write_key(json, &key)?;
                write_at(json, member, below)?;
            }
            json.close(b'}');
        }
        Kind::String => write_text(json, &value.text())?,
        Kind::Number => {
            json.literal(core::str::from_utf8(value.raw()).ok().filter(|number| is_written_as_read(number))?);
        }
        Kind::True | Kind::False | Kind::Null => json.json(value.raw()),
    }
    Some(())
}

/// Whether every version of jq writes a number as it is spelt: without an exponent, and of few digits, of which none is in vain.
fn is_written_as_read(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "1"));
    digits.len() <= MAX_DIGITS
        && number != "-0"
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && !fraction.ends_with('0')
        && !(whole == "0" && fraction.starts_with('0'))
}

pub(super) fn write_key(json: &mut Pretty<'_>, key: &str) -> Option<()> {
    json.element();
    write_text(json, key)?;
    json.literal(": ");
    Some(())
}

/// Writes a string. Half of a surrogate, and what was no UTF-8, has become U+FFFD before.
pub(super) fn write_text(json: &mut Pretty<'_>, text: &str) -> Option<()> {
    json.literal("\"");
    let mut rest = text;
    while let Some(place) = rest.find(|own| matches!(own, ..' ' | '"' | '\\' | '\u{7f}' | '\u{fffd}')) {
        let (plain, special) = rest.split_at_checked(place)?;
        json.literal(plain);
        let mut characters = special.chars();
        json.literal(&match characters.next()? {
            '"' => Cow::Borrowed("\\\""),
            '\\' => "\\\\".into(),
            '\n' => "\\n".into(),
            '\r' => "\\r".into(),
            '\t' => "\\t".into(),
            '\u{8}' => "\\b".into(),
            '\u{c}' => "\\f".into(),
            control @ ..' ' => format!("\\u{:04x}", u32::from(control)).into(),
            _ => return None,
        });
        rest = characters.as_str();
    }
    json.literal(rest);
    json.literal("\"");
    Some(())
}
