//! The running server, which is asked as any registry is.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use downshift_registry::{
    Authorization, BadRedirect, Challenge, Credentials, Demand, Problem, Scope, Token, TokenForm,
    TokenRequest,
};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use tokio::time::sleep;

use super::super::refusal::Refusal;
use crate::error::Error;
use crate::origin::registry::{Authorities, Http, Query, Response, Site, proxies_of_environment};

/// How long the server may be silent. It may read a layer of gigabytes before it answers.
const SILENCE: Duration = Duration::from_secs(300);

/// How often a request is sent on.
const MAX_REDIRECTS: usize = 5;

/// Bytes of an error or a token service's answer.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// How long to wait at the least before asking again, whatever the server says.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// What this program calls itself towards token services.
const CLIENT: &str = "downshift";

/// The running server.
pub(super) struct Front {
    base: Url,
    authority: String,
    http: Http,
    credentials: Option<Credentials>,
    patience: Duration,
    /// What the server wants to hear, by repository.
    authorizations: Mutex<HashMap<String, Authorization>>,
}

/// What to ask for.
pub(super) struct Question<'q> {
    pub(super) method: Method,
    /// The path and query, without the slash at its beginning.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// The repository that it is about; for `/v2/` itself none.
    pub(super) repository: &'q str,
}

/// Why there is no answer.
#[derive(Debug)]
enum Trouble {
    Problem(Problem),
    Refused(u16, Refusal),
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Front {
    /// The server at `base`, which is not asked yet.
    pub(super) fn new(
        base: Url,
        ca: Option<&Authorities>,
        credentials: Option<Credentials>,
        patience: Duration,
    ) -> Result<Self, Error> {
        // rustls has several libraries for its cryptography, and wants to be told which.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let site = Site::Base(base.clone());
        let http = Http::new(&site, ca, SILENCE, proxies_of_environment(None)?)?;
        Ok(Self {
            authority: site.name(),
            base,
            http,
            credentials,
            patience,
            authorizations: Mutex::default(),
        })
    }

    /// Its host and port.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is there, is a registry, and takes the user's name and password.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let question = Question {
            method: Method::GET,
            path: "v2/".to_owned(),
            headers: HeaderMap::new(),
            repository: "",
        };
        let problem = match self.answer(&question).await {
            Ok(response) => {
                let kind = response.headers().get(header::CONTENT_TYPE);
                let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
                is_page.then(|| Problem::Invalid("`/v2/` is a web page".to_owned()))
            }
            // With tokens it may be that everybody may pull, and nobody may log in.
            Err(Trouble::Refused(401, _)) if self.credentials.is_none() => None,
            Err(Trouble::Refused(401 | 403, _)) => Some(Problem::Denied),
            Err(Trouble::Refused(status, _)) => Some(Problem::Status(status)),
            Err(Trouble::Problem(problem)) => Some(problem),
        };
        match problem {
            None => Ok(()),
            Some(problem) => Err(Error::Server { url: self.base.to_string(), problem }),
        }
    }

    /// Asks, and gives the response if it is a good one.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Response, Refusal> {
        self.answer(question).await.map_err(|trouble| match trouble {
            Trouble::Problem(problem) => problem.into(),
            Trouble::Refused(_, refusal) => refusal,
        })
    }

    /// All bytes of a response, if there are at most `limit`.
    pub(super) async fn read(&self, response: Response, limit: usize) -> Result<Bytes, Problem> {
        let mut reading = self.http.read(response, limit)?;
        while reading.next().await?.is_some() {}
        Ok(reading.finish())
    }

    /// Asks until there is an answer: logs in where that is wanted, and comes again when it is told to.
    async fn answer(&self, question: &Question<'_>) -> Result<Response, Trouble> {
        let begun = Instant::now();
        let mut has_renewed = false;
        loop {
            let used = self.authorization(question.repository);
            let response = self.send(question, used.clone()).await?;
            let status = response.status().as_u16();
            if response.status().is_success() {
                return Ok(response);
            }
            if status == 401 && !has_renewed {
                has_renewed = true;
                if self.renew(question.repository, response.headers(), used.as_ref()).await? {
                    continue;
                }
            }
            if let Some(pause) = pause(status, response.headers())
                && begun.elapsed().saturating_add(pause) < self.patience
            {
                sleep(pause).await;
                has_renewed = false;
                continue;
            }
            // An error that broke off is an error all the same.
            let body = self.read(response, MAX_ANSWER_BYTES).await.unwrap_or_default();
            return Err(Trouble::Refused(status, Refusal::of_response(status, &body)));
        }
    }

    /// Asks once, wherever the server sends it on to: blobs may be elsewhere.
    async fn send(
        &self,
        question: &Question<'_>,
        mut authorization: Option<Authorization>,
    ) -> Result<Response, Problem> {
        let invalid = |_| Problem::Redirect(BadRedirect::Nowhere);
        let mut url = self.base.join(&question.path).map_err(invalid)?;
        for _ in 0..=MAX_REDIRECTS {
            let is_own = url.origin() == self.base.origin();
            if !is_own {
                authorization = None;
            }
            let query = Query {
                method: question.method.clone(),
                url: url.clone(),
                is_own,
                headers: question.headers.clone(),
                authorization: authorization.clone(),
                form: None,
            };
            let response = self.http.send(query).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let next = url.join(location.unwrap_or_default()).map_err(invalid)?;
            match (url.scheme(), next.scheme()) {
                (_, "https") | ("http", "http") => url = next,
                ("https", "http") => return Err(Problem::Redirect(BadRedirect::Downgrade)),
                _ => return Err(Problem::Redirect(BadRedirect::Nowhere)),
            }
        }
        Err(Problem::Redirect(BadRedirect::Circle))
    }

    fn authorization(&self, repository: &str) -> Option<Authorization> {
        let authorizations = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        authorizations.get(repository).cloned()
    }

    /// Gets what the server asks for in `headers`; `false` if there is nothing but what was `used`.
    async fn renew(
        &self,
        repository: &str,
        headers: &HeaderMap,
        used: Option<&Authorization>,
    ) -> Result<bool, Problem> {
        let lines = headers.get_all(header::WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
        let authorization = match Demand::strongest(&Challenge::parse_all(lines)) {
            None => None,
            Some(Demand::Basic { .. }) => self.password(),
            Some(Demand::Bearer { realm, service }) => self.token(repository, &realm, service).await?,
        };
        let Some(authorization) = authorization.filter(|authorization| Some(authorization) != used) else {
            return Ok(false);
        };
        let mut authorizations = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        authorizations.insert(repository.to_owned(), authorization);
        Ok(true)
    }

    /// The user's name and password. An identity token is no password.
    fn password(&self) -> Option<Authorization> {
        let credentials = self.credentials.as_ref();
        credentials.filter(|own| own.identity_token().is_none()).map(Credentials::authorization)
    }

    /// A token for a repository; none if the token service denies it.
    async fn token(
        &self,
        repository: &str,
        realm: &str,
        service: Option<String>,
    ) -> Result<Option<Authorization>, Problem> {
        let scopes = Some(repository).filter(|name| !name.is_empty()).map(Scope::pull).into_iter().collect();
        let account = self.credentials.as_ref().map(|credentials| credentials.username.clone());
        let request = TokenRequest { service, scopes, account };
        let mut headers = HeaderMap::new();
        let identity_token = self.credentials.as_ref().and_then(Credentials::identity_token);
        let (method, url, form) = match identity_token {
            Some(identity_token) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TokenForm::TYPE));
                (Method::POST, realm.to_owned(), Some(request.form(CLIENT, &identity_token)))
            }
            None => (Method::GET, request.url(realm), None),
        };
        // A password must not go out in the clear where the server itself is asked by HTTPS.
        let may_ask = |url: &Url| url.scheme() == "https" || self.base.scheme() == "http";
        let url = Url::parse(&url).ok().filter(may_ask).ok_or_else(|| {
            Problem::Invalid("credentials must not be sent to the URL of its token service".to_owned())
        })?;
        let is_own = url.origin() == self.base.origin();
        let authorization = self.password();
        let response = self.http.send(Query { method, url, is_own, headers, authorization, form }).await?;
        match response.status().as_u16() {
            200 => {
                let body = self.read(response, MAX_ANSWER_BYTES).await?;
                let token = Token::parse(&body).and_then(|token| Authorization::bearer(&token.value));
                token.map(Some).ok_or_else(|| {
                    Problem::Invalid("the answer of its token service has no token".to_owned())
                })
            }
            400 | 401 | 403 => Ok(None),
            status => Err(Problem::Status(status)),
        }
    }
}

/// How long to wait before asking again, if the server says that it is worth it (RFC 9110, 10.2.3). Instead of seconds there may
/// be a date, in which case the server is asked again at once, as often as that may be.
fn pause(status: u16, headers: &HeaderMap) -> Option<Duration> {
    let retry_after = headers.get(header::RETRY_AFTER).filter(|_| matches!(status, 429 | 503))?;
    let seconds = retry_after.to_str().ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default();
    Some(Duration::from_secs(seconds).max(MIN_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_again_when_it_says_so() {
        let said = |status, text: &'static str| {
            let headers = [(header::RETRY_AFTER, HeaderValue::from_static(text))].into_iter().collect();
            pause(status, &headers).map(|pause| pause.as_secs())
        };
        assert_eq!(said(503, "30"), Some(30));
        assert_eq!(said(429, " 2 "), Some(2));
        assert_eq!(said(503, "0"), Some(1));
        assert_eq!(said(503, "Wed, 21 Oct 2026 07:28:00 GMT"), Some(1));
        assert_eq!(said(500, "30"), None);
        assert_eq!(pause(503, &HeaderMap::new()), None);
    }
}
