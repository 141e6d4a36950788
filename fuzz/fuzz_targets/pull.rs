//! Pulls of several callers at the same time, in front of registries that fail and lie, with rights that come and go, and
//! on a shell that loses things: each ends, each error is one, nobody gets what the script did not permit, and no
//! credentials reach a host that they are not for.
//!
//! The input decides what happens, and of all that pulls want by then, what is carried out or heard of next.

#![no_main]

use core::time::Duration;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use downshift::{Digest, Form};
use downshift_cases::images::{Image, sample};
use downshift_pull::{Delivery, Done, Effect, Trouble};
use downshift_world::fault::{DigestSpelling, Fault, Rule};
use downshift_world::net::{self, Denial, Host, Redirect, User};
use downshift_world::oracle;
use downshift_world::rows::{AccessOption, Options};
use downshift_world::world::{PullId, Sent, World};
use libfuzzer_sys::fuzz_target;

const USERS: [User; 4] = [
    User { name: "alice", password: "wonder land" },
    User { name: "bob", password: "builder" },
    User { name: "server", password: "a:secret" },
    User { name: "", password: "" },
];

const NAMES: [&str; 2] = ["library/sample", "team/secret"];

/// What a user may have.
const RIGHTS: [&[&str]; 4] = [&[], &["library/sample"], &["team/secret"], &["*"]];

const TAGS: [&str; 2] = ["latest", "other"];

/// An identity token that has characters of all kinds.
const LONG_TOKEN: &str = "next+one/of=many&grant_type=password%20\u{e4}";

/// Steps of one run. More find nothing that fewer do not, and take longer.
const MAX_ACTS: usize = 200;

/// Packing an image takes longer than all else.
static IMAGES: LazyLock<[Image; 4]> =
    LazyLock::new(|| [sample::schema2(), sample::oci(), sample::index(), sample::without_layers()]);

#[derive(Arbitrary, Debug)]
struct Case {
    access: Access,
    has_credentials: bool,
    has_identity_token: bool,
    tag_lifetime: u8,
    stale_for: u8,
    redirects_clients: bool,
    subrequests: Option<u8>,
    authentication: Authentication,
    denial: u8,
    rights: [u8; 4],
    images: [[Option<u8>; 2]; 2],
    acts: Vec<Act>,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Access {
    Open,
    Users,
    Upstream,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Authentication {
    Open,
    Basic,
    Bearer,
}

#[derive(Arbitrary, Debug)]
enum Act {
    Begin {
        by: By,
        is_head: bool,
        name: bool,
        what: What,
        reads: Option<u8>,
        is_old: bool,
        is_conditional: bool,
    },
    /// One of the things that pulls want goes on.
    Advance(u8),
    /// The same for the last ones, so many times.
    AdvanceLast(u8),
    /// Everything goes on, and the clock with it.
    Run,
    Pass(u16),
    /// The clock goes on to where it moves something.
    Wait,
    Rights(u8, u8),
    Denial(u8),
    Push {
        name: bool,
        tag: bool,
        image: u8,
    },
    Untag {
        name: bool,
        tag: bool,
    },
    Remove {
        name: bool,
        image: u8,
    },
    Fault {
        host: u8,
        is_head: Option<bool>,
        part: u8,
        times: Option<u8>,
        fault: Wrong,
    },
    NoFaults,
    Redirect {
        is_back: bool,
        part: bool,
    },
    Tokens(Option<u8>, u8),
    ExpireTokens,
    NextIdentity(Option<bool>),
    Realm(u8),
    Lose,
    Restart,
    IsForgetful(bool),
    Leave(u8, u8),
    CallOff(u8),
    Trouble(u8, u8),
    NoTrouble,
}

#[derive(Arbitrary, Debug)]
enum By {
    Nobody,
    User(u8),
    Stranger,
    /// With a token that was issued to any user.
    Token(u8),
}

#[derive(Arbitrary, Debug)]
enum What {
    Tag(bool),
    Stored(u8),
    /// What was reported by an earlier pull.
    Reported(u8),
    Layer {
        image: u8,
        range: Option<u8>,
    },
    Config(u8),
    Tags(u8),
    Catalog(u8),
    Referrers,
    V1,
    Base,
    Root,
    Token,
    Nothing,
}

#[derive(Arbitrary, Debug)]
enum Wrong {
    Close,
    Hang,
    NotHttp,
    HangInBody,
    Cut,
    CutAt(u8),
    WrongByte,
    Longer,
    WrongDigest,
    BadDigest,
    SpeltDigest(u8),
    Limits(bool),
    ContentType(u8),
    NoDigest,
    NoLength,
    Length(u8),
    Empty,
    Part(u8, u8),
    OtherPart,
    WholeForPart,
    Unsized(bool),
    Huge(bool),
    Status(u8),
    Challenge(u8),
    Location(u8),
    RedirectLoop,
    Body(Vec<u8>),
    Typed(u8, Vec<u8>),
}

impl Wrong {
    fn fault(&self) -> Fault {
        const LENGTHS: [&str; 5] = ["0", "7", "99999", "x", "18446744073709551616"];
        const STATUSES: [u16; 12] = [204, 206, 301, 400, 401, 403, 404, 416, 429, 500, 503, 999];
        const SPELLINGS: [DigestSpelling; 3] =
            [DigestSpelling::Quoted, DigestSpelling::Capitals, DigestSpelling::Empty];
        const TYPES: [&str; 3] = ["text/html", "application/json", Form::Oci.media_type()];
        const CHALLENGES: [&str; 6] = [
            "Basic realm=\"x\"",
            "Bearer realm=\"{tokens}/token\",service=\"registry\"",
            "Bearer realm=\"{elsewhere}/token\"",
            "Bearer realm=\"{second}/token\"",
            "Bearer realm=\"http://tokens.test/token\"",
            "=\",,;Bearer",
        ];
        const LOCATIONS: [&str; 7] = [
            "{elsewhere}/moved",
            "{second}/v2/",
            "{registry}/v2/",
            "{registry}/v2/library/sample/tags/list",
            "http://elsewhere.test/",
            "//second.test/x",
            "file:///etc/passwd",
        ];
        match self {
            Self::Close => Fault::Close,
            Self::Hang => Fault::Hang,
            Self::NotHttp => Fault::NotHttp,
            Self::HangInBody => Fault::HangInBody,
            Self::Cut => Fault::Cut,
            Self::CutAt(at) => Fault::CutAt((*at).into()),
            Self::WrongByte => Fault::WrongByte,
            Self::Longer => Fault::Longer,
            Self::WrongDigest => Fault::WrongDigest,
            Self::BadDigest => Fault::BadDigest,
            Self::Limits(is_bad) => {
                let value = if *is_bad { "\u{e4}\u{7f}" } else { "0;w=21600" };
                Fault::Headers(vec![("ratelimit-remaining", value), ("retry-after", value)])
            }
            Self::SpeltDigest(spelling) => Fault::SpeltDigest(pick(&SPELLINGS, *spelling)),
            Self::ContentType(media_type) => Fault::ContentType(TYPES.get(usize::from(*media_type)).copied()),
            Self::NoDigest => Fault::NoDigest,
            Self::NoLength => Fault::NoLength,
            Self::Length(length) => Fault::Length(pick(&LENGTHS, *length)),
            Self::Empty => Fault::Empty,
            Self::Part(from, length) => {
                Fault::Part((*from).into()..usize::from(*from) + usize::from(*length))
            }
            Self::OtherPart => Fault::OtherPart,
            Self::WholeForPart => Fault::WholeForPart,
            Self::Unsized(is_right) => Fault::Unsized { is_right: *is_right },
            Self::Huge(is_announced) => Fault::Huge { is_announced: *is_announced },
            Self::Status(status) => Fault::status(pick(&STATUSES, *status)),
            Self::Challenge(challenge) => Fault::with(401, "www-authenticate", pick(&CHALLENGES, *challenge)),
            Self::Location(location) => Fault::with(307, "location", pick(&LOCATIONS, *location)),
            Self::RedirectLoop => Fault::RedirectLoop,
            Self::Body(body) => Fault::Body(body.clone()),
            Self::Typed(media_type, body) => Fault::Typed(pick(&TYPES, *media_type), body.clone()),
        }
    }
}

fn pick<T: Copy>(from: &[T], index: u8) -> T {
    from[usize::from(index) % from.len()]
}

fn image(index: u8) -> &'static Image {
    &IMAGES[usize::from(index) % IMAGES.len()]
}

fn name(is_other: bool) -> &'static str {
    NAMES[usize::from(is_other)]
}

impl Case {
    fn world(&self) -> World {
        let options = Options {
            access: match self.access {
                Access::Open => AccessOption::Open,
                Access::Users => AccessOption::Users(&USERS),
                Access::Upstream => AccessOption::Upstream,
            },
            // Where clients pass through, the server is nobody.
            credentials: (self.has_credentials && self.access != Access::Upstream).then_some(USERS[2]),
            has_identity_token: self.has_identity_token,
            tag_lifetime: Duration::from_secs(self.tag_lifetime.into()),
            stale_for: Duration::from_secs(self.stale_for.into()),
            delivery: if self.redirects_clients { Delivery::Redirect } else { Delivery::Stream },
            timeout: Duration::from_secs(10),
            subrequests: self.subrequests.map(u32::from),
            ..Options::default()
        };
        let mut world = options.world("https");
        let authentication = match self.authentication {
            Authentication::Open => net::Authentication::Open,
            Authentication::Basic => net::Authentication::Basic,
            Authentication::Bearer => net::Authentication::Bearer,
        };
        world.net.change(&net::Change::Authentication(authentication));
        denial(&mut world, self.denial);
        for (user, rights) in USERS.iter().zip(self.rights) {
            // Whether those who say nothing are known at all decides, too.
            if !user.name.is_empty() || rights % 8 > 3 {
                world.net.change(&net::Change::Rights(*user, pick(&RIGHTS, rights)));
            }
        }
        for (name, tags) in NAMES.into_iter().zip(self.images) {
            for (tag, index) in TAGS.into_iter().zip(tags) {
                if let Some(index) = index {
                    world.net.change(&net::Change::Push(name, tag, Box::new(image(index).clone())));
                }
            }
        }
        world
    }
}

fn denial(world: &mut World, denial: u8) {
    let denials = [Denial::Unauthorized, Denial::Forbidden, Denial::Hidden];
    world.net.change(&net::Change::Denial(pick(&denials, denial)));
}

impl Act {
    fn carry_out(&self, world: &mut World) {
        let change = match self {
            Self::Begin { .. } => return self.begin(world),
            Self::Advance(index) => {
                let tasks = world.tasks().len();
                if tasks > 0 {
                    world.advance(usize::from(*index) % tasks);
                }
                return;
            }
            Self::AdvanceLast(times) => {
                for _ in 0..*times {
                    if !(0..world.tasks().len()).rev().any(|index| world.advance(index)) {
                        break;
                    }
                }
                return;
            }
            Self::Run => return world.run(),
            Self::Pass(milliseconds) => return world.pass(Duration::from_millis((*milliseconds).into())),
            Self::Wait => {
                if let Some(next) = world.next_time() {
                    world.now = world.now.max(next);
                }
                return;
            }
            Self::Lose => return world.lose(),
            Self::Restart => return world.restart(),
            Self::IsForgetful(is_forgetful) => {
                world.is_forgetful = *is_forgetful;
                return;
            }
            Self::Leave(pull, bytes) => {
                if world.pulls() > 0 {
                    world.leave_after(PullId(usize::from(*pull) % world.pulls()), (*bytes).into());
                }
                return;
            }
            Self::CallOff(pull) => {
                if world.pulls() > 0 {
                    world.drop_pull(PullId(usize::from(*pull) % world.pulls()));
                }
                return;
            }
            Self::Trouble(effect, done) => return trouble(world, *effect, *done),
            Self::NoTrouble => {
                world.instead = None;
                return;
            }
            Self::Denial(what) => return denial(world, *what),
            Self::Rights(user, rights) => net::Change::Rights(pick(&USERS, *user), pick(&RIGHTS, *rights)),
            Self::Push { name: other, tag, image: index } => {
                net::Change::Push(name(*other), TAGS[usize::from(*tag)], Box::new(image(*index).clone()))
            }
            Self::Untag { name: other, tag } => net::Change::Untag(name(*other), TAGS[usize::from(*tag)]),
            Self::Remove { name: other, image: index } => {
                net::Change::Remove(name(*other), image(*index).manifest.digest())
            }
            Self::Fault { host, is_head, part, times, fault } => {
                const PARTS: [&str; 8] =
                    ["/", "/manifests/", "/blobs/", "/tags/", "/referrers/", "/token", "/v2/", "library"];
                net::Change::Fault(Rule {
                    host: pick(&Host::ALL, *host),
                    method: is_head.map(|is_head| if is_head { "HEAD" } else { "GET" }),
                    part: pick(&PARTS, *part).to_owned(),
                    times: times.map(u32::from),
                    fault: fault.fault(),
                })
            }
            Self::NoFaults => net::Change::NoFaults,
            Self::Redirect { is_back, part } => net::Change::Redirect(match is_back {
                true => Redirect {
                    from: Host::Elsewhere,
                    part: "/moved",
                    to: Host::Registry,
                    prefix: if *part { "/back" } else { "" },
                },
                false => Redirect {
                    from: Host::Registry,
                    part: if *part { "/blobs/" } else { "/manifests/" },
                    to: Host::Elsewhere,
                    prefix: "/moved",
                },
            }),
            Self::Tokens(seconds, uses) => net::Change::Tokens(seconds.map(u64::from), (*uses).into()),
            Self::ExpireTokens => net::Change::ExpireTokens,
            Self::NextIdentity(next) => {
                net::Change::NextIdentity(next.map(|is_long| if is_long { LONG_TOKEN } else { "next/one" }))
            }
            Self::Realm(realm) => {
                const REALMS: [&str; 4] =
                    ["{tokens}/token", "{second}/token", "gopher://x", "http://tokens.test/token"];
                net::Change::Realm(pick(&REALMS, *realm))
            }
        };
        world.net.change(&change);
    }

    fn begin(&self, world: &mut World) {
        let Self::Begin { by, is_head, name: other, what, reads, is_old, is_conditional } = self else {
            return;
        };
        let name = name(*other);
        let target = match what {
            What::Tag(tag) => format!("/v2/{name}/manifests/{}", TAGS[usize::from(*tag)]),
            What::Stored(index) => format!("/v2/{name}/manifests/{}", image(*index).manifest.digest()),
            What::Reported(index) => {
                let digests: Vec<&Digest> = world.records.keys().map(|(_, digest)| digest).collect();
                match digests.as_slice() {
                    [] => format!("/v2/{name}/manifests/{}", Digest::of(b"none")),
                    digests => format!("/v2/{name}/manifests/{}", pick(digests, *index)),
                }
            }
            What::Layer { image: index, .. } => {
                let layer =
                    image(*index).layers.first().map_or(Digest::of(b"none"), |layer| Digest::of(layer));
                format!("/v2/{name}/blobs/{layer}")
            }
            What::Config(index) => format!("/v2/{name}/blobs/{}", Digest::of(&image(*index).configs[0])),
            What::Tags(page) => {
                const PAGES: [&str; 4] = ["", "?n=1", "?n=1&last=latest", "?next_page=x"];
                format!("/v2/{name}/tags/list{}", pick(&PAGES, *page))
            }
            What::Catalog(page) => {
                const PAGES: [&str; 5] =
                    ["", "?n=1", "?n=1&last=library/sample", "?_origin=&n=1&last=a", "?_origin=x"];
                format!("/v2/_catalog{}", pick(&PAGES, *page))
            }
            What::V1 => format!("/v1/repositories/{name}/images"),
            What::Referrers => format!("/v2/{name}/referrers/{}", image(0).manifest.digest()),
            What::Base => "/v2/".to_owned(),
            What::Root => "/".to_owned(),
            What::Token => format!("/_downshift/token?scope=repository:{name}:pull&account=x"),
            What::Nothing => format!("/v2/{name}/nothing"),
        };
        let mut sent = Sent::new(if *is_head { "HEAD" } else { "GET" }, &target);
        sent = sent.with("Host", "pull.test");
        if let What::Layer { range: Some(range), .. } = what {
            const RANGES: [&str; 5] =
                ["bytes=3-9", "bytes=0-", "bytes=-7", "bytes=99999-", "bytes=3-9,11-12"];
            sent = sent.with("Range", pick(&RANGES, *range));
        }
        if let Some(form) = reads {
            sent = sent.with("Accept", pick(&Form::ALL, *form).media_type());
        }
        if *is_old {
            // One that reads schema 1, and asks version 1 after failures.
            sent = sent.with("User-Agent", "docker/1.9.1 os/linux arch/arm64");
        }
        if *is_conditional {
            sent = sent.with("If-None-Match", "*");
        }
        let authorization = match by {
            By::Nobody => None,
            By::User(user) => Some(pick(&USERS[..3], *user).basic().as_str().to_owned()),
            By::Stranger => Some("Basic ZXZlOmRyb3A=".to_owned()),
            By::Token(index) => Some(format!("Bearer token-{}", index % 8 + 1)),
        };
        if let Some(authorization) = authorization {
            sent = sent.with("Authorization", &authorization);
        }
        world.begin(&sent);
    }
}

/// Has everybody ask for everything by digest: what was remembered wrongly shows there.
fn probe(world: &mut World) {
    let mut authorizations: Vec<String> = (0..world.pulls())
        .filter_map(|pull| world.sent(PullId(pull))?.authorization().map(str::to_owned))
        .collect();
    authorizations.sort_unstable();
    authorizations.dedup();
    for authorization in authorizations {
        for name in NAMES {
            let digest =
                world.net.repositories().get(name).and_then(|own| own.manifests.keys().next()).cloned();
            let Some(digest) = digest else { continue };
            let sent = Sent::new("HEAD", &format!("/v2/{name}/manifests/{digest}"));
            world.begin(&sent.with("Authorization", &authorization));
            world.run();
        }
    }
}

/// From now on the shell cannot do something. What is about callers it always can.
fn trouble(world: &mut World, effect: u8, done: u8) {
    world.instead = Some(Box::new(move |wanted| {
        let (is_meant, failed): (bool, fn(Trouble) -> Done) = match effect % 5 {
            0 => (matches!(wanted, Effect::Record(_)), |trouble| Done::Recorded(Err(trouble))),
            1 => (matches!(wanted, Effect::Recall { .. }), |trouble| Done::Recalled(Err(trouble))),
            2 => (matches!(wanted, Effect::Convert(_)), |trouble| Done::Converted(Err(trouble))),
            3 => (matches!(wanted, Effect::Ask(_)), |_| Done::Busy),
            _ => (matches!(wanted, Effect::Load(key) if !key.is_for_memory()), |_| Done::Busy),
        };
        is_meant.then(|| match done % 3 {
            0 => Done::Busy,
            1 => failed(Trouble::NotRecorded),
            _ => failed(Trouble::Internal),
        })
    }));
}

fuzz_target!(|case: Case| {
    let mut world = case.world();
    for act in case.acts.iter().take(MAX_ACTS) {
        act.carry_out(&mut world);
    }
    world.run();
    world.instead = None;
    probe(&mut world);
    for pull in (0..world.pulls()).map(PullId) {
        assert!(world.is_over(pull), "{:?} has no end: {:?}", world.sent(pull), world.tasks());
    }
    if let Err(error) = oracle::check(&world) {
        panic!("{error:?}\n{:?}", world.history);
    }
});
