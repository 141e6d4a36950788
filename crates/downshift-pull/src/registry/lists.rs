//! Lists of a registry: tags and referrers, within limits and kept for a while.

use alloc::format;
use alloc::string::{String, ToString};

use downshift::Digest;
use downshift_json::Kind;
use downshift_registry::{Fault, Problem, link};

use super::remote::{CATALOG, Remote};
use crate::caller::Caller;
use crate::effect::{Done, Effect, Event, Take};
use crate::failure::{Failure, Reason, explained};
use crate::lists;
use crate::permit;
use crate::value::{Key, ListValue, Value};

/// Bytes of a list of tags: room for some 100,000.
const TAGS_BYTES: usize = 8 * 1024 * 1024;

/// What each byte of such a list takes: the shortest tag, `"",`, becomes a node of 24 bytes and a string of as many, and
/// all of them a list once more.
const TAGS_COST: usize = 10;

impl Remote<'_> {
    /// The tags of a repository, or a page of them, if there is such a repository.
    pub(crate) async fn tags(&self, query: &str, caller: &Caller) -> Result<Option<ListValue>, Failure> {
        let take = Take::Whole { limit: TAGS_BYTES, cost: TAGS_COST };
        // What the tags are is looked at when they are told; a page in HTML is no list.
        self.list(with_query("tags/list", query), take, caller, "its tag list is not JSON").await
    }

    /// The repositories of the registry, or a page of them, if it tells.
    pub(crate) async fn repositories(
        &self,
        query: &str,
        caller: &Caller,
    ) -> Result<Option<ListValue>, Failure> {
        let take = Take::Whole { limit: TAGS_BYTES, cost: TAGS_COST };
        let listed = self.list(with_query("", query), take, caller, "its catalog is not JSON").await;
        match listed {
            // Registries without one say so in many ways.
            Err(failure) if failure.upstream().is_some_and(has_none) => Ok(None),
            // Some hang up on whoever asks for it, and are there for all else.
            Err(failure) if failure.upstream().is_some_and(is_gone) && self.demand(caller).await.is_ok() => {
                if let Reason::Upstream(fault) = failure.reason() {
                    self.shell.tell(Event::Failure(explained(&fault)));
                }
                Ok(None)
            }
            listed => listed,
        }
    }

    /// What the registry knows of a manifest's referrers, if it knows of referrers at all.
    pub(crate) async fn referrers(
        &self,
        digest: &Digest,
        query: &str,
        caller: &Caller,
    ) -> Result<Option<ListValue>, Failure> {
        let path = with_query(&format!("referrers/{digest}"), query);
        // A page that says "not found" with status 200 is no index.
        self.list(path, self.document_take(), caller, "its referrers list is not a JSON object").await
    }

    /// A list, kept or from the registry; `otherwise` is what is wrong where it is not a JSON object.
    async fn list(
        &self,
        path: String,
        take: Take,
        caller: &Caller,
        otherwise: &'static str,
    ) -> Result<Option<ListValue>, Failure> {
        let key = Key::List { scope: self.scope.clone(), path: path.clone() };
        let permit = permit::permit(self.shell, &self.scope, caller).await;
        // Of its repositories a registry may show somebody else others.
        let is_for_all = matches!(caller, Caller::Server) || self.scope.name != CATALOG;
        if is_for_all
            && permit.is_known()
            && let Done::Known(Value::List(list)) = self.shell.ask(Effect::Load(key.clone())).await
            && self.is_fresh(list.at)
        {
            return Ok(Some(list));
        }
        let got = self.get(&self.path(&path), take, caller, &|_, _, _| Ok(())).await?;
        let Some((bytes, _, answered)) = got else { return Ok(None) };
        let list = ListValue {
            bytes,
            next: answered.lines("link").find_map(link::next_query),
            filters: answered.header("oci-filters-applied").map(ToString::to_string),
            at: self.shell.now(),
        };
        if !is_object(&list.bytes) {
            return Err(self.invalid(otherwise));
        }
        permit.keep(self.shell, &self.scope, caller).await;
        if is_for_all && !self.settings.tag_lifetime.is_zero() {
            let (value, lifetime) = (Value::List(list.clone()), self.settings.tag_lifetime);
            self.shell.ask(Effect::Keep { key, value, lifetime }).await;
        }
        Ok(Some(list))
    }
}

/// Whether a registry says that it has no such list.
fn has_none(fault: &Fault) -> bool {
    matches!(fault.problem, Problem::Status(405 | 501))
}

fn is_gone(fault: &Fault) -> bool {
    matches!(fault.problem, Problem::Unreachable(_))
}

fn is_object(bytes: &[u8]) -> bool {
    lists::parse(bytes).is_some_and(|json| json.root().kind() == Kind::Object)
}

fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_string() } else { [path, "?", query].concat() }
}
