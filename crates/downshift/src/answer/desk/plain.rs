//! Plain layers: a manifest that names layers by their diff ids, for who cannot read how they are compressed.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::warnings::warn_of_size;
use super::zstd::{is_zstd, zstd_layer};
use super::{ConversionResult, Desk, Stop, Target};
use crate::answer::documents::LayerReading;
use crate::answer::need::{LayerNeed, Needs};
use crate::capabilities::ZstdSupport;
use crate::config::Config;
use crate::convert::{self, Rewrite};
use crate::document::{Descriptor, Manifest};
use crate::layer::{Compression, Content, LayerFacts, LayerType};
use crate::policy::Rules;
use crate::report::Note;
use crate::{Digest, Error, Form, Permission, PlainLayers};
use downshift_json::Json;

impl<'a> Desk<'_, 'a> {
    /// Whether a manifest goes out with plain layers in the form `form`.
    ///
    /// The policy of the reference has none of its own, for Distribution does not look how layers are compressed.
    pub(super) fn wants_plain(self, manifest: &Manifest, content: &Content, form: Form) -> bool {
        if !self.has_plain() || zstd_layer(manifest, content).is_none() {
            return false;
        }
        let cannot_read = self.request.policy.is_strict() && !self.reads_zstd_in(form, form == manifest.form);
        cannot_read || self.gives_all_plain(manifest)
    }

    /// Whether everybody gets a manifest with plain layers.
    pub(super) fn gives_all_plain(self, manifest: &Manifest) -> bool {
        self.has_plain_for_all() && check_layers(manifest).is_ok()
    }

    /// Whether there are plain layers for anybody.
    pub(super) fn has_plain(self) -> bool {
        let is_allowed = self.request.allow.has(Permission::ZstdLayer);
        self.plain_layers != PlainLayers::Never && !is_allowed
    }

    /// Whether lists and indexes are looked into for plain layers, whoever asks. The reference policy knows no platform but
    /// one: there they go out as they are stored.
    pub(super) fn looks_for_plain(self) -> bool {
        self.has_plain_for_all() && self.request.policy.is_strict()
    }

    /// Whether everybody gets plain layers.
    fn has_plain_for_all(self) -> bool {
        self.has_plain() && self.plain_layers == PlainLayers::Always
    }

    /// Whether the client reads layers that are compressed with zstd in a manifest of the form `form`.
    ///
    /// Only BuildKit writes such a layer into schema 2: who is not known takes that as it is stored, if anything, and is
    /// not given another one.
    fn reads_zstd_in(self, form: Form, is_stored: bool) -> bool {
        match (form, self.client.zstd()) {
            (Form::Oci, _) => self.client.reads_zstd(),
            (Form::Schema2, Some(zstd)) => zstd == ZstdSupport::All,
            (Form::Schema2, None) => is_stored && self.client.reads_zstd(),
            _ => false,
        }
    }

    /// Converts a manifest of an image to `form`, which may be its own, with plain layers in the place of those that are
    /// compressed with zstd.
    ///
    /// Layers are read last, for that takes longest: with the names that the config gives them, all else is tried before.
    pub(super) fn convert_plain(
        self,
        target: &Target<'_>,
        manifest: &Manifest,
        bytes: &[u8],
        form: Form,
    ) -> Result<ConversionResult, Stop> {
        check_layers(manifest)?;
        let config = self.blob(&manifest.config)?;
        let diff_ids = self.diff_ids(config)?;
        if diff_ids.len() != manifest.layers.len() {
            let (diff_ids, layers) = (diff_ids.len(), manifest.layers.len());
            return Err(Error::DiffIdCount { diff_ids, layers }.into());
        }
        let readings: BTreeMap<&Digest, &LayerReading> = self.documents.layers().collect();
        // One layer may stand there many times.
        let mut seen = BTreeSet::new();
        let (mut needs, mut known) = (Needs::default(), Vec::new());
        let mut renamed = manifest.clone();
        let (mut lost, mut warnings) = (Vec::new(), Vec::new());
        for (index, diff_id) in diff_ids.iter().enumerate() {
            let Some(layer) = renamed.layers.get_mut(index).filter(|layer| is_zstd(layer)) else {
                continue;
            };
            let expected = Digest::parse(diff_id)?;
            let facts = match readings.get(&layer.digest) {
                Some(LayerReading::Facts(facts)) => facts,
                Some(LayerReading::Missing) => {
                    return Err(Error::MissingLayer { digest: layer.digest.clone() }.into());
                }
                Some(LayerReading::Refused { code, cause }) => {
                    let (code, cause) = (code.clone(), cause.clone());
                    return Err(Error::UnreadableLayer { digest: layer.digest.clone(), code, cause }.into());
                }
                None if layer.digest.algorithm() != "sha256" => {
                    return Err(Error::DigestAlgorithm { digest: layer.digest.clone() }.into());
                }
                None => {
                    if seen.insert(layer.digest.clone()) {
                        needs.layers.push(LayerNeed::of(layer));
                    }
                    layer.media_type = plain_type(manifest.form, Compression::Plain).into();
                    layer.digest = expected;
                    continue;
                }
            };
            if facts.diff_id != expected {
                let (digest, actual) = (layer.digest.clone(), facts.diff_id.clone());
                return Err(Error::DiffIdMismatch { digest, expected, actual }.into());
            }
            rename(layer, index, facts, manifest.form, &mut lost, &mut warnings);
            if seen.insert(facts.digest.clone()) {
                known.push(facts.clone());
            }
        }
        let mut made = self.convert_renamed(target, manifest, &renamed, bytes, form)?;
        if !needs.is_empty() {
            return Err(Stop::Need(needs));
        }
        if form == manifest.form {
            warn_of_size(&mut made.warnings, format_args!("config"), &manifest.config, config);
        }
        made.lost.splice(0..0, lost);
        made.warnings.extend(warnings);
        made.layers = known;
        Ok(made)
    }

    fn convert_renamed(
        self,
        target: &Target<'_>,
        manifest: &Manifest,
        renamed: &Manifest,
        bytes: &[u8],
        form: Form,
    ) -> Result<ConversionResult, Stop> {
        if form != manifest.form {
            return self.convert(target, renamed, Content::Image, form);
        }
        let limits = &self.request.limits;
        let Rewrite { bytes, lost } = convert::rename_layers(bytes, manifest, renamed, limits)?;
        Ok(ConversionResult { lost, ..ConversionResult::new(form, bytes) })
    }

    /// The diff ids that a config names, lowest first, by the rules of Go, which engines read it by.
    fn diff_ids(self, config: &[u8]) -> Result<Vec<String>, Stop> {
        let limits = &self.request.limits;
        let json = Json::parse("config", config, limits)?;
        let rootfs = Config::read(&json, Rules::REFERENCE, limits)?.rootfs.ok_or(Error::NoRootfs)?;
        Ok(rootfs.diff_ids().map(Cow::into_owned).collect())
    }
}

/// Refuses what keeps a manifest from being of use with plain layers: one that is encrypted; or one that is fetched from
/// elsewhere and compressed with zstd, which is not here to be unpacked.
fn check_layers(manifest: &Manifest) -> Result<(), Stop> {
    for layer in &manifest.layers {
        match LayerType::of(layer) {
            Ok(LayerType { compression: Compression::Zstd, is_foreign: true }) => {
                return Err(Error::ZstdLayer { digest: layer.digest.clone() }.into());
            }
            Err(error) if matches!(*error, Error::EncryptedLayer { .. }) => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Gives a layer the name and type by which everybody can read it: its diff id, unless what it is compressed with is no
/// news to anybody, and only its type is wrong. bzip2 and xz have no media types.
fn rename(
    layer: &mut Descriptor,
    index: usize,
    facts: &LayerFacts,
    form: Form,
    lost: &mut Vec<Note>,
    warnings: &mut Vec<Note>,
) {
    let note = |code: &'static str, path: String| Note { code: code.into(), path };
    if facts.compression != Compression::Zstd {
        warnings.push(note("layer-type", format!("layers[{index}].mediaType")));
    }
    if facts.is_named_by_diff_id() {
        lost.push(note("compression", format!("layers[{index}]")));
        if !layer.urls.is_empty() {
            lost.push(note("urls", format!("layers[{index}].urls")));
        }
        layer.urls.clear();
        layer.media_type = plain_type(form, Compression::Plain).into();
        layer.digest = facts.diff_id.clone();
        layer.size = facts.plain_size;
    } else {
        layer.media_type = plain_type(form, facts.compression).into();
        layer.size = facts.size;
    }
}

/// The media type of a layer that everybody reads.
fn plain_type(form: Form, compression: Compression) -> &'static str {
    LayerType { compression, is_foreign: false }.name_in(form).unwrap_or_default()
}
