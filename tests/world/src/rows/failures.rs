//! Failures as old engines read them: by the API of version 1, and by errors with status 400.

use downshift::Digest;
use downshift_cases::images::{REPOSITORY, sample};

use super::row::{
    AccessOption, Ask, Options, Row, Step, blob, change, get, head, line, manifest, push, refused, row,
    schema1, status,
};
use crate::fault::{Fault, Rule};
use crate::net::{Authentication, Change, User};

const ALICE: User = User { name: "alice", password: "wonder land" };
const BOB: User = User { name: "bob", password: "builder" };

/// Engines that ask the API of version 1: two that print nothing else, two that print errors with status 400, and two that
/// read schema 2.
const V1_6: &str = "docker/1.6.2 go/go1.4.2 git-commit/7c8fca2 kernel/3.16.0 os/linux arch/amd64";
const V1_7: &str = "docker/1.7.1 go/go1.4.2 git-commit/786b29d kernel/3.16.0 os/linux arch/amd64";
const V1_8: &str = "docker/1.8.3 go/go1.4.2 git-commit/f4bf5c7 kernel/3.16.0 os/linux arch/amd64";
const V1_9: &str = "docker/1.9.1 go/go1.4.3 git-commit/a34a1d5 kernel/3.16.0 os/linux arch/amd64";
const V1_13: &str = "docker/1.13.1 go/go1.7.5 git-commit/092cba3 kernel/3.16.0 os/linux arch/amd64";

const NO_V1: &str = "this registry speaks version 2 only\n";
const FORGOTTEN: &str = "library/sample was not pulled, and the reason is no longer known: pull it again, or ask the operator of the registry";

pub(super) fn rows() -> Vec<Row> {
    let engines = [("1.6", V1_6), ("1.7", V1_7), ("1.8", V1_8), ("1.9", V1_9), ("1.13", V1_13)];
    let mut rows: Vec<Row> = engines.into_iter().map(|(name, engine)| typo(name, engine)).collect();
    rows.extend([outage(), missing_layer(), missing_manifest(), not_remembered(), of_others(), successes()]);
    rows.extend([private(), users(), limits()]);
    rows
}

/// What Docker asks for once version 2 has failed.
fn v1() -> Ask {
    get(&format!("/v1/repositories/{REPOSITORY}/images")).with("X-Docker-Token", "true")
}

fn by(ask: Ask, engine: &str) -> Ask {
    ask.with("User-Agent", engine)
}

/// That this engine is told by version 1.
fn told(engine: &str, status: u16, text: &str) -> Step {
    by(v1(), engine).comes(line(status, text))
}

/// A tag that is not there is `image … not found`, as at every registry.
fn typo(name: &str, engine: &str) -> Row {
    row(
        format!("failures/typo-{name}"),
        Options::default(),
        [
            push("latest", &sample::schema2()),
            by(get(&manifest("lates")), engine).comes(refused(404, "MANIFEST_UNKNOWN")),
            told(engine, 404, NO_V1),
        ],
    )
}

fn outage() -> Row {
    let of_the_cause = status(400).header("content-type", "text/plain; charset=utf-8");
    row(
        "failures/registry-down",
        Options::default(),
        [
            push("latest", &sample::schema2()),
            change(Rule::at("/v2/", Fault::status(503)).change()),
            // All of them go on to version 1 after this, and say "not found" if that does.
            by(get(&manifest("latest")), V1_6).comes(refused(502, "upstream-status")),
            by(v1(), V1_6).comes(of_the_cause.clone()),
            by(get(&manifest("latest")), V1_8).comes(refused(502, "upstream-status")),
            by(v1(), V1_8).comes(of_the_cause.clone()),
            by(get(&manifest("latest")), V1_9).comes(refused(502, "upstream-status")),
            by(v1(), V1_9).comes(of_the_cause),
        ],
    )
}

/// HEAD is what 1.8 and 1.9 ask for first, and it has no room for a reason.
fn missing_layer() -> Row {
    let image = sample::schema2();
    let digest = Digest::of(&image.layers[0]);
    let text = format!(
        "library/sample was not pulled: the layer `{digest}` is missing; push the image again, with all of its parts"
    );
    row(
        "failures/missing-layer",
        Options::default(),
        [
            push("latest", &image),
            by(get(&manifest("latest")), V1_9).comes(schema1(&image, "latest")),
            change(Change::Remove(REPOSITORY, digest.clone())),
            by(head(&blob(&digest)), V1_9).comes(refused(404, "BLOB_UNKNOWN")),
            told(V1_9, 400, &text),
            by(get(&manifest("latest")), V1_6).comes(schema1(&image, "latest")),
            by(get(&blob(&digest)), V1_6).comes(refused(404, "BLOB_UNKNOWN")),
            told(V1_6, 400, &text),
        ],
    )
}

fn missing_manifest() -> Row {
    let image = sample::index();
    // That for linux/amd64.
    let child = image.children[1].digest();
    row(
        "failures/missing-manifest",
        Options::default(),
        [
            push("latest", &image),
            change(Change::Remove(REPOSITORY, child)),
            by(get(&manifest("latest")), V1_9).comes(status(400)),
            by(get(&manifest("latest")), V1_6).comes(status(400)),
            by(v1(), V1_6).comes(status(400)),
        ],
    )
}

/// Nothing has failed, or somewhere else.
fn not_remembered() -> Row {
    row(
        "failures/not-remembered",
        Options::default(),
        [
            told(V1_6, 400, FORGOTTEN),
            told(V1_7, 400, FORGOTTEN),
            told(V1_8, 404, NO_V1),
            told(V1_13, 404, NO_V1),
            v1().comes(line(404, NO_V1)),
            by(get("/v1/_ping"), V1_6).comes(line(404, NO_V1)),
        ],
    )
}

/// What one client was told says nothing to another, nor of another repository.
fn of_others() -> Row {
    row(
        "failures/of-others",
        Options::default(),
        [
            push("latest", &sample::schema2()),
            by(get(&manifest("lates")), V1_6).comes(status(404)),
            told(V1_7, 400, FORGOTTEN),
            by(get("/v1/repositories/library/other/images"), V1_6).comes(status(400)),
            told(V1_6, 404, NO_V1),
        ],
    )
}

/// The last one counts, and after a success none.
fn successes() -> Row {
    let image = sample::schema2();
    row(
        "failures/the-last-one",
        Options::default(),
        [
            push("latest", &image),
            push("artifact", &sample::artifact()),
            by(get(&manifest("artifact")), V1_6).comes(status(400)),
            by(v1(), V1_6).comes(status(400)),
            by(get(&manifest("lates")), V1_6).comes(status(404)),
            told(V1_6, 404, NO_V1),
            by(get(&manifest("latest")), V1_6).comes(schema1(&image, "latest")),
            told(V1_6, 400, FORGOTTEN),
        ],
    )
}

/// Version 1 asks nobody who they are, so it says of what kind the failure was, and no digest or host.
fn private() -> Row {
    let image = sample::schema2();
    let digest = Digest::of(&image.layers[0]);
    let wanted = "library/sample was not pulled: authentication is required; log in with `docker login`, as a user who may pull it";
    let missing = "library/sample was not pulled: the layer ... is missing; push the image again, with all of its parts";
    row(
        "failures/pass-through",
        Options { access: AccessOption::Upstream, ..Options::default() },
        [
            change(Change::Authentication(Authentication::Basic)),
            change(Change::Rights(ALICE, &["*"])),
            push("latest", &image),
            by(get(&manifest("latest")), V1_6).comes(refused(401, "UNAUTHORIZED")),
            told(V1_6, 400, wanted),
            by(get(&manifest("latest")).by(BOB), V1_6).comes(refused(401, "UNAUTHORIZED")),
            told(V1_6, 400, wanted),
            by(get(&manifest("latest")).by(ALICE), V1_6).comes(schema1(&image, "latest")),
            change(Change::Remove(REPOSITORY, digest.clone())),
            by(get(&blob(&digest)).by(ALICE), V1_6).comes(status(404)),
            told(V1_6, 400, missing),
        ],
    )
}

fn users() -> Row {
    let image = sample::schema2();
    let digest = Digest::of(b"none");
    let missing = "library/sample was not pulled: the layer ... is missing; push the image again, with all of its parts";
    row(
        "failures/users",
        Options { access: AccessOption::Users(&[ALICE]), ..Options::default() },
        [
            push("latest", &image),
            by(get(&blob(&digest)).by(ALICE), V1_6).comes(status(404)),
            told(V1_6, 400, missing),
            by(get(&manifest("latest")), V1_9).comes(refused(401, "UNAUTHORIZED")),
            by(v1(), V1_9).comes(status(400)),
        ],
    )
}

/// A limit of the registry's is told with its own status, which all engines but the oldest print.
fn limits() -> Row {
    row(
        "failures/rate-limit",
        Options::default(),
        [
            push("latest", &sample::schema2()),
            change(Rule::at("/v2/", Fault::status(429)).change()),
            by(get(&manifest("latest")), V1_9).comes(refused(429, "upstream-too-many-requests")),
            by(get(&manifest("latest")), V1_7).comes(refused(429, "upstream-too-many-requests")),
            by(v1(), V1_7).comes(status(400)),
        ],
    )
}
