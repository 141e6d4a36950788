//! Blobs of a registry: through this server, or from where the registry sends them.

use alloc::boxed::Box;
use alloc::string::ToString as _;
use core::ops::Range;

use bytes::Bytes;
use downshift::Digest;
use downshift_registry::{
    Body as ResponseBody, ContentRange, Method, Problem, Request, Response, error, response,
};

use super::asking::{Question, identity, is_page, is_redirect, is_there, open_body};
use super::documents::reported;
use super::lists::is_too_large;
use super::remote::Remote;
use crate::blob::{Again, Blob, OpenBlob, OpenBlobBody, OpenLayer, OpenParts, Source, range_header};
use crate::blob_at::BlobAt;
use crate::caller::Caller;
use crate::effect::{Answered, AskMethod, BodyId, Copy, Done, Effect, Take, unexpected};
use crate::failure::Failure;
use crate::filling::{Cached, OpenFrom};
use crate::permit::permit;
use crate::repository::Repository;
use crate::settings::Delivery;
use crate::value::{HeadOf, Key, Value};

impl<'p> Remote<'p> {
    /// The blob that a client's `request` asks for: the whole, or the one range of it, which is passed on as it came.
    pub(crate) async fn blob(&self, request: &Request, at: BlobAt) -> Result<Blob<'p>, Failure> {
        let (digest, caller) = (&at.digest, &at.caller);
        let unknown = || Blob::Ready(error::blob_unknown(digest));
        let wants_no_bytes = request.method == Method::Head || request.has(digest);
        if self.caches_blobs() {
            // Nothing is fetched for who does not want its bytes.
            let cached =
                if wants_no_bytes { self.blob_at_hand(&at).await? } else { self.cached(&at).await? };
            match cached {
                Cached::Open(blob) => {
                    let repository = Repository::Remote(self.clone());
                    return Blob::of_stored(self.shell, &repository, request, at, blob).await;
                }
                Cached::Missing => return Ok(unknown()),
                Cached::Nothing => {}
            }
        }
        if wants_no_bytes {
            let size = self.blob_size(digest, caller).await?;
            return Ok(size.map_or_else(unknown, |size| Blob::Ready(response::blob(request, digest, size))));
        }
        if request.has_several_ranges(digest) && self.registry.delivery != Delivery::Redirect {
            // Registries answer several ranges with the whole, or with a form of their own: they are asked for one by one. Where
            // none gives a part, the whole is what comes.
            let Some((answered, range)) = self.first_byte(digest, caller).await? else {
                return Ok(unknown());
            };
            if let (206, Some(ContentRange { part: Some(Range { start: 0, end: 1 }), size })) =
                (answered.status, range)
                && let response = response::blob(request, digest, size)
                && let ResponseBody::Parts(parts) = &response.body
            {
                let (parts, repository) = (parts.clone(), Repository::Remote(self.clone()));
                let parts = OpenParts { parts, repository, at, size };
                let body = OpenBlobBody::Parts(parts);
                return Ok(Blob::Open(Box::new(OpenBlob { response, body })));
            }
        }
        let range = request.range(digest);
        let mut question = self.blob_question();
        question.headers.extend(range.map(|range| ("range", range.to_string())));
        let Some(answered) = self.open(&question, digest, caller).await? else { return Ok(unknown()) };
        if is_redirect(answered.status) {
            let location = answered.header("location").unwrap_or_default();
            return Ok(Blob::Ready(response::blob_elsewhere(digest, location)));
        }
        let part = answered.header("content-range").and_then(ContentRange::parse);
        if answered.status == 416 && range.is_some() {
            return Ok(Blob::Ready(error::range_invalid(part.map_or(0, |part| part.size))));
        }
        let body = open_body(&answered);
        let delivered = match (answered.status, part, answered.length()) {
            (206, Some(ContentRange { part: Some(part), size }), length)
                if length.is_none_or(|length| part.end.saturating_sub(part.start) == length)
                    && request.asks_for(&part, size) =>
            {
                Ok((size, Some(part)))
            }
            (206, ..) if range.is_some() => {
                Err(self.invalid("the part of the blob is not the one that was asked for"))
            }
            // The whole was asked for, and what comes cannot be checked.
            (206, ..) => Err(self.corrupt(digest)),
            // Of those that are empty the end comes too late for a check.
            (200, _, Some(0)) if !digest.matches(b"") => Err(self.corrupt(digest)),
            (200, _, Some(0)) => {
                self.close(body).await;
                let empty = ResponseBody::Bytes(Bytes::new());
                return Ok(Blob::Ready(Response { body: empty, ..response::blob_part(digest, 0, None) }));
            }
            (200, _, Some(size)) => Ok((size, None)),
            (200, _, None) => {
                let body = body.ok_or_else(|| unexpected(&Done::Nothing))?;
                return self.blob_of_unknown_length(request, digest, body, caller).await;
            }
            (status, ..) => Err(self.fault(Problem::Status(status))),
        };
        match (delivered, body) {
            (Ok((size, part)), Some(body)) => Ok(self.streamed(digest, size, part, body, caller)),
            (Ok(_), None) => Err(unexpected(&Done::Nothing)),
            (Err(failure), body) => {
                self.close(body).await;
                Err(failure)
            }
        }
    }

    /// How many bytes a blob has, if there is one.
    pub(crate) async fn blob_size(&self, digest: &Digest, caller: &Caller) -> Result<Option<u64>, Failure> {
        let path = self.path(&["blobs/", digest.as_str()].concat());
        let is_possible = |size: &u64| *size > 0 || digest.matches(b"");
        let told = |answered: &Answered| {
            answered.length().filter(is_possible).filter(|_| !is_doubtful(answered, digest))
        };
        let get = async {
            let Some(size) = self.size_by_part(digest, caller).await? else { return Ok(None) };
            let size = match size.filter(is_possible) {
                Some(size) => Some(size),
                None => self.known_size(digest).await,
            };
            size.map(Some).ok_or_else(|| self.invalid("the length of the blob is missing"))
        };
        self.head_or_get(HeadOf::Blobs, &path, caller, &told, get).await
    }

    /// How many bytes a blob has, if there is one and its registry says that with a single byte of it.
    async fn size_by_part(&self, digest: &Digest, caller: &Caller) -> Result<Option<Option<u64>>, Failure> {
        let Some((answered, range)) = self.first_byte(digest, caller).await? else { return Ok(None) };
        // Of a blob without bytes there is no first one.
        let is_partial = matches!(answered.status, 206 | 416);
        Ok(Some(if is_partial { range.map(|range| range.size) } else { answered.length() }))
    }

    /// What the registry says to who asks for a single byte of a blob, and which part of it that is.
    async fn first_byte(
        &self,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Option<(Answered, Option<ContentRange>)>, Failure> {
        let mut question = self.blob_question();
        question.headers.push(("range", range_header(&(0..1))));
        question.delivery = Delivery::Stream;
        let Some(answered) = self.open(&question, digest, caller).await? else { return Ok(None) };
        self.close(open_body(&answered)).await;
        let range = answered.header("content-range").and_then(ContentRange::parse);
        Ok(Some((answered, range)))
    }

    /// How many bytes a blob has, as a manifest of the repository said lately.
    async fn known_size(&self, digest: &Digest) -> Option<u64> {
        let key = Key::BlobSize { scope: self.scope.clone(), digest: digest.clone() };
        match self.shell.ask(Effect::Load(key)).await {
            Done::Known(Value::BlobSize(size)) => Some(size),
            _ => None,
        }
    }

    /// What is left of a blob that broke off: exactly this range of a blob of this size.
    pub(crate) async fn reopen(
        &self,
        digest: &Digest,
        range: Range<u64>,
        size: u64,
        caller: &Caller,
    ) -> Result<BodyId, Failure> {
        let mut question = self.blob_question();
        question.headers.push(("range", range_header(&range)));
        // The client has been told already that it comes from here.
        question.delivery = Delivery::Stream;
        let gone = || self.corrupt(digest);
        let answered = self.open(&question, digest, caller).await?.ok_or_else(gone)?;
        let part = answered.header("content-range").and_then(ContentRange::parse);
        match (answered.status, open_body(&answered)) {
            (206, Some(body)) if part == Some(ContentRange { part: Some(range), size }) => Ok(body),
            (_, body) => {
                self.close(body).await;
                Err(gone())
            }
        }
    }

    /// A blob, open from its first byte on; from the cache where there is one.
    pub(crate) async fn open_layer(&self, at: &BlobAt) -> Result<Option<OpenLayer<'p>>, Failure> {
        if self.caches_blobs() {
            match self.cached(at).await? {
                Cached::Open(blob) => {
                    // What comes into the cache may end there, for its disk is full: the registry has the rest.
                    let (remote, digest, caller) = (self.clone(), at.digest.clone(), at.caller.clone());
                    let again = Some(Again { remote, digest, caller, start: 0, size: blob.size });
                    return Ok(Some(OpenLayer { body: blob.body, size: Some(blob.size), again }));
                }
                Cached::Missing => return Ok(None),
                Cached::Nothing => {}
            }
        }
        let Some(OpenFrom { body, size, .. }) = self.open_from(at, 0).await? else { return Ok(None) };
        let (remote, digest, caller) = (self.clone(), at.digest.clone(), at.caller.clone());
        let again = size.map(|size| Again { remote, digest, caller, start: 0, size });
        Ok(Some(OpenLayer { body, size, again }))
    }

    /// A blob, open from the byte `start` on, or from the first one where the registry gives no parts, or not this one: of
    /// what was written to its end and not checked any more, nothing is left to be asked for.
    pub(crate) async fn open_from(&self, at: &BlobAt, start: u64) -> Result<Option<OpenFrom>, Failure> {
        if start > 0
            && let Some(opened) = self.open_rest(at, start).await?
        {
            return Ok(opened);
        }
        Ok(self.open_rest(at, 0).await?.flatten())
    }

    /// The same, and nothing where the part that comes is not the one that was asked for.
    async fn open_rest(&self, at: &BlobAt, start: u64) -> Result<Option<Option<OpenFrom>>, Failure> {
        let mut question = self.blob_question();
        question.delivery = Delivery::Stream;
        if start > 0 {
            question.headers.push(("range", ["bytes=", &start.to_string(), "-"].concat()));
        }
        let Some(answered) = self.open(&question, &at.digest, &at.caller).await? else {
            return Ok(Some(None));
        };
        let part = answered.header("content-range").and_then(ContentRange::parse);
        let body = open_body(&answered);
        let opened = match (answered.status, part, body) {
            (200, _, Some(body)) => {
                let size = match answered.length() {
                    Some(size) => Some(size),
                    None => self.known_size(&at.digest).await.or(at.size),
                };
                return Ok(Some(Some(OpenFrom { body, start: 0, size })));
            }
            (206, Some(ContentRange { part: Some(part), size }), Some(body))
                if part.start == start && part.end == size && start > 0 =>
            {
                return Ok(Some(Some(OpenFrom { body, start, size: Some(size) })));
            }
            (206 | 416, ..) if start > 0 => Ok(None),
            (206 | 416, ..) => Err(self.corrupt(&at.digest)),
            (status, ..) => Err(self.fault(Problem::Status(status))),
        };
        self.close(body).await;
        opened
    }

    /// A part of a blob of `size` bytes.
    pub(crate) async fn open_part(
        &self,
        at: &BlobAt,
        range: Range<u64>,
        size: u64,
    ) -> Result<Option<Source<'p>>, Failure> {
        if self.caches_blobs()
            && let Cached::Open(blob) = self.cached(at).await?
        {
            return Ok(Some(Source::part(blob.body, range)));
        }
        let (start, length) = (range.start, range.end.saturating_sub(range.start));
        let body = self.reopen(&at.digest, range, size, &at.caller).await?;
        let copy = Copy { body, start: 0, length: Some(length), check: None, unpack: None };
        let (remote, digest, caller) = (self.clone(), at.digest.clone(), at.caller.clone());
        Ok(Some(Source { copy, again: Some(Again { remote, digest, caller, start, size }) }))
    }

    /// A blob that is in the cache already, for a caller who is known to be let in.
    async fn blob_at_hand(&self, at: &BlobAt) -> Result<Cached, Failure> {
        if permit(self.shell, &self.scope, &at.caller).await.is_known()
            && let Some(blob) = self.open_cached(at).await?
        {
            return Ok(Cached::Open(blob));
        }
        Ok(Cached::Nothing)
    }

    /// Whether a blob is there, and may be had.
    pub(crate) async fn has_layer(&self, at: &BlobAt) -> Result<bool, Failure> {
        if self.caches_blobs()
            && let Cached::Open(blob) = self.blob_at_hand(at).await?
        {
            self.close(Some(blob.body)).await;
            return Ok(true);
        }
        Ok(self.blob_size(&at.digest, &at.caller).await?.is_some())
    }

    fn blob_question(&self) -> Question {
        let headers = [identity()].into();
        Question { method: AskMethod::Get, headers, take: Take::Open, delivery: self.registry.delivery }
    }

    /// Asks for a blob, and again if that may help.
    async fn open(
        &self,
        question: &Question,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Option<Answered>, Failure> {
        let path = self.path(&["blobs/", digest.as_str()].concat());
        let accept = |answered: &Answered| match answered.status {
            206 | 416 => Ok(true),
            status if is_redirect(status) => Ok(true),
            _ => is_there(self, answered),
        };
        let answered = self.attempt(&path, question, caller, &accept).await?;
        if !answered.as_ref().is_some_and(|answered| is_doubtful(answered, digest)) {
            return Ok(answered);
        }
        self.close(answered.as_ref().and_then(open_body)).await;
        let check = |bytes: &Bytes, hash: &Digest, _: &Answered| self.check(digest, bytes, hash);
        match self.get(&path, self.document_take(), caller, &check).await {
            Ok(None) => return Ok(None),
            Ok(Some(_)) => {}
            // No page has so many bytes.
            Err(failure) if failure.upstream().is_some_and(is_too_large) => {}
            Err(failure) => return Err(failure),
        }
        self.attempt(&path, question, caller, &accept).await
    }

    /// A blob that comes without its length. The oldest clients have to be told that first: it is what a manifest of the
    /// repository said, or what the registry says to who asks for nothing else. Where nobody knows it, the others get the
    /// blob without: it may be of any size, and so is never read first.
    async fn blob_of_unknown_length(
        &self,
        request: &Request,
        digest: &Digest,
        body: BodyId,
        caller: &Caller,
    ) -> Result<Blob<'p>, Failure> {
        let size = match self.known_size(digest).await {
            Some(size) => Some(size),
            None => self.blob_size(digest, caller).await.ok().flatten(),
        };
        if let Some(size @ 1..) = size {
            return Ok(self.streamed(digest, size, None, body, caller));
        }
        if request.needs_length {
            self.close(Some(body)).await;
            return Err(self.fault(Problem::NoLength));
        }
        let copy = Copy { body, start: 0, length: None, check: Some(digest.clone()), unpack: None };
        let body = OpenBlobBody::One(Source { copy, again: None });
        Ok(Blob::Open(Box::new(OpenBlob { response: response::blob_of_unknown_length(digest), body })))
    }

    fn streamed(
        &self,
        digest: &Digest,
        size: u64,
        part: Option<Range<u64>>,
        body: BodyId,
        caller: &Caller,
    ) -> Blob<'p> {
        let check = part.is_none().then(|| digest.clone());
        let Range { start, end } = part.clone().unwrap_or(0..size);
        let copy = Copy { body, start: 0, length: Some(end.saturating_sub(start)), check, unpack: None };
        let again =
            Again { remote: self.clone(), digest: digest.clone(), caller: caller.clone(), start, size };
        let body = OpenBlobBody::One(Source { copy, again: Some(again) });
        Blob::Open(Box::new(OpenBlob { response: response::blob_part(digest, size, part), body }))
    }

    async fn close(&self, body: Option<BodyId>) {
        if let Some(body) = body {
            self.shell.ask(Effect::Close(body)).await;
        }
    }
}

/// Whether a response may be a login page, which says to everybody that a blob is there. Some registries give blobs under that
/// type, so only the bytes tell.
fn is_doubtful(answered: &Answered, digest: &Digest) -> bool {
    matches!(answered.status, 200 | 206) && is_page(answered) && reported(answered).as_ref() != Some(digest)
}
