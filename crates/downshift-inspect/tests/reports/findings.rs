//! Each rule of old engines.

use downshift::check::{Finding, check};
use downshift::{Form, Limits};
use downshift_inspect::Given;

use crate::support::{digest, report_on, schema1, schema2};

/// The findings on a document, each on a line; in its report they are the same.
fn findings(document: &str) -> Vec<String> {
    let found = check(document.as_bytes(), &Limits::default()).unwrap();
    let report = report_on(&[Given::of(document.as_bytes())]);
    assert!(report.documents[0].findings == found || !document.contains("\"schemaVersion\":1"));
    let line =
        |Finding { rule, engines, path, detail }: &Finding| format!("{rule} {path} ({engines}) {detail}");
    found.iter().map(line).collect()
}

/// Unsigned schema 1 with these layers and these records, the newest first.
fn document(name: &str, layers: &[&str], records: &[String]) -> String {
    let layers: Vec<String> = layers.iter().map(|layer| format!("{{\"blobSum\":\"{layer}\"}}")).collect();
    let records: Vec<String> = records
        .iter()
        .map(|record| format!("{{\"v1Compatibility\":{}}}", serde_json::to_string(record).unwrap()))
        .collect();
    format!(
        r#"{{"schemaVersion":1,"name":"{name}","tag":"t","architecture":"amd64","fsLayers":[{}],"history":[{}]}}"#,
        layers.join(","),
        records.join(",")
    )
}

/// An id of 64 times this digit.
fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn record(own: &str, parent: &str, more: &str) -> String {
    match parent {
        "" => format!(r#"{{"id":"{own}"{more}}}"#),
        _ => format!(r#"{{"id":"{own}","parent":"{parent}"{more}}}"#),
    }
}

#[track_caller]
fn has(name: &str, layers: &[&str], records: &[String], expected: &[&str]) {
    let all = findings(&document(name, layers, records));
    let unsigned =
        "signature signatures (docker 1.6 to 1.8.2, docker 1.10 and later) the manifest is not signed";
    assert_eq!(all.first().map(String::as_str), Some(unsigned));
    assert_eq!(all[1..], *expected);
}

#[test]
fn what_engines_take_has_no_findings() {
    let signed = String::from_utf8(schema1(Form::Schema1)).unwrap();
    assert_eq!(findings(&signed), [""; 0]);
}

#[test]
fn other_forms_are_not_known() {
    assert_eq!(
        findings(&schema2()),
        [
            "schema-version schemaVersion (docker 1.6 to 1.9) the manifest is `schema2`, which these engines do not know"
        ]
    );
}

#[test]
fn each_rule_is_found() {
    let layer = digest("layer").to_string();
    let layer = layer.as_str();
    has("a", &[layer], &[record(&id('a'), "", "")], &[]);
    has("", &[layer], &[record(&id('a'), "", "")], &["name name (docker 1.6 to 1.8.2) the name is empty"]);
    has(
        "a",
        &[],
        &[record(&id('a'), "", "")],
        &[
            "lengths fsLayers (docker 1.6 and later) there are `0` layers and `1` history entries",
            "no-layers fsLayers (docker 1.6 and later) there are no layers",
        ],
    );
    has(
        "a",
        &["x\\u202e"],
        &[record(&id('a'), "", "")],
        &[r"digest fsLayers[0] (docker 1.6 and later) `x\u{202e}` is not a digest"],
    );
    has(
        "a",
        &[layer],
        &["[]".into()],
        &["v1-compatibility history[0] (docker 1.6 and later) the text is not a JSON object"],
    );
    has(
        "a",
        &[layer],
        &[record("b\\n", "", "")],
        &[r"id history[0] (docker 1.6 and later) `b\n` is not an id of 64 hexadecimal digits"],
    );
    has(
        "a",
        &[layer],
        &[record(&id('a'), "", r#","Size":"1""#)],
        &["member-type history[0] (docker 1.6 to 1.9) `Size` is not a whole number"],
    );
    has(
        "a",
        &[layer],
        &[record(&id('a'), &id('b'), "")],
        &[&format!(
            "base-parent history[0] (docker 1.8.3 and later) the lowest layer has the parent `{}`",
            id('b')
        )],
    );
    has(
        "a",
        &[layer; 3],
        &[record(&id('a'), &id('b'), ""), record(&id('b'), &id('a'), ""), record(&id('a'), "", "")],
        &[&format!(
            "duplicate-id history[2] (docker 1.8.3 and later) the id `{}` occurs more than once",
            id('a')
        )],
    );
    has(
        "a",
        &[layer; 2],
        &[record(&id('a'), &id('c'), ""), record(&id('b'), "", "")],
        &[&format!(
            "parent-chain history[0] (docker 1.8.3 and later) the parent is `{}`, but the next entry is `{}`",
            id('c'),
            id('b')
        )],
    );
    // Adjacent entries with one id are one entry.
    has("a", &[layer; 2], &[record(&id('a'), "", ""), record(&id('a'), "", "")], &[]);
    let deep: Vec<String> = (0..125).map(|_| record(&id('a'), "", "")).collect();
    has(
        "a",
        &[layer; 125],
        &deep,
        &["depth history (docker 1.6 to 1.9) `125` layers are too many for a container"],
    );
    has("a", &[layer; 124], &deep[..124], &[]);
}

#[test]
fn a_detail_is_one_line_and_short() {
    let long = format!("\\n{}", "x".repeat(10_000));
    let all = findings(&document("a", &[&long], &[record(&long, &long, "")]));
    assert_eq!(all.len(), 4);
    for finding in all {
        assert!(finding.len() < 1000 && !finding.contains('\n'), "{finding}");
    }
}
