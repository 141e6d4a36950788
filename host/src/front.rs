//! The front: what there is to answer to a request, from a store or from upstream registries.

use core::net::IpAddr;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use downshift::answer::{Record, Root};
use downshift::{Digest, Form};
use downshift_registry::response::Manifest;
use downshift_registry::{
    AnswerKey, Body, Fault, Mapping, Meaning, Method, Reference, Request, Response, Route, error as http,
    keep_private, response,
};
use tokio::task;

use crate::access::Access;
use crate::answer_cache::{AnswerCache, Given, Made};
use crate::blob_body::{BlobBody, Content, StoredContent};
use crate::converter::{Converter, Shelf};
use crate::engine::NoAnswer;
use crate::error::Error;
use crate::log;
use crate::records::Records;
use crate::store::{Repository, Store};
use crate::upstream::{Blob, Caller, Delivered, Referrers, Upstream};
use crate::verified_blobs::{BlobState, SMALL_BYTES};
use crate::work_budget::{Asker, Charge, WorkBudget};

/// Bytes of a blob that are on their way at once, whatever its size: a piece of a file, or what a registry sends ahead.
const BLOB_BYTES: usize = 128 * 1024;

/// A read-only registry.
pub(crate) struct Front {
    /// Where the images are.
    pub(crate) source: Source,
    /// Who may pull them.
    pub(crate) access: Access,
    /// The digests that were reported.
    pub(crate) records: Arc<Records>,
    /// The answers that were made lately.
    pub(crate) answers: Arc<AnswerCache>,
    /// Who makes them.
    pub(crate) converter: Arc<Converter>,
    /// The memory of what is under way.
    pub(crate) work: Arc<WorkBudget>,
}

/// Where images are.
pub(crate) enum Source {
    /// In a folder.
    Store(Arc<Store>),
    /// At registries, each with the names that it has.
    Upstreams(Vec<Arc<Upstream>>),
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
    Blob(Box<BlobBody>),
}

/// A repository that is asked for.
enum Repo {
    /// In the store.
    Stored(Arc<Repository>),
    /// At a registry.
    Remote(Remote),
}

/// A repository of a registry, and who asks for it.
struct Remote {
    upstream: Arc<Upstream>,
    /// Its name there.
    name: String,
    caller: Caller,
}

/// The digest that a reference stands for, and what says so.
struct Resolved {
    digest: Digest,
    meaning: Meaning,
}

impl Front {
    /// Answers a request of a client with this address.
    pub(crate) async fn answer(&self, request: &Request, address: IpAddr, asker: Asker) -> Reply {
        let replied = match self.access.admit(request, address).await {
            Ok(caller) => self.reply(request, caller, asker).await,
            Err(response) => Ok(response.into()),
        };
        let mut reply = replied.unwrap_or_else(|error| self.failed(request, &error).into());
        if self.access.is_private(request) {
            keep_private(&mut reply.headers);
        }
        reply.for_method(request.method)
    }

    async fn reply(&self, request: &Request, caller: Caller, asker: Asker) -> Result<Reply, Arc<Error>> {
        let response = match &request.route {
            Route::Root => response::root(),
            Route::Base => match &self.access {
                Access::PassThrough(pass_through) => pass_through.base(request, &caller).await?,
                _ => response::base(),
            },
            Route::Token { query } => match &self.access {
                Access::PassThrough(pass_through) => pass_through.token(request, query).await?,
                _ => http::unknown_path(),
            },
            Route::Manifest { name, reference } => {
                return self.manifest(request, name, reference, caller, asker).await;
            }
            Route::Blob { name, digest } => {
                let repository = self.repository(name, caller).await?;
                let charge = self.work.charge(Some(asker), BLOB_BYTES).await?;
                let reply = match repository {
                    Some(Repo::Stored(repository)) => stored_blob(request, repository, digest).await?,
                    Some(Repo::Remote(remote)) => remote.blob(request, digest).await?,
                    None => http::blob_unknown(digest).into(),
                };
                return Ok(reply.charged(Some(Arc::new(charge))));
            }
            Route::EmptyLayer => response::empty_layer(request),
            Route::Tags { name, page, query } => match self.repository(name, caller).await? {
                Some(Repo::Stored(repository)) => response::tags(name, page, repository.tags()),
                Some(Repo::Remote(Remote { upstream, name: remote, caller })) => {
                    let mut charge = self.work.open(Some(asker));
                    let response = match upstream.tags(&remote, query, &caller, &mut charge).await? {
                        Some((tags, next)) => response::upstream_tags(name, page, &tags, next.as_deref()),
                        None => http::name_unknown(name),
                    };
                    return Ok(Reply::from(response).charged(Some(Arc::new(charge))));
                }
                None => http::name_unknown(name),
            },
            Route::Referrers { name, digest, query } => match self.repository(name, caller).await? {
                Some(Repo::Remote(Remote { upstream, name: remote, caller })) => {
                    let mut charge = self.work.open(Some(asker));
                    let found = upstream.referrers(&remote, digest, query, &caller, &mut charge).await?;
                    let response = match found {
                        Some(Referrers { index, filters, next }) => {
                            response::referrers(name, digest, index, filters.as_deref(), next.as_deref())
                        }
                        None => http::no_referrers(),
                    };
                    return Ok(Reply::from(response).charged(Some(Arc::new(charge))));
                }
                _ => http::no_referrers(),
            },
            Route::V1Images { .. } | Route::V1 => response::no_v1(),
            // The server has answered those that there is something at.
            Route::Page { .. } | Route::Unknown => http::unknown_path(),
        };
        Ok(response.into())
    }

    async fn manifest(
        &self,
        request: &Request,
        name: &str,
        reference: &Reference,
        caller: Caller,
        asker: Asker,
    ) -> Result<Reply, Arc<Error>> {
        let unknown = || http::manifest_unknown(name, reference).into();
        let Some(repository) = self.repository(name, caller).await? else { return Ok(unknown()) };
        let Some(resolved) = self.resolve(&repository, name, reference, asker).await? else {
            return Ok(unknown());
        };
        let Resolved { digest, meaning } = resolved;
        // Not every spelling of the same.
        let client = request.client.clone().canonical();
        let key = AnswerKey { name: name.to_owned(), reference: reference.clone(), meaning, client };
        if let Some(given) = self.answers.get(&key, &self.records, asker).await? {
            return Ok(Reply::of_manifest(request, &given));
        }
        let make = || self.make(request, name, reference, &digest, &repository, asker);
        let mut is_own = false;
        let first = async {
            is_own = true;
            make().await
        };
        let made = self.answers.get_or_make(key, &self.records, asker, first).await;
        let made = match made {
            // It was made on behalf of another, whom the upstream registry did not let, or who has too much made.
            Err(no_answer)
                if repository.may_differ(&no_answer.error)
                    || !is_own && matches!(*no_answer.error, Error::Busy) =>
            {
                make().await.map(|made| made.given).map_err(Arc::new)
            }
            made => made,
        };
        match made {
            Ok(given) => Ok(Reply::of_manifest(request, &given)),
            Err(no_answer) => Ok(self.refuse(name, reference, &no_answer).await?.into()),
        }
    }

    /// The repository called `name`, if there may be one.
    async fn repository(&self, name: &str, caller: Caller) -> Result<Option<Repo>, Error> {
        match &self.source {
            Source::Store(store) => {
                if let Some(repository) = store.loaded(name) {
                    return Ok(Some(Repo::Stored(repository)));
                }
                let (store, name) = (Arc::clone(store), name.to_owned());
                let repository = blocking(move || store.repository(&name)).await?;
                Ok(repository.map(Repo::Stored))
            }
            Source::Upstreams(upstreams) => {
                let mappings = upstreams.iter().map(|upstream| (&upstream.mapping, upstream));
                let chosen = Mapping::choose(name, mappings);
                Ok(chosen.map(|(name, upstream)| {
                    Repo::Remote(Remote { upstream: Arc::clone(upstream), name, caller })
                }))
            }
        }
    }

    /// What a reference stands for, if there is such a tag, or may be such a digest, and the client may know.
    async fn resolve(
        &self,
        repository: &Repo,
        name: &str,
        reference: &Reference,
        asker: Asker,
    ) -> Result<Option<Resolved>, Arc<Error>> {
        match repository {
            Repo::Stored(repository) => {
                let digest = match reference {
                    Reference::Tag(tag) => repository.tagged(tag),
                    Reference::Digest(digest) => Some(digest),
                };
                let meaning = Meaning::Reading(repository.reading);
                Ok(digest.map(|digest| Resolved { digest: digest.clone(), meaning }))
            }
            Repo::Remote(remote) => {
                let digest = match reference {
                    Reference::Tag(tag) => self.remote_tag(remote, tag).await?,
                    Reference::Digest(digest) => {
                        self.may_pull(remote, name, digest, asker).await?.then(|| digest.clone())
                    }
                };
                Ok(digest.map(|digest| Resolved { meaning: Meaning::Upstream(digest.clone()), digest }))
            }
        }
    }

    async fn remote_tag(&self, remote: &Remote, tag: &str) -> Result<Option<Digest>, Arc<Error>> {
        let Remote { upstream, name, caller } = remote;
        match &self.access {
            Access::PassThrough(pass_through) => pass_through.tag(name, tag, caller).await,
            _ => upstream.tag(name, tag, caller).await,
        }
    }

    /// Whether a client may pull `digest`, whether it is stored at the registry or was made of what is.
    async fn may_pull(
        &self,
        remote: &Remote,
        name: &str,
        digest: &Digest,
        asker: Asker,
    ) -> Result<bool, Arc<Error>> {
        let Access::PassThrough(pass_through) = &self.access else { return Ok(true) };
        let Remote { name: remote_name, caller, .. } = remote;
        if pass_through.has_permitted(remote_name, caller).await {
            return Ok(true);
        }
        let source = self.record(name, digest, asker).await?.0.map(|record| record.source);
        pass_through.permits(remote_name, source.as_ref().unwrap_or(digest), caller).await
    }

    /// What is recorded of a digest, and what that counts.
    async fn record(
        &self,
        name: &str,
        digest: &Digest,
        asker: Asker,
    ) -> Result<(Option<Record>, Charge), Error> {
        // No answer is larger, and so no record.
        let mut charge = self.work.charge(Some(asker), self.converter.limits.output_bytes).await?;
        let (records, name, digest) = (Arc::clone(&self.records), name.to_owned(), digest.clone());
        let record = blocking(move || records.get(&name, &digest)).await?;
        charge.shrink_to(record.as_ref().map_or(0, |record| record.payload.len()));
        Ok((record, charge))
    }

    /// Makes an answer, and keeps what has to be recorded for it.
    async fn make(
        &self,
        request: &Request,
        name: &str,
        reference: &Reference,
        digest: &Digest,
        repository: &Repo,
        asker: Asker,
    ) -> Result<Made, NoAnswer> {
        let (name, digest) = (name.to_owned(), digest.clone());
        let (root, charge) = match reference {
            Reference::Tag(tag) => {
                (Root::Tag { name, tag: tag.clone(), digest }, self.work.open(Some(asker)))
            }
            Reference::Digest(_) => {
                let (record, charge) = self.record(&name, &digest, asker).await?;
                let record = record.map(Box::new);
                (Root::Digest { tag: repository.tag_of(&digest), name, digest, record }, charge)
            }
        };
        let (client, shelf) = (request.client.clone(), repository.shelf());
        let (mut answer, mut charge) = self.converter.answer(root, client, shelf, asker, charge).await?;
        let records = core::mem::take(&mut answer.records);
        let recorded = records.iter().map(|record| record.digest.clone()).collect();
        self.records.keep(records).await?;
        let stored = answer.report.source.form;
        let manifest = Manifest::from(answer);
        if let Some(charge) = &mut charge {
            charge.shrink_to(manifest.body.len());
        }
        Ok(Made { given: Given { manifest, stored, charge: charge.map(Arc::new) }, recorded })
    }

    async fn refuse(
        &self,
        name: &str,
        reference: &Reference,
        no_answer: &NoAnswer,
    ) -> Result<Response, Arc<Error>> {
        self.records.keep(no_answer.records.clone()).await?;
        match &*no_answer.error {
            Error::Core(failure) => Ok(http::refusal(failure)),
            Error::Missing { digest } => {
                if matches!(reference, Reference::Tag(_)) {
                    log::error(&no_answer.error);
                }
                Ok(http::manifest_unknown(name, &Reference::Digest(digest.clone())))
            }
            error => match error.document_failure() {
                Some(failure) => {
                    log::error(error);
                    Ok(http::refusal(&failure))
                }
                None => Err(Arc::clone(&no_answer.error)),
            },
        }
    }

    /// The response to a request that failed for reasons behind this server.
    fn failed(&self, request: &Request, error: &Error) -> Response {
        if let Some(refusal) = self.access.refusal(request, error) {
            return refusal;
        }
        if matches!(error, Error::Busy) {
            return http::busy();
        }
        log::error(error);
        if error.is_of_records() {
            return http::not_recorded();
        }
        error.upstream_fault().map_or_else(http::internal, Fault::response)
    }
}

impl Repo {
    /// Whether whoever asks may fare better than another one did.
    fn may_differ(&self, error: &Error) -> bool {
        matches!(self, Self::Remote(Remote { caller, .. }) if caller.may_differ(error))
    }

    /// A tag that points to a manifest, if one is known.
    fn tag_of(&self, digest: &Digest) -> Option<String> {
        match self {
            Self::Stored(repository) => repository.tag_of(digest).map(str::to_owned),
            Self::Remote(_) => None,
        }
    }

    fn shelf(&self) -> Shelf {
        match self {
            Self::Stored(repository) => Shelf::Store(Arc::clone(repository)),
            Self::Remote(Remote { upstream, name, caller }) => {
                Shelf::Upstream { upstream: Arc::clone(upstream), name: name.clone(), caller: caller.clone() }
            }
        }
    }
}

impl Remote {
    async fn blob(&self, request: &Request, digest: &Digest) -> Result<Reply, Error> {
        let Self { upstream, name, caller } = self;
        if request.method == Method::Head || request.has(digest) {
            let size = upstream.blob_size(name, digest, caller).await?;
            let response = size.map(|size| response::blob(request, digest, size));
            return Ok(response.unwrap_or_else(|| http::blob_unknown(digest)).into());
        }
        let Some(delivered) = upstream.blob(name, digest, request, caller).await? else {
            return Ok(http::blob_unknown(digest).into());
        };
        Ok(match delivered {
            Delivered::Blob(Blob { size, part, body }) => {
                let whole = part.is_none().then(|| digest.clone());
                let response = response::blob_part(digest, size, part);
                Reply::with_blob(response, Content::Upstream(body, whole))
            }
            Delivered::Elsewhere(location) => response::blob_elsewhere(digest, &location).into(),
            Delivered::PastTheEnd(size) => http::range_invalid(size).into(),
        })
    }
}

impl Reply {
    /// The reply with this response, whose blob comes from `content`.
    fn with_blob(response: Response, content: Content) -> Self {
        let Response { status, headers, body } = response;
        let body = match body {
            Body::Bytes(bytes) => ReplyBody::Bytes(bytes),
            Body::Blob(range) => {
                let length = range.end.saturating_sub(range.start);
                ReplyBody::Blob(Box::new(BlobBody::new(content, length)))
            }
        };
        Self { status, headers, body, forms: None, charge: None }
    }

    /// The reply, which counts this much until it is sent.
    fn charged(self, charge: Option<Arc<Charge>>) -> Self {
        Self { charge, ..self }
    }

    /// The reply to a request with `method`: for `HEAD` the same without its body.
    pub(crate) fn for_method(self, method: Method) -> Self {
        match method {
            Method::Get => self,
            Method::Head => Self { body: ReplyBody::Bytes(Bytes::new()), ..self },
        }
    }

    fn of_manifest(request: &Request, given: &Given) -> Self {
        let Given { manifest, stored, charge } = given;
        let forms = Some((*stored, manifest.form));
        Self { forms, ..Self::from(response::manifest(request, manifest)).charged(charge.clone()) }
    }
}

impl From<Response> for Reply {
    fn from(Response { status, headers, body }: Response) -> Self {
        let body = match body {
            Body::Bytes(bytes) => bytes,
            // A blob is not opened for `HEAD`.
            Body::Blob(_) => Bytes::new(),
        };
        Self { status, headers, body: ReplyBody::Bytes(body), forms: None, charge: None }
    }
}

async fn stored_blob(
    request: &Request,
    repository: Arc<Repository>,
    digest: &Digest,
) -> Result<Reply, Arc<Error>> {
    let verified = Arc::clone(&repository.verified);
    let to_open = digest.clone();
    let opened = blocking(move || repository.layout.blob(&to_open)).await?;
    let Some(mut blob) = opened else { return Ok(http::blob_unknown(digest).into()) };
    let size = blob.stamp.size();
    let response = response::blob(request, digest, size);
    let (Body::Blob(range), Method::Get) = (&response.body, request.method) else {
        return Ok(response.into());
    };
    let state = BlobState { digest: digest.clone(), stamp: blob.stamp };
    let is_whole = *range == (0..size);
    let mut is_verified = verified.contains(&state);
    // A part says nothing of the whole, and a small one can still be refused with a reason.
    if !is_verified && (!is_whole || size <= SMALL_BYTES) {
        if let Err(error) = verified.verify(&state, &blob).await {
            let Some(failure) = error.document_failure() else { return Err(error) };
            log::error(&error);
            return Ok(http::refusal(&failure).into());
        }
        // One that may change unseen is checked again as it goes out.
        is_verified = state.stamp.is_settled() || !is_whole;
    }
    blob.file.seek(SeekFrom::Start(range.start)).map_err(|error| Error::unreadable(&blob.path, error))?;
    let unverified = (!is_verified).then_some(verified);
    Ok(Reply::with_blob(response, Content::File(StoredContent { file: blob.file, state, unverified })))
}

/// Runs what waits for the disk where that keeps nobody waiting.
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // Only a panic, which is on stderr already, gives no result.
    task::spawn_blocking(job).await.unwrap_or(Err(Error::Panicked))
}
