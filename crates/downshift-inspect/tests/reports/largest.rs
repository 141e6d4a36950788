//! The largest documents that the limits let through. A look that is quadratic takes ten times the bound or more.

use core::fmt::Write as _;
use core::time::Duration;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use downshift::check::check;
use downshift::{Form, Limits};
use downshift_inspect::{ChunkKind, Given, diff, secrets, unchecked, variant, verify};
use downshift_sign::Signer as _;

use crate::support::{descriptor, digest, index, report_on, signer};

/// What each may take, unoptimised and on a busy machine.
const BOUND: Duration = Duration::from_secs(10);

#[track_caller]
fn within<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let made = work();
    let taken = begun.elapsed();
    assert!(taken < BOUND, "{what} took {taken:?}");
    made
}

#[test]
fn history_entries_with_long_ids() {
    // Alike up to their end, so that each comparison goes on to it.
    let id = |number: usize| format!("{}{number:05}", "a".repeat(395));
    let document = history(8192, id);
    let mut limits = Limits::default();
    limits.document_bytes = 16 * 1024 * 1024;
    let findings = within("check", || check(document.as_bytes(), &limits).unwrap());
    assert_eq!(findings.iter().filter(|finding| finding.rule == "id").count(), 8192);
    assert_eq!(findings.iter().filter(|finding| finding.rule == "duplicate-id").count(), 0);
    let report = within("inspect", || report_on(&[Given::of(document.as_bytes())]));
    assert_eq!(report.documents[0].chain.len(), 8192);
    // Where an operator has raised the limit.
    limits.history = 100_000;
    let document = history(limits.history, |number| format!("{number:064}"));
    let findings = within("check of more", || check(document.as_bytes(), &limits).unwrap());
    assert_eq!(findings.iter().filter(|finding| finding.rule == "duplicate-id").count(), 0);
}

/// Schema 1 of so many history entries with these ids.
fn history(entries: usize, id: impl Fn(usize) -> String) -> String {
    let mut document = r#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":["#.to_owned();
    document.push_str(&vec!["{\"blobSum\":\"\"}"; entries].join(","));
    document.push_str("],\"history\":[");
    for number in 0..entries {
        let comma = if number == 0 { "" } else { "," };
        write!(document, r#"{comma}{{"v1Compatibility":"{{\"id\":\"{}\"}}"}}"#, id(number)).unwrap();
    }
    document.push_str("]}");
    document
}

/// Signed schema 1 with `count` signatures, each over a header of its own and a payload of so many bytes.
fn signed_often(count: usize, bytes: usize) -> Vec<u8> {
    let head =
        format!(r#"{{"schemaVersion":1,"name":"a","tag":"b","architecture":"c","x":"{}""#, "x".repeat(bytes));
    let key = signer().public_key().clone();
    let signature = URL_SAFE_NO_PAD.encode([1; 64]);
    let blocks: Vec<String> = (0..count)
        .map(|number| {
            let protected = format!(r#"{{"formatLength":{},"formatTail":"fQ","time":"{number}"}}"#, head.len());
            let (x, y) = (key.member("x").unwrap(), key.member("y").unwrap());
            format!(
                r#"{{"header":{{"jwk":{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}},"alg":"ES256"}},"signature":"{signature}","protected":"{}"}}"#,
                URL_SAFE_NO_PAD.encode(protected)
            )
        })
        .collect();
    format!("{head},\"signatures\":[{}]}}", blocks.join(",")).into_bytes()
}

#[test]
fn signatures_over_much() {
    let document = signed_often(4500, 2 * 1024 * 1024);
    let (is_valid, _, signatures) = within("verify", || verify(&document, &[]).unwrap());
    assert!(!is_valid);
    assert_eq!(signatures.len(), 4500);
    within("unchecked", || assert!(unchecked(&[Given::of(&document)]).is_empty()));
    let report = within("inspect", || report_on(&[Given::of(&document)]));
    let signatures = &report.documents[0].signatures;
    assert_eq!(signatures.iter().filter(|signature| signature.code == Some("invalid-signature")).count(), 16);
    assert_eq!(
        signatures.iter().filter(|signature| signature.code == Some("too-many-signatures")).count(),
        4484
    );
}

#[test]
fn attestations() {
    let entries: Vec<String> = (0..4096)
        .map(|number| {
            let about = digest(&(4095 - number).to_string());
            let annotations = format!(
                r#","platform":{{"os":"linux","architecture":"a{number}"}},"annotations":{{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"{about}"}}"#
            );
            descriptor(Form::Oci.media_type(), number.to_string().as_bytes(), &annotations)
        })
        .collect();
    let document = index(Form::Index, &entries);
    let report = within("inspect", || report_on(&[Given::of(document.as_bytes())]));
    let entries = &report.documents[0].manifests;
    assert!(entries.iter().enumerate().all(|(at, entry)| entry.about == Some(4095 - at)));
}

#[test]
fn entries_and_layers_beside_many_members() {
    // Each entry has a problem, whose place is looked up.
    let entries: Vec<String> = (0..4096)
        .map(|number| descriptor(Form::List.media_type(), number.to_string().as_bytes(), ""))
        .collect();
    let others: String = (0..300_000).map(|number| format!(",\"{number}\":0")).collect();
    let index = index(Form::Index, &entries);
    let document = format!("{}{others}}}", index.strip_suffix('}').unwrap());
    let report = within("inspect", || report_on(&[Given::of(document.as_bytes())]));
    assert_eq!(report.documents[0].problems.len(), 201);

    let layers: Vec<String> = (0..4096)
        .map(|number| {
            descriptor("application/vnd.oci.image.layer.v1.tar+zstd", number.to_string().as_bytes(), "")
        })
        .collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", b"{}", "");
    let document = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[{}]{others}}}"#,
        Form::Oci.media_type(),
        layers.join(",")
    );
    let report = within("inspect", || report_on(&[Given::of(document.as_bytes())]));
    assert_eq!(report.documents[0].problems.len(), 201);
}

#[test]
fn documents_that_name_each_other() {
    let entries: Vec<String> = (0..2048)
        .map(|number| descriptor(Form::Oci.media_type(), number.to_string().as_bytes(), ""))
        .collect();
    let documents: Vec<String> = (0..64)
        .map(|number| {
            index(Form::Index, &entries).replacen("{\"schema", &format!("{{\"n\":{number},\"schema"), 1)
        })
        .collect();
    let given: Vec<Given<'_>> = documents.iter().map(|document| Given::of(document.as_bytes())).collect();
    let report = within("inspect", || report_on(&given));
    assert_eq!(report.documents.len(), 64);
}

#[test]
fn a_deep_document_is_not_indented_beyond_all_bounds() {
    // An element at this depth takes 30 KB when it is indented by three spaces.
    let document = format!("{}{}{}", "[".repeat(10_000), vec!["0"; 500_000].join(","), "]".repeat(10_000));
    assert_eq!(variant(document.as_bytes(), "indent-3"), None);
    let given = Given { bytes: document.as_bytes(), label: None, expected: Some(digest("x").to_string()) };
    let report = within("inspect", || report_on(&[given]));
    let expected = report.documents[0].digests.expected.as_ref().unwrap();
    assert_eq!(expected.verdict.name(), "none");
}

#[test]
fn changes_that_are_not_tried_are_counted() {
    let document = format!("{{\"a\":\"{}\"}}", "<".repeat(15 * 1024 * 1024));
    let given = Given { bytes: document.as_bytes(), label: None, expected: Some(digest("x").to_string()) };
    let report = within("inspect", || report_on(&[given]));
    let text = &report.documents[0].digests.expected.as_ref().unwrap().text;
    assert!(text.ends_with(" changes were not tried, as the documents are too large"), "{text}");
}

#[test]
fn keys_strings_and_line_breaks() {
    let labels: String =
        (0..150_000).map(|number| format!("\"TOKEN{number}\":\"ghp_0123456789abcdef\",\n")).collect();
    let document = format!(
        "{{\"architecture\":\"a\",\"os\":\"b\",\"config\":{{\"Labels\":{{{}}}}}}}",
        labels.trim_end_matches(",\n")
    );
    within("secrets", || assert_eq!(secrets(&[Given::of(document.as_bytes())]).len(), 100));
    within("inspect", || report_on(&[Given::of(document.as_bytes())]));
    let lines = "\n".repeat(4 * 1024 * 1024);
    within("inspect", || report_on(&[Given::of(lines.as_bytes())]));
}

#[test]
fn a_diff_of_lines_that_all_differ() {
    let lines = |prefix: char| (0..100_000).map(|number| format!("{prefix}{number}\n")).collect::<String>();
    let (before, after) = (lines('a'), lines('b'));
    let found = within("diff", || diff(before.as_bytes(), after.as_bytes()));
    assert_eq!(found.chunks.len(), 1);
}

#[test]
fn diffs_of_what_is_repeated_and_of_layers_that_all_differ() {
    // The time for these grows with the square of their number.
    let lines = |number: usize| ("a\n".repeat(number), "a\nb\n".repeat(number / 2));
    let (before, after) = lines(30_000);
    let found = within("lines", || diff(before.as_bytes(), after.as_bytes()));
    assert!(!found.coarse && found.chunks.len() > 10_000);
    let (before, after) = lines(300_000);
    let found = within("more lines", || diff(before.as_bytes(), after.as_bytes()));
    assert!(found.coarse);
    // A line of each chunk is the same, so that there are many of them.
    let words = |word: &str| format!("{}\nx\n", word.repeat(20_000)).repeat(20);
    let (before, after) = (words("a "), words("a b "));
    let found = within("words", || diff(before.as_bytes(), after.as_bytes()));
    assert!(found.chunks.iter().any(|chunk| chunk.kind == ChunkKind::Changed && chunk.parts.is_empty()));
    let entries = |from: usize| -> Vec<String> {
        (from..from + 4096)
            .map(|number| descriptor(Form::Oci.media_type(), number.to_string().as_bytes(), ""))
            .collect()
    };
    let (before, after) = (index(Form::Index, &entries(0)), index(Form::Index, &entries(4096)));
    let found = within("layers", || diff(before.as_bytes(), after.as_bytes()));
    assert_eq!(found.layers.len(), 8192);
}
