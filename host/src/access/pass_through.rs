//! Whoever an upstream registry lets: its demands in this server's name, and what it has said yes to.

use std::sync::Arc;

use bytes::Bytes;
use downshift::Digest;
use downshift_registry::{
    Demand, Fault, Problem, Request, Response, Scope, TOKEN_PATH, Token, TokenRequest, error as http,
    response,
};
use moka::future::Cache;

use super::callers::{Hasher, MAX_REMEMBERED, REMEMBERED};
use super::realm::{REALM, basic};
use crate::error::Error;
use crate::upstream::{Caller, Upstream};

/// The one upstream registry that decides, and what it has decided lately.
pub(crate) struct PassThrough {
    upstream: Arc<Upstream>,
    /// Under which URL clients know this server; without one, under the name that they use.
    public_url: Option<String>,
    /// How that begins.
    scheme: &'static str,
    hasher: Hasher,
    /// Who may pull from which repository, by the name there.
    permits: Cache<([u8; 32], String), ()>,
}

impl PassThrough {
    /// Lets in whoever `upstream` lets. Clients know this server as `public_url`, or by the `scheme` and the name that
    /// they use.
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        public_url: Option<String>,
        scheme: &'static str,
    ) -> Result<Self, Error> {
        let permits = Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(REMEMBERED).build();
        Ok(Self { upstream, public_url, scheme, hasher: Hasher::new()?, permits })
    }

    /// `/v2/`: whether the registry wants to know who asks.
    pub(crate) async fn base(&self, request: &Request, caller: &Caller) -> Result<Response, Error> {
        let demand = self.upstream.base(caller).await?;
        Ok(demand.map_or_else(response::base, |demand| http::unauthorized(&self.own(request, &demand), None)))
    }

    /// What a tag points to, once the registry has said yes to this caller. If it says no later, that it has said yes is
    /// forgotten at once.
    pub(crate) async fn tag(
        &self,
        name: &str,
        tag: &str,
        caller: &Caller,
    ) -> Result<Option<Digest>, Arc<Error>> {
        let ask = Box::pin(async {
            let digest = self.upstream.ask_tag(name, tag, caller).await?;
            let digest = digest.ok_or_else(|| Error::NoSuchTag { tag: tag.to_owned() })?;
            self.upstream.keep_tag(name, tag, digest).await;
            Ok(())
        });
        match Box::pin(self.permits.try_get_with(self.key(name, caller), ask)).await {
            Ok(()) => {
                let told = self.upstream.tag(name, tag, caller).await;
                if told.as_ref().is_err_and(|error| error.is_about_caller()) {
                    self.permits.invalidate(&self.key(name, caller)).await;
                }
                told
            }
            Err(error) if matches!(*error, Error::NoSuchTag { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the registry has said yes to this caller for a repository lately.
    pub(crate) async fn has_permitted(&self, name: &str, caller: &Caller) -> bool {
        self.permits.get(&self.key(name, caller)).await.is_some()
    }

    /// Whether the registry says yes to this caller for a repository: for a manifest in it, and where that is gone, for
    /// the repository as such.
    pub(crate) async fn permits(
        &self,
        name: &str,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<bool, Arc<Error>> {
        let ask = Box::pin(async {
            let yes = self.upstream.has_manifest(name, digest.as_str(), caller).await?
                || self.upstream.has_repository(name, caller).await?;
            if yes { Ok(()) } else { Err(Error::NoSuchRepository) }
        });
        match Box::pin(self.permits.try_get_with(self.key(name, caller), ask)).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(*error, Error::NoSuchRepository) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A token from the registry's token service.
    pub(crate) async fn token(&self, request: &Request, query: &str) -> Result<Response, Error> {
        let demand = self.upstream.base(&Caller::Client(None)).await?;
        let Some(Demand::Bearer { realm, service }) = demand else { return Ok(http::unknown_path()) };
        let TokenRequest { scopes, account, .. } = TokenRequest::parse(query);
        let remote = |scope: Scope| Some(Scope { name: self.upstream.mapping.remote(&scope.name)?, ..scope });
        let scopes = scopes.into_iter().filter_map(remote).collect();
        let url = TokenRequest { service, scopes, account }.url(&realm);
        // A token is asked for with a name and password, or without anything.
        let authorization = request.authorization.as_ref().filter(|header| header.credentials().is_some());
        let (status, body) = self.upstream.client_token(&url, authorization).await?;
        self.token_response(status, &body)
    }

    fn token_response(&self, status: u16, body: &Bytes) -> Result<Response, Error> {
        let fault = |problem| Error::Upstream(Fault { host: self.upstream.host().to_owned(), problem });
        match status {
            200 => match Token::parse(body) {
                Some(token) => Ok(response::token(&token)),
                None => {
                    Err(fault(Problem::Invalid("the answer of its token service has no token".to_owned())))
                }
            },
            401 | 403 => Ok(http::unauthorized(&basic(), None)),
            429 => Err(fault(Problem::TooManyRequests { retry_after: None })),
            status => Err(fault(Problem::Status(status))),
        }
    }

    /// The error for a client that the registry did not let.
    pub(super) fn refusal(&self, request: &Request, error: &Error) -> Option<Response> {
        match &error.upstream_fault()?.problem {
            Problem::Unauthorized(demand) => {
                Some(http::unauthorized(&self.own(request, demand), request.route.scope().as_ref()))
            }
            Problem::Denied => Some(http::denied(&request.route.scope()?.name)),
            _ => None,
        }
    }

    /// The registry's demand in this server's name, so that clients never hear of the registry's own.
    fn own(&self, request: &Request, demand: &Demand) -> Demand {
        match demand {
            Demand::Basic { .. } => basic(),
            Demand::Bearer { .. } => {
                let host = || request.host.as_ref().map(|host| format!("{}://{host}", self.scheme));
                let origin = self.public_url.clone().or_else(host).unwrap_or_default();
                Demand::Bearer { realm: origin + TOKEN_PATH, service: Some(REALM.to_owned()) }
            }
        }
    }

    fn key(&self, name: &str, caller: &Caller) -> ([u8; 32], String) {
        let authorization = match caller {
            Caller::Client(authorization) => authorization.as_ref(),
            Caller::Server => None,
        };
        (self.hasher.hash(authorization), name.to_owned())
    }
}
