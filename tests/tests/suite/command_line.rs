//! The commands that read and check, and make keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::ensure;
use downshift::{Digest, EMPTY_LAYER};
use downshift_cases::fixed_key::{signed_schema1, unsigned_schema1};
use downshift_cases::images::sample;
use downshift_tests::program::{run, succeed};
use downshift_tests::programs::case;
use libtest_mimic::Trial;
use serde_json::Value;
use tempfile::TempDir;

use crate::Named;
use crate::convert::fails;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn(&Files) -> anyhow::Result<()>>| {
        case(format!("command_line::{name}"), move || run(&Files::write()?))
    };
    vec![
        trial(named!(verify_tells_a_valid_signature_from_a_broken_one)),
        trial(named!(check_names_the_rule_that_is_broken)),
        trial(named!(inspect_says_what_a_manifest_is)),
        trial(named!(layer_shows_what_is_known_of_layers)),
        trial(named!(key_new_makes_a_key_that_only_its_owner_reads)),
        trial(named!(help_and_usage_end_as_they_should)),
    ]
}

/// Documents in a folder.
struct Files {
    folder: TempDir,
    signed: String,
    tampered: String,
    unsigned: String,
    schema2: String,
}

impl Files {
    fn write() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let write = |name: &str, bytes: &[u8]| -> anyhow::Result<String> {
            let path = folder.path().join(name);
            fs::write(&path, bytes)?;
            Ok(path.display().to_string())
        };
        let signed = signed_schema1()?;
        // A letter of the tag, which the signature covers.
        let tampered = String::from_utf8(signed.clone())?.replacen("\"tag\": \"v", "\"tag\": \"w", 1);
        ensure!(tampered.as_bytes() != signed, "the document has another tag");
        Ok(Self {
            signed: write("signed.json", &signed)?,
            tampered: write("tampered.json", tampered.as_bytes())?,
            unsigned: write("unsigned.json", &unsigned_schema1()?)?,
            schema2: write("schema2.json", &sample::schema2().manifest.bytes)?,
            folder,
        })
    }
}

fn verify_tells_a_valid_signature_from_a_broken_one(files: &Files) -> anyhow::Result<()> {
    let said = String::from_utf8(succeed(["verify", &files.signed])?)?;
    for line in [
        "payload    sha256:116268a0ef52d7b65218f27b525bb803dd7d9fc3868df8ce79a59789f422f771",
        "signature  valid",
        "  key        TT5M:OZJY:F7AR:NZ6N:KHDS:TQYY:RKFQ:R7MR:LDQF:2XCH:CE44:IVZ3",
        "  algorithm  ES256",
        "  time       2016-01-02T03:04:05Z",
    ] {
        ensure!(said.lines().any(|said| said == line), "it does not say `{line}`: {said}");
    }
    let broken = run(["verify", &files.tampered])?;
    let said = String::from_utf8_lossy(&broken.stdout);
    ensure!(broken.status.code() == Some(1) && said.contains("signature  invalid-signature: "), "{broken:?}");
    fails(&run(["verify", &files.unsigned])?, 2, "invalid-signature-block")?;
    fails(&run(["verify", "/none"])?, 2, "unreadable-file")
}

fn check_names_the_rule_that_is_broken(files: &Files) -> anyhow::Result<()> {
    ensure!(succeed(["check", &files.signed])?.is_empty(), "it finds fault with a sound manifest");
    for (file, rule) in
        [(&files.unsigned, "signatures: signature: "), (&files.schema2, "schemaVersion: schema-version: ")]
    {
        let output = run(["check", file])?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.code() == Some(1) && said.starts_with(rule), "it does not say {rule}: {said}");
        ensure!(said.contains("(refused by docker 1.6"), "it does not say which engines: {said}");
    }
    Ok(())
}

fn inspect_says_what_a_manifest_is(files: &Files) -> anyhow::Result<()> {
    let inspect = |arguments: &[&str]| -> anyhow::Result<Value> {
        let report: Value = serde_json::from_slice(&succeed([&["inspect", "--json"], arguments].concat())?)?;
        Ok(report["documents"][0].clone())
    };
    let payload = "sha256:116268a0ef52d7b65218f27b525bb803dd7d9fc3868df8ce79a59789f422f771";
    let signed = inspect(&[&files.signed, "--expect", payload])?;
    ensure!(signed["kind"] == "schema1" && signed["name"] == "lib/app" && signed["tag"] == "v1", "{signed}");
    ensure!(signed["digests"]["bytes"] == Digest::of(&signed_schema1()?).as_str(), "{signed}");
    ensure!(signed["digests"]["expected"]["verdict"] == "payload", "{signed}");
    ensure!(signed["signatures"][0]["time"] == "2016-01-02T03:04:05Z", "{signed}");

    let schema2 = inspect(&[&files.schema2])?;
    let layers = sample::schema2().layers.len();
    ensure!(schema2["kind"] == "schema2", "{schema2}");
    ensure!(schema2["layers"].as_array().is_some_and(|parts| parts.len() == layers), "{schema2}");
    let lines = String::from_utf8(succeed(["inspect", &files.schema2])?)?;
    ensure!(lines.starts_with("kind        schema2\n"), "{lines}");

    let other = run(["inspect", &files.schema2, "--expect", payload])?;
    let said = String::from_utf8_lossy(&other.stdout);
    ensure!(
        other.status.code() == Some(1) && said.contains("\ntried       "),
        "it is the expected one: {said}"
    );
    fails(&run(["inspect", "/none"])?, 2, "unreadable-file")
}

fn layer_shows_what_is_known_of_layers(files: &Files) -> anyhow::Result<()> {
    let write = |name: &str, bytes: &[u8]| -> anyhow::Result<String> {
        let path = files.folder.path().join(name);
        fs::write(&path, bytes)?;
        Ok(path.display().to_string())
    };
    let sound = write("sound", &EMPTY_LAYER)?;
    let empty_layer = Digest::empty_layer();
    let expected = format!(
        "file         {sound}\ndigest       {empty_layer}\ncompression  gzip\nsize         32\n\
         diff id      {}\nplain size   1024\n",
        Digest::of(&[0; 1024]),
    );
    for engine in ["wasm", "native"] {
        let lines = String::from_utf8(succeed(["layer", "--engine", engine, &sound])?)?;
        ensure!(lines == expected, "{engine}: {lines}");
    }

    let cut = write("cut", &EMPTY_LAYER[..31])?;
    let output = run(["layer", "--json", &sound, &cut, &files.schema2])?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let [sound, cut, manifest] = [0, 1, 2].map(|index| &report["layers"][index]);
    ensure!(sound["facts"]["plain_size"] == 1024 && sound["facts"]["compression"] == "gzip", "{sound}");
    ensure!(cut["failure"]["code"] == "truncated-layer" && cut["failure"]["fault"] == "document", "{cut}");
    ensure!(manifest["failure"]["code"] == "unknown-compression", "{manifest}");

    let limited = run([
        "layer",
        "--limit",
        "plain-bytes=1023",
        &files.folder.path().join("sound").display().to_string(),
    ])?;
    let said = String::from_utf8_lossy(&limited.stdout);
    ensure!(limited.status.code() == Some(1) && said.contains("`plain-bytes`"), "{limited:?}");
    fails(&run(["layer", "/none"])?, 2, "unreadable-file")
}

fn key_new_makes_a_key_that_only_its_owner_reads(files: &Files) -> anyhow::Result<()> {
    let path = files.folder.path().join("key.json");
    let key = path.display().to_string();
    ensure!(succeed(["key", "new", "--output", &key])?.is_empty(), "it shows the key");
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "the mode is {mode:o}");
    let made = fs::read(&path)?;
    fails(&run(["key", "new", "-o", &key])?, 2, "unwritable-file")?;
    ensure!(fs::read(&path)? == made, "it writes over a key");

    let shown = String::from_utf8(succeed(["key", "show", &key])?)?;
    let made: Value = serde_json::from_slice(&made)?;
    let private = made["d"].as_str().unwrap_or_default();
    ensure!(!private.is_empty() && !shown.contains(private), "it shows the private half");
    ensure!(made["kid"].as_str().is_some_and(|kid| shown.contains(kid)), "it shows no key id: {shown}");
    Ok(())
}

fn help_and_usage_end_as_they_should(_: &Files) -> anyhow::Result<()> {
    for command in ["serve", "convert", "verify", "inspect", "check", "layer", "key"] {
        let help = String::from_utf8(succeed([command, "--help"])?)?;
        ensure!(help.contains("Usage: downshift"), "{command} has no help: {help}");
    }
    for usage in [&["pull"][..], &["inspect"], &["verify", "--loud", "x"], &[]] {
        ensure!(run(usage)?.status.code() == Some(2), "{usage:?} does not end with 2");
    }
    Ok(())
}
