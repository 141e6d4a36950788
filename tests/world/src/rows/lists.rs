//! Lists: tags in pages, and referrers.

use core::time::Duration;

use downshift::Digest;
use downshift_cases::images::{REPOSITORY, sample};

use super::row::{Options, Row, asked, body, change, get, pass, push, refused, row, status};
use crate::fault::{Fault, Rule};
use crate::net::Change;

const TAGS: &str = "/v2/library/sample/tags/list";
const INDEX: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![pages(), odd_pages(), referrers(), kept(), empty()];
    rows.extend(faults());
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
