//! What the server says where it does not give what it was asked for.

use downshift_registry::Problem;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

/// Characters of each text that are kept of an error.
const MAX_TEXT_CHARS: usize = 1024;

/// Why something is not warm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    /// The stable reason, if the server is one that has such; else the code of a registry's error.
    pub(super) reason: String,
    /// What happened.
    pub(super) cause: String,
    /// How to mend it.
    pub(super) remedy: String,
}

impl Refusal {
    /// What has stopped one thing of several.
    pub(super) fn of_error(error: &Error) -> Self {
        let facts = error.facts();
        let (reason, remedy) = (facts.code.to_owned(), facts.remedy.to_owned());
        Self { reason, cause: error.to_string(), remedy }
    }

    /// The refusal in an error response: in Downshift's words if they are there, else in those of any registry.
    pub(super) fn of_response(status: u16, body: &[u8]) -> Self {
        let error = serde_json::from_slice::<Value>(body).ok();
        let error = error.as_ref().and_then(|body| body.get("errors")?.get(0));
        let text = |value: Option<&Value>| {
            let text = value?.as_str().filter(|text| !text.is_empty())?;
            Some(text.chars().take(MAX_TEXT_CHARS).collect::<String>())
        };
        let member = |name: &str| text(error?.get(name));
        let detail = |name: &str| text(error?.get("detail")?.get(name));
        Self {
            reason: detail("reason").or_else(|| member("code")).unwrap_or_else(|| format!("status-{status}")),
            cause: detail("cause")
                .or_else(|| member("message"))
                .unwrap_or_else(|| format!("the server answered with status `{status}`")),
            remedy: detail("remedy").unwrap_or_else(|| remedy(status).to_owned()),
        }
    }
}

/// What helps with a status, where the server does not say it.
fn remedy(status: u16) -> &'static str {
    match status {
        401 => "give a user name and a password that the server takes, with --username and --password-file",
        403 => "log in as a user who may pull it",
        404 => "check the name and the tag, and that the server has the image",
        429 | 503 => "try again, with more --patience",
        _ => "ask the operator of the server: its log has the cause",
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let remedy = match problem {
            Problem::Corrupt { .. } => {
                "check the registry behind the server: what it stores or sends is damaged"
            }
            Problem::Unreachable(_) | Problem::Timeout => {
                "check that the server runs, and the registry behind it, and try again"
            }
            _ => "ask the operator of the server",
        };
        // The codes are those for registries behind a server.
        let code = problem.code();
        let reason = code.strip_prefix("upstream-").unwrap_or(code).to_owned();
        Self { reason, cause: format!("the server {problem}"), remedy: remedy.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> [String; 3] {
        let Refusal { reason, cause, remedy } = Refusal::of_response(status, body.as_bytes());
        [reason, cause, remedy]
    }

    #[test]
    fn a_refusal_is_in_the_words_of_the_server() {
        let response = r#"{"errors":[{"code":"MANIFEST_INVALID","message":"a; b",
            "detail":{"cause":"a","reason":"foreign-layer","remedy":"b"}}]}"#;
        assert_eq!(refusal(400, response), ["foreign-layer", "a", "b"]);
        let registry =
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#;
        assert_eq!(refusal(404, registry), ["MANIFEST_UNKNOWN", "manifest unknown", remedy(404)]);
        for body in ["", "<html>", "[]", r#"{"errors":[]}"#, r#"{"errors":[{"code":7,"detail":[]}]}"#] {
            assert_eq!(
                refusal(502, body),
                ["status-502", "the server answered with status `502`", remedy(502)],
                "{body}"
            );
        }
        let long = format!(r#"{{"errors":[{{"code":"X","message":"{}"}}]}}"#, "é".repeat(5000));
        assert_eq!(refusal(500, &long)[1].chars().count(), MAX_TEXT_CHARS);
    }
}
