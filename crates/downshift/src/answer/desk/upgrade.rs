//! Stored schema 1 for who does not read it: schema 2 or OCI, with the config that Docker makes of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::warnings::warning;
use super::{ConversionResult, Desk, Stop, StoredManifest, Target};
use crate::answer::documents::LayerReading;
use crate::answer::need::{LayerNeed, Needs};
use crate::answer::record::Record;
use crate::answer::step::Step;
use crate::convert::{self, Rewrite, Upgrade, Upgraded};
use crate::layer::{Compression, LayerFacts};
use crate::schema1::Schema1;
use crate::{
    Digest, Error, Form, Permission, PlainLayers, SignatureReading, SourceSignature, SourceVerdict,
    UnsignedSchema1,
};

impl<'a> Desk<'_, 'a> {
    /// Stored schema 1 in the form `form`, for which all of its layers have to be read: it has neither their sizes nor their
    /// diff ids.
    pub(super) fn upgraded(
        self,
        form: Form,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        size: usize,
        schema1: &Schema1<'_>,
    ) -> Result<Step<'a>, Stop> {
        let made = self.upgrade(form, target, found, schema1)?;
        let stored = if schema1.is_signed() { Form::Schema1 } else { Form::Schema1Unsigned };
        self.converted(target, found, stored, size, made)
    }

    /// What stored schema 1 becomes in the form `form`, be it by itself or in a list or index.
    pub(super) fn upgrade(
        self,
        form: Form,
        target: &Target<'_>,
        found: &StoredManifest<'_>,
        schema1: &Schema1<'_>,
    ) -> Result<ConversionResult, Stop> {
        let limits = &self.request.limits;
        // Before anything is read for what is refused then.
        let signature = self.source_signature(found.digest, schema1)?;
        let upgrade = Upgrade::read(schema1, limits)?;
        let empty_layer = LayerFacts::of_empty_layer();
        let (facts, known) = self.facts(&upgrade, &empty_layer)?;
        let Upgraded { config, manifest, mut lost, added } = upgrade.finish(&facts, limits)?;
        let Rewrite { bytes, lost: more } = match form {
            Form::Oci => convert::to_oci(&manifest, limits)?,
            _ => convert::to_schema2(&manifest, false, limits)?,
        };
        lost.extend(more);
        let record = Record {
            name: target.name.to_string(),
            digest: manifest.config.digest,
            form: Form::Other,
            payload: config,
            source: found.digest.clone(),
            tag: Some(target.tag.to_string()).filter(|tag| !tag.is_empty()),
            platform: found.platform.cloned(),
            time: None,
            signature: None,
        };
        let mut warnings = Vec::new();
        if signature.verdict == SourceVerdict::Invalid {
            warnings.push(warning("wrong-signature", "signatures"));
        }
        Ok(ConversionResult {
            lost,
            added,
            warnings,
            signature: Some(signature),
            records: [record].into(),
            layers: known,
            ..ConversionResult::new(form, bytes)
        })
    }

    /// What the signatures of stored schema 1 prove. What is made of it has none, so that nobody can verify them later.
    fn source_signature(self, digest: &Digest, schema1: &Schema1<'_>) -> Result<SourceSignature, Stop> {
        if !schema1.is_signed() {
            self.check_unsigned()?;
            return Ok(SourceSignature::NONE);
        }
        match self.documents.signature(digest) {
            None => Err(Stop::Need(Needs::signatures_of(digest))),
            Some(SignatureReading::Invalid { problem })
                if self.request.rules().refuse(Permission::WrongSignature) =>
            {
                Err(Error::WrongSignature { problem: problem.clone() }.into())
            }
            Some(reading) => Ok(reading.into()),
        }
    }

    /// Refuses schema 1 without a signature where the operator wants one.
    pub(super) fn check_unsigned(self) -> Result<(), Stop> {
        match self.request.unsigned_schema1 {
            UnsignedSchema1::Allow => Ok(()),
            UnsignedSchema1::Refuse => Err(Error::UnsignedSchema1.into()),
        }
    }

    /// The facts of each layer, lowest first; and of each blob that was read, once.
    fn facts<'f>(
        self,
        upgrade: &Upgrade<'_>,
        empty_layer: &'f LayerFacts,
    ) -> Result<(Vec<&'f LayerFacts>, Vec<LayerFacts>), Stop>
    where
        'a: 'f,
    {
        let readings: BTreeMap<&Digest, &'a LayerReading> = self.documents.layers().collect();
        let mut seen = BTreeSet::new();
        let (mut needs, mut facts, mut known) = (Needs::default(), Vec::new(), Vec::new());
        for blob in upgrade.layers() {
            let is_new = seen.insert(blob);
            let own = match readings.get(blob) {
                Some(LayerReading::Facts(own)) => own,
                // What is always there need not be read, or stored.
                _ if *blob == empty_layer.digest => {
                    facts.push(empty_layer);
                    continue;
                }
                Some(LayerReading::Missing) => {
                    return Err(Error::MissingLayer { digest: blob.clone() }.into());
                }
                Some(LayerReading::Refused { code, cause }) => {
                    let (code, cause) = (code.clone(), cause.clone());
                    return Err(Error::UnreadableLayer { digest: blob.clone(), code, cause }.into());
                }
                None => {
                    if is_new {
                        needs.layers.push(LayerNeed::of_blob(blob));
                    }
                    continue;
                }
            };
            if own.is_named_by_diff_id() && self.plain_layers == PlainLayers::Never {
                return Err(no_plain_layer(own));
            }
            facts.push(own);
            if is_new {
                known.push(own.clone());
            }
        }
        if needs.is_empty() { Ok((facts, known)) } else { Err(Stop::Need(needs)) }
    }
}

/// Refuses a layer that would have to go by its diff id where nobody gets plain layers: schema 1 has bzip2 and xz, too, for
/// which there are no media types.
fn no_plain_layer(facts: &LayerFacts) -> Stop {
    let digest = facts.digest.clone();
    if facts.compression == Compression::Zstd {
        return Error::ZstdLayer { digest }.into();
    }
    let cause = format!("it is compressed with {}, and plain layers are off", facts.compression);
    Error::UnreadableLayer { digest, code: "plain-layers".into(), cause }.into()
}
