//! The hidden characters are those of Unicode's properties, and each is escaped.

use downshift_text::{Printable, escape_in_json, is_hidden, push_json_escape};
use regex_syntax::hir::{Class, HirKind};

/// All characters that Unicode calls controls, formats, separators of lines, or ignorable.
fn hidden() -> Vec<char> {
    let properties = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]";
    let parsed = regex_syntax::parse(properties).unwrap();
    let HirKind::Class(Class::Unicode(class)) = parsed.into_kind() else { panic!("not a class") };
    class.iter().flat_map(|range| range.start()..=range.end()).collect()
}

#[test]
fn hidden_characters_are_those_of_the_properties_of_unicode() {
    let own: Vec<char> = ('\0'..=char::MAX).filter(|&c| is_hidden(c)).collect();
    assert_eq!(own, hidden());
    assert!(own.len() > 4000);
}

#[test]
fn every_hidden_character_is_escaped() {
    for c in hidden() {
        let text = format!("a{c}b");
        let printable = Printable::new(&text).to_string();
        assert_eq!(printable, format!("a{}b", c.escape_default()));
        assert!(printable.is_ascii());
        // Whoever reads it gets the character back.
        let mut json = "\"".to_owned();
        push_json_escape(&mut json, c);
        json.push('"');
        assert!(json.is_ascii());
        assert_eq!(unescaped(&json), c);
        let raw = format!("\"{c}\"");
        match c {
            '\n' | '\r' | '\t' => assert_eq!(escape_in_json(&raw), raw),
            _ => assert_eq!(escape_in_json(&raw), json),
        }
    }
}

/// The character of a JSON string that holds one as its escapes.
fn unescaped(json: &str) -> char {
    let units = json.trim_matches('"').split("\\u").skip(1).map(|hex| u16::from_str_radix(hex, 16).unwrap());
    let characters: Vec<char> = char::decode_utf16(units).map(Result::unwrap).collect();
    let [c] = characters[..] else { panic!("{json} is not one character") };
    c
}

#[test]
fn what_can_be_seen_stays() {
    let text = "ä \u{a0}\u{2009}\u{3000} שלום 中文 🙂 \\u{202e}";
    assert_eq!(Printable::new(text).to_string(), text);
    assert_eq!(escape_in_json(text), text);
}

#[test]
fn excerpts_are_cut_by_characters() {
    assert_eq!(Printable::excerpt("äöü", 3).to_string(), "äöü");
    assert_eq!(Printable::excerpt("äöü\n", 3).to_string(), "äöü…");
    assert_eq!(Printable::excerpt("a\u{1b}bc", 3).to_string(), r"a\u{1b}b…");
}
