//! What a look at a registry tells its operator.

use std::sync::Arc;

use bytes::Bytes;
use downshift::Digest;
use downshift_pull::{
    Access, Answered, Ask, Body, Delivery, Done, Effect, Event, Memory, Origin, OriginId, Place, Pull,
    Registry, Settings, Step, Ticket,
};
use downshift_registry::{BadTls, Credentials, IdentityToken, Mapping, Problem};
use downshift_world::rows::resolve;

const BEARER: (&str, &str) = ("www-authenticate", "Bearer realm=\"https://tokens.test/token\",service=\"s\"");
const BASIC: (&str, &str) = ("www-authenticate", "Basic realm=\"x\"");

type Answer = Result<Answered, Problem>;

fn status(status: u16, headers: &[(&'static str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Ok(Answered { status, headers, body: Body::None })
}

fn token() -> Answer {
    let bytes = Bytes::from_static(b"{\"token\":\"t\"}");
    let digest = Digest::of(&bytes);
    Ok(Answered { status: 200, headers: Vec::new(), body: Body::Bytes { bytes, digest } })
}

fn settings(access: Access, has_credentials: bool) -> Settings {
    let base = resolve(None, "https://registry.test:5000/").expect("a URL");
    let credentials = Credentials { username: "user".to_owned(), password: "hunter2".to_owned().into() };
    let registry = Registry {
        base,
        credentials: has_credentials.then_some(credentials),
        delivery: Delivery::Stream,
        timeout: core::time::Duration::from_secs(1),
    };
    let (mapping, place) = (Mapping::default(), Place::Registry(registry));
    let origin = Origin::new(OriginId(1), mapping, place);
    Settings::new(vec![origin], access, resolve)
}

/// What is told where the network answers so: code, cause and remedy.
fn told(settings: Settings, mut answer: impl FnMut(&Ask) -> Answer) -> Option<String> {
    let mut pull = Pull::probing(Arc::new(settings), OriginId(1));
    let (mut memory, mut told) = (Memory::default(), None);
    let mut done: Vec<(Ticket, Done)> = Vec::new();
    loop {
        let Step::Wants { new, .. } = pull.step_with(&mut memory, 0, done.drain(..)) else { return told };
        for (ticket, effect) in new {
            match effect {
                Effect::Ask(ask) => done.push((ticket, Done::Asked(answer(&ask)))),
                Effect::Tell(Event::Failure(failure)) => {
                    assert!(told.is_none(), "{told:?}");
                    told = Some(format!("{}: {failure}; {}", failure.code, failure.remedy));
                }
                // Nothing takes its time here.
                Effect::Pause(_) => {}
                _ => done.push((ticket, Done::Unknown { mark: 0 })),
            }
        }
    }
}

#[test]
fn a_registry_that_answers_is_nothing_to_tell() {
    let bearer = |ask: &Ask| match (&*ask.url.host, &ask.authorization) {
        ("tokens.test", _) => token(),
        (_, Some(_)) => status(200, &[("content-type", "application/json")]),
        _ => status(401, &[BEARER]),
    };
    for has_credentials in [false, true] {
        assert_eq!(told(settings(Access::Open, has_credentials), |_| status(200, &[])), None);
        assert_eq!(told(settings(Access::Open, has_credentials), bearer), None);
    }
    let basic =
        |ask: &Ask| if ask.authorization.is_some() { status(200, &[]) } else { status(401, &[BASIC]) };
    assert_eq!(told(settings(Access::Users, true), basic), None);
    // Clients have the passwords.
    for challenge in [BASIC, BEARER] {
        let access = Access::Upstream { public_url: None };
        assert_eq!(told(settings(access, false), |_| status(401, &[challenge])), None);
    }
    // There may be tokens for some repositories, and none for the registry.
    let denied =
        |ask: &Ask| if ask.url.host == "tokens.test" { status(403, &[]) } else { status(401, &[BEARER]) };
    assert_eq!(told(settings(Access::Open, false), denied), None);
}

#[test]
fn what_is_wrong_is_told_once_with_who_can_mend_it() {
    let mut seen = Vec::new();
    let mut check = |name: &str, settings: Settings, answer: &dyn Fn(&Ask) -> Answer, expected: &[&str]| {
        let told = told(settings, answer).unwrap_or_default();
        for expected in expected {
            assert!(told.contains(expected), "{name}: {told}");
        }
        assert!(told.contains("`registry.test:5000`") || told.contains("`tokens.test`"), "{name}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
        seen.push(told);
    };
    let open = || settings(Access::Open, false);
    let own = || settings(Access::Open, true);
    check("path", open(), &|_| status(404, &[]), &["upstream-invalid", "no `/v2/` below its URL", "the URL"]);
    check(
        "page",
        open(),
        &|_| status(200, &[("content-type", "text/html; charset=utf-8")]),
        &["upstream-invalid", "web page"],
    );
    check("down", open(), &|_| Err(Problem::Unreachable("refused".to_owned())), &["upstream-unreachable"]);
    check("tls", open(), &|_| Err(Problem::Tls(BadTls::NotTls)), &["plain HTTP", "use http://"]);
    check("broken", open(), &|_| status(500, &[]), &["upstream-status", "operator of this registry"]);
    check("mute", open(), &|_| status(401, &[]), &["without a WWW-Authenticate challenge"]);
    check("login", open(), &|_| status(401, &[BASIC]), &["settings have none", "`password-file`"]);
    check("password", own(), &|_| status(401, &[BASIC]), &["does not accept", "`password-file`"]);
    check(
        "token-denied",
        own(),
        &|ask| if ask.url.host == "tokens.test" { status(401, &[]) } else { status(401, &[BEARER]) },
        &["upstream-unauthorized", "does not accept"],
    );
    check(
        "token-refused",
        own(),
        &|ask| if ask.url.host == "tokens.test" { token() } else { status(401, &[BEARER]) },
        &["does not accept"],
    );
    check(
        "tokens-down",
        open(),
        &|ask| {
            if ask.url.host == "tokens.test" {
                Err(Problem::Unreachable("refused".to_owned()))
            } else {
                status(401, &[BEARER])
            }
        },
        &["`tokens.test` cannot be reached"],
    );
    let mut settings = settings(Access::Open, false);
    if let Some(Origin { place: Place::Registry(registry), .. }) = settings.origins.first_mut() {
        registry.credentials = Some(Credentials::from(IdentityToken::from("hunter2".to_owned())));
    }
    check(
        "identity-token-denied",
        settings,
        &|ask| if ask.url.host == "tokens.test" { status(401, &[]) } else { status(401, &[BEARER]) },
        &["does not accept the identity token", "docker login"],
    );
    assert_eq!(seen.len(), 12);
}
