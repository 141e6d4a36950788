//! Who this server is towards a registry: a name and password, and the tokens that it gets for them.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::time::Duration;

use downshift_registry::{Authorization, Credentials, Demand, Method, Problem, Token, TokenRequest};

use super::asking::{Question, retry_after};
use super::remote::Remote;
use crate::effect::{Body, Done, Effect, Take};
use crate::failure::Failure;
use crate::settings::{Delivery, Url};
use crate::value::{Key, Value};

/// Bytes of a token service's answer. Tokens with many rights have some kilobytes.
const TOKEN_BYTES: usize = 256 * 1024;

/// How long before its end a token is taken for expired, so that it does not end on its way.
const MARGIN: Duration = Duration::from_secs(5);

/// How long a token is used at the most, whatever its service says.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// For how long it is known that a registry wants a name and password each time.
const BASIC_LIFETIME: Duration = Duration::from_secs(24 * 3600);

const NO_TOKEN: &str = "the answer of its token service has no token";

const BAD_TOKEN_URL: &str = "credentials must not be sent to the URL of its token service";

impl Remote<'_> {
    /// What to say with a request, before the registry has asked.
    pub(super) async fn at_hand(&self) -> Option<Authorization> {
        if let Some(credentials) = &self.registry.credentials
            && let Done::Known(_) = self.shell.ask(Effect::Load(Key::Basic(self.scope.origin))).await
        {
            return Some(credentials.authorization());
        }
        self.token_at_hand().await
    }

    async fn token_at_hand(&self) -> Option<Authorization> {
        match self.shell.ask(Effect::Load(Key::Token(self.scope.clone()))).await {
            Done::Known(Value::Token(token)) => Some(token),
            _ => None,
        }
    }

    /// What to say after the registry has asked with `demand`, and did not take `used`; nothing if there is nothing else to
    /// say.
    pub(super) async fn renew(
        &self,
        demand: &Demand,
        used: Option<&Authorization>,
    ) -> Result<Option<Authorization>, Failure> {
        let (realm, service) = match demand {
            Demand::Basic { .. } => return Ok(self.password(used).await),
            Demand::Bearer { realm, service } => (realm, service),
        };
        // Somebody else may have got another one meanwhile.
        if let Some(token) = self.token_at_hand().await.filter(|token| Some(token) != used) {
            return Ok(Some(token));
        }
        let scopes = self.right().into_iter().collect();
        let account = self.registry.credentials.as_ref().map(|credentials| credentials.username.clone());
        let url = TokenRequest { service: service.clone(), scopes, account }.url(realm);
        let authorization = self.registry.credentials.as_ref().map(Credentials::authorization);
        let issued = self.token_for(&url, authorization).await?;
        let issued = issued.ok_or_else(|| self.fault(Problem::Denied))?;
        let token = Authorization::bearer(&issued.value).ok_or_else(|| self.invalid(NO_TOKEN))?;
        let lifetime = Duration::from_secs(issued.lifetime).saturating_sub(MARGIN).min(MAX_LIFETIME);
        let key = Key::Token(self.scope.clone());
        self.shell.ask(Effect::Keep { key, value: Value::Token(token.clone()), lifetime }).await;
        Ok(Some(token))
    }

    /// The name and password, if they were not tried.
    async fn password(&self, used: Option<&Authorization>) -> Option<Authorization> {
        let own = self.registry.credentials.as_ref().map(Credentials::authorization);
        let own = own.filter(|own| Some(own) != used);
        let key = Key::Basic(self.scope.origin);
        let effect = match own {
            Some(_) => Effect::Keep { key, value: Value::Basic, lifetime: BASIC_LIFETIME },
            None => Effect::Forget(key),
        };
        self.shell.ask(effect).await;
        own
    }

    /// Asks the token service at `url`: gives the token, or nothing if it denies one to these credentials.
    pub(crate) async fn token_for(
        &self,
        url: &str,
        authorization: Option<Authorization>,
    ) -> Result<Option<Token>, Failure> {
        let take = Take::Whole { limit: TOKEN_BYTES, cost: 1 };
        let (headers, delivery) = (Vec::new(), Delivery::Stream);
        let question = Question { method: Method::Get, headers, take, delivery };
        let answered = self.in_time(self.exchange(self.token_url(url)?, &question, authorization)).await?;
        match (answered.status, &answered.body) {
            (200, Body::Bytes { bytes, .. }) => {
                Token::parse(bytes).map(Some).ok_or_else(|| self.invalid(NO_TOKEN))
            }
            (401 | 403, _) => Ok(None),
            (429, _) => Err(self.fault(Problem::TooManyRequests { retry_after: retry_after(&answered) })),
            (status, _) => Err(self.fault(Problem::Status(status))),
        }
    }

    /// The URL of a token service, if a name and password may be sent there: not in the clear where the registry itself is
    /// asked by HTTPS.
    fn token_url(&self, url: &str) -> Result<Url, Failure> {
        let url = (self.settings.resolve)(None, url);
        url.filter(|url| url.is_secure || !self.registry.base.is_secure)
            .ok_or_else(|| self.fault(Problem::Invalid(BAD_TOKEN_URL.to_string())))
    }
}
