//! What the manifest inspector offers to look at: documents of our own, each of which answers a question.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use downshift::{Digest, Limits, Policy, Timestamp, jws};
use downshift_sign::Signer as _;
use serde_json::{Value, json};

use crate::fixed_key::FixedKey;
use crate::images::{Image, built, sample};
use crate::implementation::{Implementation, Native, Outcome, schema1_request};

/// The repository that the documents are of.
const REPOSITORY: &str = "library/sample";

/// Documents that answer a question.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its name, for programs.
    pub id: &'static str,
    /// The question.
    pub title: &'static str,
    /// What is to be seen.
    pub text: &'static str,
    /// The documents.
    pub files: Vec<File>,
    /// Whether the last one is to be compared with the first.
    pub compares: bool,
}

/// A document.
#[derive(Clone, Debug)]
pub struct File {
    /// The name to show.
    pub label: &'static str,
    /// Its exact bytes, which are text.
    pub bytes: Vec<u8>,
    /// The digest that is expected of it.
    pub expected: Option<Digest>,
}

/// All samples, in the order in which they are offered. Their bytes are the same each time.
///
/// # Errors
/// If the sample image cannot be converted or signed.
pub fn all() -> anyhow::Result<Vec<Sample>> {
    let signed = signed(&sample::schema2())?;
    let payload = jws::parse(&signed, &Limits::default())?.payload;
    let sample = |id, title, text, files| Sample { id, title, text, files, compares: false };
    let schema2 = || with_configs("schema2.json", &sample::schema2());
    let mut two_digests = schema2();
    two_digests.push(File::new("schema1.json", signed.clone()));
    Ok(vec![
        sample(
            "schema1",
            "What does Docker 1.6 to 1.9 get?",
            "Signed schema 1, with its chain of ids and its signature",
            vec![File::new("schema1.json", signed.clone())],
        ),
        sample(
            "schema2",
            "What is in an image's manifest?",
            "Schema 2 and the config that it names, joined",
            schema2(),
        ),
        Sample {
            compares: true,
            ..sample(
                "two-digests",
                "Why does one image have two digests?",
                "The same image as schema 2 and as schema 1, side by side",
                two_digests,
            )
        },
        sample(
            "list",
            "What does an old client get of a list?",
            "A manifest list with its manifests and configs",
            with_configs("list.json", &sample::list()),
        ),
        sample(
            "attestations",
            "What is unknown/unknown?",
            "An OCI index as BuildKit pushes it, with an attestation",
            attestations()?,
        ),
        sample(
            "tampered",
            "Has somebody changed it?",
            "Two layers of a signed manifest were exchanged: the signature no longer holds",
            vec![File::new("tampered.json", tampered(&signed)?)],
        ),
        sample(
            "broken-chain",
            "Why do old engines refuse it?",
            "Schema 1 in which an id's parent is not the id below",
            vec![File::new("broken-chain.json", broken_chain(payload.clone())?)],
        ),
        sample(
            "pretty",
            "Why is the digest not the one I expected?",
            "A copy that went through jq: the same content, another digest, and the change that explains it",
            pretty()?,
        ),
        sample(
            "response",
            "May my cache keep this?",
            "What curl -i printed of an edge that lost the Vary header",
            vec![File::new("curl.txt", response(&signed, &payload))],
        ),
        sample(
            "unsigned",
            "Why is there no signature?",
            "Unsigned schema 1, which Docker 1.6 to 1.9 refuse",
            vec![File::new("unsigned.json", payload)],
        ),
        sample(
            "layers",
            "What does an image of 127 layers look like?",
            "As many layers as old engines can stack",
            with_configs("manifest.json", &built::layers(127, 0)),
        ),
        sample(
            "errors",
            "What does MANIFEST_UNKNOWN mean?",
            "A registry's error answer instead of a manifest",
            vec![File::new("errors.json", errors())],
        ),
    ])
}

impl File {
    fn new(label: &'static str, bytes: Vec<u8>) -> Self {
        Self { label, bytes, expected: None }
    }
}

/// An image's manifest, with those that it lists, and their configs.
fn with_configs(label: &'static str, image: &Image) -> Vec<File> {
    let children = image.children.iter().zip(["arm64.json", "amd64.json"]);
    let labels: &[&str] = if image.children.is_empty() {
        &["config.json"]
    } else {
        &["arm64-config.json", "amd64-config.json"]
    };
    let mut files = vec![File::new(label, image.manifest.bytes.clone())];
    files.extend(children.map(|(child, label)| File::new(label, child.bytes.clone())));
    files.extend(image.configs.iter().zip(labels).map(|(config, label)| File::new(label, config.clone())));
    files
}

/// The signed schema 1 manifest that an image gives.
fn signed(image: &Image) -> anyhow::Result<Vec<u8>> {
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    match Native.answer(&request, &image.documents()) {
        Outcome::Answered(answered) => Ok(answered.body),
        outcome => bail!("the sample is not converted: {outcome:?}"),
    }
}

/// An index of an image and an attestation about it, as BuildKit writes them.
fn attestations() -> anyhow::Result<Vec<File>> {
    let image = sample::oci();
    let statement = br#"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2"}"#;
    let empty = b"{}";
    let attestation = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(empty), "size": empty.len() },
        "layers": [{
            "mediaType": "application/vnd.in-toto+json",
            "digest": Digest::of(statement),
            "size": statement.len(),
            "annotations": { "in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2" },
        }],
    });
    let attestation = serde_json::to_vec_pretty(&attestation)?;
    let entry = |bytes: &[u8], architecture: &str, os: &str| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": Digest::of(bytes),
            "size": bytes.len(),
            "platform": { "architecture": architecture, "os": os },
        })
    };
    let mut about = entry(&attestation, "unknown", "unknown");
    about["annotations"] = json!({
        "vnd.docker.reference.digest": image.manifest.digest(),
        "vnd.docker.reference.type": "attestation-manifest",
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry(&image.manifest.bytes, "amd64", "linux"), about],
    });
    let mut files = vec![File::new("index.json", serde_json::to_vec_pretty(&index)?)];
    files.extend(with_configs("manifest.json", &image));
    files.push(File::new("attestation.json", attestation));
    Ok(files)
}

/// A signed manifest in which the first two layers that differ have changed places.
fn tampered(signed: &[u8]) -> anyhow::Result<Vec<u8>> {
    let text = str::from_utf8(signed)?;
    let document: Value = serde_json::from_str(text)?;
    let layers = document["fsLayers"].as_array().context("it has no layers")?;
    let mut digests = layers
        .iter()
        .filter_map(|layer| layer["blobSum"].as_str())
        .filter(|digest| *digest != Digest::EMPTY_LAYER);
    let (Some(first), Some(second)) = (digests.next(), digests.next()) else {
        bail!("it has one layer only")
    };
    let exchanged = text.replace(first, "FIRST").replace(second, first).replace("FIRST", second);
    Ok(exchanged.into_bytes())
}

/// A payload in which a parent is not the id below, signed.
fn broken_chain(payload: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let text = String::from_utf8(payload)?;
    let member = r#"\"parent\":\""#;
    let at = text.match_indices(member).nth(1).context("it has no parents")?.0 + member.len();
    let digit = if text[at..].starts_with('0') { "1" } else { "0" };
    let broken = [&text[..at], digit, &text[at + 1..]].concat();
    let time: Timestamp = "2020-03-01T12:00:05Z".parse()?;
    let unsigned = jws::prepare(broken.into_bytes(), time, &Limits::default())?;
    let signature = FixedKey::read()?.signer()?.sign(&unsigned.signing_input())?;
    Ok(unsigned.seal(&[signature])?)
}

/// The manifest as `jq .` prints it, with the digest that it had.
fn pretty() -> anyhow::Result<Vec<File>> {
    let manifest = sample::schema2().manifest;
    // As it is printed, not as it is read: names keep their order.
    let text = String::from_utf8(manifest.bytes.clone())?;
    let lines: Vec<String> = text.lines().map(with_two_spaces).collect();
    let bytes = format!("{}\n", lines.join("\n")).into_bytes();
    Ok(vec![File { expected: Some(manifest.digest()), ..File::new("manifest-by-jq.json", bytes) }])
}

/// A line with two spaces for each three at its beginning.
fn with_two_spaces(line: &str) -> String {
    let rest = line.trim_start();
    format!("{}{rest}", "  ".repeat((line.len() - rest.len()) / 3))
}

/// What `curl -i` prints of a manifest, from a cache in between that has dropped a header.
fn response(signed: &[u8], payload: &[u8]) -> Vec<u8> {
    let digest = Digest::of(payload);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.distribution.manifest.v1+prettyjws\r\n\
         Content-Length: {length}\r\nDocker-Content-Digest: {digest}\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\
         ETag: \"{digest}\"\r\nCache-Control: max-age=3600\r\nAge: 1740\r\nVia: 1.1 edge.example.org\r\n\r\n",
        length = signed.len(),
    );
    [head.as_bytes(), signed].concat()
}

fn errors() -> Vec<u8> {
    let detail = BTreeMap::from([
        ("Name", REPOSITORY),
        ("Revision", "sha256:0000000000000000000000000000000000000000000000000000000000000000"),
    ]);
    json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": detail }] })
        .to_string()
        .into_bytes()
}
