//! What a client understands, and which form it is to get.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::form::is_manifest_type;
use crate::{Error, Form, Platform};

/// Types of a client that are of no form and are kept: real ones name two.
const MAX_TYPES: usize = 16;

/// What came after schema 1.
const NEWER_THAN_SCHEMA1: [Form; 4] = [Form::Schema2, Form::List, Form::Oci, Form::Index];

/// What a client understands, as its request says.
///
/// The default names no manifest type at all: that is how Docker 1.6–1.9 ask, and they get schema 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    weights: [Option<u16>; Form::ALL.len()],
    /// Types of manifests that are of no form, in lower case and in order, each with its weight.
    types: Vec<(String, u16)>,
    any: bool,
    platform: Option<Platform>,
    unreadable: [bool; Form::ALL.len()],
    zstd: Option<ZstdSupport>,
}

/// In which manifests a client reads layers that are compressed with zstd. No `Accept` header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZstdSupport {
    /// In none.
    None,
    /// In OCI manifests. Under the media type that BuildKit gives such a layer in schema 2 it is refused.
    Oci,
    /// In schema 2 as well.
    All,
}

impl ZstdSupport {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Oci, Self::All];

    /// Its name, as programs have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Oci => "oci",
            Self::All => "all",
        }
    }
}

/// What negotiation chose for a stored manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Serve it as it is stored.
    Stored,
    /// Convert it.
    Convert(Form),
    /// Pick the manifest of one platform, and negotiate over that.
    PickPlatform,
}

/// Few writes, each of several members: caches hash it for every request, and each write costs more than its bytes.
impl Hash for Capabilities {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { weights, types, any, platform, unreadable, zstd } = self;
        // No weight is so large.
        weights.map(|weight| weight.unwrap_or(u16::MAX)).hash(state);
        let flags = unreadable.iter().chain([any]).fold(0_u16, |flags, &flag| flags << 1 | u16::from(flag));
        (flags, *zstd).hash(state);
        types.hash(state);
        platform.hash(state);
    }
}

impl Capabilities {
    /// A client that names `forms`, each with the full weight, and nothing else.
    #[must_use]
    pub fn of(forms: &[Form]) -> Self {
        forms.iter().fold(Self::default(), |capabilities, &form| capabilities.with_form(form, 1000))
    }

    /// Adds a form that the client names, with its weight in thousandths (RFC 9110, 12.4.2): 1000 for `q=1` or no
    /// `q`, 0 for `q=0`, which excludes the form. Where a form is named twice, the greater weight counts.
    #[must_use]
    pub fn with_form(mut self, form: Form, weight: u16) -> Self {
        if let Some(slot) = self.weights.get_mut(form as usize) {
            *slot = Some(slot.unwrap_or(0).max(weight));
        }
        self
    }

    /// Adds a media type that the client names, with its weight: a form, or a type of manifests that are passed on as they
    /// are. What is no such type, and what is beyond 16 of them, is left out.
    #[must_use]
    pub fn with_type(mut self, media_type: &str, weight: u16) -> Self {
        if let Some(form) = Form::from_media_type(media_type) {
            return self.with_form(form, weight);
        }
        // Old engines name this one (Docker 1.10), and mean no manifest by it.
        let is_plain = media_type.eq_ignore_ascii_case("application/json");
        if is_plain || !is_manifest_type(media_type) {
            return self;
        }
        let name = media_type.to_ascii_lowercase();
        match self.types.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(place) => {
                if let Some((_, own)) = self.types.get_mut(place) {
                    *own = weight.max(*own);
                }
            }
            Err(place) if self.types.len() < MAX_TYPES => self.types.insert(place, (name, weight)),
            Err(_) => {}
        }
        self
    }

    /// The same client, which names nothing but forms.
    #[must_use]
    pub fn without_types(mut self) -> Self {
        self.types = Vec::new();
        self
    }

    /// Says that the client takes any type: `*/*` or `application/*`, with a weight other than 0.
    #[must_use]
    pub fn with_any(mut self) -> Self {
        self.any = true;
        self
    }

    /// Says on which platform the client runs.
    #[must_use]
    pub fn with_platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// The same client, which does not say its platform.
    #[must_use]
    pub fn without_platform(mut self) -> Self {
        self.platform = None;
        self
    }

    /// Says that the client is known not to read `form`, whether it names that or not.
    #[must_use]
    pub fn with_unreadable(mut self, form: Form) -> Self {
        if let Some(slot) = self.unreadable.get_mut(form as usize) {
            *slot = true;
        }
        self
    }

    /// Says that the client is an engine of the schema 1 era (Docker 1.6–1.9), which reads nothing newer.
    #[must_use]
    pub fn with_schema1_engine(self) -> Self {
        NEWER_THAN_SCHEMA1.into_iter().fold(self, Self::with_unreadable)
    }

    /// Says where the client is known to read layers that are compressed with zstd.
    #[must_use]
    pub fn with_zstd(mut self, zstd: ZstdSupport) -> Self {
        self.zstd = Some(zstd);
        self
    }

    /// The same client, as if its product was not known: with what it says itself and no more.
    #[must_use]
    pub fn of_unknown_product(mut self) -> Self {
        (self.unreadable, self.zstd) = (Default::default(), None);
        self
    }

    /// The same client with the weights that decide: however many clients spell theirs in different ways, those that are
    /// the same after this have the same answers.
    ///
    /// Weights other than 0 decide between the two forms of schema 1 alone.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        let prefers_unsigned = self.schema1_form() == Form::Schema1Unsigned;
        let types = self.types.iter_mut().map(|(_, weight)| weight);
        for weight in self.weights.iter_mut().flatten().chain(types).filter(|weight| **weight > 0) {
            *weight = 1000;
        }
        if prefers_unsigned && let Some(Some(weight @ 1..)) = self.weights.get_mut(Form::Schema1 as usize) {
            *weight = 1;
        }
        self
    }

    /// The weight of `form` in thousandths, if the client names it.
    #[must_use]
    pub fn weight(&self, form: Form) -> Option<u16> {
        self.weights.get(form as usize).copied().flatten()
    }

    /// The forms that the client names, with their weights.
    pub fn forms(&self) -> impl Iterator<Item = (Form, u16)> + '_ {
        Form::ALL.into_iter().filter_map(|form| Some((form, self.weight(form)?)))
    }

    /// The types beside those of forms that the client names, with their weights.
    pub fn types(&self) -> impl Iterator<Item = (&str, u16)> {
        self.types.iter().map(|(name, weight)| (name.as_str(), *weight))
    }

    /// Whether the client takes a manifest of [`Form::Other`] that says this type of itself: it names that, or takes any.
    #[must_use]
    pub fn takes(&self, media_type: Option<&str>) -> bool {
        let named = media_type.and_then(|media_type| match Form::from_media_type(media_type) {
            Some(form) => self.weight(form),
            None => self.types().find(|(name, _)| name.eq_ignore_ascii_case(media_type)).map(|(_, own)| own),
        });
        named.map_or(self.any, |weight| weight > 0)
    }

    /// Whether the client takes any type.
    #[must_use]
    pub fn takes_any(&self) -> bool {
        self.any
    }

    /// The platform that the client runs on, if it says so.
    #[must_use]
    pub fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// Whether the client is known not to read `form`.
    #[must_use]
    pub fn cannot_read(&self, form: Form) -> bool {
        self.unreadable.get(form as usize).copied().unwrap_or_default()
    }

    /// Whether the client is an engine of the schema 1 era.
    #[must_use]
    pub fn is_schema1_engine(&self) -> bool {
        NEWER_THAN_SCHEMA1.into_iter().all(|form| self.cannot_read(form))
    }

    /// Where the client is known to read layers that are compressed with zstd.
    #[must_use]
    pub fn zstd(&self) -> Option<ZstdSupport> {
        self.zstd
    }

    /// Whether the client reads layers that are compressed with zstd: of one that is not known, whether it reads OCI, for
    /// Docker's manifests have no such layers.
    #[must_use]
    pub fn reads_zstd(&self) -> bool {
        match self.zstd {
            Some(zstd) => zstd > ZstdSupport::None,
            None => self.any || self.names(Form::Oci) || self.names(Form::Index),
        }
    }

    /// Whether the client names `form`, does not exclude it, and is not known not to read it all the same.
    pub(crate) fn names(&self, form: Form) -> bool {
        self.weight(form).is_some_and(|weight| weight > 0) && !self.cannot_read(form)
    }

    /// Whether the client takes `form`, by its name or as any type.
    pub(crate) fn takes_form(&self, form: Form) -> bool {
        self.names(form) || self.any && self.weight(form) != Some(0) && !self.cannot_read(form)
    }

    /// Whether entries in the form `entry` would be of use to the client only if they were converted to the other
    /// family's.
    pub(crate) fn needs_sibling_of(&self, entry: Form) -> bool {
        !self.takes_form(entry) && self.takes_form(entry.sibling())
    }

    /// Whether the client takes the first entry of a list that is for its architecture, whatever its variant: so do Docker
    /// 1.10 to 18.05 (`distribution/pull_v2.go`), which read lists and no OCI.
    pub(crate) fn ignores_variants(&self) -> bool {
        self.cannot_read(Form::Oci) && !self.cannot_read(Form::List)
    }

    /// The same client, as if it named all that it is not known not to read: who asks by digest may name nothing else.
    pub(crate) fn with_all_readable(&self) -> Self {
        let Self { platform, unreadable, zstd, .. } = self;
        let client =
            Self { platform: platform.clone(), unreadable: *unreadable, zstd: *zstd, ..Self::default() };
        // Most engines refuse schema 1 without its signature.
        let forms = Form::ALL.into_iter().filter(|form| *form != Form::Schema1Unsigned);
        forms
            .filter(|&form| !self.cannot_read(form))
            .fold(client, |client, form| client.with_form(form, 1000))
    }

    fn names_nothing(&self) -> bool {
        self.weights.iter().all(Option::is_none)
    }

    /// Which of schema 1's two forms the client gets: unsigned only if it prefers that, for only some read it.
    pub(crate) fn schema1_form(&self) -> Form {
        let weight = |form| self.weight(form).unwrap_or(0);
        if weight(Form::Schema1Unsigned) > weight(Form::Schema1) {
            Form::Schema1Unsigned
        } else {
            Form::Schema1
        }
    }

    /// Chooses for a manifest stored as `stored`: rule 4 of negotiation.
    ///
    /// Accept's order never counts (Docker ≥ 1.10 sends its lines in random order), and weights decide only
    /// between forms equally near, which are the two of schema 1.
    pub(crate) fn choose(&self, stored: Form) -> Result<Choice, Box<Error>> {
        const SCHEMA1: &[Form] = &[Form::Schema1, Form::Schema1Unsigned];
        const SINGLE: &[Form] = &[Form::Oci, Form::Schema2, Form::Schema1, Form::Schema1Unsigned];

        if stored.is_schema1() {
            return self.choose_for_schema1(stored, SCHEMA1);
        }
        if self.names(stored) {
            return Ok(Choice::Stored);
        }
        // Nearest is the other family's form of the same, then what is left of it for older clients.
        let nearest = Choice::Convert(stored.sibling());
        let (last, last_forms) = if stored.is_index() {
            (Choice::PickPlatform, SINGLE)
        } else {
            (Choice::Convert(self.schema1_form()), SCHEMA1)
        };
        if self.names_nothing() {
            return Ok(last);
        }
        if self.names(stored.sibling()) {
            return Ok(nearest);
        }
        if last_forms.iter().any(|&form| self.names(form)) {
            return Ok(last);
        }
        if self.takes_form(stored) {
            Ok(Choice::Stored)
        } else if self.takes_form(stored.sibling()) {
            Ok(nearest)
        } else if last_forms.iter().any(|&form| self.takes_form(form)) {
            Ok(last)
        } else {
            Err(Error::NotAcceptable { stored }.into())
        }
    }

    /// The same for stored schema 1, of which OCI and schema 2 are made. A client that names either is not one of its days,
    /// and what it takes beside them is not schema 1: containerd says `*/*` and refuses it.
    fn choose_for_schema1(&self, stored: Form, both: &[Form]) -> Result<Choice, Box<Error>> {
        const NEWER: [Form; 2] = [Form::Oci, Form::Schema2];
        let names_it = both.iter().any(|&form| self.names(form));
        if names_it || self.names_nothing() && !self.cannot_read(stored) {
            return Ok(Choice::Stored);
        }
        let named = NEWER.into_iter().find(|&form| self.names(form));
        let taken = || NEWER.into_iter().find(|&form| self.takes_form(form) || self.names_nothing());
        match named.or_else(taken) {
            Some(form) => Ok(Choice::Convert(form)),
            None if self.takes_form(stored) => Ok(Choice::Stored),
            None => Err(Error::NotAcceptable { stored }.into()),
        }
    }

    /// Which of the forms in which an image is stored the client gets with the least that has to be done: the first that it
    /// gets as it is, else the first of which something can be made for it, else the first.
    #[must_use]
    pub fn nearest(&self, stored: &[Form]) -> Option<Form> {
        let is_as_stored = |form: &&Form| matches!(self.choose(**form), Ok(Choice::Stored));
        let is_of_use = |form: &&Form| self.choose(**form).is_ok();
        let nearest = stored.iter().find(is_as_stored).or_else(|| stored.iter().find(is_of_use));
        nearest.or_else(|| stored.first()).copied()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::{format, vec};

    use super::*;

    /// Every client that names each form with one of these weights, or not at all.
    fn every_client() -> impl Iterator<Item = Capabilities> {
        const WEIGHTS: [Option<u16>; 5] = [None, Some(0), Some(1), Some(500), Some(1000)];
        let named = Form::ALL.into_iter().fold(vec![Capabilities::default()], |clients, form| {
            let with_weight = |client: Capabilities| {
                WEIGHTS.map(|weight| match weight {
                    Some(weight) => client.clone().with_form(form, weight),
                    None => client.clone(),
                })
            };
            clients.into_iter().flat_map(with_weight).collect()
        });
        named.clone().into_iter().map(Capabilities::with_any).chain(named)
    }

    #[test]
    fn clients_that_are_the_same_get_the_same() {
        let mut canonical = BTreeSet::new();
        for client in every_client() {
            let same = client.clone().canonical();
            assert_eq!(same.clone().canonical(), same);
            assert_eq!(same.schema1_form(), client.schema1_form(), "{client:?}");
            for stored in Form::ALL {
                assert_eq!(same.names(stored), client.names(stored), "{client:?}");
                let choice = |client: &Capabilities| format!("{:?}", client.choose(stored));
                assert_eq!(choice(&same), choice(&client), "{client:?} {stored:?}");
                let nearest = |client: &Capabilities| client.nearest(&[stored, Form::Schema2, Form::Schema1]);
                assert_eq!(nearest(&same), nearest(&client), "{client:?} {stored:?}");
            }
            canonical.insert(format!("{same:?}"));
        }
        // Each form is named, excluded or neither, and of two forms that are named one may be preferred.
        let (forms, with_preference) = (3_usize.pow(6), 3_usize.pow(4));
        assert_eq!(canonical.len(), 2 * (forms + with_preference));
    }
}
