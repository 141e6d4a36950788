//! The catalog of several origins: all names once, whatever the pages are, and each one can be pulled by.

use core::time::Duration;
use std::collections::BTreeSet;

use downshift_cases::images::sample;
use downshift_pull::{Access, Delivery, Origin, OriginId, Place, Registry, Settings};
use downshift_registry::Mapping;
use downshift_world::fault::{Fault, Rule};
use downshift_world::net::{Authentication, Change, Host, Net, User};
use downshift_world::oracle;
use downshift_world::repository::Repository;
use downshift_world::rows::{AccessOption, Options, resolve};
use downshift_world::world::{Received, Sent, World};

/// A store, a registry, and another one with the same content below `hub`, which is called otherwise there.
fn world() -> World {
    let net = Net::new(Host::ALL.map(|host| (host, format!("https://{}.test", host.name()))));
    let registry = |host| {
        Place::Registry(Registry {
            base: resolve(None, &format!("{}/", net.url(host))).expect("it is a URL"),
            credentials: None,
            delivery: Delivery::Stream,
            timeout: Duration::from_secs(1),
        })
    };
    let origin = |number, prefix: &str, remote_prefix: &str, library, place| {
        let (prefix, remote_prefix) = (prefix.to_owned(), remote_prefix.to_owned());
        let mapping = Mapping { prefix, remote_prefix, library, ..Mapping::default() };
        Origin::new(OriginId(number), mapping, place)
    };
    let origins = vec![
        origin(0, "", "", false, Place::Layouts),
        origin(1, "other", "team", false, registry(Host::Second)),
        origin(2, "hub", "", true, registry(Host::Registry)),
    ];
    let mut settings = Settings::new(origins, Access::Open, resolve);
    settings.tag_lifetime = Duration::ZERO;
    let mut world = World::new(net, settings);
    for name in ["library/httpd", "bitnami/redis", "httpd", "team/app", "team/web", "zoo/x"] {
        world.net.change(&Change::Push(name, "latest", Box::new(sample::schema2())));
    }
    for name in ["images/one", "hub/hidden", "two"] {
        let mut repository = Repository::default();
        repository.push("latest", &sample::schema2());
        world.store.insert(name.to_owned(), repository);
    }
    world
}

const ALL: [&str; 9] = [
    "images/one",
    "two",
    "other/app",
    "other/web",
    "hub/bitnami/redis",
    "hub/httpd",
    "hub/team/app",
    "hub/team/web",
    "hub/zoo/x",
];

fn ask(world: &mut World, query: &str) -> Received {
    let received = world.pull(&Sent::new("GET", &format!("/v2/_catalog{query}")));
    assert_eq!(received.response.status, 200, "{query}: {received:?}");
    oracle::check(world).unwrap();
    received
}

fn names(received: &Received) -> Vec<String> {
    let json = received.response.json().expect("a list is JSON");
    let names = json["repositories"].as_array().expect("there are repositories").iter();
    names.map(|name| name.as_str().expect("a name is text").to_owned()).collect()
}

/// All names, as a client gets them that follows links.
fn followed(world: &mut World, query: &str) -> Vec<String> {
    let (mut query, mut all) = (query.to_owned(), Vec::new());
    for _ in 0..100 {
        let received = ask(world, &query);
        all.extend(names(&received));
        let Some(link) = received.response.header("link") else { return all };
        let next = link.strip_prefix("</v2/_catalog").and_then(|link| link.strip_suffix(">; rel=\"next\""));
        query = next.expect("a link leads to the catalog").to_owned();
    }
    panic!("there is no end to it: {all:?}")
}

#[test]
fn links_lead_through_all_origins() {
    for query in ["", "?n=1", "?n=2", "?n=3", "?n=4", "?n=100"] {
        assert_eq!(followed(&mut world(), query), ALL, "{query}");
    }
    // A page may have less than was asked for, and never has more.
    for n in 1..9 {
        let names = names(&ask(&mut world(), &format!("?n={n}")));
        assert!((1..=n).contains(&names.len()), "{n}: {names:?}");
    }
    // Without a number it has what each origin has on its first page.
    assert_eq!(names(&ask(&mut world(), "")), ALL);
}

#[test]
fn every_name_can_be_pulled_by() {
    let mut world = world();
    for name in followed(&mut world, "") {
        let received = world.pull(&Sent::new("GET", &format!("/v2/{name}/tags/list")));
        assert_eq!(received.response.status, 200, "{name}: {received:?}");
    }
}

#[test]
fn a_client_that_makes_its_own_queries_says_where_it_is() {
    let mut world = world();
    for (at, name) in ALL.iter().enumerate() {
        let all = followed(&mut world, &format!("?n=2&last={name}"));
        assert_eq!(all, ALL[at + 1..], "{name}");
    }
}

#[test]
fn an_origin_that_tells_nobody_hides_no_other() {
    for (status, reason) in [(401, None), (403, None), (404, None), (500, Some("upstream-status"))] {
        let mut world = world();
        let challenge = Fault::with(status, "www-authenticate", "Basic realm=\"x\"");
        world.net.change(&Change::Fault(Rule::at("/v2/_catalog", challenge).of(Host::Second)));
        let received = world.pull(&Sent::new("GET", "/v2/_catalog"));
        match reason {
            None => {
                let others: Vec<_> = ALL.into_iter().filter(|name| !name.starts_with("other/")).collect();
                assert_eq!(names(&received), others);
                assert_eq!(world.events.len(), usize::from(status != 404), "{:?}", world.events);
            }
            Some(reason) => {
                let json = received.response.json().unwrap();
                assert_eq!(json["errors"][0]["detail"]["reason"], reason);
            }
        }
    }
}

/// The client is told which right it takes, and gets a token for that.
#[test]
fn where_tokens_are_passed_through_there_is_one_for_the_catalog() {
    const ALICE: User = User { name: "alice", password: "wonder land" };
    let options = Options { access: AccessOption::Upstream, ..Options::default() };
    let mut world = options.world("https");
    world.net.change(&Change::Authentication(Authentication::Bearer));
    world.net.change(&Change::Tokens(Some(300), u32::MAX));
    world.net.change(&Change::Rights(ALICE, &["*"]));
    world.net.change(&Change::Push("a", "latest", Box::new(sample::schema2())));
    let asked = Sent::new("GET", "/v2/_catalog").with("Host", "pull.test");
    let refused = world.pull(&asked);
    assert_eq!(refused.response.status, 401, "{refused:?}");
    assert_eq!(
        refused.response.header("www-authenticate"),
        Some(
            r#"Bearer realm="http://pull.test/_downshift/token",service="downshift",scope="registry:catalog:*""#
        )
    );
    let token = |scope: &str| {
        let target = format!("/_downshift/token?service=downshift&scope={scope}");
        Sent::new("GET", &target).with("Authorization", ALICE.basic().as_str())
    };
    for (scope, status) in [("repository:a:pull", 401), ("registry:catalog:*", 200)] {
        let received = world.pull(&token(scope));
        let json = received.response.json().expect("a token is JSON");
        let bearer = format!("Bearer {}", json["token"].as_str().expect("there is a token"));
        let received = world.pull(&asked.clone().with("Authorization", &bearer));
        assert_eq!(received.response.status, status, "{scope}: {received:?}");
    }
    oracle::check(&world).unwrap();
}

#[test]
fn pages_without_a_name_of_ours_do_not_end_it() {
    let mut world = world();
    for number in 0..40 {
        let name: &'static str = Box::leak(format!("aaa/x{number}").into_boxed_str());
        world.net.change(&Change::Push(name, "latest", Box::new(sample::schema2())));
    }
    let all: BTreeSet<String> = followed(&mut world, "?n=3").into_iter().collect();
    assert!(all.contains("other/app") && all.contains("hub/aaa/x39") && all.contains("hub/zoo/x"), "{all:?}");
}

#[test]
fn an_origin_that_is_not_there_has_no_page() {
    let received = world().pull(&Sent::new("HEAD", "/v2/_catalog?_origin=nobody&last=x"));
    assert_eq!(received.response.status, 404);
}
