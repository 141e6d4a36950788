//! The front: from a request to its reply, and on to its last byte.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use downshift::{Error, Failure as Explanation};
use downshift_registry::{
    Fault, PullFailure, Reference, Request, Response, Route, V1Mode, V1Part, error, response, v1, v1_images,
};

use crate::blob::{Blob, OpenBlob};
use crate::caller::Caller;
use crate::effect::{Done, Effect, Event, Reply};
use crate::failure::{Failure, Reason, explained};
use crate::registry::with_limits;
use crate::repository::Repository;
use crate::settings::Settings;
use crate::shell::Shell;
use crate::trouble::Trouble;
use crate::value::{Key, Value};

/// For how long the failure of a pull is remembered. Its client asks for it at once, but layers take their time.
const FAILURE_LIFETIME: Duration = Duration::from_secs(300);

/// One request, and whom it is answered with.
pub(crate) struct Front {
    pub(crate) settings: Arc<Settings>,
    pub(crate) request: Arc<Request>,
    /// The response to whoever may ask, where the request is for a registry that there is not.
    pub(crate) refusal: Option<Response>,
    /// By which the request came.
    pub(crate) scheme: &'static str,
    /// Whether it asked for a layer by version 1, and now asks for the blob that this is.
    pub(crate) is_v1_layer: bool,
    pub(crate) shell: Shell,
}

/// The answer to a request.
enum Answer<'p> {
    /// All of it.
    Ready(Reply),
    /// A response whose body is still to be sent.
    Open(Box<OpenBlob<'p>>),
}

impl From<Response> for Answer<'_> {
    fn from(response: Response) -> Self {
        Self::Ready(response.into())
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self { response, forms: None }
    }
}

impl Front {
    /// Answers the request, to the last byte.
    pub(crate) async fn run(mut self) {
        let is_v1_pull = self.is_v1_pull();
        let caller = match self.admit().await {
            Ok(caller) => caller,
            Err(response) => return self.respond(response.into()).await,
        };
        if let Some(refusal) = &self.refusal {
            return self.respond(refusal.clone().into()).await;
        }
        if is_v1_pull {
            self.request = Arc::new(self.request.of_v1_engine(&self.settings.platform));
            if let Route::V1Image { id, part: V1Part::Layer } = &self.request.route.clone()
                && let Err(response) = Box::pin(self.follow_v1_layer(id, &caller)).await
            {
                return self.respond(response.into()).await;
            }
        }
        match self.answer(&caller).await {
            Ok(Answer::Ready(reply)) => {
                self.note_hidden(&reply.response, &caller).await;
                self.respond(reply).await;
            }
            Ok(Answer::Open(open)) => {
                let OpenBlob { response, body } = *open;
                self.respond(response.into()).await;
                Box::pin(body.send(&self.shell)).await;
            }
            Err(failure) => self.respond(self.failed(failure, &caller).await.into()).await,
        }
    }

    async fn respond(&self, mut reply: Reply) {
        self.note_failure(&reply.response).await;
        if self.is_v1_layer {
            reply.response = v1_images::layer(reply.response);
        }
        if self.is_private() {
            reply.response = reply.response.for_one_caller();
        }
        reply.response = with_limits(reply.response.for_method(self.request.method), &self.shell);
        self.shell.ask(Effect::Respond(Box::new(reply))).await;
    }

    async fn answer(&self, caller: &Caller) -> Result<Answer<'_>, Failure> {
        let response = match &self.request.route {
            Route::Root => response::root(),
            Route::Base => self.base(caller).await?,
            Route::Token { query } => self.token(query).await?,
            Route::Manifest { name, reference } => {
                if let Reference::Tag(tag) = reference
                    && self.pulls_by_v1()
                    && let Some(response) = Box::pin(self.instead_of_manifest(name, tag)).await
                {
                    return Ok(response.into());
                }
                return self.manifest(name, reference, caller).await.map(Answer::Ready);
            }
            Route::Blob { name, digest } => {
                let Some(repository) = self.repository(name) else {
                    return Ok(Answer::from(error::blob_unknown(digest)));
                };
                let blob = if self.is_v1_layer {
                    Box::pin(self.checked_layer(&repository, name, digest, caller)).await
                } else {
                    Box::pin(self.blob(&repository, name, digest, caller)).await
                };
                match blob? {
                    Blob::Ready(response) => response,
                    Blob::Open(blob) => return Ok(Answer::Open(blob)),
                }
            }
            Route::EmptyLayer => response::empty_layer(&self.request),
            Route::Tags { name, page, query } => {
                let Some(repository) = self.repository(name) else {
                    return Ok(Answer::from(error::name_unknown(name)));
                };
                let Some(list) = repository.tags(query, caller).await? else {
                    return Ok(Answer::from(error::name_unknown(name)));
                };
                list.response(name, page)
            }
            Route::Catalog { page, query } => Box::pin(self.catalog(page, query, caller)).await?,
            Route::Referrers { name, digest, query } => {
                let list = match self.repository(name) {
                    Some(repository) => repository.referrers(digest, query, caller).await?,
                    None => None,
                };
                list.map_or_else(error::no_referrers, |list| {
                    let (filters, next) = (list.filters.as_deref(), list.next.as_deref());
                    response::referrers(name, digest, list.bytes, filters, next)
                })
            }
            Route::V1Ping => self.v1_ping(),
            Route::V1Images { name } => {
                return Ok(Answer::Ready(Box::pin(self.v1_repository(name, caller)).await));
            }
            Route::V1Tags { name } if self.is_v1_pull() => Box::pin(self.v1_tags(name, caller)).await,
            Route::V1Image { id, part } if self.is_v1_pull() => {
                Box::pin(self.v1_image(id, *part, caller)).await
            }
            Route::V1Tags { .. } | Route::V1Image { .. } | Route::V1 => response::no_v1(),
            // The shell has answered those that there is something at.
            Route::Page { .. } | Route::Unknown => error::unknown_path(),
        };
        Ok(response.into())
    }

    /// The same for another request.
    pub(crate) fn with_request(&self, request: Arc<Request>) -> Self {
        let (settings, shell) = (Arc::clone(&self.settings), self.shell.clone());
        Self { settings, request, refusal: None, scheme: self.scheme, is_v1_layer: false, shell }
    }

    /// The repository called `name`, if there may be one.
    pub(crate) fn repository(&self, name: &str) -> Option<Repository<'_>> {
        Repository::choose(&self.settings, &self.shell, name)
    }

    /// What the API of version 1 says to this client of its last failure.
    pub(crate) async fn last_failure(&self, name: &str) -> Response {
        let failure = match self.failure_key(name) {
            Some(key) => match self.shell.ask(Effect::Load(key)).await {
                Done::Known(Value::LastFailure(failure)) => Some(failure),
                _ => None,
            },
            None => None,
        };
        match self.settings.v1 {
            V1Mode::Off => response::no_v1(),
            V1Mode::Explain | V1Mode::On => v1::answer(&self.request, failure.as_ref()),
        }
    }

    /// Remembers why the client does not get what it asks for, if it is one that asks again by the API of version 1.
    async fn note_failure(&self, response: &Response) {
        let (Route::Manifest { name, .. } | Route::Blob { name, .. }) = &self.request.route else { return };
        let Some(key) = self.failure_key(name) else { return };
        let effect = match PullFailure::of(&self.request, response, self.is_private()) {
            Some(failure) => {
                Effect::Keep { key, value: Value::LastFailure(failure), lifetime: FAILURE_LIFETIME }
            }
            // Another pull has begun, and what comes of it is not known yet.
            None if matches!(self.request.route, Route::Manifest { .. }) => Effect::Forget(key),
            None => return,
        };
        self.shell.ask(effect).await;
    }

    fn failure_key(&self, name: &str) -> Option<Key> {
        if self.settings.v1 == V1Mode::Off {
            return None;
        }
        Some(Key::LastFailure { client: self.v1_client()?, name: name.to_owned() })
    }

    /// The client, by its address and `User-Agent`, if it is one that asks the API of version 1.
    pub(crate) fn v1_client(&self) -> Option<String> {
        let (user_agent, address) = (&self.request.v1.as_ref()?.user_agent, &self.request.address);
        Some([address.as_deref().unwrap_or_default(), " ", user_agent].concat())
    }

    /// Takes what is not there for a no: registries hide what somebody may not see. If it is only missing, the next one who
    /// asks by digest costs a request more.
    async fn note_hidden(&self, response: &Response, caller: &Caller) {
        if response.status == 404 && self.request.route.scope().is_some() {
            self.revoke(caller).await;
        }
    }

    /// The response to a request that failed.
    pub(crate) async fn failed(&self, failure: Failure, caller: &Caller) -> Response {
        if failure.is_about_caller() {
            self.revoke(caller).await;
        }
        if let Some(refusal) = self.refusal(&failure) {
            return refusal;
        }
        match failure.reason() {
            Reason::Upstream(fault) => {
                self.log(explained(&fault));
                Fault::response(&fault)
            }
            Reason::Refused { explanation, .. } => self.explain(explanation),
            Reason::Reading => error::layers_unread(),
            Reason::Shell(Trouble::Busy) => error::busy(),
            Reason::Shell(Trouble::NotRecorded) => error::not_recorded(),
            Reason::Shell(Trouble::Document(explanation)) => {
                let response = error::refusal(&explanation);
                self.log(explanation);
                response
            }
            Reason::Shell(Trouble::Missing(_) | Trouble::Internal) => error::internal(),
        }
    }

    /// The response that is a refusal, with the remedy of this place.
    pub(crate) fn explain(&self, mut explanation: Explanation) -> Response {
        if self.settings.is_edge() && explanation.remedy == Error::RAISE_LIMIT {
            explanation.remedy =
                "if the image can be trusted, Downshift's operator can raise this limit in the variable `LIMITS`"
                    .into();
        }
        error::refusal(&explanation)
    }

    fn log(&self, explanation: Explanation) {
        self.shell.tell(Event::Failure(explanation));
    }
}
