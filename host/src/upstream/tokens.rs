//! Who this server is towards a registry: a name and password, and the tokens that it gets for them.

use core::time::Duration;
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use downshift_registry::{Authorization, Credentials, Demand, Problem, Scope, Token, TokenRequest};
use moka::Expiry;
use moka::future::Cache;
use reqwest::Method;
use reqwest::header::HeaderMap;

use super::headers::retry_after;
use super::http::{Ask, Http};
use crate::error::Error;

/// Bytes of a token service's answer. Tokens with many rights have some kilobytes.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// How many tokens are kept, one for each repository.
const MAX_TOKENS: u64 = 10_000;

/// How long before its end a token is taken for expired, so that it does not end on its way.
const MARGIN: Duration = Duration::from_secs(5);

/// How long a token is used at the most, whatever its service says.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// Credentials, and the tokens for them by repository.
pub(super) struct Tokens {
    credentials: Option<Credentials>,
    tokens: Cache<String, Issued>,
    /// Whether the registry wants a name and password with every request.
    is_basic: RwLock<bool>,
}

/// A token, and for how long it is good.
#[derive(Clone)]
struct Issued {
    authorization: Authorization,
    lifetime: Duration,
}

struct Lifetime;

impl Expiry<String, Issued> for Lifetime {
    fn expire_after_create(&self, _: &String, issued: &Issued, _: Instant) -> Option<Duration> {
        Some(issued.lifetime)
    }
}

impl Tokens {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        let tokens = Cache::builder().max_capacity(MAX_TOKENS).expire_after(Lifetime).build();
        Self { credentials, tokens, is_basic: RwLock::new(false) }
    }

    /// What to say with a request for something of the repository `name`, before the registry has asked.
    pub(super) async fn at_hand(&self, name: &str) -> Option<Authorization> {
        if *self.is_basic.read().unwrap_or_else(PoisonError::into_inner) {
            return self.credentials.as_ref().map(Credentials::authorization);
        }
        self.tokens.get(name).await.map(|issued| issued.authorization)
    }

    /// What to say after the registry has asked with `demand`, and did not take `used`; nothing if there is nothing else
    /// to say. Of several that need a token at once one gets it.
    pub(super) async fn renew(
        &self,
        http: &Http,
        demand: &Demand,
        name: &str,
        used: Option<&Authorization>,
    ) -> Result<Option<Authorization>, Error> {
        match demand {
            Demand::Basic { .. } => {
                let authorization = self.credentials.as_ref().map(Credentials::authorization);
                let is_new = authorization.as_ref() != used;
                *self.is_basic.write().unwrap_or_else(PoisonError::into_inner) =
                    authorization.is_some() && is_new;
                Ok(authorization.filter(|_| is_new))
            }
            Demand::Bearer { realm, service } => {
                let kept = self.tokens.get(name).await;
                if kept.is_some_and(|kept| Some(&kept.authorization) == used) {
                    self.tokens.invalidate(name).await;
                }
                let issued = self
                    .tokens
                    .try_get_with(name.to_owned(), Box::pin(self.ask(http, realm, service.as_deref(), name)));
                match issued.await {
                    Ok(issued) => Ok(Some(issued.authorization)),
                    Err(error) => Err(Error::Shared(error)),
                }
            }
        }
    }

    async fn ask(
        &self,
        http: &Http,
        realm: &str,
        service: Option<&str>,
        name: &str,
    ) -> Result<Issued, Error> {
        let fault = |problem| Error::Upstream(http.fault(problem));
        let request = TokenRequest {
            service: service.map(str::to_owned),
            scopes: (!name.is_empty()).then(|| Scope::pull(name)).into_iter().collect(),
            account: self.credentials.as_ref().map(|credentials| credentials.username.clone()),
        };
        let invalid = |what: &str| fault(Problem::Invalid(what.to_owned()));
        let url = http.token_url(&request.url(realm)).map_err(Error::Upstream)?;
        let authorization = self.credentials.as_ref().map(Credentials::authorization);
        let ask = Ask {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            authorization: authorization.as_ref(),
        };
        let response = http.send(&ask).await.map_err(Error::Upstream)?;
        match response.status().as_u16() {
            200 => {}
            401 | 403 => return Err(fault(Problem::Denied)),
            429 => {
                return Err(fault(Problem::TooManyRequests { retry_after: retry_after(response.headers()) }));
            }
            status => return Err(fault(Problem::Status(status))),
        }
        let body = http.read(response, MAX_BYTES).await.map_err(Error::Upstream)?;
        let token =
            Token::parse(&body).ok_or_else(|| invalid("the answer of its token service has no token"))?;
        let authorization = Authorization::bearer(&token.value)
            .ok_or_else(|| invalid("the answer of its token service has no token"))?;
        let lifetime = Duration::from_secs(token.lifetime).saturating_sub(MARGIN).min(MAX_LIFETIME);
        Ok(Issued { authorization, lifetime })
    }
}
