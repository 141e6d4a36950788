//! Blobs of a registry: through this server, or from where the registry sends them.

use alloc::boxed::Box;
use alloc::string::ToString as _;
use core::ops::Range;

use bytes::Bytes;
use downshift::Digest;
use downshift_registry::{
    Body as ResponseBody, ContentRange, Method, Problem, Request, Response, error, response,
};

use super::asking::{Question, identity, is_redirect, is_there, open_body};
use super::remote::Remote;
use crate::blob::{Again, Blob, OpenBlob, Source, range_header};
use crate::caller::Caller;
use crate::effect::{Answered, AskMethod, BodyId, Copy, Done, Effect, Take};
use crate::failure::{Failure, unexpected};
use crate::settings::Delivery;
use crate::value::{HeadOf, Key, Value};

impl<'p> Remote<'p> {
    /// The blob that a client's `request` asks for: the whole, or the one range of it, which is passed on as it came.
    pub(crate) async fn blob(
        &self,
        request: &Request,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Blob<'p>, Failure> {
        let unknown = || Blob::Ready(error::blob_unknown(digest));
        if request.method == Method::Head || request.has(digest) {
            let size = self.blob_size(digest, caller).await?;
            return Ok(size.map_or_else(unknown, |size| Blob::Ready(response::blob(request, digest, size))));
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
            (206, Some(ContentRange { part: Some(part), size }), Some(length))
                if part.end.saturating_sub(part.start) == length && request.asks_for(&part, size) =>
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
                return self.blob_of_unknown_length(digest, body, caller).await;
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
    async fn blob_size(&self, digest: &Digest, caller: &Caller) -> Result<Option<u64>, Failure> {
        let path = self.path(&["blobs/", digest.as_str()].concat());
        let is_possible = |size: &u64| *size > 0 || digest.matches(b"");
        let told = |answered: &Answered| answered.length().filter(is_possible);
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
        let mut question = self.blob_question();
        question.headers.push(("range", range_header(&(0..1))));
        question.delivery = Delivery::Stream;
        let Some(answered) = self.open(&question, digest, caller).await? else { return Ok(None) };
        self.close(open_body(&answered)).await;
        let range = answered.header("content-range").and_then(ContentRange::parse);
        // Of a blob without bytes there is no first one.
        let is_partial = matches!(answered.status, 206 | 416);
        Ok(Some(if is_partial { range.map(|range| range.size) } else { answered.length() }))
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
        self.attempt(&path, question, caller, &accept).await
    }

    /// A blob that comes without its length. The oldest clients have to be told that first: it is what a manifest of the
    /// repository said, or what the registry says to who asks for nothing else. Where nobody knows it, the blob goes on
    /// without: it may be of any size, and so is never read first.
    async fn blob_of_unknown_length(
        &self,
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
        let copy = Copy { body, start: 0, length: None, check: Some(digest.clone()) };
        let (response, source) = (response::blob_of_unknown_length(digest), Source { copy, again: None });
        Ok(Blob::Open(Box::new(OpenBlob { response, source })))
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
        let copy = Copy { body, start: 0, length: Some(end.saturating_sub(start)), check };
        let again =
            Again { remote: self.clone(), digest: digest.clone(), caller: caller.clone(), start, size };
        let source = Source { copy, again: Some(again) };
        Blob::Open(Box::new(OpenBlob { response: response::blob_part(digest, size, part), source }))
    }

    async fn close(&self, body: Option<BodyId>) {
        if let Some(body) = body {
            self.shell.ask(Effect::Close(body)).await;
        }
    }
}
