//! `report.d.ts` of the package for JavaScript has the types of the reports, member by member.
//!
//! The Rust types are read from their source, as the compiler forgets the names of members, and compared with the
//! interfaces of the same names. A type without an interface has to be written out wherever it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use downshift::{Form, Policy};
use syn::{Attribute, Expr, Fields, Item, ItemEnum, ItemStruct, Lit, Type};

/// Where the Rust types are, from this crate.
const SOURCES: [&str; 6] = [
    "src/report.rs",
    "../downshift/src/check.rs",
    "../downshift/src/error.rs",
    "../downshift/src/platform.rs",
    "../downshift/src/report.rs",
    "../downshift/src/source_signature.rs",
];

/// Types that have another name in TypeScript.
fn renamed(source: &str, name: &str) -> String {
    match (source, name) {
        ("../downshift/src/report.rs", "Report") => "ConversionReport".to_owned(),
        _ => name.to_owned(),
    }
}

/// Interfaces without a Rust type in [`SOURCES`]: what the package's functions take, and results with bytes in them.
const OF_THE_PACKAGE: [&str; 5] = ["ConversionOptions", "ConversionResult", "Given", "Shared", "Signer"];

/// Members by their name: whether they may be absent, and their type.
type Members = BTreeMap<String, (bool, String)>;

#[test]
fn the_interfaces_of_typescript_have_the_members_of_the_reports() {
    let (rust, script) = (rust(), TypeScript::read());
    let mut differences = Vec::new();
    for (name, members) in &rust.structs {
        let Some(interface) = script.interfaces.get(name) else { continue };
        let own = rust.resolved(members, &script);
        let found: Members = interface
            .iter()
            .map(|(name, (optional, kind))| (name.clone(), (*optional, script.canonical(kind))))
            .collect();
        for name_of_member in own.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            let (own, found) = (own.get(name_of_member), found.get(name_of_member));
            if own != found {
                differences
                    .push(format!("{name}.{name_of_member}: {own:?} in Rust, {found:?} in TypeScript"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    let script_only: Vec<&str> = script
        .interfaces
        .keys()
        .filter(|name| !rust.structs.contains_key(*name))
        .map(String::as_str)
        .collect();
    assert_eq!(script_only, OF_THE_PACKAGE);
    // Those that are checked at all: a source that could not be read has none.
    assert!(rust.structs.len() - script_only.len() > 25, "{:?}", rust.structs.keys());
}

/// The types in [`SOURCES`] that serialise.
struct Rust {
    structs: BTreeMap<String, Members>,
    /// Enums, by the words that they are in JSON.
    words: BTreeMap<String, BTreeSet<String>>,
}

fn rust() -> Rust {
    let mut rust = Rust { structs: BTreeMap::new(), words: BTreeMap::new() };
    rust.words.insert("Form".into(), Form::ALL.map(|form| form.name().to_owned()).into());
    rust.words
        .insert("Policy".into(), [Policy::Strict, Policy::Reference].map(|policy| policy.to_string()).into());
    let mut flattened: Vec<(String, String)> = Vec::new();
    for source in SOURCES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for item in syn::parse_file(&text).unwrap().items {
            match item {
                Item::Struct(item) if serialises(&item.attrs) => {
                    let name = renamed(source, &item.ident.to_string());
                    rust.structs.insert(name.clone(), members(&item, &name, &mut flattened));
                }
                Item::Enum(item) if serialises(&item.attrs) => {
                    assert!(
                        serde(&item.attrs, "rename_all").as_deref() == Some("lowercase"),
                        "{}",
                        item.ident
                    );
                    let words = item.variants.iter().map(|one| one.ident.to_string().to_lowercase());
                    rust.words.insert(item.ident.to_string(), words.collect());
                }
                Item::Macro(item) if item.mac.path.is_ident("words") => {
                    let item: ItemEnum = syn::parse2(item.mac.tokens).unwrap();
                    let words = item.variants.iter().map(|one| match &one.discriminant {
                        Some((_, Expr::Lit(word))) => text_of(&word.lit),
                        _ => panic!("{} has no word", one.ident),
                    });
                    rust.words.insert(item.ident.to_string(), words.collect());
                }
                _ => {}
            }
        }
    }
    for (name, part) in flattened {
        let part = rust.structs[&part].clone();
        rust.structs.get_mut(&name).unwrap().extend(part);
    }
    rust
}

/// The members of a struct as they are in JSON, with their Rust types.
fn members(item: &ItemStruct, name: &str, flattened: &mut Vec<(String, String)>) -> Members {
    let Fields::Named(fields) = &item.fields else { panic!("{name} has no members") };
    let mut members = Members::new();
    for field in &fields.named {
        let kind = written(&field.ty);
        if serde(&field.attrs, "flatten").is_some() {
            flattened.push((name.to_owned(), kind));
            continue;
        }
        let own = field.ident.as_ref().unwrap().to_string();
        let member = serde(&field.attrs, "rename").unwrap_or(own);
        let skipped = serde(&field.attrs, "skip_serializing_if");
        let (optional, kind) = match (skipped.as_deref(), kind.strip_prefix("Option<")) {
            (Some("Option::is_none"), Some(inner)) => (true, inner.strip_suffix('>').unwrap().to_owned()),
            // Present only where it is true.
            (Some("core::ops::Not::not"), None) if kind == "bool" => (true, "true".to_owned()),
            (None, None) => (false, kind),
            _ => panic!("{name}.{member} is skipped in another way"),
        };
        members.insert(member, (optional, kind));
    }
    members
}

/// A type as it is written, without references and lifetimes.
fn written(kind: &Type) -> String {
    match kind {
        Type::Reference(reference) => written(&reference.elem),
        Type::Path(path) => {
            let last = path.path.segments.last().unwrap();
            let name = last.ident.to_string();
            let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return name };
            let arguments = arguments.args.iter().filter_map(|argument| match argument {
                syn::GenericArgument::Type(kind) => Some(written(kind)),
                _ => None,
            });
            format!("{name}<{}>", arguments.collect::<Vec<_>>().join(","))
        }
        _ => panic!("a member has a type that JSON does not have"),
    }
}

impl Rust {
    /// Members with their types in TypeScript.
    fn resolved(&self, members: &Members, script: &TypeScript) -> Members {
        let resolve = |(name, (optional, kind)): (&String, &(bool, String))| {
            (name.clone(), (*optional, self.canonical(kind, script)))
        };
        members.iter().map(resolve).collect()
    }

    fn canonical(&self, kind: &str, script: &TypeScript) -> String {
        if let Some((outer, inner)) = kind.strip_suffix('>').and_then(|kind| kind.split_once('<')) {
            let arguments: Vec<String> =
                split(inner, ',').iter().map(|argument| self.canonical(argument, script)).collect();
            return match outer {
                "Vec" => format!("{}[]", arguments[0]),
                "Cow" => arguments[0].clone(),
                "BTreeMap" => format!("Record<{}>", arguments.join(",")),
                _ => panic!("what is `{kind}` in TypeScript?"),
            };
        }
        match kind {
            "String" | "str" | "Digest" => "string".into(),
            "usize" | "u64" | "u16" => "number".into(),
            "bool" => "boolean".into(),
            "true" => "true".into(),
            name => match (self.words.get(name), self.structs.get(name)) {
                (Some(words), _) => union(words.iter().map(|word| format!("\"{word}\""))),
                (None, Some(_)) if script.interfaces.contains_key(name) => name.into(),
                (None, Some(members)) => object(&self.resolved(members, script)),
                (None, None) => panic!("`{name}` is not in the sources"),
            },
        }
    }
}

fn serialises(attributes: &[Attribute]) -> bool {
    let mut found = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident("Serialize");
            Ok(())
        });
    }
    found
}

/// The value of one of serde's attributes; empty where it has none.
fn serde(attributes: &[Attribute], name: &str) -> Option<String> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let parsed = attribute.parse_nested_meta(|meta| {
            let value = match meta.value() {
                Ok(value) => text_of(&value.parse()?),
                Err(_) => String::new(),
            };
            if meta.path.is_ident(name) {
                found = Some(value);
            }
            Ok(())
        });
        parsed.unwrap();
    }
    found
}

fn text_of(literal: &Lit) -> String {
    match literal {
        Lit::Str(text) => text.value(),
        _ => panic!("not a string"),
    }
}

/// The types that `report.d.ts` exports.
struct TypeScript {
    interfaces: BTreeMap<String, Members>,
    aliases: BTreeMap<String, String>,
}

impl TypeScript {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../downshift-js/js/report.d.ts");
        let text = without_comments(&fs::read_to_string(path).unwrap());
        let mut script = Self { interfaces: BTreeMap::new(), aliases: BTreeMap::new() };
        let mut extended = Vec::new();
        for declaration in text.split("export ").skip(1) {
            if let Some(rest) = declaration.strip_prefix("interface ") {
                let (head, body) = rest.split_once('{').unwrap();
                let mut words = head.split_whitespace();
                let name = words.next().unwrap().to_owned();
                if words.next() == Some("extends") {
                    extended.push((name.clone(), words.next().unwrap().to_owned()));
                }
                script.interfaces.insert(name, declared(&body[..end_of(body)]));
            } else if let Some(rest) = declaration.strip_prefix("type ") {
                let (name, rest) = rest.split_once('=').unwrap();
                let kind = split(rest, ';').swap_remove(0);
                script.aliases.insert(name.trim().to_owned(), kind);
            }
        }
        for (name, part) in extended {
            let part = script.interfaces[&part].clone();
            script.interfaces.get_mut(&name).unwrap().extend(part);
        }
        script
    }

    /// A type with aliases resolved, and the alternatives of unions in order.
    fn canonical(&self, kind: &str) -> String {
        let kind = kind.trim().trim_start_matches('|').trim();
        let alternatives = split(kind, '|');
        if alternatives.len() > 1 {
            let all = alternatives.iter().map(|one| self.canonical(one));
            return union(all.flat_map(|one| split(&one, '|')));
        }
        if let Some(element) = kind.strip_suffix("[]") {
            return format!("{}[]", self.canonical(element.trim_start_matches('(').trim_end_matches(')')));
        }
        if let Some(arguments) = kind.strip_prefix("Record<").and_then(|kind| kind.strip_suffix('>')) {
            let arguments: Vec<String> =
                split(arguments, ',').iter().map(|one| self.canonical(one)).collect();
            return format!("Record<{}>", arguments.join(","));
        }
        if let Some(body) = kind.strip_prefix('{').and_then(|kind| kind.strip_suffix('}')) {
            let members = declared(body);
            return object(
                &members
                    .into_iter()
                    .map(|(name, (optional, kind))| (name, (optional, self.canonical(&kind))))
                    .collect(),
            );
        }
        self.aliases.get(kind).map_or_else(|| kind.to_owned(), |alias| self.canonical(alias))
    }
}

/// The members of an interface or of an object type.
fn declared(body: &str) -> Members {
    let mut members = Members::new();
    for member in split(body, ';').iter().filter(|member| !member.is_empty() && !member.contains("):")) {
        let (name, kind) = member.split_once(':').unwrap_or_else(|| panic!("`{member}` has no type"));
        let (name, optional) = match name.trim().strip_suffix('?') {
            Some(name) => (name, true),
            None => (name.trim(), false),
        };
        members.insert(name.to_owned(), (optional, kind.trim().to_owned()));
    }
    members
}

fn object(members: &Members) -> String {
    let members = members
        .iter()
        .map(|(name, (optional, kind))| format!("{name}{}: {kind};", if *optional { "?" } else { "" }));
    format!("{{{}}}", members.collect::<String>())
}

fn union(alternatives: impl Iterator<Item = String>) -> String {
    alternatives.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("|")
}

/// Splits where no bracket is open.
fn split(text: &str, at: char) -> Vec<String> {
    let mut depth = 0_i32;
    let mut parts = vec![String::new()];
    for c in text.chars() {
        match c {
            '<' | '{' | '(' | '[' => depth += 1,
            '>' | '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if c == at && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// Where the bracket closes that was open before.
fn end_of(text: &str) -> usize {
    let mut depth = 1_i32;
    let end = text.find(|c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth == 0
    });
    end.unwrap()
}

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some(at) = rest.find("/*") {
        out.push_str(&rest[..at]);
        rest = rest[at..].split_once("*/").unwrap().1;
    }
    out.push_str(rest);
    out.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}
