//! Nothing that a stranger wrote is obeyed by a shell.

use std::process::Command;

use downshift::Form;
use downshift_inspect::{Given, Report};

use crate::support::{descriptor, index, report_on, response, schema1, signed};

/// Names that are not fit for a shell, for a terminal, or as the name of anything.
const HOSTILE: [&str; 18] = [
    "x$(touch PWNED)",
    "x`touch PWNED`",
    "x;touch PWNED",
    "x|touch PWNED",
    "x && touch PWNED",
    "x > PWNED",
    "x\ntouch PWNED",
    "x\r\ntouch PWNED #",
    "'; touch PWNED; '",
    "\"; touch PWNED; \"",
    "\\'; touch PWNED",
    "-rf",
    "--output=PWNED",
    "~",
    "*",
    "a\u{202e}b",
    "a\u{1b}[31mb\u{200b}",
    "../../x",
];

/// Every command of a report is one line of characters that can be seen.
fn commands(report: &Report) -> Vec<&str> {
    let commands: Vec<&str> =
        report.explanations.iter().map(|explanation| explanation.command.as_str()).collect();
    for command in &commands {
        assert!(!command.chars().any(downshift_text::is_hidden), "{command:?}");
    }
    commands
}

/// The words that a shell makes of a command, where each program only prints its own.
fn run(command: &str) -> String {
    let folder = std::env::temp_dir().join(format!("downshift-commands-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let programs = ["curl", "sha256sum", "skopeo", "jq", "downshift", "grep", "cat", "tr", "tail", "touch"];
    let functions: String = programs
        .iter()
        .map(|name| format!("{name}() {{ printf '<{name}'; printf ' [%s]' \"$@\"; printf '>\\n'; }}\n"))
        .collect();
    let script = format!("{functions}{command}");
    let output = Command::new("sh").args(["-c", &script]).current_dir(&folder).output().unwrap();
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{command} made {left:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn file_names_are_one_word() {
    for name in HOSTILE {
        let bytes = schema1(Form::Schema1);
        let report = report_on(&[Given { bytes: &bytes, label: Some(name.to_owned()), expected: None }]);
        let all = commands(&report);
        let verify = all.iter().find(|command| command.starts_with("downshift verify")).unwrap();
        let word = match name {
            _ if name.chars().any(downshift_text::is_hidden) => "FILE".to_owned(),
            _ if name.starts_with('-') => format!("./{name}"),
            _ => name.to_owned(),
        };
        assert_eq!(run(verify), format!("<downshift [verify] [{word}]>\n"), "{verify}");
        for command in all {
            assert!(!run(command).contains("<touch"), "{command}");
        }
    }
}

#[test]
fn names_and_tags_are_names_and_tags() {
    for hostile in HOSTILE {
        let text = serde_json::to_string(hostile).unwrap();
        let payload = String::from_utf8(schema1(Form::Schema1Unsigned)).unwrap();
        let payload = payload
            .replacen("\"name\": \"library/app\"", &format!("\"name\": {text}"), 1)
            .replacen("\"tag\": \"1.0\"", &format!("\"tag\": {text}"), 1)
            .replacen(
                "\"blobSum\": \"sha256:a3ed95",
                &format!("\"blobSum\": {}x", text.strip_suffix('"').unwrap()),
                1,
            );
        assert!(payload.contains(&text), "{payload}");
        for body in [payload.clone().into_bytes(), signed(&payload)] {
            let response = response(&[("Content-Type", hostile), ("ETag", hostile)], &body);
            for document in [body, response] {
                for command in commands(&report_on(&[Given::of(&document)])) {
                    assert!(!command.contains(hostile) || hostile == "*" || hostile == "~", "{command}");
                    if command.contains("REGISTRY/v2/") {
                        assert!(command.contains("REGISTRY/v2/NAME/manifests/"), "{command}");
                    }
                }
            }
        }
    }
}

#[test]
fn media_types_and_annotations_are_in_no_command() {
    for hostile in HOSTILE {
        let text = serde_json::to_string(hostile).unwrap();
        let annotation = format!(
            r#","platform":{{"os":{text},"architecture":{text}}},"artifactType":{text},"annotations":{{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":{text},{text}:{text}}}"#
        );
        let entry = descriptor("TYPE", b"x", &annotation).replace("\"TYPE\"", &text);
        let index = index(Form::Index, &[entry]);
        let report =
            report_on(&[Given { bytes: index.as_bytes(), label: None, expected: Some(hostile.to_owned()) }]);
        let expected = ["jq '.manifests[] | {digest, platform, annotations}' manifest.json"];
        let all = commands(&report);
        assert_eq!(all[all.len() - 1..], expected);
        assert!(all.iter().all(|command| !run(command).contains("<touch")), "{all:?}");
    }
}

#[test]
fn a_known_name_and_tag_are_in_the_command() {
    let bytes = schema1(Form::Schema1);
    let report = report_on(&[Given { bytes: &bytes, label: Some("it's.json".into()), expected: None }]);
    let digest = &report.documents[0].digests.registry;
    let expected = [
        r"sha256sum 'it'\''s.json'; skopeo manifest-digest 'it'\''s.json'".to_owned(),
        format!("curl -sSI https://REGISTRY/v2/library/app/manifests/{digest}"),
        r"downshift verify 'it'\''s.json'".to_owned(),
    ];
    assert_eq!(commands(&report), expected);
}
