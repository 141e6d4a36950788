//! Blobs: whole, in parts, broken off and gone on with, and from elsewhere.

use downshift::Digest;
use downshift_cases::images::sample;
use downshift_pull::Delivery;

use super::row::{
    Comes, Options, Row, Step, asked, blob, body, broken, broken_part, change, get, head, part, push,
    refused, row, status,
};
use crate::fault::{Fault, Rule};
use crate::net::{Change, Host, Redirect};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![good(), conditions(), unknown_lengths(), redirected()];
    rows.extend(faults());
    rows.extend(parts());
    rows.extend(resumed());
    rows.extend(heads());
    rows
}

/// The layer, and its path.
fn layer() -> (Vec<u8>, String) {
    let layer = sample::schema2().layers.remove(0);
    let path = blob(&Digest::of(&layer));
    (layer, path)
}

fn rule(fault: Fault) -> Rule {
    Rule::at("/blobs/", fault)
}

fn with_layer(name: impl Into<String>, steps: impl IntoIterator<Item = Step>) -> Row {
    let image = push("latest", &sample::schema2());
    row(name, Options::default(), [image].into_iter().chain(steps))
}

fn good() -> Row {
    let (bytes, path) = layer();
    let etag = format!("\"{}\"", Digest::of(&bytes));
    with_layer(
        "blobs/good",
        [
            get(&path).comes(body(&bytes).header("etag", &etag).header("accept-ranges", "bytes")),
            asked([format!("GET registry {path} -")]),
            head(&path).comes(status(200).header("content-length", &bytes.len().to_string())),
            asked([format!("HEAD registry {path} -")]),
            get(&path).with("Range", "bytes=3-9").comes(part(3..10, &bytes)),
            get(&path).with("Range", "bytes=-7").comes(part(bytes.len() - 7..bytes.len(), &bytes)),
            get(&path).with("Range", "bytes=99999999-").comes(refused(416, "invalid-range")),
            // Several ranges are none that are passed on.
            get(&path).with("Range", "bytes=3-9,11-12").comes(body(&bytes)),
            get(&blob(&Digest::of(b"none"))).comes(refused(404, "BLOB_UNKNOWN")),
            get("/v2/library/none/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
                .comes(refused(404, "BLOB_UNKNOWN")),
        ],
    )
}

fn conditions() -> Row {
    let (bytes, path) = layer();
    let etag = format!("\"{}\"", Digest::of(&bytes));
    with_layer(
        "blobs/conditions",
        [
            get(&path).with("If-None-Match", &etag).comes(status(304).header("etag", &etag)),
            asked([format!("HEAD registry {path} -")]),
            get(&path).with("Range", "bytes=3-9").with("If-Range", "\"x\"").comes(body(&bytes)),
            get(&path).with("Range", "bytes=3-9").with("If-Range", &etag).comes(part(3..10, &bytes)),
        ],
    )
}

fn faults() -> Vec<Row> {
    let (bytes, path) = layer();
    let of = |name: &str, fault: Fault, comes: Comes| {
        with_layer(
            format!("blobs/faults/{name}"),
            [
                change(rule(fault).change()),
                get(&path).comes(comes),
                change(Change::NoFaults),
                get(&path).comes(body(&bytes)),
            ],
        )
    };
    vec![
        of("close", Fault::Close, refused(502, "upstream-unreachable")),
        of("hang", Fault::Hang, refused(504, "upstream-timeout")),
        of("500", Fault::status(500), refused(502, "upstream-status")),
        of("403", Fault::status(403), refused(403, "upstream-denied")),
        of("404", Fault::status(404), refused(404, "BLOB_UNKNOWN")),
        of("416-for-the-whole", Fault::status(416), refused(502, "upstream-status")),
        of(
            "429",
            Fault::with(429, "retry-after", "7"),
            refused(429, "upstream-too-many-requests").header("retry-after", "7"),
        ),
        of("redirect-loop", Fault::RedirectLoop, refused(502, "upstream-redirect")),
        of("huge", Fault::Huge { is_announced: false }, refused(502, "upstream-too-large")),
        // Too late for an error: the client must not take it for the whole.
        of("cut", Fault::Cut, broken()),
        of("hang-in-body", Fault::HangInBody, broken()),
        of("wrong-byte", Fault::WrongByte, broken()),
        of("length-too-short", Fault::Length("100"), broken()),
        of("no-length", Fault::NoLength, body(&bytes)),
        of("length-that-is-none", Fault::Length("many"), body(&bytes)),
    ]
}

/// Parts in the place of the whole, other parts than the one that is asked for, and nothing at all.
fn parts() -> Vec<Row> {
    let (bytes, path) = layer();
    let mut rows = Vec::new();
    for is_elsewhere in [false, true] {
        let host = if is_elsewhere { Host::Elsewhere } else { Host::Registry };
        let of = |name: &str, fault: Fault, range: Option<&str>, comes: Comes| {
            let ask = match range {
                Some(range) => get(&path).with("Range", range),
                None => get(&path),
            };
            let redirect =
                Redirect { from: Host::Registry, part: "/blobs/", to: Host::Elsewhere, prefix: "" };
            let mut steps =
                vec![change(rule(fault).of(host).change()), ask.comes(comes), change(Change::NoFaults)];
            if is_elsewhere {
                steps.insert(0, change(Change::Redirect(redirect)));
            }
            steps.push(get(&path).comes(body(&bytes)));
            with_layer(format!("blobs/parts/{}/{name}", host.name()), steps)
        };
        let corrupt = || refused(502, "upstream-corrupt");
        let invalid = || refused(502, "upstream-invalid");
        rows.extend([
            of("in-the-place-of-the-whole", Fault::Part(3..10), None, corrupt()),
            of("that-is-the-whole", Fault::Part(0..bytes.len()), None, corrupt()),
            of("later", Fault::Part(3..10), Some("bytes=4-9"), invalid()),
            of("longer", Fault::Part(3..10), Some("bytes=3-10"), invalid()),
            of("to-the-end", Fault::Part(3..10), Some("bytes=3-"), invalid()),
            of("from-the-end", Fault::Part(3..10), Some("bytes=-7"), invalid()),
            of("another-by-its-header", Fault::OtherPart, Some("bytes=3-9"), invalid()),
            of("several", Fault::Part(3..10), Some("bytes=3-9,11-12"), corrupt()),
            of("the-very-one", Fault::Part(3..10), Some("bytes=3-9"), part(3..10, &bytes)),
            of("the-whole-in-its-place", Fault::WholeForPart, Some("bytes=3-9"), body(&bytes)),
            of("empty", Fault::Empty, None, corrupt()),
            of("empty-part", Fault::Empty, Some("bytes=3-9"), invalid()),
        ]);
    }
    rows
}

/// Blobs that break off: what is left is asked for, and the digest is that of all.
fn resumed() -> Vec<Row> {
    let (bytes, path) = layer();
    let line = format!("GET registry {path} -");
    let of = |name: &str, rules: &[Rule], comes: Comes, requests: usize| {
        let mut steps: Vec<Step> = rules.iter().map(|rule| change(rule.clone().change())).collect();
        steps.extend([get(&path).comes(comes), asked(vec![line.clone(); requests])]);
        with_layer(format!("blobs/resumed/{name}"), steps)
    };
    let once = |fault| rule(fault).times(1);
    vec![
        of("once", &[once(Fault::CutAt(10))], body(&bytes), 2),
        of("at-once", &[once(Fault::CutAt(0))], body(&bytes), 2),
        of("one-byte-before-the-end", &[once(Fault::CutAt(bytes.len() - 1))], body(&bytes), 2),
        of("three-times", &[rule(Fault::CutAt(10)).times(3)], body(&bytes), 4),
        of("four-times-is-too-often", &[rule(Fault::CutAt(10)).times(4)], broken(), 4),
        of("silent", &[once(Fault::HangInBody)], body(&bytes), 2),
        of("with-a-wrong-byte-after-it", &[once(Fault::CutAt(10)), once(Fault::WrongByte)], broken(), 2),
        of("with-the-whole-after-it", &[once(Fault::CutAt(10)), once(Fault::WholeForPart)], broken(), 2),
        of("with-another-part-after-it", &[once(Fault::CutAt(10)), once(Fault::Part(0..5))], broken(), 2),
        of("with-another-part-by-its-header", &[once(Fault::CutAt(10)), once(Fault::OtherPart)], broken(), 2),
        of("gone", &[once(Fault::CutAt(10)), once(Fault::status(404))], broken(), 2),
        of("after-an-error", &[once(Fault::CutAt(10)), once(Fault::status(503))], body(&bytes), 3),
        with_layer(
            "blobs/resumed/part-with-the-whole-after-it",
            [
                change(once(Fault::CutAt(2)).change()),
                change(once(Fault::WholeForPart).change()),
                get(&path).with("Range", "bytes=3-9").comes(broken_part()),
            ],
        ),
        with_layer(
            "blobs/resumed/part",
            [
                change(once(Fault::CutAt(2)).change()),
                get(&path).with("Range", "bytes=3-9").comes(part(3..10, &bytes)),
                asked([&line, &line]),
            ],
        ),
    ]
}

/// What HEAD says of a blob.
fn heads() -> Vec<Row> {
    let (bytes, path) = layer();
    let of = |name: &str, fault: Fault, comes: Comes| {
        let steps = [
            change(rule(fault).method("HEAD").change()),
            head(&path).comes(comes),
            get(&path).comes(body(&bytes)),
        ];
        with_layer(format!("blobs/head/{name}"), steps)
    };
    vec![
        of("empty", Fault::Empty, status(502)),
        of("no-length", Fault::NoLength, status(502)),
        of("404", Fault::status(404), status(404)),
        of("405", Fault::status(405), status(502)),
    ]
}

/// Without its length a blob goes on as it comes if HEAD says it, and else is read first.
fn unknown_lengths() -> Row {
    let (bytes, path) = layer();
    with_layer(
        "blobs/unknown-length",
        [
            change(rule(Fault::NoLength).method("GET").change()),
            get(&path).comes(body(&bytes)),
            asked([format!("GET registry {path} -"), format!("HEAD registry {path} -")]),
            change(rule(Fault::NoLength).method("HEAD").change()),
            get(&path).comes(body(&bytes)),
            change(Change::NoFaults),
            change(rule(Fault::NoLength).method("HEAD").change()),
            change(rule(Fault::WrongByte).method("GET").change()),
            get(&path).comes(broken()),
        ],
    )
}

fn redirected() -> Row {
    let (bytes, path) = layer();
    let to =
        |host, prefix| Change::Redirect(Redirect { from: Host::Registry, part: "/blobs/", to: host, prefix });
    row(
        "blobs/redirect-delivery",
        Options { delivery: Delivery::Redirect, ..Options::default() },
        [
            push("latest", &sample::schema2()),
            // A registry that has them itself.
            get(&path).comes(body(&bytes)),
            change(to(Host::Elsewhere, "/moved")),
            get(&path).comes(
                status(307)
                    .header("location", &format!("{{elsewhere}}/moved{path}"))
                    .header("docker-content-digest", Digest::of(&bytes).as_str())
                    .header("cache-control", "no-store"),
            ),
            asked([format!("GET registry {path} -"), format!("GET registry {path} -")]),
            // Within the registry redirects are followed.
            change(Rule::at("/v2/", Fault::with(307, "location", &format!("/back{path}"))).times(1).change()),
            get(&path).comes(body(&bytes)),
            asked([format!("GET registry {path} -"), format!("GET registry /back{path} -")]),
            // Where it is may be said in part.
            change(Rule::at("/v2/", Fault::with(307, "location", "{elsewhere}/a/../b")).times(1).change()),
            get(&path).comes(status(307).header("location", "{elsewhere}/b")),
            asked([format!("GET registry {path} -")]),
            // How long it is is asked there.
            head(&path).comes(status(200).header("content-length", &bytes.len().to_string())),
            asked([format!("HEAD registry {path} -"), format!("HEAD elsewhere /moved{path} -")]),
        ],
    )
}
