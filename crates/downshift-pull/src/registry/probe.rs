//! Whether a registry can be pulled from at all, asked before anybody does.

use alloc::borrow::Cow;
use alloc::string::String;

use downshift::{Failure as Explanation, Fault as Blame};
use downshift_registry::{Credentials, Demand, Problem};

use super::asking::{Question, is_page, is_there};
use super::remote::Remote;
use crate::caller::{Caller, CallerId};
use crate::effect::{AskMethod, Event, Take};
use crate::failure::{Failure, Reason, explained};
use crate::names::AskedRegistry;
use crate::settings::{Access, OriginId, Place, Scope, Settings};
use crate::shell::Shell;

/// Asks the registry of an origin for its `/v2/`, and tells what is wrong with it or with what the operator has said of it.
pub(crate) async fn probe(settings: &Settings, shell: &Shell, id: OriginId) {
    let Some(origin) = settings.origins.iter().find(|origin| origin.id == id) else { return };
    let Place::Registry(registry) = &origin.place else { return };
    let (registry, scope) = (AskedRegistry::Listed(registry), Scope { origin: id, name: String::new() });
    let remote = Remote { settings, shell, registry, scope, name: String::new() };
    let Err(failure) = remote.probe().await else { return };
    if let Some(explanation) = remote.explanation(failure) {
        shell.tell(Event::Failure(explanation));
    }
}

impl Remote<'_> {
    async fn probe(&self) -> Result<(), Failure> {
        // Where clients log in with names of their own, the server has none to try.
        let caller = match self.settings.access {
            Access::Upstream { .. } => Caller::Client { authorization: None, id: CallerId::default() },
            Access::Open | Access::Users => Caller::Server,
        };
        let question = Question::of(AskMethod::Get, Take::Nothing);
        let answered = self.in_time(self.respond("", &question, &caller)).await?;
        if answered.status == 200 && is_page(&answered) {
            return Err(self.invalid("`/v2/` is a web page"));
        }
        match is_there(self, &answered)? {
            true => Ok(()),
            false => Err(self.invalid("there is no `/v2/` below its URL")),
        }
    }

    /// What there is to tell of a failure, if that is more than that nobody may see everything.
    fn explanation(&self, failure: Failure) -> Option<Explanation> {
        let Reason::Upstream(fault) = failure.reason() else { return None };
        let wrong = |what: &str, remedy| Explanation {
            code: Cow::Borrowed("upstream-unauthorized"),
            fault: Blame::Caller,
            cause: ["the upstream registry `", self.registry.base.authority(), "` ", what].concat(),
            remedy: Cow::Borrowed(remedy),
        };
        let identity_token = self.registry.credentials.as_ref().and_then(Credentials::identity_token);
        match (&fault.problem, &self.settings.access) {
            (Problem::Unauthorized(_), Access::Upstream { .. }) => None,
            (Problem::Denied | Problem::Unauthorized(_), _) if identity_token.is_some() => Some(wrong(
                "does not accept the identity token in this server's `docker-config`",
                "log in again with `docker login`, and check `docker-config`",
            )),
            (Problem::Denied | Problem::Unauthorized(_), _) if self.registry.credentials.is_some() => {
                Some(wrong(
                    "does not accept the user name and password in this server's settings",
                    "check `username` and `password-file`, or `docker-config`",
                ))
            }
            // Nobody pulls without a password there. A token, though, may be had for some repositories without one.
            (Problem::Unauthorized(Demand::Basic { .. }), _) => Some(wrong(
                "requires a user name and a password, and this server's settings have none",
                "set `username` and `password-file`, or `docker-config`, or have clients log in with `auth = \"upstream\"`",
            )),
            (Problem::Denied | Problem::Unauthorized(_), _) => None,
            _ => Some(explained(&fault)),
        }
    }
}
