//! What the variables of an edge say, and what is wrong with them.

use core::time::Duration;

use downshift::{PlainLayers, Platform, Policy, UnsignedSchema1};
use downshift_pull::{Access, Delivery, Place, Registry, Settings, UPSTREAM_TIMEOUT, Url, Variables};
use downshift_registry::ClientRules;
use downshift_world::rows::resolve;

/// The settings of these members, beside what an edge has to have.
fn read(members: &str) -> Result<Settings, String> {
    variables(members).map(|variables| variables.settings)
}

/// The same with what they say of nothing else.
fn variables(members: &str) -> Result<Variables, String> {
    let json = format!("{{\"RECORDS\":true,{members}}}");
    let read = Variables::read(&json, resolve);
    read.map_err(|failure| format!("{}: {}; {}", failure.code, failure.cause, failure.remedy))
}

fn registries(settings: &Settings) -> Vec<&Registry> {
    settings
        .origins
        .iter()
        .filter_map(|origin| match &origin.place {
            Place::Registry(registry) => Some(registry),
            Place::Layouts | Place::Pulp(_) | Place::Domain(_) => None,
        })
        .collect()
}

/// What each registry is told of who asks.
fn told(settings: &Settings) -> Vec<Option<String>> {
    let header = |registry: &&Registry| {
        registry.credentials.as_ref().map(|credentials| credentials.authorization().as_str().to_owned())
    };
    registries(settings).iter().map(header).collect()
}

#[test]
fn little_has_to_be_said() {
    let settings = read(r#""UPSTREAM":"https://a.example.org""#).unwrap();
    let [registry] = registries(&settings)[..] else { panic!("{settings:?}") };
    assert_eq!(registry.base.text, "https://a.example.org/");
    assert_eq!((registry.delivery, registry.timeout), (Delivery::Stream, UPSTREAM_TIMEOUT));
    assert!(registry.credentials.is_none());
    assert_eq!((settings.access, settings.policy), (Access::Open, Policy::Strict));
    assert_eq!((settings.platform, settings.subrequests), (Platform::linux_amd64(), Some(50)));
    assert_eq!(settings.tag_lifetime, Duration::from_secs(10));
    assert_eq!((settings.plain_layers, settings.facts_wait), (PlainLayers::Old, Duration::from_secs(45)));
    assert_eq!(settings.layer_bytes, Some(256 * 1024 * 1024));
    assert_eq!(settings.unsigned_schema1, UnsignedSchema1::Allow);
    assert!(!settings.is_key_lasting && settings.stale_for.is_zero() && settings.marks_passes);
}

#[test]
fn much_can_be_said() {
    let settings = read(
        r#""UPSTREAM":"http://a.example.org:5000/registry/v2/","AUTH":"upstream","POLICY":"reference",
        "PUBLIC_URL":"https://images.example.org//","PLATFORM":"linux/arm/v7","LIMITS":"{\"layers\": 127}",
        "TAG_TTL":"0.25","SUBREQUESTS":1000,"BLOBS":"redirect","UPSTREAM_TIMEOUT":"7","SIGNING_KEY":true,
        "SIGNER":"webcrypto","PLAIN_LAYERS":"always","FACTS_WAIT":"1.5","LAYER_BYTES":"262144",
        "UNSIGNED_SCHEMA1":"refuse","OTHER":{"a":[1]}"#,
    )
    .unwrap();
    let [registry] = registries(&settings)[..] else { panic!("{settings:?}") };
    assert_eq!(registry.base.text, "http://a.example.org:5000/registry/");
    assert_eq!((registry.delivery, registry.timeout), (Delivery::Redirect, Duration::from_secs(7)));
    let public_url = Some("https://images.example.org".to_owned());
    assert_eq!((settings.access, settings.policy), (Access::Upstream { public_url }, Policy::Reference));
    assert_eq!((settings.platform.to_string(), settings.subrequests), ("linux/arm/v7".into(), Some(1000)));
    assert_eq!((settings.limits.layers, settings.limits.history), (127, 8_192));
    assert_eq!(settings.tag_lifetime, Duration::from_millis(250));
    assert_eq!(
        (settings.plain_layers, settings.facts_wait),
        (PlainLayers::Always, Duration::from_millis(1500))
    );
    assert_eq!(settings.layer_bytes, Some(262_144));
    assert_eq!(settings.unsigned_schema1, UnsignedSchema1::Refuse);
    assert!(settings.is_key_lasting);
    // Limits of conversions and of layers have other names.
    let limits =
        r#""UPSTREAM":"https://a","LIMITS":{"window-bytes":1,"layers":2,"layer-bytes":5000000000,"work":3}"#;
    let Variables { settings, limits, layer_limits } = variables(limits).unwrap();
    assert_eq!((settings.limits.layers, settings.layer_bytes), (2, Some(5_000_000_000)));
    assert_eq!((limits.as_str(), layer_limits), (r#"{"layers":2}"#, vec![("window-bytes", 1), ("work", 3)]));
    // An empty variable says nothing, and JSON may be the variable itself.
    let settings = read(r#""UPSTREAM":"https://a","POLICY":"","LIMITS":{"depth":9},"TAG_TTL":null"#).unwrap();
    assert_eq!((settings.limits.depth, settings.policy), (9, Policy::Strict));
}

#[test]
fn what_is_allowed_is_for_all_repositories_or_for_those_of_a_registry() {
    let allowed = |settings: &Settings| -> Vec<String> {
        settings.origins.iter().map(|origin| settings.allowed(origin.id).to_string()).collect()
    };
    let two = r#""UPSTREAMS":[{"url":"https://a","prefix":"a","allow":["zstd-layer","artifact"]},{"url":"https://b"}]"#;
    for (variables, expected) in [
        (format!(r#"{two},"ALLOW":"foreign-layer""#), ["artifact,foreign-layer,zstd-layer", "foreign-layer"]),
        (format!(r#"{two},"ALLOW":"""#), ["artifact,zstd-layer", ""]),
        (
            format!(r#"{two},"ALLOW":["base-layer","artifact"]"#),
            ["artifact,base-layer,zstd-layer", "artifact,base-layer"],
        ),
    ] {
        assert_eq!(allowed(&read(&variables).unwrap()), expected, "{variables}");
    }
    for variables in
        [r#""UPSTREAM":"https://a","ALLOW":"foreign""#, r#""UPSTREAMS":[{"url":"https://a","allow":"x"}]"#]
    {
        assert!(read(variables).unwrap_err().contains("there is no permission"), "{variables}");
    }
}

#[test]
fn clients_are_what_rules_say() {
    let rules = |texts: &[&str]| ClientRules::parse(texts.iter().copied()).unwrap();
    let settings = read(
        r#""UPSTREAMS":[{"url":"https://a","prefix":"a","client":["docker/20.10 zstd=all"]},{"url":"https://b"}],
        "CLIENT":"trivy refuses=schema1, crane refuses=none""#,
    )
    .unwrap();
    let own: Vec<_> = settings.origins.iter().map(|origin| origin.clients.clone()).collect();
    assert_eq!(own, [rules(&["docker/20.10 zstd=all"]), rules(&[])]);
    assert_eq!(settings.clients, rules(&["trivy refuses=schema1", "crane refuses=none"]));
    for (variables, expected) in [
        (r#""UPSTREAM":"https://a","CLIENT":"docker zstd=some""#, "not a property of clients"),
        (r#""UPSTREAM":"https://a","CLIENT":[7]"#, "`CLIENT` is missing or wrong"),
        (r#""UPSTREAMS":[{"url":"https://a","client":"docker"}]"#, "says nothing of the client"),
    ] {
        let error = read(variables).unwrap_err();
        assert!(error.contains(expected), "{variables}: {error}");
    }
}

#[test]
fn docker_hub_has_many_names() {
    for (url, is_hub) in
        [("https://docker.io", true), ("https://index.docker.io/v2", true), ("https://quay.io", false)]
    {
        let settings = read(&format!("\"UPSTREAM\":\"{url}\"")).unwrap();
        let origin = settings.origins.first().unwrap();
        assert_eq!(origin.mapping.library, is_hub, "{url}");
        let base = if is_hub { "https://registry-1.docker.io/" } else { "https://quay.io/" };
        assert_eq!(registries(&settings)[0].base.text, base);
    }
}

#[test]
fn a_name_and_password_are_told_to_the_registry_that_they_are_for() {
    const ALICE: &str = "Basic YWxpY2U6c2VjcmV0";
    let one =
        r#""UPSTREAM":"https://a.example.org","UPSTREAM_USERNAME":"alice","UPSTREAM_PASSWORD":"secret""#;
    assert_eq!(told(&read(one).unwrap()), [Some(ALICE.into())]);
    let several = r#"[{"url":"https://a.example.org","prefix":"a","username":"alice","password":"OF_A","blobs":"redirect"},
        {"url":"https://b.example.org","remotePrefix":"team","library":true}]"#;
    let text = several.replace('\n', "").replace('"', "\\\"");
    for upstreams in [several.to_owned(), format!("\"{text}\"")] {
        let settings = read(&format!("\"UPSTREAMS\":{upstreams},\"OF_A\":\"secret\"")).unwrap();
        assert_eq!(told(&settings), [Some(ALICE.into()), None]);
        let scope = |name: &str| settings.scope_of(name).map(|scope| (scope.origin.0, scope.name));
        assert_eq!(scope("a/app"), Some((0, "app".into())));
        assert_eq!(scope("app"), Some((1, "team/app".into())));
        assert_eq!(registries(&settings)[0].delivery, Delivery::Redirect);
    }
}

#[test]
fn a_list_has_several_registries() {
    let settings = read(
        r#""UPSTREAMS":[{"hosts":["ghcr.io","docker.io","*.azurecr.io"],"prefix":"mirror","blobs":"redirect","slash":"__"},
        {"url":"http://localhost:5000","ns":["example.org:5000","gcr.io"]}]"#,
    )
    .unwrap();
    let numbers: Vec<_> = settings.origins.iter().map(|origin| origin.id.0).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    let scope = |name: &str| settings.scope_of(name).map(|scope| (scope.origin.0, scope.name));
    assert_eq!(scope("mirror/ghcr.io/owner/app"), Some((0, "owner/app".into())));
    assert_eq!(scope("mirror/ghcr.io/owner__app"), Some((0, "owner/app".into())));
    assert_eq!(scope("mirror/docker.io/app"), Some((1, "library/app".into())));
    assert_eq!(scope("mirror/team.azurecr.io/app"), Some((2, "team.azurecr.io/app".into())));
    assert_eq!(scope("mirror/quay.io/app"), None);
    assert_eq!(scope("app"), Some((3, "app".into())));
    assert!(registries(&settings)[..2].iter().all(|registry| registry.delivery == Delivery::Redirect));
    let said: Vec<_> = settings.origins[3].mapping.registries.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["example.org:5000", "gcr.io"]);
    // The one registry has names as well.
    let settings =
        read(r#""UPSTREAM":"https://a.example.org","UPSTREAM_NS":"docker.io, b.example.org""#).unwrap();
    let said: Vec<_> = settings.origins[0].mapping.registries.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["docker.io", "b.example.org"]);
}

#[test]
fn what_is_wrong_is_named_and_no_secret_is_shown() {
    const UPSTREAM: &str = r#""UPSTREAM":"https://a.example.org""#;
    let variable = |name: &str| format!("the variable `{name}` is missing or wrong");
    let of_a = |lacks: &str| format!("the registry `a.example.org` has credentials without {lacks}");
    let one = |name: &str| format!("`{name}` is for the one registry of `UPSTREAM`, and `UPSTREAMS` is set");
    let upstreams = |members: &str| format!(r#""UPSTREAMS":[{{"url":"https://a.example.org"{members}}}]"#);
    let with = |members: &str| format!("{UPSTREAM},{members}");
    let list = |hosts: &str, members: &str| format!(r#""UPSTREAMS":[{{"hosts":{hosts}{members}}}]"#);
    let host = |host: &str, member: &str| format!("`{host}` in `{member}` is not the host of a registry");
    let beside = |member: &str| format!("`{member}` is for one registry, and stands beside `hosts`");
    let texts =
        |member: &str| format!("the member `{member}` of a registry of `UPSTREAMS` is not an array of texts");
    for (members, cause) in [
        (String::from("\"OTHER\":1"), variable("UPSTREAM")),
        (String::from(r#""UPSTREAM":"ftp://a""#), variable("UPSTREAM")),
        (String::from(r#""UPSTREAM":"https://a?x""#), variable("UPSTREAM")),
        (String::from(r##""UPSTREAM":"https://a#x""##), variable("UPSTREAM")),
        (String::from(r#""UPSTREAM":"https://alice:hunter2@a/""#), variable("UPSTREAM")),
        (String::from(r#""UPSTREAM":"https://:hunter2@a/""#), variable("UPSTREAM")),
        (String::from(r#""UPSTREAMS":[]"#), variable("UPSTREAMS")),
        (String::from(r#""UPSTREAMS":"[null]""#), variable("UPSTREAMS")),
        (String::from(r#""UPSTREAMS":"[hunter2""#), variable("UPSTREAMS")),
        (with(r#""RECORDS":null"#), variable("RECORDS")),
        (with(r#""AUTH":"hunter2""#), variable("AUTH")),
        (with(r#""BLOBS":"hunter2""#), variable("BLOBS")),
        (with(r#""BLOBS":"cache""#), variable("BLOBS")),
        (with(r#""PLAIN_LAYERS":"hunter2""#), variable("PLAIN_LAYERS")),
        (with(r#""FACTS_WAIT":"hunter2""#), variable("FACTS_WAIT")),
        (with(r#""UNSIGNED_SCHEMA1":"hunter2""#), variable("UNSIGNED_SCHEMA1")),
        (with(r#""LAYER_BYTES":"hunter2""#), variable("LAYER_BYTES")),
        (with(r#""POLICY":"hunter2""#), variable("POLICY")),
        (with(r#""PLATFORM":"hunter2""#), variable("PLATFORM")),
        (with(r#""PLATFORM":7"#), variable("PLATFORM")),
        (with(r#""SIGNER":"hunter2""#), variable("SIGNER")),
        (with(r#""TAG_TTL":"hunter2""#), variable("TAG_TTL")),
        (with(r#""TAG_TTL":-1"#), variable("TAG_TTL")),
        (with(r#""UPSTREAM_TIMEOUT":0"#), variable("UPSTREAM_TIMEOUT")),
        (with(r#""SUBREQUESTS":"1.5""#), variable("SUBREQUESTS")),
        (with(r#""LIMITS":"hunter2""#), variable("LIMITS")),
        (with(r#""LIMITS":[1]"#), variable("LIMITS")),
        (with(r#""LIMITS":{"layers":"hunter2"}"#), variable("LIMITS")),
        (with(r#""LIMITS":{"layer":1}"#), "there is no limit `layer`".to_owned()),
        (with(r#""UPSTREAM_USERNAME":"alice""#), of_a("its secret `UPSTREAM_PASSWORD`")),
        (with(r#""UPSTREAM_PASSWORD":"hunter2""#), of_a("its `username`")),
        (upstreams(r#","username":"alice","password":"OF_A""#), of_a("its secret `OF_A`")),
        (upstreams(r#","username":"alice","password":"constructor""#), of_a("its secret `constructor`")),
        (upstreams(r#","username":"alice""#), of_a("its `password`")),
        (upstreams(r#","password":"OF_A""#), of_a("its `username`")),
        (upstreams(r#","prefix":"No""#), variable("UPSTREAMS")),
        (
            upstreams(r#","prefix":7"#),
            "the member `prefix` of a registry of `UPSTREAMS` is not a text".to_owned(),
        ),
        (
            upstreams(r#","usernmae":"alice""#),
            "a registry of `UPSTREAMS` has the unknown member `usernmae`".to_owned(),
        ),
        (upstreams("") + r#","UPSTREAM_USERNAME":"alice""#, one("UPSTREAM_USERNAME")),
        (with(r#""UPSTREAM_NS":"a b""#), host("a b", "ns")),
        (upstreams(r#","ns":["alice:hunter2@a"]"#), host("…", "ns")),
        (upstreams(r#","ns":"a.io""#), texts("ns")),
        (upstreams(r#","ns":[7]"#), texts("ns")),
        (upstreams(r#","slash":"/""#), variable("UPSTREAMS")),
        (upstreams(r#","hosts":["ghcr.io"]"#), beside("url")),
        (list(r#"["https://alice:hunter2@a"]"#, ""), host("…", "hosts")),
        (list(r#"["*"]"#, ""), host("*", "hosts")),
        (list(r#"["a/b"]"#, ""), host("a/b", "hosts")),
        (list(r#"["a.io"]"#, r#","username":"alice","password":"OF_A""#), beside("username")),
        (list(r#"["a.io"]"#, r#","remotePrefix":"team""#), beside("remotePrefix")),
        (list(r#"["a.io"]"#, r#","library":true"#), beside("library")),
        (list(r#"["a.io"]"#, r#","ns":["b.io"]"#), beside("ns")),
        (
            list(r#"["a.io","https://a.io"]"#, ""),
            "`a.io` stands for two registries of `UPSTREAMS`".to_owned(),
        ),
        (list(r#"["a.io","b.io"]"#, "") + r#","AUTH":"upstream""#, variable("AUTH")),
        (list(r#"["*.a.io"]"#, "") + r#","AUTH":"upstream""#, variable("AUTH")),
        (upstreams("") + r#","UPSTREAM_PASSWORD":"hunter2""#, one("UPSTREAM_PASSWORD")),
        (
            r#""UPSTREAMS":[{"url":"https://a"},{"url":"https://b","prefix":"b"}],"AUTH":"upstream""#
                .to_owned(),
            variable("AUTH"),
        ),
    ] {
        let error = read(&members).expect_err(&members);
        assert!(error.contains(&format!(": {cause}; ")), "{members}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(Variables::read("[hunter2", resolve).is_err_and(|failure| failure.code == "invalid-setting"));
}

#[test]
fn urls_are_of_registries() {
    let base = |text| Url::of_registry(text, resolve).map(|url| url.text);
    for (text, expected) in [
        ("http://localhost:5000", "http://localhost:5000/"),
        ("https://example.org/registry/v2/", "https://example.org/registry/"),
        ("https://example.org/v2", "https://example.org/"),
        ("https://docker.io:8443", "https://registry-1.docker.io:8443/"),
    ] {
        assert_eq!(base(text).as_deref(), Some(expected), "{text}");
    }
    for text in ["", "a", "ftp://a", "https://user:pw@a", "https://a/?x", "https://a/#x", "file:///etc"] {
        assert_eq!(base(text), None, "{text}");
    }
}
