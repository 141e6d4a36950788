//! Documents of strangers on the command line: nothing that a terminal obeys is printed, and every command ends soon.

use core::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::ensure;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use downshift::{Digest, Form};
use downshift_cases::fixed_key::signed_schema1;
use downshift_tests::program::{self, run};
use downshift_tests::programs::case;
use downshift_text::is_hidden;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Named;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("command_line::{name}"), run);
    vec![trial(named!(nothing_hidden_is_printed)), trial(named!(the_largest_documents_are_looked_at_soon))]
}

/// Characters that move the cursor, reorder the line or are not seen: of each kind one.
const HIDDEN: &str =
    "\u{7}\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{200b}\u{200f}\u{2028}\u{202e}\u{2066}\u{feff}\u{e0041}";

/// What a command printed is lines of characters that can be seen.
fn print_of(arguments: &[&str]) -> anyhow::Result<String> {
    let output = run(arguments)?;
    for stream in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(stream.clone())?;
        let hidden = text.chars().find(|&c| is_hidden(c) && c != '\n');
        ensure!(hidden.is_none(), "{arguments:?} prints {hidden:?}: {text:?}");
    }
    Ok([output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat())
}

fn nothing_hidden_is_printed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hostile = format!("a{HIDDEN}z\n");
    let config = json!({
        "architecture": hostile, "os": hostile, "author": hostile,
        "config": { "Env": [hostile], "Labels": { (hostile.clone()): hostile } },
        "history": [{ "created": hostile, "created_by": hostile, "author": hostile, "comment": hostile }],
        "rootfs": { "type": hostile, "diff_ids": [hostile] },
    });
    let part =
        |media_type: &str| json!({ "mediaType": media_type, "digest": Digest::of(b"x").as_str(), "size": 1 });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": Form::Oci.media_type(), "config": part(&hostile), "layers": [part(&hostile)],
        "annotations": { (hostile.clone()): hostile }, (hostile.clone()): 1,
    });
    let record = json!({ "id": hostile, "parent": hostile, "container_config": { "Cmd": [hostile] }, "created": hostile });
    let schema1 = json!({
        "schemaVersion": 1, "name": hostile, "tag": hostile, "architecture": hostile,
        "fsLayers": [{ "blobSum": hostile }], "history": [{ "v1Compatibility": record.to_string() }],
    });
    let mut entry = part(Form::Oci.media_type());
    entry["platform"] =
        json!({ "os": hostile, "architecture": hostile, "os.version": hostile, "os.features": [hostile] });
    entry["artifactType"] = json!(hostile);
    let index = json!({ "schemaVersion": 2, "mediaType": Form::Index.media_type(), "manifests": [entry.clone(), entry] });
    let errors = json!({ "errors": [{ "code": hostile, "message": hostile, "detail": hostile }] });
    let unknown = json!({ "schemaVersion": 2, "mediaType": hostile });
    let signed = String::from_utf8(signed_schema1()?)?;
    let algorithm = signed.replacen("\"ES256\"", &json!(hostile).to_string(), 1);
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: a{HIDDEN}\r\nETag: {HIDDEN}\r\nVary: {HIDDEN}\r\nx{HIDDEN}: y\r\n\r\n{manifest}"
    );
    let documents =
        [config, manifest, schema1, index, errors, unknown].map(|document: Value| document.to_string());
    for (number, document) in documents.into_iter().chain([algorithm, response, hostile.clone()]).enumerate()
    {
        // The name of a file may hold them, too.
        let path = folder.path().join(format!("{number}{HIDDEN}.json"));
        fs::write(&path, document)?;
        let path = path.display().to_string();
        for arguments in [
            &["inspect", &path][..],
            &["inspect", "--json", &path],
            &["inspect", &path, "--expect", &hostile],
            &["inspect", "--json", &path, "--expect", &hostile],
            &["check", &path],
            &["verify", &path],
            &["layer", &path],
            &["layer", "--json", &path],
            &["convert", &path, "--to", "schema2", "--engine", "native"],
        ] {
            let printed = print_of(arguments)?;
            ensure!(!printed.is_empty() || arguments[0] == "check", "{arguments:?} prints nothing");
        }
    }
    let gone = folder.path().join(format!("gone{HIDDEN}")).display().to_string();
    for arguments in [
        &["inspect", &gone][..],
        &["clients", "--data", &gone],
        &["key", "show", &gone],
        &["layer", &gone],
        &["layer", "--limit", &hostile],
        &["serve", "--store", &gone, "--data", &gone, "--listen", &hostile],
        &["convert", &gone, "--to", &hostile],
        &["convert", &gone, "--to", "schema1", "--name", &hostile, "--tag", &hostile],
        &["convert", &gone, "--to", "oci", "--limit", &hostile],
        &[&hostile],
    ] {
        let printed = print_of(arguments)?;
        ensure!(printed.contains(r"\u{202e}"), "{arguments:?} does not say what it refuses: {printed}");
    }
    Ok(())
}

fn the_largest_documents_are_looked_at_soon() -> anyhow::Result<()> {
    // Twenty seconds of processor time: before the fix, a debug build took minutes.
    const BOUND: &str = "ulimit -t 20 || exit 125; exec \"$@\"";
    let folder = tempfile::tempdir()?;
    for (name, document) in
        [("history", history()), ("signatures", signatures()), ("attestations", attestations())]
    {
        let path = folder.path().join(name);
        fs::write(&path, document)?;
        let path = path.display().to_string();
        for command in ["inspect", "check", "verify"] {
            let mut bounded = Command::new("sh");
            bounded.args(["-c", BOUND, "sh"]).arg(program::path()?).args([command, &path]);
            let output = bounded.output()?;
            let has_run = output.status.code().is_some_and(|code| code < 125);
            ensure!(has_run, "{command} of {name} did not come to its end: {}", output.status);
        }
    }
    Ok(())
}

/// As many entries as the limit lets through, with ids as long as a link has room for.
fn history() -> String {
    let mut document = r#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":["#.to_owned();
    for number in 0..8192 {
        let comma = if number == 0 { "" } else { "," };
        let id = "a".repeat(395);
        let _ = write!(document, r#"{comma}{{"v1Compatibility":"{{\"id\":\"{id}{number:05}\"}}"}}"#);
    }
    document + "]}"
}

/// Signatures over two megabytes, each with a header of its own.
fn signatures() -> String {
    let head = format!(r#"{{"schemaVersion":1,"name":"a","tag":"b","x":"{}""#, "x".repeat(2 * 1024 * 1024));
    let zero = URL_SAFE_NO_PAD.encode([1; 32]);
    let blocks: Vec<String> = (0..4500)
        .map(|number| {
            let protected = format!(r#"{{"formatLength":{},"formatTail":"fQ","time":"{number}"}}"#, head.len());
            format!(
                r#"{{"header":{{"jwk":{{"kty":"EC","crv":"P-256","x":"{zero}","y":"{zero}"}},"alg":"ES256"}},"signature":"{zero}","protected":"{}"}}"#,
                URL_SAFE_NO_PAD.encode(protected)
            )
        })
        .collect();
    format!("{head},\"signatures\":[{}]}}", blocks.join(","))
}

/// An index of attestations, each about the entry at the other end.
fn attestations() -> String {
    let entries = (0..4096).map(|number: usize| {
        json!({
            "mediaType": Form::Oci.media_type(), "size": 1, "digest": Digest::of(&number.to_be_bytes()).as_str(),
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": Digest::of(&(4095 - number).to_be_bytes()).as_str(),
            },
        })
    });
    json!({ "schemaVersion": 2, "mediaType": Form::Index.media_type(), "manifests": entries.collect::<Vec<_>>() })
        .to_string()
}
