//! What a pull wants of its shell, and what comes of it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use downshift::answer::{
    Answer, Documents, LayerReading, LayerRecord, MAX_ROUNDS, Need, Needs, Record, Refusal, Request, Step,
    answer,
};
use downshift::jws::Signature;
use downshift::layer::LayerFacts;
use downshift::{Digest, Failure, Form, SignatureReading};
use downshift_registry::{AnswerKey, Authorization, Parts, Problem, Reference, TokenForm};

use crate::blob_at::BlobAt;
use crate::caller::CallerId;
use crate::failure::{Failure as PullFailure, SharedFailure};
use crate::settings::{OriginId, Scope, Url};
use crate::trouble::Trouble;
use crate::value::{Key, Value};

pub use downshift_registry::Response;

/// The headers of a registry's response that a shell passes on, in lower case.
pub const HEADERS: [&str; 12] = [
    "content-length",
    "content-range",
    "content-type",
    "docker-content-digest",
    "docker-ratelimit-source",
    "link",
    "location",
    "oci-filters-applied",
    "ratelimit-limit",
    "ratelimit-remaining",
    "retry-after",
    "www-authenticate",
];

/// The number of something that a pull wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u32);

/// The number of a body that a shell has open for a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub u32);

/// Something that a pull wants done. Each says which [`Done`] is its outcome.
///
/// What is large and rare is boxed: on its way to who does it, each is moved several times.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Ask a registry, or a host that it names: [`Done::Asked`].
    Ask(Box<Ask>),
    /// Close an open body, which nobody reads: [`Done::Nothing`].
    Close(BodyId),
    /// Say what is kept under a key: [`Done::Known`], or [`Done::Unknown`] also if that is not known.
    Load(Key),
    /// Say whether something is kept under a key, which need not be read for that: [`Done::Has`].
    Has(Key),
    /// Keep something, for so long or less, in the place of what was kept before: [`Done::Nothing`].
    Keep {
        /// The key.
        key: Key,
        /// What to keep.
        value: Value,
        /// For how long.
        lifetime: Duration,
    },
    /// Keep nothing under a key any more: [`Done::Nothing`].
    Forget(Key),
    /// A registry has said no to a caller, for this repository, or where its name is empty for all: no permit that it had
    /// is kept, nor one that is on its way: [`Done::Nothing`].
    Revoke {
        /// The caller.
        caller: CallerId,
        /// The repository.
        scope: Scope,
    },
    /// Say what was recorded of a digest that was reported, by the repository's name here: [`Done::Recalled`].
    Recall {
        /// The repository's name.
        name: String,
        /// The digest.
        digest: Digest,
    },
    /// Record digests that are going to be reported, and be sure of it: [`Done::Recorded`].
    Record(Vec<Record>),
    /// Say what is known of a layer from any pull, and whether this repository is known to have it: [`Done::KnownLayer`].
    RecallFacts {
        /// Where the repository is: [`BlobAt::place`].
        name: String,
        /// The digest of the layer as it is stored.
        digest: Digest,
    },
    /// Keep what is known of a layer, and that the repository has it whose [place](BlobAt::place) is the record's name, and be
    /// sure of it: [`Done::Recorded`].
    KeepFacts(LayerRecord),
    /// Remember that an origin has answered for a blob in a repository to somebody who may pull it: [`Done::Nothing`].
    RememberBlob {
        /// Where the repository is: [`BlobAt::place`].
        name: String,
        /// The blob's digest.
        digest: Digest,
    },
    /// Say which stored layers of a repository unpack to a plain tar that was reported: [`Done::Sources`].
    RecallLayer {
        /// The repository's name here.
        name: String,
        /// The digest of the plain tar.
        diff_id: Digest,
    },
    /// Record layers whose plain tars are going to be reported, and be sure of it: [`Done::Recorded`].
    RecordLayers(Vec<LayerRecord>),
    /// Have a layer read from its first byte to its last by a pull of its own, [`Pull::reading`](crate::Pull::reading), which
    /// goes on where this one is over: [`Done::Learnt`].
    Learn(BlobAt),
    /// Unpack a layer to its end and send nothing: [`Done::LayerRead`]. `unpack` is none. Where it goes on after a break, what
    /// was unpacked before is not lost.
    ReadLayer(Copy),
    /// Tell those who wait for this pull what has come of it: [`Done::Nothing`].
    Learnt(Learnt),
    /// Open a blob that is cached, if the repository is known to have it: [`Done::Opened`].
    OpenCached {
        /// Where the repository is: [`BlobAt::place`].
        name: String,
        /// The blob's digest.
        digest: Digest,
    },
    /// Have a blob fetched into the cache by a pull of its own, [`Pull::filling`](crate::Pull::filling), and open what is there
    /// of it by then: [`Done::Filling`].
    Fill(BlobAt),
    /// Say how many bytes of the blob that this pull fetches are there from before: [`Done::Begun`].
    BeginFill(Digest),
    /// Put bytes of an open body into the cache, after those that are there: [`Done::Copied`]. From now on others can read
    /// what is there.
    Store {
        /// The bytes. `check` is the digest of the whole.
        copy: Copy,
        /// How many bytes of the blob are there before these.
        at: u64,
    },
    /// Tell those who wait for this pull why the blob is not to be had, or not from the cache: [`Done::Nothing`].
    NotFilled(NotFilled),
    /// Say what a reference stands for in a stored repository: [`Done::Resolved`].
    Resolve {
        /// The repository.
        scope: Scope,
        /// The tag or digest.
        reference: Reference,
    },
    /// Say which tag of a stored repository points to a digest: [`Done::TagOf`].
    TagOf {
        /// The repository.
        scope: Scope,
        /// The digest.
        digest: Digest,
    },
    /// Read the documents of a stored repository, and check their digests: [`Done::Documents`].
    Documents {
        /// The repository.
        scope: Scope,
        /// The documents.
        needs: Vec<Need>,
    },
    /// Open a blob of a stored repository: [`Done::Opened`].
    Open {
        /// The repository.
        scope: Scope,
        /// Its digest.
        digest: Digest,
    },
    /// Be sure that an open blob of a stored repository has its digest: [`Done::Verified`].
    Verify(BodyId),
    /// Say which tags a stored repository has, in order: [`Done::Tags`].
    Tags(Scope),
    /// Say which manifests the index of a stored repository has: [`Done::Manifests`].
    Manifests(Scope),
    /// Say which repositories a store has, in order: [`Done::Repositories`].
    Repositories(OriginId),
    /// Convert: [`Done::Converted`].
    Convert(Box<Conversion>),
    /// Say whether somebody is one of the users: [`Done::Login`].
    CheckLogin(Authorization),
    /// Hash credentials, with a key that nobody else has: [`Done::Hashed`].
    Hash(Authorization),
    /// Give the message authentication code of a text, with a key that is made of the signing key, so that all that sign alike
    /// give the same, today and tomorrow: [`Done::Mac`].
    Mac(String),
    /// Wait: [`Done::Waited`].
    Pause(Duration),
    /// Tell the operator: [`Done::Nothing`].
    Tell(Event),
    /// Send the head of the response, and its body if that is at hand: [`Done::Responded`].
    Respond(Box<Reply>),
    /// Send bytes of an open body to the client, after those that were sent before: [`Done::Copied`].
    Copy(Copy),
    /// Send bytes to the client, after those that were sent before: [`Done::Copied`].
    Send(Bytes),
    /// Have the client see that the body is not whole: [`Done::Nothing`].
    Abort,
}

/// What came of an [`Effect`].
#[derive(Clone, Debug)]
pub enum Done {
    /// The response to [`Effect::Ask`], or why there is none.
    Asked(Result<Answered, Problem>),
    /// What is kept.
    Known(Value),
    /// Nothing is. For a [`Key::Permit`] it says how many refusals there were until now.
    Unknown {
        /// The number of refusals.
        mark: u64,
    },
    /// Whether something is kept.
    Has(bool),
    /// The record.
    Recalled(Result<Option<Box<Record>>, Trouble>),
    /// Whether everything is recorded.
    Recorded(Result<(), Trouble>),
    /// What is known of a layer.
    KnownLayer(Result<KnownLayer, Trouble>),
    /// The layers, the newest first.
    Sources(Result<Vec<LayerFacts>, Trouble>),
    /// What has come of reading a layer.
    Learnt(Learnt),
    /// What has come of unpacking.
    LayerRead(Result<LayerRead, Trouble>),
    /// The blob, as far as it is there.
    Filling(Result<StoredBlob, NotFilled>),
    /// How many bytes are there.
    Begun(u64),
    /// What a reference stands for; nothing if there is no such repository, tag or digest.
    Resolved(Result<Option<StoredManifest>, Trouble>),
    /// A tag, if one is known.
    TagOf(Option<String>),
    /// The documents, each with its digest, as far as they are there.
    Documents(Result<Vec<(Need, Option<Bytes>)>, Trouble>),
    /// The blob, if it is there.
    Opened(Result<Option<StoredBlob>, Trouble>),
    /// Whether it has its digest.
    Verified(Result<(), Trouble>),
    /// The tags; nothing if there is no such repository.
    Tags(Result<Option<Vec<String>>, Trouble>),
    /// Their digests; nothing if there is no such repository.
    Manifests(Result<Option<Vec<Digest>>, Trouble>),
    /// Their names.
    Repositories(Result<Arc<Vec<String>>, Trouble>),
    /// What came of a conversion.
    Converted(Result<Converted, Trouble>),
    /// Whether somebody is one of the users.
    Login(Login),
    /// The hash.
    Hashed(CallerId),
    /// The code.
    Mac([u8; 32]),
    /// The time is over.
    Waited,
    /// The head is on its way.
    Responded,
    /// What came of copying.
    Copied(Copied),
    /// It was done, or there was nothing to do.
    Nothing,
    /// The shell has no room for what it would take.
    Busy,
}

/// A request to a registry, or to a host that it names. Redirects are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The origin on behalf of which it is asked.
    pub origin: OriginId,
    /// Whether this is the origin's own host, which the operator has named: others must be no way into the shell's own
    /// network, if the registry itself is not in that. One of a [`Domain`](crate::Domain) never is.
    pub is_own: bool,
    /// The method.
    pub method: AskMethod,
    /// The URL.
    pub url: Url,
    /// The headers, named in lower case, but for that of the next field. A name may be there several times: each is a line of
    /// its own, as far as the shell's library has such.
    pub headers: Vec<(&'static str, String)>,
    /// `Authorization`.
    pub authorization: Option<Authorization>,
    /// What to do with the body.
    pub take: Take,
}

/// The method of an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskMethod {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST, with a body. A token service is asked so, and nobody else.
    Post(TokenForm),
}

/// What to do with the body of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Take {
    /// Nothing.
    Nothing,
    /// Read it where the status is 200.
    Whole {
        /// The bytes that it may have; past them the outcome is [`Problem::TooLarge`].
        limit: usize,
        /// The bytes of memory that each byte takes until the pull is over.
        cost: usize,
    },
    /// Keep it open where the status is 200 or 206.
    Open,
}

/// The response to an [`Ask`].
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// Those of [`HEADERS`], named in lower case, each as often as it came, or its lines joined by commas.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// The body of an [`Answered`].
#[derive(Clone, Debug)]
pub enum Body {
    /// Not taken.
    None,
    /// Read.
    Bytes {
        /// The bytes.
        bytes: Bytes,
        /// Their SHA-256, as digests are written.
        digest: Digest,
    },
    /// Open.
    Open(BodyId),
}

/// What a reference stands for in a stored repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// The digest.
    pub digest: Digest,
    /// Which reading of the repository says so; no two have the same number.
    pub reading: u64,
    /// Each manifest that the tag has, where there is one for each form, as in what Pulp 2 has published, and in a layout
    /// that was copied from there: the digest is that of one of them.
    pub variants: Vec<(Form, Digest)>,
}

/// A blob of a stored repository, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// The file.
    pub body: BodyId,
    /// Its bytes.
    pub size: u64,
    /// What is known of its digest.
    pub check: StoredCheck,
    /// Where else the repository says that it is.
    pub url: Option<String>,
}

/// What is known of the digest of a stored blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredCheck {
    /// It was checked before.
    Checked,
    /// It is to be checked, and any later change of the file would show.
    Settled,
    /// It is to be checked, and the file may change unseen.
    Changing,
}

/// What is known of a layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownLayer {
    /// The facts.
    pub facts: Option<LayerFacts>,
    /// Whether the origin has answered for it in this repository.
    pub is_seen: bool,
}

/// What has come of unpacking a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerRead {
    /// All of it was read, it has its digest, and this is what is known of it.
    Facts(LayerFacts),
    /// It has another digest.
    Corrupt,
    /// It cannot be unpacked.
    Refused {
        /// The stable code of the reason.
        code: String,
        /// The reason.
        cause: String,
    },
    /// The source broke off after so many bytes, if they can be counted.
    Broken {
        /// The bytes that came of it.
        read: Option<u64>,
    },
}

/// What has come of a pull that [reads a layer](crate::Pull::reading).
#[derive(Clone, Debug)]
pub enum Learnt {
    /// What came of reading it.
    Read(LayerReading),
    /// It could not be read to its end.
    Failed(SharedFailure),
    /// More layers wait to be read than may.
    Busy,
}

/// Why a pull does not [fill the cache](crate::Pull::filling) with a blob.
#[derive(Clone, Debug)]
pub enum NotFilled {
    /// There is no such blob.
    Missing,
    /// It is there or on its way for another repository, and it is not known whether this one has it.
    Unseen,
    /// It cannot be had now.
    Failed(SharedFailure),
    /// It has no place there: it is too large, nobody knows how large it is, or the disk is full.
    NoRoom,
}

/// A conversion, with all documents that are known by now.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// What is asked for, and by which rules.
    pub request: Arc<Request>,
    /// Where further documents are that the shell may have at hand.
    pub scope: Scope,
    /// What decides the answer.
    pub key: AnswerKey,
    /// The documents, by their digests; nothing where there is none.
    pub documents: Vec<(Digest, Option<Bytes>)>,
    /// What is known of layers, by their digests.
    pub layers: Vec<(Digest, LayerReading)>,
}

/// What came of a [`Conversion`].
#[derive(Clone, Debug)]
pub enum Converted {
    /// The answer, signed where it has to be.
    Answer(Box<Answer<'static>>),
    /// Documents and layers that it takes, and the shell does not have at hand. Signatures it has verified.
    Need(Needs),
    /// It cannot be answered.
    Refused(Refusal),
}

/// Whether somebody is one of the users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Too many logins of this client are waiting to be checked.
    ClientBusy,
    /// Too many of all clients are.
    AllBusy,
}

/// A response, and what to note of it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The response. Where its body is a blob or a part of one, [`Effect::Copy`] brings
    /// that.
    pub response: Response,
    /// Where it is a manifest, the form in which that is stored, and the one in which it is given.
    pub forms: Option<(Form, Form)>,
}

/// Bytes to send on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Where they are.
    pub body: BodyId,
    /// Where they begin in that.
    pub start: u64,
    /// How many; none where all that come are the response.
    pub length: Option<u64>,
    /// The digest of all bytes that are sent with this response, where they are a whole blob: the last of them are held back
    /// until it is known to be right. Where they are unpacked on the way it is that of the bytes before.
    pub check: Option<Digest>,
    /// What the client gets instead of them. What was unpacked of a body that broke off is not lost with it.
    pub unpack: Option<Unpack>,
}

/// What a client gets of a layer that is unpacked on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpack {
    /// Which bytes of the plain tar, each behind the one before, and what comes before and after them: one pass over the layer
    /// brings them all.
    pub parts: Parts,
    /// The digest of the plain tar, where it is sent to its end: the last bytes are held back until it is known to be right.
    pub check: Option<Digest>,
    /// Whether they are compressed with gzip again, as a coding.
    pub gzip: bool,
}

/// What came of a [`Copy`](struct@Copy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// All bytes are sent.
    All,
    /// The source broke off after so many bytes, if they can be counted.
    Broken {
        /// The bytes that came of it.
        sent: Option<u64>,
    },
    /// They have another digest; the last ones were not sent.
    Corrupt,
    /// There is nobody left to send them to.
    ClientGone,
}

/// Something that the operator has to hear of.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something failed, of which the client is not told all.
    Failure(Failure),
    /// What a tag pointed to is told, although its registry cannot be asked.
    Stale {
        /// The repository's name at the registry.
        name: String,
        /// The tag.
        tag: String,
        /// For how many seconds it may have been another one.
        age: u64,
        /// Why the registry cannot be asked.
        cause: String,
    },
}

impl Ask {
    /// All its headers, `Authorization` among them, as far as there is one.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let own = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        own.chain(self.authorization.iter().map(|header| ("authorization", header.as_str())))
    }
}

impl AskMethod {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post(_) => "POST",
        }
    }

    /// The body that is sent with it.
    #[must_use]
    pub fn form(&self) -> Option<&TokenForm> {
        match self {
            Self::Get | Self::Head => None,
            Self::Post(form) => Some(form),
        }
    }
}

impl Take {
    /// The statuses of which the body is taken.
    #[must_use]
    pub fn statuses(self) -> &'static [u16] {
        match self {
            Self::Nothing => &[],
            Self::Whole { .. } => &[200],
            Self::Open => &[200, 206],
        }
    }

    /// What to do with the body of a response that has come with `status`.
    #[must_use]
    pub fn of(self, status: u16) -> Self {
        if self.statuses().contains(&status) { self } else { Self::Nothing }
    }
}

impl Body {
    /// A body that was read.
    #[must_use]
    pub fn read(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Bytes { digest: Digest::of(&bytes), bytes }
    }
}

impl Conversion {
    /// Converts in this program, where nothing else is to be done, with what is known. `verify` says what comes of verifying
    /// the signatures of a document, and `sign` signs the bytes it is given.
    ///
    /// # Errors
    /// Those of `sign`, and [`Trouble::Internal`] if what it gives is no signature.
    pub fn run(
        &self,
        verify: impl Fn(&[u8]) -> SignatureReading,
        sign: impl FnOnce(&[u8]) -> Result<Signature, Trouble>,
    ) -> Result<Converted, Trouble> {
        let mut signatures = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let documents: Documents<'_> =
                self.documents.iter().map(|(digest, bytes)| (digest, bytes.as_deref())).collect();
            let documents = documents
                .with_layers(self.layers.iter().map(|(digest, reading)| (digest, reading)))
                .with_signatures(signatures.iter().map(|(digest, reading)| (digest, reading)));
            let unverified = match answer(&self.request, &documents) {
                Step::Need(needs) if needs.signatures.is_empty() => return Ok(Converted::Need(needs)),
                Step::Need(needs) => needs.signatures,
                Step::Refused(refusal) => return Ok(Converted::Refused(refusal)),
                Step::Done(draft) => return Ok(Converted::Answer(Box::new(draft.finish().into_owned()))),
                Step::Sign(prepared) => {
                    let signature = sign(&prepared.signing_input())?;
                    let answer = prepared.seal(signature).map_err(|_| Trouble::Internal)?;
                    return Ok(Converted::Answer(Box::new(answer)));
                }
            };
            let verified = unverified.into_iter().map(|digest| {
                let reading = verify(documents.get(&digest).ok_or(Trouble::Internal)?);
                Ok((digest, reading))
            });
            let verified: Vec<_> = verified.collect::<Result<_, Trouble>>()?;
            signatures.extend(verified);
        }
        Err(Trouble::Internal)
    }
}

impl Answered {
    /// A response with these headers, named in lower case, of which only [`HEADERS`] are kept, and no body. A length beside a
    /// transfer coding says nothing (RFC 9112, 6.3).
    pub fn new<N: AsRef<str>, V: Into<String>>(
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut is_coded = false;
        let known = |(name, value): (N, V)| {
            is_coded |= name.as_ref() == "transfer-encoding";
            let name = HEADERS.into_iter().find(|header| *header == name.as_ref())?;
            Some((name, value.into()))
        };
        let mut headers: Vec<(&'static str, String)> = headers.into_iter().filter_map(known).collect();
        headers.retain(|(name, _)| !is_coded || *name != "content-length");
        Self { status, headers, body: Body::None }
    }

    /// The first line of a header, which is named in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.lines(name).next()
    }

    /// All lines of a header.
    pub(crate) fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(header, _)| *header == name).map(|(_, value)| value.as_str())
    }

    /// `Content-Length`, if it is a number.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }
}

/// A shell that answers something else than it was asked, or has no room for it.
pub(crate) fn unexpected(done: &Done) -> PullFailure {
    match done {
        Done::Busy => Trouble::Busy.into(),
        _ => Trouble::Internal.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beside_a_transfer_coding_says_nothing() {
        let length = |headers: &[(&str, &str)]| Answered::new(200, headers.iter().copied()).length();
        let (said, coded) = (("content-length", "5"), ("transfer-encoding", "chunked"));
        assert_eq!(length(&[said]), Some(5));
        assert_eq!((length(&[said, coded]), length(&[coded, said]), length(&[coded])), (None, None, None));
    }
}
