//! Blobs: whole, in parts, broken off and gone on with, and from elsewhere.

use downshift::{Digest, Form};
use downshift_cases::images::sample;
use downshift_pull::Delivery;

use super::row::{
    Comes, Options, Row, Step, asked, blob, body, broken, broken_part, change, get, head, manifest, part,
    pass, push, refused, row, several, status, stored, streamed,
};
use crate::fault::{Fault, Rule};
use crate::net::{Change, Host, Redirect};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![good(), conditions(), unknown_lengths(), redirected()];
    rows.extend(faults());
    rows.extend(parts());
    rows.extend(pages());
    rows.extend(resumed());
    rows.extend(heads());
    rows.extend(no_lengths());
    rows.extend(wrong_sizes());
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
            // Podman asks for some chunks of a layer.
            get(&path).with("Range", "bytes=11-12,3-9").comes(several(&[11..13, 3..10], &bytes)),
            get(&path).with("Range", "bytes=3-9,9-12").comes(body(&bytes)),
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
        // Too late for an error: the client must not take it for the whole.
        of("cut", Fault::Cut, broken()),
        of("hang-in-body", Fault::HangInBody, broken()),
        of("wrong-byte", Fault::WrongByte, broken()),
        of("length-too-short", Fault::Length("100"), broken()),
        of("no-length", Fault::NoLength, body(&bytes)),
        of("length-that-is-none", Fault::Length("many"), body(&bytes)),
    ]
}

/// Login pages, which say to everybody that a blob is there; and blobs that come under a page's type.
fn pages() -> Vec<Row> {
    let (bytes, path) = layer();
    let page = |part: &str| {
        Rule::at(part, Fault::Typed("text/html; charset=utf-8", b"<!DOCTYPE html><title>Sign in".to_vec()))
    };
    let refused = || refused(502, "upstream-no-document");
    let redirect = || Redirect { from: Host::Registry, part: "/blobs/", to: Host::Elsewhere, prefix: "" };
    vec![
        with_layer(
            "blobs/pages/for-everything",
            [
                change(page("/blobs/").change()),
                get(&path).comes(refused()),
                head(&path).comes(status(502)),
                get(&path).with("Range", "bytes=3-9").comes(refused()),
                get(&path).with("Range", "bytes=3-9,11-12").comes(refused()),
                get(&path).with("If-None-Match", &format!("\"{}\"", Digest::of(&bytes))).comes(refused()),
                change(Change::NoFaults),
                get(&path).comes(body(&bytes)),
                head(&path).comes(status(200).header("content-length", &bytes.len().to_string())),
            ],
        ),
        with_layer(
            "blobs/pages/elsewhere",
            [
                change(Change::Redirect(redirect())),
                change(page("/blobs/").of(Host::Elsewhere).change()),
                get(&path).comes(refused()),
                head(&path).comes(status(502)),
            ],
        ),
        with_layer(
            "blobs/pages/for-head-alone",
            [
                change(page("/blobs/").method("HEAD").change()),
                head(&path).comes(status(200).header("content-length", &bytes.len().to_string())),
            ],
        ),
        with_layer(
            "blobs/pages/by-their-type-alone",
            [
                change(rule(Fault::ContentType(Some("text/html"))).change()),
                get(&path).comes(body(&bytes)),
                get(&path).with("Range", "bytes=3-9").comes(part(3..10, &bytes)),
                head(&path).comes(status(200).header("content-length", &bytes.len().to_string())),
            ],
        ),
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
            of(
                "the-whole-in-the-place-of-several",
                Fault::WholeForPart,
                Some("bytes=3-9,11-12"),
                body(&bytes),
            ),
            of("without-its-length", Fault::NoLength, Some("bytes=3-9"), part(3..10, &bytes)),
            of(
                "several-without-lengths",
                Fault::NoLength,
                Some("bytes=3-9,11-12"),
                several(&[3..10, 11..13], &bytes),
            ),
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

/// What HEAD of a client is told where the registry does not answer it as it answers GET: the length, by a single byte.
fn heads() -> Vec<Row> {
    let (bytes, path) = layer();
    let lines = |method: &str, host: Host| {
        let redirected = (host == Host::Elsewhere).then(|| format!("{method} elsewhere {path} -"));
        [format!("{method} registry {path} -")].into_iter().chain(redirected).collect::<Vec<_>>()
    };
    let told = || status(200).header("content-length", &bytes.len().to_string());
    let of = |name: &str, host: Host, fault: Fault| {
        let redirect = Redirect { from: Host::Registry, part: "/blobs/", to: host, prefix: "" };
        let mut steps = vec![
            change(rule(fault).of(host).method("HEAD").change()),
            head(&path).comes(told()),
            asked([lines("HEAD", host), lines("GET", host)].concat()),
            // It is not tried each time.
            head(&path).comes(told()),
            get(&path).comes(body(&bytes)),
            asked([lines("GET", host), lines("GET", host)].concat()),
        ];
        if host == Host::Elsewhere {
            steps.insert(0, change(Change::Redirect(redirect)));
        }
        with_layer(format!("blobs/head/{}/{name}", host.name()), steps)
    };
    let mut rows = Vec::new();
    for host in [Host::Registry, Host::Elsewhere] {
        rows.extend([
            of("empty", host, Fault::Empty),
            of("no-length", host, Fault::NoLength),
            of("close", host, Fault::Close),
            of("400", host, Fault::status(400)),
            of("401", host, Fault::status(401)),
            of("401-with-a-challenge", host, Fault::with(401, "www-authenticate", "Basic realm=\"x\"")),
            of("403", host, Fault::status(403)),
            of("404", host, Fault::status(404)),
            of("405", host, Fault::status(405)),
            of("500", host, Fault::status(500)),
            of("501", host, Fault::status(501)),
        ]);
    }
    let both = |name: &str, fault: Fault, comes: Comes, methods: &[&str]| {
        let asked_for: Vec<_> = methods.iter().map(|method| format!("{method} registry {path} -")).collect();
        let steps = [
            change(rule(fault).change()),
            head(&path).comes(comes),
            asked(asked_for),
            change(Change::NoFaults),
            // What GET does not tell either says nothing about HEAD.
            head(&path).comes(told()),
            asked([format!("HEAD registry {path} -")]),
        ];
        with_layer(format!("blobs/head/and-get/{name}"), steps)
    };
    let refused = |code| status(code);
    rows.extend([
        both("403", Fault::status(403), refused(403), &["HEAD", "GET"]),
        both("404", Fault::status(404), refused(404), &["HEAD", "GET"]),
        both("429", Fault::with(429, "retry-after", "7"), refused(429).header("retry-after", "7"), &["HEAD"]),
        both("hang", Fault::Hang, refused(504), &["HEAD"]),
        both("no-length-at-all", Fault::Unsized { is_right: true }, refused(502), &["HEAD", "GET"]),
    ]);
    rows.extend([
        with_layer(
            "blobs/head/tried-again-later",
            [
                change(rule(Fault::status(405)).method("HEAD").change()),
                head(&path).comes(told()),
                change(Change::NoFaults),
                pass(599),
                head(&path).comes(told()),
                pass(1),
                head(&path).comes(told()),
                asked(["HEAD", "GET", "GET", "HEAD"].map(|method| format!("{method} registry {path} -"))),
            ],
        ),
        with_layer(
            "blobs/head/an-accident-is-soon-forgotten",
            [
                change(rule(Fault::status(503)).method("HEAD").change()),
                head(&path).comes(told()),
                change(Change::NoFaults),
                pass(60),
                head(&path).comes(told()),
                asked(["HEAD", "GET", "HEAD"].map(|method| format!("{method} registry {path} -"))),
            ],
        ),
        with_layer(
            "blobs/head/no-parts-either",
            [
                change(rule(Fault::status(405)).method("HEAD").change()),
                change(rule(Fault::WholeForPart).change()),
                head(&path).comes(told()),
            ],
        ),
        with_layer(
            "blobs/head/no-length-but-in-the-manifest",
            [
                change(rule(Fault::Unsized { is_right: true }).change()),
                get(&manifest("latest")).reading(Form::Schema2).comes(stored(&sample::schema2())),
                head(&path).comes(told()),
            ],
        ),
        row(
            "blobs/head/what-it-costs",
            // What is recorded, HEAD, and a part.
            Options { subrequests: Some(3), ..Options::default() },
            [
                push("latest", &sample::schema2()),
                change(rule(Fault::status(405)).method("HEAD").change()),
                head(&path).comes(told()),
            ],
        ),
    ]);
    rows
}

/// Blobs that come without their length: it is what the manifest says, or else the registry if it is asked for nothing else;
/// where nobody knows it, the blob goes on without.
fn no_lengths() -> Vec<Row> {
    let (bytes, path) = layer();
    let line = |method: &str| format!("{method} registry {path} -");
    vec![
        with_layer(
            "blobs/no-length/as-the-manifest-says",
            [
                get(&manifest("latest")).reading(Form::Schema2).comes(stored(&sample::schema2())),
                change(rule(Fault::NoLength).change()),
                asked([format!("GET registry {} -", manifest("latest"))]),
                get(&path).comes(body(&bytes)),
                asked([line("GET")]),
            ],
        ),
        with_layer(
            "blobs/no-length/as-head-says",
            [
                change(rule(Fault::NoLength).method("GET").change()),
                get(&path).comes(body(&bytes)),
                asked([line("GET"), line("HEAD")]),
            ],
        ),
        with_layer(
            "blobs/no-length/as-a-part-says",
            [
                change(rule(Fault::NoLength).change()),
                get(&path).comes(body(&bytes)),
                asked([line("GET"), line("HEAD"), line("GET")]),
            ],
        ),
        with_layer(
            "blobs/no-length/nobody-knows-it",
            [
                change(rule(Fault::Unsized { is_right: true }).change()),
                get(&path).comes(streamed(&bytes)),
                // Docker before 1.8 takes no layer without its length.
                get(&path)
                    .with("User-Agent", "docker/1.7.1 os/linux arch/amd64")
                    .comes(refused(502, "upstream-no-length")),
                get(&path).with("User-Agent", "docker/1.8.3 os/linux arch/amd64").comes(streamed(&bytes)),
            ],
        ),
        with_layer(
            "blobs/no-length/as-html",
            [
                change(rule(Fault::NoLength).times(1).change()),
                change(rule(Fault::ContentType(Some("text/html"))).change()),
                get(&path).comes(body(&bytes)),
            ],
        ),
    ]
}

/// Where a manifest says another size than the layer has, which comes without one, the client is told that something is wrong:
/// it gets no end that looks like one.
fn wrong_sizes() -> Vec<Row> {
    let (bytes, path) = layer();
    let text = String::from_utf8(sample::schema2().manifest.bytes).expect("a manifest is text");
    let own = format!("\"size\": {}", bytes.len());
    let with = |name: &str, said: usize| {
        let mut image = sample::schema2();
        image.manifest.bytes = text.replace(&own, &format!("\"size\": {said}")).into_bytes();
        let steps = [
            push("latest", &image),
            get(&manifest("latest")).reading(Form::Schema2).comes(stored(&image)),
            change(rule(Fault::NoLength).change()),
            get(&path).comes(broken()),
        ];
        row(format!("blobs/wrong-size/{name}"), Options::default(), steps)
    };
    vec![
        with("one-less", bytes.len() - 1),
        with("half", bytes.len() / 2),
        with("one-more", bytes.len() + 1),
        with("many-more", bytes.len() * 10),
    ]
}

/// Their digest is checked all the same.
fn unknown_lengths() -> Row {
    let (_, path) = layer();
    with_layer(
        "blobs/unknown-length",
        [
            change(rule(Fault::Huge { is_announced: false }).times(2).change()),
            get(&path).comes(broken()),
            change(Change::NoFaults),
            change(rule(Fault::Unsized { is_right: false }).change()),
            get(&path).comes(broken()),
            get(&manifest("latest")).reading(Form::Schema2).comes(stored(&sample::schema2())),
            get(&path).comes(broken()),
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
