//! Verdicts on expected digests, on signatures, and on what is not JSON.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use downshift::{Digest, Form};
use downshift_inspect::{Checked, Given, inspect, payload, unchecked, variant, verify};
use serde_json::{Value, json};

use crate::support::{CONFIG, digest, json_of, report_on, schema1, signed};

/// What comes of an expected digest: the verdict and its sentence.
fn expected(documents: &[&[u8]], digest: &str) -> (String, String) {
    let given: Vec<Given<'_>> = documents
        .iter()
        .enumerate()
        .map(|(index, bytes)| Given { bytes, label: None, expected: (index == 0).then(|| digest.to_owned()) })
        .collect();
    let report = report_on(&given);
    let expected = report.documents[0].digests.expected.as_ref().unwrap();
    (expected.verdict.to_string(), expected.text.clone())
}

#[test]
fn each_verdict_on_an_expected_digest() {
    let signed = schema1(Form::Schema1);
    let payload = Digest::of(&payload(&signed).unwrap());
    let config = CONFIG.as_bytes();
    let newline = [config, b"\n"].concat();
    let none = "none of the 14 changes that keep the content leads to this digest: it is of another document, or of this one in another form";
    for (documents, digest, verdict, text) in [
        (&[config][..], digest(CONFIG).to_string(), "bytes", "it is the digest of exactly these bytes"),
        (&[config], format!("name@{}", digest(CONFIG)), "bytes", "it is the digest of exactly these bytes"),
        (&[config], digest(CONFIG).hex().to_uppercase(), "bytes", "it is the digest of exactly these bytes"),
        (
            &[&*signed],
            payload.to_string(),
            "payload",
            "it is the digest of the payload, without the signatures: registries name the manifest by it",
        ),
        (
            &[&*newline],
            digest(CONFIG).to_string(),
            "variant",
            "these bytes with the line break at the end removed would have exactly this digest: editors, `echo` and `jq` add one",
        ),
        (
            &[b"{}", config],
            digest(CONFIG).to_string(),
            "other",
            "it is the digest of another given document, `document 2`",
        ),
        (&[b"{}"], digest("x").to_string(), "none", none),
        (
            &[b"{}"],
            "latest".into(),
            "unsupported",
            "this is not a digest: a digest is `sha256:` and 64 hexadecimal digits",
        ),
    ] {
        let (found, sentence) = expected(documents, &digest);
        assert_eq!(found, verdict);
        if verdict == "none" {
            // How many changes there are to these bytes.
            assert!(sentence.starts_with("none of the ") && sentence.ends_with(&none[20..]), "{sentence}");
        } else {
            assert_eq!(sentence, text);
        }
    }
}

#[test]
fn each_change_has_a_way_back() {
    for (damage, repair) in [
        ("final-newline-added", "final-newline-removed"),
        ("bom-added", "bom-removed"),
        ("indent-2", "compact"),
        ("indent-3", "compact"),
        ("indent-tab", "compact"),
        ("spaced", "compact"),
    ] {
        let damaged = variant(CONFIG.as_bytes(), damage).unwrap();
        assert_eq!(variant(&damaged, repair).as_deref(), Some(CONFIG.as_bytes()), "{damage}");
    }
}

#[test]
fn each_verdict_on_a_signature() {
    let valid = "the payload is as the holder of this key signed it; the key came with the signature, so this does not say who that is";
    let of = |document: &[u8]| {
        let report = json_of(document);
        let signature = &report["signatures"][0];
        (signature["verdict"].clone(), signature["code"].clone(), signature["text"].clone())
    };
    let signed = schema1(Form::Schema1);
    assert_eq!(of(&signed), (json!("valid"), Value::Null, json!(valid)));
    let text = String::from_utf8(signed).unwrap();
    let tampered = text.replacen("\"architecture\": \"amd64\"", "\"architecture\": \"amd65\"", 1);
    let invalid = "this key did not sign this payload";
    assert_eq!(of(tampered.as_bytes()), (json!("invalid"), json!("invalid-signature"), json!(invalid)));
    let unknown = "the algorithm `ES384` cannot be verified here";
    assert_eq!(of(&es384()), (json!("unchecked"), json!("unsupported-algorithm"), json!(unknown)));
    assert_eq!(of(&checked_by_others(true)).0, json!("unchecked"));
}

/// A document with a signature of an algorithm that is verified by others.
fn es384() -> Vec<u8> {
    let zero = URL_SAFE_NO_PAD.encode([0; 48]);
    block(
        &format!(r#"{{"jwk":{{"kty":"EC","crv":"P-384","x":"{zero}","y":"{zero}"}},"alg":"ES384"}}"#),
        96,
        1,
    )
}

fn checked_by_others(holds: bool) -> Vec<u8> {
    let document = es384();
    let given = [Given::of(&document)];
    let all = unchecked(&given);
    assert_eq!((all.len(), all[0].document, all[0].signature, all[0].algorithm.as_str()), (1, 0, 0, "ES384"));
    let report = inspect(&given, &[Checked { document: 0, signature: 0, holds }]).unwrap();
    assert_eq!(report.documents[0].signatures[0].verdict.name(), if holds { "valid" } else { "invalid" });
    assert_eq!(verify(&document, &[Checked { document: 0, signature: 0, holds }]).unwrap().0, holds);
    document
}

#[test]
fn others_decide_on_their_algorithms() {
    checked_by_others(true);
    checked_by_others(false);
}

/// Schema 1 with `count` signatures of this header and of so many bytes.
fn block(header: &str, length: usize, count: usize) -> Vec<u8> {
    let head = r#"{"schemaVersion":1,"name":"a","tag":"b","architecture":"c""#;
    let protected = URL_SAFE_NO_PAD.encode(format!(r#"{{"formatLength":{},"formatTail":"fQ"}}"#, head.len()));
    let signature = URL_SAFE_NO_PAD.encode(vec![1; length]);
    let block = format!(r#"{{"header":{header},"signature":"{signature}","protected":"{protected}"}}"#);
    format!("{head},\"signatures\":[{}]}}", vec![block; count].join(",")).into_bytes()
}

#[test]
fn more_signatures_than_are_verified_are_named() {
    let zero = URL_SAFE_NO_PAD.encode([0; 48]);
    let header = format!(r#"{{"jwk":{{"kty":"EC","crv":"P-384","x":"{zero}","y":"{zero}"}},"alg":"ES384"}}"#);
    let document = block(&header, 96, 20);
    // Those that others would have to verify are no more.
    assert_eq!(unchecked(&[Given::of(&document)]).len(), 16);
    let report = json_of(&document);
    let signatures = report["signatures"].as_array().unwrap();
    let codes: Vec<&str> = signatures.iter().map(|signature| signature["code"].as_str().unwrap()).collect();
    let expected = [vec!["unsupported-algorithm"; 16], vec!["too-many-signatures"; 4]].concat();
    assert_eq!(codes, expected);
    assert_eq!(signatures[16]["verdict"], "unchecked");
    assert_eq!(signatures[16]["text"], "it is not verified: only the first `16` of a document are");
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 17);
    assert_eq!(problems[16]["code"], "too-many-signatures");
    assert_eq!(
        problems[16]["text"],
        "4 more signatures are not verified: only the first 16 of a document are"
    );
    // A document of which not all is verified is not valid, also where others say so of each.
    let checked: Vec<Checked> =
        (0..20).map(|signature| Checked { document: 0, signature, holds: true }).collect();
    let (is_valid, _, signatures) = verify(&document, &checked).unwrap();
    assert!(
        !is_valid && signatures[15].verdict.name() == "valid" && signatures[16].verdict.name() == "unchecked"
    );
}

#[test]
fn each_guess_at_what_is_not_json() {
    let cases: [(&[u8], &str, &str); 13] = [
        (b"", "empty", "it is empty: a response to HEAD, or a failed download"),
        (b" \n", "empty", "it is nothing but white space"),
        (b"\x1f\x8b\x08", "gzip", "it is compressed with gzip: run `gunzip`, or `curl --compressed`"),
        (b"\x28\xb5\x2f\xfd", "zstd", "it is compressed with zstd: run `unzstd`"),
        (b"\xff\xfe{\0", "utf-16", "it is UTF-16: PowerShell's `>` writes that; use `curl -o`"),
        (
            b"\xef\xbb\xbf{}",
            "bom",
            "it begins with a byte order mark, which no registry writes: an editor added it",
        ),
        (
            b"<!DOCTYPE html><html>",
            "html",
            "it is a web page, of a proxy or a login, in place of the registry's response",
        ),
        (b"eyJzY2hlbWFWZXJzaW9uIjoyfQ==", "base64", "it is JSON in base64: run `base64 -d`"),
        (b"{\"schemaVersion\": 2,", "truncated", "it ends too early: something cut it off"),
        (b"{}\n{}", "two-documents", "another document follows the first: give each one separately"),
        (
            b"1c\r\n{\"schemaVersion\": 2, \"a\": 1}\r\n0\r\n\r\n",
            "chunked",
            "it is in chunked transfer coding: run `curl` without `--raw`",
        ),
        (b"a\0b", "binary", "it is binary: a layer, or another blob"),
        (b"hello", "text", "it is some other text"),
    ];
    for (bytes, guess, text) in cases {
        let report = json_of(bytes);
        assert_eq!(report["kind"], "not-json");
        assert_eq!(
            (report["unreadable"]["guess"].as_str(), report["unreadable"]["text"].as_str()),
            (Some(guess), Some(text))
        );
    }
    let report = json_of(b"{\n\"a\": x}");
    assert_eq!(
        report["unreadable"],
        json!({ "offset": 7, "line": 2, "column": 6, "problem": "a value was expected", "guess": "text", "text": "it is some other text" })
    );
}

#[test]
fn a_signed_document_is_verified_as_it_is_inspected() {
    let document = signed("{\"schemaVersion\":1,\"name\":\"a\"}");
    let (is_valid, digest, signatures) = verify(&document, &[]).unwrap();
    assert!(is_valid);
    let report = json_of(&document);
    assert_eq!(report["digests"]["payload"], digest.as_str());
    let mut own = serde_json::to_value(signatures).unwrap();
    own[0]["span"] = report["signatures"][0]["span"].clone();
    assert_eq!(report["signatures"], own);
}
