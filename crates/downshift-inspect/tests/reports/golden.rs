//! Whole reports, as they were when somebody last looked at them: `golden/NAME.json`.
//!
//! With `DOWNSHIFT_BLESS=1` they are written anew; the difference is for a review.

use std::path::Path;
use std::{env, fs};

use downshift::Form;
use downshift_inspect::{AskedBy, Given, Stored};

use crate::support::{CONFIG, descriptor, digest, index, manifest, report_on, response, schema1, schema2};

/// Holds a report to its file.
fn hold(name: &str, documents: &[(&str, &[u8], Option<&str>)]) {
    let given = documents.iter().map(|&(label, bytes, expected)| Given {
        bytes,
        label: Some(label.to_owned()),
        expected: expected.map(str::to_owned),
    });
    let report = report_on(&given.collect::<Vec<_>>());
    let found = serde_json::to_string_pretty(&report).unwrap() + "\n";
    compare(&format!("{name}.json"), found);
}

/// Holds text to a file.
fn compare(file: &str, found: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports/golden").join(file);
    if env::var_os("DOWNSHIFT_BLESS").is_some() {
        return fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (line, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {}", line + 1, path.display());
    }
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn signed_schema1() {
    hold("signed-schema1", &[("schema1.json", &schema1(Form::Schema1), None)]);
}

#[test]
fn unsigned_schema1_beside_its_config() {
    let documents =
        [("schema1.json", &*schema1(Form::Schema1Unsigned), None), ("config.json", CONFIG.as_bytes(), None)];
    hold("unsigned-schema1", &documents);
}

#[test]
fn schema1_that_was_changed_after_it_was_signed() {
    let signed = String::from_utf8(schema1(Form::Schema1)).unwrap();
    let changed = signed.replacen("\"tag\": \"1.0\"", "\"tag\": \"longer\"", 1);
    hold("changed-schema1", &[("schema1.json", changed.as_bytes(), None)]);
}

#[test]
fn schema2_beside_its_config_and_schema1_of_the_same_image() {
    let (schema2, schema1) = (schema2(), schema1(Form::Schema1));
    let documents = [
        ("schema2.json", schema2.as_bytes(), None),
        ("config.json", CONFIG.as_bytes(), None),
        ("schema1.json", &*schema1, None),
    ];
    hold("schema2", &documents);
}

#[test]
fn an_index_with_an_attestation_beside_one_of_its_manifests() {
    let oci = manifest(Form::Oci, "application/vnd.oci.image.layer.v1.tar+zstd");
    let amd64 = r#","platform":{"architecture":"amd64","os":"linux"}"#;
    let attestation = format!(
        r#","platform":{{"architecture":"unknown","os":"unknown"}},"annotations":{{"vnd.docker.reference.digest":"{}","vnd.docker.reference.type":"attestation-manifest"}}"#,
        digest(&oci)
    );
    let entries = [
        descriptor(Form::Oci.media_type(), oci.as_bytes(), amd64),
        descriptor(Form::Oci.media_type(), b"attestation", &attestation),
    ];
    let index = index(Form::Index, &entries);
    hold("index", &[("index.json", index.as_bytes(), None), ("oci.json", oci.as_bytes(), None)]);
}

#[test]
fn a_response_of_an_edge_that_lost_its_vary_header() {
    let body = schema1(Form::Schema1);
    let digest = digest("something else").to_string();
    let length = body.len().to_string();
    let headers = [
        ("Content-Type", Form::Schema1.media_type()),
        ("Content-Length", &*length),
        ("Docker-Content-Digest", &*digest),
        ("ETag", "\"1\""),
        ("Cache-Control", "max-age=3600"),
    ];
    hold("response", &[("curl.txt", &response(&headers, &body), None)]);
}

#[test]
fn the_errors_of_a_registry() {
    let codes = [
        "MANIFEST_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNVERIFIED",
        "BLOB_UNKNOWN",
        "NAME_UNKNOWN",
        "NAME_INVALID",
        "UNAUTHORIZED",
        "DENIED",
        "TOOMANYREQUESTS",
        "UNSUPPORTED",
        "DIGEST_INVALID",
        "SIZE_INVALID",
        "TAG_INVALID",
        "UNAVAILABLE",
        "OTHER",
    ];
    let errors: Vec<String> = codes
        .iter()
        .map(|code| format!(r#"{{"code":"{code}","message":"m","detail":{{"Tag":"t"}}}}"#))
        .collect();
    let body = format!(r#"{{"errors":[{}]}}"#, errors.join(","));
    hold("errors", &[("errors.json", body.as_bytes(), None)]);
}

#[test]
fn a_config_that_went_through_jq() {
    let pretty = downshift_inspect::variant(CONFIG.as_bytes(), "indent-2-newline").unwrap();
    hold("config-by-jq", &[("config.json", &pretty, Some(digest(CONFIG).as_str()))]);
}

#[test]
fn text() {
    hold("text", &[("", b"not\nJSON", Some("latest"))]);
}

#[test]
fn the_matrix_of_clients() {
    let own = ["application/vnd.oci.image.manifest.v1+json".to_owned()];
    let matrix = downshift_inspect::matrix(Some((&own, Some("me/1.0"))));
    let mut lines = vec![serde_json::to_string(&matrix.registries).unwrap()];
    for client in &matrix.clients {
        lines.push(format!("{} {}", client.id, serde_json::to_string(&client.request).unwrap()));
        for (registry, answers) in &client.answers {
            for (by, answers) in answers {
                for (stored, cell) in answers {
                    let cell =
                        serde_json::to_string(&(cell.outcome, &cell.word, cell.status, &cell.text)).unwrap();
                    lines.push(format!("{} {registry} {by} {stored} {cell}", client.id));
                }
            }
        }
    }
    let first = &matrix.clients[0].answers["downshift"][&AskedBy::Tag][&Stored::Schema2];
    lines.push(serde_json::to_string(first).unwrap());
    compare("matrix.txt", lines.join("\n") + "\n");
}
