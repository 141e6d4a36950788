//! Shells that cannot do what they are asked for, or answer something else: there is an error each time, and nothing is
//! told that was not recorded.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use downshift::{Digest, Form};
use downshift_cases::images::{Image, REPOSITORY, sample};
use downshift_pull::{
    Access, Done, Effect, Event, Login, Origin, OriginId, Place, Settings, StoredBlob, StoredCheck, Trouble,
};
use downshift_registry::Mapping;
use downshift_world::net::{Authentication, Change, Net, User};
use downshift_world::oracle;
use downshift_world::repository::Repository;
use downshift_world::rows::{AccessOption, Options, resolve, schema1_digest};
use downshift_world::world::{Received, Sent, World};

const ALICE: User = User { name: "alice", password: "wonder land" };

fn open() -> World {
    let mut world = Options::default().world("https");
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    world
}

/// A store with the sample.
fn stored(image: &Image) -> World {
    let origin = Origin::new(OriginId(0), Mapping::default(), Place::Layouts);
    let settings = Settings::new(vec![origin], Access::Open, resolve);
    let mut world = World::new(Net::new([]), settings);
    let mut repository = Repository::default();
    repository.push("latest", image);
    world.store.insert(REPOSITORY.to_owned(), repository);
    world
}

fn get(target: &str) -> Sent {
    Sent::new("GET", target)
}

fn manifest(reference: &str) -> Sent {
    get(&format!("/v2/{REPOSITORY}/manifests/{reference}"))
}

fn blob(bytes: &[u8]) -> Sent {
    get(&format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(bytes)))
}

fn reason(received: &Received) -> String {
    let json = received.response.json().expect("an error is JSON");
    json["errors"][0]["detail"]["reason"].as_str().unwrap_or_default().to_owned()
}

/// Answers the effects that fit with something else.
fn instead(world: &mut World, fits: fn(&Effect) -> bool, done: Done) {
    world.instead = Some(Box::new(move |effect| fits(effect).then(|| done.clone())));
}

#[test]
fn what_cannot_be_recorded_is_not_reported() {
    for sent in [
        manifest("latest"),
        manifest(sample::schema2().manifest.digest().as_str()).with("User-Agent", "docker/1.9.1"),
    ] {
        let mut world = open();
        let fits = |effect: &Effect| matches!(effect, Effect::Record(_));
        instead(&mut world, fits, Done::Recorded(Err(Trouble::NotRecorded)));
        let received = world.pull(&sent);
        assert_eq!((received.response.status, &*reason(&received)), (503, "not-recorded"));
        assert_eq!(received.response.header("retry-after"), Some("30"));
        // What needs no record is there.
        let stored = world.pull(&manifest("latest").with("Accept", Form::Schema2.media_type()));
        assert_eq!(stored.response.body, sample::schema2().manifest.bytes);
        world.instead = None;
        assert!(matches!(world.pull(&sent).response.status, 200 | 400));
        oracle::check(&world).unwrap();
    }
}

#[test]
fn what_cannot_be_recalled_is_an_error_and_not_unknown() {
    let mut world = open();
    world.pull(&manifest("latest"));
    world.restart();
    let fits = |effect: &Effect| matches!(effect, Effect::Recall { .. });
    instead(&mut world, fits, Done::Recalled(Err(Trouble::NotRecorded)));
    let received = world.pull(&manifest(schema1_digest(&sample::schema2(), "latest").as_str()));
    assert_eq!((received.response.status, &*reason(&received)), (503, "not-recorded"));
}

#[test]
fn a_shell_without_room_says_so() {
    let layer = sample::schema2().layers.remove(0);
    for (fits, sent) in [
        ((|effect| matches!(effect, Effect::Convert(_))) as fn(&Effect) -> bool, manifest("latest")),
        (|effect| matches!(effect, Effect::Ask(_)), manifest("latest")),
        (|effect| matches!(effect, Effect::Ask(_)), blob(&layer)),
        (|effect| matches!(effect, Effect::Ask(_)), get("/v2/library/sample/tags/list")),
        (|effect| matches!(effect, Effect::Load(downshift_pull::Key::Answer { .. })), manifest("latest")),
        (|effect| matches!(effect, Effect::Record(_)), manifest("latest")),
    ] {
        let mut world = open();
        instead(&mut world, fits, Done::Busy);
        let received = world.pull(&sent);
        assert_eq!((received.response.status, &*reason(&received)), (503, "busy"), "{sent:?}");
        assert_eq!(received.response.header("retry-after"), Some("1"));
        oracle::check(&world).unwrap();
    }
    let mut world = open();
    let fits = |effect: &Effect| matches!(effect, Effect::Convert(_));
    instead(&mut world, fits, Done::Converted(Err(Trouble::Busy)));
    assert_eq!(reason(&world.pull(&manifest("latest"))), "busy");
}

#[test]
fn logins_that_wait_too_long_are_told_apart() {
    let options = Options { access: AccessOption::Users(&[ALICE]), ..Options::default() };
    for (login, status, code) in [(Login::ClientBusy, 429, "too-many-logins"), (Login::AllBusy, 503, "busy")]
    {
        let mut world = options.world("https");
        instead(&mut world, |effect| matches!(effect, Effect::CheckLogin(_)), Done::Login(login));
        let received = world.pull(&get("/v2/").with("Authorization", ALICE.basic().as_str()));
        assert_eq!((received.response.status, &*reason(&received)), (status, code));
    }
}

/// Every effect of several pulls, one after the other, is answered with something else: each pull ends with an error or
/// with what it would have given anyway.
#[test]
fn whatever_a_shell_answers_there_is_an_end() {
    let layer = sample::schema2().layers.remove(0);
    let reported = schema1_digest(&sample::schema2(), "latest");
    let requests = [
        manifest("latest"),
        manifest(reported.as_str()),
        manifest(sample::schema2().manifest.digest().as_str()).with("User-Agent", "docker/1.9.1"),
        blob(&layer),
        Sent { method: "HEAD".to_owned(), ..blob(&layer) },
        get("/v2/library/sample/tags/list"),
        get("/v2/"),
        get("/_downshift/token?scope=repository:library/sample:pull"),
    ];
    let image = Box::new(sample::schema2());
    let mut tried = 0;
    for access in [AccessOption::Open, AccessOption::Users(&[ALICE]), AccessOption::Upstream] {
        for authentication in [Authentication::Open, Authentication::Basic, Authentication::Bearer] {
            for sent in &requests {
                for answer in [Done::Nothing, Done::Busy, Done::Waited, Done::Unknown { mark: 0 }] {
                    for number in 0.. {
                        let is_server = access != AccessOption::Upstream;
                        let options =
                            Options { access, credentials: is_server.then_some(ALICE), ..Options::default() };
                        let mut world = options.world("https");
                        world.net.change(&Change::Authentication(authentication));
                        world.net.change(&Change::Rights(ALICE, &["*"]));
                        world.net.change(&Change::Push(REPOSITORY, "latest", image.clone()));
                        let used = Arc::new(AtomicBool::new(false));
                        let (mut seen, done, uses) = (0, answer.clone(), Arc::clone(&used));
                        world.instead = Some(Box::new(move |effect| {
                            // Who is told that the head has gone out, or that a word was said, hears nothing else.
                            let is_told = matches!(effect, Effect::Respond(_) | Effect::Tell(_));
                            seen += u32::from(!is_told);
                            let is_meant = !is_told && seen == number + 1;
                            uses.fetch_or(is_meant, Ordering::Relaxed);
                            is_meant.then(|| done.clone())
                        }));
                        let sent = sent.clone().with("Authorization", ALICE.basic().as_str());
                        let pull = world.begin(&sent);
                        world.run();
                        assert!(world.is_over(pull), "{sent:?} {answer:?} {number}: {:?}", world.tasks());
                        let received = world.received(pull);
                        assert!(received.response.status >= 200, "{sent:?} {answer:?} {number}");
                        oracle::check(&world)
                            .unwrap_or_else(|error| panic!("{answer:?} {number}: {error:?}"));
                        tried += 1;
                        if !used.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                }
            }
        }
    }
    assert!(tried > 1000);
}

#[test]
fn stored_images_come_as_those_of_a_registry() {
    let image = sample::schema2();
    let mut world = stored(&image);
    let accept = ("Accept", Form::Schema2.media_type());
    assert_eq!(world.pull(&manifest("latest").with(accept.0, accept.1)).response.body, image.manifest.bytes);
    let schema1 = world.pull(&manifest("latest"));
    let digest = schema1_digest(&image, "latest");
    assert_eq!(schema1.response.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(world.pull(&manifest(digest.as_str())).response.body, schema1.response.body);
    let layer = &image.layers[0];
    assert_eq!(world.pull(&blob(layer)).response.body, *layer);
    let part = world.pull(&blob(layer).with("Range", "bytes=3-9"));
    assert_eq!((part.response.status, part.response.body), (206, layer[3..10].to_vec()));
    let head = world.pull(&Sent { method: "HEAD".to_owned(), ..blob(layer) });
    assert_eq!(head.response.header("content-length"), Some(&*layer.len().to_string()));
    assert_eq!(world.pull(&blob(b"none")).response.status, 404);
    assert_eq!(world.pull(&manifest("none")).response.status, 404);
    assert_eq!(world.pull(&get("/v2/library/none/tags/list")).response.status, 404);
    let tags = world.pull(&get("/v2/library/sample/tags/list")).response.body;
    assert_eq!(tags, b"{\"name\":\"library/sample\",\"tags\":[\"latest\"]}\n");
    // What is there by another reading is another answer.
    let other = sample::no_history();
    if let Some(repository) = world.store.get_mut(REPOSITORY) {
        repository.push("latest", &other);
    }
    world.reading += 1;
    assert_eq!(world.pull(&manifest("latest").with(accept.0, accept.1)).response.body, other.manifest.bytes);
    oracle::check(&world).unwrap();
}

/// A stored blob is checked before its head goes out if it is small or a part, else while it goes out.
#[test]
fn stored_blobs_are_checked() {
    let image = sample::schema2();
    let layer = &image.layers[0];
    let damaged = || {
        let mut world = stored(&image);
        let blobs = world.store.get_mut(REPOSITORY).map(|repository| &mut repository.blobs);
        if let Some(bytes) = blobs.and_then(|blobs| blobs.get_mut(&Digest::of(layer))) {
            bytes[0] ^= 1;
        }
        world
    };
    for sent in [blob(layer), blob(layer).with("Range", "bytes=3-9")] {
        let mut world = damaged();
        let received = world.pull(&sent);
        assert_eq!((received.response.status, &*reason(&received)), (500, "internal"));
    }
    // One that may change unseen is checked again as it goes out.
    let seen = Arc::new(Mutex::new(Vec::new()));
    for (check, range, expected) in [
        (StoredCheck::Checked, false, [false, false]),
        (StoredCheck::Checked, true, [false, false]),
        (StoredCheck::Settled, false, [true, false]),
        (StoredCheck::Settled, true, [true, false]),
        (StoredCheck::Changing, false, [true, true]),
        (StoredCheck::Changing, true, [true, false]),
    ] {
        let mut world = stored(&image);
        let size = layer.len() as u64;
        let log = Arc::clone(&seen);
        log.lock().unwrap().clear();
        world.instead = Some(Box::new(move |effect| {
            let mut log = log.lock().unwrap();
            match effect {
                Effect::Open { .. } => {
                    let body = downshift_pull::BodyId(77);
                    Some(Done::Opened(Ok(Some(StoredBlob { body, size, check, url: None }))))
                }
                Effect::Verify(_) => {
                    log.push("verify");
                    Some(Done::Verified(Ok(())))
                }
                Effect::Copy(copy) => {
                    log.push(if copy.check.is_some() { "checked copy" } else { "copy" });
                    Some(Done::Copied(downshift_pull::Copied::All))
                }
                _ => None,
            }
        }));
        let sent = if range { blob(layer).with("Range", "bytes=3-9") } else { blob(layer) };
        world.pull(&sent);
        let [verified, checked] = expected;
        let verify: &[&str] = if verified { &["verify"] } else { &[] };
        let copy = if checked { "checked copy" } else { "copy" };
        assert_eq!(*seen.lock().unwrap(), [verify, &[copy]].concat(), "{check:?} {range}");
    }
}

/// What clients are not told all of, the operator is.
#[test]
fn the_operator_hears_of_failures() {
    let mut world = stored(&sample::schema2());
    if let Some(repository) = world.store.get_mut(REPOSITORY) {
        repository.manifests.clear();
    }
    assert_eq!(world.pull(&manifest("latest")).response.status, 404);
    let codes = |world: &World| -> Vec<String> {
        let code = |event: &Event| match event {
            Event::Failure(failure) => Some(failure.code.to_string()),
            Event::Stale { .. } => None,
        };
        world.events.iter().filter_map(code).collect()
    };
    assert_eq!(codes(&world), ["missing-manifest"]);
    // Nobody asked for a tag.
    world.pull(&manifest(Digest::of(b"none").as_str()));
    assert_eq!(codes(&world), ["missing-manifest"]);
    let mut world = open();
    world
        .net
        .change(&Change::Fault(downshift_world::fault::Rule::at("/", downshift_world::fault::Fault::Close)));
    world.pull(&manifest("latest"));
    assert_eq!(codes(&world), ["upstream-unreachable"]);
}
