//! Hosts by HTTPS and in the clear, inside and outside, and several registries: who hears of what.

use core::time::Duration;
use std::sync::Arc;

use downshift::{Digest, Form};
use downshift_cases::images::{REPOSITORY, sample};
use downshift_pull::{Access, Delivery, Origin, OriginId, Place, Registry, Settings};
use downshift_registry::Mapping;
use downshift_world::fault::{Fault, Rule};
use downshift_world::net::{Authentication, Change, Host, Net, Redirect, User};
use downshift_world::oracle;
use downshift_world::rows::{AccessOption, Options, resolve};
use downshift_world::world::{Received, Sent, World};

const ALICE: User = User { name: "alice", password: "wonder land" };
const BOB: User = User { name: "bob", password: "builder" };

fn world(options: &Options, schemes: [&str; 4], authentication: Authentication) -> World {
    let urls = Host::ALL
        .into_iter()
        .zip(schemes)
        .map(|(host, scheme)| (host, format!("{scheme}://{}.test", host.name())));
    let net = Net::new(urls);
    let settings = options.settings(&net);
    let mut world = World::new(net, settings);
    world.net.change(&Change::Authentication(authentication));
    world.net.change(&Change::Rights(ALICE, &["*"]));
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    world
}

fn server() -> Options {
    Options { credentials: Some(ALICE), ..Options::default() }
}

fn tag() -> Sent {
    Sent::new("GET", &format!("/v2/{REPOSITORY}/manifests/latest")).with("Accept", Form::Schema2.media_type())
}

fn layer() -> Sent {
    Sent::new("GET", &format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(&sample::schema2().layers[0])))
}

fn told(received: &Received) -> (u16, String) {
    let reason = received
        .response
        .json()
        .map(|json| json["errors"][0]["detail"]["reason"].as_str().unwrap_or_default().to_owned());
    (received.response.status, reason.unwrap_or_default())
}

fn asked(world: &World, host: Host) -> usize {
    world.net.exchanges().iter().filter(|exchange| exchange.request.host == host).count()
}

const CLEAR: [&str; 4] = ["http"; 4];
const SECURE: [&str; 4] = ["https"; 4];

/// Some registries know no type of a manifest that shares a line with others.
#[test]
fn each_type_that_is_accepted_has_a_line_of_its_own() {
    let mut world = world(&Options::default(), CLEAR, Authentication::Open);
    assert_eq!(world.pull(&tag()).response.status, 200);
    let request = &world.net.exchanges()[0].request;
    let accept = request.headers.iter().filter(|(name, _)| name == "accept");
    let accept: Vec<_> = accept.map(|(_, value)| value.as_str()).collect();
    assert!(accept.iter().all(|line| !line.contains(',')), "{accept:?}");
    assert!(Form::ALL.iter().all(|form| accept.contains(&form.media_type())), "{accept:?}");
}

#[test]
fn no_name_and_password_go_to_a_token_service_in_the_clear() {
    for (schemes, status) in [
        (SECURE, 200),
        (CLEAR, 200),
        (["http", "https", "http", "http"], 200),
        (["https", "http", "https", "https"], 502),
    ] {
        let mut world = world(&server(), schemes, Authentication::Bearer);
        let received = world.pull(&tag());
        assert_eq!(received.response.status, status, "{schemes:?}: {received:?}");
        assert_eq!(asked(&world, Host::Tokens), usize::from(status == 200));
        oracle::check(&world).unwrap();
        // Nor those of clients.
        let options = Options { access: AccessOption::Upstream, ..Options::default() };
        let mut world = self::world(&options, schemes, Authentication::Bearer);
        let token = Sent::new("GET", "/_downshift/token?scope=repository:library/sample:pull");
        let received = world.pull(&token.with("Authorization", ALICE.basic().as_str()));
        assert_eq!(received.response.status, status, "{schemes:?}: {received:?}");
        assert_eq!(asked(&world, Host::Tokens), usize::from(status == 200));
        oracle::check(&world).unwrap();
    }
}

#[test]
fn no_token_service_of_another_kind_is_asked() {
    for realm in ["ftp://tokens.test/token", "tokens.test/token", "/token", "https://", "file:///token", ""] {
        let mut world = world(&server(), SECURE, Authentication::Bearer);
        world.net.change(&Change::Realm(realm));
        let received = world.pull(&tag());
        assert_eq!(told(&received), (502, "upstream-invalid".to_owned()), "{realm}");
        assert_eq!(asked(&world, Host::Tokens), 0);
    }
}

#[test]
fn no_redirect_leads_from_https_to_the_clear() {
    let redirect = |from, to, part| {
        let prefix = if part == "/moved" { "/back" } else { "/moved" };
        Change::Redirect(Redirect { from, part, to, prefix })
    };
    for (schemes, is_followed) in [
        (SECURE, true),
        (CLEAR, true),
        (["http", "http", "https", "http"], true),
        (["https", "https", "http", "https"], false),
    ] {
        for delivery in [Delivery::Stream, Delivery::Redirect] {
            let options = Options { delivery, ..server() };
            let mut world = world(&options, schemes, Authentication::Basic);
            world.net.change(&redirect(Host::Registry, Host::Elsewhere, "/blobs/"));
            let received = world.pull(&layer());
            match (is_followed, delivery) {
                (true, Delivery::Stream | Delivery::Cache) => {
                    assert_eq!(received.response.body, sample::schema2().layers[0]);
                }
                (true, Delivery::Redirect) => assert_eq!(received.response.status, 307),
                (false, _) => assert_eq!(told(&received), (502, "upstream-redirect".to_owned())),
            }
            if !is_followed || delivery == Delivery::Redirect {
                assert_eq!(asked(&world, Host::Elsewhere), 0);
            }
            oracle::check(&world).unwrap();
        }
    }
    // One that began in the clear, and got to HTTPS on its way, does not come back.
    let mut world = world(&server(), ["http", "http", "https", "http"], Authentication::Basic);
    world.net.change(&redirect(Host::Registry, Host::Elsewhere, "/blobs/"));
    world.net.change(&redirect(Host::Elsewhere, Host::Registry, "/moved"));
    assert_eq!(told(&world.pull(&layer())), (502, "upstream-redirect".to_owned()));
    oracle::check(&world).unwrap();
}

#[test]
fn hosts_inside_are_asked_for_nobody_else() {
    // A registry may itself be inside.
    let mut world = world(&server(), SECURE, Authentication::Basic);
    world.private = vec![Host::Registry, Host::Elsewhere, Host::Tokens];
    assert_eq!(world.pull(&tag()).response.status, 200);
    let redirect = Redirect { from: Host::Registry, part: "/blobs/", to: Host::Elsewhere, prefix: "" };
    world.net.change(&Change::Redirect(redirect));
    assert_eq!(told(&world.pull(&layer())), (502, "upstream-private-address".to_owned()));
    assert_eq!(asked(&world, Host::Elsewhere), 0);
    world.net.change(&Change::Authentication(Authentication::Bearer));
    assert_eq!(told(&world.pull(&tag())), (502, "upstream-private-address".to_owned()));
    assert_eq!(asked(&world, Host::Tokens), 0);
}

#[test]
fn a_redirect_that_goes_on_and_on_ends() {
    let mut world = world(&server(), SECURE, Authentication::Open);
    for (from, to) in [(Host::Registry, Host::Elsewhere), (Host::Elsewhere, Host::Registry)] {
        let location = format!("{{{}}}/v2/moved", to.name());
        world.net.change(&Change::Fault(Rule::at("/v2/", Fault::with(302, "location", &location)).of(from)));
    }
    assert_eq!(told(&world.pull(&tag())), (502, "upstream-redirect".to_owned()));
    assert_eq!(world.net.exchanges().len(), 6);
}

#[test]
fn where_there_is_little_memory_less_is_read_at_once() {
    for (memory, is_read) in [(None, true), (Some(10 * 1024), true), (Some(1), false)] {
        let mut world = world(&server(), SECURE, Authentication::Open);
        let mut settings = Settings::clone(&world.settings);
        settings.read_memory = memory;
        world.settings = Arc::new(settings);
        let (status, reason) = told(&world.pull(&Sent::new("GET", &format!("/v2/{REPOSITORY}/tags/list"))));
        let expected = if is_read { (200, "") } else { (502, "upstream-too-large") };
        assert_eq!((status, reason.as_str()), expected, "{memory:?}");
    }
}

/// Two registries with credentials of their own: neither hears of those of the other, nor of its tokens.
#[test]
fn registries_hear_of_their_own_credentials_only() {
    for authentication in [Authentication::Basic, Authentication::Bearer] {
        let net = Net::new(Host::ALL.map(|host| (host, format!("https://{}.test", host.name()))));
        let origin = |number, host, prefix: &str, user: &User| {
            let mapping = Mapping { prefix: prefix.to_owned(), ..Mapping::default() };
            let place = Place::Registry(Registry {
                base: resolve(None, &format!("{}/", net.url(host))).expect("it is a URL"),
                credentials: user.basic().credentials(),
                delivery: Delivery::Stream,
                timeout: Duration::from_secs(1),
            });
            Origin::new(OriginId(number), mapping, place)
        };
        let origins = vec![origin(0, Host::Registry, "", &ALICE), origin(1, Host::Second, "mirror", &BOB)];
        let mut settings = Settings::new(origins, Access::Open, resolve);
        settings.tag_lifetime = Duration::ZERO;
        let mut world = World::new(net, settings);
        world.net.change(&Change::Authentication(authentication));
        world.net.change(&Change::Tokens(Some(300), u32::MAX));
        world.net.change(&Change::Rights(ALICE, &["*"]));
        world.net.change(&Change::Rights(BOB, &["*"]));
        world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
        for _ in 0..2 {
            for name in [REPOSITORY, "mirror/library/sample"] {
                for sent in [
                    Sent::new("GET", &format!("/v2/{name}/manifests/latest")),
                    Sent::new("GET", &format!("/v2/{name}/tags/list")),
                ] {
                    let received = world.pull(&sent);
                    assert_eq!(received.response.status, 200, "{sent:?}: {received:?}");
                    assert_eq!(received.response.json().expect("it is JSON")["name"], name);
                }
            }
        }
        oracle::check(&world).unwrap();
        for exchange in world.net.exchanges() {
            let line = exchange.line();
            let others = match exchange.request.host {
                Host::Registry => ["bob", "token-2"],
                Host::Second => ["alice", "token-1"],
                Host::Tokens | Host::Elsewhere => continue,
            };
            assert!(!others.iter().any(|other| line.ends_with(other)), "{line}");
        }
    }
}

/// The same digest at another registry is not asked for by what is known of the first, where rights count.
#[test]
fn what_is_kept_of_one_registry_is_not_told_of_another() {
    let net = Net::new(Host::ALL.map(|host| (host, format!("https://{}.test", host.name()))));
    let mut settings = server().settings(&net);
    let mut world = World::new(net, settings.clone());
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    assert_eq!(world.pull(&tag()).response.status, 200);
    // The operator names another registry: it has a number of its own.
    settings.origins[0].id = OriginId(1);
    world.settings = settings.into();
    world.net.change(&Change::Fault(Rule::at("/", Fault::Close)));
    let digest = sample::schema2().manifest.digest();
    for reference in ["latest", digest.as_str()] {
        let sent = Sent::new("GET", &format!("/v2/{REPOSITORY}/manifests/{reference}"));
        assert_eq!(world.pull(&sent).response.status, 502, "{reference}");
    }
}

/// What a client wrote into its path leads nowhere else.
#[test]
fn no_reference_leads_to_another_host() {
    let mut world = world(&Options::default(), SECURE, Authentication::Open);
    for target in [
        "/v2/library/sample/manifests/..%2f..%2f..%2fx",
        "/v2/library/sample/manifests/%2e%2e",
        "/v2/library/sample/manifests/x%3fn=1",
        "/v2/library/sample/manifests/x%23",
        "/v2/second.test/x/manifests/latest",
        "/v2/user@second.test/x/manifests/latest",
        "/v2/http:%2f%2fsecond.test/x/manifests/latest",
        "/v2/..%2f..%2f/manifests/latest",
        "//second.test/v2/library/sample/manifests/latest",
        "http://second.test/v2/library/sample/manifests/latest",
        "/v2/library/sample/tags/list?n=1&last=x#https://second.test",
        "/v2/library/sample/referrers/sha256:x?a=\\..\\..",
    ] {
        let received = world.pull(&Sent::new("GET", target));
        assert!(received.response.status >= 200, "{target}");
    }
    assert_eq!(asked(&world, Host::Second) + asked(&world, Host::Elsewhere) + asked(&world, Host::Tokens), 0);
    for exchange in world.net.exchanges() {
        assert!(exchange.request.target.starts_with("/v2/"), "{}", exchange.line());
    }
}
