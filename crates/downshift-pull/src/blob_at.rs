//! Which blob, of which repository, and on whose behalf.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use core::hash::{Hash, Hasher};

use downshift::Digest;
use downshift::layer::LayerFacts;

use crate::caller::{Caller, CallerId};

/// A blob of a repository, and on whose behalf it is fetched. Two are the same if the one may stand for the other.
#[derive(Clone, Debug)]
pub struct BlobAt {
    /// The repository's name here.
    pub name: String,
    /// Where the repository is, by which it is remembered what that has: its name here may stand for another one tomorrow.
    pub place: String,
    /// The blob's digest.
    pub digest: Digest,
    /// How many bytes it has, as far as somebody said so.
    pub(crate) size: Option<u64>,
    /// The stored layer that unpacks to it, if it is the plain tar of one.
    pub(crate) unpacked_from: Option<Box<LayerFacts>>,
    pub(crate) caller: Caller,
}

impl BlobAt {
    pub(crate) fn new(place: String, name: &str, digest: &Digest, caller: &Caller) -> Self {
        Self {
            name: name.to_string(),
            place,
            digest: digest.clone(),
            size: None,
            unpacked_from: None,
            caller: caller.clone(),
        }
    }

    /// The plain tar of a layer, for the same caller.
    pub(crate) fn plain(&self, facts: &LayerFacts) -> Self {
        let (size, unpacked_from) = (Some(facts.plain_size), Some(Box::new(facts.clone())));
        Self { digest: facts.diff_id.clone(), size, unpacked_from, ..self.clone() }
    }

    /// Who stands for it where the same is fetched on behalf of several.
    #[must_use]
    pub fn caller(&self) -> CallerId {
        match &self.caller {
            Caller::Server => CallerId::default(),
            Caller::Client { id, .. } => *id,
        }
    }
}

impl PartialEq for BlobAt {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.digest == other.digest && self.caller() == other.caller()
    }
}

impl Eq for BlobAt {}

impl Hash for BlobAt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.digest.hash(state);
        self.caller().hash(state);
    }
}
