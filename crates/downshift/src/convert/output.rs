//! The layout of converted documents.

use alloc::boxed::Box;
use alloc::vec::Vec;

use downshift_json::Pretty;

use crate::report::Note;
use crate::{Digest, Error, Form, Limits};

/// A converted document.
pub(crate) struct Rewrite {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lost: Vec<Note>,
}

impl Rewrite {
    pub(super) fn new(bytes: Vec<u8>, lost: Vec<Note>, limits: &Limits) -> Result<Self, Box<Error>> {
        Limits::check("output-bytes", limits.output_bytes, bytes.len())?;
        Ok(Self { bytes, lost })
    }
}

/// The indent of Docker's manifests: `json.MarshalIndent` with three spaces.
pub(super) const DOCKER_INDENT: &[u8] = b"   ";
/// OCI manifests are written compact, as most tools do.
const OCI_INDENT: &[u8] = b"";

/// Begins a schema 2 or OCI document, in the layout of its family's own tools: so an image that was converted before
/// gets its first digest back.
pub(super) fn begin(form: Form) -> Pretty<'static> {
    let mut json = Pretty::new(if is_oci(form) { OCI_INDENT } else { DOCKER_INDENT });
    json.open(b'{');
    json.key("schemaVersion");
    json.literal("2");
    json.string_member("mediaType", form.media_type());
    json
}

/// Begins a descriptor in a document of `form`. Docker puts the size before the digest, OCI the digest before the size:
/// each as its own tools do.
pub(super) fn begin_descriptor(
    json: &mut Pretty<'_>,
    form: Form,
    media_type: &str,
    digest: &Digest,
    size: u64,
) {
    json.open(b'{');
    json.string_member("mediaType", media_type);
    if is_oci(form) {
        json.string_member("digest", digest.as_str());
    }
    json.key("size");
    json.number(size);
    if !is_oci(form) {
        json.string_member("digest", digest.as_str());
    }
}

fn is_oci(form: Form) -> bool {
    matches!(form, Form::Oci | Form::Index)
}
