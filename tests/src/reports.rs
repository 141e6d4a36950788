//! Documents that are looked at, and what their reports have to say.

use anyhow::Context;
use downshift::{Digest, Form};
use downshift_inspect::{Given, inspect};
use serde_json::{Value, json};

use crate::signed::{ALGORITHMS, signed_with};
use downshift_cases::fixed_key::{signed_schema1, unsigned_schema1};
use downshift_cases::images::sample;

/// Documents that are looked at together, and what their report has to say.
#[derive(Clone, Debug)]
pub struct ReportCase {
    /// Its name.
    pub name: String,
    /// The documents: name, bytes, and the expected digest.
    pub documents: Vec<(&'static str, Vec<u8>, Option<String>)>,
    /// Values by their JSON pointer.
    pub says: Vec<(&'static str, Value)>,
}

impl ReportCase {
    fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), documents: vec![("it.json", bytes, None)], says: Vec::new() }
    }

    fn expecting(mut self, digest: &str) -> Self {
        if let Some(document) = self.documents.first_mut() {
            document.2 = Some(digest.to_owned());
        }
        self
    }

    fn with(mut self, label: &'static str, bytes: Vec<u8>) -> Self {
        self.documents.push((label, bytes, None));
        self
    }

    fn says(mut self, pointer: &'static str, value: impl Into<Value>) -> Self {
        self.says.push((pointer, value.into()));
        self
    }

    /// The report, natively.
    ///
    /// # Errors
    /// If there is none.
    pub fn report(&self) -> anyhow::Result<Value> {
        let given = self.documents.iter().map(|(label, bytes, expected)| Given {
            bytes,
            label: Some((*label).to_owned()),
            expected: expected.clone(),
        });
        Ok(serde_json::to_value(inspect(&given.collect::<Vec<_>>(), &[])?)?)
    }

    /// Checks a report.
    ///
    /// # Errors
    /// The first value that is another.
    pub fn check(&self, report: &Value) -> anyhow::Result<()> {
        for (pointer, expected) in &self.says {
            let found = report.pointer(pointer).unwrap_or(&Value::Null);
            anyhow::ensure!(found == expected, "{pointer} is {found} and not {expected} in {report:#}");
        }
        Ok(())
    }
}

/// All cases.
///
/// # Errors
/// If a sample cannot be made.
pub fn cases() -> anyhow::Result<Vec<ReportCase>> {
    let mut cases = forms()?;
    cases.extend(responses()?);
    cases.extend(variants()?);
    cases.extend(unreadable());
    cases.extend(signatures()?);
    Ok(cases)
}

fn forms() -> anyhow::Result<Vec<ReportCase>> {
    let signed = signed_schema1()?;
    let schema2 = sample::schema2();
    let config = config_of(&schema2.documents(), &schema2.manifest.bytes)?;
    let index = sample::index();
    let child = index.documents().into_values().find(|bytes| {
        bytes.starts_with(br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest"#)
    });
    let mut attested: Value = serde_json::from_slice(&index.manifest.bytes)?;
    let first = attested["manifests"][0]["digest"].clone();
    attested["manifests"].as_array_mut().context("there are no entries")?.push(json!({
        "mediaType": Form::Oci.media_type(), "digest": Digest::of(b"attestation").as_str(), "size": 1,
        "platform": { "os": "unknown", "architecture": "unknown" },
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": first,
        },
    }));
    let extra = String::from_utf8(signed.clone())?.replacen(
        "\"signatures\"",
        "\"signatures\": [], \"signatures\"",
        1,
    );
    let mut cases = vec![
        ReportCase::new("signed-schema1", signed.clone())
            .says("/documents/0/kind", "schema1")
            .says("/documents/0/digests/bytes", Digest::of(&signed).as_str())
            .says("/documents/0/signatures/0/verdict", "valid")
            .says("/documents/0/signatures/0/key", "P-256")
            .says("/documents/0/chain/0/joined", true)
            .says("/documents/0/problems", json!([]))
            .says("/explanations/0/code", "digest-of-payload"),
        ReportCase::new("unsigned-schema1", unsigned_schema1()?)
            .says("/documents/0/kind", "schema1-unsigned")
            .says("/documents/0/chain/0/rule", "layer-and-parent")
            .says("/documents/0/findings/0/rule", "signature"),
        ReportCase::new("schema2-with-config", schema2.manifest.bytes.clone())
            .with("config.json", config)
            .says("/documents/0/kind", "schema2")
            .says("/documents/0/config/document", 1)
            .says("/documents/0/layers/0/history", 0)
            .says("/documents/1/kind", "config")
            .says("/documents/1/platform/architecture", "amd64")
            .says("/documents/1/why/5/code", "named-by"),
        ReportCase::new("schema2-without-config", schema2.manifest.bytes)
            .says("/documents/0/history", json!([]))
            .says("/documents/0/config/document", Value::Null),
        ReportCase::new("oci", sample::oci().manifest.bytes).says("/documents/0/kind", "oci"),
        ReportCase::new("list", sample::list().manifest.bytes)
            .says("/documents/0/kind", "list")
            .says("/documents/0/manifests/0/role", "image"),
        ReportCase::new("index-with-attestation", serde_json::to_vec(&attested)?)
            .says("/documents/0/manifests/2/role", "attestation")
            .says("/documents/0/manifests/2/about", 0),
        ReportCase::new("artifact", sample::artifact().manifest.bytes),
        ReportCase::new("duplicate-signatures", extra.into_bytes()),
        ReportCase::new("zstd", sample::zstd().manifest.bytes).says("/documents/0/layers/0/flags/0", "zstd"),
    ];
    if let Some(child) = child {
        cases.push(
            ReportCase::new("index-with-child", index.manifest.bytes)
                .with("child.json", child)
                .says("/documents/1/kind", "oci"),
        );
    }
    let longer = String::from_utf8(signed.clone())?.replacen("\"tag\": \"", "\"tag\": \"longer-", 1);
    cases.push(
        ReportCase::new("changed-after-signing", longer.into_bytes())
            .says("/documents/0/kind", "schema1")
            .says("/documents/0/problems/0/code", "changed-after-signing")
            .says("/documents/0/digests/payload", Value::Null)
            .says("/documents/0/signatures/0/verdict", "invalid"),
    );
    let schema1 = unsigned_schema1()?;
    cases.push(ReportCase::new("schema1-and-its-signed-self", signed).with("unsigned.json", schema1));
    Ok(cases)
}

fn config_of(
    documents: &std::collections::BTreeMap<Digest, Vec<u8>>,
    manifest: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let manifest: Value = serde_json::from_slice(manifest)?;
    let digest: Digest = manifest["config"]["digest"].as_str().context("there is no config")?.parse()?;
    documents.get(&digest).cloned().context("the config is not there")
}

fn responses() -> anyhow::Result<Vec<ReportCase>> {
    let body = signed_schema1()?;
    let payload = downshift_inspect::payload(&body)?;
    let digest = Digest::of(&payload);
    let media_type = Form::Schema1.media_type();
    let response = |status: &str, end: &str, digest: &Digest| {
        let head = [
            status.to_owned(),
            format!("content-type: {media_type}"),
            format!("Docker-Content-Digest: {digest}"),
            format!("content-length: {}", body.len()),
            "vary: Accept".to_owned(),
            String::new(),
            String::new(),
        ];
        [head.join(end).into_bytes(), body.clone()].concat()
    };
    let redirect = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://example.org/\r\n\r\n".to_vec();
    let verbose = {
        let text = String::from_utf8(response("HTTP/2 200", "\r\n", &digest))?;
        let (head, body) = text.split_once("\r\n\r\n").context("there is no body")?;
        let head: String = head.lines().map(|line| format!("< {line}\n")).collect();
        format!(
            "* Connected\n> GET / HTTP/2\n> \n{head}< \n{{ [5 bytes data]\n{body}\n* Connection #0 to host left intact\n"
        )
    };
    Ok(vec![
        ReportCase::new("response-of-http1", response("HTTP/1.1 200 OK", "\r\n", &digest))
            .says("/documents/0/response/status", 200)
            .says("/documents/0/response/crlf", true)
            .says("/documents/0/digests/payload", digest.as_str())
            .says("/documents/0/response/claims/0/holds", "true")
            .says("/documents/0/response/claims/1/holds", "true")
            .says("/documents/0/response/claims/2/holds", "true"),
        ReportCase::new("response-of-http2-with-lf", response("HTTP/2 200", "\n", &digest))
            .says("/documents/0/response/version", "HTTP/2")
            .says("/documents/0/response/crlf", false)
            .says("/documents/0/size", body.len()),
        ReportCase::new("response-with-wrong-digest", response("HTTP/1.1 200 OK", "\r\n", &Digest::of(b"other")))
            .says("/documents/0/response/claims/1/holds", "false")
            .says("/documents/0/response/claims/1/expected/verdict", "none")
            .says("/explanations/0/code", "wrong-bytes"),
        ReportCase::new("response-with-digest-of-all-bytes", response("HTTP/1.1 200 OK", "\r\n", &Digest::of(&body)))
            .says("/documents/0/response/claims/1/holds", "false"),
        ReportCase::new("redirected", [redirect, response("HTTP/1.1 200 OK", "\r\n", &digest)].concat())
            .says("/documents/0/response/earlier/0/status", 307)
            .says("/documents/0/digests/payload", digest.as_str()),
        ReportCase::new("verbose", verbose.into_bytes())
            .says("/documents/0/response/status", 200)
            .says("/documents/0/kind", "schema1"),
        ReportCase::new("head", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec())
            .says("/documents/0/size", 0)
            .says("/documents/0/unreadable/guess", "empty"),
        ReportCase::new(
            "registry-error",
            b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}"
                .to_vec(),
        )
        .says("/documents/0/kind", "errors")
        .says("/documents/0/errors/0/code", "MANIFEST_UNKNOWN"),
    ])
}

/// Every change, undone by its opposite.
fn variants() -> anyhow::Result<Vec<ReportCase>> {
    let config = br#"{"architecture":"amd64","os":"linux","created_by":"a <b> && \u00e9","config":{"Env":[],"Labels":{}},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    let mut cases = Vec::new();
    for (damage, repair) in [
        ("final-newline-added", "final-newline-removed"),
        ("lf-to-crlf", "crlf-to-lf"),
        ("bom-added", "bom-removed"),
        ("indent-2", "compact"),
        ("indent-2-newline", "compact"),
        ("indent-tab", "compact"),
        ("spaced", "compact"),
        ("escaped", "unescaped"),
        ("indent-3-escaped", "compact-unescaped"),
    ] {
        let mut original = config.to_vec();
        if damage == "lf-to-crlf" {
            original = downshift_inspect::variant(&original, "indent-3").context("it cannot be indented")?;
        }
        let damaged =
            downshift_inspect::variant(&original, damage).with_context(|| format!("no {damage}"))?;
        cases.push(
            ReportCase::new(format!("variant-{damage}"), damaged)
                .expecting(Digest::of(&original).as_str())
                .says("/documents/0/digests/expected/verdict", "variant")
                .says("/documents/0/digests/expected/variant/code", repair),
        );
    }
    for (repair, made) in [
        ("final-newline-added", "final-newline-added"),
        ("indent-3", "indent-3"),
        ("indent-2-newline", "indent-2-newline"),
        ("indent-4-newline", "indent-4-newline"),
        ("compact-escaped", "escaped"),
    ] {
        let expected = downshift_inspect::variant(config, made).context("it cannot be made")?;
        let code = if repair == "compact-escaped" { "escaped" } else { repair };
        cases.push(
            ReportCase::new(format!("variant-to-{repair}"), config.to_vec())
                .expecting(Digest::of(&expected).as_str())
                .says("/documents/0/digests/expected/variant/code", code),
        );
    }
    let signed = signed_schema1()?;
    let payload = Digest::of(&downshift_inspect::payload(&signed)?);
    cases.push(
        ReportCase::new("expected-payload", signed.clone())
            .expecting(payload.as_str())
            .says("/documents/0/digests/expected/verdict", "payload"),
    );
    let damaged = downshift_inspect::variant(&signed, "lf-to-crlf").context("it has no lines")?;
    cases.push(
        ReportCase::new("expected-payload-with-crlf", damaged)
            .expecting(payload.as_str())
            .says("/documents/0/digests/expected/variant/code", "crlf-to-lf"),
    );
    let prompt = [config.as_slice(), b"user@host:~$ "].concat();
    cases.push(
        ReportCase::new("variant-prompt", prompt)
            .expecting(Digest::of(config).as_str())
            .says("/documents/0/digests/expected/variant/code", "surroundings-removed"),
    );
    cases.push(
        ReportCase::new("expected-nothing", config.to_vec())
            .expecting("latest")
            .says("/documents/0/digests/expected/verdict", "unsupported"),
    );
    Ok(cases)
}

fn unreadable() -> Vec<ReportCase> {
    let cases: [(&str, &[u8]); 9] = [
        ("empty", b""),
        ("gzip", b"\x1f\x8b\x08"),
        ("utf-16", b"\xff\xfe{\0"),
        ("bom", b"\xef\xbb\xbf{}"),
        ("html", b"<!DOCTYPE html><html>"),
        ("base64", b"eyJzY2hlbWFWZXJzaW9uIjoyfQ=="),
        ("truncated", b"{\"schemaVersion\": 2,"),
        ("two-documents", b"{}\n{}"),
        ("chunked", b"1c\r\n{\"schemaVersion\": 2, \"a\": 1}\r\n0\r\n\r\n"),
    ];
    let case = |(guess, bytes): (&str, &[u8])| {
        ReportCase::new(format!("unreadable-{guess}"), bytes.to_vec())
            .says("/documents/0/kind", "not-json")
            .says("/documents/0/unreadable/guess", guess)
    };
    cases.into_iter().map(case).collect()
}

fn signatures() -> anyhow::Result<Vec<ReportCase>> {
    let mut cases = Vec::new();
    for algorithm in ALGORITHMS {
        let document = signed_with(algorithm)?;
        let name = if algorithm == "x5c" { "ES256" } else { algorithm };
        let tampered =
            String::from_utf8(document.clone())?.replacen("\"architecture\": \"", "\"architecture\": \"x", 1);
        anyhow::ensure!(tampered.as_bytes() != document, "the document has another architecture");
        cases.push(
            ReportCase::new(format!("signed-with-{algorithm}"), document)
                .says("/documents/0/signatures/0/verdict", "valid")
                .says("/documents/0/signatures/0/algorithm", name),
        );
        cases.push(
            ReportCase::new(format!("tampered-with-{algorithm}"), tampered.into_bytes())
                .says("/documents/0/signatures/0/verdict", "invalid")
                .says("/documents/0/signatures/0/code", "invalid-signature"),
        );
    }
    Ok(cases)
}
