//! Version 1 where rows do not lead: in front of a folder of images, with a key that passes, and past its limits.

use downshift::{Digest, Limits};
use downshift_cases::images::{REPOSITORY, built, sample};
use downshift_pull::{Access, MAX_V1_TAGS, Origin, OriginId, Place as OriginPlace, Settings};
use downshift_registry::{MAX_V1_TOKEN_BYTES, Mapping, V1Images};
use downshift_world::fault::{Fault, Rule};
use downshift_world::net::{Change, Host, Net};
use downshift_world::rows::{Options, Place as _, resolve};
use downshift_world::world::{Received, Sent, World};

const V1_5: &str = "docker/1.5.0 go/go1.3.3 git-commit/a8a31ef kernel/3.16.0 os/linux arch/amd64";

fn get(world: &mut World, target: &str, token: Option<&str>) -> Received {
    let sent = Sent::new("GET", target).with("User-Agent", V1_5);
    let sent = match token {
        Some(token) => sent.with("Authorization", &format!("Token {token}")),
        None => sent,
    };
    world.send(&sent).expect("there is a response")
}

fn text(received: &Received) -> String {
    String::from_utf8_lossy(&received.response.body).into_owned()
}

fn begin(world: &mut World) -> (Received, Option<String>) {
    let received = get(world, &format!("/v1/repositories/{REPOSITORY}/images"), None);
    let token = received.response.header("x-docker-token").map(str::to_owned);
    (received, token)
}

/// A world with a folder of images and no registry.
fn with_layouts() -> World {
    let net = Net::new(Host::ALL.map(|host| (host, format!("http://{}.test", host.name()))));
    let origin = Origin::new(OriginId(0), Mapping::default(), OriginPlace::Layouts);
    World::new(net, Settings::new(vec![origin], Access::Open, resolve))
}

fn images(image: &downshift_cases::images::Image) -> V1Images {
    let stored = built::in_schema1(image.clone()).expect("the image is converted");
    V1Images::read(&stored.manifest.bytes, &Limits::default()).unwrap()
}

#[test]
fn a_folder_of_images_is_pulled_from_and_may_change_meanwhile() {
    let (image, other) = (sample::oci(), sample::schema2());
    let mut world = with_layouts();
    world.store.entry(REPOSITORY.to_owned()).or_default().push("latest", &image);
    let manifest = get(&mut world, &format!("/v2/{REPOSITORY}/manifests/latest"), None);
    assert_eq!(manifest.response.status, 404);
    let (begun, token) = begin(&mut world);
    assert_eq!(begun.response.status, 200, "{begun:?}");
    let token = token.as_deref();
    // The tag points to another image, of which there is another reading.
    world.store.entry(REPOSITORY.to_owned()).or_default().push("latest", &other);
    world.reading += 1;
    let images = images(&image);
    let (_, all) = images.with_id(images.id()).unwrap();
    let tags = get(&mut world, &format!("/v1/repositories/{REPOSITORY}/tags"), token);
    assert_eq!(text(&tags), format!(r#"{{"latest":"{}"}}"#, images.id()));
    for own in all {
        let json = get(&mut world, &format!("/v1/images/{}/json", own.id), token);
        assert_eq!((text(&json), json.response.header("x-docker-size").is_some()), (own.json.clone(), true));
        let layer = get(&mut world, &format!("/v1/images/{}/layer", own.id), token);
        assert!(own.layer.matches(&layer.response.body), "{layer:?}");
        let size = layer.response.body.len().to_string();
        assert_eq!(json.response.header("x-docker-size"), Some(size.as_str()));
    }
    // What the tag points to now is what others get, and what is kept of the one is not told for the other.
    let schema1 = Sent::new("GET", &format!("/v2/{REPOSITORY}/manifests/latest"));
    let now = world.send(&schema1).unwrap();
    let source = other.manifest.digest().to_string();
    assert_eq!(now.response.header("downshift-source-digest"), Some(source.as_str()));
}

#[test]
fn a_key_that_passes_is_not_enough() {
    let options = Options::default();
    let mut world = options.world("http");
    let mut settings = options.settings(&world.net);
    settings.is_key_lasting = false;
    world.settings = settings.into();
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    let manifest = get(&mut world, &format!("/v2/{REPOSITORY}/manifests/latest"), None);
    assert_eq!(manifest.response.status, 400);
    let (begun, token) = begin(&mut world);
    assert_eq!((begun.response.status, token), (400, None));
    let line = text(&begun);
    assert!(line.ends_with("which takes a signing key that lasts; pull with Docker 1.6 or later, or have the operator of this server set `SIGNING_KEY`"), "{line}");
}

#[test]
fn what_is_open_to_everybody_does_not_let_in_where_there_are_users() {
    let options = Options::default();
    let mut world = options.world("http");
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    let (_, token) = begin(&mut world);
    let id = images(&sample::schema2()).id().to_owned();
    let path = format!("/v1/images/{id}/json");
    assert_eq!(get(&mut world, &path, token.as_deref()).response.status, 200);
    let mut settings = options.settings(&world.net);
    settings.access = Access::Users;
    world.settings = settings.into();
    assert_eq!(get(&mut world, &path, token.as_deref()).response.status, 403);
}

#[test]
fn a_token_has_a_limited_number_of_tags_and_bytes() {
    for (length, most) in [(4, MAX_V1_TAGS), (100, 40)] {
        let options = Options::default();
        let mut world = options.world("http");
        let image = sample::without_layers();
        for number in 0..MAX_V1_TAGS + 6 {
            let tag = format!("{number:0length$}").leak();
            world.net.change(&Change::Push(REPOSITORY, tag, Box::new(image.clone())));
        }
        let (begun, token) = begin(&mut world);
        let token = token.unwrap_or_else(|| panic!("{begun:?}"));
        let tags = token.matches("=sha256:").count();
        assert!(token.len() <= MAX_V1_TOKEN_BYTES && tags <= most && tags + 8 > most.min(40), "{tags}");
        let told = get(&mut world, &format!("/v1/repositories/{REPOSITORY}/tags"), Some(&token));
        assert_eq!(told.response.json().unwrap().as_object().unwrap().len(), tags);
    }
}

#[test]
fn at_an_edge_of_few_requests_what_can_be_told_is() {
    let options = Options { subrequests: Some(20), ..Options::default() };
    let mut world = options.world("http");
    let images = [sample::schema2(), sample::oci(), sample::without_layers(), sample::no_platforms()];
    for (number, image) in (0..40).zip(images.iter().cycle()) {
        let tag = format!("t{number}").leak();
        world.net.change(&Change::Push(REPOSITORY, tag, Box::new(image.clone())));
    }
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    let (begun, token) = begin(&mut world);
    let token = token.unwrap_or_else(|| panic!("{begun:?}"));
    assert!(token.contains("|latest=") && token.matches("=sha256:").count() < 40, "{token}");
    assert!(Digest::parse(token.rsplit('=').next().unwrap().split('|').next().unwrap()).is_ok());
}

/// An edge does not hash what it copies, and these engines do not either.
#[test]
fn where_copies_are_not_checked_layers_are_unpacked() {
    let options = Options { layer_bytes: Some(100_000), ..Options::default() };
    let mut world = options.world("http");
    let mut settings = options.settings(&world.net);
    settings.checks_copies = false;
    world.settings = settings.into();
    let image = sample::schema2();
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(image.clone())));
    let manifest = format!("/v2/{REPOSITORY}/manifests/latest");
    assert_eq!(get(&mut world, &manifest, None).response.status, 404);
    let (begun, token) = begin(&mut world);
    assert_eq!(begun.response.status, 200, "{begun:?}");
    let images = images(&image);
    let (_, all) = images.with_id(images.id()).unwrap();
    for own in all.iter().filter(|own| own.layer.as_str() != Digest::EMPTY_LAYER) {
        let at = image.layers.iter().position(|bytes| own.layer.matches(bytes)).unwrap();
        let plain = &sample::plain_layers()[at];
        let path = format!("/v1/images/{}", own.id);
        let json = get(&mut world, &format!("{path}/json"), token.as_deref());
        assert_eq!(json.response.header("x-docker-size"), Some(plain.len().to_string().as_str()));
        let layer = get(&mut world, &format!("{path}/layer"), token.as_deref());
        assert_eq!((layer.response.status, &layer.response.body), (200, plain));
        let range = format!("bytes=100-{}", plain.len());
        let sent = Sent::new("GET", &format!("{path}/layer")).with("User-Agent", V1_5).with("Range", &range);
        let sent = sent.with("Authorization", &format!("Token {}", token.as_deref().unwrap()));
        let part = world.send(&sent).unwrap();
        assert_eq!((part.response.status, part.response.body.as_slice()), (206, &plain[100..]));
        // What comes is not what was asked for: the end does not go out.
        world.net.change(&Change::Fault(Rule::at(own.layer.as_str(), Fault::WrongByte)));
        assert!(get(&mut world, &format!("{path}/layer"), token.as_deref()).is_broken);
        world.net.change(&Change::NoFaults);
    }
}

/// A layer that cannot be unpacked there is told where the pull begins.
#[test]
fn where_a_layer_is_too_large_for_an_edge_it_says_so() {
    let options = Options { layer_bytes: Some(10), ..Options::default() };
    let mut world = options.world("http");
    let mut settings = options.settings(&world.net);
    settings.checks_copies = false;
    world.settings = settings.into();
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    let manifest = format!("/v2/{REPOSITORY}/manifests/latest");
    assert_eq!(get(&mut world, &manifest, None).response.status, 404);
    let (begun, _) = begin(&mut world);
    assert_eq!(begun.response.status, 400);
    assert!(text(&begun).contains("this edge unpacks no layer of more than `10`"), "{begun:?}");
}
