//! The front: from a request to its reply, and on to its last byte.

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;
use downshift::Failure as Explanation;
use downshift_registry::{Body, Fault, Request, Response, Route, error, response};

use crate::blob::{Blob, Source};
use crate::caller::Caller;
use crate::effect::{Effect, Event, Reply};
use crate::failure::{Failure, Reason, explained};
use crate::repository::Repository;
use crate::settings::Settings;
use crate::shell::Shell;
use crate::trouble::Trouble;

/// One request, and whom it is answered with.
pub(crate) struct Front {
    pub(crate) settings: Arc<Settings>,
    pub(crate) request: Arc<Request>,
    /// By which the request came.
    pub(crate) scheme: &'static str,
    pub(crate) shell: Shell,
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self { response, forms: None }
    }
}

impl Front {
    /// Answers the request, to the last byte.
    pub(crate) async fn run(self) {
        let caller = match self.admit().await {
            Ok(caller) => caller,
            Err(response) => return self.respond(response.into()).await,
        };
        if let Route::Blob { name, digest } = &self.request.route {
            let Some(repository) = Repository::choose(&self.settings, &self.shell, name) else {
                return self.respond(error::blob_unknown(digest).into()).await;
            };
            match repository.blob(&self.request, digest, &caller).await {
                Ok(Blob::Ready(response)) => {
                    self.note_hidden(&response, &caller).await;
                    self.respond(response.into()).await;
                }
                Ok(Blob::Open(blob)) => self.send(blob.response, blob.source).await,
                Err(failure) => self.respond(self.failed(failure, &caller).await.into()).await,
            }
            return;
        }
        let reply = match self.reply(&caller).await {
            Ok(reply) => {
                self.note_hidden(&reply.response, &caller).await;
                reply
            }
            Err(failure) => self.failed(failure, &caller).await.into(),
        };
        self.respond(reply).await;
    }

    async fn respond(&self, mut reply: Reply) {
        if self.is_private() {
            reply.response = reply.response.for_one_caller();
        }
        reply.response = reply.response.for_method(self.request.method);
        if let Body::Blob(_) = reply.response.body {
            // There is none to send: for HEAD it is not opened.
            reply.response.body = Body::Bytes(Bytes::new());
        }
        self.shell.ask(Effect::Respond(Box::new(reply))).await;
    }

    async fn send(&self, response: Response, source: Source<'_>) {
        let response = if self.is_private() { response.for_one_caller() } else { response };
        self.shell.ask(Effect::Respond(Box::new(response.into()))).await;
        source.send(&self.shell).await;
    }

    async fn reply(&self, caller: &Caller) -> Result<Reply, Failure> {
        let response = match &self.request.route {
            Route::Root => response::root(),
            Route::Base => self.base(caller).await?,
            Route::Token { query } => self.token(query).await?,
            Route::Manifest { name, reference } => return self.manifest(name, reference, caller).await,
            // Its body is not at hand.
            Route::Blob { digest, .. } => error::blob_unknown(digest),
            Route::EmptyLayer => response::empty_layer(&self.request),
            Route::Tags { name, page, query } => {
                let Some(repository) = Repository::choose(&self.settings, &self.shell, name) else {
                    return Ok(error::name_unknown(name).into());
                };
                let Some(list) = repository.tags(query, caller).await? else {
                    return Ok(error::name_unknown(name).into());
                };
                let not_tags = || repository.invalid("the tags are not a list of strings");
                list.response(name, page).ok_or_else(not_tags)?
            }
            Route::Referrers { name, digest, query } => {
                let list = match Repository::choose(&self.settings, &self.shell, name) {
                    Some(repository) => repository.referrers(digest, query, caller).await?,
                    None => None,
                };
                list.map_or_else(error::no_referrers, |list| {
                    response::referrers(
                        name,
                        digest,
                        list.bytes,
                        list.filters.as_deref(),
                        list.next.as_deref(),
                    )
                })
            }
            Route::V1Images { .. } | Route::V1 => response::no_v1(),
            // The shell has answered those that there is something at.
            Route::Page { .. } | Route::Unknown => error::unknown_path(),
        };
        Ok(response.into())
    }

    /// Takes what is not there for a no: registries hide what somebody may not see. If it is only missing, the next one who
    /// asks by digest costs a request more.
    async fn note_hidden(&self, response: &Response, caller: &Caller) {
        if response.status == 404 && self.request.route.scope().is_some() {
            self.revoke(caller).await;
        }
    }

    /// The response to a request that failed.
    async fn failed(&self, failure: Failure, caller: &Caller) -> Response {
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
            Reason::Refused { explanation, .. } => error::refusal(&explanation),
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

    fn log(&self, explanation: Explanation) {
        self.shell.tell(Event::Failure(explanation));
    }
}
