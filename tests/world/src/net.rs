//! The hosts of the scripted network: registries, a token service, and a host where blobs are.
//!
//! [`Net`] is a value. It knows no socket and no clock: what it answers follows from the request, the time that it is told,
//! and what was [changed](Net::change) in it.

use std::collections::{BTreeMap, BTreeSet};

use downshift::Digest;
use downshift_cases::images::{Image, Manifest};
use downshift_registry::{
    Authorization, ContentRange, Credentials, IdentityToken, Page, Reference, Route, TokenForm, TokenRequest,
};
use serde_json::json;

use crate::fault::{Fault, Rule};
use crate::message::error;
pub use crate::message::{End, Host, Reply, Request, Response};
use crate::repository::Repository;

/// Somebody whom the registries and the token service know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The name; empty for everybody who says nothing.
    pub name: &'static str,
    /// The password.
    pub password: &'static str,
}

/// How the registries let people in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// They ask nobody.
    #[default]
    Open,
    /// By name and password.
    Basic,
    /// By tokens of the token service.
    Bearer,
}

/// What the registries say to those who may not have something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Denial {
    /// 401, as if it had not been understood who they are.
    #[default]
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404, as if it were not there.
    Hidden,
}

/// Something that changes in the network.
#[derive(Clone, Debug)]
pub enum Change {
    /// How the registries let people in.
    Authentication(Authentication),
    /// What they say to those who may not have something.
    Denial(Denial),
    /// Which repositories a user may pull from; `*` stands for all of them. Who has a list is known to the registries.
    Rights(User, &'static [&'static str]),
    /// An image is pushed.
    Push(&'static str, &'static str, Box<Image>),
    /// An image is pushed to one registry, which has a repository of its own from then on, whatever others have.
    PushAt(Host, &'static str, &'static str, Box<Image>),
    /// Bytes that are no manifest come under a tag.
    PushBytes(&'static str, &'static str, &'static [u8]),
    /// Everything with this digest is gone from a repository.
    Remove(&'static str, Digest),
    /// A tag is gone.
    Untag(&'static str, &'static str),
    /// A referrers list is there.
    Referrers(&'static str, Digest, &'static [u8]),
    /// Something goes wrong from now on.
    Fault(Rule),
    /// Nothing goes wrong any more.
    NoFaults,
    /// Where requests are redirected to.
    Redirect(Redirect),
    /// For how many seconds the token service says that its tokens are good, and for how many requests they are.
    Tokens(Option<u64>, u32),
    /// No token that was issued is good any more.
    ExpireTokens,
    /// What the registry names as its token service instead of that; `{elsewhere}` and the like stand for URLs.
    Realm(&'static str),
    /// An identity token that the token service gives from now on, and takes from everybody.
    NextIdentity(Option<&'static str>),
}

/// A redirect of requests whose path has `part` in it, to the same path at another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The host that redirects. A registry does it once it has let somebody in.
    pub from: Host,
    /// What is in the path.
    pub part: &'static str,
    /// Where to.
    pub to: Host,
    /// What comes before the path there. Below `/back` registries ask nobody who they are.
    pub prefix: &'static str,
}

/// A request that came to a host, and what it was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The request.
    pub request: Request,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
    /// The challenge in it, if there was one.
    pub challenge: Option<String>,
}

/// A token that was issued.
#[derive(Clone, Debug)]
struct Token {
    user: &'static str,
    repositories: Vec<String>,
    /// In milliseconds since 1970.
    until: u64,
    uses: u32,
}

/// The network.
#[derive(Clone, Debug, Default)]
pub struct Net {
    urls: BTreeMap<Host, String>,
    repositories: BTreeMap<String, Repository>,
    /// Those that one registry has and others have not.
    own: BTreeMap<(Host, String), Repository>,
    rights: Vec<(User, &'static [&'static str])>,
    authentication: Authentication,
    denial: Denial,
    rules: Vec<Rule>,
    redirects: Vec<Redirect>,
    tokens: Vec<Token>,
    token_seconds: Option<u64>,
    token_uses: u32,
    realm: Option<&'static str>,
    next_identity: Option<&'static str>,
    exchanges: Vec<Exchange>,
    /// Every manifest that was ever in a repository, and the registry if only one has that.
    known: BTreeSet<(Option<Host>, String, Digest)>,
}

impl User {
    /// The value of `Authorization` with which they say who they are.
    #[must_use]
    pub fn basic(&self) -> Authorization {
        let password = self.password.to_owned().into();
        Credentials { username: self.name.to_owned(), password }.authorization()
    }
}

impl User {
    /// Their identity token.
    #[must_use]
    pub fn identity_token(&self) -> IdentityToken {
        format!("identity/{}+1==", self.name).into()
    }
}

impl Exchange {
    /// The exchange in one line: method, host, path and query, and who asked. A token is named by the order in which it
    /// was issued.
    #[must_use]
    pub fn line(&self) -> String {
        let Request { host, method, target, .. } = &self.request;
        let who = match refresh_token(&self.request.form) {
            Some(token) => token,
            None => who(self.request.header("authorization")),
        };
        format!("{method} {} {target} {who}", host.name())
    }
}

/// The identity token in a form.
fn refresh_token(form: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    pairs.find(|(name, _)| name == "refresh_token").map(|(_, token)| token.into_owned())
}

fn who(authorization: Option<&str>) -> String {
    let Some(authorization) = authorization else { return "-".to_owned() };
    match authorization.split_once(' ') {
        Some(("Basic", encoded)) => {
            Credentials::decode(encoded).map_or("?".to_owned(), |credentials| credentials.username)
        }
        Some(("Bearer", token)) => token.to_owned(),
        _ => "?".to_owned(),
    }
}

impl Net {
    /// A network whose hosts have these URLs, without a slash at the end. There is nothing in it.
    #[must_use]
    pub fn new(urls: impl IntoIterator<Item = (Host, String)>) -> Self {
        Self { urls: urls.into_iter().collect(), token_uses: u32::MAX, ..Self::default() }
    }

    /// The URL of a host, without a slash at the end.
    #[must_use]
    pub fn url(&self, host: Host) -> &str {
        self.urls.get(&host).map_or("", String::as_str)
    }

    /// Which host a URL leads to, and with which path and query.
    #[must_use]
    pub fn host_of(&self, url: &str) -> Option<(Host, String)> {
        self.urls.iter().find_map(|(host, base)| {
            let rest = url.strip_prefix(base.as_str())?;
            let is_path = rest.is_empty() || rest.starts_with(['/', '?']);
            is_path.then(|| (*host, if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }))
        })
    }

    /// `text` with the URLs of hosts in the place of their names in braces, and without the scheme where it says so, as
    /// `{registry.host}`.
    #[must_use]
    pub fn with_urls(&self, text: &str) -> String {
        Host::ALL.into_iter().fold(text.to_owned(), |text, host| {
            let (name, url) = (host.name(), self.url(host));
            let authority = url.split_once("://").map_or("", |(_, authority)| authority);
            text.replace(&format!("{{{name}}}"), url).replace(&format!("{{{name}.host}}"), authority)
        })
    }

    /// What is in the repositories, by their names.
    #[must_use]
    pub fn repositories(&self) -> &BTreeMap<String, Repository> {
        &self.repositories
    }

    /// Every request since the beginning.
    #[must_use]
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// The text of every token that was issued, and whose it is.
    #[must_use]
    pub fn tokens(&self) -> Vec<(String, &'static str)> {
        self.tokens.iter().enumerate().map(|(index, token)| (token_text(index), token.user)).collect()
    }

    /// Changes something.
    pub fn change(&mut self, change: &Change) {
        match change {
            Change::Authentication(authentication) => self.authentication = *authentication,
            Change::Denial(denial) => self.denial = *denial,
            Change::Rights(user, repositories) => {
                self.rights.retain(|(known, _)| known.name != user.name);
                self.rights.push((*user, repositories));
            }
            Change::Push(name, tag, image) => {
                self.repository(name).push(tag, image);
                self.know(name);
            }
            Change::PushAt(host, name, tag, image) => {
                let own = self.own.entry((*host, (*name).to_owned())).or_default();
                own.push(tag, image);
                let known =
                    own.manifests.keys().map(|digest| (Some(*host), (*name).to_owned(), digest.clone()));
                self.known.extend(known);
            }
            Change::PushBytes(name, tag, bytes) => {
                self.repository(name).push_bytes(tag, bytes);
                self.know(name);
            }
            Change::Remove(name, digest) => {
                let repository = self.repository(name);
                repository.manifests.remove(digest);
                repository.blobs.remove(digest);
            }
            Change::Untag(name, tag) => {
                self.repository(name).tags.remove(*tag);
            }
            Change::Referrers(name, digest, list) => {
                self.repository(name).referrers.insert(digest.clone(), list.to_vec());
            }
            Change::Fault(rule) => self.rules.push(rule.clone()),
            Change::NoFaults => self.rules.clear(),
            Change::Redirect(redirect) => self.redirects.push(redirect.clone()),
            Change::Tokens(seconds, uses) => (self.token_seconds, self.token_uses) = (*seconds, *uses),
            Change::ExpireTokens => self.tokens.iter_mut().for_each(|token| token.until = 0),
            Change::Realm(realm) => self.realm = Some(realm),
            Change::NextIdentity(next) => self.next_identity = *next,
        }
    }

    fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    fn know(&mut self, name: &str) {
        let digests =
            self.repositories.get(name).into_iter().flat_map(|repository| repository.manifests.keys());
        self.known.extend(digests.map(|digest| (None, name.to_owned(), digest.clone())));
    }

    /// A repository, as a host has it.
    fn at(&self, host: Host, name: &str) -> Option<&Repository> {
        self.own.get(&(host, name.to_owned())).or_else(|| self.repositories.get(name))
    }

    /// Whether a manifest is in any repository.
    #[must_use]
    pub fn has_manifest(&self, digest: &Digest) -> bool {
        self.repositories.values().chain(self.own.values()).any(|own| own.manifests.contains_key(digest))
    }

    /// Whether a manifest was ever in a repository of a registry. Where requests are redirected to, everybody gets
    /// everything.
    #[must_use]
    pub fn had(&self, host: Host, name: &str, digest: &Digest) -> bool {
        let own = self.own.contains_key(&(host, name.to_owned())).then_some(host);
        let is_known = |name: &str| self.known.contains(&(own, name.to_owned(), digest.clone()));
        is_known(name) || self.is_elsewhere() && self.repositories.keys().any(|name| is_known(name))
    }

    /// Whether anything was ever asked elsewhere.
    fn is_elsewhere(&self) -> bool {
        self.exchanges.iter().any(|exchange| {
            exchange.request.host == Host::Elsewhere || exchange.request.path().starts_with("/back")
        })
    }

    /// Whether a user may pull from a repository by now.
    #[must_use]
    pub fn may(&self, user: &str, repository: &str) -> bool {
        self.rights.iter().any(|(known, repositories)| {
            known.name == user && repositories.iter().any(|name| *name == "*" || *name == repository)
        })
    }

    /// Answers a request. `now` is in milliseconds since 1970.
    pub fn answer(&mut self, now: u64, request: &Request) -> Reply {
        let reply = self.reply(now, request);
        let response = match &reply {
            Reply::Response(response) => Some(response),
            _ => None,
        };
        let challenge = response.and_then(|response| response.header("www-authenticate")).map(str::to_owned);
        let status = response.map(|response| response.status);
        self.exchanges.push(Exchange { request: request.clone(), at: now, status, challenge });
        reply
    }

    fn reply(&mut self, now: u64, request: &Request) -> Reply {
        let fault = self.rules.iter_mut().find(|rule| rule.fits(request)).map(|rule| {
            rule.times = rule.times.map(|times| times.saturating_sub(1));
            rule.fault.clone()
        });
        let Some(fault) = fault else { return self.right(now, request).into() };
        if let Some(reply) = fault.instead(request, |text| self.with_urls(text)) {
            return reply;
        }
        let response = self.right(now, request);
        if !matches!(response.status, 200 | 206) {
            return response.into();
        }
        let mut without_range = request.clone();
        without_range.headers.retain(|(name, _)| name != "range");
        fault.spoil(response, || self.right(now, &without_range)).into()
    }

    /// The response where nothing goes wrong.
    fn right(&mut self, now: u64, request: &Request) -> Response {
        if request.host == Host::Tokens {
            return self.token(now, request);
        }
        if request.host.is_registry() && !request.path().starts_with("/back") {
            return self.registry(now, request);
        }
        self.redirected(request).unwrap_or_else(|| self.by_digest(request))
    }

    fn redirected(&self, request: &Request) -> Option<Response> {
        // From where nobody is asked, registries lead nowhere else.
        if request.host.is_registry() && request.path().starts_with("/back") {
            return None;
        }
        let fits =
            |redirect: &&Redirect| redirect.from == request.host && request.path().contains(redirect.part);
        let redirect = self.redirects.iter().find(fits)?;
        let location = [self.url(redirect.to), redirect.prefix, &request.target].concat();
        Some(Response::new(307, Vec::new()).with("location", &location))
    }

    /// Whatever the path has a digest of, for everybody.
    fn by_digest(&self, request: &Request) -> Response {
        let Some(digest) =
            request.path().split('/').next_back().and_then(|digest| Digest::parse(digest).ok())
        else {
            return error(404);
        };
        let blob = self.repositories.values().find_map(|repository| {
            let manifest = repository.manifests.get(&digest).map(|manifest| &manifest.bytes);
            repository.blobs.get(&digest).or(manifest)
        });
        blob.map_or_else(|| error(404), |blob| ranged(request, blob))
    }

    fn registry(&mut self, now: u64, request: &Request) -> Response {
        let Ok(route) = Route::parse(&request.target) else { return error(404) };
        let name = match &route {
            Route::Base => None,
            Route::Manifest { name, .. }
            | Route::Blob { name, .. }
            | Route::Tags { name, .. }
            | Route::Referrers { name, .. } => Some(name.clone()),
            // Who may list all may pull all.
            Route::Catalog { .. } => Some("catalog".to_owned()),
            _ => return error(404),
        };
        if let Err(refusal) = self.admit(now, request, name.as_deref()) {
            return refusal;
        }
        if let Some(response) = self.redirected(request) {
            return response;
        }
        let Some(name) = name else {
            return Response::new(200, b"{}".to_vec()).with("content-type", "application/json");
        };
        if let Route::Catalog { page, .. } = &route {
            return listed(
                self.repositories.keys(),
                page,
                "/v2/_catalog",
                |names| json!({ "repositories": names }),
            );
        }
        let Some(repository) = self.at(request.host, &name) else { return error(404) };
        match &route {
            Route::Manifest { reference, .. } => {
                let digest = match reference {
                    Reference::Tag(tag) => repository.tags.get(tag),
                    Reference::Digest(digest) => Some(digest),
                };
                let found = digest.and_then(|digest| repository.manifests.get_key_value(digest));
                found.map_or_else(|| error(404), |(digest, manifest)| manifest_response(digest, manifest))
            }
            Route::Blob { digest, .. } => {
                repository.blobs.get(digest).map_or_else(|| error(404), |blob| ranged(request, blob))
            }
            Route::Tags { page, .. } => {
                let path = format!("/v2/{name}/tags/list");
                listed(repository.tags.keys(), page, &path, |tags| json!({ "name": name, "tags": tags }))
            }
            Route::Referrers { digest, .. } => match repository.referrers.get(digest) {
                Some(list) => Response::new(200, list.clone())
                    .with("content-type", "application/vnd.oci.image.index.v1+json"),
                None => error(404),
            },
            _ => error(404),
        }
    }

    /// Whether whoever sent a request may have something of a repository, or be here at all.
    fn admit(&mut self, now: u64, request: &Request, repository: Option<&str>) -> Result<(), Response> {
        let authorization = request.header("authorization").unwrap_or_default();
        let user = match self.authentication {
            Authentication::Open => return Ok(()),
            Authentication::Basic => {
                let known = self.user(authorization).ok_or_else(|| self.challenge())?;
                if let Some(name) = repository.filter(|name| !self.may(known, name)) {
                    return Err(self.denied(name));
                }
                return Ok(());
            }
            Authentication::Bearer => authorization.strip_prefix("Bearer "),
        };
        let token = user.and_then(|text| (0..self.tokens.len()).find(|&index| token_text(index) == text));
        let Some(token) = token.and_then(|index| self.tokens.get_mut(index)) else {
            return Err(self.challenge());
        };
        if token.until <= now || token.uses == 0 {
            return Err(self.challenge());
        }
        token.uses -= 1;
        let token = token.clone();
        match repository {
            Some(name)
                if !token.repositories.iter().any(|own| own == name) || !self.may(token.user, name) =>
            {
                Err(self.denied(name))
            }
            _ => Ok(()),
        }
    }

    /// The user whose name and password these are, or who stands for those that say nothing.
    fn user(&self, authorization: &str) -> Option<&'static str> {
        let is_own = |user: &User| match user.name {
            "" => authorization.is_empty(),
            _ => user.basic().as_str() == authorization,
        };
        self.rights.iter().find(|(user, _)| is_own(user)).map(|(user, _)| user.name)
    }

    /// The user whose identity token is in a form.
    fn user_of_form(&self, form: &str) -> Option<&'static str> {
        let pairs: BTreeMap<_, _> = url::form_urlencoded::parse(form.as_bytes()).collect();
        let is = |name: &str, value: &str| pairs.get(name).is_some_and(|own| own == value);
        if !is("grant_type", "refresh_token")
            || !is("service", "registry")
            || !pairs.contains_key("client_id")
        {
            return None;
        }
        let token = pairs.get("refresh_token")?;
        let is_next = self.next_identity.is_some_and(|next| next == token);
        let is_own =
            |user: &User| !user.name.is_empty() && (is_next || user.identity_token().as_str() == token);
        self.rights.iter().find(|(user, _)| is_own(user)).map(|(user, _)| user.name)
    }

    fn challenge(&self) -> Response {
        let challenge = match self.authentication {
            Authentication::Bearer => {
                let realm = self.with_urls(self.realm.unwrap_or("{tokens}/token"));
                format!("Bearer realm=\"{realm}\",service=\"registry\"")
            }
            _ => "Basic realm=\"registry\"".to_owned(),
        };
        error(401).with("www-authenticate", &challenge)
    }

    fn denied(&self, _repository: &str) -> Response {
        match self.denial {
            Denial::Unauthorized => self.challenge(),
            Denial::Forbidden => error(403),
            Denial::Hidden => error(404),
        }
    }

    fn token(&mut self, now: u64, request: &Request) -> Response {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if path != "/token" {
            return error(404);
        }
        let is_post = request.method == "POST";
        let user = if is_post {
            if request.header("content-type").is_none_or(|own| own != TokenForm::TYPE) {
                return error(415);
            }
            self.user_of_form(&request.form)
        } else {
            self.user(request.header("authorization").unwrap_or_default())
        };
        let Some(user) = user else { return error(401) };
        let query = if is_post { &request.form } else { query };
        let scopes = TokenRequest::parse(query).scopes.into_iter().map(|scope| scope.name);
        let repositories = scopes.filter(|name| self.may(user, name)).collect();
        let lifetime = self.token_seconds.unwrap_or(60);
        let until = now.saturating_add(lifetime.saturating_mul(1000));
        let text = token_text(self.tokens.len());
        self.tokens.push(Token { user, repositories, until, uses: self.token_uses });
        let mut body = match (self.token_seconds, is_post) {
            (_, true) => json!({ "access_token": text, "expires_in": lifetime }),
            (Some(seconds), _) => json!({ "token": text, "expires_in": seconds }),
            (None, _) => json!({ "token": text }),
        };
        if let Some(next) = self.next_identity.filter(|_| is_post) {
            body["refresh_token"] = next.into();
        }
        Response::new(200, body.to_string().into_bytes()).with("content-type", "application/json")
    }
}

fn token_text(index: usize) -> String {
    format!("token-{}", index + 1)
}

/// The page of a list, with a link to the next one.
fn listed<'a>(
    all: impl Iterator<Item = &'a String>,
    page: &Page,
    path: &str,
    body: impl FnOnce(&[&String]) -> serde_json::Value,
) -> Response {
    let mut names: Vec<&String> =
        all.filter(|name| page.last.as_ref().is_none_or(|last| *name > last)).collect();
    let n = page.n.unwrap_or(usize::MAX);
    let is_cut = names.len() > n;
    names.truncate(n);
    let response = Response::new(200, body(&names).to_string().into_bytes());
    let response = response.with("content-type", "application/json");
    match names.last().filter(|_| is_cut) {
        Some(last) => response.with("link", &format!("<{path}?last={last}&n={n}>; rel=\"next\"")),
        None => response,
    }
}

fn manifest_response(digest: &Digest, manifest: &Manifest) -> Response {
    Response::new(200, manifest.bytes.clone())
        .with("content-type", manifest.form.media_type())
        .with("docker-content-digest", digest.as_str())
}

/// A blob, or the one range of it that is asked for.
fn ranged(request: &Request, blob: &[u8]) -> Response {
    let whole = || {
        Response::new(200, blob.to_vec())
            .with("content-type", "application/octet-stream")
            .with("docker-content-digest", Digest::of(blob).as_str())
    };
    let Some(range) = request.header("range").filter(|_| request.method == "GET") else { return whole() };
    let size = blob.len() as u64;
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return whole();
    };
    let part = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) => first..size,
        (Err(_), Ok(last)) => size.saturating_sub(last)..size,
        _ => return whole(),
    };
    if part.is_empty() {
        return error(416).with("content-range", &format!("bytes */{size}"));
    }
    let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
    debug_assert!(ContentRange::parse(&range).is_some());
    let bytes = blob.get(part.start as usize..part.end as usize).unwrap_or_default();
    Response::new(206, bytes.to_vec()).with("content-range", &range)
}

impl Rule {
    /// A change that has this happen from now on.
    #[must_use]
    pub fn change(self) -> Change {
        Change::Fault(self)
    }
}

impl Fault {
    /// A status and nothing more.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self::Status(status, Vec::new())
    }

    /// A status with a header.
    #[must_use]
    pub fn with(status: u16, name: &'static str, value: &str) -> Self {
        Self::Status(status, vec![(name, value.to_owned())])
    }
}
