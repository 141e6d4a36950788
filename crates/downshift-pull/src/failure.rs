//! Why a pull ends without what was asked for.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use alloc::vec::Vec;

use downshift::answer::{LayerRecord, Record, Refusal};
use downshift::{Digest, Failure as Explanation, Fault as Blame};
use downshift_registry::Fault;

use crate::trouble::Trouble;

/// Why there is no answer: in a box, for it is on the way out of every function here, and nobody waits for a failure.
#[derive(Debug)]
pub(crate) struct Failure(Box<Reason>);

/// A failure of one pull that others wait for.
#[derive(Clone, Debug)]
pub struct SharedFailure(Arc<Reason>);

/// Why that is.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// A registry failed, or refused.
    Upstream(Fault),
    /// The core refused, and this has to be recorded before that is said.
    Refused { explanation: Explanation, records: Vec<Record>, layers: Vec<LayerRecord> },
    /// Layers are still being read.
    Reading,
    /// The shell failed.
    Shell(Trouble),
}

impl Failure {
    /// An answer that takes more requests than the platform allows.
    pub(crate) fn too_many_subrequests(limit: u32) -> Self {
        Self::refused(Explanation {
            code: Cow::Borrowed("edge-subrequests"),
            fault: Blame::Limit,
            cause: format!("the answer takes more than the `{limit}` subrequests that this edge allows"),
            remedy: Cow::Borrowed(
                "set `SUBREQUESTS` to what your plan allows, or pull one platform of the image",
            ),
        })
    }

    /// A layer that takes more of a processor's time to unpack than an edge has.
    pub(crate) fn too_large_at_edge(digest: &Digest, size: u64, limit: u64) -> Self {
        Self::refused(Explanation {
            code: Cow::Borrowed("edge-layer-bytes"),
            fault: Blame::Limit,
            cause: format!(
                "the layer `{digest}` has `{size}` bytes, and this edge unpacks no layer of more than `{limit}`"
            ),
            remedy: Cow::Borrowed(
                "set `LAYER_BYTES` to what your plan's processor time can do, or serve this image with \
                 `downshift serve`, which has no such limit and reads layers beforehand with `downshift warm`",
            ),
        })
    }

    /// A conversion without an end, which the core never has.
    pub(crate) fn endless(digest: &Digest) -> Self {
        Self::refused(Explanation {
            code: Cow::Borrowed("endless-conversion"),
            fault: Blame::Caller,
            cause: format!("the conversion of `{digest}` asks for documents without end"),
            remedy: Cow::Borrowed("report it, with the manifest and its config"),
        })
    }

    /// What is refused with this explanation, and nothing to record before.
    pub(crate) fn refused(explanation: Explanation) -> Self {
        Reason::Refused { explanation, records: Vec::new(), layers: Vec::new() }.into()
    }

    /// Why there is no answer.
    pub(crate) fn reason(self) -> Reason {
        *self.0
    }

    /// The fault of a registry, if that is what failed.
    pub(crate) fn upstream(&self) -> Option<&Fault> {
        match &*self.0 {
            Reason::Upstream(fault) => Some(fault),
            _ => None,
        }
    }

    /// True if a registry turned away this caller.
    pub(crate) fn is_about_caller(&self) -> bool {
        self.upstream().is_some_and(Fault::is_about_caller)
    }
}

impl From<Reason> for Failure {
    #[inline(never)]
    fn from(reason: Reason) -> Self {
        Self(Box::new(reason))
    }
}

impl From<Failure> for SharedFailure {
    fn from(failure: Failure) -> Self {
        Self(Arc::new(failure.reason()))
    }
}

impl From<SharedFailure> for Failure {
    fn from(SharedFailure(reason): SharedFailure) -> Self {
        Reason::clone(&reason).into()
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Reason::Upstream(fault).into()
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Reason::Shell(trouble).into()
    }
}

impl From<Refusal> for Failure {
    fn from(Refusal { failure, records, layers }: Refusal) -> Self {
        Reason::Refused { explanation: failure, records, layers }.into()
    }
}

/// The manifest that is missing, as it is logged.
pub(crate) fn missing_manifest(digest: &Digest) -> Explanation {
    Explanation {
        code: Cow::Borrowed("missing-manifest"),
        fault: Blame::Document,
        cause: format!("the manifest `{digest}` is missing"),
        remedy: Cow::Borrowed("push the image again, with all of its parts"),
    }
}

/// That what is stored in a layout is not what its digest says.
pub(crate) fn damaged_blob(digest: &Digest) -> Explanation {
    Explanation {
        code: Cow::Borrowed("corrupt-document"),
        fault: Blame::Document,
        cause: format!("the bytes stored as `{digest}` have another digest"),
        remedy: Cow::Borrowed("copy the image into its folder again: what is stored is damaged"),
    }
}

/// A fault of a registry, as it is logged.
pub(crate) fn explained(fault: &Fault) -> Explanation {
    Explanation {
        code: Cow::Borrowed(fault.code()),
        fault: Blame::Caller,
        cause: fault.to_string(),
        remedy: Cow::Borrowed(fault.remedy()),
    }
}
