//! The catalog: which repositories there are (Distribution, "Listing Repositories").
//!
//! Origins are asked one after the other, in the order of the settings. A link to the next page has the query that its
//! origin gave for that, which may be of any kind, and says whose it is. A client that makes its own queries names the last
//! repository that it knows, by its name here; that says which origin has it.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift_registry::{CatalogQuery, Mapping, Page, Response, error, is_local_name, response};

use crate::caller::Caller;
use crate::effect::{Done, Effect, Event, unexpected};
use crate::failure::{Failure, Reason, explained};
use crate::front::Front;
use crate::names::AskedRegistry;
use crate::registry::Remote;
use crate::settings::{Origin, Place, Scope};

/// How many pages of registries make up one of ours, at the most: of some of them no name may be left.
const MAX_PAGES: u32 = 8;

/// How many repositories are told at once where nobody said how many: as many as a page of tags has room for.
const MAX_NAMES: usize = 100_000;

/// Where a page of an origin begins.
enum Beginning {
    /// Where the origin does.
    First,
    /// After the repository with this name here, or whatever a client has made up.
    After(String),
    /// Where the origin said that its next page does.
    Linked(CatalogQuery),
}

/// What an origin has on a page.
struct OriginPage {
    /// The names here.
    names: Vec<String>,
    /// The query of the next page.
    next: Option<CatalogQuery>,
}

impl Front {
    /// The response to a request for the catalog.
    pub(crate) async fn catalog(
        &self,
        page: &Page,
        query: &str,
        caller: &Caller,
    ) -> Result<Response, Failure> {
        let origins = self.listing();
        let (mut at, mut beginning) = self.begin(query);
        if at >= origins.len() {
            // Made up, or of settings that were: no registry would be asked whether this client may know.
            return Ok(error::no_catalog());
        }
        let most = page.n.unwrap_or(MAX_NAMES);
        let (mut names, mut next, mut refused) = (Vec::new(), None, None);
        let mut is_known = false;
        for _ in 0..MAX_PAGES {
            let Some(&origin) = origins.get(at) else { break };
            let room = page.n.map(|n| n.saturating_sub(names.len()));
            let before = names.len();
            let linked = match self.listed(origin, &beginning, room, caller).await {
                Ok(listed) => {
                    is_known |= listed.is_some();
                    let OriginPage { names: own, next } =
                        listed.unwrap_or(OriginPage { names: Vec::new(), next: None });
                    names.extend(own);
                    next
                }
                // Docker Hub, for one, tells nobody; that is no reason to hide what others have.
                Err(failure) if origins.len() > 1 && failure.is_about_caller() => {
                    refused = Some(failure);
                    None
                }
                Err(failure) => return Err(failure),
            };
            let is_linked = linked.is_some();
            (at, beginning) = match linked {
                Some(query) => (at, Beginning::Linked(query)),
                None => (at.saturating_add(1), Beginning::First),
            };
            next = origins.get(at).map(|origin| link(origin, &beginning, page.n));
            if next.is_none() || names.len() >= most || is_linked && names.len() > before {
                break;
            }
        }
        match refused {
            Some(failure) if !is_known => return Err(failure),
            Some(failure) => self.tell_refused(failure),
            None if !is_known && CatalogQuery::parse(query).origin.is_none() => {
                return Ok(error::no_catalog());
            }
            None => {}
        }
        let next = next.filter(|_| page.n != Some(0));
        Ok(response::catalog(names.iter().map(String::as_str), next.as_deref()))
    }

    /// The origins that can be asked what they have. Nobody knows which registries there are in a domain.
    fn listing(&self) -> Vec<&Origin> {
        let is_known = |origin: &&Origin| !matches!(origin.place, Place::Domain(_));
        self.settings.origins.iter().filter(is_known).collect()
    }

    /// At which of these a query begins, by its place among them, and where there.
    fn begin(&self, query: &str) -> (usize, Beginning) {
        let (query, origins) = (CatalogQuery::parse(query), self.listing());
        let place = |is_meant: &dyn Fn(&Origin) -> bool| {
            origins.iter().position(|origin| is_meant(origin)).unwrap_or(origins.len())
        };
        if let Some(prefix) = &query.origin {
            let at = place(&|origin| origin.mapping.prefix == *prefix);
            let is_first = query.rest.is_empty() || query.last().is_none() && query == own_first(&query);
            return (at, if is_first { Beginning::First } else { Beginning::Linked(query) });
        }
        match query.last().filter(|last| !last.is_empty()) {
            None => (0, Beginning::First),
            Some(last) => {
                let scope = self.settings.scope_of(&last);
                let at = scope.map_or(0, |scope| place(&|origin| origin.id == scope.origin));
                (at, Beginning::After(last))
            }
        }
    }

    /// What an origin has from `beginning` on; nothing if it does not say.
    async fn listed(
        &self,
        origin: &Origin,
        beginning: &Beginning,
        n: Option<usize>,
        caller: &Caller,
    ) -> Result<Option<OriginPage>, Failure> {
        match &origin.place {
            Place::Layouts | Place::Pulp(_) => self.stored(origin, beginning, n).await.map(Some),
            Place::Registry(registry) => {
                let scope = Scope { origin: origin.id, name: String::new() };
                let (settings, shell) = (&*self.settings, &self.shell);
                let (registry, name) = (AskedRegistry::Listed(registry), String::new());
                let remote = Remote { settings, shell, registry, scope, name }.catalog();
                self.remote_page(&remote, origin, beginning, n, caller).await
            }
            Place::Domain(_) => Ok(None),
        }
    }

    /// The repositories of a store.
    async fn stored(
        &self,
        origin: &Origin,
        beginning: &Beginning,
        n: Option<usize>,
    ) -> Result<OriginPage, Failure> {
        let all = match self.shell.ask(Effect::Repositories(origin.id)).await {
            Done::Repositories(names) => names?,
            other => return Err(unexpected(&other)),
        };
        let last = match beginning {
            Beginning::First => None,
            Beginning::After(last) => Some(last.clone()),
            Beginning::Linked(query) => query.last(),
        };
        let is_after = |name: &String| last.as_ref().is_none_or(|last| name > last);
        let most = n.unwrap_or(MAX_NAMES);
        // They come in order, and keep it here where none loses its first component: then no more of them need be mapped than
        // are on the page.
        let keeps_order = !origin.mapping.library;
        let before = last.as_ref().filter(|_| keeps_order).and_then(|last| origin.mapping.remote(last));
        let begin = before.map_or(0, |before| all.partition_point(|name| *name <= before));
        let enough = if keeps_order { most.saturating_add(1) } else { usize::MAX };
        let local = all.get(begin..).unwrap_or_default().iter().filter_map(|name| self.local(origin, name));
        let mut names: Vec<String> = local.filter(is_after).take(enough).collect();
        names.sort_unstable();
        names.dedup();
        let is_cut = names.len() > most;
        names.truncate(most);
        let last = names.last().filter(|_| is_cut);
        let next = last.map(|last| CatalogQuery::of_page(n, Some(last)));
        Ok(OriginPage { names, next })
    }

    /// A page of a registry's catalog.
    async fn remote_page(
        &self,
        remote: &Remote<'_>,
        origin: &Origin,
        beginning: &Beginning,
        n: Option<usize>,
        caller: &Caller,
    ) -> Result<Option<OriginPage>, Failure> {
        let query = match beginning {
            Beginning::First => CatalogQuery::of_page(n, None),
            Beginning::After(last) => {
                let last = origin.mapping.remote(last).unwrap_or_else(|| last.clone());
                CatalogQuery::of_page(n, Some(&last))
            }
            Beginning::Linked(query) => CatalogQuery { origin: None, rest: query.rest.clone() },
        };
        let Some((mut all, next)) = remote.repositories(&query.rest, caller).await? else { return Ok(None) };
        let mut next = next.map(|rest| CatalogQuery { origin: None, rest });
        // Registries that know no pages have all of them on one: then it is made here.
        let (n, last) = (query.n(), query.last());
        let is_paged = next.is_some()
            || n.is_none_or(|n| all.len() <= n) && last.as_ref().is_none_or(|last| !all.contains(last));
        if !is_paged {
            all.retain(|name| last.as_ref().is_none_or(|last| name > last));
            all.sort_unstable();
            let most = n.unwrap_or(usize::MAX);
            let is_cut = all.len() > most;
            all.truncate(most);
            next = all.last().filter(|_| is_cut).map(|last| CatalogQuery::of_page(n, Some(last)));
        }
        let names = all.iter().filter_map(|name| self.local(origin, name)).collect();
        Ok(Some(OriginPage { names, next }))
    }

    /// The name here of a repository of an origin, if it can be pulled by that.
    fn local(&self, origin: &Origin, remote: &str) -> Option<String> {
        let local = origin.mapping.local(remote).filter(|local| is_local_name(local))?;
        let is_meant =
            self.settings.scope_of(&local)? == Scope { origin: origin.id, name: remote.to_string() };
        is_meant.then_some(local)
    }

    fn tell_refused(&self, failure: Failure) {
        if let Reason::Upstream(fault) = failure.reason() {
            self.shell.tell(Event::Failure(explained(&fault)));
        }
    }
}

/// The query of a page that begins where an origin does, as this server links to it.
fn own_first(query: &CatalogQuery) -> CatalogQuery {
    CatalogQuery { origin: query.origin.clone(), ..CatalogQuery::of_page(query.n(), None) }
}

/// The query of the page that begins at `beginning`, for a link.
fn link(origin: &Origin, beginning: &Beginning, n: Option<usize>) -> String {
    let query = match (beginning, &origin.place) {
        (Beginning::Linked(query), Place::Registry(_) | Place::Domain(_)) => query.clone(),
        // Of a store it has a name that it has here.
        (Beginning::Linked(query), Place::Layouts | Place::Pulp(_)) => return query.text(),
        _ => CatalogQuery::of_page(n, None),
    };
    let Mapping { prefix, .. } = &origin.mapping;
    CatalogQuery { origin: Some(prefix.clone()), ..query }.text()
}
