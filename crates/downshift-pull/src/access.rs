//! Access: open to everyone, to the users that the shell knows, or to the clients that the registry lets in.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;

use downshift::Digest;
use downshift_registry::{
    Demand, Mapping, Problem, Resource, Response, Route, Scope as TokenScope, TOKEN_PATH, TokenRequest,
    error, response,
};

use crate::caller::{Caller, CallerId};
use crate::effect::{Done, Effect, Login};
use crate::failure::Failure;
use crate::front::Front;
use crate::names::AskedRegistry;
use crate::permit::permit;
use crate::registry::Remote;
use crate::repository::Repository;
use crate::settings::{Access, Origin, Place, Scope};

/// The name of this server in its challenges.
const REALM: &str = "downshift";

impl Front {
    /// On whose behalf to answer the request, if it is to be answered.
    ///
    /// Where a registry decides, it does so when it is asked for what the request is about.
    pub(crate) async fn admit(&self) -> Result<Caller, Response> {
        // Load balancers look at the root. The API of version 1 has nothing but what this client was told before, unless it pulls
        // by that; the token that it is given then is for who was let in, and is looked at where it is of use.
        let is_for_all = match self.request.route {
            Route::Root | Route::V1Ping | Route::V1Tags { .. } | Route::V1Image { .. } | Route::V1 => true,
            Route::V1Images { .. } => !self.is_v1_pull(),
            _ => false,
        };
        if is_for_all || self.settings.access == Access::Open {
            return Ok(Caller::Server);
        }
        let authorization = self.request.authorization.clone();
        if let Access::Users = self.settings.access {
            let login = match authorization {
                Some(authorization) => self.shell.ask(Effect::CheckLogin(authorization)).await,
                None => Done::Login(Login::No),
            };
            return match login {
                Done::Login(Login::Yes) => Ok(Caller::Server),
                Done::Login(Login::No) => {
                    Err(error::unauthorized(&basic(), self.request.route.scope().as_ref()))
                }
                Done::Login(Login::ClientBusy) => Err(error::too_many_logins()),
                _ => Err(error::busy()),
            };
        }
        let id = match &authorization {
            Some(authorization) => match self.shell.ask(Effect::Hash(authorization.clone())).await {
                Done::Hashed(id) => id,
                _ => return Err(error::internal()),
            },
            None => CallerId::default(),
        };
        Ok(Caller::Client { authorization, id })
    }

    /// True if the answer is for its caller only: somebody had to be let in for it.
    pub(crate) fn is_private(&self) -> bool {
        self.settings.access != Access::Open && !matches!(self.request.route, Route::Root)
    }

    /// Whether a client may pull `digest`, whether that is stored at the registry or was made of what is. `source` says what
    /// it was made of.
    pub(crate) async fn may_pull(
        &self,
        repository: &Repository<'_>,
        caller: &Caller,
        source: impl AsyncFnOnce() -> Result<Digest, Failure>,
    ) -> Result<bool, Failure> {
        let Some(remote) = repository.remote() else { return Ok(true) };
        let permit = permit(&self.shell, &remote.scope, caller).await;
        if permit.is_known() {
            return Ok(true);
        }
        let asking = async {
            let is_there = remote.has_manifest(&source().await?, caller).await?;
            // Where the manifest is gone, the repository may still be there.
            Ok::<_, Failure>(is_there || remote.has_repository(caller).await?)
        };
        let is_let = Box::pin(asking).await?;
        if is_let {
            permit.keep(&self.shell, &remote.scope, caller).await;
        }
        Ok(is_let)
    }

    /// The registry has said no to this caller, whatever was asked for: that it said yes before is forgotten, for the
    /// repository, or where the answer was about none, for all.
    pub(crate) async fn revoke(&self, caller: &Caller) {
        let Caller::Client { authorization, id } = caller else { return };
        let scope = match self.request.route.scope() {
            Some(TokenScope { resource: Resource::Registry, .. }) => match self.deciding() {
                Some(registry) => registry.catalog().scope,
                None => return,
            },
            Some(TokenScope { name, .. }) => {
                let Some(repository) = self.repository(&name) else { return };
                repository.scope().clone()
            }
            // A registry that wants to hear something has not turned away those who say nothing.
            None if authorization.is_none() => return,
            None => match self.deciding() {
                Some(registry) => registry.scope,
                None => return,
            },
        };
        self.shell.ask(Effect::Revoke { caller: *id, scope }).await;
    }

    /// The registry that decides who may pull, if one does.
    fn deciding(&self) -> Option<Remote<'_>> {
        let (Access::Upstream { .. }, [origin]) = (&self.settings.access, self.settings.origins.as_slice())
        else {
            return None;
        };
        let Origin { id, place: Place::Registry(registry), .. } = origin else { return None };
        let scope = Scope { origin: *id, name: String::new() };
        let (registry, name) = (AskedRegistry::Listed(registry), String::new());
        Some(Remote { settings: &self.settings, shell: &self.shell, registry, scope, name })
    }

    /// `/v2/`: whether somebody has to say who they are.
    pub(crate) async fn base(&self, caller: &Caller) -> Result<Response, Failure> {
        let Some(registry) = self.deciding() else { return Ok(response::base()) };
        let Some(demand) = registry.demand(caller).await? else { return Ok(response::base()) };
        self.revoke(caller).await;
        Ok(error::unauthorized(&self.own(&demand), None))
    }

    /// A token of the registry's token service.
    pub(crate) async fn token(&self, query: &str) -> Result<Response, Failure> {
        let Some(registry) = self.deciding() else { return Ok(error::unknown_path()) };
        let nobody = Caller::Client { authorization: None, id: CallerId::default() };
        let Some(Demand::Bearer { realm, service }) = registry.demand(&nobody).await? else {
            return Ok(error::unknown_path());
        };
        let TokenRequest { scopes, account, .. } = TokenRequest::parse(query);
        let mapping = self.settings.origins.first().map(|origin| &origin.mapping);
        let remote = |scope: TokenScope| {
            if scope.resource == Resource::Registry {
                return Some(scope);
            }
            let name = mapping.and_then(|mapping: &Mapping| mapping.remote(&scope.name))?;
            Some(TokenScope { name, ..scope })
        };
        let scopes = scopes.into_iter().filter_map(remote).collect();
        let url = TokenRequest { service, scopes, account }.url(&realm);
        // A token is asked for with a name and password, or without anything.
        let authorization = self.request.authorization.clone();
        let authorization = authorization.filter(|header| header.credentials().is_some());
        Ok(match registry.token_for(&url, authorization).await? {
            Some(token) => response::token(&token),
            None => error::unauthorized(&basic(), None),
        })
    }

    /// The error for a client that the registry did not let, if `failure` is about that.
    pub(crate) fn refusal(&self, failure: &Failure) -> Option<Response> {
        let Access::Upstream { .. } = self.settings.access else { return None };
        match &failure.upstream()?.problem {
            Problem::Unauthorized(demand) => {
                Some(error::unauthorized(&self.own(demand), self.request.route.scope().as_ref()))
            }
            Problem::Denied => Some(error::denied(&self.request.route.scope()?)),
            _ => None,
        }
    }

    /// The registry's demand in this server's name, so that clients never hear of the registry's own.
    fn own(&self, demand: &Demand) -> Demand {
        let Demand::Bearer { .. } = demand else { return basic() };
        let public_url = match &self.settings.access {
            Access::Upstream { public_url } => public_url.clone(),
            _ => None,
        };
        let host = || self.request.host.as_ref().map(|host| [self.scheme, "://", host].concat());
        let mut realm = public_url.or_else(host).unwrap_or_default();
        realm.push_str(TOKEN_PATH);
        Demand::Bearer { realm, service: Some(REALM.to_owned()) }
    }
}

/// The challenge that asks for a name and password.
fn basic() -> Demand {
    Demand::Basic { realm: REALM.to_owned() }
}
