//! Asking a registry: with which credentials, and where its redirects lead.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use bytes::Bytes;
use downshift::Digest;
use downshift_registry::{Authorization, BadRedirect, Challenge, Demand, Fault, Problem, every_type};

use super::attempts::Attempts;
use super::limits;
use super::remote::Remote;
use crate::caller::Caller;
use crate::effect::{Answered, Ask, AskMethod, Body, Done, Effect, Take, unexpected};
use crate::failure::{Failure, Reason};
use crate::names::AskedRegistry;
use crate::settings::{Delivery, Url};

/// How many redirects are followed. Registries have one, to where they keep their blobs.
pub(super) const MAX_REDIRECTS: u32 = 5;

/// What is asked of a path, whoever asks.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) method: AskMethod,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) take: Take,
    /// Whether redirects to other hosts are followed.
    pub(super) delivery: Delivery,
}

impl Question {
    /// To have a document or list, of whatever type.
    pub(super) fn of(method: AskMethod, take: Take) -> Self {
        let types = every_type().map(|media_type| ("accept", media_type.to_string()));
        let headers = types.chain([identity()]).collect();
        Self { method, headers, take, delivery: Delivery::Stream }
    }
}

/// Says whether a response has what was asked for, or what is wrong with it.
type Accept<'a> = dyn Fn(&Answered) -> Result<bool, Failure> + Sync + 'a;

/// Says what is wrong with a body, its SHA-256 digest and its head, if anything is.
type Check<'a> = dyn Fn(&Bytes, &Digest, &Answered) -> Result<(), Failure> + Sync + 'a;

impl Remote<'_> {
    /// What the registry responds below `/v2/`, once it knows who asks.
    pub(super) async fn respond(
        &self,
        path: &str,
        question: &Question,
        caller: &Caller,
    ) -> Result<Answered, Failure> {
        let url = [&self.registry.base.text, "v2/", path].concat();
        let url =
            (self.settings.resolve)(None, &url).ok_or_else(|| self.invalid("the URL cannot be parsed"))?;
        let mut used = match caller {
            Caller::Client { authorization, .. } => authorization.clone(),
            Caller::Server => self.at_hand().await,
        };
        let mut answered = self.follow(url.clone(), question, used.clone()).await?;
        // dhi.io does not say what it asks for where a token ended early, but only to those who have none. HEAD is answered by
        // some with 401 whatever they are told.
        let is_mute = answered.status == 401
            && used.is_some()
            && question.method != AskMethod::Head
            && demand(&answered).is_none();
        if let Caller::Client { .. } = caller {
            if is_mute {
                let question = Question { take: Take::Nothing, ..question.clone() };
                let anew = self.follow(url, &question, None).await?;
                // What everybody may have is no yes to this caller.
                if anew.status == 401 {
                    answered = anew;
                }
            }
            return Ok(answered);
        }
        if is_mute {
            self.drop_used(used.take().as_ref()).await;
            answered = self.follow(url.clone(), question, None).await?;
        }
        if answered.status != 401 {
            return Ok(answered);
        }
        match self.renew(&self.demand_of(&answered)?, used.as_ref()).await? {
            Some(authorization) => self.follow(url, question, Some(authorization)).await,
            None => Ok(answered),
        }
    }

    /// Asks, and follows redirects; with [`Delivery::Redirect`] as far as they stay at the registry. Credentials go to the
    /// host that they were given for, and to no other, nor back again from one.
    async fn follow(
        &self,
        url: Url,
        question: &Question,
        authorization: Option<Authorization>,
    ) -> Result<Answered, Failure> {
        let (mut url, mut authorization) = (url, authorization);
        for _ in 0..=MAX_REDIRECTS {
            let answered = self.exchange(url.clone(), question, authorization.clone()).await?;
            if !is_redirect(answered.status) {
                // Another host was told nothing of who asks, so it cannot have turned anybody away; and what it names as its
                // token service must not get the credentials that are the registry's.
                if matches!(answered.status, 401 | 403) && url.origin != self.registry.base.origin {
                    return Err(self.fault_at(&url, Problem::Status(answered.status)));
                }
                return Ok(answered);
            }
            let target = self.target(&url, &answered)?;
            if question.delivery == Delivery::Redirect && target.origin != self.registry.base.origin {
                // All of it, for the location may stand there in part.
                let location = ("location", target.text);
                return Ok(Answered { headers: [location].into(), ..answered });
            }
            if target.origin != url.origin {
                authorization = None;
            }
            url = target;
        }
        Err(self.fault(Problem::Redirect(BadRedirect::Circle)))
    }

    /// Asks once.
    pub(super) async fn exchange(
        &self,
        url: Url,
        question: &Question,
        authorization: Option<Authorization>,
    ) -> Result<Answered, Failure> {
        self.shell.count_subrequest(self.settings)?;
        let is_listed = matches!(self.registry, AskedRegistry::Listed(_));
        let is_own = is_listed && url.origin == self.registry.base.origin;
        let ask = Ask {
            origin: self.scope.origin,
            is_own,
            method: question.method.clone(),
            url: url.clone(),
            headers: question.headers.clone(),
            authorization,
            take: question.take,
        };
        match self.shell.ask(Effect::Ask(Box::new(ask))).await {
            Done::Asked(Ok(answered)) => {
                if is_own {
                    limits::note(self.shell, &answered);
                }
                Ok(answered)
            }
            Done::Asked(Err(problem)) => Err(self.fault_at(&url, problem)),
            other => Err(unexpected(&other)),
        }
    }

    /// Where a redirect leads.
    pub(super) fn target(&self, from: &Url, answered: &Answered) -> Result<Url, Failure> {
        let target = answered.header("location").and_then(|to| (self.settings.resolve)(Some(&from.text), to));
        let target = target.ok_or_else(|| self.fault(Problem::Redirect(BadRedirect::Nowhere)))?;
        if from.is_secure && !target.is_secure {
            return Err(self.fault(Problem::Redirect(BadRedirect::Downgrade)));
        }
        Ok(target)
    }

    /// What the registry asks of this caller before anything else: nothing, or credentials.
    pub(crate) async fn demand(&self, caller: &Caller) -> Result<Option<Demand>, Failure> {
        match self.ask("", caller).await {
            Ok(_) => Ok(None),
            Err(failure) => match failure.reason() {
                Reason::Upstream(Fault { problem: Problem::Unauthorized(demand), .. }) => Ok(Some(demand)),
                other => Err(other.into()),
            },
        }
    }

    /// Gets something, with all of its body and the hash of that, and again if that may help: also where `check` says so of
    /// it.
    pub(super) async fn get(
        &self,
        path: &str,
        take: Take,
        caller: &Caller,
        check: &Check<'_>,
    ) -> Result<Option<(Bytes, Digest, Answered)>, Failure> {
        let question = Question::of(AskMethod::Get, take);
        let accept = |answered: &Answered| match &answered.body {
            _ if !is_there(self, answered)? => Ok(false),
            Body::Bytes { bytes, digest } => check(bytes, digest, answered).map(|()| true),
            _ => Err(unexpected(&Done::Nothing)),
        };
        let answered = self.attempt(path, &question, caller, &accept).await?;
        let Some(mut answered) = answered else { return Ok(None) };
        match core::mem::replace(&mut answered.body, Body::None) {
            Body::Bytes { bytes, digest } => Ok(Some((bytes, digest, answered))),
            _ => Err(unexpected(&Done::Nothing)),
        }
    }

    /// Asks, and again if that may help. What is not there is no failure.
    pub(super) async fn ask(&self, path: &str, caller: &Caller) -> Result<Option<Answered>, Failure> {
        let question = Question::of(AskMethod::Get, Take::Nothing);
        self.attempt(path, &question, caller, &|answered| is_there(self, answered)).await
    }

    /// Asks a question, and again if that may help, within the time that the registry has. `accept` says whether what was
    /// asked for is there.
    pub(super) async fn attempt(
        &self,
        path: &str,
        question: &Question,
        caller: &Caller,
        accept: &Accept<'_>,
    ) -> Result<Option<Answered>, Failure> {
        let attempts = async {
            let mut attempts = Attempts::new();
            loop {
                let asked = self.respond(path, question, caller).await;
                let accepted = asked.and_then(|answered| Ok(accept(&answered)?.then_some(answered)));
                if !attempts.again(self.shell, accepted.as_ref().err()).await {
                    return accepted;
                }
            }
        };
        self.in_time(attempts).await
    }

    /// What a response with status 401 asks for.
    pub(super) fn demand_of(&self, answered: &Answered) -> Result<Demand, Failure> {
        demand(answered).ok_or_else(|| self.invalid("status `401` came without a WWW-Authenticate challenge"))
    }
}

/// What a response asks for, as far as it says that.
fn demand(answered: &Answered) -> Option<Demand> {
    Demand::strongest(&Challenge::parse_all(answered.lines("www-authenticate").map(str::as_bytes)))
}

/// Whether a response says that there is something: errors of registries are failures here.
pub(super) fn is_there(remote: &Remote<'_>, answered: &Answered) -> Result<bool, Failure> {
    let problem = match answered.status {
        200 => return Ok(true),
        404 => return Ok(false),
        401 => Problem::Unauthorized(remote.demand_of(answered)?),
        403 => Problem::Denied,
        429 => Problem::TooManyRequests { retry_after: retry_after(answered) },
        status => Problem::Status(status),
    };
    Err(remote.fault(problem))
}

/// The seconds of `Retry-After`. A date, which RFC 9110 allows as well, is passed over.
pub(super) fn retry_after(answered: &Answered) -> Option<u64> {
    answered.header("retry-after")?.trim().parse().ok()
}

/// Whether what came is for people: a login page, or whatever else answers in the place of a registry.
pub(super) fn is_page(answered: &Answered) -> bool {
    let content_type = answered.header("content-type").unwrap_or_default();
    content_type.trim_start().to_ascii_lowercase().starts_with("text/html")
}

pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The body that a response left open.
pub(super) fn open_body(answered: &Answered) -> Option<crate::effect::BodyId> {
    match answered.body {
        Body::Open(body) => Some(body),
        _ => None,
    }
}

/// The header of a question whose answer must not be compressed on its way: it would have another length and digest, and
/// where nothing is said proxies may do that (RFC 9110, 12.5.3).
pub(super) fn identity() -> (&'static str, String) {
    ("accept-encoding", "identity".to_string())
}
