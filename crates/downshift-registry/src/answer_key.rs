//! The key of a cache of answers.

use alloc::string::String;

use downshift::{Capabilities, Digest};

use crate::Reference;

/// What decides the answer to a request for a manifest, beside the settings of a server: requests with the same key
/// have the same answer.
///
/// Of the headers it has what they mean, so that clients which spell the same in different ways share an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnswerKey {
    /// The repository's name, which is written into schema 1.
    pub name: String,
    /// The tag, which is written into schema 1, or the digest.
    pub reference: Reference,
    /// What the reference means.
    pub meaning: Meaning,
    /// What the client understands.
    pub client: Capabilities,
}

/// What a reference means. What a digest stands for never changes, but more of it may come to be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// What this reading of a stored repository says; no two readings have the same number.
    Reading(u64),
    /// The manifest with this digest of an upstream registry.
    Upstream(Digest),
}
