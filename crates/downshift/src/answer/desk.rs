//! How a request is answered: what is fetched, chosen, converted and reported.

mod flattening;
mod plain;
mod selection;
mod upgrade;
mod warnings;
mod zstd;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use self::flattening::FlatteningNotes;
use self::warnings::{warn_of_size, warning};
use self::zstd::zstd_layer;
use super::documents::Documents;
use super::draft::{Conversion, Draft, Prepared};
use super::need::{Need, Needs};
use super::platform_order::{first_of_architecture, fitting, with_general_first};
use super::record::Record;
use super::request::{Request, Root};
use super::step::{Refusal, Step};
use crate::capabilities::{Choice, ZstdSupport};
use crate::config::Config;
use crate::convert::{self, Rewrite};
use crate::document::{Descriptor, Document, Index, Manifest};
use crate::layer::{Content, LayerFacts};
use crate::opaque::Opaque;
use crate::report::{Described, LeftOut, Note};
use crate::schema1::Schema1;
use crate::{
    Capabilities, Digest, Error, Form, Permission, PlainLayers, Platform, SourceSignature, Timestamp,
    Unreadable,
};

/// How deep lists and indexes may be in each other. One in another is what BuildKit's layouts and some release tools
/// push; nobody is known to push more.
pub(super) const MAX_NESTING: usize = 3;

/// Why there is no answer yet, or none at all. It lets the code below read as if every document were at hand.
pub(super) enum Stop {
    Need(Needs),
    Refused(Box<Error>),
}

impl From<Box<Error>> for Stop {
    fn from(error: Box<Error>) -> Self {
        Self::Refused(error)
    }
}

impl From<Box<downshift_json::Error>> for Stop {
    fn from(error: Box<downshift_json::Error>) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error.into())
    }
}

/// The repository and tag that schema 1 is made for.
struct Target<'t> {
    name: &'t str,
    tag: &'t str,
}

/// A stored manifest, on its way to the client.
struct StoredManifest<'f> {
    digest: &'f Digest,
    /// The platform, if it was picked from a list or index.
    platform: Option<&'f Platform>,
    /// What is odd about how it was found.
    warnings: Vec<Note>,
}

impl<'f> StoredManifest<'f> {
    /// The same, as the answer for one platform.
    fn decided_by<'p>(&self, platform: Option<&'p Platform>) -> StoredManifest<'p>
    where
        'f: 'p,
    {
        StoredManifest { digest: self.digest, platform, warnings: self.warnings.clone() }
    }
}

/// What a client gets of a list or index.
pub(super) struct Picked<'a> {
    pub(super) step: Step<'a>,
    /// The platform of the entry.
    pub(super) platform: Option<Platform>,
    /// The form that it was converted to.
    pub(super) made: Option<Form>,
    /// Whether it has plain layers in the place of others.
    pub(super) is_plain: bool,
    /// Whether that is the entry which the client's engine would pick by itself.
    pub(super) is_by_engine: bool,
}

/// What a conversion made of a stored manifest.
struct ConversionResult {
    form: Form,
    bytes: Vec<u8>,
    lost: Vec<Note>,
    added: Vec<Note>,
    left_out: Vec<LeftOut>,
    warnings: Vec<Note>,
    time: Option<Timestamp>,
    /// What the signatures of the stored manifest prove, if that is schema 1.
    signature: Option<SourceSignature>,
    /// The manifests that were converted with it.
    records: Vec<Record>,
    /// The layers that were read for it.
    layers: Vec<LayerFacts>,
}

impl ConversionResult {
    /// One that says nothing but its bytes.
    fn new(form: Form, bytes: Vec<u8>) -> Self {
        Self {
            form,
            bytes,
            lost: Vec::new(),
            added: Vec::new(),
            left_out: Vec::new(),
            warnings: Vec::new(),
            time: None,
            signature: None,
            records: Vec::new(),
            layers: Vec::new(),
        }
    }
}

/// Where a request is worked on.
#[derive(Clone, Copy)]
pub(super) struct Desk<'d, 'a> {
    request: &'d Request,
    client: &'d Capabilities,
    documents: &'d Documents<'a>,
    plain_layers: PlainLayers,
    /// Whether what would have plain layers is refused for now, as there may be something else that can be read as it is.
    defers_plain: bool,
}

impl<'d, 'a> Desk<'d, 'a> {
    pub(super) fn new(request: &'d Request, documents: &'d Documents<'a>) -> Self {
        let (client, plain_layers) = (&request.client, request.plain_layers);
        Self { request, client, documents, plain_layers, defers_plain: false }
    }

    pub(super) fn step(self) -> Result<Step<'a>, Stop> {
        match &self.request.root {
            Root::Tag { name, tag, digest } => self.by_tag(&Target { name, tag }, digest),
            Root::Digest { name, digest, tag, record } => {
                let target = Target { name, tag: tag.as_deref().unwrap_or_default() };
                self.by_digest(&target, digest, record.as_deref())
            }
        }
    }

    fn by_tag(self, target: &Target<'_>, digest: &Digest) -> Result<Step<'a>, Stop> {
        let bytes = self.root(digest)?;
        let found = StoredManifest { digest, platform: None, warnings: Vec::new() };
        let document = match self.read(bytes)? {
            Ok(document) => document,
            Err(opaque) => return self.opaque(&found, bytes, opaque),
        };
        match document {
            Document::Index(index) => self.index(target, &found, bytes, index),
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
        // A config is not a manifest, even if its digest is asked for as one.
        if let Some(record) = record.filter(|record| !record.is_config()) {
            return match record.form {
                form if self.is_known_not_to_read(form) => {
                    self.unreadable(target, digest, Unreadable::Form(form), &record.source)
                }
                Form::Schema1 | Form::Schema1Unsigned => self.recorded_schema1(record),
                _ => match Document::parse(&record.payload, &self.request.limits) {
                    Ok(document) if self.is_known_not_to_read_layers(&document) => {
                        self.unreadable(target, digest, Unreadable::Zstd, &record.source)
                    }
                    _ => finish(self.recorded(record), record.payload.clone(), None),
                },
            };
        }
        let bytes = self.root(digest)?;
        let found = StoredManifest { digest, platform: None, warnings: Vec::new() };
        let document = match self.read(bytes)? {
            Ok(document) => document,
            Err(opaque) if self.client.is_schema1_engine() || self.client.cannot_read(opaque.form) => {
                return Err(opaque.into_refusal().into());
            }
            Err(opaque) => return Ok(self.passed(&found, bytes, opaque)),
        };
        if let Document::Schema1(schema1) = &document {
            return match document.form() {
                form if self.is_known_not_to_read(form) => {
                    self.unreadable(target, digest, Unreadable::Form(form), digest)
                }
                _ => self.stored_schema1(&found, bytes, schema1),
            };
        }
        match self.what_is_unreadable(&document) {
            Some(unreadable) => self.unreadable(target, digest, unreadable, digest),
            None => {
                let platform = match &document {
                    Document::Index(index) => self.deciding_platform(index),
                    _ => None,
                };
                Ok(self.stored(&found.decided_by(platform), document.form(), bytes))
            }
        }
    }

    /// Whether the client is known not to read a form. The reference gives schema 1 to everybody.
    fn is_known_not_to_read(self, form: Form) -> bool {
        self.client.cannot_read(form) && (!form.is_schema1() || self.request.policy.is_strict())
    }

    /// What of a stored manifest the client is known not to read: its form, one that it lists, or its layers.
    fn what_is_unreadable(self, document: &Document<'_>) -> Option<Unreadable> {
        let cannot_read = |form: &Form| self.client.cannot_read(*form);
        let own = Some(document.form()).filter(cannot_read).map(Unreadable::Form);
        own.or_else(|| match document {
            Document::Index(index) if self.client.cannot_read(Form::Oci) => {
                self.listed_for_others(index).map(Unreadable::Listed)
            }
            _ => self.is_known_not_to_read_layers(document).then_some(Unreadable::Zstd),
        })
    }

    /// Refuses a digest, and makes and records the manifest that can be pulled instead.
    fn unreadable(
        self,
        target: &Target<'_>,
        digest: &Digest,
        unreadable: Unreadable,
        source: &Digest,
    ) -> Result<Step<'a>, Stop> {
        let client = self.client.with_all_readable();
        let desk = Desk { client: &client, ..self };
        let answer = match desk.by_tag(target, source)? {
            Step::Sign(prepared) => prepared.finish_unsigned(),
            Step::Done(draft) => draft.finish(),
            step @ (Step::Need(_) | Step::Refused(_)) => return Ok(step),
        };
        let digest = digest.clone();
        let error = Error::UnreadableDigest { digest, unreadable, instead: answer.digest };
        Ok(Step::Refused(Refusal { failure: error.into(), records: answer.records, layers: answer.layers }))
    }

    /// Answers with a list or index, or with what it has for the client.
    fn index(
        self,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        bytes: &'a [u8],
        index: Index,
    ) -> Result<Step<'a>, Stop> {
        let form = match self.client.choose(index.form)? {
            Choice::Stored if self.listed_for_others(&index).is_some() => index.form,
            Choice::Stored if index.entries.iter().any(is_schema1) && self.has_dropped_schema1() => {
                if !self.opened_here(&index).is_some_and(is_schema1) {
                    // On another platform it is another answer.
                    let found = found.decided_by(Some(self.platform()));
                    return self.stored_index(target, &found, bytes, index);
                }
                index.form
            }
            Choice::Stored => return self.stored_index(target, found, bytes, index),
            Choice::Convert(form) => form,
            Choice::PickPlatform => return Ok(self.pick(target, index)?.step),
        };
        self.index_as(form, target, found, bytes, index)
    }

    /// The same in this form; of one that has too many entries for that, what it has for the client.
    fn index_as(
        self,
        form: Form,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        bytes: &'a [u8],
        mut index: Index,
    ) -> Result<Step<'a>, Stop> {
        let limit = self.request.limits.converted_children;
        if index.entries.len() <= limit {
            let (entries, mut notes) = self.flattened(index.entries, None)?;
            index.entries = entries;
            if index.entries.len() <= limit {
                index.entries = self.with_platforms(index.entries, &mut notes)?;
                if form == Form::List {
                    index.entries = with_general_first(index.entries);
                }
                if !self.needs_pick(&index) {
                    return self.converted_index(target, found, bytes, (&index, notes), form);
                }
            }
        }
        Ok(self.pick(target, index)?.step)
    }

    /// The form of entries that the client needs in the other family's: Docker 1.10 to 18.05 read a list, and then ask for
    /// an OCI manifest in it, of which they say "missing signature key" (measured). Of those whose platform is known the
    /// entry that they open decides.
    fn listed_for_others(self, index: &Index) -> Option<Form> {
        match self.opened_by_engine(index) {
            Some(entry) => self.form_for_others(index.form, core::slice::from_ref(entry)),
            None => self.form_for_others(index.form, &index.entries),
        }
    }

    /// Whether the client gets schema 1 in another form.
    fn has_dropped_schema1(self) -> bool {
        !matches!(self.schema1_choice(Form::Schema1), Ok(Choice::Stored))
    }

    /// Whether a list or index may be asked for by a client on another platform, to which it is of use as it is stored: who
    /// does not say its platform may be on any.
    fn may_be_for_others(self, index: &Index, form: Form) -> bool {
        let is_as_stored = form == index.form && self.own_platform().is_none();
        is_as_stored && !index.images().all(is_schema1)
    }

    /// The entry that whoever asks opens, as far as that can be told.
    fn opened_here(self, index: &Index) -> Option<&Descriptor> {
        let best = || index.entries.get(*fitting(&index.entries, self.platform()).first()?);
        // What one is for that does not say it is in itself, if it is schema 1 as well.
        let silent = || index.entries.iter().find(|entry| is_schema1(entry) && entry.lacks_platform());
        self.opened_by_engine(index).or_else(best).or_else(silent)
    }

    /// The platform by which a list that not everybody can read through is one for the client as it is stored.
    fn deciding_platform(self, index: &Index) -> Option<&Platform> {
        let entry = self.opened_by_engine(index)?;
        self.form_for_others(index.form, &index.entries).and_then(|_| entry.plain_platform())
    }

    /// The entry that the client opens, where that is known: the first for its architecture.
    fn opened_by_engine(self, index: &Index) -> Option<&Descriptor> {
        let platform = self.own_platform().filter(|_| self.client.ignores_variants())?;
        first_of_architecture(&index.entries, platform)
    }

    /// The form of one of these entries of a list or index that the client needs in the other family's.
    fn form_for_others(self, listing: Form, entries: &[Descriptor]) -> Option<Form> {
        let lists = |form| {
            let is_it = |entry: &Descriptor| Form::from_media_type(&entry.media_type) == Some(form);
            entries.iter().any(|entry| !entry.is_attestation && is_it(entry))
        };
        // A list is made of schema 2, and an index of OCI.
        let other = listing.of_entries().sibling();
        if self.client.needs_sibling_of(other) && lists(other) {
            return Some(other);
        }
        // Nor do they open a list in a list.
        let opens_none = listing == Form::List && self.client.needs_sibling_of(Form::Oci);
        [Form::List, Form::Index].into_iter().find(|&form| opens_none && lists(form))
    }

    /// A list or index as it is stored. What an engine would pick of it decides: if that cannot be read, it gets what can
    /// be, or a refusal that it prints.
    fn stored_index(
        self,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        bytes: &'a [u8],
        index: Index,
    ) -> Result<Step<'a>, Stop> {
        let form = index.form;
        let reads_zstd = self.client.reads_zstd();
        if self.looks_for_plain() && reads_zstd && self.own_platform().is_none() {
            return self.index_for_all(target, found, bytes, index);
        }
        let is_looked_into = self.refuses_zstd() && !reads_zstd || self.looks_for_plain();
        if !is_looked_into && !self.may_list_hybrids(form) {
            let found = found.decided_by(self.deciding_platform(&index).or(found.platform));
            return Ok(self.stored(&found, form, bytes));
        }
        let attestation = index.entries.iter().find(|entry| entry.is_attestation);
        let attestation = attestation.map(|entry| format!("manifests[{}]", entry.digest));
        match self.pick(target, index) {
            Err(Stop::Refused(error)) if !is_about_layers(&error) => Ok(self.stored(found, form, bytes)),
            Ok(Picked { is_plain: true, mut step, .. }) => {
                if let (Step::Done(draft), Some(path)) = (&mut step, attestation) {
                    draft.warnings.push(warning("attestation", path));
                }
                Ok(step)
            }
            // Its entry says another form than the manifest has: one of schema 2 without its media type is read as OCI.
            Ok(Picked { made: Some(made), .. }) if made == form.of_entries() => {
                self.index_again_as(form, target, found, bytes)
            }
            // A list of hybrids is an index of OCI manifests, for who takes one.
            Ok(Picked { made: Some(Form::Oci), step, .. }) if self.may_list_hybrids(form) => {
                if self.client.takes_form(Form::Index) {
                    return self.index_again_as(Form::Index, target, found, bytes);
                }
                Ok(step)
            }
            Ok(Picked { is_by_engine: true, platform, .. }) => {
                Ok(self.stored(&found.decided_by(platform.as_ref()), form, bytes))
            }
            picked => Ok(picked?.step),
        }
    }

    /// A list or index where everybody gets plain layers, for a client that reads zstd and does not say its platform: one
    /// made for another would not run there, and to make all of them is to read every layer of every platform.
    fn index_for_all(
        self,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        bytes: &'a [u8],
        index: Index,
    ) -> Result<Step<'a>, Stop> {
        let mut found = found.decided_by(None);
        match (Self { defers_plain: true, ..self }.pick(target, index.clone())) {
            Err(Stop::Need(needs)) => return Err(Stop::Need(needs)),
            Err(Stop::Refused(error)) if matches!(*error, Error::ZstdLayer { .. }) => {
                found.warnings.push(warning("plain-layers", "manifests"));
            }
            _ => {}
        }
        Self { plain_layers: PlainLayers::Old, ..self }.stored_index(target, &found, bytes, index)
    }

    /// [`index_as`](Self::index_as) for a list or index that was looked into.
    fn index_again_as(
        self,
        form: Form,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        bytes: &'a [u8],
    ) -> Result<Step<'a>, Stop> {
        match self.read(bytes)? {
            Ok(Document::Index(index)) => self.index_as(form, target, found, bytes, index),
            _ => Ok(self.stored(found, form, bytes)),
        }
    }

    /// Whether a list may have manifests that the client reads in OCI's form only, for the type of their layers.
    fn may_list_hybrids(self, form: Form) -> bool {
        form == Form::List && self.request.policy.is_strict() && self.client.zstd() == Some(ZstdSupport::Oci)
    }

    /// The platform to pick: the client's, unless the operator's says the variant of that.
    fn platform(self) -> &'d Platform {
        self.own_platform().unwrap_or(&self.request.default_platform)
    }

    /// The platform that the client runs on, as far as it says so and that counts.
    fn own_platform(self) -> Option<&'d Platform> {
        let own = self.client.platform().filter(|_| self.request.policy.is_strict())?;
        let default = &self.request.default_platform;
        Some(if default.narrows(own) { default } else { own })
    }

    /// Reads a manifest, as far as it can be read.
    fn read(self, bytes: &'a [u8]) -> Result<Result<Document<'a>, Opaque>, Box<Error>> {
        let limits = &self.request.limits;
        match Document::parse(bytes, limits) {
            Ok(document) => Ok(Ok(document)),
            Err(problem) => Opaque::of(bytes, problem, limits).map(Err),
        }
    }

    /// Answers with a manifest that cannot be converted: as it is stored, to who understands it so.
    fn opaque(self, found: &StoredManifest<'_>, bytes: &'a [u8], opaque: Opaque) -> Result<Step<'a>, Stop> {
        let is_taken = match opaque.form {
            Form::Other => opaque.is_object && self.client.takes(opaque.media_type.as_deref()),
            form => self.client.takes_any() || matches!(self.client.choose(form)?, Choice::Stored),
        };
        if is_taken {
            return Ok(self.passed(found, bytes, opaque));
        }
        Err(opaque.into_refusal().into())
    }

    /// Answers with a manifest that is no list, in the form that the client understands.
    fn single(
        self,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        bytes: &'a [u8],
        document: &Document<'a>,
    ) -> Result<Step<'a>, Stop> {
        let manifest = match document {
            Document::Schema1(schema1) => {
                return match self.schema1_choice(document.form())? {
                    Choice::Convert(form) => self.upgraded(form, target, found, bytes.len(), schema1),
                    Choice::Stored | Choice::PickPlatform => self.stored_schema1(found, bytes, schema1),
                };
            }
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => return Ok(self.stored(found, document.form(), bytes)),
        };
        let form = match self.client.choose(manifest.form)? {
            Choice::Convert(form) => form,
            Choice::Stored | Choice::PickPlatform if self.needs_oci(manifest) => Form::Oci,
            Choice::Stored | Choice::PickPlatform => manifest.form,
        };
        if form == manifest.form && !self.wants_plain(manifest, &Content::of(manifest), form) {
            self.check_layers(manifest)?;
            if self.refuses_zstd() && self.is_unreadable_hybrid(manifest) {
                refuse_zstd(manifest, &Content::of(manifest))?;
            }
            return Ok(self.stored(found, form, bytes));
        }
        let content = self.content(manifest, form)?;
        // An artifact has one form only: whoever takes anything gets it in that, and who names its form.
        if matches!(content, Content::Artifact(_)) && (self.client.takes_any() || form == manifest.form) {
            return Ok(self.stored(found, manifest.form, bytes));
        }
        if self.wants_plain(manifest, &content, form) {
            if self.defers_plain {
                refuse_zstd(manifest, &content)?;
            }
            let made = self.convert_plain(target, manifest, bytes, form)?;
            return self.converted(target, found, manifest.form, bytes.len(), made);
        }
        // Before its config is fetched.
        self.check_zstd(manifest, &content, form)?;
        self.check_layers(manifest)?;
        let made = self.convert(target, manifest, content, form)?;
        self.converted(target, found, manifest.form, bytes.len(), made)
    }

    /// Refuses to convert layers that are compressed with zstd to a form that has no name for them.
    fn check_zstd(self, manifest: &Manifest, content: &Content, form: Form) -> Result<(), Stop> {
        let Request { policy, .. } = self.request;
        if form != Form::Oci && (policy.is_strict() || manifest.form == Form::Oci) && !self.names_zstd(form) {
            refuse_zstd(manifest, content)?;
        }
        Ok(())
    }

    /// Refuses a manifest whose layers the client is known not to read, or does not say that it does.
    fn check_layers(self, manifest: &Manifest) -> Result<(), Stop> {
        if self.refuses_zstd() && !self.client.reads_zstd() {
            refuse_zstd(manifest, &Content::of(manifest))?;
        }
        Ok(())
    }

    /// Whether the client is known not to read the layers of a manifest: by digest, where nobody has to name anything, only
    /// who is known counts.
    fn is_known_not_to_read_layers(self, document: &Document<'_>) -> bool {
        let Document::Manifest(manifest) = document else { return false };
        let has_zstd = || zstd_layer(manifest, &Content::of(manifest)).is_some();
        match self.client.zstd() {
            Some(ZstdSupport::None) => self.refuses_zstd() && has_zstd(),
            Some(ZstdSupport::Oci) => self.is_unreadable_hybrid(manifest),
            _ => false,
        }
    }

    /// Whether anybody is refused layers that are compressed with zstd.
    fn refuses_zstd(self) -> bool {
        self.request.rules().refuse(Permission::ZstdLayer)
    }

    /// Whether schema 2 made here names layers that are compressed with zstd: where the operator allows it, and for who is
    /// known to read it, unless there may be something that needs no such names.
    fn names_zstd(self, form: Form) -> bool {
        let is_read = form == Form::Schema2 && self.client.zstd() == Some(ZstdSupport::All);
        is_read && self.request.policy.is_strict() && !self.defers_plain
            || self.request.allow.has(Permission::ZstdLayer)
    }

    /// Whether a schema 2 manifest has layers that the client reads in an OCI manifest, and takes that. With plain layers it is as
    /// good as any other, and has the same digest for everybody.
    fn needs_oci(self, manifest: &Manifest) -> bool {
        self.client.takes_form(Form::Oci)
            && self.is_unreadable_hybrid(manifest)
            && !self.gives_all_plain(manifest)
    }

    /// Whether a schema 2 manifest has layers that the client reads in an OCI manifest only.
    fn is_unreadable_hybrid(self, manifest: &Manifest) -> bool {
        self.request.policy.is_strict()
            && manifest.form == Form::Schema2
            && self.client.zstd() == Some(ZstdSupport::Oci)
            && zstd_layer(manifest, &Content::of(manifest)).is_some()
    }

    /// Converts a manifest of `content`.
    fn convert(
        self,
        target: &Target<'_>,
        manifest: &Manifest,
        content: Content,
        form: Form,
    ) -> Result<ConversionResult, Stop> {
        let limits = &self.request.limits;
        match content {
            Content::Artifact(error) if self.looks_at_types(manifest, form) => return Err(error.into()),
            _ => {}
        }
        let mut warnings = Vec::new();
        let (bytes, lost, added, time) = match form {
            Form::Schema1 | Form::Schema1Unsigned => {
                let config = self.blob(&manifest.config)?;
                warn_of_size(&mut warnings, format_args!("config"), &manifest.config, config);
                let source = convert::Source { name: target.name, tag: target.tag, manifest, config };
                let payload = convert::to_schema1(&source, self.request.rules(), limits)?;
                warnings.extend(payload.warnings);
                (payload.bytes, payload.lost, payload.added, Some(self.request.time.unwrap_or(payload.time)))
            }
            Form::Oci | Form::Schema2 => {
                let manifest = &self.with_true_size(manifest, &mut warnings)?;
                let Rewrite { bytes, lost } = match form {
                    Form::Oci => convert::to_oci(manifest, limits)?,
                    _ => convert::to_schema2(manifest, self.names_zstd(form), limits)?,
                };
                (bytes, lost, Vec::new(), None)
            }
            Form::List | Form::Index | Form::Other => {
                return Err(Error::NoConversion { from: manifest.form, to: form }.into());
            }
        };
        Ok(ConversionResult { lost, added, warnings, time, ..ConversionResult::new(form, bytes) })
    }

    /// A manifest with the size that its config has, where that had to be read anyway.
    fn with_true_size<'m>(
        self,
        manifest: &'m Manifest,
        warnings: &mut Vec<Note>,
    ) -> Result<Cow<'m, Manifest>, Stop> {
        if !matches!(Content::of(manifest), Content::ImageIfConfigIs) {
            return Ok(Cow::Borrowed(manifest));
        }
        let config = self.blob(&manifest.config)?;
        warn_of_size(warnings, format_args!("config"), &manifest.config, config);
        let mut manifest = manifest.clone();
        manifest.config.size = config.len() as u64;
        Ok(Cow::Owned(manifest))
    }

    /// Whether media types count on the way to `form`: the reference looks at none where it makes schema 1.
    fn looks_at_types(self, manifest: &Manifest, form: Form) -> bool {
        let Request { policy, allow, .. } = self.request;
        let is_own = policy.is_strict() || manifest.form == Form::Oci || !form.is_schema1();
        is_own && !allow.has(Permission::Artifact)
    }

    /// What a manifest is of. Where the type of its config does not tell, its config does, if that counts for `form`.
    fn content(self, manifest: &Manifest, form: Form) -> Result<Content, Stop> {
        match Content::of(manifest) {
            Content::ImageIfConfigIs if self.looks_at_types(manifest, form) => {
                if Config::is_of_image(self.blob(&manifest.config)?, &self.request.limits)? {
                    return Ok(Content::Image);
                }
                let media_type = manifest.config.media_type.clone();
                Ok(Content::Artifact(Error::Artifact { media_type }.into()))
            }
            content => Ok(content),
        }
    }

    /// Converts a list or index and the manifests in it. What cannot be converted is left out.
    fn converted_index(
        self,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        bytes: &'a [u8],
        (index, notes): (&Index, FlatteningNotes),
        form: Form,
    ) -> Result<Step<'a>, Stop> {
        let own = self.opened_here(index).filter(|_| self.has_dropped_schema1()).map(|entry| &entry.digest);
        let mut needs = Needs::default();
        let mut children = Vec::new();
        let mut left_out = Vec::new();
        let mut refusals: Vec<(Option<&Platform>, Box<Error>)> = Vec::new();
        for entry in &index.entries {
            let platform = entry.plain_platform();
            let leave = |code: &'static str| LeftOut {
                digest: entry.digest.clone(),
                platform: platform.cloned(),
                code: code.into(),
            };
            match (entry.is_attestation, platform) {
                (true, _) => left_out.push(leave("attestation")),
                (false, None) if !entry.is_index() => left_out.push(leave("no-platform")),
                (false, _) => match self.child(target, entry, form, own == Some(&entry.digest)) {
                    Ok(child) => children.push(child),
                    Err(Stop::Need(more)) => needs.add(more),
                    Err(Stop::Refused(_)) if is_schema1(entry) && self.may_be_for_others(index, form) => {
                        return Ok(self.stored(&found.decided_by(platform), form, bytes));
                    }
                    Err(Stop::Refused(error)) => {
                        left_out.push(leave(error.code()));
                        refusals.push((platform, error));
                    }
                },
            }
        }
        if !needs.is_empty() {
            return Err(Stop::Need(needs));
        }
        // A client that says its platform must find it; to others a list without theirs is worth having.
        if let Some(asked) = self.own_platform()
            && !children.iter().any(|child| child.entry.plain_platform().is_some_and(|own| asked.runs(own)))
        {
            let refusal = refusals.into_iter().find(|(own, _)| own.is_none_or(|own| asked.runs(own)));
            let missing = || {
                Error::PlatformMissing { platform: asked.to_string(), available: index.platforms() }.into()
            };
            let error = refusal.map_or_else(missing, |(_, error)| error);
            return self.instead_of_list(target, index, error);
        }
        if children.is_empty() {
            let first = refusals.first().map_or("no-platform", |(_, error)| error.code());
            let error = Error::ChildrenRefused { entries: index.entries.len(), first };
            return self.instead_of_list(target, index, error.into());
        }

        let entries: Vec<convert::Entry<'_>> = children.iter().map(Child::entry).collect();
        let limits = &self.request.limits;
        let Rewrite { bytes: converted, mut lost } = match form {
            Form::List => convert::to_list(index, &entries, limits)?,
            _ => convert::to_index(index, &entries, limits)?,
        };
        let FlatteningNotes { lost: opened, added } = notes;
        lost.extend(opened);
        let (mut records, mut layers, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for child in children {
            child.note(&mut lost, &mut warnings);
            child.keep_in(target, &mut records, &mut layers);
        }
        let made = ConversionResult {
            lost,
            added,
            left_out,
            warnings,
            records,
            layers,
            ..ConversionResult::new(form, converted)
        };
        self.converted(target, found, index.form, bytes.len(), made)
    }

    /// The manifest for the client's platform with plain layers, where a converted list or index has none for it.
    ///
    /// Nothing else is converted with it: each of their layers would have to be read for that, and who pulls has one
    /// platform.
    fn instead_of_list(
        self,
        target: &Target<'_>,
        index: &Index,
        error: Box<Error>,
    ) -> Result<Step<'a>, Stop> {
        let code = Error::ZstdLayer { digest: Digest::empty_layer() }.code();
        let is_for_zstd = match &*error {
            Error::ChildrenRefused { first, .. } => *first == code,
            error => error.code() == code,
        };
        if !is_for_zstd || !self.has_plain() {
            return Err(error.into());
        }
        match self.pick(target, index.clone()) {
            // Who takes no manifest is told of the list, and so is who gets no plain layers.
            Err(Stop::Refused(other))
                if matches!(*other, Error::NotAcceptable { .. } | Error::ZstdLayer { .. }) =>
            {
                Err(error.into())
            }
            picked => Ok(picked?.step),
        }
    }

    /// A manifest of a list or index, converted with it. Of schema 1 it is only the one which whoever asks opens and cannot
    /// read, for all of its layers have to be read for that: others stay.
    fn child<'e>(
        self,
        target: &Target<'_>,
        entry: &'e Descriptor,
        to: Form,
        is_own: bool,
    ) -> Result<Child<'e>, Stop>
    where
        'a: 'e,
    {
        let mut form = to.of_entries();
        let bytes = self.entry(entry)?;
        let made = match self.read(bytes)? {
            Err(opaque) if opaque.form == form => None,
            Err(opaque) => return Err(opaque.into_refusal().into()),
            Ok(Document::Manifest(manifest)) if manifest.form == form => {
                self.check_layers(&manifest)?;
                None
            }
            Ok(Document::Manifest(manifest)) => {
                let content = self.content(&manifest, form)?;
                self.check_zstd(&manifest, &content, form)?;
                self.check_layers(&manifest)?;
                Some(self.convert(target, &manifest, content, form)?)
            }
            Ok(Document::Index(_)) => {
                return Err(Error::NestedIndex { digest: entry.digest.clone() }.into());
            }
            Ok(document @ Document::Schema1(_)) if !is_own => {
                form = document.form();
                None
            }
            Ok(Document::Schema1(schema1)) => {
                let platform = entry.plain_platform();
                let found = StoredManifest { digest: &entry.digest, platform, warnings: Vec::new() };
                Some(self.upgrade(form, target, &found, &schema1)?)
            }
        };
        let digest = made.as_ref().map_or_else(|| entry.digest.clone(), |made| Digest::of(&made.bytes));
        Ok(Child { entry, bytes, form, digest, made })
    }

    /// The step for what a conversion made: done, or to be signed.
    fn converted(
        self,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        stored: Form,
        stored_size: usize,
        made: ConversionResult,
    ) -> Result<Step<'a>, Stop> {
        let ConversionResult {
            form,
            bytes,
            lost,
            added,
            left_out,
            warnings,
            time,
            signature,
            records,
            layers,
        } = made;
        let draft = Draft {
            form,
            media_type: None,
            body: Cow::Borrowed(&[]),
            digest: None,
            stored: Described { form: stored, digest: found.digest.clone(), size: stored_size },
            source: Some(found.digest.clone()),
            platform: found.platform.cloned(),
            signature,
            policy: self.request.policy,
            warnings: found.warnings.iter().cloned().chain(warnings).collect(),
            conversion: Some(Conversion {
                name: target.name.to_string(),
                tag: Some(target.tag.to_string()).filter(|tag| !tag.is_empty()),
                time,
                lost,
                added,
                left_out,
                children: records,
                layers,
            }),
        };
        finish(draft, bytes, time)
    }

    /// The step for a manifest that goes out as it is stored.
    fn stored(self, found: &StoredManifest<'_>, form: Form, bytes: &'a [u8]) -> Step<'a> {
        Step::Done(self.stored_draft(found, form, found.digest.clone(), bytes))
    }

    /// The step for a manifest that cannot be converted, and goes out as it is stored.
    fn passed(self, found: &StoredManifest<'_>, bytes: &'a [u8], opaque: Opaque) -> Step<'a> {
        let mut draft = self.stored_draft(found, opaque.form, found.digest.clone(), bytes);
        draft.media_type = opaque.media_type.filter(|_| opaque.form == Form::Other);
        Step::Done(draft)
    }

    fn stored_draft<'b>(
        self,
        found: &StoredManifest<'_>,
        form: Form,
        digest: Digest,
        bytes: &'b [u8],
    ) -> Draft<'b> {
        Draft {
            form,
            media_type: None,
            body: Cow::Borrowed(bytes),
            digest: Some(digest),
            stored: Described { form, digest: found.digest.clone(), size: bytes.len() },
            source: None,
            platform: found.platform.cloned(),
            signature: None,
            policy: self.request.policy,
            warnings: found.warnings.clone(),
            conversion: None,
        }
    }

    /// Which form of stored schema 1 the client gets: the reference knows no other than that.
    fn schema1_choice(self, stored: Form) -> Result<Choice, Box<Error>> {
        if self.request.policy.is_strict() { self.client.choose(stored) } else { Ok(Choice::Stored) }
    }

    /// Stored schema 1 that goes out as it is. One without a signature gets one, unless the client says that it takes it so,
    /// for most engines refuse it; by tag it is reported under the digest of its payload, which is what engines compute.
    fn stored_schema1(
        self,
        found: &StoredManifest<'_>,
        bytes: &'a [u8],
        schema1: &Schema1<'a>,
    ) -> Result<Step<'a>, Stop> {
        let digest = match &self.request.root {
            Root::Digest { digest, .. } if digest == found.digest => digest.clone(),
            Root::Tag { .. } | Root::Digest { .. } => schema1.digest(),
        };
        let stored = if schema1.is_signed() { Form::Schema1 } else { Form::Schema1Unsigned };
        // A folder may have the signed bytes under a digest of their own, which no other bytes have.
        let can_change = || digest == schema1.digest();
        if self.client.names(stored) || self.client.schema1_form() == stored || !can_change() {
            return Ok(Step::Done(self.stored_draft(found, stored, digest, bytes)));
        }
        if !schema1.is_signed() {
            self.check_unsigned()?;
        }
        let mut draft = self.stored_draft(found, stored, digest, &[]);
        draft.form = self.client.schema1_form();
        draft.stored.size = bytes.len();
        let time = self.request.time.unwrap_or_else(|| schema1.time(&self.request.limits));
        finish(draft, schema1.payload().to_vec(), Some(time))
    }

    /// A recorded schema 1 manifest: the payload, signed as it was when it was reported.
    fn recorded_schema1(self, record: &Record) -> Result<Step<'a>, Stop> {
        let mut draft = self.recorded(record);
        draft.form = self.client.schema1_form();
        finish(draft, record.payload.clone(), self.request.time.or(record.time))
    }

    /// A recorded manifest, without its bytes.
    fn recorded(self, record: &Record) -> Draft<'static> {
        // It was picked for a platform before: nothing depends on the client's any more.
        let found = StoredManifest { digest: &record.digest, platform: None, warnings: Vec::new() };
        let mut draft = self.stored_draft(&found, record.form, record.digest.clone(), &[]);
        draft.stored.size = record.payload.len();
        draft.source = Some(record.source.clone());
        draft.signature.clone_from(&record.signature);
        draft
    }

    /// The bytes of a manifest of which nothing is known but its digest.
    fn root(self, digest: &Digest) -> Result<&'a [u8], Stop> {
        self.find(digest)?.ok_or_else(|| Stop::Need(Need::manifest(digest).into()))
    }

    /// The bytes of a manifest in a list or index.
    fn entry(self, entry: &Descriptor) -> Result<&'a [u8], Stop> {
        self.find(&entry.digest)?.ok_or_else(|| Stop::Need(Need::entry(entry).into()))
    }

    /// The bytes of a blob.
    fn blob(self, descriptor: &Descriptor) -> Result<&'a [u8], Stop> {
        self.find(&descriptor.digest)?.ok_or_else(|| Stop::Need(Need::blob(descriptor).into()))
    }

    /// The bytes of a document; nothing if it has to be fetched.
    fn find(self, digest: &Digest) -> Result<Option<&'a [u8]>, Box<Error>> {
        let found = self.documents.get(digest);
        if found.is_none() && self.documents.is_missing(digest) {
            return Err(Error::MissingDocument { digest: digest.clone() }.into());
        }
        Ok(found)
    }
}

/// A manifest that goes into a converted list or index.
struct Child<'e> {
    entry: &'e Descriptor,
    /// As it is stored.
    bytes: &'e [u8],
    form: Form,
    digest: Digest,
    /// Nothing if it has the right form already.
    made: Option<ConversionResult>,
}

impl Child<'_> {
    fn entry(&self) -> convert::Entry<'_> {
        let size = self.made.as_ref().map_or(self.bytes.len(), |made| made.bytes.len()) as u64;
        convert::Entry { descriptor: self.entry, form: self.form, digest: self.digest.clone(), size }
    }

    /// Adds what was lost with it, and what is odd about it.
    fn note(&self, lost: &mut Vec<Note>, warnings: &mut Vec<Note>) {
        warn_of_size(warnings, format_args!("manifests[{}]", self.entry.digest), self.entry, self.bytes);
        let Some(made) = &self.made else { return };
        for (all, own) in [(lost, &made.lost), (warnings, &made.warnings)] {
            all.extend(own.iter().map(|Note { code, path }| Note {
                code: code.clone(),
                path: format!("manifests[{}].{path}", self.entry.digest),
            }));
        }
    }

    /// Adds what has to be recorded of it, and the layers that were read for it.
    fn keep_in(self, target: &Target<'_>, records: &mut Vec<Record>, layers: &mut Vec<LayerFacts>) {
        let Some(made) = self.made else { return };
        records.push(Record {
            name: target.name.to_string(),
            digest: self.digest,
            form: self.form,
            payload: made.bytes,
            source: self.entry.digest.clone(),
            tag: None,
            platform: self.entry.plain_platform().cloned(),
            time: None,
            signature: made.signature,
        });
        records.extend(made.records);
        layers.extend(made.layers);
    }
}

/// Whether an entry says that it is schema 1.
#[inline(never)]
fn is_schema1(entry: &Descriptor) -> bool {
    !entry.is_attestation && Form::from_media_type(&entry.media_type).is_some_and(Form::is_schema1)
}

/// Refuses an image that has a layer compressed with zstd.
fn refuse_zstd(manifest: &Manifest, content: &Content) -> Result<(), Box<Error>> {
    match zstd_layer(manifest, content) {
        Some(layer) => Err(Error::ZstdLayer { digest: layer.digest.clone() }.into()),
        None => Ok(()),
    }
}

/// Whether a refusal is about layers that are, or cannot be, unpacked for who asks.
fn is_about_layers(error: &Error) -> bool {
    matches!(
        error,
        Error::ZstdLayer { .. }
            | Error::EncryptedLayer { .. }
            | Error::MissingLayer { .. }
            | Error::UnreadableLayer { .. }
            | Error::DiffIdCount { .. }
            | Error::DiffIdMismatch { .. }
    )
}

/// Gives a draft its body. Schema 1 has to be signed first, unless the client wants it unsigned.
fn finish<'a>(mut draft: Draft<'static>, bytes: Vec<u8>, time: Option<Timestamp>) -> Result<Step<'a>, Stop> {
    if draft.form != Form::Schema1 {
        draft.body = Cow::Owned(bytes);
        return Ok(Step::Done(draft));
    }
    Ok(Step::Sign(Prepared::new(bytes, time.unwrap_or_default(), draft)?))
}
