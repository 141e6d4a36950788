//! Each kind of problem.

use downshift::{Digest, Form};
use downshift_inspect::{Given, Problem, Severity};

use crate::support::{
    CONFIG, descriptor, digest, index, manifest, report_on, response, schema1, schema2, signed,
};

/// The problems of the first of some documents, each on a line: severity, code, place, text.
fn problems(documents: &[&[u8]]) -> Vec<String> {
    let given: Vec<Given<'_>> = documents.iter().map(|bytes| Given::of(bytes)).collect();
    let report = report_on(&given);
    report.documents[0].problems.iter().map(line).collect()
}

fn line(problem: &Problem) -> String {
    let Problem { severity, code, text, pointer, line, column, .. } = problem;
    let place = line.zip(*column).map(|(line, column)| format!(" {line}:{column}")).unwrap_or_default();
    format!("{severity} {code} {}{place} {text}", pointer.as_deref().unwrap_or("-"))
}

#[track_caller]
fn has(documents: &[&[u8]], expected: &[&str]) {
    assert_eq!(problems(documents), expected);
}

#[test]
fn sound_documents_have_none() {
    has(&[schema2().as_bytes(), CONFIG.as_bytes()], &[]);
    has(&[CONFIG.as_bytes(), schema2().as_bytes()], &[]);
    has(&[&schema1(Form::Schema1)], &[]);
    has(&[&schema1(Form::Schema1Unsigned)], &[]);
}

#[test]
fn json_that_ends_too_early() {
    has(
        &[b"{\n\"a\":1,"],
        &["error invalid-json - 2:7 the document is not JSON: it ends too early at byte `8`"],
    );
}

#[test]
fn a_manifest_that_cannot_be_read() {
    has(
        &[br#"{"schemaVersion":3}"#],
        &["error unknown-document - `3` is not a manifest type that can be read"],
    );
    has(
        &[br#"{"schemaVersion":2,"mediaType":"a\u202e\n"}"#],
        &[r"error unknown-document - `a\u{202e}\n` is not a manifest type that can be read"],
    );
}

#[test]
fn a_manifest_that_was_changed_after_it_was_signed() {
    let text = String::from_utf8(schema1(Form::Schema1)).unwrap();
    let changed = text.replacen("\"tag\": \"1.0\"", "\"tag\": \"longer\"", 1);
    let found = problems(&[changed.as_bytes()]);
    assert!(found[0].starts_with(
        "error changed-after-signing - the manifest was changed after it was signed, so that no signature covers it: "
    ));
    assert!(found[1].starts_with("error invalid-signature /signatures/0 "), "{found:?}");
}

#[test]
fn a_manifest_larger_than_registries_take() {
    let space = " ".repeat(4 * 1024 * 1024);
    let large = format!("{}{space}", schema2());
    has(
        &[large.as_bytes(), CONFIG.as_bytes()],
        &["warning too-large - the manifest is larger than 4 MiB, the most that registries take"],
    );
}

#[test]
fn types_that_do_not_agree() {
    let manifest = schema2();
    has(
        &[&response(&[("Content-Type", "text/html")], manifest.as_bytes()), CONFIG.as_bytes()],
        &["warning content-type - its Content-Type is `text/html`, but it is Docker schema 2"],
    );
    let list = index(Form::List, &[descriptor(Form::Oci.media_type(), manifest.as_bytes(), "")]);
    has(
        &[manifest.as_bytes(), CONFIG.as_bytes(), list.as_bytes()],
        &[
            "warning named-by - `document 3` names it as `application/vnd.oci.image.manifest.v1+json`, but it is Docker schema 2",
        ],
    );
}

#[test]
fn members_that_are_missing() {
    has(
        &[br#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#],
        &[
            "note missing-member - `name` is missing or empty",
            "note missing-member - `tag` is missing or empty",
            "note missing-member - `architecture` is missing or empty",
        ],
    );
    has(
        &[br#"{"architecture":"amd64","os":"linux"}"#],
        &[
            "warning no-rootfs - the config has no `rootfs`: no engine can run it",
            "note no-history - the config has no history: it does not say which command made which layer",
        ],
    );
}

#[test]
fn keys_that_are_repeated() {
    has(
        &[br#"{"a":{"b":1,
            "b":2}}"#],
        &[
            "warning duplicate-key - 2:13 the key \"b\" is repeated in one object: programs differ on which value they take",
        ],
    );
}

#[test]
fn layers_of_other_kinds() {
    let of = |layer_type: &str| problems(&[manifest(Form::Oci, layer_type).as_bytes()]);
    let at = schema2().find("\"layers\":[").unwrap();
    assert!(at > 0);
    let column = |text: &str| text.split(' ').nth(3).unwrap().to_owned();
    for (layer_type, expected) in [
        (
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "is compressed with zstd: Docker before 23 cannot read it, and schema 1 and 2 have no name for it; Downshift gives such clients plain layers",
        ),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "is foreign: clients fetch it from elsewhere, and registries need not have it",
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "is encrypted: only clients with the key can use it",
        ),
    ] {
        let found = of(layer_type);
        let [note] = &found[..] else { panic!("{found:?}") };
        let code = ["zstd", "foreign", "encrypted"].into_iter().find(|code| expected.contains(code)).unwrap();
        assert_eq!(*note, format!("note {code} /layers/0 {} layer 1 {expected}", column(note)));
        // Where the layer is.
        let text = manifest(Form::Oci, layer_type);
        let place = text.find("\"layers\":[").unwrap() + "\"layers\":[".len() + 1;
        assert_eq!(column(note), format!("1:{place}"));
    }
    let gzip = descriptor("application/vnd.oci.image.layer.v1.tar+gzip", b"layer", "");
    let other = descriptor("text/plain", b"other", "");
    let mixed = manifest(Form::Oci, "application/vnd.oci.image.layer.v1.tar+gzip")
        .replace(&gzip, &format!("{gzip},{other}"));
    let found = problems(&[mixed.as_bytes()]);
    assert_eq!(
        found,
        [format!(
            "warning unknown-type /layers/1 {} layer 2 has a media type that image layers do not have",
            column(&found[0])
        )]
    );
}

#[test]
fn a_size_that_is_not_that_of_the_document() {
    let wrong = schema2().replacen(&format!("\"size\":{}", CONFIG.len()), "\"size\":1", 1);
    has(
        &[wrong.as_bytes(), CONFIG.as_bytes()],
        &[&format!(
            "error wrong-size /config/size `{}` does not have the 1 bytes that its entry says",
            digest(CONFIG)
        )],
    );
}

#[test]
fn a_config_that_does_not_fit_its_manifest() {
    let layer = descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", b"layer", "");
    let twice = schema2().replace(&layer, &format!("{layer},{layer}"));
    has(
        &[twice.as_bytes(), CONFIG.as_bytes()],
        &[
            "error diff-id-count - the config has 1 diff id, but the manifest 2 layers",
            "warning history-count - the history has 1 entry with a layer, but the manifest 2 layers",
        ],
    );
}

#[test]
fn entries_of_lists() {
    let entry = |media_type: &str, more: &str| descriptor(media_type, b"x", more);
    let amd64 = r#","platform":{"architecture":"amd64","os":"linux"}"#;
    let docker = Form::Schema2.media_type();
    let list = index(
        Form::List,
        &[
            entry(docker, amd64),
            entry(docker, amd64),
            entry(docker, ""),
            entry(Form::List.media_type(), ""),
            entry(Form::Oci.media_type(), r#","platform":{"architecture":"arm64","os":"linux"}"#),
        ],
    );
    let found: Vec<String> = problems(&[list.as_bytes()])
        .iter()
        .map(|problem| {
            // Without the column.
            let mut words: Vec<&str> = problem.split(' ').collect();
            words.remove(3);
            words.join(" ")
        })
        .collect();
    let expected = [
        "warning nested-index /manifests/3 an entry is itself a list: Docker and Distribution do not follow it",
        "note platform-twice /manifests/1 `linux/amd64` is listed more than once: clients take the first",
        "note no-platform /manifests/2 an entry has no platform: clients that pick one by platform skip it",
        "note mixed-families /manifests/4/mediaType an entry is of the other family, Docker in OCI or OCI in Docker: some clients refuse such a mixture",
    ];
    assert_eq!(found, expected);
}

#[test]
fn members_that_no_signature_covers() {
    let signed = String::from_utf8(signed(
        "{\"schemaVersion\":1,\"name\":\"a\",\"tag\":\"b\",\"architecture\":\"c\"}",
    ))
    .unwrap();
    let more = format!("{},\"a/b~\":1}}", signed.strip_suffix('}').unwrap());
    let column = more.len() - 1;
    has(
        &[more.as_bytes()],
        &[&format!(
            "error unsigned-member /a~1b~0 1:{column} `a/b~` is not in the signed payload: Docker 1.10 and later ignore it, and programs that read the whole document are misled"
        )],
    );
}

#[test]
fn what_is_left_out_is_counted() {
    let members: Vec<String> = (0..300).map(|number| format!("\"{number}\":1,\"{number}\":2")).collect();
    let document = format!("{{{},", members.join(","));
    let document = format!("{}}}", document.strip_suffix(',').unwrap());
    let found = problems(&[document.as_bytes()]);
    assert_eq!(found.len(), 201);
    assert_eq!(found[200], "note problems-left-out - 100 more problems are not shown");
    // The worst come first, however late they are found.
    let manifest = format!("{},{}}}", schema2().strip_suffix('}').unwrap(), members.join(","));
    let wrong = manifest.replacen(&format!("\"size\":{}", CONFIG.len()), "\"size\":1", 1);
    let found = problems(&[wrong.as_bytes(), CONFIG.as_bytes()]);
    assert!(found[0].starts_with("error wrong-size"), "{}", found[0]);
    assert_eq!(found.last().unwrap(), "note problems-left-out - 101 more problems are not shown");

    let headers: Vec<(String, String)> = (0..201).map(|number| (format!("h{number}"), "v".into())).collect();
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    has(&[&response(&headers, CONFIG.as_bytes())], &["note headers-left-out - 1 more header is not read"]);

    let errors = vec![r#"{"code":"DENIED"}"#; 203].join(",");
    let errors = format!("{{\"errors\":[{errors}]}}");
    has(&[errors.as_bytes()], &["note errors-left-out - 3 more errors are not shown"]);
    let report = report_on(&[Given::of(errors.as_bytes())]);
    assert_eq!(report.documents[0].errors.len(), 200);
}

#[test]
fn severities_are_in_order() {
    assert!(Severity::Error < Severity::Warning && Severity::Warning < Severity::Note);
    assert_eq!(Digest::of(b"layer"), digest("layer"));
}
