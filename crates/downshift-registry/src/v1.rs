//! The API of version 1, as Docker 1.6 to 17 ask it after most failures, with `GET /v1/repositories/NAME/images`.
//!
//! There is none for them, but what it answers is printed: by Docker 1.6 and 1.7 after any failure, by those up to 1.13 after
//! `MANIFEST_UNKNOWN`, and by 1.8 and 1.9 after an error with status 500 or more and a layer that is missing, too (measured).
//! With 404 they say that the image was not found, with another status they show the text. So that is the cause of the
//! failure before, as far as it is remembered.

use alloc::format;
use alloc::string::{String, ToString as _};

use downshift_json::{Json, Limits, Value};

use crate::{Body, Reference, Request, Response, Route, response, v1_images};

/// Characters of a line. Docker prints all of it.
const LINE_CHARS: usize = 1_000;

/// Why a client did not get what it asked for last, as the API of version 1 tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullFailure {
    /// There is no such image.
    NotFound,
    /// This line says it.
    Explained(String),
}

impl PullFailure {
    /// Why `response` does not have what was asked for, if that is so. Where somebody had to be let in, it only says what
    /// kind of failure it was, for the API of version 1 asks nobody who they are.
    #[must_use]
    pub fn of(request: &Request, response: &Response, is_private: bool) -> Option<Self> {
        let (name, by_tag) = match &request.route {
            Route::Manifest { name, reference } => (name, matches!(reference, Reference::Tag(_))),
            Route::Blob { name, .. } => (name, false),
            _ => return None,
        };
        let Body::Bytes(body) = &response.body else { return None };
        if response.status < 400 {
            return None;
        }
        let json = Json::parse("error", body, Limits::default()).ok()?;
        let error = json.root().member("errors")?.elements().next()?;
        let text = |value: Option<Value<'_>>| value.and_then(Value::as_text).map(|text| text.to_string());
        let of_detail = |name: &str| text(error.member("detail").and_then(|detail| detail.member(name)));
        let digest = match &request.route {
            Route::Blob { digest, .. } => Some(digest.to_string()),
            _ => of_detail("Revision"),
        };
        let (cause, remedy) = match (text(error.member("code"))?.as_str(), digest) {
            ("MANIFEST_UNKNOWN", Some(digest)) if by_tag => {
                (format!("the manifest `{digest}` is missing"), Some(PUSH_AGAIN.to_string()))
            }
            ("MANIFEST_UNKNOWN" | "NAME_UNKNOWN", _) => return Some(Self::NotFound),
            ("BLOB_UNKNOWN", Some(digest)) => {
                (format!("the layer `{digest}` is missing"), Some(PUSH_AGAIN.to_string()))
            }
            ("UNAUTHORIZED", _) => ("authentication is required".into(), Some(LOG_IN.to_string())),
            _ => {
                let shown = |text: String| if is_private { without_values(&text) } else { text };
                match of_detail("cause") {
                    Some(cause) => (cause, of_detail("remedy").map(shown)),
                    None => (text(error.member("message"))?, None),
                }
            }
        };
        let cause = if is_private { without_values(&cause) } else { cause };
        let remedy = remedy.map(|remedy| ["; ", &remedy].concat()).unwrap_or_default();
        Some(Self::Explained(line(&format!("{name} was not pulled: {cause}{remedy}"))))
    }
}

const PUSH_AGAIN: &str = "push the image again, with all of its parts";

const LOG_IN: &str = "log in with `docker login`, as a user who may pull it";

/// What the API of version 1 says to a client whose last failure was this one, as far as it is known.
#[must_use]
pub fn answer(request: &Request, failure: Option<&PullFailure>) -> Response {
    let Route::V1Images { name } = &request.route else { return response::no_v1() };
    let prints_v1_only = request.v1.as_ref().is_some_and(|client| client.prints_v1_only);
    let text = match failure {
        Some(PullFailure::NotFound) => return response::no_v1(),
        Some(PullFailure::Explained(line)) => line.clone(),
        None if prints_v1_only => format!(
            "{name} was not pulled, and the reason is no longer known: pull it again, or ask the operator of the registry"
        ),
        None => return response::no_v1(),
    };
    explained(text)
}

/// What is told with status 400 is printed.
#[must_use]
pub fn explained(line: String) -> Response {
    v1_images::text(400, line)
}

/// `text` without what stands in backticks: digests, hosts and the like.
fn without_values(text: &str) -> String {
    let mut kept = String::new();
    for (at, part) in text.split('`').enumerate() {
        kept.push_str(if at % 2 == 0 { part } else { "..." });
    }
    kept
}

/// `text` on one line, which Docker prints as it is.
fn line(text: &str) -> String {
    let printable = |char: char| if char.is_control() { ' ' } else { char };
    text.chars().take(LINE_CHARS).map(printable).collect()
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use downshift::{Digest, Error, Failure};

    use super::*;
    use crate::{Fault, Problem, error};

    const OLDEST: &str = "docker/1.6.2 go/go1.4.2 os/linux arch/amd64";
    const OLD: &str = "docker/1.9.1 go/go1.4.3 os/linux arch/amd64";

    fn request(target: &str, user_agent: &str) -> Request {
        Request::read("GET", target, [("user-agent", user_agent.as_bytes())]).unwrap()
    }

    fn manifest(user_agent: &str) -> Request {
        request("/v2/team/app/manifests/latest", user_agent)
    }

    fn explained(line: &str) -> Option<PullFailure> {
        Some(PullFailure::Explained(line.into()))
    }

    #[test]
    fn the_cause_and_remedy_are_those_of_the_response() {
        let failure = Failure::from(&Error::NoRootfs);
        let line = format!("team/app was not pulled: {}; {}", failure.cause, failure.remedy);
        let response = error::refusal(&failure);
        assert_eq!(PullFailure::of(&manifest(OLDEST), &response, false), explained(&line));
        let problem = Problem::Unreachable("no\nroute".into());
        let down = Fault { host: "registry".into(), problem }.response();
        let line = "team/app was not pulled: the upstream registry ... cannot be reached: no route; try again; if it fails again, ask the operator of this registry";
        assert_eq!(PullFailure::of(&manifest(OLDEST), &down, true), explained(line));
    }

    #[test]
    fn a_typo_is_not_found_and_what_is_missing_is_named() {
        let (digest, latest) = (Digest::of(b""), Reference::Tag("latest".into()));
        let by_tag = |response: &Response| PullFailure::of(&manifest(OLD), response, false);
        assert_eq!(by_tag(&error::manifest_unknown("team/app", &latest)), Some(PullFailure::NotFound));
        let missing = error::manifest_unknown("team/app", &Reference::Digest(digest.clone()));
        assert_eq!(
            by_tag(&missing),
            explained(&format!("team/app was not pulled: the manifest `{digest}` is missing; {PUSH_AGAIN}"))
        );
        let by_digest = request(&format!("/v2/team/app/manifests/{digest}"), OLD);
        assert_eq!(PullFailure::of(&by_digest, &missing, false), Some(PullFailure::NotFound));
        let blob = request(&format!("/v2/team/app/blobs/{digest}"), OLD);
        let unknown = error::blob_unknown(&digest);
        let line = format!("team/app was not pulled: the layer ... is missing; {PUSH_AGAIN}");
        assert_eq!(PullFailure::of(&blob, &unknown, true), explained(&line));
        assert_eq!(PullFailure::of(&blob, &response::base(), false), None);
        assert_eq!(PullFailure::of(&request("/v2/", OLD), &error::internal(), false), None);
    }

    #[test]
    fn version_1_says_what_was_said_before() {
        let asked = |user_agent| request("/v1/repositories/team/app/images", user_agent);
        let line = PullFailure::Explained("why".into());
        for user_agent in [OLDEST, OLD, "docker/1.13.1 go/go1.7.5"] {
            let told = answer(&asked(user_agent), Some(&line));
            assert_eq!((told.status, told.body), (400, Body::Bytes("why".into())));
            assert_eq!(answer(&asked(user_agent), Some(&PullFailure::NotFound)), response::no_v1());
        }
        assert_eq!(answer(&asked(OLDEST), None).status, 400);
        assert_eq!(answer(&asked(OLD), None), response::no_v1());
        assert_eq!(answer(&request("/v1/_ping", OLDEST), Some(&line)), response::no_v1());
    }
}
