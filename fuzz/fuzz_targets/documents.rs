//! Stored manifests of every kind: read, inspected and checked.

#![no_main]

use downshift::document::Document;
use downshift::{Digest, Form, Limits, check};
use downshift_inspect::{Given, inspect};
use downshift_json::fuzzing::compact;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let document = Document::parse(bytes, &limits);
    reports_on(bytes);
    let Ok(document) = document else {
        assert!(check::check(bytes, &limits).is_err(), "what is no manifest is checked");
        return;
    };
    check::check(bytes, &limits).expect("a manifest can be checked");
    match &document {
        Document::Schema1(schema1) => {
            assert_eq!(schema1.digest(), Digest::of(schema1.payload()));
            assert_eq!(schema1.is_signed(), document.form() == Form::Schema1);
        }
        other => {
            let again = compact(bytes, false);
            let again = Document::parse(&again, &limits).expect("white space means nothing");
            assert_eq!(format!("{again:?}"), format!("{other:?}"));
            compare(other, bytes);
        }
    }
});

/// Whatever it is, there is a report on it, and its digest is that of the bytes that the report is about.
fn reports_on(bytes: &[u8]) {
    let report = inspect(&[Given::of(bytes)], &[]).expect("one short document is within the limits");
    let report = serde_json::to_value(&report).expect("a report is plain data");
    let document = &report["documents"][0];
    let [start, end] =
        ["start", "end"].map(|end| document["span"][end].as_u64().expect("a span has ends") as usize);
    assert_eq!(document["digests"]["bytes"], Digest::of(&bytes[start..end]).as_str());
}

/// What serde_json finds at the same place, where that can read the document at all.
fn compare(document: &Document<'_>, bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    assert_eq!(value["schemaVersion"], 2);
    let (list, own) = match document {
        Document::Manifest(manifest) => {
            assert_eq!(value["config"]["digest"], manifest.config.digest.as_str());
            (&value["layers"], &manifest.layers)
        }
        Document::Index(index) => (&value["manifests"], &index.entries),
        Document::Schema1(_) => return,
    };
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(list.len(), own.len());
    for (other, own) in list.iter().zip(own) {
        assert_eq!(other["digest"], own.digest.as_str());
        assert_eq!(other["size"].as_u64(), Some(own.size));
    }
}
