//! Two pulls at the same time, and effects in their order: what is only to be seen from inside.

use core::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use downshift::{Digest, Form};
use downshift_cases::images::{REPOSITORY, sample};
use downshift_pull::{Done, Effect, Event, Key, Value};
use downshift_world::fault::{Fault, Rule};
use downshift_world::net::{Authentication, Change, User};
use downshift_world::oracle;
use downshift_world::rows::{AccessOption, Options, schema1_digest};
use downshift_world::world::{Progress, PullId, Sent, Task, World};

const ALICE: User = User { name: "alice", password: "wonder land" };
const BOB: User = User { name: "bob", password: "builder" };

fn pass_through() -> World {
    let options = Options { access: AccessOption::Upstream, ..Options::default() };
    let mut world = options.world("https");
    world.net.change(&Change::Authentication(Authentication::Basic));
    world.net.change(&Change::Rights(ALICE, &["*"]));
    world.net.change(&Change::Rights(BOB, &[]));
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    world
}

fn open() -> World {
    let mut world = Options::default().world("https");
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    world
}

fn manifest(reference: &str) -> Sent {
    Sent::new("GET", &format!("/v2/{REPOSITORY}/manifests/{reference}"))
}

fn by(user: User, sent: Sent) -> Sent {
    sent.with("Authorization", user.basic().as_str())
}

fn reported() -> Digest {
    schema1_digest(&sample::schema2(), "latest")
}

fn status(world: &World, pull: PullId) -> u16 {
    world.received(pull).response.status
}

/// What a pull wants by now, done or not.
fn wants(world: &World, pull: PullId) -> Vec<&Effect> {
    world.tasks().iter().filter(|task| task.pull == pull).map(|task| &task.effect).collect()
}

/// Carries out a pull to its end, and nothing for others. The clock stands still.
fn finish(world: &mut World, pull: PullId) {
    while !world.is_over(pull) {
        let mut own =
            (0..world.tasks().len()).filter(|&index| world.tasks()[index].pull == pull).collect::<Vec<_>>();
        own.retain(|&index| !matches!(world.tasks()[index].progress, Progress::At(..) | Progress::Never));
        let next = *own.first().expect("it waits for nothing but time");
        world.advance(next);
    }
}

fn is_permit(effect: &Effect) -> bool {
    matches!(effect, Effect::Keep { key: Key::Permit { .. }, .. })
}

#[test]
fn a_yes_that_was_asked_before_a_no_is_not_kept_after_it() {
    let mut world = pass_through();
    assert_eq!(world.pull(&by(ALICE, manifest("latest"))).response.status, 200);
    world.pass(core::time::Duration::from_secs(60));
    // The registry says yes, and before that is kept it says no.
    world.hold(is_permit);
    let first = world.begin(&by(ALICE, manifest("latest")));
    world.run();
    assert!(!world.is_over(first));
    world.net.change(&Change::Rights(ALICE, &[]));
    assert_eq!(world.pull(&by(ALICE, manifest("latest"))).response.status, 401);
    world.release();
    world.run();
    assert_eq!(status(&world, first), 200);
    assert_eq!(world.pull(&by(ALICE, manifest(reported().as_str()))).response.status, 401);
    oracle::check(&world).unwrap();
}

/// The same where the answer to the first question is on its way while the second one is asked and answered.
#[test]
fn a_no_that_comes_before_a_yes_which_was_asked_first_counts() {
    for (method, target) in [
        ("GET", format!("/v2/{REPOSITORY}/tags/list")),
        ("GET", format!("/v2/{REPOSITORY}/manifests/latest")),
        ("GET", format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(&sample::schema2().layers[0]))),
        ("HEAD", format!("/v2/{REPOSITORY}/manifests/latest")),
    ] {
        let mut world = pass_through();
        let tag = by(ALICE, manifest("latest"));
        assert_eq!(world.pull(&tag).response.status, 200);
        world.pass(core::time::Duration::from_secs(60));
        let first = world.begin(&tag);
        // Up to where the registry has answered, and nobody has heard of it.
        let is_answered = |world: &World| {
            let is_answered = |task: &Task| matches!(task.progress, Progress::Done(Done::Asked(_)));
            world.tasks().iter().any(is_answered)
        };
        world.hold(|effect| matches!(effect, Effect::Ask(_)));
        world.run();
        let ask = world.tasks().iter().position(|task| matches!(task.effect, Effect::Ask(_)));
        assert!(ask.is_some_and(|index| world.advance(index)) && is_answered(&world));
        world.release();
        world.net.change(&Change::Rights(ALICE, &[]));
        let second = world.begin(&by(ALICE, Sent::new(method, &target)));
        finish(&mut world, second);
        assert_eq!(status(&world, second), 401);
        world.run();
        let later = world.pull(&by(ALICE, manifest(reported().as_str())));
        assert_eq!((status(&world, first), later.response.status), (200, 401), "{method} {target}");
        oracle::check(&world).unwrap();
    }
}

/// Before the registry has said yes nothing is looked up that could be told.
#[test]
fn whoever_is_turned_away_was_looked_up_nothing_for() {
    let mut world = pass_through();
    assert_eq!(world.pull(&by(ALICE, manifest("latest"))).response.status, 200);
    for target in [manifest("latest"), manifest(reported().as_str())] {
        for user in [None, Some(BOB)] {
            let sent = user.map_or_else(|| target.clone(), |user| by(user, target.clone()));
            let pull = world.begin(&sent);
            let seen = Rc::new(RefCell::new(Vec::new()));
            let log = Rc::clone(&seen);
            world.instead = Some(Box::new(move |effect| {
                log.borrow_mut().push(effect.clone());
                None
            }));
            world.run();
            let seen = seen.borrow();
            assert_eq!(status(&world, pull), 401);
            let is_content = |effect: &&Effect| {
                matches!(
                    effect,
                    Effect::Load(Key::Answer { .. } | Key::Document { .. } | Key::List { .. })
                        | Effect::Convert(_)
                        | Effect::Keep { key: Key::Permit { .. } | Key::Answer { .. }, .. }
                )
            };
            assert!(!seen.iter().any(|effect| is_content(&effect)), "{seen:?}");
        }
    }
}

#[test]
fn what_is_reported_is_recorded_first() {
    for sent in [
        manifest("latest"),
        Sent { method: "HEAD".to_owned(), ..manifest("latest") },
        manifest("latest").with("Accept", Form::Oci.media_type()),
        // The error names the digest to pull instead.
        manifest(sample::schema2().manifest.digest().as_str()).with("User-Agent", "docker/1.9.1"),
    ] {
        let mut world = open();
        world.hold(|effect| matches!(effect, Effect::Record(_)));
        let pull = world.begin(&sent);
        world.run();
        let wanted = wants(&world, pull);
        assert!(matches!(wanted[..], [Effect::Record(_)]), "{wanted:?}");
        assert_eq!(status(&world, pull), 0, "it has responded");
        world.release();
        world.run();
        assert!(matches!(status(&world, pull), 200 | 400), "{:?}", world.received(pull));
        assert_eq!(world.records.len(), 1);
        oracle::check(&world).unwrap();
    }
}

/// What an engine is told to pull instead of what it cannot read, it can pull, also after all was forgotten.
#[test]
fn what_an_error_names_can_be_pulled() {
    let mut world = open();
    let old = |sent: Sent| sent.with("User-Agent", "docker/1.9.1 os/linux arch/amd64");
    let stored = sample::schema2().manifest.digest();
    let refused = world.pull(&old(manifest(stored.as_str())));
    assert_eq!(refused.response.status, 400);
    let text = String::from_utf8(refused.response.body).expect("it is text");
    let instead = text
        .split(|char: char| !char.is_ascii_alphanumeric() && char != ':')
        .find(|word| word.starts_with("sha256:") && *word != stored.as_str());
    let instead = instead.expect("it names another digest").to_owned();
    world.restart();
    let pulled = world.pull(&old(manifest(&instead)));
    assert_eq!(pulled.response.header("docker-content-digest"), Some(&*instead), "{pulled:?}");
}

/// Nothing that was reported depends on what is kept; only what was recorded stays.
#[test]
fn what_is_forgotten_is_asked_for_again_and_is_the_same() {
    let mut world = open();
    let first = world.pull(&manifest("latest"));
    let asked = world.net.exchanges().len();
    world.restart();
    assert_eq!(world.pull(&manifest("latest")), first);
    assert_eq!(world.net.exchanges().len(), 2 * asked);
    world.is_forgetful = true;
    world.restart();
    assert_eq!(world.pull(&manifest("latest")), first);
    world.net.change(&Change::Fault(Rule::at("/manifests/", Fault::Close)));
    let by_digest = world.pull(&manifest(reported().as_str()));
    assert_eq!(by_digest.response.body, first.response.body);
    world.records.clear();
    let gone = world.pull(&manifest(reported().as_str()));
    assert_eq!(gone.response.status, 502, "{gone:?}");
    oracle::check(&world).unwrap();
}

/// An answer that is kept is not made again, and one that a passing key has signed is not kept.
#[test]
fn an_answer_at_hand_is_not_made_again() {
    for is_key_lasting in [true, false] {
        let mut world = open();
        let mut settings = (*world.settings).clone();
        settings.is_key_lasting = is_key_lasting;
        world.settings = settings.into();
        assert_eq!(world.pull(&manifest("latest")).response.status, 200);
        world.hold(|effect| matches!(effect, Effect::Convert(_)));
        let again = world.begin(&manifest("latest"));
        world.run();
        assert_eq!(world.is_over(again), is_key_lasting);
        world.release();
        world.run();
        let stored = manifest("latest").with("Accept", Form::Schema2.media_type());
        assert_eq!(world.pull(&stored).response.status, 200);
        world.hold(|effect| matches!(effect, Effect::Convert(_)));
        let again = world.begin(&stored);
        world.run();
        assert!(world.is_over(again), "what nobody has signed is kept whatever the key is");
    }
}

#[test]
fn a_pull_that_is_called_off_leaves_nothing_behind() {
    let mut world = open();
    for effects in 0..40 {
        let pull = world.begin(&manifest("latest"));
        for _ in 0..effects {
            let next = (0..world.tasks().len()).find(|&index| world.tasks()[index].pull == pull);
            if next.is_none_or(|index| !world.advance(index)) {
                break;
            }
        }
        world.drop_pull(pull);
        assert!(world.tasks().is_empty());
    }
    assert_eq!(world.pull(&manifest("latest")).response.status, 200);
    oracle::check(&world).unwrap();
}

#[test]
fn nothing_is_asked_for_a_client_that_is_gone() {
    let mut world = open();
    let layer = &sample::schema2().layers[0];
    let blob = Sent::new("GET", &format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(layer)));
    world.net.change(&Change::Fault(Rule::at("/blobs/", Fault::CutAt(20))));
    let pull = world.begin(&blob);
    world.leave_after(pull, 10);
    world.run();
    assert!(world.is_over(pull));
    assert_eq!(world.net.exchanges().len(), 1);
    assert_eq!(world.received(pull).response.body, layer[..10]);
}

/// A registry that hangs is waited for as long as it may be, and no longer.
#[test]
fn time_limits_hold() {
    let mut world = open();
    let took = |world: &mut World| {
        let before = world.now;
        let received = world.pull(&manifest("latest"));
        (received.response.status, world.now - before)
    };
    assert_eq!(took(&mut world), (200, 0));
    world.net.change(&Change::Fault(Rule::at("/", Fault::Hang)));
    assert_eq!(took(&mut world), (504, 1000));
    world.net.change(&Change::NoFaults);
    // HEAD is not tried again, but GET is.
    world.net.change(&Change::Fault(Rule::at("/", Fault::Close).times(3)));
    assert_eq!(took(&mut world), (200, 50 + 200));
    // All attempts have one limit together.
    world.net.change(&Change::NoFaults);
    world.net.change(&Change::Fault(Rule::at("/", Fault::Close).times(2)));
    world.net.change(&Change::Fault(Rule::at("/", Fault::Hang)));
    assert_eq!(took(&mut world), (504, 1000));
    world.net.change(&Change::NoFaults);
    world.net.change(&Change::Fault(Rule::at("/", Fault::HangInBody)));
    world.restart();
    assert_eq!(took(&mut world), (504, 1000));
}

/// Where there is a stale answer, a registry is waited for no longer than five seconds.
#[test]
fn what_is_stale_is_told_soon_and_the_operator_hears_of_it() {
    let hour = core::time::Duration::from_secs(3600);
    let options = Options { stale_for: hour, timeout: hour, ..Options::default() };
    let mut world = options.world("https");
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    let first = world.pull(&manifest("latest"));
    world.pass(core::time::Duration::from_secs(7));
    world.net.change(&Change::Fault(Rule::at("/", Fault::Hang)));
    let before = world.now;
    assert_eq!(world.pull(&manifest("latest")), first);
    assert_eq!(world.now - before, 5000);
    let Some(Event::Stale { name, tag, age, cause }) = world.events.last() else {
        panic!("nobody is told: {:?}", world.events)
    };
    assert_eq!((name.as_str(), tag.as_str(), *age), (REPOSITORY, "latest", 12));
    assert_eq!(cause, "the upstream registry `registry.test` did not answer in time");
}

/// A pull whose token was refused uses the one that another pull has got meanwhile.
#[test]
fn a_token_that_another_pull_got_meanwhile_is_used() {
    let options = Options { credentials: Some(ALICE), ..Options::default() };
    let mut world = options.world("https");
    world.net.change(&Change::Authentication(Authentication::Bearer));
    world.net.change(&Change::Rights(ALICE, &["*"]));
    world.net.change(&Change::Tokens(Some(300), u32::MAX));
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::schema2())));
    assert_eq!(world.pull(&manifest("latest")).response.status, 200);
    world.net.change(&Change::ExpireTokens);
    let first = world.begin(&manifest("latest"));
    world.hold(|effect| matches!(effect, Effect::Ask(_)));
    world.run();
    let ask = world.tasks().iter().position(|task| matches!(task.effect, Effect::Ask(_)));
    assert!(ask.is_some_and(|index| world.advance(index)), "it is asked, and has not heard the answer");
    world.release();
    let second = world.begin(&manifest("latest"));
    finish(&mut world, second);
    world.run();
    assert_eq!((status(&world, first), status(&world, second)), (200, 200));
    assert_eq!(world.net.tokens().len(), 2);
    oracle::check(&world).unwrap();
}

/// Tokens and permits are for the memory of one process alone.
#[test]
fn secrets_are_told_apart_from_what_may_be_written_down() {
    let mut world = pass_through();
    world.pull(&by(ALICE, manifest("latest")));
    assert!(world.kept().count() > 0);
    assert!(world.kept().all(|key| !key.is_for_memory()));
    let text = format!("{:?}", world.kept().collect::<Vec<_>>());
    assert!(!text.contains(ALICE.basic().as_str()) && !text.contains(ALICE.password));
    let token = Value::Token(ALICE.basic());
    assert!(!format!("{token:?}").contains(ALICE.basic().as_str()));
}

/// A world whose shell shares nothing between requests, with an image whose layers an old engine gets unpacked.
fn edge() -> (World, Sent) {
    let mut world = Options::default().world("https");
    let mut settings = (*world.settings).clone();
    settings.marks_passes = true;
    world.settings = Arc::new(settings);
    world.net.change(&Change::Push(REPOSITORY, "latest", Box::new(sample::zstd())));
    let agent = "docker/20.10.24+dfsg1 go/go1.19.8 git-commit/5d6db84 kernel/6.1.0 os/linux arch/amd64";
    let sent = manifest("latest").with("User-Agent", agent).with("Accept", Form::Oci.media_type());
    (world, sent)
}

fn is_learning(effect: &Effect) -> bool {
    matches!(effect, Effect::Learn(_))
}

#[test]
fn a_layer_that_another_request_reads_is_waited_for_and_not_read_twice() {
    let (mut world, sent) = edge();
    world.hold(|effect| matches!(effect, Effect::ReadLayer(_)));
    let first = world.begin(&sent);
    world.run();
    assert!(wants(&world, first).into_iter().any(is_learning));
    let second = world.begin(&sent);
    world.run();
    assert!(!world.is_over(second) && !wants(&world, second).into_iter().any(is_learning));
    world.release();
    world.run();
    assert_eq!((status(&world, first), status(&world, second)), (200, 200));
    assert_eq!(world.received(first), world.received(second));
}

#[test]
fn a_layer_that_cannot_be_read_is_not_waited_for() {
    let (mut world, sent) = edge();
    let layer = Digest::of(&sample::zstd().layers[0]);
    world.net.change(&Rule::at(layer.as_str(), Fault::WrongByte).change());
    assert_eq!(world.pull(&sent).response.status, 502);
    assert!(world.kept().all(|key| !matches!(key, Key::LayerPass { digest, .. } if *digest == layer)));
    world.net.change(&Change::NoFaults);
    assert_eq!(world.pull(&sent).response.status, 200);
}

#[test]
fn a_layer_that_another_request_does_not_come_to_an_end_with_is_read_again_later() {
    let (mut world, sent) = edge();
    world.hold(|effect| matches!(effect, Effect::ReadLayer(_)));
    let _gone = world.begin(&sent);
    world.run();
    world.lose_pulls();
    world.release();
    // It says that it is being read, and so whoever asks now is told to come again.
    let early = world.pull(&sent).response;
    assert_eq!((early.status, early.header("retry-after")), (503, Some("30")));
    world.pass(core::time::Duration::from_secs(75));
    assert_eq!(world.pull(&sent).response.status, 200);
}

/// What one may not know of another's repository it does not learn by a mark.
#[test]
fn a_mark_is_for_one_repository() {
    let (mut world, sent) = edge();
    world.net.change(&Change::Push("other/app", "latest", Box::new(sample::zstd())));
    world.hold(|effect| matches!(effect, Effect::ReadLayer(_)));
    let first = world.begin(&sent);
    world.run();
    let other = Sent { target: sent.target.replace(REPOSITORY, "other/app"), ..sent };
    let second = world.begin(&other);
    world.run();
    assert!(wants(&world, second).into_iter().any(is_learning));
    world.release();
    world.run();
    assert_eq!((status(&world, first), status(&world, second)), (200, 200));
}
