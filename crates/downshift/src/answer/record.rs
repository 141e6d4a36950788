//! What has to be kept, so that every reported digest can be pulled.

use alloc::string::String;
use alloc::vec::Vec;

use crate::layer::LayerFacts;
use crate::{Digest, Form, Platform, SourceSignature, Timestamp};

/// A converted manifest under the digest that was reported for it; or a config that was made with one, under the digest
/// by which that manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The repository's name.
    pub name: String,
    /// The reported digest: that of `payload`.
    pub digest: Digest,
    /// The form that it was converted to; [`Form::Other`] of a config, which is a blob.
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
    /// What the signatures of the stored manifest prove, if this was made of schema 1.
    pub signature: Option<SourceSignature>,
}

impl Record {
    /// Whether it is a config: in the repository that is a blob, and no manifest.
    #[must_use]
    pub fn is_config(&self) -> bool {
        self.form == Form::Other
    }
}

/// A layer that a reported manifest names by its diff id: in the repository, the blob `facts.diff_id` is the plain tar of
/// the stored blob `facts.digest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRecord {
    /// The repository's name.
    pub name: String,
    /// What is known of the stored blob.
    pub facts: LayerFacts,
}
