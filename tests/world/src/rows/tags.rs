//! Tags: for how long what they point to is told, and what is told while their registry cannot be asked.

use core::time::Duration;

use downshift::Form;
use downshift_cases::images::{REPOSITORY, sample};

use super::row::{
    AccessOption, Options, Row, asked, change, get, head, manifest, pass, push, refused, row, schema1,
    schema1_digest, stored,
};
use crate::fault::{Fault, Rule};
use crate::net::{Authentication, Change, User};

const ALICE: User = User { name: "alice", password: "wonder land" };

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        lifetime(),
        stale(),
        stale_ends(),
        pages(),
        gone(),
        denied(),
        denied_is_not_stale_later(),
        private(),
    ];
    rows.extend(outages());
    rows.extend(moved());
    rows
}

fn fault(fault: Fault) -> super::row::Step {
    change(Rule::at("/", fault).change())
}

/// With 12 s in which what a tag points to is told while the registry is down.
fn with_stale() -> Options {
    Options { stale_for: Duration::from_secs(12), ..Options::default() }
}

fn lifetime() -> Row {
    let (image, other) = (sample::schema2(), sample::no_history());
    let tag = manifest("latest");
    row(
        "tags/are-told-for-their-lifetime",
        Options { tag_lifetime: Duration::from_secs(2), ..Options::default() },
        [
            push("latest", &image),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            push("latest", &other),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            pass(1),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            asked([format!("GET registry {tag} -")]),
            pass(1),
            get(&tag).reading(Form::Schema2).comes(stored(&other)),
            // First whether it is the same, then what it is, for that is not at hand.
            asked([
                format!("HEAD registry {tag} -"),
                format!("GET registry {} -", manifest(other.manifest.digest().as_str())),
            ]),
        ],
    )
}

fn stale() -> Row {
    let image = sample::schema2();
    let tag = manifest("latest");
    row(
        "tags/stale-after-each-kind-of-outage",
        with_stale(),
        [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            fault(Fault::Close),
            get(&tag).comes(schema1(&image, "latest")),
            change(Change::NoFaults),
            fault(Fault::status(503)),
            get(&tag).comes(schema1(&image, "latest")),
            change(Change::NoFaults),
            fault(Fault::status(429)),
            get(&tag).comes(schema1(&image, "latest")),
            change(Change::NoFaults),
            fault(Fault::Hang),
            get(&tag).comes(schema1(&image, "latest")),
            // What was never asked for is not known.
            get(&manifest("other")).comes(refused(504, "upstream-timeout")),
            get(&manifest(schema1_digest(&image, "latest").as_str())).comes(schema1(&image, "latest")),
        ],
    )
}

fn stale_ends() -> Row {
    let image = sample::schema2();
    let tag = manifest("latest");
    row(
        "tags/stale-ends",
        with_stale(),
        [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            fault(Fault::status(503)),
            pass(10),
            get(&tag).comes(schema1(&image, "latest")),
            pass(3),
            get(&tag).comes(refused(502, "upstream-status")),
            get(&manifest(schema1_digest(&image, "latest").as_str())).comes(schema1(&image, "latest")),
            change(Change::NoFaults),
            get(&tag).comes(schema1(&image, "latest")),
        ],
    )
}

/// What is no outage is no reason to tell what was.
fn outages() -> Vec<Row> {
    let image = sample::schema2();
    let tag = manifest("latest");
    let with = |name: &str, what: Fault, status: u16, code: &'static str| {
        let steps = [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            fault(what),
            get(&tag).comes(refused(status, code)),
        ];
        row(format!("tags/no-outage/{name}"), with_stale(), steps)
    };
    vec![
        with("404", Fault::status(404), 404, "MANIFEST_UNKNOWN"),
        with("418", Fault::status(418), 502, "upstream-status"),
        with("501", Fault::status(501), 502, "upstream-status"),
        // There is no such manifest.
        with("wrong-digest", Fault::WrongDigest, 404, "MANIFEST_UNKNOWN"),
        with("redirect", Fault::RedirectLoop, 502, "upstream-redirect"),
    ]
}

/// A tag that has moved never hides behind a HEAD that does not work.
fn moved() -> Vec<Row> {
    let (image, other) = (sample::schema2(), sample::no_history());
    let tag = manifest("latest");
    let of = |name: &str, fault: Fault| {
        let steps = [
            push("latest", &image),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            change(Rule::at("/manifests/", fault).method("HEAD").change()),
            push("latest", &other),
            get(&tag).reading(Form::Schema2).comes(stored(&other)),
            asked(["GET", "HEAD", "GET"].map(|method| format!("{method} registry {tag} -"))),
            push("latest", &image),
            head(&tag).reading(Form::Schema2).comes(stored(&image)),
            asked([format!("GET registry {tag} -")]),
            // Whether it is there at all is asked by GET as well.
            change(Change::Untag(REPOSITORY, "latest")),
            get(&tag).comes(refused(404, "MANIFEST_UNKNOWN")),
        ];
        row(format!("tags/moved/{name}"), with_stale(), steps)
    };
    let page = || Fault::Typed("text/html", b"<html></html>".to_vec());
    let mut rows = vec![of("close", Fault::Close), of("page", page())];
    rows.extend(
        [400, 401, 403, 404, 405, 500, 501, 503].map(|code| of(&code.to_string(), Fault::status(code))),
    );
    rows
}

/// A login page before the registry says nothing of what a tag points to: what was known lasts through it.
fn pages() -> Row {
    let image = sample::schema2();
    let tag = manifest("latest");
    let page = || fault(Fault::Typed("text/html", b"<html>Sign in</html>".to_vec()));
    row(
        "tags/known-through-a-login-page",
        with_stale(),
        [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            page(),
            get(&tag).comes(refused(502, "upstream-no-document")),
            change(Change::NoFaults),
            fault(Fault::Close),
            get(&tag).comes(schema1(&image, "latest")),
            change(Change::NoFaults),
            page(),
            pass(13),
            get(&tag).comes(refused(502, "upstream-no-document")),
            change(Change::NoFaults),
            get(&tag).comes(schema1(&image, "latest")),
        ],
    )
}

/// A tag that is gone is gone, also when the registry is next.
fn gone() -> Row {
    let image = sample::schema2();
    let tag = manifest("latest");
    row(
        "tags/gone",
        with_stale(),
        [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            change(Change::Untag(REPOSITORY, "latest")),
            get(&tag).comes(refused(404, "MANIFEST_UNKNOWN")),
            fault(Fault::Close),
            get(&tag).comes(refused(502, "upstream-unreachable")),
            get(&manifest(image.manifest.digest().as_str())).reading(Form::Schema2).comes(stored(&image)),
        ],
    )
}

fn denied() -> Row {
    let image = sample::schema2();
    let tag = manifest("latest");
    row(
        "tags/a-denial-is-no-outage-and-nothing-is-told-after-it",
        with_stale(),
        [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            fault(Fault::status(403)),
            get(&tag).comes(refused(403, "upstream-denied")),
            change(Change::NoFaults),
            fault(Fault::Close),
            get(&tag).comes(refused(502, "upstream-unreachable")),
            change(Change::NoFaults),
            get(&tag).comes(schema1(&image, "latest")),
            fault(Fault::Close),
            get(&tag).comes(schema1(&image, "latest")),
        ],
    )
}

/// The same where the denial came while nothing stale would have been told: the time for that had not begun.
fn denied_is_not_stale_later() -> Row {
    let image = sample::schema2();
    let tag = manifest("latest");
    row(
        "tags/a-denial-within-the-lifetime",
        Options { tag_lifetime: Duration::from_secs(2), ..with_stale() },
        [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            pass(2),
            fault(Fault::with(401, "www-authenticate", "Basic realm=\"x\"")),
            get(&tag).comes(refused(403, "upstream-unauthorized")),
            change(Change::NoFaults),
            fault(Fault::status(503)),
            get(&tag).comes(refused(502, "upstream-status")),
        ],
    )
}

/// Where the registry decides who may pull, nobody else can say yes.
fn private() -> Row {
    let image = sample::schema2();
    let tag = manifest("latest");
    let by_digest = manifest(schema1_digest(&image, "latest").as_str());
    let options = Options { access: AccessOption::Upstream, ..with_stale() };
    row(
        "tags/nothing-stale-is-told-to-those-who-pass-through",
        options,
        [
            change(Change::Authentication(Authentication::Basic)),
            change(Change::Rights(ALICE, &["*"])),
            push("latest", &image),
            get(&tag).by(ALICE).comes(schema1(&image, "latest")),
            fault(Fault::Close),
            get(&tag).by(ALICE).comes(refused(502, "upstream-unreachable")),
            get(&tag).comes(refused(502, "upstream-unreachable")),
            get(&by_digest).comes(refused(502, "upstream-unreachable")),
            pass(61),
            get(&by_digest).by(ALICE).comes(refused(502, "upstream-unreachable")),
        ],
    )
}
