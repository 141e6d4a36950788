//! Blobs on their way to a client, to the last byte.

use alloc::boxed::Box;
use alloc::string::String;

use downshift::Digest;
use downshift_registry::{Body as ResponseBody, Method, Parts, Request, Response, error, response};

use crate::blob_at::BlobAt;
use crate::caller::Caller;
use crate::effect::{BodyId, Copied, Copy, Done, Effect, StoredBlob, StoredCheck, Unpack, unexpected};
use crate::failure::Failure;
use crate::registry::Remote;
use crate::repository_kind::Repository;
use crate::settings::{Resolve, Scope};
use crate::shell::Shell;

/// Bytes up to which a stored blob is checked before the head of the response goes out: some ten milliseconds of work. A
/// larger one is checked while it goes out.
pub const CHECKED_FIRST: u64 = 16 * 1024 * 1024;

/// How often a blob that breaks off is gone on with.
const MAX_RESUMES: u32 = 3;

/// What there is of a blob.
pub(crate) enum Blob<'p> {
    /// A response that has all of its body.
    Ready(Response),
    /// A response whose body is open.
    Open(Box<OpenBlob<'p>>),
}

/// A response whose body is open.
pub(crate) struct OpenBlob<'p> {
    pub(crate) response: Response,
    pub(crate) body: OpenBlobBody<'p>,
}

/// How the body of a response is brought to the client.
pub(crate) enum OpenBlobBody<'p> {
    /// From one place, from the first byte to the last.
    One(Source<'p>),
    /// Part by part, each of which is opened when its turn comes.
    Parts(OpenParts<'p>),
}

/// Several parts of a blob.
pub(crate) struct OpenParts<'p> {
    pub(crate) parts: Parts,
    pub(crate) repository: Repository<'p>,
    pub(crate) at: BlobAt,
    /// How many bytes the blob has.
    pub(crate) size: u64,
}

/// Where the body of a response comes from.
pub(crate) struct Source<'p> {
    pub(crate) copy: Copy,
    /// Where it is asked for again if it breaks off.
    pub(crate) again: Option<Again<'p>>,
}

/// What it takes to go on with a blob that broke off.
pub(crate) struct Again<'p> {
    pub(crate) remote: Remote<'p>,
    pub(crate) digest: Digest,
    pub(crate) caller: Caller,
    /// The first byte that the client gets, and how many the whole blob has.
    pub(crate) start: u64,
    pub(crate) size: u64,
}

/// A blob that is open from its first byte on.
pub(crate) struct OpenLayer<'p> {
    pub(crate) body: BodyId,
    /// How many bytes it has, if that is known.
    pub(crate) size: Option<u64>,
    /// Where it is asked for again if it breaks off.
    pub(crate) again: Option<Again<'p>>,
}

impl<'p> OpenLayer<'p> {
    /// All of it, with its digest checked.
    pub(crate) fn copy(&self, digest: &Digest, unpack: Option<Unpack>) -> Copy {
        Copy { body: self.body, start: 0, length: self.size, check: Some(digest.clone()), unpack }
    }

    pub(crate) fn source(self, digest: &Digest, unpack: Option<Unpack>) -> Source<'p> {
        Source { copy: self.copy(digest, unpack), again: self.again }
    }
}

impl<'p> Blob<'p> {
    /// A blob of a stored repository; with `elsewhere`, which reads URLs, clients are sent to where else it is.
    pub(crate) async fn of_layout(
        shell: &'p Shell,
        repository: &Repository<'p>,
        request: &Request,
        at: BlobAt,
        elsewhere: Option<Resolve>,
    ) -> Result<Self, Failure> {
        let Some(blob) = open_stored(shell, repository.scope(), &at.digest).await? else {
            return Ok(Self::Ready(error::blob_unknown(&at.digest)));
        };
        if request.method == Method::Get
            && let Some(url) = blob.url.as_deref()
            && let Some(url) = elsewhere.and_then(|resolve| resolve(None, url))
        {
            shell.ask(Effect::Close(blob.body)).await;
            return Ok(Self::Ready(response::blob_elsewhere(&at.digest, &url.text)));
        }
        Self::of_stored(shell, repository, request, at, blob).await
    }

    /// A blob that the shell has open.
    pub(crate) async fn of_stored(
        shell: &'p Shell,
        repository: &Repository<'p>,
        request: &Request,
        at: BlobAt,
        blob: StoredBlob,
    ) -> Result<Self, Failure> {
        let response = response::blob(request, &at.digest, blob.size);
        Self::from_stored(shell, repository, request, at, blob, response).await
    }

    /// The same with a response to it.
    pub(crate) async fn from_stored(
        shell: &'p Shell,
        repository: &Repository<'p>,
        request: &Request,
        at: BlobAt,
        blob: StoredBlob,
        response: Response,
    ) -> Result<Self, Failure> {
        let digest = &at.digest;
        let range = match &response.body {
            ResponseBody::Blob(range) if request.method == Method::Get => range,
            ResponseBody::Parts(parts) if request.method == Method::Get => {
                if blob.check != StoredCheck::Checked {
                    verify(shell, blob.body).await?;
                }
                shell.ask(Effect::Close(blob.body)).await;
                let (parts, repository, size) = (parts.clone(), repository.clone(), blob.size);
                let parts = OpenParts { parts, repository, at, size };
                let body = OpenBlobBody::Parts(parts);
                return Ok(Self::Open(Box::new(OpenBlob { response, body })));
            }
            _ => {
                shell.ask(Effect::Close(blob.body)).await;
                return Ok(Self::Ready(response));
            }
        };
        let is_whole = *range == (0..blob.size);
        // A part says nothing of the whole, and a small one can still be refused with a reason.
        let is_checked_first =
            blob.check != StoredCheck::Checked && (!is_whole || blob.size <= CHECKED_FIRST);
        if is_checked_first {
            verify(shell, blob.body).await?;
        }
        let is_certain = match blob.check {
            StoredCheck::Checked => true,
            StoredCheck::Settled => is_checked_first,
            // It is checked again as it goes out.
            StoredCheck::Changing => !is_whole,
        };
        let (start, length) = (range.start, range.end.saturating_sub(range.start));
        let check = (!is_certain).then(|| digest.clone());
        let source = Source {
            copy: Copy { body: blob.body, start, length: Some(length), check, unpack: None },
            again: None,
        };
        Ok(Self::Open(Box::new(OpenBlob { response, body: OpenBlobBody::One(source) })))
    }
}

/// Opens a blob of a stored repository.
pub(crate) async fn open_stored(
    shell: &Shell,
    scope: &Scope,
    digest: &Digest,
) -> Result<Option<StoredBlob>, Failure> {
    match shell.ask(Effect::Open { scope: scope.clone(), digest: digest.clone() }).await {
        Done::Opened(opened) => Ok(opened?),
        other => Err(unexpected(&other)),
    }
}

/// Has the shell be sure that an open blob has its digest.
async fn verify(shell: &Shell, body: BodyId) -> Result<(), Failure> {
    match shell.ask(Effect::Verify(body)).await {
        Done::Verified(verified) => Ok(verified?),
        other => Err(unexpected(&other)),
    }
}

impl OpenBlobBody<'_> {
    /// Brings the bytes to the client. It must not take a blob that was cut short for the whole.
    pub(crate) async fn send(self, shell: &Shell) {
        let is_sent = match self {
            Self::One(source) => source.send(shell).await,
            Self::Parts(parts) => parts.send(shell).await,
        };
        if !is_sent {
            shell.ask(Effect::Abort).await;
        }
    }
}

impl OpenParts<'_> {
    async fn send(self, shell: &Shell) -> bool {
        let Self { parts, repository, at, size } = self;
        for (head, range) in parts.parts {
            let is_sent = matches!(shell.ask(Effect::Send(head)).await, Done::Copied(Copied::All));
            if !is_sent {
                return false;
            }
            let source = repository.open_part(&at, range, size).await.ok().flatten();
            let Some(source) = source else { return false };
            if !source.send(shell).await {
                return false;
            }
        }
        matches!(shell.ask(Effect::Send(parts.end)).await, Done::Copied(Copied::All))
    }
}

impl Source<'_> {
    /// A part of a body that is open from the first byte of the blob on.
    pub(crate) fn part(body: BodyId, range: core::ops::Range<u64>) -> Self {
        let length = Some(range.end.saturating_sub(range.start));
        Self { copy: Copy { body, start: range.start, length, check: None, unpack: None }, again: None }
    }

    /// Brings the bytes to the client: whether all are there, or nobody wants them any more.
    async fn send(mut self, shell: &Shell) -> bool {
        for resumes in 0..=MAX_RESUMES {
            let Done::Copied(copied) = shell.ask(Effect::Copy(self.copy.clone())).await else { break };
            match copied {
                Copied::All | Copied::ClientGone => return true,
                Copied::Broken { sent: Some(sent) }
                    if resumes < MAX_RESUMES && self.go_on(sent).await.is_ok() => {}
                Copied::Broken { .. } | Copied::Corrupt => break,
            }
        }
        false
    }

    /// Opens what is left after `sent` bytes of the last copy.
    pub(crate) async fn go_on(&mut self, sent: u64) -> Result<(), NotResumed> {
        let again = self.again.as_mut().ok_or(NotResumed)?;
        again.start = again.start.saturating_add(sent);
        let length = self.copy.length.ok_or(NotResumed)?.saturating_sub(sent);
        let range = again.start..again.start.saturating_add(length);
        let body = again.remote.reopen(&again.digest, range, again.size, &again.caller).await;
        self.copy = Copy {
            body: body.map_err(|_| NotResumed)?,
            start: 0,
            length: Some(length),
            check: self.copy.check.take(),
            unpack: self.copy.unpack.take(),
        };
        Ok(())
    }
}

/// A blob that cannot be gone on with.
pub(crate) struct NotResumed;

/// The range of a request for a blob, as it is passed on.
pub(crate) fn range_header(range: &core::ops::Range<u64>) -> String {
    alloc::format!("bytes={}-{}", range.start, range.end.saturating_sub(1))
}
