//! Manifests and configs of registries that fail, lie or are slow.

use downshift::{Digest, Form};
use downshift_cases::images::{Descriptor, Family, Image, Manifest, REPOSITORY, sample};

use super::row::{
    Options, Row, Step, asked, blob, change, get, manifest, push, refused, row, schema1, status, stored,
};
use crate::fault::{Fault, Rule};
use crate::net::Change;

/// What goes wrong with a manifest or config, the status, and the code; status 200 where it does no harm.
fn faults() -> Vec<(&'static str, Fault, u16, &'static str)> {
    vec![
        ("close", Fault::Close, 502, "upstream-unreachable"),
        ("hang", Fault::Hang, 504, "upstream-timeout"),
        ("hang-in-body", Fault::HangInBody, 504, "upstream-timeout"),
        ("cut", Fault::Cut, 502, "upstream-unreachable"),
        ("not-http", Fault::NotHttp, 502, "upstream-unreachable"),
        ("wrong-byte", Fault::WrongByte, 502, "upstream-corrupt"),
        ("empty", Fault::Empty, 502, "upstream-corrupt"),
        ("part", Fault::Part(0..10), 502, "upstream-status"),
        ("500", Fault::status(500), 502, "upstream-status"),
        ("503", Fault::status(503), 502, "upstream-status"),
        ("418", Fault::status(418), 502, "upstream-status"),
        ("204", Fault::status(204), 502, "upstream-status"),
        ("403", Fault::status(403), 403, "upstream-denied"),
        ("429", Fault::with(429, "retry-after", "7"), 429, "upstream-too-many-requests"),
        (
            "429-with-a-date",
            Fault::with(429, "retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"),
            429,
            "upstream-too-many-requests",
        ),
        ("401-without-a-challenge", Fault::status(401), 502, "upstream-invalid"),
        ("401-with-nonsense", Fault::with(401, "www-authenticate", "=\",,;Bearer"), 502, "upstream-invalid"),
        (
            "401-with-gopher",
            Fault::with(401, "www-authenticate", "Bearer realm=\"gopher://x\""),
            502,
            "upstream-invalid",
        ),
        (
            "401-basic",
            Fault::with(401, "www-authenticate", "Basic realm=\"x\""),
            403,
            "upstream-unauthorized",
        ),
        ("redirect-loop", Fault::RedirectLoop, 502, "upstream-redirect"),
        ("redirect-to-a-file", Fault::with(307, "location", "file:///etc/passwd"), 502, "upstream-redirect"),
        ("redirect-to-nowhere", Fault::status(307), 502, "upstream-redirect"),
        ("huge-and-announced", Fault::Huge { is_announced: true }, 502, "upstream-too-large"),
        ("huge", Fault::Huge { is_announced: false }, 502, "upstream-too-large"),
        ("length-too-long", Fault::Length("99999"), 502, "upstream-unreachable"),
        ("length-too-short", Fault::Length("100"), 502, "upstream-corrupt"),
        ("no-length", Fault::NoLength, 200, ""),
        ("no-digest", Fault::NoDigest, 200, ""),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    let image = sample::schema2();
    let tag = manifest("latest");
    let mut rows = Vec::new();
    for part in ["manifests", "blobs"] {
        for (name, fault, code, reason) in faults() {
            let comes = match code {
                200 => schema1(&image, "latest"),
                _ => refused(code, reason),
            };
            let comes = if name == "429" { comes.header("retry-after", "7") } else { comes };
            let rule = Rule::at(&format!("/{part}/"), fault);
            rows.push(row(
                format!("documents/{part}/{name}"),
                Options::default(),
                [
                    push("latest", &image),
                    change(rule.change()),
                    get(&tag).comes(comes),
                    change(Change::NoFaults),
                    get(&tag).comes(schema1(&image, "latest")),
                ],
            ));
        }
    }
    rows.extend([attempts(), attempts_are_few(), nothing_is_asked_twice(), wrong_sizes(), children()]);
    rows.extend(digests());
    rows.extend(documents_that_are_none());
    rows.extend(costs());
    rows
}

fn attempts() -> Row {
    let image = sample::oci();
    let line = format!("GET registry {} -", manifest("latest"));
    row(
        "documents/what-may-be-an-accident-is-tried-again",
        Options::default(),
        [
            push("latest", &image),
            change(Rule::at("/manifests/", Fault::status(503)).times(1).change()),
            change(Rule::at("/manifests/", Fault::Close).times(1).change()),
            get(&manifest("latest")).reading(Form::Oci).comes(stored(&image)),
            asked([&line, &line, &line]),
        ],
    )
}

fn attempts_are_few() -> Row {
    let image = sample::oci();
    let line = format!("GET registry {} -", manifest("latest"));
    row(
        "documents/three-attempts-and-no-more-and-none-where-it-does-not-help",
        Options::default(),
        [
            push("latest", &image),
            change(Rule::at("/manifests/", Fault::WrongByte).times(3).change()),
            get(&manifest("latest")).comes(refused(502, "upstream-corrupt")),
            asked([&line, &line, &line]),
            change(Rule::at("/manifests/", Fault::status(501)).times(1).change()),
            get(&manifest("latest")).comes(refused(502, "upstream-status")),
            asked([&line]),
        ],
    )
}

/// What was pulled before is asked for by HEAD, and by digest not at all.
fn nothing_is_asked_twice() -> Row {
    let image = sample::schema2();
    let tag = manifest("latest");
    let config = Digest::of(&image.configs.concat());
    row(
        "documents/nothing-is-asked-for-twice",
        Options::default(),
        [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            asked([format!("GET registry {tag} -"), format!("GET registry {} -", blob(&config))]),
            get(&tag).comes(schema1(&image, "latest")),
            asked([format!("HEAD registry {tag} -")]),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            asked([format!("HEAD registry {tag} -")]),
            get(&manifest(super::row::schema1_digest(&image, "latest").as_str()))
                .comes(schema1(&image, "latest")),
            get(&manifest(image.manifest.digest().as_str())).reading(Form::Schema2).comes(stored(&image)),
            asked::<String>([]),
        ],
    )
}

/// Digests in headers that are not those of what comes.
fn digests() -> Vec<Row> {
    let image = sample::schema2();
    let (tag, stored_digest) = (manifest("latest"), manifest(image.manifest.digest().as_str()));
    let with = |name: &str, rule: Rule, target: &str, code: &'static str| {
        let steps = [
            push("latest", &image),
            change(rule.change()),
            get(target).reading(Form::Schema2).comes(refused(502, code)),
            change(Change::NoFaults),
            get(target).reading(Form::Schema2).comes(stored(&image)),
        ];
        row(format!("documents/digests/{name}"), Options::default(), steps)
    };
    let rule = |fault| Rule::at("/manifests/", fault);
    let head_without_digest = row(
        "documents/digests/head-without-one",
        Options::default(),
        [
            push("latest", &image),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            change(rule(Fault::NoDigest).change()),
            push("latest", &sample::no_history()),
            get(&tag).reading(Form::Schema2).comes(stored(&sample::no_history())),
            asked([
                format!("GET registry {tag} -"),
                format!("HEAD registry {tag} -"),
                format!("GET registry {tag} -"),
            ]),
        ],
    );
    let head_that_lies = row(
        "documents/digests/head-with-a-wrong-one",
        Options::default(),
        [
            push("latest", &image),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            change(rule(Fault::WrongDigest).method("HEAD").change()),
            // There is no such manifest.
            get(&tag).reading(Form::Schema2).comes(refused(404, "MANIFEST_UNKNOWN")),
            change(rule(Fault::BadDigest).method("HEAD").change()),
            change(Change::NoFaults),
            change(rule(Fault::BadDigest).method("HEAD").change()),
            get(&stored_digest).reading(Form::Schema2).comes(stored(&image)),
            change(Change::NoFaults),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
        ],
    );
    vec![
        with("wrong", rule(Fault::WrongDigest), &tag, "upstream-corrupt"),
        with("bad", rule(Fault::BadDigest), &tag, "upstream-invalid"),
        with("longer", rule(Fault::Longer), &stored_digest, "upstream-corrupt"),
        head_without_digest,
        head_that_lies,
    ]
}

/// What no registry would have taken, and one that has lost something.
fn documents_that_are_none() -> Vec<Row> {
    let image = sample::schema2();
    let config = Digest::of(&image.configs.concat());
    let bytes = |name: &str, bytes: &'static [u8], code: &'static str| {
        let steps = [
            change(Change::PushBytes(REPOSITORY, "latest", bytes)),
            get(&manifest("latest")).comes(refused(400, code)),
        ];
        row(format!("documents/none/{name}"), Options::default(), steps)
    };
    vec![
        bytes("unknown", br#"{"schemaVersion":3}"#, "unknown-document"),
        bytes("html", b"<html>", "invalid-json"),
        bytes("compressed", b"\x1f\x8b\x08\x00", "invalid-json"),
        row(
            "documents/none/config",
            Options::default(),
            [
                push("latest", &image),
                change(Change::Remove(REPOSITORY, config)),
                get(&manifest("latest")).comes(refused(400, "missing-document")),
                get(&manifest("latest")).reading(Form::Schema2).comes(stored(&image)),
            ],
        ),
        row(
            "documents/none/manifest",
            Options::default(),
            [
                push("latest", &image),
                get(&manifest("none")).comes(refused(404, "MANIFEST_UNKNOWN")),
                head(&manifest("none")),
                get(&manifest(Digest::of(b"none").as_str())).comes(refused(404, "MANIFEST_UNKNOWN")),
                get("/v2/library/none/manifests/latest").comes(refused(404, "MANIFEST_UNKNOWN")),
            ],
        ),
    ]
}

fn head(target: &str) -> Step {
    super::row::head(target).comes(status(404))
}

/// A manifest that says another size of its config: the digest decides.
fn wrong_sizes() -> Row {
    let Image { configs, layers, .. } = sample::schema2();
    let config = Descriptor { size: 7, ..Descriptor::of(Family::Docker.config(), &configs.concat()) };
    let manifest_of = Manifest::single(
        Family::Docker,
        config,
        layers.iter().map(|layer| Descriptor::of(Family::Docker.layer(), layer)).collect(),
    );
    let image = Image { manifest: manifest_of, children: Vec::new(), configs, layers };
    row(
        "documents/wrong-size",
        Options::default(),
        [
            push("latest", &image),
            get(&manifest("latest")).comes(schema1(&image, "latest")),
            get(&manifest("latest")).reading(Form::Schema2).comes(stored(&image)),
        ],
    )
}

/// An index whose manifests come one after the other, and one of them wrong.
fn children() -> Row {
    let image = sample::index();
    let child = image.children[0].digest();
    row(
        "documents/children",
        Options::default(),
        [
            push("latest", &image),
            change(Rule::at(child.as_str(), Fault::WrongByte).change()),
            get(&manifest("latest")).reading(Form::List).comes(refused(502, "upstream-corrupt")),
            get(&manifest("latest")).reading(Form::Index).comes(stored(&image)),
            change(Change::NoFaults),
            get(&manifest("latest"))
                .reading(Form::List)
                .comes(status(200).header("content-type", Form::List.media_type())),
        ],
    )
}

/// How many requests a cold pull makes, those for records included: with one less it is refused.
fn costs() -> Vec<Row> {
    let mut rows = Vec::new();
    for (tag, form, subrequests) in [
        ("schema2", Form::Schema2, 1),
        ("schema2", Form::Schema1, 3),
        ("oci", Form::Schema2, 2),
        ("oci", Form::Schema1, 3),
        ("list", Form::Schema1, 4),
        ("index", Form::List, 6),
    ] {
        let images = sample::in_every_form();
        for (allowed, comes) in [
            (subrequests, status(200).header("content-type", form.media_type())),
            (subrequests - 1, refused(400, "edge-subrequests")),
        ] {
            let ask = get(&manifest(tag));
            // Who reads nothing but schema 1 says nothing.
            let ask = if form == Form::Schema1 { ask } else { ask.reading(form) };
            let mut steps: Vec<Step> = images.iter().map(|(tag, image)| push(tag, image)).collect();
            steps.push(ask.comes(comes));
            let options = Options { subrequests: Some(allowed), ..Options::default() };
            rows.push(row(format!("documents/costs/{tag}-as-{form}-with-{allowed}"), options, steps));
        }
    }
    rows
}
