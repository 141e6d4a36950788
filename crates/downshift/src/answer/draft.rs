//! An answer, on its way from the conversion to the client: drafted, signed where it has to be, and finished.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::record::{LayerRecord, Record};
use crate::jws::{self, Signature, Unsigned};
use crate::layer::LayerFacts;
use crate::report::{Described, LeftOut, Note, Report};
use crate::{Digest, Error, Form, Platform, Policy, SourceSignature, Timestamp};

/// An answer that lacks nothing but what follows from its digest.
///
/// To hash a manifest takes about as long as to convert it, and much longer in a sandbox than in the shell around it:
/// so that is left to the shell.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// The form of the manifest.
    pub form: Form,
    /// Its own media type, where its form has none: that of a JSON document, without parameters.
    pub media_type: Option<String>,
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
    /// What the signatures of the stored manifest prove, if this was made of schema 1.
    pub signature: Option<SourceSignature>,
    /// The policy that was followed.
    pub policy: Policy,
    /// What is odd.
    pub warnings: Vec<Note>,
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
    /// The layers that were read for it. The result names those by their diff ids that
    /// [are to be named so](LayerFacts::is_named_by_diff_id).
    pub layers: Vec<LayerFacts>,
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

    /// Whether layers had to be read for it.
    pub(super) fn has_read_layers(&self) -> bool {
        self.conversion.as_ref().is_some_and(|conversion| !conversion.layers.is_empty())
    }

    /// The answer without its body, where that is `payload` or made from it.
    fn finish_for(self, payload: &[u8]) -> Answer<'a> {
        let Self { form, media_type, digest, stored, source, platform, policy, warnings, .. } = self;
        let (signature, conversion) = (self.signature, self.conversion);
        let digest = digest.unwrap_or_else(|| Digest::of(payload));
        let by_platform = platform.is_some() || stored.form.is_index();
        let mut report = Report {
            result: Described { form, digest: digest.clone(), size: payload.len() },
            source: stored,
            policy,
            platform,
            signature,
            digest_changed: None,
            lost: Vec::new(),
            added: Vec::new(),
            left_out: Vec::new(),
            warnings,
        };
        let (mut records, mut layers) = (Vec::new(), Vec::new());
        if let Some(conversion) = conversion {
            let Conversion { name, tag, time, lost, added, left_out, children, layers: facts } = conversion;
            let facts = facts.into_iter().filter(LayerFacts::is_named_by_diff_id);
            layers.extend(facts.map(|facts| LayerRecord { name: name.clone(), facts }));
            records.push(Record {
                name,
                digest: digest.clone(),
                form: if form.is_schema1() { Form::Schema1 } else { form },
                payload: payload.to_vec(),
                source: report.source.digest.clone(),
                tag,
                platform: report.platform.clone(),
                time,
                signature: report.signature.clone(),
            });
            records.extend(children);
            report.digest_changed = Some(Report::why_changed(report.source.form, form).into());
            (report.lost, report.added, report.left_out) = (lost, added, left_out);
        }
        let body = Cow::Borrowed(&[][..]);
        Answer { form, media_type, digest, body, source, by_platform, records, layers, report }
    }
}

/// The manifest that a client gets.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// Its form, which gives the Content-Type.
    pub form: Form,
    /// Its own media type, where its form has none: that of a JSON document, without parameters.
    pub media_type: Option<String>,
    /// The digest to report: that of the body, or for schema 1 that of the payload.
    pub digest: Digest,
    /// The exact bytes.
    pub body: Cow<'a, [u8]>,
    /// The digest of the stored manifest that this was made from, where it is not that manifest itself.
    pub source: Option<Digest>,
    /// Whether the root is a list or index of several platforms, so that the answer depends on the client's too.
    pub by_platform: bool,
    /// What has to be recorded before the first byte goes out, so that every reported digest can be pulled.
    pub records: Vec<Record>,
    /// The layers that are named by their diff ids: to be recorded, too.
    pub layers: Vec<LayerRecord>,
    /// What was done.
    pub report: Report,
}

impl Answer<'_> {
    /// The same answer with a body of its own.
    #[must_use]
    pub fn into_owned(self) -> Answer<'static> {
        let Self { form, media_type, digest, body, source, by_platform, records, layers, report } = self;
        let body = Cow::Owned(body.into_owned());
        Answer { form, media_type, digest, body, source, by_platform, records, layers, report }
    }
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

    /// Whether layers had to be read for it.
    pub(super) fn has_read_layers(&self) -> bool {
        self.draft.has_read_layers()
    }

    /// The answer without its body.
    pub(super) fn finish_unsigned(self) -> Answer<'static> {
        self.draft.finish_for(self.unsigned.payload())
    }
}
