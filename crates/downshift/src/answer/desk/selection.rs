//! Which entries of a list or index count, and which of them a client gets.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::flattening::FlatteningNotes;
use super::warnings::warn_of_size;
use super::{Desk, MAX_NESTING, Picked, Stop, StoredManifest, Target};
use crate::answer::need::Needs;
use crate::answer::platform_order::{first_of_architecture, fitting, fitting_at_last, runs_on};
use crate::answer::step::Step;
use crate::document::{Descriptor, Document, EntryPlatform, Index};
use crate::layer::Content;
use crate::{Error, Limits, Platform, Policy};
use downshift_json::Json;

impl<'a> Desk<'_, 'a> {
    /// Picks the manifest of the client's platform: the best of those that run there, but before one whose layers the
    /// client cannot read the next that it can; where there is none, with plain layers. Who says no variant gets none that
    /// runs on fewer machines.
    pub(super) fn pick(self, target: &Target<'_>, index: Index) -> Result<Picked<'a>, Stop> {
        let (platform, index, candidates) = self.candidates(index)?;
        let entries: Vec<&Descriptor> = candidates.iter().filter_map(|&at| index.entries.get(at)).collect();
        let Some((&first, others)) = entries.split_first() else {
            let available = index.platforms();
            return Err(Error::PlatformMissing { platform: platform.to_string(), available }.into());
        };
        let by_engine = if self.client.ignores_variants() {
            first_of_architecture(&index.entries, &platform)
        } else {
            Some(first)
        };
        let picked = |entry: &Descriptor, step| Picked {
            made: match &step {
                Step::Done(draft) if draft.conversion.is_some() => Some(draft.form),
                _ => None,
            },
            is_plain: match &step {
                Step::Done(draft) => draft.has_read_layers(),
                Step::Sign(prepared) => prepared.has_read_layers(),
                Step::Need(_) | Step::Refused(_) => false,
            },
            step,
            platform: entry.plain_platform().cloned(),
            is_by_engine: by_engine.is_some_and(|own| own.digest == entry.digest),
        };
        let deferring = Self { defers_plain: true, ..self };
        let refusal = match deferring.listed(target, first) {
            Err(Stop::Refused(error)) if matches!(*error, Error::ZstdLayer { .. }) => error,
            other => return Ok(picked(first, other?)),
        };
        let suits = |entry: &&Descriptor| {
            platform.says_variant() || runs_on(entry, &platform) <= runs_on(first, &platform)
        };
        let mut needs = Needs::default();
        for entry in others.iter().copied().filter(suits).take(self.children_limit()) {
            match deferring.listed(target, entry) {
                Ok(step) => return Ok(picked(entry, step)),
                Err(Stop::Need(more)) => needs.add(more),
                Err(Stop::Refused(_)) => {}
            }
        }
        if !needs.is_empty() {
            return Err(Stop::Need(needs));
        }
        if self.defers_plain {
            return Err(Stop::Refused(refusal));
        }
        Ok(picked(first, self.listed(target, first)?))
    }

    /// The answer with an entry that is for one platform.
    fn listed(self, target: &Target<'_>, entry: &Descriptor) -> Result<Step<'a>, Stop> {
        let bytes = self.entry(entry)?;
        let mut warnings = Vec::new();
        warn_of_size(&mut warnings, format_args!("manifests[{}]", entry.digest), entry, bytes);
        let found = StoredManifest { digest: &entry.digest, platform: entry.plain_platform(), warnings };
        match self.read(bytes)? {
            Ok(Document::Index(_)) => Err(Error::NestedIndex { digest: entry.digest.clone() }.into()),
            Ok(document) => self.single(target, &found, bytes, &document),
            Err(opaque) => self.opaque(&found, bytes, opaque),
        }
    }

    /// The platform to pick for, and the entries that run there: their places in the index, the best first. Where none
    /// of them says so itself, one that says nothing counts if it is the only one, or by its config; and at last one for an
    /// older architecture.
    fn candidates(self, mut index: Index) -> Result<(Platform, Index, Vec<usize>), Stop> {
        if self.request.policy == Policy::Reference {
            // The first, and no other spelling (Distribution 2.8, `registry/handlers/manifests.go`).
            let platform = Platform::linux_amd64();
            let is_it = |entry: &Descriptor| {
                let own = entry.plain_platform().map(|own| (&own.os, &own.architecture));
                !entry.is_attestation && own == Some((&platform.os, &platform.architecture))
            };
            let first = index.entries.iter().position(is_it);
            return Ok((platform, index, first.into_iter().collect()));
        }
        let platform = self.platform().clone();
        index.entries = self.flattened(index.entries, Some(&platform))?.0;
        let mut fitting = fitting(&index.entries, &platform);
        if fitting.is_empty() {
            let counts = |entry: &Descriptor| {
                !entry.is_attestation && !entry.plain_platform().is_some_and(Platform::is_unknown)
            };
            let mut images = (0_usize..).zip(&index.entries).filter(|(_, entry)| counts(entry));
            match (images.next(), images.next()) {
                (Some((only, entry)), None) if entry.lacks_platform() => fitting.push(only),
                _ => {
                    index.entries = self.with_platforms(index.entries, &mut FlatteningNotes::default())?;
                    fitting = self::fitting(&index.entries, &platform);
                }
            }
        }
        if fitting.is_empty() {
            fitting = fitting_at_last(&index.entries, &platform);
        }
        Ok((platform, index, fitting))
    }

    /// The entries, with those of lists and indexes among them in their places. Where a platform is asked for, only those
    /// are opened that may have it. What cannot be opened stays: whoever picks it is told why.
    pub(super) fn flattened(
        self,
        mut entries: Vec<Descriptor>,
        asked: Option<&Platform>,
    ) -> Result<(Vec<Descriptor>, FlatteningNotes), Stop> {
        let mut notes = FlatteningNotes::default();
        let may_have = |entry: &Descriptor| {
            entry.lacks_platform()
                || entry.plain_platform().zip(asked).is_none_or(|(own, asked)| asked.runs(own))
        };
        for _ in 0..MAX_NESTING {
            let opens = |entry: &Descriptor| entry.is_index() && !entry.is_attestation && may_have(entry);
            if !entries.iter().any(opens) {
                break;
            }
            // Each that is opened is read, also where one stands there many times.
            let opened = entries.iter().filter(|entry| opens(entry)).count();
            Limits::check("converted-children", self.children_limit(), opened)?;
            let (mut flat, mut needs) = (Vec::with_capacity(entries.len()), Needs::default());
            for entry in entries {
                match opens(&entry).then(|| self.opened(&entry)) {
                    Some(Ok(inner)) => {
                        notes.of_opened(&entry, &inner);
                        flat.extend(inner.entries.into_iter().map(|one| within(&entry, one, &mut notes)));
                    }
                    Some(Err(Stop::Need(more))) => needs.add(more),
                    None | Some(Err(Stop::Refused(_))) => flat.push(entry),
                }
                Limits::check("entries", self.request.limits.entries, flat.len())?;
            }
            if !needs.is_empty() {
                return Err(Stop::Need(needs));
            }
            entries = flat;
        }
        Ok((entries, notes))
    }

    /// A list or index that is an entry.
    fn opened(self, entry: &Descriptor) -> Result<Index, Stop> {
        match Document::parse(self.entry(entry)?, &self.request.limits)? {
            Document::Index(index) => Ok(index),
            _ => Err(Error::wrong_type("manifests", "a list or index").into()),
        }
    }

    /// The entries, and those that do not say their platform with that of their config.
    pub(super) fn with_platforms(
        self,
        mut entries: Vec<Descriptor>,
        notes: &mut FlatteningNotes,
    ) -> Result<Vec<Descriptor>, Stop> {
        let silent = entries.iter_mut().filter(|entry| !entry.is_attestation && entry.lacks_platform());
        let mut needs = Needs::default();
        for entry in silent.take(self.children_limit()) {
            match self.config_platform(entry) {
                Ok(platform) => {
                    entry.platform = platform;
                    notes.of_platform(entry);
                }
                Err(Stop::Need(more)) => needs.add(more),
                // Whoever picks it is told why.
                Err(Stop::Refused(_)) => {}
            }
        }
        if needs.is_empty() { Ok(entries) } else { Err(Stop::Need(needs)) }
    }

    /// The platform that the config of an entry names, if that is of an image.
    fn config_platform(self, entry: &Descriptor) -> Result<Option<EntryPlatform>, Stop> {
        let limits = &self.request.limits;
        let schema1;
        let config = match Document::parse(self.entry(entry)?, limits)? {
            Document::Manifest(manifest) if !matches!(Content::of(&manifest), Content::Artifact(_)) => {
                self.blob(&manifest.config)?
            }
            Document::Schema1(found) => {
                schema1 = found;
                schema1.history.first().map_or(&[][..], |newest| newest.as_bytes())
            }
            Document::Manifest(_) | Document::Index(_) => return Ok(None),
        };
        let json = Json::parse("config", config, limits)?;
        let text = |name| json.root().field(name).map(|value| value.text().into_owned());
        let platform = Platform {
            os: text("os").unwrap_or_default(),
            architecture: text("architecture").unwrap_or_default(),
            variant: text("variant").filter(|variant| !variant.is_empty()),
        };
        Ok(platform.is_whole().then(|| EntryPlatform {
            os_version: text("os.version").filter(|version| !version.is_empty()),
            ..EntryPlatform::from(platform)
        }))
    }

    /// Whether a list made of this index is of no use to the client, which finds its own architecture and no other in it,
    /// while something else in it runs there.
    pub(super) fn needs_pick(self, index: &Index) -> bool {
        self.client.ignores_variants()
            && self.own_platform().is_some_and(|own| {
                first_of_architecture(&index.entries, own).is_none()
                    && !fitting_at_last(&index.entries, own).is_empty()
            })
    }

    /// How many manifests are fetched at once for one list or index at the most.
    fn children_limit(self) -> usize {
        self.request.limits.converted_children.max(1)
    }
}

/// An entry of the list or index that `outer` is of, which has its platform if it says none.
fn within(outer: &Descriptor, mut entry: Descriptor, notes: &mut FlatteningNotes) -> Descriptor {
    if entry.platform.is_none() && !entry.is_attestation {
        entry.platform.clone_from(&outer.platform);
        notes.of_platform(&entry);
    }
    entry
}
