//! The front: a request in, a reply out.

use core::future::poll_fn;
use core::net::IpAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use downshift::Form;
use downshift_pull::{Memory, Reply as Answer, Settings};
use downshift_registry::{Body, Request, Response, error as http};

use super::answers::AnswerCache;
use super::body::PullBody;
use super::driver::{Driver, News};
use super::effects::Shared;
use super::registry::Registries;
use crate::access::{CallerHasher, Htpasswd};
use crate::data::records::Records;
use crate::engine::converter::Converter;
use crate::origin::cache::{OriginCache, Place};
use crate::origin::registry::Upstream;
use crate::origin::store::Store;
use crate::work_budget::{Asker, Charge, WorkBudget};

/// A read-only registry.
pub(crate) struct Front {
    shared: Arc<Shared>,
    scheme: &'static str,
}

/// What a registry is made of.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    /// By which clients come: `http` or `https`.
    pub(crate) scheme: &'static str,
    /// What is remembered of callers and tokens.
    pub(crate) memory: Arc<Mutex<Memory>>,
    /// The folder of images, if they are in one.
    pub(crate) store: Option<Arc<Store>>,
    /// The registries that have images.
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    /// What these have said.
    pub(crate) cache: Arc<OriginCache>,
    /// Who may pull, if only some may.
    pub(crate) users: Option<Htpasswd>,
    pub(crate) hasher: Arc<CallerHasher>,
    /// The digests that were reported.
    pub(crate) records: Arc<Records>,
    /// The answers that were made lately.
    pub(crate) answers: Arc<AnswerCache>,
    /// Who makes them.
    pub(crate) converter: Arc<Converter>,
    /// The memory of what is under way.
    pub(crate) work: Arc<WorkBudget>,
}

/// A response, and where its bytes come from.
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The headers, named in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: ReplyBody,
    /// Where it is a manifest, the form in which that is stored, and the one in which it is given.
    pub(crate) forms: Option<(Form, Form)>,
    /// What its body counts until it is sent.
    pub(crate) charge: Option<Arc<Charge>>,
}

/// The body of a [`Reply`].
pub(crate) enum ReplyBody {
    /// These bytes.
    Bytes(Bytes),
    /// A blob, or a part of it.
    Blob(Box<PullBody>),
}

impl Front {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { settings, scheme, memory, store, upstreams, cache, users, hasher, records, .. } = parts;
        let Parts { answers, converter, work, .. } = parts;
        let registries = Registries::new(&upstreams, Arc::clone(&hasher));
        let settings = Arc::new(settings);
        let shared = Shared {
            settings,
            memory,
            store,
            registries,
            cache,
            users,
            hasher,
            records,
            answers,
            converter,
            work,
        };
        Self { shared: Arc::new(shared), scheme }
    }

    /// Answers a request of a client with this address.
    pub(crate) async fn answer(&self, request: Arc<Request>, address: IpAddr, asker: Asker) -> Reply {
        let mut driver = Driver::new(&self.shared, request, self.scheme, address, asker);
        match poll_fn(|task| driver.poll_news(task)).await {
            News::Respond(answer) => reply(*answer, driver),
            // A pull begins with its head.
            _ => http::internal().into(),
        }
    }

    /// The digests that were reported.
    pub(crate) fn records(&self) -> &Arc<Records> {
        &self.shared.records
    }

    /// The answers that were made lately.
    pub(crate) fn answers(&self) -> &Arc<AnswerCache> {
        &self.shared.answers
    }

    /// Who makes them.
    pub(crate) fn converter(&self) -> &Arc<Converter> {
        &self.shared.converter
    }

    /// The memory of what is under way.
    pub(crate) fn work(&self) -> &Arc<WorkBudget> {
        &self.shared.work
    }

    /// What registries have said.
    pub(crate) fn cache(&self) -> &Arc<OriginCache> {
        &self.shared.cache
    }

    /// The folder of images, if they are in one.
    pub(crate) fn store(&self) -> Option<&Arc<Store>> {
        self.shared.store.as_ref()
    }

    /// What is remembered of callers and tokens.
    pub(crate) fn memory(&self) -> &Arc<Mutex<Memory>> {
        &self.shared.memory
    }

    /// What callers are hashed with.
    pub(crate) fn hasher(&self) -> &Arc<CallerHasher> {
        &self.shared.hasher
    }

    /// Forgets what is kept of the repository `name`, or of all. What was reported stays. It waits for the disk.
    pub(crate) async fn purge(&self, name: Option<&str>) {
        match name {
            Some(name) => {
                if let Some(scope) = self.shared.settings.scope_of(name)
                    && let Some(upstream) = self.shared.registries.get(scope.origin)
                {
                    let url = upstream.url().to_owned();
                    self.shared.cache.purge(&Place { url, scope }).await;
                }
            }
            None => self.shared.cache.clear().await,
        }
        self.shared.answers.purge(name);
    }
}

/// What is sent of an answer, and what keeps it counted.
fn reply(
    Answer { response: Response { status, headers, body }, forms }: Answer,
    mut driver: Driver,
) -> Reply {
    let bytes = match body {
        Body::Bytes(bytes) => bytes,
        Body::Blob(range) => {
            let length = range.end.saturating_sub(range.start);
            let body = ReplyBody::Blob(Box::new(PullBody::new(driver, length)));
            return Reply { status, headers, body, forms, charge: None };
        }
    };
    let charge = driver.context.charge_of_answer(bytes.len());
    Reply { status, headers, body: ReplyBody::Bytes(bytes), forms, charge }
}

impl From<Response> for Reply {
    fn from(Response { status, headers, body }: Response) -> Self {
        let body = match body {
            Body::Bytes(bytes) => bytes,
            // There is none.
            Body::Blob(_) => Bytes::new(),
        };
        Self { status, headers, body: ReplyBody::Bytes(body), forms: None, charge: None }
    }
}
