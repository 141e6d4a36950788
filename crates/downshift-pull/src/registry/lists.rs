//! Lists of a registry: tags and referrers, within limits and kept for a while.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;
use downshift::Digest;
use downshift_registry::{Fault, Problem, link};

use super::remote::{CATALOG, Remote};
use crate::caller::Caller;
use crate::effect::{Answered, Done, Effect, Event, Take};
use crate::failure::{Failure, Reason, explained};
use crate::lists::{self, TagList};
use crate::permit;
use crate::value::{Key, ListValue, Value};

/// Bytes of a list of tags: room for some 100,000.
const TAGS_BYTES: usize = 8 * 1024 * 1024;

/// What each byte of such a list takes: the shortest tag, `"",`, becomes a node of 24 bytes and a string of as many, and
/// all of them a list once more.
const TAGS_COST: usize = 10;

impl Remote<'_> {
    /// The tags of a repository, or a page of them, if there is such a repository.
    pub(crate) async fn tags(&self, query: &str, caller: &Caller) -> Result<Option<TagList>, Failure> {
        let (path, take) = (with_query("tags/list", query), self.whole(TAGS_BYTES, TAGS_COST));
        let listed = self.list(path, take, caller, |bytes| lists::texts(bytes, "tags")).await?;
        Ok(listed.map(|(tags, list)| TagList::Page { tags, next: list.next }))
    }

    /// Whether this caller may pull from a repository of which nothing else is known: a caller who may can list its tags. Login
    /// pages let everybody in, whatever their type; so only a list is a yes.
    pub(crate) async fn has_repository(&self, caller: &Caller) -> Result<bool, Failure> {
        let is_list = |bytes: &Bytes, _: &Digest, _: &Answered| {
            let list = lists::object(bytes);
            let is_list = list.is_some_and(|list| {
                let members = ["tags", "name"];
                members.iter().any(|member| list.root().member(member).is_some())
            });
            if is_list { Ok(()) } else { Err(self.no_document()) }
        };
        let (path, take) = (self.path("tags/list?n=1"), self.whole(TAGS_BYTES, TAGS_COST));
        match self.get(&path, take, caller, &is_list).await {
            // Some tell all tags at once.
            Err(failure) if failure.upstream().is_some_and(is_too_large) => Ok(true),
            got => Ok(got?.is_some()),
        }
    }

    /// The repositories of the registry, or a page of them, if it tells; and the query of the next page.
    pub(crate) async fn repositories(
        &self,
        query: &str,
        caller: &Caller,
    ) -> Result<Option<(Vec<String>, Option<String>)>, Failure> {
        let (path, take) = (with_query("", query), self.whole(TAGS_BYTES, TAGS_COST));
        let listed = self.list(path, take, caller, |bytes| lists::texts(bytes, "repositories")).await;
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
            listed => Ok(listed?.map(|(names, list)| (names, list.next))),
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
        let is_object = |bytes: &[u8]| match lists::object(bytes) {
            Some(_) => Ok(()),
            None => Err("its referrers list is not a JSON object".to_string()),
        };
        let listed = self.list(path, self.document_take(), caller, is_object).await?;
        Ok(listed.map(|((), list)| list))
    }

    /// A list, kept or from the registry, and what `read` makes of it, or says is wrong with it.
    async fn list<T>(
        &self,
        path: String,
        take: Take,
        caller: &Caller,
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<Option<(T, ListValue)>, Failure> {
        let key = Key::List { scope: self.scope.clone(), path: path.clone() };
        let permit = permit::permit(self.shell, &self.scope, caller).await;
        // Of its repositories a registry may show somebody else others.
        let is_for_all = matches!(caller, Caller::Server) || self.scope.name != CATALOG;
        if is_for_all
            && permit.is_known()
            && let Done::Known(Value::List(list)) = self.shell.ask(Effect::Load(key.clone())).await
            && self.is_fresh(list.at)
            && let Ok(read) = read(&list.bytes)
        {
            return Ok(Some((read, list)));
        }
        let got = self.get(&self.path(&path), take, caller, &|_, _, _| Ok(())).await?;
        let Some((bytes, _, answered)) = got else { return Ok(None) };
        let list = ListValue {
            bytes,
            next: answered.lines("link").find_map(link::next_query),
            filters: answered.header("oci-filters-applied").map(ToString::to_string),
            at: self.shell.now(),
        };
        let read = read(&list.bytes).map_err(|what| self.invalid(&what))?;
        permit.keep(self.shell, &self.scope, caller).await;
        if is_for_all && !self.settings.tag_lifetime.is_zero() {
            let (value, lifetime) = (Value::List(list.clone()), self.settings.tag_lifetime);
            self.shell.ask(Effect::Keep { key, value, lifetime }).await;
        }
        Ok(Some((read, list)))
    }
}

/// Whether a registry says that it has no such list.
fn has_none(fault: &Fault) -> bool {
    matches!(fault.problem, Problem::Status(405 | 501))
}

/// Whether something is larger than what is read of it.
pub(super) fn is_too_large(fault: &Fault) -> bool {
    matches!(fault.problem, Problem::TooLarge { .. })
}

fn is_gone(fault: &Fault) -> bool {
    matches!(fault.problem, Problem::Unreachable(_))
}

fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_string() } else { [path, "?", query].concat() }
}
