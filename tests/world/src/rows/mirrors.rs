//! Mirrors: one front for several registries, which clients name beside the repository or before it. A repository never
//! answers for one of the same name in another registry.

use downshift::{Digest, Form};
use downshift_cases::images::{Image, REPOSITORY, sample};

use super::row::{
    AccessOption, Comes, Options, Row, Step, Upstream, asked, body, change, get, head, refused, row,
    schema1_digest_of, status, stored,
};
use crate::net::{Authentication, Change, Host, User};

const ALICE: User = User { name: "alice", password: "wonder land" };
const BOB: User = User { name: "bob", password: "builder" };

/// Two registries with prefixes that are no hosts.
const BY_PREFIX: &[Upstream] = &[Upstream::new(Host::Registry, "one"), Upstream::new(Host::Second, "two")];

/// Two registries of a list.
const BY_HOST: &[Upstream] = &[Upstream::by_host(Host::Registry), Upstream::by_host(Host::Second)];

/// One registry for whatever has no host before it, and one of a list.
const ONE_BY_HOST: &[Upstream] = &[Upstream::new(Host::Registry, ""), Upstream::by_host(Host::Second)];

pub(super) fn rows() -> Vec<Row> {
    vec![
        one_registry(),
        said_names(),
        two_registries(),
        converted(),
        by_host(),
        beside_a_default(),
        tokens(),
        logins(),
        pass_through(),
        three_parts(),
        clients(),
    ]
}

fn before(upstreams: &'static [Upstream]) -> Options {
    Options { upstreams, ..Options::default() }
}

/// What is in the first registry, and under the same name and tag in the second one.
fn images() -> (Image, Image) {
    (sample::schema2(), sample::no_history())
}

fn push_both() -> [Step; 2] {
    let (one, other) = images();
    [(Host::Registry, one), (Host::Second, other)]
        .map(|(host, image)| change(Change::PushAt(host, REPOSITORY, "latest", Box::new(image))))
}

fn manifest(before: &str, reference: &str, ns: &str) -> String {
    let ns = if ns.is_empty() { String::new() } else { format!("?ns={ns}") };
    format!("/v2/{before}{REPOSITORY}/manifests/{reference}{ns}")
}

/// What a registry is asked for the tag.
fn line(host: Host, who: &str) -> String {
    format!("GET {} /v2/{REPOSITORY}/manifests/latest {who}", host.name())
}

fn is_stored(target: &str, image: &Image) -> Step {
    get(target).reading(Form::Schema2).comes(stored(image))
}

fn unknown_registry() -> Comes {
    refused(404, "unknown-registry")
}

/// A front for one registry is its mirror, and nobody else's.
fn one_registry() -> Row {
    let (image, _) = images();
    let mut steps = push_both().to_vec();
    steps.extend([
        is_stored(&manifest("", "latest", "{registry.host}"), &image),
        is_stored(&manifest("", image.manifest.digest().as_str(), "{registry.host}"), &image),
        asked([line(Host::Registry, "-")]),
        is_stored(&manifest("", "latest", ""), &image),
        Step::AnythingAsked,
    ]);
    for ns in [
        "quay.io",
        "{second.host}",
        "localhost",
        "x",
        "..%2f",
        "http://{registry.host}",
        "{registry.host}%00",
    ] {
        steps.push(get(&manifest("", "latest", ns)).comes(unknown_registry()));
        steps.push(head(&manifest("", "latest", ns)).comes(status(404)));
    }
    let blob = format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(&image.layers[0]));
    let referrers = format!("/v2/{REPOSITORY}/referrers/{}", image.manifest.digest());
    let tags = format!("/v2/{REPOSITORY}/tags/list");
    for target in [&blob, &referrers, &tags, "/v2/", "/v2/_catalog"] {
        steps.push(get(&format!("{target}?ns=quay.io")).comes(unknown_registry()));
    }
    let twice = refused(400, "registry-mismatch");
    steps.extend([
        get(&format!("{}&ns={{second.host}}", manifest("", "latest", "{registry.host}"))).comes(twice),
        asked::<String>([]),
        get(&format!("{blob}?ns={{registry.host}}")).comes(body(&image.layers[0])),
        // What is said to this server is not said to the registry.
        get(&format!("{tags}?n=7&ns={{registry.host}}")).comes(status(200)),
        asked([format!("GET registry {blob} -"), format!("GET registry {tags}?n=7 -")]),
    ]);
    row("mirrors/one-registry", Options::default(), steps)
}

/// Clients know a registry by the names that the operator has said as well.
fn said_names() -> Row {
    const UPSTREAMS: &[Upstream] =
        &[Upstream { ns: &["docker.io", "mirror.example.org:5000"], ..Upstream::new(Host::Registry, "") }];
    let (image, _) = images();
    let mut steps = push_both().to_vec();
    for ns in ["docker.io", "registry-1.docker.io", "Mirror.example.org:5000", "{registry.host}"] {
        steps.push(is_stored(&manifest("", "latest", ns), &image));
    }
    for ns in ["mirror.example.org", "example.org", "{second.host}"] {
        steps.push(get(&manifest("", "latest", ns)).comes(unknown_registry()));
    }
    row("mirrors/names-that-are-said", before(UPSTREAMS), steps)
}

/// The query decides between registries, and with the path it has to agree.
fn two_registries() -> Row {
    let (one, two) = images();
    let mut steps = push_both().to_vec();
    let by_digest = |image: &Image, ns| manifest("", image.manifest.digest().as_str(), ns);
    let blob =
        |image: &Image, ns| format!("/v2/{REPOSITORY}/blobs/{}?ns={ns}", Digest::of(&image.configs[0]));
    let tags = |name: &str| format!("/v2/{name}{REPOSITORY}/tags/list");
    steps.extend([
        is_stored(&manifest("", "latest", "{registry.host}"), &one),
        is_stored(&manifest("", "latest", "{second.host}"), &two),
        asked([line(Host::Registry, "-"), line(Host::Second, "-")]),
        is_stored(&manifest("one/", "latest", ""), &one),
        is_stored(&manifest("two/", "latest", ""), &two),
        // The same registry, and what is known of it by now.
        is_stored(&manifest("two/", "latest", "{second.host}"), &two),
        is_stored(&by_digest(&one, "{registry.host}"), &one),
        get(&by_digest(&one, "{second.host}")).comes(refused(404, "MANIFEST_UNKNOWN")),
        get(&by_digest(&two, "{registry.host}")).comes(refused(404, "MANIFEST_UNKNOWN")),
        get(&blob(&one, "{registry.host}")).comes(body(&one.configs[0])),
        get(&blob(&one, "{second.host}")).comes(refused(404, "BLOB_UNKNOWN")),
        get(&format!("{}?ns={{second.host}}", tags(""))).comes(status(200)),
        change(Change::PushAt(Host::Second, REPOSITORY, "other", Box::new(sample::oci()))),
        get(&format!("{}?n=1&ns={{second.host}}", tags("")))
            .comes(status(200).header("link", &format!("<{}?last=latest&n=1>; rel=\"next\"", tags("two/")))),
        get(&format!("{}?n=1", tags("one/"))).comes(status(200).without("link")),
    ]);
    let mut refusals = vec![
        get(&manifest("one/", "latest", "{second.host}")).comes(refused(400, "registry-mismatch")),
        get(&manifest("two/", "latest", "{registry.host}")).comes(refused(400, "registry-mismatch")),
        get(&manifest("", "latest", "quay.io")).comes(unknown_registry()),
        get(&manifest("one/", "latest", "quay.io")).comes(unknown_registry()),
        get(&manifest("", "latest", "docker.io")).comes(unknown_registry()),
        get(&manifest("", "latest", "")).comes(refused(404, "MANIFEST_UNKNOWN")),
    ];
    steps.push(Step::AnythingAsked);
    steps.append(&mut refusals);
    steps.push(asked::<String>([]));
    row("mirrors/two-registries", before(BY_PREFIX), steps)
}

/// What is made of an image is recorded for its registry, by whatever name that is said.
fn converted() -> Row {
    let (one, two) = images();
    let mut steps = push_both().to_vec();
    let digest =
        |image: &Image, prefix: &str| schema1_digest_of(image, &format!("{prefix}/{REPOSITORY}"), "latest");
    let schema1 = |image: &Image, digest: &Digest| {
        status(200)
            .header("docker-content-digest", digest.as_str())
            .header("downshift-source-digest", image.manifest.digest().as_str())
    };
    let (of_one, of_two) = (digest(&one, "one"), digest(&two, "two"));
    steps.extend([
        get(&manifest("", "latest", "{registry.host}")).comes(schema1(&one, &of_one)),
        get(&manifest("", "latest", "{second.host}")).comes(schema1(&two, &of_two)),
        get(&manifest("", of_one.as_str(), "{registry.host}")).comes(schema1(&one, &of_one)),
        get(&manifest("one/", of_one.as_str(), "")).comes(schema1(&one, &of_one)),
        get(&manifest("", of_one.as_str(), "{second.host}")).comes(refused(404, "MANIFEST_UNKNOWN")),
        get(&manifest("two/", of_one.as_str(), "")).comes(refused(404, "MANIFEST_UNKNOWN")),
        get(&manifest("two/", of_two.as_str(), "")).comes(schema1(&two, &of_two)),
    ]);
    row("mirrors/what-is-converted-is-of-its-registry", before(BY_PREFIX), steps)
}

/// Names begin with a host of the list, or the query has one.
fn by_host() -> Row {
    let (one, two) = images();
    let mut steps = push_both().to_vec();
    steps.extend([
        is_stored(&manifest("{registry.host}/", "latest", ""), &one),
        is_stored(&manifest("{second.host}/", "latest", ""), &two),
        is_stored(&manifest("", "latest", "{registry.host}"), &one),
        is_stored(&manifest("", "latest", "{second.host}"), &two),
        is_stored(&manifest("{second.host}/", "latest", "{second.host}"), &two),
        Step::AnythingAsked,
        get(&manifest("{registry.host}/", "latest", "{second.host}"))
            .comes(refused(400, "registry-mismatch")),
        get(&manifest("ghcr.io/", "latest", "{second.host}")).comes(refused(400, "registry-mismatch")),
        get(&manifest("ghcr.io/", "latest", "")).comes(unknown_registry()),
        get(&manifest("{elsewhere.host}/", "latest", "")).comes(unknown_registry()),
        get(&manifest("169.254.169.254/", "latest", "")).comes(unknown_registry()),
        get(&manifest("localhost/", "latest", "")).comes(unknown_registry()),
        get(&manifest("", "latest", "{elsewhere.host}")).comes(unknown_registry()),
        get(&manifest("", "latest", "169.254.169.254")).comes(unknown_registry()),
        get(&manifest("", "latest", "")).comes(refused(404, "MANIFEST_UNKNOWN")),
        asked::<String>([]),
    ]);
    row("mirrors/by-host", before(BY_HOST), steps)
}

/// Beside a list the default registry is not asked for what begins with a host.
fn beside_a_default() -> Row {
    let (one, two) = images();
    let mut steps = push_both().to_vec();
    steps.extend([
        is_stored(&manifest("", "latest", ""), &one),
        is_stored(&manifest("", "latest", "{registry.host}"), &one),
        is_stored(&manifest("{second.host}/", "latest", ""), &two),
        is_stored(&manifest("", "latest", "{second.host}"), &two),
        Step::AnythingAsked,
        get(&manifest("{second.host}/", "latest", "{registry.host}"))
            .comes(refused(400, "registry-mismatch")),
        get(&manifest("ghcr.io/", "latest", "")).comes(unknown_registry()),
        get(&manifest("ghcr.io/", "latest", "{registry.host}")).comes(refused(400, "registry-mismatch")),
        get(&manifest("", "latest", "ghcr.io")).comes(unknown_registry()),
        asked::<String>([]),
    ]);
    row("mirrors/beside-a-default", before(ONE_BY_HOST), steps)
}

/// Each registry hears of its own credentials and tokens.
fn tokens() -> Row {
    const UPSTREAMS: &[Upstream] = &[
        Upstream { credentials: Some(ALICE), ..Upstream::new(Host::Registry, "one") },
        Upstream { credentials: Some(BOB), ..Upstream::new(Host::Second, "two") },
    ];
    let (one, two) = images();
    let mut steps = push_both().to_vec();
    let scope = "repository%3Alibrary%2Fsample%3Apull";
    let token =
        |user: &str| format!("GET tokens /token?account={user}&scope={scope}&service=registry {user}");
    let other = |host, who: &str| line(host, who).replace("latest", "other");
    for (host, image) in [(Host::Registry, &one), (Host::Second, &two)] {
        steps.push(change(Change::PushAt(host, REPOSITORY, "other", Box::new(image.clone()))));
    }
    steps.extend([
        change(Change::Authentication(Authentication::Bearer)),
        change(Change::Rights(ALICE, &["*"])),
        change(Change::Rights(BOB, &["*"])),
        is_stored(&manifest("", "latest", "{registry.host}"), &one),
        is_stored(&manifest("", "latest", "{second.host}"), &two),
        is_stored(&manifest("", "other", "{registry.host}"), &one),
        is_stored(&manifest("two/", "other", ""), &two),
        asked([
            line(Host::Registry, "-"),
            token("alice"),
            line(Host::Registry, "token-1"),
            line(Host::Second, "-"),
            token("bob"),
            line(Host::Second, "token-2"),
            other(Host::Registry, "token-1"),
            other(Host::Second, "token-2"),
        ]),
        // Nobody is asked with the credentials of the other, and what one may see is not told of the other.
        change(Change::Rights(BOB, &[])),
        change(Change::ExpireTokens),
        get(&manifest("", "latest", "{second.host}")).comes(refused(403, "upstream-unauthorized")),
        is_stored(&manifest("", "latest", "{registry.host}"), &one),
    ]);
    row("mirrors/tokens", before(UPSTREAMS), steps)
}

/// Who has to log in learns nothing before of what there is.
fn logins() -> Row {
    let (one, _) = images();
    let options = Options { access: AccessOption::Users(&[ALICE]), ..before(BY_PREFIX) };
    let mut steps = push_both().to_vec();
    let known = manifest("", "latest", "{registry.host}");
    steps.extend([
        get(&manifest("", "latest", "quay.io")).comes(refused(401, "UNAUTHORIZED")),
        get(&manifest("one/", "latest", "{second.host}")).comes(refused(401, "UNAUTHORIZED")),
        get(&known).comes(refused(401, "UNAUTHORIZED")),
        get(&manifest("", "latest", "quay.io")).by(ALICE).comes(unknown_registry()),
        get(&known).by(ALICE).reading(Form::Schema2).comes(stored(&one)),
    ]);
    row("mirrors/logins", options, steps)
}

/// Where the registry decides who may pull, a token is for the name that is asked for, and permits are of this registry.
fn pass_through() -> Row {
    let (one, _) = images();
    let options = Options { access: AccessOption::Upstream, ..Options::default() };
    let mut steps = push_both().to_vec();
    let known = manifest("", "latest", "{registry.host}");
    let unauthorized = || refused(401, "UNAUTHORIZED");
    steps.extend([
        change(Change::Authentication(Authentication::Bearer)),
        change(Change::Rights(ALICE, &[REPOSITORY])),
        get(&known).comes(unauthorized()),
        Step::Token(ALICE, REPOSITORY, 200),
        get(&known).by_token(ALICE).reading(Form::Schema2).comes(stored(&one)),
        get(&manifest("", one.manifest.digest().as_str(), "{registry.host}"))
            .by_token(ALICE)
            .reading(Form::Schema2)
            .comes(stored(&one)),
        get(&manifest("", "latest", "quay.io")).by_token(ALICE).comes(unknown_registry()),
        get(&known).comes(unauthorized()),
    ]);
    row("mirrors/pass-through", options, steps)
}

/// Docker 1.6 and 1.7 pull names of two components: something else may stand for a slash.
fn three_parts() -> Row {
    const UPSTREAMS: &[Upstream] = &[Upstream { slash: "__", ..Upstream::new(Host::Registry, "internal") }];
    let (image, _) = images();
    let mut steps = push_both().to_vec();
    let name = "internal/library__sample";
    let digest = schema1_digest_of(&image, name, "latest");
    let target = |reference: &str| format!("/v2/{name}/manifests/{reference}");
    let comes = || {
        status(200)
            .header("docker-content-digest", digest.as_str())
            .header("downshift-source-digest", image.manifest.digest().as_str())
    };
    steps.extend([
        get(&target("latest")).with("User-Agent", "docker/1.6.2 os/linux arch/amd64").comes(comes()),
        get(&target(digest.as_str())).comes(comes()),
        get(&format!("/v2/{name}/blobs/{}", Digest::of(&image.layers[0]))).comes(body(&image.layers[0])),
        is_stored(&manifest("internal/", "latest", ""), &image),
        is_stored(&manifest("", "latest", "{registry.host}"), &image),
    ]);
    row("mirrors/names-of-three-parts", before(UPSTREAMS), steps)
}

/// What is known of a client in one registry's repositories says nothing of it in another's.
fn clients() -> Row {
    const UPSTREAMS: &[Upstream] = &[
        Upstream {
            client: &["scanner/2 refuses=schema2+list", "scanner refuses=none"],
            ..Upstream::new(Host::Registry, "one")
        },
        Upstream::new(Host::Second, "two"),
    ];
    let (one, two) = images();
    let asked = |before: &str, agent: &str| {
        get(&manifest(before, "latest", ""))
            .reading(Form::Schema2)
            .reading(Form::Oci)
            .with("User-Agent", agent)
    };
    let oci = status(200).header("content-type", Form::Oci.media_type());
    let mut steps = push_both().to_vec();
    steps.extend([
        asked("one/", "scanner/2.1").comes(oci),
        asked("one/", "scanner/3.1").comes(stored(&one)),
        asked("one/", "other/2.1").comes(stored(&one)),
        asked("two/", "scanner/2.1").comes(stored(&two)),
    ]);
    row("mirrors/clients", before(UPSTREAMS), steps)
}
