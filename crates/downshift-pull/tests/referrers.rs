//! Referrers in a stored repository: of manifests that say what they refer to, and of the referrers tag.

use downshift::{Digest, Form};
use downshift_cases::images::{Manifest, REPOSITORY, sample};
use downshift_pull::{Access, Done, Effect, Event, Origin, OriginId, Place, Settings, Trouble};
use downshift_registry::Mapping;
use downshift_world::net::Net;
use downshift_world::repository::Repository;
use downshift_world::rows::resolve;
use downshift_world::world::{Received, Sent, World};

/// A store whose repository has the sample and whatever else is put in.
fn stored(put: impl FnOnce(&mut Repository)) -> World {
    let origin = Origin::new(OriginId(0), Mapping::default(), Place::Layouts);
    let mut world = World::new(Net::new([]), Settings::new(vec![origin], Access::Open, resolve));
    let mut repository = Repository::default();
    repository.push("latest", &sample::oci());
    put(&mut repository);
    world.store.insert(REPOSITORY.to_owned(), repository);
    world
}

fn subject() -> Digest {
    sample::oci().manifest.digest()
}

fn put(repository: &mut Repository, json: &str) -> Digest {
    let manifest = Manifest { form: Form::Oci, bytes: json.as_bytes().to_vec() };
    let digest = manifest.digest();
    repository.manifests.insert(digest.clone(), manifest);
    digest
}

/// An artifact that refers to a manifest.
fn artifact(subject: &Digest, config_type: &str, members: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",{members}"config":{{"mediaType":"{config_type}","digest":"{subject}","size":2}},"layers":[],"subject":{{"mediaType":"x/y","digest":"{subject}","size":7}}}}"#
    )
}

fn ask(world: &mut World, digest: &Digest, query: &str) -> Received {
    let id = world.begin(&Sent::new("GET", &format!("/v2/{REPOSITORY}/referrers/{digest}{query}")));
    world.run();
    assert_eq!(world.violations, [] as [String; 0]);
    world.received(id)
}

/// The digests of the referrers, and their artifact types.
fn told(received: &Received) -> Vec<(String, Option<String>)> {
    assert_eq!(received.response.status, 200, "{received:?}");
    assert_eq!(received.response.header("content-type"), Some(Form::Index.media_type()));
    let index = received.response.json().expect("an index is JSON");
    assert_eq!(index["mediaType"], Form::Index.media_type());
    let entries = index["manifests"].as_array().expect("an index has manifests").iter();
    let mut all: Vec<_> = entries
        .map(|entry| {
            let digest = entry["digest"].as_str().expect("a descriptor has a digest").to_owned();
            (digest, entry["artifactType"].as_str().map(str::to_owned))
        })
        .collect();
    all.sort();
    all
}

fn sorted(mut all: Vec<(&Digest, Option<&str>)>) -> Vec<(String, Option<String>)> {
    all.sort();
    all.into_iter().map(|(digest, own)| (digest.to_string(), own.map(str::to_owned))).collect()
}

#[test]
fn manifests_are_found_by_what_they_refer_to() {
    let mut digests = Vec::new();
    let mut world = stored(|repository| {
        let signature = r#""artifactType":"example/signature","annotations":{"a":"b","n":7},"#;
        digests.push(put(repository, &artifact(&subject(), "application/vnd.oci.empty.v1+json", signature)));
        digests.push(put(repository, &artifact(&subject(), "example/bom", r#""artifactType":"","#)));
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[],"subject":{{"digest":"{}"}}}}"#,
            Form::Index.media_type(),
            subject()
        );
        digests.push(put(repository, &index));
        put(repository, &artifact(&Digest::of(b"another"), "example/bom", ""));
    });
    let [signature, bom, index] = &digests[..] else { panic!("{digests:?}") };
    let received = ask(&mut world, &subject(), "");
    let expected = sorted(vec![
        (signature, Some("example/signature")),
        // The config says it where the manifest does not.
        (bom, Some("example/bom")),
        (index, None),
    ]);
    assert_eq!(told(&received), expected);
    assert_eq!(received.response.header("oci-filters-applied"), None);
    let json = received.response.json().unwrap();
    let entries = json["manifests"].as_array().unwrap();
    let signed = entries.iter().find(|entry| entry["digest"] == signature.as_str()).unwrap();
    let manifest = world.store[REPOSITORY].manifests[signature].bytes.len();
    assert_eq!(signed["size"], manifest);
    assert_eq!(signed["mediaType"], Form::Oci.media_type());
    assert_eq!(signed["annotations"].to_string(), r#"{"a":"b"}"#);

    let received = ask(&mut world, &subject(), "?artifactType=example%2Fbom");
    assert_eq!(told(&received), sorted(vec![(bom, Some("example/bom"))]));
    assert_eq!(received.response.header("oci-filters-applied"), Some("artifactType"));
    assert_eq!(told(&ask(&mut world, &subject(), "?artifactType=none")), []);
}

#[test]
fn what_nothing_refers_to_has_an_empty_index() {
    let mut world = stored(|_| {});
    for digest in [subject(), Digest::of(b"none"), format!("sha512:{}", "0".repeat(128)).parse().unwrap()] {
        assert_eq!(told(&ask(&mut world, &digest, "")), []);
    }
    world.store.clear();
    assert_eq!(told(&ask(&mut world, &subject(), "")), []);
}

#[test]
fn what_only_an_index_reaches_is_read() {
    let mut bom = None;
    let mut world = stored(|repository| {
        let digest = put(repository, &artifact(&subject(), "example/bom", ""));
        let inner = put(repository, &format!(r#"{{"manifests":[{{"digest":"{digest}"}}]}}"#));
        put(repository, &format!(r#"{{"manifests":[{{"digest":"{inner}"}},{{"digest":"sha256:0"}},7]}}"#));
        bom = Some((digest, inner));
    });
    let (bom, inner) = bom.unwrap();
    // The layout's own index has the outermost one only.
    world.instead = Some(Box::new(move |effect| match effect {
        Effect::Manifests(_) => Some(Done::Manifests(Ok(Some(vec![inner.clone()])))),
        _ => None,
    }));
    assert_eq!(told(&ask(&mut world, &subject(), "")), sorted(vec![(&bom, Some("example/bom"))]));
}

#[test]
fn what_the_referrers_tag_lists_is_told_as_well() {
    let by_tag = Digest::of(b"by tag");
    let sha512: Digest = format!("sha512:{}", "1".repeat(128)).parse().unwrap();
    let mut own = None;
    let mut world = stored(|repository| {
        let digest = put(repository, &artifact(&subject(), "example/bom", ""));
        let entry = |digest: &Digest| {
            format!(r#"{{"mediaType":"x/y","digest":"{digest}","size":3,"artifactType":"example/tagged"}}"#)
        };
        // One twice, one that says itself what it refers to, and one that is no descriptor.
        let entries =
            [entry(&by_tag), entry(&by_tag), entry(&digest), r#"{"digest":7}"#.to_owned()].join(",");
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
        repository.push_bytes(&subject().as_str().replace(':', "-"), index.as_bytes());
        repository.push_bytes(&format!("sha512-{}", "1".repeat(64)), index.as_bytes());
        own = Some(digest);
    });
    let own = own.unwrap();
    let (bom, tagged) = (Some("example/bom"), Some("example/tagged"));
    assert_eq!(told(&ask(&mut world, &subject(), "")), sorted(vec![(&own, bom), (&by_tag, tagged)]));
    // Its digest is cut, for a tag has 128 characters at the most.
    assert_eq!(told(&ask(&mut world, &sha512, "")), sorted(vec![(&own, tagged), (&by_tag, tagged)]));
}

#[test]
fn manifests_are_read_once_for_each_reading_of_the_layout() {
    let mut world = stored(|_| {});
    assert_eq!(told(&ask(&mut world, &subject(), "")), []);
    let mut repository = world.store.remove(REPOSITORY).unwrap();
    let bom = put(&mut repository, &artifact(&subject(), "example/bom", ""));
    world.store.insert(REPOSITORY.to_owned(), repository);
    assert_eq!(told(&ask(&mut world, &subject(), "")), []);
    world.reading += 1;
    assert_eq!(told(&ask(&mut world, &subject(), "")), sorted(vec![(&bom, Some("example/bom"))]));
}

#[test]
fn a_broken_manifest_does_not_hide_the_others() {
    let mut bom = None;
    let mut world = stored(|repository| {
        bom = Some(put(repository, &artifact(&subject(), "example/bom", "")));
        for text in ["{", "[]", "7", r#"{"subject":7}"#, r#"{"subject":{"digest":7}}"#, r#"{"manifests":7}"#]
        {
            put(repository, text);
        }
    });
    let broken = subject();
    world.instead = Some(Box::new(move |effect| match effect {
        Effect::Documents { needs, .. } if needs.iter().any(|need| need.digest == broken) => {
            let failure = downshift::Failure::from(&downshift::Error::NoRootfs);
            Some(Done::Documents(Err(Trouble::Document(failure))))
        }
        _ => None,
    }));
    assert_eq!(told(&ask(&mut world, &subject(), "")), sorted(vec![(&bom.unwrap(), Some("example/bom"))]));
    assert!(matches!(&world.events[..], [Event::Failure(_)]), "{:?}", world.events);
}

#[test]
fn too_many_manifests_are_a_limit_with_a_name() {
    let mut world = stored(|_| {});
    world.instead = Some(Box::new(|effect| match effect {
        Effect::Manifests(_) => {
            let number = |number: u32| Digest::of(&number.to_be_bytes());
            Some(Done::Manifests(Ok(Some((0..10_001).map(number).collect()))))
        }
        _ => None,
    }));
    let received = ask(&mut world, &subject(), "");
    assert_eq!(received.response.status, 400);
    let json = received.response.json().unwrap();
    assert_eq!(json["errors"][0]["detail"]["reason"], "layout-referrers");
}

#[test]
fn more_than_a_page_goes_on_with_a_link() {
    let annotation = format!(r#""annotations":{{"a":"{}"}},"#, "x".repeat(1024 * 1024));
    let mut digests = Vec::new();
    let mut world = stored(|repository| {
        for number in 0..5 {
            let config_type = format!("example/{number}");
            digests.push((put(repository, &artifact(&subject(), &config_type, &annotation)), config_type));
        }
    });
    let first = ask(&mut world, &subject(), "");
    let link = first.response.header("link").expect("there is another page").to_owned();
    let query = link.split(['?', '>']).nth(1).unwrap();
    let second = ask(&mut world, &subject(), &format!("?{query}"));
    assert_eq!(second.response.header("link"), None);
    assert_eq!((told(&first).len(), told(&second).len()), (3, 2));
    let mut all = [told(&first), told(&second)].concat();
    all.sort();
    assert_eq!(all, sorted(digests.iter().map(|(digest, own)| (digest, Some(own.as_str()))).collect()));
}
