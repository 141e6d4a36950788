//! The step function: from a request and the documents at hand to an answer, or to what is still missing.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::capabilities::Choice;
use crate::config::Config;
use crate::convert::{self, Converted};
use crate::document::{Descriptor, Document, Index, Manifest};
use crate::json::Json;
use crate::jws::{self, Signature, Unsigned};
use crate::layer::Content;
use crate::report::{Described, LeftOut, Note, Report};
use crate::schema1::Schema1;
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
    /// Here it is.
    Done(Answer<'a>),
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
    answer: Answer<'static>,
}

impl Prepared {
    /// Puts a prepared manifest together again after it crossed a boundary in [parts](Self::into_parts).
    ///
    /// # Errors
    /// [`Error::InvalidSignature`] if `payload` is no object with members.
    pub fn new(payload: Vec<u8>, time: Timestamp, answer: Answer<'static>) -> Result<Self, Error> {
        Ok(Self { unsigned: jws::prepare_object(payload, time)?, time, answer })
    }

    /// The bytes to sign: the protected header, a dot, and the payload, both in base64url.
    #[must_use]
    pub fn signing_input(&self) -> Vec<u8> {
        self.unsigned.signing_input()
    }

    /// The payload, the time in the protected header, and the answer as it will be, but with an empty body.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Timestamp, Answer<'static>) {
        (self.unsigned.into_payload(), self.time, self.answer)
    }

    /// Puts the signature into the document.
    ///
    /// # Errors
    /// [`Error::SignatureLength`] if the signature does not have the length of its algorithm.
    pub fn seal(self, signature: Signature) -> Result<Answer<'static>, Error> {
        let body = self.unsigned.seal(&[signature])?;
        Ok(Answer { body: Cow::Owned(body), ..self.answer })
    }
}

/// Answers a request as far as the documents at hand allow.
///
/// Pure: the same input gives the same step. A shell calls it, fetches what it needs, and calls it again, at most
/// [`MAX_ROUNDS`] times.
#[must_use]
pub fn answer<'a>(request: &Request, documents: &Documents<'a>) -> Step<'a> {
    let desk = Desk { request, client: &request.client, documents };
    let step = match &request.root {
        Root::Tag { name, tag, digest } => desk.by_tag(&Target { name, tag }, digest),
        Root::Digest { name, digest, tag, record } => {
            let target = Target { name, tag: tag.as_deref().unwrap_or_default() };
            desk.by_digest(&target, digest, record.as_deref())
        }
    };
    step.unwrap_or_else(|stop| match stop {
        Stop::Need(needs) => Step::Need(needs),
        Stop::Refused(error) => Step::Refused(Refusal { failure: error.into(), records: Vec::new() }),
    })
}

/// Why there is no answer yet, or none at all. It lets the code below read as if every document were at hand.
enum Stop {
    Need(Vec<Need>),
    Refused(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The repository and tag that schema 1 is made for.
struct Target<'t> {
    name: &'t str,
    tag: &'t str,
}

/// A stored manifest, on its way to the client.
struct Found<'f> {
    digest: &'f Digest,
    /// The platform, if it was picked from a list or index.
    platform: Option<&'f Platform>,
}

/// What a conversion made of a stored manifest.
struct Made {
    form: Form,
    bytes: Vec<u8>,
    lost: Vec<Note>,
    added: Vec<Note>,
    left_out: Vec<LeftOut>,
    time: Option<Timestamp>,
}

/// Where a request is worked on.
#[derive(Clone, Copy)]
struct Desk<'d, 'a> {
    request: &'d Request,
    client: &'d Capabilities,
    documents: &'d Documents<'a>,
}

impl<'a> Desk<'_, 'a> {
    fn by_tag(self, target: &Target<'_>, digest: &Digest) -> Result<Step<'a>, Stop> {
        let bytes = self.fetch(&Need::manifest(digest))?;
        let found = Found { digest, platform: None };
        match Document::parse(bytes, &self.request.limits)? {
            Document::Index(index) => match self.client.choose(index.form)? {
                Choice::Stored => Ok(self.stored(&found, index.form, bytes)),
                Choice::Convert(form) if index.entries.len() <= self.request.limits.converted_children => {
                    self.converted_index(target, &found, bytes, &index, form)
                }
                Choice::Convert(_) | Choice::PickPlatform => self.picked(target, &index),
            },
            document => self.single(target, &found, bytes, &document),
        }
    }

    /// Rule 5: the bytes of that digest, whatever the client accepts. Only engines that would fail on them without
    /// saying why get an error, which names the digest that they can pull.
    fn by_digest(
        self,
        target: &Target<'_>,
        digest: &Digest,
        record: Option<&Record>,
    ) -> Result<Step<'a>, Stop> {
        if let Some(record) = record {
            return match record.form {
                Form::Schema1 | Form::Schema1Unsigned => self.recorded_schema1(record),
                form if self.client.is_schema1_engine() => {
                    self.unreadable(target, digest, form, &record.source)
                }
                _ => Ok(Step::Done(self.recorded(record))),
            };
        }
        let bytes = self.fetch(&Need::manifest(digest))?;
        let document = Document::parse(bytes, &self.request.limits)?;
        let found = Found { digest, platform: None };
        match &document {
            Document::Schema1(schema1) => self.stored_schema1(&found, bytes, schema1),
            _ if self.client.is_schema1_engine() => self.unreadable(target, digest, document.form(), digest),
            _ => Ok(self.stored(&found, document.form(), bytes)),
        }
    }

    /// Refuses a digest, and makes and records the schema 1 manifest that can be pulled instead.
    fn unreadable(
        self,
        target: &Target<'_>,
        digest: &Digest,
        form: Form,
        source: &Digest,
    ) -> Result<Step<'a>, Stop> {
        let mut client = Capabilities::of(&[Form::Schema1]);
        if let Some(platform) = self.client.platform() {
            client = client.with_platform(platform.clone());
        }
        let desk = Desk { client: &client, request: self.request, documents: self.documents };
        let answer = match desk.by_tag(target, source)? {
            Step::Sign(prepared) => prepared.answer,
            Step::Done(answer) => answer,
            step @ (Step::Need(_) | Step::Refused(_)) => return Ok(step),
        };
        let error = Error::UnreadableDigest { digest: digest.clone(), form, instead: answer.digest };
        Ok(Step::Refused(Refusal { failure: error.into(), records: answer.records }))
    }

    /// Picks the manifest of the client's platform.
    fn picked(self, target: &Target<'_>, index: &Index) -> Result<Step<'a>, Stop> {
        let platform = self.platform();
        let runs = |entry: &&Descriptor| entry.plain_platform().is_some_and(|own| platform.accepts(own));
        let entry = index.entries.iter().filter(|entry| !entry.is_attestation).find(runs);
        let entry = entry.ok_or_else(|| Error::PlatformMissing {
            platform: platform.to_string(),
            available: index.platforms(),
        })?;
        let bytes = self.fetch(&Need::entry(entry))?;
        let found = Found { digest: &entry.digest, platform: entry.plain_platform() };
        match Document::parse(bytes, &self.request.limits)? {
            Document::Index(_) => Err(Error::NestedIndex { digest: entry.digest.clone() }.into()),
            document => self.single(target, &found, bytes, &document),
        }
    }

    /// The platform to pick. The reference knows only one.
    fn platform(self) -> Platform {
        let own = self.client.platform().filter(|_| self.request.policy.is_strict());
        match self.request.policy {
            Policy::Strict => own.unwrap_or(&self.request.default_platform).clone(),
            Policy::Reference => Platform::linux_amd64(),
        }
    }

    /// Answers with a manifest that is no list, in the form that the client understands.
    fn single(
        self,
        target: &Target<'_>,
        found: &Found<'_>,
        bytes: &'a [u8],
        document: &Document<'a>,
    ) -> Result<Step<'a>, Stop> {
        let manifest = match document {
            Document::Schema1(schema1) => return self.stored_schema1(found, bytes, schema1),
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => return Ok(self.stored(found, document.form(), bytes)),
        };
        let form = match self.client.choose(manifest.form)? {
            Choice::Convert(form) => form,
            Choice::Stored | Choice::PickPlatform => return Ok(self.stored(found, manifest.form, bytes)),
        };
        let made = match Content::of(manifest) {
            // An artifact has one form only: whoever takes anything gets it in that.
            Content::Artifact(_) if self.client.takes_any() => {
                return Ok(self.stored(found, manifest.form, bytes));
            }
            _ => self.convert(target, manifest, form)?,
        };
        self.converted(target, found, manifest.form, bytes.len(), made)
    }

    /// Converts a manifest.
    fn convert(self, target: &Target<'_>, manifest: &Manifest, form: Form) -> Result<Made, Stop> {
        let Request { policy, limits, .. } = self.request;
        // The reference looks at no media type on the way to schema 1.
        let looks_at_types = policy.is_strict() || manifest.form == Form::Oci || !form.is_schema1();
        match Content::of(manifest) {
            Content::Artifact(error) if looks_at_types => return Err(error.into()),
            Content::ImageIfConfigIs if !form.is_schema1() => self.check_config(manifest)?,
            _ => {}
        }
        let (bytes, lost, added, time) = match form {
            Form::Schema1 | Form::Schema1Unsigned => {
                let config = self.fetch(&Need::blob(&manifest.config))?;
                let source = convert::Source { name: target.name, tag: target.tag, manifest, config };
                let payload = convert::to_schema1(&source, *policy, limits)?;
                (payload.bytes, payload.lost, payload.added, Some(self.request.time.unwrap_or(payload.time)))
            }
            Form::Oci => {
                let Converted { bytes, lost } = convert::to_oci(manifest, limits)?;
                (bytes, lost, Vec::new(), None)
            }
            Form::Schema2 => {
                let Converted { bytes, lost } = convert::to_schema2(manifest, limits)?;
                (bytes, lost, Vec::new(), None)
            }
            Form::List | Form::Index => {
                return Err(Error::NoConversion { from: manifest.form, to: form }.into());
            }
        };
        Ok(Made { form, bytes, lost, added, left_out: Vec::new(), time })
    }

    /// Checks that a manifest whose config has no telling type is of an image.
    fn check_config(self, manifest: &Manifest) -> Result<(), Stop> {
        let Request { policy, limits, .. } = self.request;
        let config = self.fetch(&Need::blob(&manifest.config))?;
        let json = Json::parse("config", config, limits)?;
        let is_image = Config::read(&json, *policy, limits)?.rootfs.is_some();
        let media_type = || manifest.config.media_type.clone();
        if is_image { Ok(()) } else { Err(Error::Artifact { media_type: media_type() }.into()) }
    }

    /// Converts a list or index and the manifests in it. What cannot be converted is left out.
    fn converted_index(
        self,
        target: &Target<'_>,
        found: &Found<'_>,
        bytes: &[u8],
        index: &Index,
        form: Form,
    ) -> Result<Step<'a>, Stop> {
        let mut needs = Vec::new();
        let mut children = Vec::new();
        let mut left_out = Vec::new();
        let mut refusals: Vec<(Option<&Platform>, Error)> = Vec::new();
        for entry in &index.entries {
            let platform = entry.plain_platform();
            let leave = |code: &'static str| LeftOut {
                digest: entry.digest.clone(),
                platform: platform.cloned(),
                code: code.into(),
            };
            match (entry.is_attestation, platform) {
                (true, _) => left_out.push(leave("attestation")),
                (false, None) => left_out.push(leave("no-platform")),
                (false, Some(platform)) => match self.child(target, entry, index.form, form) {
                    Ok(child) => children.push(child),
                    Err(Stop::Need(more)) => {
                        for need in more {
                            // One manifest may be listed for several platforms.
                            if !needs.contains(&need) {
                                needs.push(need);
                            }
                        }
                    }
                    Err(Stop::Refused(error)) => {
                        left_out.push(leave(error.code()));
                        refusals.push((Some(platform), error));
                    }
                },
            }
        }
        if !needs.is_empty() {
            return Err(Stop::Need(needs));
        }
        // A client that says its platform must find it; to others a list without theirs is worth having.
        let asked = self.client.platform().filter(|_| self.request.policy.is_strict());
        if let Some(asked) = asked
            && !children
                .iter()
                .any(|child| child.entry.plain_platform().is_some_and(|own| asked.accepts(own)))
        {
            let refusal = refusals.into_iter().find(|(own, _)| own.is_some_and(|own| asked.accepts(own)));
            let missing =
                || Error::PlatformMissing { platform: asked.to_string(), available: index.platforms() };
            return Err(refusal.map_or_else(missing, |(_, error)| error).into());
        }
        if children.is_empty() {
            let first = refusals.first().map_or("no-platform", |(_, error)| error.code());
            return Err(Error::ChildrenRefused { entries: index.entries.len(), first }.into());
        }

        let entries: Vec<convert::Entry<'_>> = children.iter().map(Child::entry).collect();
        let limits = &self.request.limits;
        let Converted { bytes: converted, mut lost } = match form {
            Form::List => convert::to_list(index, &entries, limits)?,
            _ => convert::to_index(index, &entries, limits)?,
        };
        lost.extend(children.iter().flat_map(Child::lost));
        let made = Made { form, bytes: converted, lost, added: Vec::new(), left_out, time: None };
        let step = self.converted(target, found, index.form, bytes.len(), made)?;
        let records = children.into_iter().filter_map(|child| child.into_record(target));
        Ok(match step {
            Step::Done(mut answer) => {
                answer.records.extend(records);
                Step::Done(answer)
            }
            step => step,
        })
    }

    /// A manifest of a list or index, converted with it.
    fn child<'e>(
        self,
        target: &Target<'_>,
        entry: &'e Descriptor,
        from: Form,
        to: Form,
    ) -> Result<Child<'e>, Stop> {
        let form = if to == Form::List { Form::Schema2 } else { Form::Oci };
        let bytes = self.fetch(&Need::entry(entry))?;
        let made = match Document::parse(bytes, &self.request.limits)? {
            Document::Manifest(manifest) if manifest.form == form => None,
            Document::Manifest(manifest) => Some(self.convert(target, &manifest, form)?),
            Document::Index(_) => return Err(Error::NestedIndex { digest: entry.digest.clone() }.into()),
            Document::Schema1(_) => return Err(Error::NoConversion { from, to }.into()),
        };
        let digest = made.as_ref().map_or_else(|| entry.digest.clone(), |made| Digest::of(&made.bytes));
        Ok(Child { entry, form, digest, made })
    }

    /// The step for what a conversion made: done, or to be signed.
    fn converted(
        self,
        target: &Target<'_>,
        found: &Found<'_>,
        stored: Form,
        stored_size: usize,
        made: Made,
    ) -> Result<Step<'a>, Stop> {
        let digest = Digest::of(&made.bytes);
        let report = Report {
            source: Described { form: stored, digest: found.digest.clone(), size: stored_size },
            result: Described { form: made.form, digest: digest.clone(), size: made.bytes.len() },
            policy: self.request.policy,
            platform: found.platform.cloned(),
            digest_changed: Some(why_changed(made.form).into()),
            lost: made.lost,
            added: made.added,
            left_out: made.left_out,
        };
        let record = Record {
            name: target.name.to_string(),
            digest: digest.clone(),
            form: if made.form.is_schema1() { Form::Schema1 } else { made.form },
            payload: made.bytes.clone(),
            source: found.digest.clone(),
            tag: Some(target.tag.to_string()).filter(|tag| !tag.is_empty()),
            platform: found.platform.cloned(),
            time: made.time,
        };
        let answer = Answer {
            form: made.form,
            digest,
            body: Cow::Borrowed(&[]),
            source: Some(found.digest.clone()),
            by_platform: found.platform.is_some() || stored.is_index(),
            records: alloc::vec![record],
            report,
        };
        finish(answer, made.bytes, made.time)
    }

    /// The step for a manifest that goes out as it is stored.
    fn stored(self, found: &Found<'_>, form: Form, bytes: &'a [u8]) -> Step<'a> {
        Step::Done(self.stored_answer(found, form, found.digest.clone(), Cow::Borrowed(bytes)))
    }

    fn stored_answer<'b>(
        self,
        found: &Found<'_>,
        form: Form,
        digest: Digest,
        body: Cow<'b, [u8]>,
    ) -> Answer<'b> {
        let described = |digest: &Digest| Described { form, digest: digest.clone(), size: body.len() };
        let report = Report {
            source: described(found.digest),
            result: described(&digest),
            policy: self.request.policy,
            platform: found.platform.cloned(),
            digest_changed: None,
            lost: Vec::new(),
            added: Vec::new(),
            left_out: Vec::new(),
        };
        Answer {
            form,
            digest,
            body,
            source: None,
            by_platform: found.platform.is_some() || form.is_index(),
            records: Vec::new(),
            report,
        }
    }

    /// Stored schema 1 goes out as it is. One without a signature gets one, unless the client says that it takes it so,
    /// for most engines refuse it; by tag it is reported under the digest of its payload, which is what engines compute.
    fn stored_schema1(
        self,
        found: &Found<'_>,
        bytes: &'a [u8],
        schema1: &Schema1<'a>,
    ) -> Result<Step<'a>, Stop> {
        let digest = match self.request.root {
            Root::Tag { .. } => schema1.digest(),
            Root::Digest { .. } => found.digest.clone(),
        };
        let stored = if schema1.is_signed() { Form::Schema1 } else { Form::Schema1Unsigned };
        if self.client.names(stored) || self.client.schema1_form() == stored {
            let answer = self.stored_answer(found, stored, digest, Cow::Borrowed(bytes));
            return Ok(Step::Done(answer));
        }
        let payload = schema1.payload().to_vec();
        let answer = self.stored_answer(found, self.client.schema1_form(), digest, Cow::Borrowed(&[]));
        let time = self.request.time.unwrap_or_else(|| schema1.time(&self.request.limits));
        finish(answer, payload, Some(time))
    }

    /// A recorded schema 1 manifest: the payload, signed as it was when it was reported.
    fn recorded_schema1(self, record: &Record) -> Result<Step<'a>, Stop> {
        let mut answer = self.recorded(record);
        answer.form = self.client.schema1_form();
        finish(answer, record.payload.clone(), self.request.time.or(record.time))
    }

    /// A recorded manifest of any other form.
    fn recorded(self, record: &Record) -> Answer<'static> {
        let found = Found { digest: &record.digest, platform: record.platform.as_ref() };
        let body = Cow::Owned(record.payload.clone());
        let answer = self.stored_answer(&found, record.form, record.digest.clone(), body);
        Answer { source: Some(record.source.clone()), ..answer }
    }

    fn fetch(self, need: &Need) -> Result<&'a [u8], Stop> {
        match self.documents.get(&need.digest) {
            Some(bytes) => Ok(bytes),
            None if self.documents.is_missing(&need.digest) => {
                Err(Error::MissingDocument { digest: need.digest.clone() }.into())
            }
            None => Err(Stop::Need(alloc::vec![need.clone()])),
        }
    }
}

impl Need {
    fn manifest(digest: &Digest) -> Self {
        Self { digest: digest.clone(), size: None, media_type: None, kind: NeedKind::Manifest }
    }

    fn entry(entry: &Descriptor) -> Self {
        Self { kind: NeedKind::Manifest, ..Self::blob(entry) }
    }

    fn blob(descriptor: &Descriptor) -> Self {
        Self {
            digest: descriptor.digest.clone(),
            size: Some(descriptor.size),
            media_type: Some(descriptor.media_type.clone()).filter(|media_type| !media_type.is_empty()),
            kind: NeedKind::Blob,
        }
    }
}

/// A manifest that goes into a converted list or index.
struct Child<'e> {
    entry: &'e Descriptor,
    form: Form,
    digest: Digest,
    /// Nothing if it has the right form already.
    made: Option<Made>,
}

impl Child<'_> {
    fn entry(&self) -> convert::Entry<'_> {
        let size = self.made.as_ref().map_or(self.entry.size, |made| made.bytes.len() as u64);
        convert::Entry { descriptor: self.entry, form: self.form, digest: self.digest.clone(), size }
    }

    fn lost(&self) -> impl Iterator<Item = Note> + '_ {
        let lost = self.made.iter().flat_map(|made| &made.lost);
        lost.map(|lost| Note {
            code: lost.code.clone(),
            path: format!("manifests[{}].{}", self.entry.digest, lost.path),
        })
    }

    fn into_record(self, target: &Target<'_>) -> Option<Record> {
        Some(Record {
            name: target.name.to_string(),
            digest: self.digest,
            form: self.form,
            payload: self.made?.bytes,
            source: self.entry.digest.clone(),
            tag: None,
            platform: self.entry.plain_platform().cloned(),
            time: None,
        })
    }
}

/// Gives an answer its body. Schema 1 has to be signed first, unless the client wants it unsigned.
fn finish<'a>(answer: Answer<'static>, bytes: Vec<u8>, time: Option<Timestamp>) -> Result<Step<'a>, Stop> {
    if answer.form != Form::Schema1 {
        return Ok(Step::Done(Answer { body: Cow::Owned(bytes), ..answer }));
    }
    Ok(Step::Sign(Prepared::new(bytes, time.unwrap_or_default(), answer)?))
}

fn why_changed(form: Form) -> &'static str {
    match form {
        Form::Schema1 | Form::Schema1Unsigned => {
            "schema 1 is another document; its digest is of the payload without signatures, which holds the repository's name and the tag"
        }
        Form::Schema2 | Form::Oci => "the media types inside the manifest are part of its bytes",
        Form::List | Form::Index => {
            "the media types inside the list, and the digests of the manifests converted with it, are part of its bytes"
        }
    }
}
