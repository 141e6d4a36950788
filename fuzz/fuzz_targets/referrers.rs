//! Stored repositories with whatever for manifests, and what refers to what among them.
//!
//! The input is text: documents, each up to a byte that no text has, and first of all a query.

#![no_main]

use downshift::{Digest, Form};
use downshift_cases::images::{Manifest, REPOSITORY, sample};
use downshift_pull::{Access, Origin, OriginId, Place, Settings};
use downshift_registry::Mapping;
use downshift_world::net::Net;
use downshift_world::oracle;
use downshift_world::repository::Repository;
use downshift_world::rows::resolve;
use downshift_world::world::{Sent, World};
use libfuzzer_sys::fuzz_target;

/// Documents of one repository. More find nothing that fewer do not.
const MAX_DOCUMENTS: usize = 16;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|&byte| byte == 0xff);
    let query = parts.next().map(String::from_utf8_lossy).unwrap_or_default();
    let mut repository = Repository::default();
    repository.push("latest", &sample::oci());
    let subject = sample::oci().manifest.digest();
    for (number, bytes) in parts.take(MAX_DOCUMENTS).enumerate() {
        let manifest = Manifest { form: Form::Oci, bytes: bytes.to_vec() };
        if number == 0 {
            // What a tool without a referrers API leaves.
            repository.tags.insert(subject.as_str().replace(':', "-"), manifest.digest());
        }
        repository.manifests.insert(manifest.digest(), manifest);
    }
    let origin = Origin::new(OriginId(0), Mapping::default(), Place::Layouts);
    let mut world = World::new(Net::new([]), Settings::new(vec![origin], Access::Open, resolve));
    world.store.insert(REPOSITORY.to_owned(), repository);
    let target = format!("/v2/{REPOSITORY}/referrers/{subject}?{query}");
    let received = world.pull(&Sent::new("GET", &target));
    oracle::check(&world).expect("what must hold, holds");
    if received.response.status != 200 {
        return;
    }
    let index = received.response.json().expect("an index is JSON");
    let mut seen = Vec::new();
    for entry in index["manifests"].as_array().expect("an index has manifests") {
        let digest = Digest::parse(entry["digest"].as_str().expect("a descriptor has a digest"));
        let digest = digest.expect("it is one");
        assert!(entry["mediaType"].is_string() && entry["size"].is_u64(), "{entry}");
        assert!(!seen.contains(&digest), "`{digest}` is told twice");
        seen.push(digest);
    }
});
