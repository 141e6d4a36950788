//! Who may pull, who the server is at its registry, and who hears of which credentials.

use downshift::{Digest, Form};
use downshift_cases::images::{REPOSITORY, sample};

use super::row::{
    AccessOption, Ask, Comes, Options, Row, Step, asked, blob, body, change, get, head, manifest, pass, push,
    refused, row, schema1, schema1_digest, status, stored,
};
use crate::fault::{Fault, Rule};
use crate::net::{Authentication, Change, Denial, Host, Redirect, User};

/// May pull everything.
const ALICE: User = User { name: "alice", password: "wonder land" };
/// May pull something else.
const BOB: User = User { name: "bob", password: "builder" };
/// Nobody knows her.
const EVE: User = User { name: "eve", password: "drop" };
/// Alice, with a password that is not hers.
const NOT_ALICE: User = User { name: "alice", password: "guess" };
/// Who the server is.
const SERVER: User = User { name: "server", password: "a:secret" };

const TAGS: &str = "/v2/library/sample/tags/list";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        open(),
        password_of_the_server(),
        token_of_the_server(),
        tokens_end_before_they_say(),
        tokens_are_asked_for_before_they_end(),
        refused_passwords_are_not_asked_for_again(),
        passwords_pass_through(),
        tokens_pass_through(),
        tokens_of_a_registry_with_passwords(),
        a_no_is_about_its_caller(),
        permits_last_a_minute(),
        a_yes_for_one_repository_is_none_for_another(),
        what_is_gone_can_still_be_pulled(),
        another_ones_digest(),
        pages_let_nobody_in(),
        users_of_a_list(),
        nobody_in_particular(),
        blobs_are_asked_for_each_time(),
        tags_of_others(),
    ];
    rows.extend(wrong_credentials());
    rows.extend(a_no_forgets_the_yes());
    rows.extend(token_services());
    rows.extend(redirects());
    rows.extend(strange_challenges());
    rows.extend(privacy());
    rows.extend(heads_are_no_no());
    rows.extend(ended_in_silence());
    rows.extend(identity_tokens());
    rows.push(token_service_that_moved());
    rows
}

fn with_server() -> Options {
    Options { credentials: Some(SERVER), ..Options::default() }
}

fn upstream() -> Options {
    Options { access: AccessOption::Upstream, ..Options::default() }
}

/// A registry with the sample, which lets these users in.
fn guarded(by: Authentication) -> Vec<Step> {
    vec![
        change(Change::Authentication(by)),
        change(Change::Rights(ALICE, &["*"])),
        change(Change::Rights(BOB, &["library/open"])),
        change(Change::Rights(SERVER, &["*"])),
        push("latest", &sample::schema2()),
        change(Change::Push("library/open", "latest", Box::new(sample::oci()))),
    ]
}

fn steps(first: Vec<Step>, then: impl IntoIterator<Item = Step>) -> Vec<Step> {
    first.into_iter().chain(then).collect()
}

fn tag() -> Ask {
    get(&manifest("latest")).reading(Form::Schema2)
}

fn image() -> Comes {
    stored(&sample::schema2())
}

fn by_digest() -> Ask {
    get(&manifest(sample::schema2().manifest.digest().as_str())).reading(Form::Schema2)
}

/// The layer, and its path.
fn layer() -> (Vec<u8>, String) {
    let layer = sample::schema2().layers.remove(0);
    let path = blob(&Digest::of(&layer));
    (layer, path)
}

fn challenged(scheme: &str) -> Comes {
    let comes = refused(401, "UNAUTHORIZED");
    match scheme {
        "Basic" => comes.header("www-authenticate", "Basic realm=\"downshift\""),
        _ => comes,
    }
}

fn open() -> Row {
    row(
        "access/open",
        Options::default(),
        [
            push("latest", &sample::schema2()),
            get("/").comes(status(200)),
            get("/v2/").comes(body(b"{}")),
            tag().comes(image()),
            tag().by(ALICE).comes(image()),
            // Nothing that clients say of themselves goes on.
            asked([
                format!("GET registry {} -", manifest("latest")),
                format!("HEAD registry {} -", manifest("latest")),
            ]),
        ],
    )
}

fn password_of_the_server() -> Row {
    let (bytes, layer) = layer();
    row(
        "access/server/password",
        with_server(),
        steps(
            guarded(Authentication::Basic),
            [
                tag().comes(image()),
                // It says who it is once it was asked.
                asked([
                    format!("GET registry {} -", manifest("latest")),
                    format!("GET registry {} server", manifest("latest")),
                ]),
                get(&layer).by(ALICE).comes(body(&bytes)),
                asked([format!("GET registry {layer} server")]),
            ],
        ),
    )
}

fn token_of_the_server() -> Row {
    let (bytes, layer) = layer();
    let token = "/token?account=server&scope=repository%3Alibrary%2Fsample%3Apull&service=registry";
    row(
        "access/server/token",
        with_server(),
        steps(
            guarded(Authentication::Bearer),
            [
                change(Change::Tokens(Some(300), u32::MAX)),
                tag().comes(image()),
                asked([
                    format!("GET registry {} -", manifest("latest")),
                    format!("GET tokens {token} server"),
                    format!("GET registry {} token-1", manifest("latest")),
                ]),
                get(&layer).comes(body(&bytes)),
                asked([format!("GET registry {layer} token-1")]),
                // Another repository has another token.
                get("/v2/library/open/manifests/latest").reading(Form::Oci).comes(stored(&sample::oci())),
                asked([
                    "GET registry /v2/library/open/manifests/latest -".to_owned(),
                    "GET tokens /token?account=server&scope=repository%3Alibrary%2Fopen%3Apull&service=registry server"
                        .to_owned(),
                    "GET registry /v2/library/open/manifests/latest token-2".to_owned(),
                ]),
            ],
        ),
    )
}

/// Tokens that are each good for two requests, and say that they are good for an hour.
fn tokens_end_before_they_say() -> Row {
    let (bytes, layer) = layer();
    row(
        "access/server/tokens-end-before-they-say",
        with_server(),
        steps(
            guarded(Authentication::Bearer),
            [
                change(Change::Tokens(Some(3600), 2)),
                tag().comes(image()),
                get(&layer).comes(body(&bytes)),
                get(&layer).comes(body(&bytes)),
                get(&manifest("latest")).comes(schema1(&sample::schema2(), "latest")),
                change(Change::ExpireTokens),
                get(&layer).comes(body(&bytes)),
            ],
        ),
    )
}

fn tokens_are_asked_for_before_they_end() -> Row {
    let (bytes, layer) = layer();
    let token = "/token?account=server&scope=repository%3Alibrary%2Fsample%3Apull&service=registry";
    let first = format!("GET registry {layer} -");
    row(
        "access/server/tokens-are-asked-for-before-they-end",
        with_server(),
        steps(
            guarded(Authentication::Bearer),
            [
                change(Change::Tokens(Some(10), u32::MAX)),
                get(&layer).comes(body(&bytes)),
                asked([
                    first.clone(),
                    format!("GET tokens {token} server"),
                    format!("GET registry {layer} token-1"),
                ]),
                pass(4),
                get(&layer).comes(body(&bytes)),
                asked([format!("GET registry {layer} token-1")]),
                // Five seconds before its end it might end on its way.
                pass(1),
                get(&layer).comes(body(&bytes)),
                asked([first, format!("GET tokens {token} server"), format!("GET registry {layer} token-2")]),
            ],
        ),
    )
}

fn wrong_credentials() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, by, credentials, code) in [
        ("password", Authentication::Basic, Some(NOT_ALICE), "upstream-unauthorized"),
        ("no-password", Authentication::Basic, None, "upstream-unauthorized"),
        ("token", Authentication::Bearer, Some(NOT_ALICE), "upstream-denied"),
        ("no-token", Authentication::Bearer, None, "upstream-denied"),
        ("no-right", Authentication::Basic, Some(BOB), "upstream-unauthorized"),
        ("token-without-a-right", Authentication::Bearer, Some(BOB), "upstream-unauthorized"),
    ] {
        let options = Options { credentials, ..Options::default() };
        let steps = steps(guarded(by), [tag().comes(refused(403, code).without("www-authenticate"))]);
        rows.push(row(format!("access/server/wrong-{name}"), options, steps));
    }
    rows
}

/// What does not help is not tried again: one request, one with the password, and that is all.
fn refused_passwords_are_not_asked_for_again() -> Row {
    let latest = manifest("latest");
    row(
        "access/server/a-password-that-is-refused",
        Options { credentials: Some(NOT_ALICE), ..Options::default() },
        steps(
            guarded(Authentication::Basic),
            [
                tag().comes(refused(403, "upstream-unauthorized")),
                asked([format!("GET registry {latest} -"), format!("GET registry {latest} alice")]),
                tag().comes(refused(403, "upstream-unauthorized")),
                asked([format!("GET registry {latest} alice")]),
            ],
        ),
    )
}

/// What is to be had of the sample by its users, and by nobody else.
fn targets() -> Vec<Ask> {
    let reported = schema1_digest(&sample::schema2(), "latest");
    vec![
        tag(),
        by_digest(),
        get(&manifest(reported.as_str())),
        get(&layer().1),
        get(TAGS),
        head(&manifest("latest")),
        head(&layer().1),
        head(&manifest(reported.as_str())),
    ]
}

fn passwords_pass_through() -> Row {
    let mut then = vec![
        get("/v2/").comes(challenged("Basic")),
        get("/v2/").by(EVE).comes(challenged("Basic")),
        get("/v2/").by(ALICE).comes(body(b"{}")),
        get(&manifest("latest")).by(ALICE).comes(schema1(&sample::schema2(), "latest")),
    ];
    for target in targets() {
        // Now that everything is there for one.
        then.push(target.clone().by(ALICE).comes(status(200)));
        for somebody in [None, Some(EVE), Some(NOT_ALICE), Some(BOB)] {
            let ask = match somebody {
                Some(user) => target.clone().by(user),
                None => target.clone(),
            };
            then.push(ask.comes(challenged("Basic")));
        }
        then.push(target.by(ALICE).comes(status(200)));
    }
    row("access/pass-through/passwords", upstream(), steps(guarded(Authentication::Basic), then))
}

fn tokens_pass_through() -> Row {
    let mut then = vec![
        // Those who say nothing get a token as well, with which they may pull nothing here.
        change(Change::Rights(User { name: "", password: "" }, &["library/public"])),
        change(Change::Tokens(Some(300), u32::MAX)),
        get("/v2/").comes(challenged("Bearer")),
        Step::Token(ALICE, REPOSITORY, 200),
        Step::Token(BOB, REPOSITORY, 200),
        Step::Token(User { name: "", password: "" }, REPOSITORY, 200),
        Step::Token(NOT_ALICE_AT_ALL, REPOSITORY, 401),
        get("/v2/").by_token(ALICE).comes(body(b"{}")),
        get(&manifest("latest")).by_token(ALICE).comes(schema1(&sample::schema2(), "latest")),
    ];
    for target in targets() {
        then.push(target.clone().by_token(ALICE).comes(status(200)));
        then.push(target.clone().comes(challenged("Bearer")));
        for user in [BOB, User { name: "", password: "" }] {
            then.push(target.clone().by_token(user).comes(challenged("Bearer")));
        }
        // Who has a password has to get a token first.
        then.push(target.by(ALICE).comes(challenged("Bearer")));
    }
    row("access/pass-through/tokens", upstream(), steps(guarded(Authentication::Bearer), then))
}

/// Somebody whose password is wrong, under a name that has no token yet.
const NOT_ALICE_AT_ALL: User = User { name: "mallory", password: "guess" };

fn tokens_of_a_registry_with_passwords() -> Row {
    row(
        "access/pass-through/no-tokens",
        upstream(),
        steps(guarded(Authentication::Basic), [Step::Token(ALICE, REPOSITORY, 404)]),
    )
}

/// Whatever it is that somebody is turned away from, who was let in before: nothing that is at hand is given to them any
/// more.
fn a_no_forgets_the_yes() -> Vec<Row> {
    let layer = layer().1;
    let reported = manifest(schema1_digest(&sample::schema2(), "latest").as_str());
    let referrers = format!("/v2/{REPOSITORY}/referrers/{}", sample::schema2().manifest.digest());
    let mut rows = Vec::new();
    for (name, ask) in [
        ("get-tag", tag()),
        ("head-tag", head(&manifest("latest"))),
        ("get-blob", get(&layer)),
        ("head-blob", head(&layer)),
        ("tags", get(TAGS)),
        ("referrers", get(&referrers)),
        ("base", get("/v2/")),
    ] {
        for denial in [Denial::Unauthorized, Denial::Forbidden, Denial::Hidden] {
            let no = match (name, denial) {
                // Only that somebody is not known at all is about the base.
                ("base", Denial::Unauthorized) => change(Change::Rights(ALICE, &[])),
                ("base", _) => continue,
                _ => change(Change::Rights(ALICE, &[])),
            };
            let turned_away = match denial {
                Denial::Unauthorized => status(401),
                Denial::Forbidden => status(403),
                Denial::Hidden => status(404),
            };
            let mut then = vec![
                change(Change::Denial(denial)),
                get(&manifest("latest")).by(ALICE).comes(schema1(&sample::schema2(), "latest")),
                get(&reported).by(ALICE).comes(schema1(&sample::schema2(), "latest")),
            ];
            if name == "base" {
                // Nobody knows her any more.
                then.push(change(
                    Rule::at("/", Fault::with(401, "www-authenticate", "Basic realm=\"x\"")).change(),
                ));
            } else {
                then.push(no);
            }
            then.extend([
                ask.clone().by(ALICE).comes(turned_away.clone()),
                get(&reported).by(ALICE).comes(turned_away),
            ]);
            let denial = format!("{denial:?}").to_lowercase();
            rows.push(row(
                format!("access/pass-through/a-no-forgets-the-yes/{name}/{denial}"),
                upstream(),
                steps(guarded(Authentication::Basic), then),
            ));
        }
    }
    rows
}

fn a_no_is_about_its_caller() -> Row {
    let reported = manifest(schema1_digest(&sample::schema2(), "latest").as_str());
    let schema1 = || schema1(&sample::schema2(), "latest");
    row(
        "access/pass-through/a-no-is-about-its-caller",
        upstream(),
        steps(
            guarded(Authentication::Basic),
            [
                change(Change::Rights(BOB, &["*"])),
                get(&manifest("latest")).by(ALICE).comes(schema1()),
                get(&manifest("latest")).by(BOB).comes(schema1()),
                change(Change::Rights(ALICE, &[])),
                tag().by(ALICE).comes(status(401)),
                asked([
                    format!("GET registry {} alice", manifest("latest")),
                    format!("GET registry {} alice", blob(&Digest::of(&sample::schema2().configs.concat()))),
                    format!("HEAD registry {} bob", manifest("latest")),
                    format!("HEAD registry {} alice", manifest("latest")),
                    // HEAD may not work there.
                    format!("GET registry {} alice", manifest("latest")),
                ]),
                get(&reported).by(BOB).comes(schema1()),
                asked::<String>([]),
            ],
        ),
    )
}

fn permits_last_a_minute() -> Row {
    let reported = manifest(schema1_digest(&sample::schema2(), "latest").as_str());
    let schema1 = || schema1(&sample::schema2(), "latest");
    row(
        "access/pass-through/a-yes-lasts-a-minute",
        upstream(),
        steps(
            guarded(Authentication::Basic),
            [
                get(&manifest("latest")).by(ALICE).comes(schema1()),
                change(Change::Rights(ALICE, &[])),
                pass(59),
                get(&reported).by(ALICE).comes(schema1()),
                pass(1),
                get(&reported).by(ALICE).comes(challenged("Basic")),
            ],
        ),
    )
}

fn a_yes_for_one_repository_is_none_for_another() -> Row {
    let open = "/v2/library/open/manifests/";
    let digest = sample::oci().manifest.digest();
    row(
        "access/pass-through/a-yes-for-one-repository-is-none-for-another",
        upstream(),
        steps(
            guarded(Authentication::Basic),
            [
                get(&format!("{open}latest")).reading(Form::Oci).by(BOB).comes(stored(&sample::oci())),
                get(&format!("{open}{digest}")).reading(Form::Oci).by(BOB).comes(stored(&sample::oci())),
                tag().by(ALICE).comes(image()),
                by_digest().by(BOB).comes(challenged("Basic")),
                get(&manifest(digest.as_str())).reading(Form::Oci).by(BOB).comes(challenged("Basic")),
                // Nor is what the one has there for those who may pull from the other.
                get(&manifest(digest.as_str()))
                    .reading(Form::Oci)
                    .by(ALICE)
                    .comes(refused(404, "MANIFEST_UNKNOWN")),
            ],
        ),
    )
}

/// A digest that was reported, whose source is gone: the repository is still there.
fn what_is_gone_can_still_be_pulled() -> Row {
    let source = sample::schema2().manifest.digest();
    let reported = manifest(schema1_digest(&sample::schema2(), "latest").as_str());
    let schema1 = || schema1(&sample::schema2(), "latest");
    row(
        "access/pass-through/what-is-gone-can-still-be-pulled",
        upstream(),
        steps(
            guarded(Authentication::Basic),
            [
                get(&manifest("latest")).by(ALICE).comes(schema1()),
                change(Change::Remove(REPOSITORY, source.clone())),
                change(Change::Rights(BOB, &["*"])),
                asked([
                    format!("GET registry {} alice", manifest("latest")),
                    format!("GET registry {} alice", blob(&Digest::of(&sample::schema2().configs.concat()))),
                ]),
                get(&reported).by(BOB).comes(schema1()),
                asked([
                    format!("HEAD registry {} bob", manifest(source.as_str())),
                    format!("GET registry {} bob", manifest(source.as_str())),
                    format!("GET registry {TAGS}?n=1 bob"),
                ]),
            ],
        ),
    )
}

/// Where HEAD is refused to everybody, GET says who may have something.
fn heads_are_no_no() -> Vec<Row> {
    let (bytes, layer) = layer();
    let source = manifest(sample::schema2().manifest.digest().as_str());
    let of = |name: &str, fault: Fault| {
        let steps = steps(
            guarded(Authentication::Basic),
            [
                tag().by(ALICE).comes(image()),
                change(Rule::at("/v2/library", fault).method("HEAD").change()),
                tag().by(ALICE).comes(image()),
                asked(
                    ["GET", "HEAD", "GET"]
                        .map(|method| format!("{method} registry {} alice", manifest("latest"))),
                ),
                // Of others it is said anew.
                by_digest().by(BOB).comes(status(401)),
                by_digest().by(EVE).comes(status(401)),
                asked([format!("GET registry {source} bob"), format!("GET registry {source} eve")]),
                head(&layer).by(ALICE).comes(status(200).header("content-length", &bytes.len().to_string())),
                head(&layer).by(BOB).comes(status(401)),
                change(Change::Rights(BOB, &["*"])),
                by_digest().by(BOB).comes(image()),
            ],
        );
        row(format!("access/pass-through/head-is-no-no/{name}"), upstream(), steps)
    };
    vec![
        of("401", Fault::status(401)),
        of("401-with-a-challenge", Fault::with(401, "www-authenticate", "Basic realm=\"x\"")),
        of("403", Fault::status(403)),
        of("404", Fault::status(404)),
        of("501", Fault::status(501)),
    ]
}

/// A login page says 200 to everybody, and lets nobody in.
fn pages_let_nobody_in() -> Row {
    let reported = manifest(schema1_digest(&sample::schema2(), "latest").as_str());
    let page = |part: &str| {
        let body = b"<!DOCTYPE html><title>Sign in</title>".to_vec();
        change(Rule::at(part, Fault::Typed("text/html", body)).change())
    };
    row(
        "access/pass-through/a-login-page-is-no-yes",
        upstream(),
        steps(
            guarded(Authentication::Basic),
            [
                get(&manifest("latest")).by(ALICE).comes(schema1(&sample::schema2(), "latest")),
                page("/v2/"),
                by_digest().by(EVE).comes(refused(502, "upstream-no-document")),
                get(&reported).by(EVE).comes(refused(502, "upstream-no-document")),
                tag().by(EVE).comes(refused(502, "upstream-no-document")),
                // Where the manifest is gone as well.
                change(Change::NoFaults),
                page("/tags/"),
                change(Rule::at("/manifests/", Fault::status(404)).change()),
                get(&reported).by(EVE).comes(refused(502, "upstream-no-document")),
                // Nor is one that is for programs.
                change(Change::NoFaults),
                change(
                    Rule::at("/tags/", Fault::Typed("application/json", br#"{"login":"/sso"}"#.to_vec()))
                        .change(),
                ),
                change(Rule::at("/manifests/", Fault::status(404)).change()),
                get(&reported).by(EVE).comes(refused(502, "upstream-no-document")),
            ],
        ),
    )
}

fn another_ones_digest() -> Row {
    let reported = manifest(schema1_digest(&sample::schema2(), "latest").as_str());
    row(
        "access/pass-through/hidden-repositories-are-unknown",
        upstream(),
        steps(
            guarded(Authentication::Basic),
            [
                change(Change::Denial(Denial::Hidden)),
                get(&manifest("latest")).by(ALICE).comes(schema1(&sample::schema2(), "latest")),
                get(&reported).by(BOB).comes(refused(404, "MANIFEST_UNKNOWN")),
                by_digest().by(BOB).comes(refused(404, "MANIFEST_UNKNOWN")),
                tag().by(BOB).comes(refused(404, "MANIFEST_UNKNOWN")),
                get(&layer().1).by(BOB).comes(refused(404, "BLOB_UNKNOWN")),
                get(TAGS).by(BOB).comes(refused(404, "NAME_UNKNOWN")),
            ],
        ),
    )
}

fn users_of_a_list() -> Row {
    row(
        "access/users",
        Options { access: AccessOption::Users(&[ALICE]), ..Options::default() },
        [
            push("latest", &sample::schema2()),
            get("/v2/").comes(challenged("Basic")),
            get("/").comes(status(200)),
            tag().comes(challenged("Basic")),
            tag().by(BOB).comes(challenged("Basic")),
            tag().by(NOT_ALICE).comes(challenged("Basic")),
            asked::<String>([]),
            tag().by(ALICE).comes(image()),
            by_digest().comes(challenged("Basic")),
            by_digest().by(ALICE).comes(image()),
            get("/v2/").by(ALICE).comes(body(b"{}")),
            // What they are called here is nothing to the registry.
            asked([format!("GET registry {} -", manifest("latest"))]),
        ],
    )
}

/// A registry with something for those who say nothing, and something for others.
fn nobody_in_particular() -> Row {
    row(
        "access/pass-through/those-who-say-nothing",
        upstream(),
        steps(
            guarded(Authentication::Basic),
            [
                change(Change::Rights(User { name: "", password: "" }, &["library/open"])),
                get("/v2/").comes(body(b"{}")),
                get("/v2/library/open/manifests/latest").reading(Form::Oci).comes(stored(&sample::oci())),
                tag().comes(challenged("Basic")),
                tag().by(ALICE).comes(image()),
                by_digest().comes(challenged("Basic")),
                get("/v2/library/open/manifests/latest").reading(Form::Oci).comes(stored(&sample::oci())),
            ],
        ),
    )
}

fn blobs_are_asked_for_each_time() -> Row {
    let (bytes, layer) = layer();
    row(
        "access/pass-through/blobs-are-asked-for-each-time",
        upstream(),
        steps(
            guarded(Authentication::Basic),
            [
                get(&layer).by(ALICE).comes(body(&bytes)),
                change(Change::Rights(ALICE, &[])),
                get(&layer).by(ALICE).comes(challenged("Basic")),
            ],
        ),
    )
}

fn tags_of_others() -> Row {
    let options = Options { tag_lifetime: core::time::Duration::from_secs(10), ..upstream() };
    row(
        "access/pass-through/lists-and-tags-at-hand-are-for-those-who-were-let-in",
        options,
        steps(
            guarded(Authentication::Basic),
            [
                tag().by(ALICE).comes(image()),
                get(TAGS).by(ALICE).comes(status(200)),
                get(TAGS).by(ALICE).comes(status(200)),
                tag().by(ALICE).comes(image()),
                asked([
                    format!("GET registry {} alice", manifest("latest")),
                    format!("GET registry {TAGS} alice"),
                ]),
                get(TAGS).by(BOB).comes(challenged("Basic")),
                tag().by(BOB).comes(challenged("Basic")),
                get(TAGS).comes(challenged("Basic")),
                tag().comes(challenged("Basic")),
            ],
        ),
    )
}

fn token_services() -> Vec<Row> {
    let at_tokens = |fault| change(Rule::at("/token", fault).of(Host::Tokens).change());
    let mut rows = Vec::new();
    for (name, fault, code, reason) in [
        ("close", Fault::Close, 502, "upstream-unreachable"),
        ("hang", Fault::Hang, 504, "upstream-timeout"),
        ("500", Fault::status(500), 502, "upstream-status"),
        ("429", Fault::with(429, "retry-after", "7"), 429, "upstream-too-many-requests"),
        ("401", Fault::status(401), 403, "upstream-denied"),
        ("403", Fault::status(403), 403, "upstream-denied"),
        ("html", Fault::Body(b"<html>".to_vec()), 502, "upstream-invalid"),
        ("empty-token", Fault::Body(br#"{"token":""}"#.to_vec()), 502, "upstream-invalid"),
        ("token-with-a-line", Fault::Body(b"{\"token\":\"a\\r\\nb: c\"}".to_vec()), 502, "upstream-invalid"),
        ("huge", Fault::Huge { is_announced: false }, 502, "upstream-too-large"),
        // Who redirects those that say their name and password wants them to say it elsewhere.
        ("redirect", Fault::with(307, "location", "{elsewhere}/token"), 502, "upstream-status"),
        ("redirect-to-itself", Fault::RedirectLoop, 502, "upstream-redirect"),
        ("redirect-to-nowhere", Fault::status(307), 502, "upstream-redirect"),
    ] {
        let then = [
            at_tokens(fault.clone()),
            tag().comes(refused(code, reason)),
            change(Change::NoFaults),
            tag().comes(image()),
        ];
        let name = format!("access/token-service/{name}");
        rows.push(row(name, with_server(), steps(guarded(Authentication::Bearer), then)));
    }
    for (name, fault, status) in [
        ("close", Fault::Close, 502),
        ("500", Fault::status(500), 502),
        ("403", Fault::status(403), 401),
        ("html", Fault::Body(b"<html>".to_vec()), 502),
    ] {
        let then = [
            at_tokens(fault),
            Step::Token(ALICE, REPOSITORY, status),
            change(Change::NoFaults),
            Step::Token(ALICE, REPOSITORY, 200),
            tag().by_token(ALICE).comes(image()),
        ];
        let name = format!("access/token-service/for-clients/{name}");
        rows.push(row(name, upstream(), steps(guarded(Authentication::Bearer), then)));
    }
    rows
}

/// A token that ended before its time, of which the registry only says 401.
fn ended_in_silence() -> Vec<Row> {
    let (bytes, layer) = layer();
    let mute = |times| change(Rule::at("/v2/", Fault::status(401)).times(times).change());
    let tokens =
        "GET tokens /token?account=server&scope=repository%3Alibrary%2Fsample%3Apull&service=registry server";
    let of_layer = |who: &str| format!("GET registry {layer} {who}");
    let of_tag = |method: &str, who: &str| format!("{method} registry {} {who}", manifest("latest"));
    vec![
        row(
            "access/ended-in-silence/token",
            with_server(),
            steps(
                guarded(Authentication::Bearer),
                [
                    get(&layer).comes(body(&bytes)),
                    mute(1),
                    get(&layer).comes(body(&bytes)),
                    tag().comes(image()),
                    asked([
                        of_layer("-"),
                        tokens.to_owned(),
                        of_layer("token-1"),
                        of_layer("token-1"),
                        of_layer("-"),
                        tokens.to_owned(),
                        of_layer("token-2"),
                        of_tag("GET", "token-2"),
                    ]),
                    mute(2),
                    tag().comes(image()),
                    asked([
                        of_tag("HEAD", "token-2"),
                        of_tag("GET", "token-2"),
                        of_tag("GET", "-"),
                        tokens.to_owned(),
                        of_tag("GET", "token-3"),
                    ]),
                    // Whatever it is told.
                    mute(u32::MAX),
                    get(&layer).comes(refused(502, "upstream-invalid")),
                    asked([of_layer("token-3"), of_layer("-")]),
                ],
            ),
        ),
        row(
            "access/ended-in-silence/password",
            with_server(),
            steps(
                guarded(Authentication::Basic),
                [
                    get(&layer).comes(body(&bytes)),
                    mute(1),
                    get(&layer).comes(body(&bytes)),
                    asked(["-", "server", "server", "-", "server"].map(of_layer)),
                ],
            ),
        ),
        row(
            "access/ended-in-silence/pass-through",
            upstream(),
            steps(
                guarded(Authentication::Bearer),
                [
                    Step::Token(ALICE, REPOSITORY, 200),
                    tag().by_token(ALICE).comes(image()),
                    mute(1),
                    get(&layer).by_token(ALICE).comes(challenged("Bearer")),
                    Step::Token(ALICE, REPOSITORY, 200),
                    get(&layer).by_token(ALICE).comes(body(&bytes)),
                    // What everybody gets is not for who is turned away.
                    change(Change::Authentication(Authentication::Open)),
                    mute(1),
                    get(&layer).by_token(ALICE).comes(refused(502, "upstream-invalid")),
                ],
            ),
        ),
    ]
}

/// An identity token in the place of a password: it goes to the token service in a form, and nowhere else.
fn identity_tokens() -> Vec<Row> {
    let (bytes, layer) = layer();
    let options = |user| Options { credentials: Some(user), has_identity_token: true, ..Options::default() };
    let of_tag = |method: &str, who: &str| format!("{method} registry {} {who}", manifest("latest"));
    let post = |token: &str| format!("POST tokens /token {token}");
    let own = |user: User| user.identity_token().as_str().to_owned();
    vec![
        row(
            "access/identity-token/good",
            options(SERVER),
            steps(
                guarded(Authentication::Bearer),
                [
                    tag().comes(image()),
                    asked([of_tag("GET", "-"), post(&own(SERVER)), of_tag("GET", "token-1")]),
                    get(&layer).comes(body(&bytes)),
                    asked([format!("GET registry {layer} token-1")]),
                ],
            ),
        ),
        row(
            "access/identity-token/the-next-one",
            options(SERVER),
            steps(
                guarded(Authentication::Bearer),
                [
                    change(Change::NextIdentity(Some("next/one"))),
                    get(&layer).comes(body(&bytes)),
                    change(Change::ExpireTokens),
                    get(&layer).comes(body(&bytes)),
                    // The token service has lost it.
                    change(Change::NextIdentity(None)),
                    change(Change::ExpireTokens),
                    get(&layer).comes(body(&bytes)),
                    asked([
                        format!("GET registry {layer} -"),
                        post(&own(SERVER)),
                        format!("GET registry {layer} token-1"),
                        format!("GET registry {layer} token-1"),
                        post("next/one"),
                        format!("GET registry {layer} token-2"),
                        format!("GET registry {layer} token-2"),
                        post("next/one"),
                        post(&own(SERVER)),
                        format!("GET registry {layer} token-3"),
                    ]),
                ],
            ),
        ),
        row(
            "access/identity-token/unknown",
            options(EVE),
            steps(
                guarded(Authentication::Bearer),
                [
                    tag().comes(refused(403, "upstream-denied")),
                    asked([of_tag("GET", "-"), post(&own(EVE))]),
                    change(Rule::at("/token", Fault::status(400)).of(Host::Tokens).change()),
                    tag().comes(refused(403, "upstream-denied")),
                ],
            ),
        ),
        row(
            "access/identity-token/moved",
            options(SERVER),
            steps(
                guarded(Authentication::Bearer),
                [
                    change(
                        Rule::at("/token", Fault::with(308, "location", "/token?x"))
                            .of(Host::Tokens)
                            .times(1)
                            .change(),
                    ),
                    tag().comes(image()),
                    asked([
                        of_tag("GET", "-"),
                        post(&own(SERVER)),
                        format!("POST tokens /token?x {}", own(SERVER)),
                        of_tag("GET", "token-1"),
                    ]),
                    change(Change::ExpireTokens),
                    // It would become a GET.
                    change(
                        Rule::at("/token", Fault::with(302, "location", "/token?x"))
                            .of(Host::Tokens)
                            .times(1)
                            .change(),
                    ),
                    get(&layer).comes(refused(502, "upstream-status")),
                    change(
                        Rule::at("/token", Fault::with(307, "location", "{elsewhere}/token"))
                            .of(Host::Tokens)
                            .times(1)
                            .change(),
                    ),
                    get(&layer).comes(refused(502, "upstream-status")),
                ],
            ),
        ),
        row(
            "access/identity-token/is-no-password",
            options(SERVER),
            steps(
                guarded(Authentication::Basic),
                [tag().comes(refused(403, "upstream-unauthorized")), asked([of_tag("GET", "-")])],
            ),
        ),
    ]
}

/// A token service that has moved at its own host.
fn token_service_that_moved() -> Row {
    let query = "?account=server&scope=repository%3Alibrary%2Fsample%3Apull&service=registry";
    let to = format!("/token{query}&again=1");
    row(
        "access/token-service/moved",
        with_server(),
        steps(
            guarded(Authentication::Bearer),
            [
                change(
                    Rule::at("/token", Fault::with(301, "location", &to)).of(Host::Tokens).times(1).change(),
                ),
                tag().comes(image()),
                asked([
                    format!("GET registry {} -", manifest("latest")),
                    format!("GET tokens /token{query} server"),
                    format!("GET tokens {to} server"),
                    format!("GET registry {} token-1", manifest("latest")),
                ]),
            ],
        ),
    )
}

/// Redirects to another host, and from there back: nobody is told there who it was.
fn redirects() -> Vec<Row> {
    let (bytes, layer) = layer();
    let to = |from, to, part, prefix| change(Change::Redirect(Redirect { from, part, to, prefix }));
    let mut rows = Vec::new();
    for (name, options, ask, who) in [
        ("server", with_server(), get(&layer), "server"),
        ("client", upstream(), get(&layer).by(ALICE), "alice"),
    ] {
        let first = |who: &str| format!("GET registry {layer} {who}");
        let mut lines = vec![
            first(who),
            format!("GET elsewhere /moved{layer} -"),
            format!("GET registry /back/moved{layer} -"),
        ];
        if name == "server" {
            lines.insert(0, first("-"));
        }
        let then = [
            to(Host::Registry, Host::Elsewhere, "/blobs/", "/moved"),
            to(Host::Elsewhere, Host::Registry, "/moved", "/back"),
            ask.clone().comes(body(&bytes)),
            asked(lines),
        ];
        rows.push(row(
            format!("access/redirects/no-credentials-come-back/{name}"),
            options.clone(),
            steps(guarded(Authentication::Basic), then),
        ));

        // Where it leads to somebody asks for credentials, who has no business with them.
        for (scheme, challenge) in [
            ("basic", "Basic realm=\"registry\""),
            ("bearer", "Bearer realm=\"{second}/token\",service=\"registry\""),
        ] {
            let mut lines = vec![first(who), format!("GET elsewhere /moved{layer} -")];
            if name == "server" {
                lines.insert(0, first("-"));
            }
            let then = [
                to(Host::Registry, Host::Elsewhere, "/blobs/", "/moved"),
                change(
                    Rule::at("/moved", Fault::with(401, "www-authenticate", challenge))
                        .of(Host::Elsewhere)
                        .change(),
                ),
                ask.clone().comes(refused(502, "upstream-status").without("www-authenticate")),
                asked(lines),
            ];
            rows.push(row(
                format!("access/redirects/another-host-asks-for-credentials/{scheme}/{name}"),
                options.clone(),
                steps(guarded(Authentication::Basic), then),
            ));
        }
    }
    let elsewhere = "{elsewhere}/moved/v2/";
    let then = [
        change(Rule::at("/v2/", Fault::with(307, "location", elsewhere)).times(1).change()),
        change(
            Rule::at("/moved", Fault::with(401, "www-authenticate", "Bearer realm=\"{second}/token\""))
                .of(Host::Elsewhere)
                .change(),
        ),
        Step::Token(ALICE, REPOSITORY, 502),
        asked(["GET registry /v2/ -", "GET elsewhere /moved/v2/ -"]),
    ];
    rows.push(row(
        "access/redirects/another-host-names-a-token-service",
        upstream(),
        steps(guarded(Authentication::Bearer), then),
    ));
    rows
}

/// What a registry says instead of a challenge that can be answered.
fn strange_challenges() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, challenge) in
        [("none", None), ("nonsense", Some("=\",,;Bearer")), ("unknown", Some("Negotiate abc=="))]
    {
        let fault = match challenge {
            Some(challenge) => Fault::with(401, "www-authenticate", challenge),
            None => Fault::status(401),
        };
        for (who, options, ask) in [("server", with_server(), tag()), ("client", upstream(), tag().by(ALICE))]
        {
            let then = [
                change(Rule::at("/v2/", fault.clone()).change()),
                ask.comes(refused(502, "upstream-invalid").without("www-authenticate")),
            ];
            rows.push(row(
                format!("access/challenges/{name}/{who}"),
                options,
                steps(guarded(Authentication::Basic), then),
            ));
        }
    }
    // The registry's own names are hidden from clients.
    let then = [
        get("/v2/").with("Host", "pull.example.org").comes(
            challenged("Bearer")
                .header("www-authenticate", "Bearer realm=\"http://pull.example.org/_downshift/token\",service=\"downshift\""),
        ),
        tag().with("Host", "pull.example.org").comes(challenged("Bearer").header(
            "www-authenticate",
            "Bearer realm=\"http://pull.example.org/_downshift/token\",service=\"downshift\",scope=\"repository:library/sample:pull\"",
        )),
    ];
    rows.push(row(
        "access/challenges/in-the-servers-name",
        upstream(),
        steps(guarded(Authentication::Bearer), then),
    ));
    rows
}

/// What somebody was let in for is for no shared cache; where everybody may pull, it is.
fn privacy() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, options, is_private) in [
        ("upstream", upstream(), true),
        ("users", Options { access: AccessOption::Users(&[ALICE]), ..with_server() }, true),
        ("open", with_server(), false),
    ] {
        let mut then = vec![tag().by(ALICE).comes(status(200))];
        for (ask, code, shared) in [
            (get(&manifest("latest")), 200, "no-cache"),
            (get(&manifest("none")), 404, "no-store"),
            (by_digest(), 200, "max-age=31536000, immutable"),
            (get(&layer().1), 200, "max-age=31536000"),
            (get(&layer().1).with("Range", "bytes=0-1"), 206, "max-age=31536000"),
            (get(&layer().1).with("If-None-Match", "*"), 304, "max-age=31536000"),
            (head(&layer().1), 200, "max-age=31536000"),
            (by_digest().with("If-None-Match", "*"), 304, "max-age=31536000, immutable"),
            (get(&blob(&Digest::of(b"none"))), 404, "no-store"),
            (get(&blob(&Digest::empty_layer())), 200, "max-age=31536000"),
            (get(TAGS), 200, "no-cache"),
            (get("/v2/library/sample/none"), 404, "no-store"),
            (get("/"), 200, "no-cache"),
        ] {
            // A load balancer is let in by everybody, and errors are never kept.
            let is_for_all = ask.sent.target == "/" || shared == "no-store" || !is_private;
            let control = if is_for_all { shared } else { "private, no-cache" };
            then.push(ask.by(ALICE).comes(status(code).header("cache-control", control)));
        }
        rows.push(row(
            format!("access/privacy/{name}"),
            options,
            steps(guarded(Authentication::Basic), then),
        ));
    }
    rows
}
