//! The front: a request in, a reply out.

use core::future::poll_fn;
use core::mem;
use core::net::IpAddr;
use core::pin::Pin;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use downshift::{Digest, Form};
use downshift_pull::{Reply as Answer, TagTarget};
use downshift_registry::{Body, Request, Response, error as http};
use hyper::body::Body as _;

use super::body::PullBody;
use super::driver::{Driver, News};
use super::effects::Shared;
use crate::origin::cache::Place;
use crate::work_budget::{Asker, Charge};

/// A read-only registry.
pub(crate) struct Front {
    pub(crate) shared: Arc<Shared>,
    scheme: &'static str,
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

impl ReplyBody {
    /// The next bytes; nothing at the end.
    ///
    /// # Errors
    /// If it breaks off.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Self::Bytes(bytes) => Ok(Some(mem::take(bytes)).filter(|bytes| !bytes.is_empty())),
            Self::Blob(body) => loop {
                let Some(frame) = poll_fn(|task| Pin::new(&mut **body).poll_frame(task)).await else {
                    return Ok(None);
                };
                if let Ok(data) = frame?.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            },
        }
    }

    /// All bytes; nothing if there are more than `limit`.
    ///
    /// # Errors
    /// If it breaks off.
    pub(crate) async fn whole(mut self, limit: usize) -> io::Result<Option<Bytes>> {
        if let Self::Bytes(bytes) = self {
            return Ok(Some(bytes).filter(|bytes| bytes.len() <= limit));
        }
        let mut all = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
            if all.len() > limit {
                return Ok(None);
            }
        }
        Ok(Some(all.freeze()))
    }
}

impl Front {
    /// The registry of which all pulls have this together, and to which clients come by `http` or `https`.
    pub(crate) fn new(shared: Shared, scheme: &'static str) -> Self {
        Self { shared: Arc::new(shared), scheme }
    }

    /// The request by the name that its repository has here.
    pub(crate) fn local(&self, request: Arc<Request>) -> Arc<Request> {
        self.shared.settings.local(request)
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

    /// Answers a request of this process itself.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: impl Iterator<Item = (&str, &str)>,
        asker: Asker,
    ) -> Reply {
        let lines = headers.map(|(name, value)| (name, value.as_bytes()));
        match Request::read(method, path, lines) {
            Ok(request) => self.answer(Arc::new(request), asker.client, asker).await,
            Err(response) => response.into(),
        }
    }

    /// Where a repository of a registry or of Pulp is: the registry's URL or Pulp's folder, and the name there.
    pub(crate) fn place(&self, name: &str) -> Option<String> {
        let scope = self.shared.settings.scope_of(name)?;
        if let Some(pulp) = &self.shared.pulp {
            return Some(pulp.place(&scope.name));
        }
        let upstream = self.shared.registries.get(scope.origin)?;
        Some(format!("{}{}", upstream.url(), scope.name))
    }

    /// Takes a manifest for what a tag pointed to when its registry was last asked, long ago: it is asked whether that is
    /// still so, and need not give it again.
    pub(crate) async fn remember(&self, name: &str, tag: &str, digest: Digest, bytes: Bytes) {
        let Some(scope) = self.shared.settings.scope_of(name) else { return };
        let Some(upstream) = self.shared.registries.get(scope.origin) else { return };
        let place = Place { url: upstream.url(), scope };
        self.shared.cache.keep_document(&place, &digest, bytes).await;
        let target = TagTarget { digest, at: 0 };
        self.shared.cache.keep_tag(&place, tag, target, Duration::ZERO).await;
    }

    /// Forgets what is kept of the repository `name`, or of all. What was reported stays. It waits for the disk.
    pub(crate) async fn purge(&self, name: Option<&str>) {
        match name {
            Some(name) => {
                if let Some(scope) = self.shared.settings.scope_of(name)
                    && let Some(upstream) = self.shared.registries.get(scope.origin)
                {
                    let url = upstream.url();
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
    let length = match body {
        Body::Bytes(bytes) => {
            let charge = driver.context.charge_of_answer(bytes.len());
            return Reply { status, headers, body: ReplyBody::Bytes(bytes), forms, charge };
        }
        Body::Blob(range) => Some(range.end.saturating_sub(range.start)),
        Body::Parts(parts) => Some(parts.length()),
        Body::Stream => None,
    };
    let body = ReplyBody::Blob(Box::new(PullBody::new(driver, length)));
    Reply { status, headers, body, forms, charge: None }
}

impl From<Response> for Reply {
    fn from(Response { status, headers, body }: Response) -> Self {
        let body = match body {
            Body::Bytes(bytes) => bytes,
            // There is none.
            Body::Blob(_) | Body::Parts(_) | Body::Stream => Bytes::new(),
        };
        Self { status, headers, body: ReplyBody::Bytes(body), forms: None, charge: None }
    }
}
