//! Manifests and configs of registries that fail, lie or are slow.

use downshift::{Digest, Form};
use downshift_cases::images::{Descriptor, Family, Image, Manifest, REPOSITORY, sample};

use super::row::{
    Options, Row, Step, asked, blob, change, get, manifest, pass, push, refused, row, schema1,
    schema1_digest, status, stored,
};
use crate::fault::{DigestSpelling, Fault, Rule};
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
    rows.extend(pages());
    rows.push(limits());
    rows.extend(deleted());
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
            get(&manifest(schema1_digest(&image, "latest").as_str())).comes(schema1(&image, "latest")),
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
            change(Change::NoFaults),
            get(&stored_digest).reading(Form::Schema2).comes(stored(&image)),
            change(Change::NoFaults),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
        ],
    );
    vec![
        with("wrong", rule(Fault::WrongDigest), &tag, "upstream-corrupt"),
        with("longer", rule(Fault::Longer), &stored_digest, "upstream-corrupt"),
        head_without_digest,
        head_that_lies,
        unreadable("not-one", Fault::BadDigest),
        unreadable("quoted", Fault::SpeltDigest(DigestSpelling::Quoted)),
        unreadable("in-capitals", Fault::SpeltDigest(DigestSpelling::Capitals)),
        unreadable("empty", Fault::SpeltDigest(DigestSpelling::Empty)),
    ]
}

/// A digest in the header that cannot be read says nothing: what comes has one.
fn unreadable(name: &str, fault: Fault) -> Row {
    let (image, other) = (sample::schema2(), sample::no_history());
    let tag = manifest("latest");
    row(
        format!("documents/digests/unreadable/{name}"),
        Options::default(),
        [
            push("latest", &image),
            change(Rule::at("/manifests/", fault).change()),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            push("latest", &other),
            get(&tag).reading(Form::Schema2).comes(stored(&other)),
            asked(["GET", "HEAD", "GET"].map(|method| format!("{method} registry {tag} -"))),
            // HEAD is of no use there.
            push("latest", &image),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            super::row::head(&tag).reading(Form::Schema2).comes(stored(&image)),
            asked([format!("GET registry {tag} -"), format!("GET registry {tag} -")]),
        ],
    )
}

/// What answers in the place of a registry: login pages, proxies, and errors with status 200.
fn pages() -> Vec<Row> {
    const HTML: &[u8] = b"<!DOCTYPE html><html><body>Sign in</body></html>";
    const GZIP: &[u8] = b"\x1f\x8b\x08\x00";
    const SCHEMA2: &str = Form::Schema2.media_type();
    let image = sample::schema2();
    let (tag, config) = (manifest("latest"), Digest::of(&image.configs.concat()));
    let refused = || refused(502, "upstream-no-document");
    let of = |name: &str, media_type: &'static str, body: &[u8]| {
        let steps = [
            push("latest", &image),
            change(Rule::at("/manifests/", Fault::Typed(media_type, body.to_vec())).change()),
            get(&tag).reading(Form::Schema2).comes(refused()),
            get(&tag).comes(refused()),
            change(Change::NoFaults),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            // Once it is known, too.
            change(Rule::at("/manifests/", Fault::Typed(media_type, body.to_vec())).change()),
            get(&tag).reading(Form::Schema2).comes(refused()),
            change(Change::NoFaults),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
        ];
        row(format!("documents/pages/{name}"), Options::default(), steps)
    };
    let by_digest = |name: &str, body: &[u8], part: &str, target: String| {
        let steps = [
            push("latest", &image),
            change(Rule::at(part, Fault::Typed("text/html", body.to_vec())).change()),
            get(&target).comes(refused()),
            change(Change::NoFaults),
            get(&target).comes(status(200)),
        ];
        row(format!("documents/pages/{name}"), Options::default(), steps)
    };
    let of_type = |name: &str, media_type: Option<&'static str>| {
        let steps = [
            push("latest", &image),
            change(Rule::at("/manifests/", Fault::ContentType(media_type)).change()),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            get(&tag).comes(schema1(&image, "latest")),
        ];
        row(format!("documents/types/{name}"), Options::default(), steps)
    };
    vec![
        of("html", "text/html", HTML),
        of("html-as-manifest", SCHEMA2, HTML),
        of("html-as-json", "application/json; charset=utf-8", HTML),
        of("text", "text/plain", b"Service moved"),
        of("nothing", SCHEMA2, b""),
        of("compressed", SCHEMA2, GZIP),
        of("error", "application/json", br#"{"error":"sign in"}"#),
        of("errors", "application/json", br#"{"errors":[{"code":"DENIED"}]}"#),
        of("array", SCHEMA2, br#"[{"schemaVersion":2}]"#),
        of("string", SCHEMA2, br#""schemaVersion""#),
        of("cut-json", SCHEMA2, br#"{"schemaVersion":2,"#),
        by_digest("manifest-by-digest", HTML, "/manifests/", manifest(image.manifest.digest().as_str())),
        by_digest("config", HTML, config.as_str(), tag.clone()),
        by_digest("compressed-config", GZIP, config.as_str(), tag.clone()),
        of_type("html", Some("text/html")),
        of_type("text", Some("text/plain")),
        of_type("json", Some("application/json; charset=utf-8")),
        of_type("octets", Some("application/octet-stream")),
        of_type("none", None),
        of_type("another", Some(Form::Schema1.media_type())),
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
        bytes("no-version", b"{}", "missing-member"),
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

/// A manifest that was deleted at the registry is told by its digest for half a day, and what was made of it for good.
fn deleted() -> Vec<Row> {
    const BOUND: u64 = 12 * 3600;
    let image = sample::schema2();
    let digest = image.manifest.digest();
    let by_digest = manifest(digest.as_str());
    let made = || get(&manifest(schema1_digest(&image, "latest").as_str())).comes(schema1(&image, "latest"));
    let told = || get(&by_digest).reading(Form::Schema2).comes(stored(&image));
    let lines =
        |methods: &[&str]| asked(methods.iter().map(|method| format!("{method} registry {by_digest} -")));
    let of = |name: &str, then: Vec<Step>| {
        let first =
            [push("latest", &image), get(&manifest("latest")).comes(schema1(&image, "latest")), told()];
        let config = blob(&Digest::of(&image.configs.concat()));
        let first_asked =
            asked([format!("GET registry {} -", manifest("latest")), format!("GET registry {config} -")]);
        let steps = first.into_iter().chain([first_asked]).chain(then);
        row(format!("documents/deleted/{name}"), Options::default(), steps)
    };
    let rule = |fault| change(Rule::at("/manifests/", fault).change());
    vec![
        of(
            "gone",
            vec![
                change(Change::Remove(REPOSITORY, digest.clone())),
                pass(BOUND - 1),
                told(),
                made(),
                lines(&[]),
                pass(1),
                get(&by_digest).reading(Form::Schema2).comes(refused(404, "MANIFEST_UNKNOWN")),
                lines(&["HEAD", "GET"]),
                made(),
                lines(&[]),
            ],
        ),
        of("still-there", vec![pass(BOUND), told(), told(), pass(BOUND - 1), told(), lines(&["HEAD"])]),
        of(
            "nobody-can-say",
            vec![
                pass(BOUND),
                rule(Fault::status(429)),
                told(),
                told(),
                lines(&["HEAD"]),
                change(Change::NoFaults),
                rule(Fault::Hang),
                pass(60),
                told(),
                change(Change::NoFaults),
                change(Change::Remove(REPOSITORY, digest)),
                pass(60),
                get(&by_digest).comes(refused(404, "MANIFEST_UNKNOWN")),
            ],
        ),
        of(
            "denied",
            vec![
                pass(BOUND),
                rule(Fault::status(403)),
                get(&by_digest).comes(refused(403, "upstream-denied")),
                change(Change::NoFaults),
                told(),
            ],
        ),
    ]
}

/// What the registry says of its limits goes to who has made it say it.
fn limits() -> Row {
    const LIMIT: (&str, &str) = ("ratelimit-limit", "100;w=21600");
    const SOURCE: (&str, &str) = ("docker-ratelimit-source", "192.0.2.1");
    let image = sample::schema2();
    let layer = Digest::of(&image.layers[0]);
    let (tag, by_digest) = (manifest("latest"), manifest(image.manifest.digest().as_str()));
    let left = |left: &'static str| {
        let headers = vec![LIMIT, ("ratelimit-remaining", left), SOURCE, ("retry-after", "3")];
        change(Rule::at("/v2/", Fault::Headers(headers)).change())
    };
    let with = |comes: super::row::Comes, left: &str| {
        comes.header(LIMIT.0, LIMIT.1).header(SOURCE.0, SOURCE.1).header("ratelimit-remaining", left)
    };
    row(
        "documents/rate-limits",
        Options::default(),
        [
            push("latest", &image),
            left("7;w=21600"),
            get(&tag).reading(Form::Schema2).comes(with(stored(&image), "7;w=21600").without("retry-after")),
            // Nobody was asked.
            get(&by_digest).reading(Form::Schema2).comes(stored(&image).without(LIMIT.0).without(SOURCE.0)),
            get(&blob(&layer)).comes(with(status(200), "7;w=21600")),
            change(Change::NoFaults),
            left("x\u{e4}"),
            get(&blob(&layer)).comes(status(200).header(LIMIT.0, LIMIT.1).without("ratelimit-remaining")),
            change(Change::NoFaults),
            change(
                Rule::at(
                    "/v2/",
                    Fault::Status(
                        429,
                        vec![
                            (LIMIT.0, LIMIT.1.to_owned()),
                            ("ratelimit-remaining", "0;w=21600".to_owned()),
                            ("retry-after", "Fri, 31 Dec 2027 23:59:59 GMT".to_owned()),
                        ],
                    ),
                )
                .change(),
            ),
            get(&tag).comes(
                refused(429, "upstream-too-many-requests")
                    .header(LIMIT.0, LIMIT.1)
                    .header("ratelimit-remaining", "0;w=21600")
                    .header("retry-after", "Fri, 31 Dec 2027 23:59:59 GMT"),
            ),
            change(Change::NoFaults),
            change(Rule::at("/v2/", Fault::with(429, "retry-after", "-5 or so")).change()),
            get(&tag).comes(refused(429, "upstream-too-many-requests").without("retry-after")),
        ],
    )
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
