//! Blobs on their way to a client, to the last byte.

use alloc::boxed::Box;
use alloc::string::String;

use downshift::Digest;
use downshift_registry::{Body as ResponseBody, Method, Request, Response, error, response};

use crate::caller::Caller;
use crate::effect::{Copied, Copy, Done, Effect, StoredCheck};
use crate::failure::{Failure, unexpected};
use crate::registry::Remote;
use crate::settings::Scope;
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
    pub(crate) source: Source<'p>,
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

impl Blob<'_> {
    /// A blob of a stored repository.
    pub(crate) async fn of_layout(
        shell: &Shell,
        scope: &Scope,
        request: &Request,
        digest: &Digest,
    ) -> Result<Self, Failure> {
        let opened = match shell.ask(Effect::Open { scope: scope.clone(), digest: digest.clone() }).await {
            Done::Opened(opened) => opened?,
            other => return Err(unexpected(&other)),
        };
        let Some(blob) = opened else { return Ok(Self::Ready(error::blob_unknown(digest))) };
        let response = response::blob(request, digest, blob.size);
        let (ResponseBody::Blob(range), Method::Get) = (&response.body, request.method) else {
            shell.ask(Effect::Close(blob.body)).await;
            return Ok(Self::Ready(response));
        };
        let is_whole = *range == (0..blob.size);
        // A part says nothing of the whole, and a small one can still be refused with a reason.
        let is_checked_first =
            blob.check != StoredCheck::Checked && (!is_whole || blob.size <= CHECKED_FIRST);
        if is_checked_first {
            match shell.ask(Effect::Verify(blob.body)).await {
                Done::Verified(verified) => verified?,
                other => return Err(unexpected(&other)),
            }
        }
        let is_certain = match blob.check {
            StoredCheck::Checked => true,
            StoredCheck::Settled => is_checked_first,
            // It is checked again as it goes out.
            StoredCheck::Changing => !is_whole,
        };
        let (start, length) = (range.start, range.end.saturating_sub(range.start));
        let check = (!is_certain).then(|| digest.clone());
        let source =
            Source { copy: Copy { body: blob.body, start, length: Some(length), check }, again: None };
        Ok(Self::Open(Box::new(OpenBlob { response, source })))
    }
}

impl Source<'_> {
    /// Brings the bytes to the client.
    pub(crate) async fn send(mut self, shell: &Shell) {
        for resumes in 0..=MAX_RESUMES {
            let Done::Copied(copied) = shell.ask(Effect::Copy(self.copy.clone())).await else { break };
            match copied {
                Copied::All | Copied::ClientGone => return,
                Copied::Broken { sent: Some(sent) }
                    if resumes < MAX_RESUMES && self.go_on(sent).await.is_ok() => {}
                Copied::Broken { .. } | Copied::Corrupt => break,
            }
        }
        // The client must not take a blob that was cut short for the whole.
        shell.ask(Effect::Abort).await;
    }

    /// Opens what is left after `sent` bytes of the last copy.
    async fn go_on(&mut self, sent: u64) -> Result<(), NotResumed> {
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
        };
        Ok(())
    }
}

/// A blob that cannot be gone on with.
struct NotResumed;

/// The range of a request for a blob, as it is passed on.
pub(crate) fn range_header(range: &core::ops::Range<u64>) -> String {
    alloc::format!("bytes={}-{}", range.start, range.end.saturating_sub(1))
}
