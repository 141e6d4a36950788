//! The conversions: each makes the bytes of one form from a document of another, and says what was lost.

mod index;
mod manifest;
mod schema1;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Arguments;

pub(crate) use index::{Entry, to_index, to_list};
pub(crate) use manifest::{to_oci, to_schema2};
pub(crate) use schema1::{Source, to_schema1};

use crate::document::Descriptor;
use crate::json::Pretty;
use crate::report::Note;
use crate::{Digest, Error, Form, Limits};

/// A converted document.
pub(crate) struct Converted {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lost: Vec<Note>,
}

impl Converted {
    fn new(bytes: Vec<u8>, lost: Vec<Note>, limits: &Limits) -> Result<Self, Box<Error>> {
        Limits::check("output-bytes", limits.output_bytes, bytes.len())?;
        Ok(Self { bytes, lost })
    }
}

/// The indent of Docker's manifests: `json.MarshalIndent` with three spaces.
const DOCKER_INDENT: &[u8] = b"   ";
/// OCI manifests are written compact, as most tools do.
const OCI_INDENT: &[u8] = b"";

/// Begins a schema 2 or OCI document, in the layout of its family's own tools: so an image that was converted before
/// gets its first digest back.
fn begin(form: Form) -> Pretty<'static> {
    let mut json = Pretty::new(if is_oci(form) { OCI_INDENT } else { DOCKER_INDENT });
    json.open(b'{');
    json.key("schemaVersion");
    json.literal("2");
    json.string_member("mediaType", form.media_type());
    json
}

/// Begins a descriptor in a document of `form`. Docker puts the size before the digest, OCI the digest before the size:
/// each as its own tools do.
fn begin_descriptor(json: &mut Pretty<'_>, form: Form, media_type: &str, digest: &Digest, size: u64) {
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

fn note(code: &'static str, path: impl Into<String>) -> Note {
    Note { code: code.into(), path: path.into() }
}

/// Notes each member that the converted document does not have.
fn note_members(lost: &mut Vec<Note>, path: Arguments<'_>, members: &[String]) {
    lost.extend(members.iter().map(|member| note("member", format!("{path}{member}"))));
}

/// Notes the members of a descriptor that no converted document has.
fn note_descriptor(lost: &mut Vec<Note>, path: Arguments<'_>, descriptor: &Descriptor) {
    note_members(lost, path, &descriptor.others);
    if descriptor.artifact_type.is_some() {
        lost.push(note("member", format!("{path}artifactType")));
    }
}
