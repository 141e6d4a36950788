//! What a conversion did: for people, and for machines as JSON.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::{Digest, Form, Platform, Policy, SourceSignature};

/// What was done to answer a request.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The stored manifest.
    pub source: Described,
    /// The manifest that was given out. For schema 1, digest and size are the payload's.
    pub result: Described,
    /// The policy that was followed.
    pub policy: Policy,
    /// The platform that was picked from a list or index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What the signatures of the stored manifest prove, if it is schema 1 and another was made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<SourceSignature>,
    /// Why the digest is another than the source's; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_changed: Option<Cow<'static, str>>,
    /// What the result does not have any more.
    pub lost: Vec<Note>,
    /// What the result has and the source had not.
    pub added: Vec<Note>,
    /// Entries of a list or index that were left out.
    pub left_out: Vec<LeftOut>,
    /// What is odd and did no harm to the conversion: `size` of a descriptor that says another one than its document has,
    /// `depth` of a history that is too long for engines of the schema 1 era to run, `wrong-signature` of schema 1 whose
    /// signature does not hold and was allowed.
    pub warnings: Vec<Note>,
}

impl Report {
    /// Why a manifest that was converted from one form to another, or in its own has other layers, has another digest.
    pub(crate) fn why_changed(from: Form, form: Form) -> &'static str {
        match form {
            Form::Schema2 | Form::Oci if from == form => {
                "the digests, sizes and media types of its layers are part of its bytes"
            }
            Form::Schema1 | Form::Schema1Unsigned => {
                "schema 1 is another document; its digest is of the payload without signatures, which holds the repository's name and the tag"
            }
            Form::Schema2 | Form::Oci | Form::Other => {
                "the media types inside the manifest are part of its bytes"
            }
            Form::List | Form::Index => {
                "the media types inside the list, and the digests of the manifests converted with it, are part of its bytes"
            }
        }
    }
}

/// A manifest, by its looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Its form.
    pub form: Form,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: usize,
}

/// One thing that was lost or added, or is odd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// A stable code, such as `annotations`.
    pub code: Cow<'static, str>,
    /// Where it was, such as `layers[2].urls`.
    pub path: String,
}

/// An entry of a list or index that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The entry.
    pub digest: Digest,
    /// Its platform, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// A stable code: that of the [`Error`](crate::Error) which kept it out, or `attestation`, or `no-platform`.
    pub code: Cow<'static, str>,
}
