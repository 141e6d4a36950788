//! Lists: tags in pages, and referrers.

use core::time::Duration;

use downshift::Digest;
use downshift_cases::images::{REPOSITORY, sample};

use super::row::{AccessOption, Options, Row, asked, body, change, get, pass, push, refused, row, status};
use crate::fault::{Fault, Rule};
use crate::net::{Authentication, Change, Denial, User};

const ALICE: User = User { name: "alice", password: "wonder land" };
const BOB: User = User { name: "bob", password: "builder" };

const TAGS: &str = "/v2/library/sample/tags/list";
const INDEX: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![pages(), odd_pages(), referrers(), kept(), empty()];
    rows.extend(faults());
    rows.extend([catalog(), catalog_of_odd_registries(), catalog_by_credentials(), catalog_of_callers()]);
    rows
}

fn tags(tags: &[&str]) -> super::row::Comes {
    let tags: Vec<String> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
    body(format!("{{\"name\":\"{REPOSITORY}\",\"tags\":[{}]}}\n", tags.join(",")).as_bytes())
}

fn pages() -> Row {
    let image = sample::schema2();
    row(
        "lists/pages-go-on-as-the-registry-has-them",
        Options::default(),
        [
            push("a", &image),
            push("b", &image),
            push("c", &image),
            get(TAGS).comes(tags(&["a", "b", "c"]).without("link")),
            get(&format!("{TAGS}?n=2"))
                .comes(tags(&["a", "b"]).header("link", &format!("<{TAGS}?last=b&n=2>; rel=\"next\""))),
            get(&format!("{TAGS}?last=b&n=2")).comes(tags(&["c"]).without("link")),
            get(&format!("{TAGS}?n=x")).comes(refused(400, "invalid-n")),
            get("/v2/library/none/tags/list").comes(refused(404, "NAME_UNKNOWN")),
        ],
    )
}

/// A link to another host, a registry that knows no pages, and tags that cannot be pulled.
fn odd_pages() -> Row {
    let list = |tags: &str| Fault::Body(format!("{{\"tags\":{tags}}}").into_bytes());
    row(
        "lists/odd-pages",
        Options::default(),
        [
            push("a", &sample::schema2()),
            change(Rule::at("n=1", list(r#"["b","a","c"]"#)).change()),
            get(&format!("{TAGS}?n=1"))
                .comes(tags(&["a"]).header("link", &format!("<{TAGS}?n=1&last=a>; rel=\"next\""))),
            change(Rule::at("n=9", list(r#"["../x","a b","c",""]"#)).change()),
            get(&format!("{TAGS}?n=9")).comes(tags(&["c"])),
        ],
    )
}

fn empty() -> Row {
    row(
        "lists/no-tags",
        Options::default(),
        [
            change(
                Rule::at("/tags/", Fault::Body(br#"{"name":"x","tags":null}"#.to_vec())).times(1).change(),
            ),
            get(TAGS).comes(tags(&[])),
            change(Rule::at("/tags/", Fault::Body(br#"{"name":"x"}"#.to_vec())).times(1).change()),
            get(TAGS).comes(tags(&[])),
        ],
    )
}

fn faults() -> Vec<Row> {
    let image = sample::schema2();
    let digest = image.manifest.digest();
    let referrers = format!("/v2/{REPOSITORY}/referrers/{digest}");
    let of = |name: &str, target: &str, fault: Fault, status: u16, code: &'static str| {
        let part = if target == TAGS { "/tags/" } else { "/referrers/" };
        let steps = [
            push("a", &image),
            change(Change::Referrers(REPOSITORY, digest.clone(), INDEX)),
            change(Rule::at(part, fault).change()),
            get(target).comes(refused(status, code)),
            change(Change::NoFaults),
            get(TAGS).comes(tags(&["a"])),
            get(&referrers).comes(body(INDEX)),
        ];
        row(format!("lists/{}/{name}", &part[1..part.len() - 1]), Options::default(), steps)
    };
    let with = |text: &[u8]| Fault::Body(text.to_vec());
    let mut rows = Vec::new();
    for target in [TAGS, &referrers] {
        rows.extend([
            of("html", target, with(b"<html>not found</html>"), 502, "upstream-invalid"),
            of("no-object", target, with(b"[]"), 502, "upstream-invalid"),
            of("cut", target, Fault::Cut, 502, "upstream-unreachable"),
            of("hang", target, Fault::Hang, 504, "upstream-timeout"),
            of("500", target, Fault::status(500), 502, "upstream-status"),
            of("403", target, Fault::status(403), 403, "upstream-denied"),
            of("429", target, Fault::status(429), 429, "upstream-too-many-requests"),
        ]);
    }
    rows.extend([
        of("no-array", TAGS, with(br#"{"tags":7}"#), 502, "upstream-invalid"),
        of("no-strings", TAGS, with(br#"{"tags":["a",7]}"#), 502, "upstream-invalid"),
        of("404", TAGS, Fault::status(404), 404, "NAME_UNKNOWN"),
        of("huge", &referrers, Fault::Huge { is_announced: false }, 502, "upstream-too-large"),
        of("404", &referrers, Fault::status(404), 404, "no-referrers"),
    ]);
    rows
}

fn referrers() -> Row {
    let digest = sample::oci().manifest.digest();
    let path = format!("/v2/{REPOSITORY}/referrers/{digest}");
    row(
        "lists/referrers",
        Options::default(),
        [
            // Then clients look for the tag.
            get(&path).comes(refused(404, "no-referrers")),
            change(Change::Referrers(REPOSITORY, digest, INDEX)),
            get(&path).comes(body(INDEX).header("content-type", "application/vnd.oci.image.index.v1+json")),
            get(&format!("/v2/{REPOSITORY}/referrers/{}", Digest::of(b"none"))).comes(status(404)),
        ],
    )
}

/// Lists are told for as long as tags are.
fn kept() -> Row {
    let image = sample::schema2();
    row(
        "lists/are-told-for-the-lifetime-of-tags",
        Options { tag_lifetime: Duration::from_secs(2), ..Options::default() },
        [
            push("a", &image),
            get(TAGS).comes(tags(&["a"])),
            push("b", &image),
            get(TAGS).comes(tags(&["a"])),
            get(&format!("{TAGS}?n=9")).comes(tags(&["a", "b"])),
            asked([format!("GET registry {TAGS} -"), format!("GET registry {TAGS}?n=9 -")]),
            pass(2),
            get(TAGS).comes(tags(&["a", "b"])),
            asked([format!("GET registry {TAGS} -")]),
        ],
    )
}

const CATALOG: &str = "/v2/_catalog";

fn names(names: &[&str]) -> super::row::Comes {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    body(format!("{{\"repositories\":[{}]}}\n", names.join(",")).as_bytes())
}

fn push_to(name: &'static str) -> super::row::Step {
    change(Change::Push(name, "latest", Box::new(sample::schema2())))
}

fn catalog() -> Row {
    let link = |query: &str| format!("<{CATALOG}?{query}>; rel=\"next\"");
    row(
        "lists/catalog",
        Options::default(),
        [
            get(CATALOG).comes(names(&[])),
            push_to("a"),
            push_to("b/c"),
            push_to("d"),
            get(CATALOG).comes(names(&["a", "b/c", "d"]).without("link")),
            // A link has what the registry wants to hear; clients may make their own queries as well.
            get(&format!("{CATALOG}?n=2"))
                .comes(names(&["a", "b/c"]).header("link", &link("_origin=&last=b/c&n=2"))),
            get(&format!("{CATALOG}?_origin=&last=b/c&n=2")).comes(names(&["d"]).without("link")),
            get(&format!("{CATALOG}?n=2&last=b/c")).comes(names(&["d"]).without("link")),
            get(&format!("{CATALOG}?n=0")).comes(names(&[]).without("link")),
            get(&format!("{CATALOG}?n=x")).comes(refused(400, "invalid-n")),
            get(&format!("{CATALOG}?_origin=other&n=2")).comes(refused(404, "no-catalog")),
        ],
    )
}

/// Registries that have none, that know no pages, or that have names in it which nobody can ask for.
fn catalog_of_odd_registries() -> Row {
    let list = |names: &str| Fault::Body(format!("{{\"repositories\":{names}}}").into_bytes());
    let mut steps = vec![push_to("a")];
    for (fault, status, code) in [
        (Fault::status(404), 404, "no-catalog"),
        (Fault::status(405), 404, "no-catalog"),
        (Fault::status(501), 404, "no-catalog"),
        (Fault::Close, 404, "no-catalog"),
        (Fault::status(500), 502, "upstream-status"),
        (Fault::status(403), 403, "upstream-denied"),
        (Fault::Body(b"<html>not found</html>".to_vec()), 502, "upstream-invalid"),
        (list("7"), 502, "upstream-invalid"),
        (list("[7]"), 502, "upstream-invalid"),
        (Fault::Hang, 504, "upstream-timeout"),
    ] {
        let rule = Rule::at(CATALOG, fault).change();
        steps.extend([change(rule), get(CATALOG).comes(refused(status, code)), change(Change::NoFaults)]);
    }
    steps.extend([
        change(Rule::at("/v2/", Fault::Close).change()),
        get(CATALOG).comes(refused(502, "upstream-unreachable")),
        change(Change::NoFaults),
    ]);
    let last = |last: &str| format!("<{CATALOG}?_origin=&n=1&last={last}>; rel=\"next\"");
    steps.extend([
        change(Rule::at(CATALOG, list(r#"["b","a","../x","UPPER",""]"#)).change()),
        get(CATALOG).comes(names(&["b", "a"])),
        get(&format!("{CATALOG}?n=1&last=a")).comes(names(&["b"]).without("link")),
        change(Change::NoFaults),
        change(Rule::at(CATALOG, list(r#"["b","a","c"]"#)).change()),
        get(&format!("{CATALOG}?n=1")).comes(names(&["a"]).header("link", &last("a"))),
        get(&format!("{CATALOG}?_origin=&n=1&last=a")).comes(names(&["b"]).header("link", &last("b"))),
        get(&format!("{CATALOG}?_origin=&n=1&last=b")).comes(names(&["c"]).without("link")),
    ]);
    row("lists/catalog-of-odd-registries", Options::default(), steps)
}

/// The server's own token is for the catalog.
fn catalog_by_credentials() -> Row {
    row(
        "lists/catalog-by-token",
        Options { credentials: Some(ALICE), tag_lifetime: Duration::from_secs(60), ..Options::default() },
        [
            change(Change::Authentication(Authentication::Bearer)),
            change(Change::Tokens(Some(300), u32::MAX)),
            change(Change::Rights(ALICE, &["*"])),
            push_to("a"),
            get(CATALOG).comes(names(&["a"])),
            get(CATALOG).comes(names(&["a"])),
            asked([
                format!("GET registry {CATALOG} -"),
                "GET tokens /token?account=alice&scope=registry%3Acatalog%3A%2A&service=registry alice"
                    .to_owned(),
                format!("GET registry {CATALOG} token-1"),
            ]),
        ],
    )
}

/// What a registry lists for one caller is no business of another.
fn catalog_of_callers() -> Row {
    row(
        "lists/catalog-of-each-caller",
        Options {
            access: AccessOption::Upstream,
            tag_lifetime: Duration::from_secs(60),
            ..Options::default()
        },
        [
            change(Change::Authentication(Authentication::Basic)),
            change(Change::Rights(ALICE, &["*"])),
            change(Change::Rights(BOB, &["a"])),
            push_to("a"),
            get(CATALOG).by(ALICE).comes(names(&["a"]).header("cache-control", "private, no-cache")),
            get(CATALOG).by(BOB).comes(refused(401, "UNAUTHORIZED")),
            get(CATALOG).comes(refused(401, "UNAUTHORIZED")),
            push_to("b"),
            // Nor is it told again without asking.
            get(CATALOG).by(ALICE).comes(names(&["a", "b"])),
            change(Change::Denial(Denial::Forbidden)),
            get(CATALOG).by(BOB).comes(refused(403, "denied")),
            get(CATALOG).by(ALICE).comes(names(&["a", "b"])),
        ],
    )
}
