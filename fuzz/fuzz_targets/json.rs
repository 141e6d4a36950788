//! The JSON reader and writer, against serde_json.

#![no_main]

use downshift_json::fuzzing::{Tree, compact, escaped_twice, json, quoted};
use downshift_json::{Error, Limits};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Less than serde_json's own, which is 128.
const DEPTH: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { depth: DEPTH, ..Limits::default() };
    let ours = json(bytes, limits);
    if let Ok(text) = str::from_utf8(bytes) {
        compare(&ours, serde_json::from_str(text));
    }
    if let Ok(tree) = &ours {
        let short = compact(bytes, false);
        assert_eq!(json(&short, limits).as_ref(), Ok(tree), "the same is spelt compactly");
        let in_string = [b"\"", compact(bytes, true).as_slice(), b"\""].concat();
        assert_eq!(in_string, quoted(&short), "what is written into a string is what is quoted afterwards");
        assert_eq!(compact(&short, false), short, "what is compact stays as it is");
    }
    is_quoted(bytes);
});

fn compare(ours: &Result<Tree, Box<Error>>, theirs: Result<Value, serde_json::Error>) {
    match (ours, theirs) {
        (Ok(tree), Ok(value)) => assert!(is_same(tree, &value), "{tree:?} is not {value:?}"),
        (Err(_), Err(_)) => {}
        (Err(error), _) if matches!(**error, Error::Limit { .. }) => {}
        (Err(error), Ok(value)) => panic!("`{error}`, but it is {value:?}"),
        // Go replaces what is half of a pair of surrogates, and reads numbers only where somebody wants one.
        (Ok(tree), Err(error)) => {
            let error = error.to_string();
            let is_known =
                ["surrogate", "hex escape", "out of range"].iter().any(|known| error.contains(known));
            assert!(is_known, "{tree:?}, but `{error}`");
        }
    }
}

fn is_same(tree: &Tree, value: &Value) -> bool {
    match (tree, value) {
        (Tree::Null, Value::Null) => true,
        (Tree::Boolean(own), Value::Bool(other)) => own == other,
        (Tree::Number(text), Value::Number(number)) => match (number.as_u64(), number.as_i64()) {
            (Some(integer), _) => text.parse() == Ok(integer),
            (None, Some(integer)) => text.parse() == Ok(integer),
            (None, None) => {
                let (own, other) =
                    (text.parse::<f64>().unwrap_or(f64::NAN), number.as_f64().unwrap_or(f64::NAN));
                own == other || ((own - other) / own).abs() < 1e-12
            }
        },
        (Tree::String(own), Value::String(other)) => own == other,
        (Tree::Array(own), Value::Array(other)) => {
            own.len() == other.len() && own.iter().zip(other).all(|(own, other)| is_same(own, other))
        }
        // serde_json keeps the last of several members with one name.
        (Tree::Object(own), Value::Object(other)) => {
            let last = |name: &str| own.iter().rfind(|(key, _)| key == name).map(|(_, value)| value);
            own.iter().all(|(name, _)| other.contains_key(name))
                && other.iter().all(|(name, value)| last(name).is_some_and(|own| is_same(own, value)))
        }
        _ => false,
    }
}

/// A string is read again as it was, each byte of invalid UTF-8 replaced.
fn is_quoted(text: &[u8]) {
    let mut expected = String::new();
    for chunk in text.utf8_chunks() {
        expected.push_str(chunk.valid());
        expected.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    let written = quoted(text);
    if let Ok(text) = str::from_utf8(text) {
        let twice = [br#""\""#, escaped_twice(text).as_slice(), br#"\"""#].concat();
        assert_eq!(twice, quoted(&written), "what is escaped twice is what is quoted twice");
    }
    let read: String = serde_json::from_slice(&written).expect("what is quoted is a string");
    assert_eq!(read, expected);
    assert_eq!(json(&written, Limits::default()), Ok(Tree::String(expected)));
    assert!(!written.iter().any(|byte| b"<>&".contains(byte)), "HTML is escaped");
}
