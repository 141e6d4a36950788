//! Under which keys answers are kept: what decides an answer is in its key, and nothing else is.

use downshift::{Capabilities, Digest, Form, Permission, Platform, ZstdSupport};
use downshift_cases::images::{Family, Image, REPOSITORY, sample};
use downshift_pull::{Key, OriginId};
use downshift_registry::{AnswerKey, Meaning, Reference};
use downshift_world::net::{Change, Host};
use downshift_world::rows::{Options, Upstream, schema1_digest};
use downshift_world::world::{Sent, World};

/// A world with the sample's images.
fn world() -> World {
    let mut world = Options::default().world("https");
    world.settings = std::sync::Arc::new(downshift_pull::Settings {
        tag_lifetime: core::time::Duration::from_secs(3600),
        ..(*world.settings).clone()
    });
    for (tag, image) in sample::in_every_form() {
        world.net.change(&Change::Push(REPOSITORY, tag, Box::new(image)));
    }
    world
}

fn get(reference: &str, accept: &str, user_agent: &str) -> Sent {
    let sent = Sent::new("GET", &format!("/v2/{REPOSITORY}/manifests/{reference}"));
    let sent = if accept.is_empty() { sent } else { sent.with("Accept", accept) };
    if user_agent.is_empty() { sent } else { sent.with("User-Agent", user_agent) }
}

/// How many answers are kept.
fn answers(world: &World) -> usize {
    world.kept().filter(|key| matches!(key, Key::Answer { .. })).count()
}

fn on(platform: usize) -> String {
    format!("docker/20.10.24 os/linux arch/made{platform}up")
}

/// A type of manifests that has no form.
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

/// A member of `Capabilities`, and two clients.
type Member = (&'static str, fn() -> [Capabilities; 2]);

/// For each member of `Capabilities`, two clients that differ in nothing else, and that get different things. Who adds a
/// member adds a line here, and has to show that a key tells the two apart.
const MEMBERS: [Member; 6] = [
    ("weights", || [Capabilities::of(&[Form::Oci]), Capabilities::of(&[Form::Schema2])]),
    ("types", || [Capabilities::default(), Capabilities::default().with_type(ARTIFACT, 1000)]),
    ("any", || [Capabilities::of(&[Form::List]), Capabilities::of(&[Form::List]).with_any()]),
    ("platform", || {
        let of = |architecture| Capabilities::default().with_platform(Platform::new("linux", architecture));
        [of("arm64"), of("amd64")]
    }),
    ("unreadable", || [Capabilities::default(), Capabilities::default().with_schema1_engine()]),
    ("zstd", || {
        let of = |zstd| Capabilities::of(&[Form::Oci]).with_zstd(zstd);
        [of(ZstdSupport::None), of(ZstdSupport::All)]
    }),
];

/// The names of the members of a struct, as `Debug` prints it.
fn members(debug: &str) -> Vec<&str> {
    let (_, members) = debug.split_once('{').expect("a struct has braces");
    let mut depth = 0_u32;
    let mut names = Vec::new();
    for part in members.trim_end_matches('}').split_inclusive([',', '[', ']', '(', ')', '{', '}']) {
        if depth == 0
            && let Some((name, _)) = part.split_once(": ")
        {
            names.push(name.trim());
        }
        if part.ends_with(['[', '(', '{']) {
            depth += 1;
        } else if part.ends_with([']', ')', '}']) {
            depth -= 1;
        }
    }
    names
}

fn key(client: Capabilities) -> AnswerKey {
    AnswerKey {
        name: REPOSITORY.to_owned(),
        reference: Reference::Tag("latest".to_owned()),
        meaning: Meaning::Upstream(Digest::of(b"")),
        client: client.canonical(),
    }
}

#[test]
fn every_member_that_decides_is_in_the_key() {
    let names: Vec<&str> = MEMBERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(members(&format!("{:?}", Capabilities::default())), names);
    for (name, clients) in MEMBERS {
        let [one, other] = clients().map(key);
        assert_ne!(one, other, "`{name}` is not in the key");
        assert_ne!(one.path(), other.path(), "`{name}` is not in the path of the key");
    }
    // The variant of a platform is part of it.
    let variant = |variant: Option<&str>| {
        let platform = Platform { variant: variant.map(str::to_owned), ..Platform::new("linux", "arm") };
        key(Capabilities::default().with_platform(platform)).path()
    };
    assert_ne!(variant(Some("v6")), variant(Some("v7")));
    assert_ne!(variant(None), variant(Some("v7")));
}

#[test]
fn a_thousand_platforms_of_a_plain_image_are_one_answer() {
    for (tag, accept) in [
        ("schema2", ""),
        ("schema2", Form::Schema2.media_type()),
        ("schema2", Form::Oci.media_type()),
        ("index", Form::Index.media_type()),
        ("list", Form::List.media_type()),
    ] {
        let mut world = world();
        for platform in 0..1000 {
            let received = world.pull(&get(tag, accept, &on(platform)));
            assert_eq!(received.response.status, 200, "{received:?}");
        }
        assert_eq!(answers(&world), 1, "{tag} as {accept}");
    }
}

#[test]
fn a_thousand_platforms_by_digest_are_one_answer() {
    let mut world = world();
    let list = Form::List.media_type();
    let arm64 = world.pull(&get("index", "", "docker/17.05 os/linux arch/arm64"));
    let reported = [
        schema1_digest(&sample::schema2(), "schema2").to_string(),
        world
            .pull(&get("index", list, ""))
            .response
            .header("docker-content-digest")
            .unwrap_or_default()
            .to_owned(),
        arm64.response.header("docker-content-digest").unwrap_or_default().to_owned(),
        sample::index().manifest.digest().to_string(),
    ];
    world.pull(&get("schema2", "", ""));
    for digest in reported {
        let before = answers(&world);
        for platform in 0..100 {
            let received = world.pull(&get(&digest, "*/*", &on(platform)));
            assert_eq!(received.response.status, 200, "{digest}: {received:?}");
        }
        assert_eq!(answers(&world), before + 1, "{digest}");
    }
}

#[test]
fn types_that_are_of_no_form_are_no_keys() {
    const MANIFEST: &[u8] = br#"{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[]}"#;
    let mut world = world();
    world.net.change(&Change::PushBytes(REPOSITORY, "artifact", MANIFEST));
    for number in 0..100 {
        let accept = format!("{ARTIFACT}, {}, application/x{number}+json", Form::Schema2.media_type());
        for tag in ["artifact", "schema2"] {
            assert_eq!(world.pull(&get(tag, &accept, "")).response.status, 200);
        }
        // What is kept for one is not for the next, who does not take it.
        let accept = format!("{}, application/x{number}+json", Form::Schema2.media_type());
        assert_eq!(world.pull(&get("artifact", &accept, "")).response.status, 400);
    }
    assert_eq!(answers(&world), 2);
}

#[test]
fn weights_are_no_keys_where_they_decide_nothing() {
    let (schema2, oci) = (Form::Schema2.media_type(), Form::Oci.media_type());
    let mut world = world();
    for weight in 1..1000 {
        let accept = format!("{schema2};q=0.{weight:03}, {oci};q=0.{:03}", 1000 - weight);
        assert_eq!(world.pull(&get("schema2", &accept, "")).response.status, 200);
    }
    for accept in [
        format!("{schema2}, {oci}"),
        format!("{oci} , {schema2}"),
        format!("{schema2};q=1.000;v=1,{oci};Q=0.0000000001"),
        format!("{}, {oci}, text/html", schema2.to_uppercase()),
    ] {
        assert_eq!(world.pull(&get("schema2", &accept, "")).response.status, 200);
    }
    assert_eq!(answers(&world), 1);
    // Where they decide, they are.
    world.pull(&get("schema2", &format!("{schema2};q=0, {oci}"), ""));
    assert_eq!(answers(&world), 2);
}

/// The key without a platform says that there is one for each, and those are there beside it.
#[test]
fn platforms_are_keys_where_they_decide() {
    let mut world = world();
    for _ in 0..2 {
        for architecture in ["amd64", "arm64"] {
            let received =
                world.pull(&get("index", "", &format!("cri-o/1.30.1 os/linux arch/{architecture}")));
            let json = received.response.json().expect("schema 1 is JSON");
            assert_eq!(json["architecture"], architecture);
        }
        // One that says nothing of itself has the operator's, and leaves the others theirs.
        let json = world.pull(&get("index", "", "")).response.json().expect("schema 1 is JSON");
        assert_eq!(json["architecture"], "amd64");
    }
    assert_eq!(answers(&world), 3);
    // What is refused is not kept at all.
    for platform in 0..100 {
        assert_eq!(world.pull(&get("index", "", &on(platform))).response.status, 400);
    }
    assert_eq!(answers(&world), 3);
}

/// An index goes out as it is stored to an engine which reads what it would pick of it, and that depends on its platform.
#[test]
fn platforms_are_keys_where_an_index_is_looked_into() {
    let mut world = Options::default().world("https");
    let push =
        |world: &mut World, tag, image| world.net.change(&Change::Push(REPOSITORY, tag, Box::new(image)));
    push(&mut world, "mixed", sample::zstd_beside_gzip());
    push(&mut world, "zstd", sample::zstd_index());
    let accept = [Form::Index, Form::Oci].map(Form::media_type).join(", ");
    let on = |version: &str, platform: &str| format!("docker/{version} os/linux arch/{platform}");
    let mut digests = Vec::new();
    for _ in 0..2 {
        for platform in ["amd64", "arm64", "sparc"] {
            let received = world.pull(&get("mixed", &accept, &on("20.10.24", platform)));
            assert_eq!(received.response.status, 200, "{received:?}");
            digests.push(received.response.header("docker-content-digest").unwrap_or_default().to_owned());
        }
    }
    let stored = sample::zstd_beside_gzip().manifest.digest();
    let (first, again) = digests.split_at(3);
    assert_eq!(first, again);
    assert!(
        first[0] != first[1] && first[0] != stored.as_str() && first[1] != stored.as_str(),
        "{digests:?}"
    );
    assert_eq!(first[2], stored.as_str());
    // The key without a platform, and one for each that there is.
    assert_eq!(answers(&world), 3);
    let stored = sample::zstd_index().manifest.digest();
    for (version, is_stored) in [("20.10.24", false), ("23.0.1", true), ("25.0.5", true)] {
        let received = world.pull(&get("zstd", &accept, &on(version, "amd64")));
        assert_eq!(received.response.status, 200, "{received:?}");
        let digest = received.response.header("docker-content-digest");
        assert_eq!(digest == Some(stored.as_str()), is_stored, "{version}");
    }
    // For each that reads zstd or not one without a platform, and the one that was looked into.
    assert_eq!(answers(&world), 6);
}

/// Docker 1.13 opens one entry of a list, and that may be one it cannot read: also by digest the answer is its platform's.
#[test]
fn platforms_are_keys_where_a_list_is_for_some() {
    let mut world = Options::default().world("https");
    let platforms = ["amd64", "riscv64"].map(|architecture| Platform::new("linux", architecture));
    let entries = platforms.into_iter().zip([sample::schema2(), sample::oci()]).collect();
    let list = Image::index(Family::Docker, entries);
    let digest = list.manifest.digest();
    world.net.change(&Change::Push(REPOSITORY, "some", Box::new(list)));
    let accept = [Form::Schema2, Form::List].map(Form::media_type).join(", ");
    for _ in 0..2 {
        for (architecture, status) in [("amd64", 200), ("riscv64", 400)] {
            let on = format!("docker/1.13.1 os/linux arch/{architecture}");
            let received = world.pull(&get(digest.as_str(), &accept, &on));
            assert_eq!(received.response.status, status, "{architecture}: {received:?}");
        }
    }
    // The key without a platform, and the one.
    assert_eq!(answers(&world), 2);
}

/// Who says no platform gets the default one's answer, which is not for everybody.
#[test]
fn an_answer_to_who_says_no_platform_is_for_the_default_one() {
    let mut world = world();
    let on = |platform: &str| get("index", "", &format!("cri-o/1.30.1 os/linux arch/{platform}"));
    assert_eq!(world.pull(&get("index", "", "")).response.status, 200);
    assert_eq!(world.pull(&on("sparc")).response.status, 400);
    let kept = answers(&world);
    assert_eq!(world.pull(&on("amd64")).response.status, 200);
    assert_eq!(answers(&world), kept);
}

/// What is allowed in the repositories of one origin is not in those of another.
#[test]
fn what_is_allowed_is_by_repository() {
    const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let mut world = world();
    let mut settings = (*world.settings).clone();
    let mut mirror = settings.origins.first().cloned().expect("there is a registry");
    mirror.id = OriginId(1);
    mirror.mapping.prefix = "mirror".to_owned();
    mirror.allow = [Permission::ForeignLayer].into_iter().collect();
    settings.origins.push(mirror);
    world.settings = std::sync::Arc::new(settings);
    world.net.change(&Change::Push(
        REPOSITORY,
        "foreign",
        Box::new(sample::with_layers(Family::Docker, FOREIGN)),
    ));
    for _ in 0..2 {
        for (name, status) in [(format!("mirror/{REPOSITORY}"), 200), (REPOSITORY.to_owned(), 400)] {
            let sent = Sent::new("GET", &format!("/v2/{name}/manifests/foreign"));
            assert_eq!(world.pull(&sent).response.status, status, "{name}");
        }
    }
}

/// The same image under the same name in two registries: two answers, two records, two of whatever is kept of either; and
/// one of each, in whatever way a client says the registry.
#[test]
fn the_registry_is_in_every_key() {
    const UPSTREAMS: &[Upstream] = &[Upstream::by_host(Host::Registry), Upstream::by_host(Host::Second)];
    let mut world = Options { upstreams: UPSTREAMS, ..Options::default() }.world("https");
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    let hosts = ["registry.test", "second.test"];
    let mut kept = Vec::new();
    for host in hosts {
        for target in [
            format!("/v2/{REPOSITORY}/manifests/latest?ns={host}"),
            format!("/v2/{host}/{REPOSITORY}/manifests/latest"),
            format!("/v2/{host}/{REPOSITORY}/manifests/latest?ns={host}"),
        ] {
            assert_eq!(world.pull(&Sent::new("GET", &target)).response.status, 200, "{target}");
            kept.push(world.kept().count());
        }
    }
    let [one, _, _, two, _, _] = kept[..] else { panic!("{kept:?}") };
    assert_eq!(kept, [one, one, one, two, two, two]);
    assert_eq!(two, 2 * one);
    assert_eq!(answers(&world), 2);
    let recorded: Vec<_> = world.records.keys().map(|(name, _)| name.as_str()).collect();
    assert_eq!(recorded, hosts.map(|host| format!("{host}/{REPOSITORY}")));
}
