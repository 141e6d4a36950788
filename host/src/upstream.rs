//! An upstream registry: what it has, asked for on behalf of this server or of the client, checked and kept for a while.

pub(crate) mod credentials;
mod document_cache;
mod headers;
mod http;
mod retry;
mod settings;
mod tags;
mod tokens;

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use downshift::answer::{Need, NeedKind};
use downshift::{Digest, Limits};
use downshift_registry::{
    Authorization, Challenge, ContentRange, Demand, Fault, Mapping, Problem, Request, every_type,
};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, Url};
use serde::de::IgnoredAny;
use tokio::{task, time};

use self::document_cache::DocumentCache;
use self::headers::{content_range, next_query, retry_after};
use self::http::{Ask, Http};
use self::retry::retry;
pub(crate) use self::settings::{Delivery, Described, Settings};
use self::tags::{Last, Tags};
use self::tokens::Tokens;
use crate::digest;
use crate::disk_cache::{DiskCache, RepositoryFolder, TagTarget};
use crate::error::Error;
use crate::log;
use crate::metrics::{Cache as CacheName, METRICS};
use crate::time::now;
use crate::work_budget::{Charge, WorkBudget, charged};

/// How long a registry is waited for where there is a stale answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of a list of tags: room for some 100,000.
const TAGS_BYTES: usize = 8 * 1024 * 1024;

/// What each byte of such a list counts: the shortest tag, `"",`, becomes a string of 24 bytes, and all of them a list
/// once more.
const TAGS_COST: usize = 10;

const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");

/// A registry to have images from.
pub(crate) struct Upstream {
    /// Which names it has, and how.
    pub(crate) mapping: Mapping,
    /// How clients get its blobs.
    pub(crate) delivery: Delivery,
    settings: Settings,
    http: Http,
    /// Every type that can be used.
    accept: HeaderValue,
    tokens: Tokens,
    limits: Limits,
    documents: DocumentCache,
    tags: Tags,
    disk: Option<Arc<DiskCache>>,
    work: Arc<WorkBudget>,
    times: Times,
}

/// For how long things that a registry has said are taken for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// What a tag points to.
    pub(crate) tag: Duration,
    /// The same, longer, while the registry cannot be asked.
    pub(crate) stale: Duration,
}

/// On whose behalf the registry is asked.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// This server's own.
    Server,
    /// The client's, with what it says of itself.
    Client(Option<Authorization>),
}

impl Caller {
    /// Whether it may fare better than another one did, to whom a registry said `error`.
    pub(crate) fn may_differ(&self, error: &Error) -> bool {
        matches!(self, Self::Client(_)) && error.is_about_caller()
    }
}

/// A blob, from the registry or from where that has it.
pub(crate) struct Blob {
    /// How many bytes the whole blob has.
    pub(crate) size: u64,
    /// The first byte that comes and the one after the last, if it is not the whole.
    pub(crate) part: Option<core::ops::Range<u64>>,
    /// The bytes.
    pub(crate) body: reqwest::Body,
}

/// What there is of a blob.
pub(crate) enum Delivered {
    /// The blob.
    Blob(Blob),
    /// Where it is.
    Elsewhere(String),
    /// No byte of the range that was asked for, of a blob with this many.
    PastTheEnd(u64),
}

/// What a registry knows of a manifest's referrers.
pub(crate) struct Referrers {
    /// An OCI index.
    pub(crate) index: Bytes,
    /// The filters that were applied.
    pub(crate) filters: Option<String>,
    /// The query of the next page.
    pub(crate) next: Option<String>,
}

impl Upstream {
    /// The registry that `settings` describe. Its documents are kept in memory, and on `disk`; what is being read counts
    /// in `work`.
    pub(crate) fn new(
        settings: Settings,
        limits: Limits,
        times: Times,
        disk: Option<Arc<DiskCache>>,
        work: Arc<WorkBudget>,
    ) -> Result<Self, Error> {
        let Settings { mapping, base, credentials, delivery, timeout, ca } = settings.clone();
        Ok(Self {
            mapping,
            delivery,
            http: Http::new(base, ca.as_ref(), timeout)?,
            settings,
            accept: accept(),
            tokens: Tokens::new(credentials),
            limits,
            documents: DocumentCache::new(),
            tags: Tags::new(times.tag, times.stale),
            disk,
            work,
            times,
        })
    }

    /// Whether one that is made anew would be the same, but for what is kept in memory.
    pub(crate) fn is_as(&self, settings: &Settings, limits: &Limits, times: Times) -> bool {
        self.settings == *settings && self.limits == *limits && self.times == times
    }

    /// Forgets what is kept of the repository `name`, or of all. It waits for the disk.
    pub(crate) async fn purge(&self, name: Option<&str>) {
        self.tags.purge(name).await;
        self.documents.purge(name);
        if let Some(name) = name {
            self.on_disk(name, |folder| folder.clear()).await;
        }
    }

    /// How many documents are in memory, and their bytes.
    pub(crate) fn documents_in_memory(&self) -> (u64, u64) {
        self.documents.size()
    }

    /// How many tags are in memory.
    pub(crate) fn tags_in_memory(&self) -> u64 {
        self.tags.last.entry_count()
    }

    /// Its host, for people.
    pub(crate) fn host(&self) -> &str {
        self.http.host()
    }

    /// The digest that a tag points to, if there is such a tag: as it was when the registry last said so, for as long as
    /// that holds. Of several that ask at once one does.
    pub(crate) async fn tag(
        &self,
        name: &str,
        tag: &str,
        caller: &Caller,
    ) -> Result<Option<Digest>, Arc<Error>> {
        let key = (name.to_owned(), tag.to_owned());
        let fresh = self.tags.fresh.get(&key).await;
        METRICS.looked_up(CacheName::Tags, fresh.is_some());
        if fresh.is_some() {
            return Ok(fresh);
        }
        let ask = Box::pin(async {
            let digest = self.tag_or_last(&key, caller).await?;
            digest.ok_or_else(|| Error::NoSuchTag { tag: tag.to_owned() })
        });
        match Box::pin(self.tags.fresh.try_get_with(key.clone(), ask)).await {
            Ok(digest) => Ok(Some(digest)),
            Err(error) => match &*error {
                Error::NoSuchTag { .. } => Ok(None),
                // It was said to another, and may have been about that one.
                other if caller.may_differ(other) => self.ask_tag(name, tag, caller).await.map_err(Arc::new),
                _ => Err(error),
            },
        }
    }

    /// What a tag points to, or, where the registry cannot be asked, what it pointed to not too long ago.
    async fn tag_or_last(&self, key: &tags::Key, caller: &Caller) -> Result<Option<Digest>, Error> {
        let (name, tag) = key;
        let last = self.last(key).await;
        let Some(last) = last.filter(|last| self.tags.is_bearable(last)) else {
            return self.ask_tag(name, tag, caller).await;
        };
        let problem = match time::timeout(PATIENCE, Box::pin(self.ask_tag(name, tag, caller))).await {
            Ok(Err(error)) if error.upstream_fault().is_some_and(Fault::is_outage) => error,
            Ok(Err(error)) if error.is_about_caller() && matches!(caller, Caller::Server) => {
                // What was told before is no business of this server any more, also when the registry is down next.
                self.keep_last(key.clone(), Some(last), None).await;
                return Err(error);
            }
            Ok(answered) => return answered,
            Err(_) => Error::Upstream(self.http.fault(Problem::Timeout)),
        };
        METRICS.stale.inc();
        let age = now().saturating_sub(last.at);
        log::warn(format_args!("`{name}:{tag}` is given as it was `{age}` seconds ago: {problem}"));
        Ok(Some(last.digest))
    }

    /// What a tag pointed to when that was last asked, as far as that is known.
    async fn last(&self, key: &tags::Key) -> Option<Last> {
        if let Some(last) = self.tags.last.get(key).await {
            return Some(last);
        }
        let tag = key.1.clone();
        let TagTarget { digest, at } = self.on_disk(&key.0, move |folder| folder.tag(&tag)).await??;
        let last = Last { digest: Digest::parse(&digest).ok()?, at, written: at };
        self.tags.last.insert(key.clone(), last.clone()).await;
        Some(last)
    }

    /// Asks the registry what a tag points to, whatever is known of it.
    pub(crate) async fn ask_tag(
        &self,
        name: &str,
        tag: &str,
        caller: &Caller,
    ) -> Result<Option<Digest>, Error> {
        let key = (name.to_owned(), tag.to_owned());
        let last = self.last(&key).await;
        let is_at_hand = match &last {
            Some(last) => self.has_document(name, &last.digest).await,
            None => false,
        };
        let reported = if is_at_hand { self.head_manifest(name, tag, caller).await? } else { Some(None) };
        let digest = match reported {
            // The document is needed, or the registry does not say its digest.
            Some(None) => self.get_tag(name, tag, caller).await?,
            Some(digest) => digest,
            None => None,
        };
        self.keep_last(key, last, digest.as_ref()).await;
        Ok(digest)
    }

    /// Keeps what the registry has just said about a tag, of which `last` was known.
    async fn keep_last(&self, key: tags::Key, last: Option<Last>, digest: Option<&Digest>) {
        let (name, tag) = key.clone();
        let Some(digest) = digest.cloned() else {
            self.tags.last.invalidate(&key).await;
            if last.is_some() {
                self.on_disk(&name, move |folder| folder.remove_tag(&tag)).await;
            }
            return;
        };
        let is_written = self.disk.is_some() && self.tags.is_worth_writing(last.as_ref(), &digest);
        let at = now();
        let written = if is_written { at } else { last.map_or(at, |last| last.written) };
        self.tags.last.insert(key, Last { digest: digest.clone(), at, written }).await;
        if is_written {
            self.on_disk(&name, move |folder| folder.put_tag(&tag, &digest)).await;
        }
    }

    /// Whether a document is kept.
    async fn has_document(&self, name: &str, digest: &Digest) -> bool {
        if self.documents.contains(&(name.to_owned(), digest.clone())) {
            return true;
        }
        let digest = digest.clone();
        self.on_disk(name, move |folder| folder.has(&digest)).await.unwrap_or(false)
    }

    /// Does something with the documents of a repository on the disk, if there are any, where that keeps nobody waiting.
    async fn on_disk<T: Send + 'static>(
        &self,
        name: &str,
        job: impl FnOnce(&RepositoryFolder) -> T + Send + 'static,
    ) -> Option<T> {
        let folder = self.disk.as_ref()?.repository(self.settings.base.as_str(), name);
        task::spawn_blocking(move || job(&folder)).await.ok()
    }

    /// Keeps what a tag points to, as the registry has just said.
    pub(crate) async fn keep_tag(&self, name: &str, tag: &str, digest: Digest) {
        self.tags.fresh.insert((name.to_owned(), tag.to_owned()), digest).await;
    }

    /// Whether there is a manifest with this tag or digest, for this caller.
    pub(crate) async fn has_manifest(
        &self,
        name: &str,
        reference: &str,
        caller: &Caller,
    ) -> Result<bool, Error> {
        Ok(self.head_manifest(name, reference, caller).await?.is_some())
    }

    /// Whether this caller may pull from a repository, of which nothing else is known: a caller who may can list its tags.
    pub(crate) async fn has_repository(&self, name: &str, caller: &Caller) -> Result<bool, Error> {
        let found =
            self.within(self.ask(Method::GET, &format!("{name}/tags/list?n=1"), name, caller)).await?;
        Ok(found.is_some())
    }

    /// A document that is kept, if it is at hand without waiting.
    pub(crate) fn document_at_hand(&self, name: &str, need: &Need) -> Option<Bytes> {
        let found = self.documents.get(&(name.to_owned(), need.digest.clone()));
        METRICS.looked_up(CacheName::Documents, found.is_some());
        found
    }

    /// A document, if there is one: kept, or from the registry. Its digest is checked. Of several that ask at once one
    /// does.
    pub(crate) async fn document(
        &self,
        name: &str,
        need: &Need,
        caller: &Caller,
    ) -> Result<Option<Bytes>, Arc<Error>> {
        let key = (name.to_owned(), need.digest.clone());
        let ask = || {
            Box::pin(async {
                let document = self.document_from_disk_or_registry(name, need, caller).await?;
                document.ok_or_else(|| Error::Missing { digest: need.digest.clone() })
            })
        };
        let found = match self.documents.get_or_fetch(key, ask()).await {
            Err(error) if caller.may_differ(&error) => ask().await.map_err(Arc::new),
            found => found,
        };
        match found {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(&*error, Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for the blob that a client's `request` asks for: the whole, or the one range of it, which is passed on as it
    /// came.
    pub(crate) async fn blob(
        &self,
        name: &str,
        digest: &Digest,
        request: &Request,
        caller: &Caller,
    ) -> Result<Option<Delivered>, Error> {
        let range = request.range(digest);
        let path = format!("{name}/blobs/{digest}");
        let mut headers = HeaderMap::new();
        // What is compressed on the way has another length.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(range) = range.and_then(|range| HeaderValue::from_str(range).ok()) {
            headers.insert(header::RANGE, range);
        }
        let response = self.within(retry(|| async {
            let response = self.respond(Method::GET, &path, &headers, name, caller, self.delivery).await?;
            self.found_or_redirect(response)
        }));
        let Some(response) = response.await? else { return Ok(None) };
        let status = response.status().as_u16();
        if (300..400).contains(&status) {
            let target = self.http.target(response.url(), &response).map_err(Error::Upstream)?;
            return Ok(target.map(|target| Delivered::Elsewhere(target.into())));
        }
        let total = content_range(response.headers());
        if status == 416 && range.is_some() {
            let size = total.map_or(0, |range| range.size);
            return Ok(Some(Delivered::PastTheEnd(size)));
        }
        let blob = match (status, total, response.content_length()) {
            (206, Some(ContentRange { part: Some(part), size }), Some(length))
                if part.end - part.start == length && request.asks_for(&part, size) =>
            {
                Blob { size, part: Some(part), body: response.into() }
            }
            (206, ..) if range.is_some() => {
                return Err(self.invalid("the part of the blob is not the one that was asked for"));
            }
            // The whole was asked for, and what comes cannot be checked.
            (206, ..) => return Err(self.corrupt(digest)),
            // Of those that are empty the end comes too late for a check.
            (200, _, Some(size)) if size > 0 => Blob { size, part: None, body: response.into() },
            (200, ..) => self.small_blob(digest, response).await?,
            (status, ..) => return Err(Error::Upstream(self.http.fault(Problem::Status(status)))),
        };
        Ok(Some(Delivered::Blob(blob)))
    }

    /// How many bytes a blob has, if there is one.
    pub(crate) async fn blob_size(
        &self,
        name: &str,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Option<u64>, Error> {
        let path = format!("{name}/blobs/{digest}");
        let Some(response) = self.within(self.ask(Method::HEAD, &path, name, caller)).await? else {
            return Ok(None);
        };
        // Not what is left to read, which for HEAD is nothing.
        let length = response
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.ok_or_else(|| self.invalid("the length of the blob is missing"))?;
        if length == 0 && !digest.matches(b"") {
            return Err(self.corrupt(digest));
        }
        Ok(Some(length))
    }

    /// The tags of a repository, and the query of the next page, if there is such a repository.
    pub(crate) async fn tags(
        &self,
        name: &str,
        query: &str,
        caller: &Caller,
        charge: &mut Charge,
    ) -> Result<Option<(Vec<String>, Option<String>)>, Error> {
        #[derive(serde::Deserialize)]
        struct Tags {
            tags: Option<Vec<String>>,
        }
        let path = with_query(&format!("{name}/tags/list"), query);
        let found = self.get(&path, name, TAGS_BYTES, caller, charge, TAGS_COST).await?;
        let Some((headers, body)) = found else { return Ok(None) };
        let tags: Tags =
            serde_json::from_slice(&body).map_err(|_| self.invalid("its tag list is not JSON"))?;
        Ok(Some((tags.tags.unwrap_or_default(), next_query(&headers))))
    }

    /// What the registry knows of a manifest's referrers, if it knows of referrers at all.
    pub(crate) async fn referrers(
        &self,
        name: &str,
        digest: &Digest,
        query: &str,
        caller: &Caller,
        charge: &mut Charge,
    ) -> Result<Option<Referrers>, Error> {
        let path = with_query(&format!("{name}/referrers/{digest}"), query);
        let limit = self.limits.document_bytes;
        let found = self.get(&path, name, limit, caller, charge, 1).await?;
        let Some((headers, index)) = found else { return Ok(None) };
        // A page that says "not found" with status 200 is no index. Nothing of it is kept: as a tree it would take 80
        // times its bytes.
        if !index.trim_ascii_start().starts_with(b"{")
            || serde_json::from_slice::<IgnoredAny>(&index).is_err()
        {
            return Err(self.invalid("its referrers list is not a JSON object"));
        }
        let filters =
            headers.get("oci-filters-applied").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Some(Referrers { index, filters, next: next_query(&headers) }))
    }

    /// What the registry asks of this caller before anything else: nothing, or credentials.
    pub(crate) async fn base(&self, caller: &Caller) -> Result<Option<Demand>, Error> {
        match self.within(self.ask(Method::GET, "", "", caller)).await {
            Ok(_) => Ok(None),
            Err(Error::Upstream(Fault { problem: Problem::Unauthorized(demand), .. })) => Ok(Some(demand)),
            Err(error) => Err(error),
        }
    }

    /// Asks a token service for the client: gives the status and the body of what it says.
    pub(crate) async fn client_token(
        &self,
        url: &str,
        authorization: Option<&Authorization>,
    ) -> Result<(u16, Bytes), Error> {
        let url = self.http.token_url(url).map_err(Error::Upstream)?;
        let ask = Ask { method: Method::GET, url, headers: HeaderMap::new(), authorization };
        self.within(async {
            let response = self.http.send(&ask).await.map_err(Error::Upstream)?;
            let status = response.status().as_u16();
            let body = self.http.read(response, tokens::MAX_BYTES).await.map_err(Error::Upstream)?;
            Ok((status, body))
        })
        .await
    }

    async fn document_from_disk_or_registry(
        &self,
        name: &str,
        need: &Need,
        caller: &Caller,
    ) -> Result<Option<Bytes>, Error> {
        let digest = need.digest.clone();
        let read = self.on_disk(name, move |folder| folder.get(&digest)).await;
        if let Some(read) = &read {
            METRICS.looked_up(CacheName::Disk, read.is_some());
        }
        if let Some(bytes) = read.flatten() {
            return Ok(Some(bytes));
        }
        let asked = self.ask_document(name, need, caller).await?;
        if let Some(bytes) = &asked {
            self.write(name, &need.digest, bytes).await;
        }
        Ok(asked)
    }

    async fn write(&self, name: &str, digest: &Digest, bytes: &Bytes) {
        let (digest, bytes) = (digest.clone(), bytes.clone());
        self.on_disk(name, move |folder| folder.put(&digest, &bytes)).await;
    }

    async fn ask_document(&self, name: &str, need: &Need, caller: &Caller) -> Result<Option<Bytes>, Error> {
        let kind = match need.kind {
            NeedKind::Manifest => "manifests",
            NeedKind::Blob => "blobs",
        };
        let path = format!("{name}/{kind}/{}", need.digest);
        let found = self.within(retry(|| async {
            let Some(response) = self.ask_once(Method::GET, &path, name, caller).await? else {
                return Ok(None);
            };
            let mut charge = self.work.open(None);
            let bytes = self.http.read_charged(response, self.limits.document_bytes, &mut charge, 1).await?;
            self.check(&need.digest, &bytes)?;
            Ok(Some(bytes))
        }));
        found.await
    }

    /// Gets the manifest that a tag points to, keeps it, and gives its digest.
    async fn get_tag(&self, name: &str, tag: &str, caller: &Caller) -> Result<Option<Digest>, Error> {
        let path = format!("{name}/manifests/{tag}");
        let found = self.within(retry(|| async {
            let Some(response) = self.ask_once(Method::GET, &path, name, caller).await? else {
                return Ok(None);
            };
            let reported = self.reported(response.headers())?;
            let mut charge = self.work.open(None);
            let bytes = self.http.read_charged(response, self.limits.document_bytes, &mut charge, 1).await?;
            let digest = match reported {
                Some(digest) => {
                    self.check(&digest, &bytes)?;
                    digest
                }
                None => digest::of_payload(&bytes, &self.limits).unwrap_or_else(|| Digest::of(&bytes)),
            };
            Ok(Some((digest, bytes)))
        }));
        let Some((digest, bytes)) = found.await? else { return Ok(None) };
        self.write(name, &digest, &bytes).await;
        self.documents.insert((name.to_owned(), digest.clone()), bytes);
        Ok(Some(digest))
    }

    /// Whether there is a manifest, and its digest if the registry says it.
    async fn head_manifest(
        &self,
        name: &str,
        reference: &str,
        caller: &Caller,
    ) -> Result<Option<Option<Digest>>, Error> {
        let path = format!("{name}/manifests/{reference}");
        let found = self.within(self.ask(Method::HEAD, &path, name, caller)).await?;
        found.map(|response| self.reported(response.headers())).transpose()
    }

    async fn get(
        &self,
        path: &str,
        name: &str,
        limit: usize,
        caller: &Caller,
        charge: &mut Charge,
        cost: usize,
    ) -> Result<Option<(HeaderMap, Bytes)>, Error> {
        let found = self.within(retry(|| async {
            let Some(response) = self.ask_once(Method::GET, path, name, caller).await? else {
                return Ok(None);
            };
            let headers = response.headers().clone();
            let mut read = charge.another();
            let body = self.http.read_charged(response, limit, &mut read, cost).await?;
            Ok(Some((headers, body, read)))
        }));
        Ok(found.await?.map(|(headers, body, read)| {
            *charge = read;
            (headers, body)
        }))
    }

    /// Asks, and again if that may help.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        name: &str,
        caller: &Caller,
    ) -> Result<Option<Response>, Error> {
        retry(|| self.ask_once(method.clone(), path, name, caller)).await
    }

    /// Asks, and follows redirects. What is not there is no error.
    async fn ask_once(
        &self,
        method: Method,
        path: &str,
        name: &str,
        caller: &Caller,
    ) -> Result<Option<Response>, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, self.accept.clone());
        let response = self.respond(method, path, &headers, name, caller, Delivery::Stream).await?;
        self.found(response)
    }

    /// What the registry responds below `/v2/`, once it knows who asks.
    async fn respond(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        name: &str,
        caller: &Caller,
        delivery: Delivery,
    ) -> Result<Response, Error> {
        let url = format!("{}v2/{path}", self.settings.base);
        let url = Url::parse(&url).map_err(|_| self.invalid("the URL cannot be parsed"))?;
        let send = async |authorization: Option<&Authorization>| {
            let ask =
                Ask { method: method.clone(), url: url.clone(), headers: headers.clone(), authorization };
            self.http.follow(&ask, delivery).await.map_err(Error::Upstream)
        };
        let used = match caller {
            Caller::Client(authorization) => return send(authorization.as_ref()).await,
            Caller::Server => self.tokens.at_hand(name).await,
        };
        let response = send(used.as_ref()).await?;
        if response.status().as_u16() != 401 {
            return Ok(response);
        }
        let demand = self.demand(&response)?;
        match self.tokens.renew(&self.http, &demand, name, used.as_ref()).await? {
            Some(authorization) => send(Some(&authorization)).await,
            None => Ok(response),
        }
    }

    /// A response, if it says that there is something: errors of registries are errors here.
    fn found(&self, response: Response) -> Result<Option<Response>, Error> {
        let problem = match response.status().as_u16() {
            200 => return Ok(Some(response)),
            404 => return Ok(None),
            401 => Problem::Unauthorized(self.demand(&response)?),
            403 => Problem::Denied,
            429 => Problem::TooManyRequests { retry_after: retry_after(response.headers()) },
            status => Problem::Status(status),
        };
        Err(Error::Upstream(self.http.fault(problem)))
    }

    fn found_or_redirect(&self, response: Response) -> Result<Option<Response>, Error> {
        match response.status().as_u16() {
            206 | 301 | 302 | 303 | 307 | 308 | 416 => Ok(Some(response)),
            _ => self.found(response),
        }
    }

    fn demand(&self, response: &Response) -> Result<Demand, Error> {
        let lines = response.headers().get_all(header::WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
        Demand::strongest(&Challenge::parse_all(lines))
            .ok_or_else(|| self.invalid("status `401` came without a WWW-Authenticate challenge"))
    }

    /// The digest that a response reports. Some registries report none.
    fn reported(&self, headers: &HeaderMap) -> Result<Option<Digest>, Error> {
        let Some(value) = headers.get(DIGEST_HEADER) else { return Ok(None) };
        let digest = value.to_str().ok().and_then(|text| Digest::parse(text).ok());
        digest.map(Some).ok_or_else(|| self.invalid("its Docker-Content-Digest is not a digest"))
    }

    fn check(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        digest::check(digest, bytes, &self.limits).map_err(|_| self.corrupt(digest))
    }

    /// That something came which does not have the digest that was asked for.
    fn corrupt(&self, digest: &Digest) -> Error {
        Error::Upstream(self.http.fault(Problem::Corrupt { digest: digest.clone() }))
    }

    /// A blob that comes without its length, which clients have to be told first, or is empty. It is checked.
    async fn small_blob(&self, digest: &Digest, response: Response) -> Result<Blob, Error> {
        let mut charge = self.work.open(None);
        let reading = self.http.read_charged(response, self.limits.document_bytes, &mut charge, 1);
        let bytes = self.within(reading).await?;
        if !digest.matches(&bytes) {
            return Err(self.corrupt(digest));
        }
        let size = bytes.len() as u64;
        Ok(Blob { size, part: None, body: charged(bytes, Some(Arc::new(charge))).into() })
    }

    /// What comes of `asking`, if it comes in time.
    async fn within<T>(&self, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        // Boxed, for what asks is large, and what waits for it has to be moved about.
        match time::timeout(self.settings.timeout, Box::pin(asking)).await {
            Ok(answered) => answered,
            Err(_) => Err(Error::Upstream(self.http.fault(Problem::Timeout))),
        }
    }

    fn invalid(&self, what: &str) -> Error {
        Error::Upstream(self.http.fault(Problem::Invalid(what.to_owned())))
    }
}

/// An `Accept` header that names every type that can be used.
#[expect(clippy::expect_used, reason = "media types are constants, and ASCII")]
fn accept() -> HeaderValue {
    HeaderValue::from_str(&every_type()).expect("media types are ASCII")
}

fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
