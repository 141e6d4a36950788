//! The conversions: each makes the bytes of one form from a document of another, and says what was lost.

mod index;
mod manifest;
mod schema1;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Arguments;

pub(crate) use index::{Entry, to_index, to_list};
pub(crate) use manifest::{to_oci, to_schema2};
pub(crate) use schema1::{Source, to_schema1};

use crate::document::Descriptor;
use crate::report::Note;
use crate::{Error, Limits};

/// A converted document.
pub(crate) struct Converted {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lost: Vec<Note>,
}

impl Converted {
    fn new(bytes: Vec<u8>, lost: Vec<Note>, limits: &Limits) -> Result<Self, Error> {
        Limits::check("output-bytes", limits.output_bytes, bytes.len())?;
        Ok(Self { bytes, lost })
    }
}

/// The indent of Docker's manifests: `json.MarshalIndent` with three spaces.
const DOCKER_INDENT: &[u8] = b"   ";
/// OCI manifests are written compact, as most tools do.
const OCI_INDENT: &[u8] = b"";

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
