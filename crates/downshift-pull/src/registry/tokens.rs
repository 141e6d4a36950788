//! Who this server is towards a registry: a name and password, and the tokens that it gets for them.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

use downshift_registry::{
    Authorization, BadRedirect, Credentials, Demand, IdentityToken, Problem, Token, TokenForm, TokenRequest,
};

use super::asking::{MAX_REDIRECTS, Question, is_redirect, retry_after};
use super::remote::Remote;
use crate::effect::{AskMethod, Body, Done, Effect};
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

/// For how long an identity token is used that a token service gave in the place of the last one.
const IDENTITY_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What this server calls itself towards token services.
const CLIENT: &str = "downshift";

const NO_TOKEN: &str = "the answer of its token service has no token";

const NO_TOKEN_URL: &str = "its challenge names no URL of a token service";

const BAD_TOKEN_URL: &str = "credentials must not be sent to the URL of its token service";

impl Remote<'_> {
    /// What to say with a request, before the registry has asked.
    pub(super) async fn at_hand(&self) -> Option<Authorization> {
        if let Some(password) = self.password()
            && let Done::Known(_) = self.shell.ask(Effect::Load(Key::Basic(self.scope.origin))).await
        {
            return Some(password);
        }
        self.token_at_hand().await
    }

    /// Forgets what was at hand, and was not taken. Somebody else may have got another token meanwhile.
    pub(super) async fn drop_used(&self, used: Option<&Authorization>) {
        let key = if self.password().as_ref() == used {
            Key::Basic(self.scope.origin)
        } else if self.token_at_hand().await.as_ref() == used {
            Key::Token(self.scope.clone())
        } else {
            return;
        };
        self.shell.ask(Effect::Forget(key)).await;
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
            Demand::Basic { .. } => return Ok(self.untried_password(used).await),
            Demand::Bearer { realm, service } => (realm, service),
        };
        // Somebody else may have got another one meanwhile.
        if let Some(token) = self.token_at_hand().await.filter(|token| Some(token) != used) {
            return Ok(Some(token));
        }
        let scopes = self.right().into_iter().collect();
        let request = TokenRequest { service: service.clone(), scopes, account: None };
        let issued = match &self.registry.credentials {
            Some(credentials) => match credentials.identity_token() {
                Some(identity_token) => self.token_by_identity(realm, &request, &identity_token).await?,
                None => {
                    let account = Some(credentials.username.clone());
                    let url = TokenRequest { account, ..request }.url(realm);
                    self.token_for(&url, self.password()).await?
                }
            },
            None => self.token_for(&request.url(realm), None).await?,
        };
        let issued = issued.ok_or_else(|| self.fault(Problem::Denied))?;
        let token = Authorization::bearer(&issued.value).ok_or_else(|| self.invalid(NO_TOKEN))?;
        let lifetime = Duration::from_secs(issued.lifetime).saturating_sub(MARGIN).min(MAX_LIFETIME);
        let key = Key::Token(self.scope.clone());
        self.shell.ask(Effect::Keep { key, value: Value::Token(token.clone()), lifetime }).await;
        Ok(Some(token))
    }

    /// A token for an identity token: the one that the service gave last, or if it does not take that any more, the one that
    /// this server began with.
    async fn token_by_identity(
        &self,
        realm: &str,
        request: &TokenRequest,
        first: &IdentityToken,
    ) -> Result<Option<Token>, Failure> {
        let key = Key::IdentityToken(self.scope.origin);
        let mut issued = None;
        if let Done::Known(Value::IdentityToken(last)) = self.shell.ask(Effect::Load(key.clone())).await {
            issued = self.post_form(realm, request.form(CLIENT, &last)).await?;
            if issued.is_none() {
                self.shell.ask(Effect::Forget(key.clone())).await;
            }
        }
        if issued.is_none() {
            issued = self.post_form(realm, request.form(CLIENT, first)).await?;
        }
        if let Some(Token { identity_token: Some(next), .. }) = &issued {
            let (value, lifetime) = (Value::IdentityToken(next.clone()), IDENTITY_LIFETIME);
            self.shell.ask(Effect::Keep { key, value, lifetime }).await;
        }
        Ok(issued)
    }

    async fn post_form(&self, realm: &str, form: TokenForm) -> Result<Option<Token>, Failure> {
        let headers = [("content-type", TokenForm::TYPE.to_string())].into();
        self.ask_token(realm, AskMethod::Post(form), headers, None).await
    }

    /// The name and password, if this server has such.
    fn password(&self) -> Option<Authorization> {
        let credentials = self.registry.credentials.as_ref();
        let password = credentials.filter(|credentials| credentials.identity_token().is_none());
        password.map(Credentials::authorization)
    }

    /// The name and password, if they were not tried.
    async fn untried_password(&self, used: Option<&Authorization>) -> Option<Authorization> {
        let own = self.password().filter(|own| Some(own) != used);
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
        self.ask_token(url, AskMethod::Get, Vec::new(), authorization).await
    }

    /// Asks a token service, and goes where it has moved to at its own host.
    async fn ask_token(
        &self,
        url: &str,
        method: AskMethod,
        headers: Vec<(&'static str, String)>,
        authorization: Option<Authorization>,
    ) -> Result<Option<Token>, Failure> {
        let (take, delivery) = (self.whole(TOKEN_BYTES, 1), Delivery::Stream);
        let mut url = self.token_url(url)?;
        let question = Question { method, headers, take, delivery };
        let asking = async {
            for _ in 0..MAX_REDIRECTS {
                let answered = self.exchange(url.clone(), &question, authorization.clone()).await?;
                // With other statuses a POST would become a GET.
                let has_moved = match question.method {
                    AskMethod::Post(_) => matches!(answered.status, 307 | 308),
                    _ => is_redirect(answered.status),
                };
                if !has_moved {
                    return Ok(answered);
                }
                let target = self.target(&url, &answered)?;
                if target.origin != url.origin {
                    return Ok(answered);
                }
                url = target;
            }
            Err(self.fault(Problem::Redirect(BadRedirect::Circle)))
        };
        let answered = self.in_time(asking).await?;
        match (answered.status, &answered.body) {
            (200, Body::Bytes { bytes, .. }) => {
                Token::parse(bytes).map(Some).ok_or_else(|| self.invalid(NO_TOKEN))
            }
            (401 | 403, _) => Ok(None),
            // A grant that is not taken (RFC 6749, 5.2).
            (400, _) if matches!(question.method, AskMethod::Post(_)) => Ok(None),
            (429, _) => Err(self.fault(Problem::TooManyRequests { retry_after: retry_after(&answered) })),
            (status, _) => Err(self.fault(Problem::Status(status))),
        }
    }

    /// The URL of a token service, if a name and password may be sent there: not in the clear where the registry itself is
    /// asked by HTTPS.
    fn token_url(&self, url: &str) -> Result<Url, Failure> {
        let url = (self.settings.resolve)(None, url).ok_or_else(|| self.invalid(NO_TOKEN_URL))?;
        let may_send = url.is_secure || !self.registry.base.is_secure;
        if may_send { Ok(url) } else { Err(self.invalid(BAD_TOKEN_URL)) }
    }
}
