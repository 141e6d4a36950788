//! The step function: from a request and the documents at hand to an answer, or to what is still missing.

mod desk;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use self::desk::{Desk, Stop};
use crate::jws::{self, Signature, Unsigned};
use crate::report::{Described, LeftOut, Note, Report};
use crate::{Capabilities, Digest, Error, Failure, Form, Limits, Platform, Policy, Timestamp};

/// How often a shell calls [`answer`] for one request at the most: for the root, for what it lists, for a config, and
/// once when all is there.
pub const MAX_ROUNDS: usize = 4;

/// One request for a manifest.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub root: Root,
    /// What the client understands.
    pub client: Capabilities,
    /// What to do where the reference would lose something.
    pub policy: Policy,
    /// The platform for clients that do not say theirs.
    pub default_platform: Platform,
    /// The time to sign with; without one it is taken from the image.
    pub time: Option<Timestamp>,
    /// How much to take in and give out.
    pub limits: Limits,
}

/// What is asked for. Looking up tags and records is the shell's.
#[derive(Clone, Debug)]
pub enum Root {
    /// A tag.
    Tag {
        /// The repository's name. It is written into schema 1.
        name: String,
        /// The tag. It is written into schema 1.
        tag: String,
        /// The digest that the tag points to.
        digest: Digest,
    },
    /// A digest.
    Digest {
        /// The repository's name.
        name: String,
        /// The digest as requested.
        digest: Digest,
        /// A tag that points to that digest, if the shell knows one.
        tag: Option<String>,
        /// What was recorded when this digest was reported, if it was.
        record: Option<Box<Record>>,
    },
}

impl Root {
    /// The digest of the manifest that is asked for.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Tag { digest, .. } | Self::Digest { digest, .. } => digest,
        }
    }

    /// The repository's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Tag { name, .. } | Self::Digest { name, .. } => name,
        }
    }

    /// The tag, if there is one that points to the digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        let tag = match self {
            Self::Tag { tag, .. } => Some(tag),
            Self::Digest { tag, .. } => tag.as_ref(),
        };
        tag.map(String::as_str).filter(|tag| !tag.is_empty())
    }
}

/// What the shell has found of the documents that were needed, by digest: their bytes, or that there is no such
/// document.
///
/// The shell has checked the bytes against their digest, and their size where that is known.
#[derive(Clone, Debug, Default)]
pub struct Documents<'a>(Vec<(&'a Digest, Option<&'a [u8]>)>);

impl<'a> Documents<'a> {
    /// The bytes of the document with `digest`, if they are at hand.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == digest).and_then(|(_, bytes)| bytes)
    }

    /// What was found.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Digest, Option<&'a [u8]>)> + '_ {
        self.0.iter().copied()
    }

    fn is_missing(&self, digest: &Digest) -> bool {
        self.iter().any(|(found, bytes)| found == digest && bytes.is_none())
    }
}

impl<'a> FromIterator<(&'a Digest, Option<&'a [u8]>)> for Documents<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a Digest, Option<&'a [u8]>)>>(documents: I) -> Self {
        Self(documents.into_iter().collect())
    }
}

/// What comes next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Fetch these documents, and ask again with them.
    Need(Vec<Need>),
    /// Sign [`Prepared::signing_input`], and [`Prepared::seal`] the answer with it.
    Sign(Prepared),
    /// [`Draft::finish`] it.
    Done(Draft<'a>),
    /// It cannot be answered.
    Refused(Refusal),
}

/// A document that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes, where a descriptor says so.
    pub size: Option<u64>,
    /// Its media type, where a descriptor says so.
    pub media_type: Option<String>,
    /// Where it is found.
    pub kind: NeedKind,
}

/// Where a needed document is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedKind {
    /// Among the repository's manifests.
    Manifest,
    /// Among its blobs.
    Blob,
}

/// An answer that lacks nothing but what follows from its digest.
///
/// To hash a manifest takes about as long as to convert it, and much longer in a sandbox than in the shell around it:
/// so that is left to the shell.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// The form of the manifest.
    pub form: Form,
    /// Its exact bytes: for signed schema 1 the payload.
    pub body: Cow<'a, [u8]>,
    /// The digest to report, where it is known without hashing the body.
    pub digest: Option<Digest>,
    /// The manifest that was found.
    pub stored: Described,
    /// The digest of the stored manifest that this was made from, where it is not that manifest itself.
    pub source: Option<Digest>,
    /// The platform, where it was picked from a list or index.
    pub platform: Option<Platform>,
    /// The policy that was followed.
    pub policy: Policy,
    /// What was done, if the manifest was converted now.
    pub conversion: Option<Conversion>,
}

/// What was done to convert a manifest.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The repository's name.
    pub name: String,
    /// The tag that it was made for, if there is one.
    pub tag: Option<String>,
    /// The time that goes into the signature.
    pub time: Option<Timestamp>,
    /// What the result does not have any more.
    pub lost: Vec<Note>,
    /// What the result has and the source had not.
    pub added: Vec<Note>,
    /// Entries of a list or index that were left out.
    pub left_out: Vec<LeftOut>,
    /// The manifests that were converted with it.
    pub children: Vec<Record>,
}

impl<'a> Draft<'a> {
    /// The answer, with its digest, and with the records and the report that follow from that.
    #[must_use]
    pub fn finish(mut self) -> Answer<'a> {
        let body = core::mem::take(&mut self.body);
        let mut answer = self.finish_for(&body);
        answer.body = body;
        answer
    }

    /// The answer without its body, where that is `payload` or made from it.
    fn finish_for(self, payload: &[u8]) -> Answer<'a> {
        let Self { form, digest, stored, source, platform, policy, conversion, .. } = self;
        let digest = digest.unwrap_or_else(|| Digest::of(payload));
        let by_platform = platform.is_some() || stored.form.is_index();
        let mut report = Report {
            result: Described { form, digest: digest.clone(), size: payload.len() },
            source: stored,
            policy,
            platform,
            digest_changed: None,
            lost: Vec::new(),
            added: Vec::new(),
            left_out: Vec::new(),
        };
        let mut records = Vec::new();
        if let Some(Conversion { name, tag, time, lost, added, left_out, children }) = conversion {
            records.push(Record {
                name,
                digest: digest.clone(),
                form: if form.is_schema1() { Form::Schema1 } else { form },
                payload: payload.to_vec(),
                source: report.source.digest.clone(),
                tag,
                platform: report.platform.clone(),
                time,
            });
            records.extend(children);
            report.digest_changed = Some(Report::why_changed(form).into());
            (report.lost, report.added, report.left_out) = (lost, added, left_out);
        }
        Answer { form, digest, body: Cow::Borrowed(&[]), source, by_platform, records, report }
    }
}

/// The manifest that a client gets.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// Its form, which gives the Content-Type.
    pub form: Form,
    /// The digest to report: that of the body, or for schema 1 that of the payload.
    pub digest: Digest,
    /// The exact bytes.
    pub body: Cow<'a, [u8]>,
    /// The digest of the stored manifest that this was made from, where it is not that manifest itself.
    pub source: Option<Digest>,
    /// Whether the root is a list or index, so that the answer depends on the client's platform too.
    pub by_platform: bool,
    /// What has to be recorded before the first byte goes out, so that every reported digest can be pulled.
    pub records: Vec<Record>,
    /// What was done.
    pub report: Report,
}

impl Answer<'_> {
    /// The same answer with a body of its own.
    #[must_use]
    pub fn into_owned(self) -> Answer<'static> {
        let Self { form, digest, body, source, by_platform, records, report } = self;
        let body = Cow::Owned(body.into_owned());
        Answer { form, digest, body, source, by_platform, records, report }
    }
}

/// Why a request was not answered.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The reason.
    pub failure: Failure,
    /// What has to be recorded before the error goes out: an error may name a digest to pull instead.
    pub records: Vec<Record>,
}

/// A converted manifest under the digest that was reported for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The repository's name.
    pub name: String,
    /// The reported digest: that of `payload`.
    pub digest: Digest,
    /// The form that it was converted to.
    pub form: Form,
    /// The bytes: for schema 1 the payload, without signatures.
    pub payload: Vec<u8>,
    /// The digest of the stored manifest that it was made from.
    pub source: Digest,
    /// The tag that was asked for, if it was a tag.
    pub tag: Option<String>,
    /// The platform, where it was picked from a list or index.
    pub platform: Option<Platform>,
    /// The time that goes into the signature.
    pub time: Option<Timestamp>,
}

/// A schema 1 manifest that waits for its signature.
#[derive(Clone, Debug)]
pub struct Prepared {
    unsigned: Unsigned,
    time: Timestamp,
    /// The answer, but for its body, which is empty.
    draft: Draft<'static>,
}

impl Prepared {
    /// Puts a prepared manifest together again after it crossed a boundary in [parts](Self::into_parts).
    ///
    /// # Errors
    /// [`Error::InvalidSignature`] if `payload` is no object with members.
    pub fn new(payload: Vec<u8>, time: Timestamp, draft: Draft<'static>) -> Result<Self, Box<Error>> {
        Ok(Self { unsigned: jws::prepare_object(payload, time)?, time, draft })
    }

    /// The bytes to sign: the protected header, a dot, and the payload, both in base64url.
    #[must_use]
    pub fn signing_input(&self) -> Vec<u8> {
        self.unsigned.signing_input()
    }

    /// The payload, the time in the protected header, and the answer as it will be, but with an empty body.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Timestamp, Draft<'static>) {
        (self.unsigned.into_payload(), self.time, self.draft)
    }

    /// Puts the signature into the document.
    ///
    /// # Errors
    /// [`Error::SignatureLength`] if the signature does not have the length of its algorithm.
    pub fn seal(self, signature: Signature) -> Result<Answer<'static>, Box<Error>> {
        let body = self.unsigned.seal(&[signature])?;
        let mut answer = self.draft.finish_for(self.unsigned.payload());
        answer.body = Cow::Owned(body);
        Ok(answer)
    }

    /// The answer without its body.
    fn finish_unsigned(self) -> Answer<'static> {
        self.draft.finish_for(self.unsigned.payload())
    }
}

/// Answers a request as far as the documents at hand allow.
///
/// Pure: the same input gives the same step. A shell calls it, fetches what it needs, and calls it again, at most
/// [`MAX_ROUNDS`] times.
#[must_use]
pub fn answer<'a>(request: &Request, documents: &Documents<'a>) -> Step<'a> {
    Desk::new(request, documents).step().unwrap_or_else(|stop| match stop {
        Stop::Need(needs) => Step::Need(needs),
        Stop::Refused(error) => Step::Refused(Refusal { failure: error.into(), records: Vec::new() }),
    })
}
