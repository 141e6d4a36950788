//! Names: which registry a client means, by what it says before or beside the name, and what is kept of each.

use std::collections::BTreeSet;

use core::time::Duration;
use downshift::{Digest, Form};
use downshift_cases::images::{Image, REPOSITORY, sample};
use downshift_pull::{
    Access, Delivery, Domain, Key, ListedHost, Origin, OriginId, Place, Registry, Settings,
};
use downshift_registry::{HostPattern, Mapping, RegistryName};
use downshift_world::fault::{Fault, Rule};
use downshift_world::net::{Authentication, Change, Host, Net, User};
use downshift_world::oracle;
use downshift_world::rows::resolve;
use downshift_world::world::{Received, Sent, World};

const ALICE: User = User { name: "alice", password: "wonder land" };

fn registry(url: &str) -> Place {
    let base = resolve(None, url).expect("it is a URL");
    let (credentials, delivery, timeout) = (None, Delivery::Stream, Duration::from_secs(1));
    Place::Registry(Registry { base, credentials, delivery, timeout })
}

fn domain(pattern: &str) -> Place {
    domain_with(pattern, Delivery::Stream)
}

fn domain_with(pattern: &str, delivery: Delivery) -> Place {
    let pattern = HostPattern::parse(pattern).expect("it is a pattern");
    Place::Domain(Domain { pattern, delivery, timeout: Duration::from_secs(1) })
}

fn mapping(prefix: &str) -> Mapping {
    Mapping { prefix: prefix.to_owned(), ..Mapping::default() }
}

fn settings(origins: impl IntoIterator<Item = (Mapping, Place)>) -> Settings {
    let origin = |(id, (mapping, place))| Origin::new(OriginId(id), mapping, place);
    Settings::new((0..).zip(origins).map(origin).collect(), Access::Open, resolve)
}

fn world(origins: impl IntoIterator<Item = (Mapping, Place)>) -> World {
    let net = Net::new(Host::ALL.map(|host| (host, format!("https://{}.test", host.name()))));
    let mut world = World::new(net, settings(origins));
    for (host, image) in [(Host::Registry, sample::schema2()), (Host::Second, sample::no_history())] {
        world.net.change(&Change::PushAt(host, REPOSITORY, "latest", Box::new(image)));
    }
    world
}

/// All registries of `.test`.
fn in_front_of_a_domain() -> World {
    let by_host = Mapping { is_by_host: true, ..Mapping::default() };
    world([(by_host, domain("*.test"))])
}

fn get(before: &str, reference: &str, ns: &str) -> Sent {
    let ns = if ns.is_empty() { String::new() } else { format!("?ns={ns}") };
    Sent::new("GET", &format!("/v2/{before}{REPOSITORY}/manifests/{reference}{ns}"))
        .with("Accept", Form::Schema2.media_type())
}

fn told(received: &Received) -> (u16, String) {
    let reason = received.response.json().ok().and_then(|json| {
        let error = &json["errors"][0];
        error["detail"]["reason"].as_str().or(error["code"].as_str()).map(str::to_owned)
    });
    (received.response.status, reason.unwrap_or_default())
}

fn is_of(received: &Received, image: &Image) -> bool {
    received.response.status == 200 && received.response.body == image.manifest.bytes
}

/// Where a request goes: the origin, and the name there; nothing if it is refused, or there is no such repository.
fn goes_to(settings: &Settings, target: &str) -> Option<(u32, String)> {
    let request = downshift_registry::Request::read("GET", target, []).ok()?;
    let has_registry = request.registry.is_some();
    let request = settings.local(request.into());
    if has_registry && request.registry.is_some() {
        return None;
    }
    settings.scope_of(request.route.repository()?).map(|scope| (scope.origin.0, scope.name))
}

fn manifest_of(name: &str) -> String {
    match name.split_once('?') {
        Some((name, ns)) => format!("/v2/{name}/manifests/latest?ns={ns}"),
        None => format!("/v2/{name}/manifests/latest"),
    }
}

/// Each name, and where it goes; nothing where it goes nowhere.
fn all_go(settings: &Settings, names: &[(&str, Option<(u32, &str)>)]) {
    for (name, expected) in names {
        let expected = expected.map(|(origin, name)| (origin, name.to_owned()));
        assert_eq!(goes_to(settings, &manifest_of(name)), expected, "{name}");
    }
}

#[test]
fn the_longest_prefix_is_meant() {
    let prefixes = ["", "a", "a/b"];
    let settings = settings(prefixes.map(|prefix| (mapping(prefix), registry("https://a.test/"))));
    all_go(
        &settings,
        &[
            ("x", Some((0, "x"))),
            ("a/x", Some((1, "x"))),
            ("a/b/x", Some((2, "x"))),
            ("a", Some((0, "a"))),
            ("ab/x", Some((0, "ab/x"))),
        ],
    );
}

#[test]
fn a_registry_is_known_by_its_host_and_docker_hub_by_all_its_names() {
    let hub = Mapping { library: true, ..mapping("hub") };
    let settings = settings([
        (hub, registry("https://registry-1.docker.io/")),
        (mapping("quay"), registry("https://quay.io/")),
        (mapping("local"), registry("http://localhost:5000/")),
        (mapping("clear"), registry("http://clear.example.org/")),
        // What is at another path is not all of what names with this host are of, nor is a part of it.
        (mapping("below"), registry("https://below.example.org/registry/")),
        (
            Mapping { remote_prefix: "team".to_owned(), ..mapping("part") },
            registry("https://part.example.org/"),
        ),
    ]);
    all_go(
        &settings,
        &[
            ("library/x?docker.io", Some((0, "library/x"))),
            ("x?docker.io", Some((0, "library/x"))),
            ("a/x?index.docker.io", Some((0, "a/x"))),
            ("a/x?registry-1.docker.io", Some((0, "a/x"))),
            ("a/x?quay.io", Some((1, "a/x"))),
            ("a/x?QUAY.io:443", Some((1, "a/x"))),
            ("a/x?quay.io:80", None),
            ("a/x?quay.io.", None),
            ("a/x?localhost:5000", Some((2, "a/x"))),
            ("a/x?localhost", None),
            ("a/x?clear.example.org", Some((3, "a/x"))),
            ("a/x?clear.example.org:80", Some((3, "a/x"))),
            ("a/x?clear.example.org:443", None),
            ("a/x?below.example.org", None),
            ("a/x?part.example.org", None),
            // As containerd asks where its mirror has a path of its own.
            ("hub/library/x?docker.io", Some((0, "library/x"))),
            ("hub/a/x?quay.io", None),
            // Nobody else's.
            ("a/x?ghcr.io", None),
            ("a/x", None),
        ],
    );
}

#[test]
fn what_is_said_counts_before_what_a_url_says() {
    let names = |names: &[&str]| names.iter().filter_map(|name| RegistryName::parse(name)).collect();
    let settings = settings([
        (Mapping { library: true, ..mapping("") }, registry("https://registry-1.docker.io/")),
        (
            Mapping { registries: names(&["docker.io"]), ..mapping("mirror") },
            registry("https://mirror.example.org/"),
        ),
        (
            Mapping {
                registries: names(&["gcr.io"]),
                remote_prefix: "proxies/gcr".to_owned(),
                ..mapping("gcr")
            },
            registry("https://harbor.example.org/"),
        ),
    ]);
    all_go(
        &settings,
        &[
            ("library/x?docker.io", Some((1, "library/x"))),
            ("library/x", Some((0, "library/x"))),
            ("a/x?mirror.example.org", Some((1, "a/x"))),
            ("a/x?gcr.io", Some((2, "proxies/gcr/a/x"))),
            ("a/x?harbor.example.org", None),
        ],
    );
}

/// One registry that nothing names stands for Docker Hub, as it does for dockerd; one with a name stands for that.
#[test]
fn a_mirror_without_a_name_is_one_of_docker_hub() {
    let nameless =
        ["http://127.0.0.1:5000/", "http://[::1]:5000/", "http://localhost:5000/", "http://registry:5000/"];
    for url in nameless {
        let own = resolve(None, url).expect("it is a URL").origin.replace("http://", "");
        let settings = settings([(mapping(""), registry(url))]);
        all_go(
            &settings,
            &[
                ("library/x?docker.io", Some((0, "library/x"))),
                (&format!("library/x?{own}"), Some((0, "library/x"))),
                ("library/x?quay.io", None),
                ("quay.io/x?docker.io", Some((0, "quay.io/x"))),
            ],
        );
    }
    for url in ["https://quay.io/", "https://registry.example.org:5000/", "https://docker.io.example.org/"] {
        let settings = settings([(mapping(""), registry(url))]);
        all_go(&settings, &[("library/x?docker.io", None)]);
    }
    let several = settings([
        (mapping(""), registry("http://127.0.0.1:5000/")),
        (mapping("a"), registry("http://127.0.0.1:5001/")),
    ]);
    all_go(&several, &[("library/x?docker.io", None), ("library/x?127.0.0.1:5000", Some((0, "library/x")))]);
    let said = Mapping { registries: RegistryName::parse("ghcr.io").into_iter().collect(), ..mapping("") };
    let said = settings([(said, registry("http://127.0.0.1:5000/"))]);
    all_go(&said, &[("a/x?docker.io", None), ("a/x?ghcr.io", Some((0, "a/x")))]);
}

#[test]
fn a_store_has_a_folder_for_each_registry_but_docker_hub() {
    let settings = settings([(mapping(""), Place::Layouts)]);
    all_go(
        &settings,
        &[
            ("library/x?docker.io", Some((0, "library/x"))),
            ("a/x?ghcr.io", Some((0, "ghcr.io/a/x"))),
            ("ghcr.io/a/x?ghcr.io", Some((0, "ghcr.io/a/x"))),
            ("ghcr.io/a/x", Some((0, "ghcr.io/a/x"))),
            ("ghcr.io/a/x?docker.io", None),
            ("ghcr.io/a/x?quay.io", None),
            ("a/x?ghcr.io:5000", None),
            ("a/x?[::1]", None),
        ],
    );
}

#[test]
fn a_list_has_hosts_and_patterns() {
    let listed = |host: &str| ListedHost::parse(host, resolve).expect("it can be listed");
    let place = |host: &ListedHost| match host {
        ListedHost::Registry { base, .. } => registry(&base.text),
        ListedHost::Pattern(pattern) => domain(&pattern.to_string()),
    };
    let hosts =
        ["ghcr.io", "docker.io", "*.azurecr.io", "http://localhost:5000", "named.azurecr.io"].map(listed);
    let settings = settings(hosts.iter().map(|host| (host.mapping("mirror", ""), place(host))));
    all_go(
        &settings,
        &[
            ("mirror/ghcr.io/owner/app", Some((0, "owner/app"))),
            ("owner/app?ghcr.io", Some((0, "owner/app"))),
            ("mirror/docker.io/httpd", Some((1, "library/httpd"))),
            ("httpd?docker.io", Some((1, "library/httpd"))),
            ("mirror/team.azurecr.io/app", Some((2, "team.azurecr.io/app"))),
            ("app?team.azurecr.io", Some((2, "team.azurecr.io/app"))),
            ("mirror/localhost:5000/app", Some((3, "app"))),
            ("app?localhost:5000", Some((3, "app"))),
            ("mirror/named.azurecr.io/app", Some((4, "app"))),
            ("app?named.azurecr.io", Some((4, "app"))),
            ("mirror/team.azurecr.io/app?team.azurecr.io", Some((2, "team.azurecr.io/app"))),
            ("mirror/team.azurecr.io/app?other.azurecr.io", None),
            ("mirror/quay.io/app", None),
            ("mirror/azurecr.io/app", None),
            ("mirror/app", None),
            ("ghcr.io/owner/app", None),
            ("app?quay.io", None),
            ("app?a.team.azurecr.io", None),
            ("app?team.azurecr.io:5000", None),
        ],
    );
    for text in [
        "",
        "a b",
        "ftp://a",
        "https://a/b",
        "https://user:pw@a",
        "*",
        "*.*",
        "10.0.0.*",
        "http://*.a.io",
        "a/b",
    ] {
        assert_eq!(ListedHost::parse(text, resolve), None, "{text}");
    }
}

#[test]
fn what_is_said_twice_is_found() {
    let said = |name: &str| Mapping {
        registries: RegistryName::parse(name).into_iter().collect(),
        ..mapping(name.split('.').next().unwrap_or_default())
    };
    let url = || registry("https://a.test/");
    let twice = |origins: [(Mapping, Place); 2]| settings(origins).said_twice().map(str::to_owned);
    assert_eq!(twice([(mapping("a"), url()), (mapping("a"), url())]).as_deref(), Some("a"));
    assert_eq!(twice([(mapping(""), url()), (mapping(""), url())]).as_deref(), Some(""));
    assert_eq!(twice([(said("a.io"), url()), (said("b.io"), url())]), None);
    let again = Mapping { prefix: "b".to_owned(), ..said("a.io") };
    assert_eq!(twice([(said("a.io"), url()), (again, url())]).as_deref(), Some("a.io"));
    assert_eq!(twice([(mapping(""), url()), (mapping(""), domain("*.test"))]), None);
}

#[test]
fn each_registry_of_a_domain_answers_for_itself() {
    let (one, two) = (sample::schema2(), sample::no_history());
    let mut world = in_front_of_a_domain();
    for (before, ns) in [("registry.test/", ""), ("", "registry.test"), ("registry.test/", "registry.test")] {
        assert!(is_of(&world.pull(&get(before, "latest", ns)), &one), "{before} {ns}");
    }
    for (before, ns) in [("second.test/", ""), ("", "second.test")] {
        assert!(is_of(&world.pull(&get(before, "latest", ns)), &two), "{before} {ns}");
    }
    let digest = one.manifest.digest();
    assert!(is_of(&world.pull(&get("", digest.as_str(), "registry.test")), &one));
    let other = world.pull(&get("", digest.as_str(), "second.test"));
    assert_eq!(told(&other), (404, "MANIFEST_UNKNOWN".to_owned()));
    let blob = Digest::of(&one.configs[0]);
    let layer = |host: &str| Sent::new("GET", &format!("/v2/{host}/{REPOSITORY}/blobs/{blob}"));
    assert_eq!(world.pull(&layer("registry.test")).response.status, 200);
    assert_eq!(world.pull(&layer("second.test")).response.status, 404);
    // What is kept has its host in its key, and an answer does not depend on how that is said.
    let kept: Vec<_> = world.kept().collect();
    let of = |host: &str| {
        let begins = |name: &str| name.starts_with(host);
        let is_of = |key: &&&Key| match key {
            Key::Document { scope, .. } | Key::Tag { scope, .. } | Key::List { scope, .. } => {
                begins(&scope.name)
            }
            Key::Answer { key, .. } => begins(&key.name),
            _ => false,
        };
        kept.iter().filter(is_of).count()
    };
    assert!(of("registry.test/") > 0 && of("second.test/") > 0);
    assert_eq!(of("registry.test/") + of("second.test/"), kept.len(), "{kept:?}");
    oracle::check(&world).unwrap();
}

#[test]
fn what_is_not_of_a_domain_is_not_asked() {
    let mut world = in_front_of_a_domain();
    for (before, ns) in [
        ("ghcr.io/", ""),
        ("", "ghcr.io"),
        ("169.254.169.254/", ""),
        ("", "169.254.169.254"),
        ("localhost/", ""),
        ("localhost:80/", ""),
        ("", "test"),
        ("test/", "test"),
        ("a.registry.test/", ""),
        ("registry.test:8443/", ""),
        ("", "registry.test:8443"),
        ("", "registry.test@ghcr.io"),
        ("", "*.test"),
        ("", "registry.test%2f"),
        ("", "registry.test%23.test"),
    ] {
        let received = world.pull(&get(before, "latest", ns));
        assert!(matches!(told(&received), (404, _)), "{before} {ns}: {received:?}");
    }
    assert_eq!(told(&world.pull(&get("", "latest", ""))), (404, "MANIFEST_UNKNOWN".to_owned()));
    assert_eq!(
        told(&world.pull(&get("registry.test/", "latest", "second.test"))),
        (400, "registry-mismatch".to_owned())
    );
    assert!(world.net.exchanges().is_empty());
}

/// Whoever may name a registry could name one inside: a domain is no way there, whatever its hosts resolve to.
#[test]
fn no_registry_of_a_domain_is_inside() {
    let mut world = in_front_of_a_domain();
    world.private = vec![Host::Second];
    assert!(is_of(&world.pull(&get("registry.test/", "latest", "")), &sample::schema2()));
    for (before, ns) in [("second.test/", ""), ("", "second.test")] {
        let received = world.pull(&get(before, "latest", ns));
        assert_eq!(told(&received), (502, "upstream-private-address".to_owned()));
    }
    // One that the operator names may be.
    let mut world = self::world([(mapping("second.test"), registry("https://second.test/"))]);
    world.private = vec![Host::Second];
    assert!(is_of(&world.pull(&get("second.test/", "latest", "")), &sample::no_history()));
}

/// Nobody has a name and password at the registries of a domain, and each has its own tokens.
#[test]
fn registries_of_a_domain_have_tokens_of_their_own() {
    let mut world = in_front_of_a_domain();
    const NOBODY: User = User { name: "", password: "" };
    world.net.change(&Change::Authentication(Authentication::Bearer));
    world.net.change(&Change::Rights(NOBODY, &["*"]));
    world.net.change(&Change::Rights(ALICE, &["*"]));
    world.net.change(&Change::Tokens(Some(300), u32::MAX));
    for _ in 0..2 {
        for host in ["registry.test", "second.test"] {
            let sent = Sent::new("GET", &format!("/v2/{host}/{REPOSITORY}/tags/list"));
            // What a client says of itself is for this server.
            let received = world.pull(&sent.with("Authorization", ALICE.basic().as_str()));
            assert_eq!(received.response.status, 200, "{received:?}");
        }
        world.pass(Duration::from_secs(60));
    }
    oracle::check(&world).unwrap();
    let who: BTreeSet<_> = world
        .net
        .exchanges()
        .iter()
        .map(|exchange| exchange.line())
        .filter(|line| line.contains("tags/list"))
        .map(|line| {
            [line.split(' ').nth(1), line.split(' ').next_back()]
                .map(|part| part.unwrap_or_default().to_owned())
        })
        .collect();
    let expected = [["registry", "-"], ["registry", "token-1"], ["second", "-"], ["second", "token-2"]];
    assert_eq!(who, expected.map(|line| line.map(str::to_owned)).into());
}

/// Anybody may have a registry there, and it may say that it has whatever layer others have.
#[test]
fn no_registry_of_a_domain_gets_what_another_one_has() {
    let by_host = Mapping { is_by_host: true, ..Mapping::default() };
    let mut world = world([(by_host, domain_with("*.test", Delivery::Cache))]);
    let layer = sample::schema2().layers.remove(0);
    let get = |host: &str| Sent::new("GET", &format!("/v2/{host}/{REPOSITORY}/blobs/{}", Digest::of(&layer)));
    let lie = Rule::at("/blobs/", Fault::Body(b"something else".to_vec())).of(Host::Second);
    world.net.change(&lie.change());
    for _ in 0..2 {
        assert_eq!(world.pull(&get("registry.test")).response.body, layer);
        for ask in [get("second.test"), get("second.test").with("Range", "bytes=0-9")] {
            let received = world.pull(&ask);
            let body = &received.response.body;
            assert!(received.is_broken || !layer.starts_with(body) || body.is_empty(), "{received:?}");
        }
    }
    // One that has it is asked for it.
    world.net.change(&Change::NoFaults);
    world.net.change(&Change::PushAt(Host::Second, REPOSITORY, "same", Box::new(sample::schema2())));
    assert_eq!(world.pull(&get("second.test")).response.body, layer);
}

/// Records are by the name here, and that has the registry in it.
#[test]
fn a_digest_that_was_reported_is_of_its_registry() {
    let mut world = in_front_of_a_domain();
    let by_schema1 =
        |before: &str, reference: &str, ns: &str| Sent { headers: Vec::new(), ..get(before, reference, ns) };
    let received = world.pull(&by_schema1("", "latest", "registry.test"));
    let digest = received.response.header("docker-content-digest").expect("there is a digest").to_owned();
    assert!(
        world.records.keys().all(|(name, _)| name.starts_with("registry.test/")),
        "{:?}",
        world.records.keys()
    );
    for (before, ns, status) in [
        ("", "registry.test", 200),
        ("registry.test/", "", 200),
        ("", "second.test", 404),
        ("second.test/", "", 404),
    ] {
        let received = world.pull(&by_schema1(before, &digest, ns));
        assert_eq!(received.response.status, status, "{before} {ns}");
    }
    // Nor after everything else is forgotten.
    world.restart();
    assert_eq!(world.pull(&by_schema1("second.test/", &digest, "")).response.status, 404);
    assert_eq!(world.pull(&by_schema1("", &digest, "registry.test")).response.status, 200);
}

#[test]
fn a_name_below_one_registry_is_not_that_of_another() {
    let mut world = world([
        (mapping("hub"), registry("https://registry.test")),
        (mapping("hub/library"), registry("https://second.test")),
    ]);
    let asked = world.pull(&get("", "latest", "registry.test"));
    assert_eq!(asked.response.status, 400, "{asked:?}");
}
