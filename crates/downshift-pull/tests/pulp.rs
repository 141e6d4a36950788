//! What Pulp 2 has published: a tag has a manifest for each form, and blobs are elsewhere as well.

use downshift::{Digest, Form};
use downshift_cases::images::{Image, REPOSITORY, sample};
use downshift_pull::{
    Access, BodyId, Delivery, Done, Effect, Origin, OriginId, Place, Pulp, Settings, StoredBlob, StoredCheck,
    StoredManifest,
};
use downshift_registry::{Mapping, Reference};
use downshift_world::net::Net;
use downshift_world::repository::Repository;
use downshift_world::rows::resolve;
use downshift_world::world::{Sent, World};

/// What has these images, all of them by one tag.
fn published(images: &[Image], delivery: Delivery) -> World {
    let origin = Origin::new(OriginId(0), Mapping::default(), Place::Pulp(Pulp { delivery }));
    let mut world = World::new(Net::new([]), Settings::new(vec![origin], Access::Open, resolve));
    let mut repository = Repository::default();
    let mut variants = Vec::new();
    for image in images {
        repository.push("latest", image);
        variants.push((image.manifest.form, repository.tags["latest"].clone()));
    }
    world.store.insert(REPOSITORY.to_owned(), repository);
    world.instead = Some(Box::new(move |effect| match effect {
        Effect::Resolve { reference: Reference::Tag(_), .. } => {
            let digest = variants[0].1.clone();
            Some(Done::Resolved(Ok(Some(StoredManifest { digest, reading: 1, variants: variants.clone() }))))
        }
        _ => None,
    }));
    world
}

fn schema1_of(image: &Image) -> Image {
    let mut world = published(core::slice::from_ref(image), Delivery::Stream);
    let made = world.pull(&manifest("latest")).response;
    assert_eq!(made.header("content-type"), Some(Form::Schema1.media_type()), "{made:?}");
    Image { layers: image.layers.clone(), ..Image::bare(Form::Schema1, made.body) }
}

fn manifest(reference: &str) -> Sent {
    Sent::new("GET", &format!("/v2/{REPOSITORY}/manifests/{reference}"))
}

#[test]
fn each_client_gets_its_own_of_a_tag() {
    let (list, schema2) = (sample::list(), sample::schema2());
    let schema1 = schema1_of(&schema2);
    let mut world = published(&[schema1.clone(), schema2.clone(), list.clone()], Delivery::Stream);
    for (accept, expected) in [
        (None, &schema1),
        (Some(Form::Schema2), &schema2),
        (Some(Form::List), &list),
        (Some(Form::Schema1), &schema1),
    ] {
        let sent = manifest("latest");
        let sent = accept.iter().fold(sent, |sent, form| sent.with("Accept", form.media_type()));
        // Also from what is kept.
        for _ in 0..2 {
            assert_eq!(world.pull(&sent).response.body, expected.manifest.bytes, "{accept:?}");
        }
    }
    let made = world.pull(&manifest("latest").with("Accept", Form::Oci.media_type())).response;
    assert_eq!(made.header("content-type"), Some(Form::Oci.media_type()), "{made:?}");
}

#[test]
fn what_one_platform_gets_is_not_told_to_another() {
    let (list, schema1) = (sample::list(), schema1_of(&sample::schema2()));
    for first in ["amd64", "arm64"] {
        let mut world = published(&[schema1.clone(), list.clone()], Delivery::Stream);
        let mut got = |platform: &str| {
            let agent = format!("docker/1.9.1 go/go1.4.3 os/linux arch/{platform}");
            world.pull(&manifest("latest").with("User-Agent", &agent)).response
        };
        got(first);
        assert_eq!(got("amd64").body, schema1.manifest.bytes, "{first} came first");
        assert_eq!(got("arm64").json().unwrap()["architecture"], "arm64", "{first} came first");
    }
}

#[test]
fn there_are_no_referrers() {
    let mut world = published(&[sample::schema2()], Delivery::Stream);
    let digest = sample::schema2().manifest.digest();
    let told = world.pull(&Sent::new("GET", &format!("/v2/{REPOSITORY}/referrers/{digest}"))).response;
    assert_eq!((told.status, told.json().unwrap()["manifests"].as_array().unwrap().len()), (200, 0));
}

#[test]
fn clients_are_sent_to_the_blobs_if_the_operator_wants_that() {
    let image = sample::schema2();
    let digest = Digest::of(&image.layers[0]);
    let target = format!("/v2/{REPOSITORY}/blobs/{digest}");
    let good = format!("https://pulp.example/web/blobs/{digest}");
    for (delivery, method, url, expected) in [
        (Delivery::Redirect, "GET", good.as_str(), 307),
        (Delivery::Redirect, "HEAD", &good, 200),
        (Delivery::Stream, "GET", &good, 200),
        // What is no URL of the web leads nowhere.
        (Delivery::Redirect, "GET", "file:///etc/passwd", 200),
        (Delivery::Redirect, "GET", "javascript:alert(1)", 200),
        (Delivery::Redirect, "GET", "", 200),
    ] {
        let mut world = published(core::slice::from_ref(&image), delivery);
        let (own, bytes) = (Some(url.to_owned()), image.layers[0].clone());
        world.instead = Some(Box::new(move |effect| match effect {
            Effect::Open { .. } => {
                let (body, size, url) = (BodyId(77), bytes.len() as u64, own.clone());
                Some(Done::Opened(Ok(Some(StoredBlob { body, size, check: StoredCheck::Checked, url }))))
            }
            Effect::Copy(_) => Some(Done::Copied(downshift_pull::Copied::All)),
            _ => None,
        }));
        let response = world.pull(&Sent::new(method, &target)).response;
        assert_eq!(response.status, expected, "{method} {url}");
        let location = (expected == 307).then_some(url);
        assert_eq!(response.header("location"), location);
    }
}
