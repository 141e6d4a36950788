//! Digests that an old engine cannot read: the one that it is told instead is the one that the tag has.

use downshift::{Digest, Form};
use downshift_cases::images::{Image, REPOSITORY, sample};
use downshift_pull::{Access, Origin, OriginId, Place, Settings};
use downshift_registry::Mapping;
use downshift_world::net::{Change, Net};
use downshift_world::oracle;
use downshift_world::repository::Repository;
use downshift_world::rows::{Options, resolve};
use downshift_world::world::{Sent, World};

const ENGINE: &str = "docker/1.9.1 go/go1.4.3 os/linux arch/amd64";

fn stored(image: &Image) -> World {
    let place = Place::Layouts;
    let origin = Origin::new(OriginId(0), Mapping::default(), place);
    let mut world = World::new(Net::new([]), Settings::new(vec![origin], Access::Open, resolve));
    let mut repository = Repository::default();
    repository.push("broken", &sample::zstd());
    repository.push("latest", image);
    world.store.insert(REPOSITORY.to_owned(), repository);
    world
}

fn at_registry(image: &Image) -> World {
    let mut world = Options::default().world("https");
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(image.clone())));
    world
}

fn manifest(reference: &str) -> Sent {
    Sent::new("GET", &format!("/v2/{REPOSITORY}/manifests/{reference}"))
}

fn reported(world: &mut World, sent: &Sent) -> String {
    let received = world.pull(sent);
    assert_eq!(received.response.status, 200, "{received:?}");
    received.response.header("docker-content-digest").expect("a digest is reported").to_owned()
}

/// That the engine is told the digest that the tag has for it, and can pull that.
fn is_that_of_the_tag(world: &mut World, pinned: &str) {
    let by_tag = reported(world, &manifest("latest").with("User-Agent", ENGINE));
    let received = world.pull(&manifest(pinned).with("User-Agent", ENGINE));
    let json = received.response.json().expect("an error is JSON");
    let cause = json["errors"][0]["detail"]["cause"].as_str().expect("it has a cause").to_owned();
    assert_eq!(received.response.status, 400, "{received:?}");
    assert!(cause.contains(&by_tag), "{by_tag} is that of the tag: {cause}");
    assert_eq!(reported(world, &manifest(&by_tag).with("User-Agent", ENGINE)), by_tag);
    oracle::check(world).unwrap();
}

#[test]
fn what_a_tag_of_a_store_points_to() {
    for image in [sample::schema2(), sample::oci(), sample::index()] {
        is_that_of_the_tag(&mut stored(&image), image.manifest.digest().as_str());
    }
}

#[test]
fn what_is_in_the_index_of_a_tag() {
    for image in [sample::index(), sample::list()] {
        let mut world = stored(&image);
        is_that_of_the_tag(&mut world, image.children[1].digest().as_str());
        // One that no tag leads to is still told what to pull, if that has another digest.
        let mut repository = world.store.remove(REPOSITORY).unwrap();
        repository.tags.remove("latest");
        world.store.insert(REPOSITORY.to_owned(), repository);
        let digest = image.children[0].digest();
        assert_eq!(world.pull(&manifest(digest.as_str()).with("User-Agent", ENGINE)).response.status, 400);
    }
}

#[test]
fn what_was_made_of_the_image_under_the_tag() {
    for make in [stored, at_registry] {
        let mut world = make(&sample::oci());
        let converted = reported(&mut world, &manifest("latest").with("Accept", Form::Schema2.media_type()));
        assert_ne!(Digest::parse(&converted).unwrap(), sample::oci().manifest.digest());
        is_that_of_the_tag(&mut world, &converted);
    }
}

/// As many requests as the registry has got.
fn asked(world: &World) -> usize {
    world.net.exchanges().len()
}

#[test]
fn what_a_tag_of_a_registry_points_to_if_somebody_has_asked_for_it() {
    for (image, child) in [(sample::schema2(), None), (sample::index(), Some(1)), (sample::list(), Some(1))] {
        let pinned = child.map_or_else(|| image.manifest.digest(), |child| image.children[child].digest());
        for pinned in [pinned, image.manifest.digest()] {
            let mut world = at_registry(&image);
            // Nobody has asked for the tag, and the registry is not asked for all of them.
            let pinned = manifest(pinned.as_str()).with("User-Agent", ENGINE);
            assert_eq!(world.pull(&pinned).response.status, 400);
            let without_tag = asked(&world);
            is_that_of_the_tag(&mut world, pinned.target.rsplit('/').next().unwrap());
            // That takes no more requests than without a tag.
            let mut again = at_registry(&image);
            reported(&mut again, &manifest("latest").with("User-Agent", ENGINE));
            let by_tag = asked(&again);
            assert_eq!(again.pull(&pinned).response.status, 400);
            assert!(asked(&again) - by_tag <= without_tag, "{without_tag}");
        }
    }
}

#[test]
fn a_tag_that_has_moved_is_that_of_the_image_no_more() {
    let (one, two) = (sample::schema2(), sample::no_history());
    let pinned = one.manifest.digest();
    let told = |world: &mut World| {
        let received = world.pull(&manifest(pinned.as_str()).with("User-Agent", ENGINE));
        received.response.json().unwrap()["errors"][0]["detail"]["cause"].as_str().unwrap().to_owned()
    };
    let mut world = at_registry(&one);
    let without_tag = told(&mut at_registry(&one));
    reported(&mut world, &manifest("latest").with("User-Agent", ENGINE));
    assert_ne!(told(&mut world), without_tag);
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(two)));
    reported(&mut world, &manifest("latest").with("User-Agent", ENGINE));
    assert_eq!(told(&mut world), without_tag);
}

/// Stored schema 1 is made another manifest, which names a config that nobody has stored: both are there after a restart, also
/// where the image is gone.
#[test]
fn what_is_made_of_schema_1_is_there_after_a_restart() {
    let source = sample::schema2();
    for make in [stored, at_registry] {
        let mut world = make(&source);
        let made = world.pull(&manifest("latest").with("User-Agent", ENGINE)).response;
        let schema1 = Image { layers: source.layers.clone(), ..Image::bare(Form::Schema1, made.body) };
        let mut world = make(&schema1);
        let made = world.pull(&manifest("latest").with("Accept", Form::Oci.media_type())).response;
        assert_eq!(made.header("content-type"), Some(Form::Oci.media_type()), "{made:?}");
        let json = made.json().expect("a manifest is JSON");
        let config = json["config"]["digest"].as_str().expect("it has a config").to_owned();
        world.restart();
        let digest = made.header("docker-content-digest").expect("a digest is reported");
        let again = world.pull(&manifest(digest)).response;
        assert_eq!(again.body, made.body);
        let signature = again.header("downshift-source-signature");
        assert!(signature.is_some_and(|text| text.starts_with("valid; key=")), "{again:?}");
        assert_eq!(signature, made.header("downshift-source-signature"), "{again:?}");
        let received = world.pull(&Sent::new("GET", &format!("/v2/{REPOSITORY}/blobs/{config}"))).response;
        assert_eq!(received.status, 200, "{received:?}");
        assert!(config.parse::<Digest>().unwrap().matches(&received.body));
        oracle::check(&world).unwrap();
    }
}
