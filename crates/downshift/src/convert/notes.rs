//! Notes of what a converted document does not have any more.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Arguments;

use crate::document::Descriptor;
use crate::report::Note;

pub(super) fn note(code: &'static str, path: impl Into<String>) -> Note {
    Note { code: code.into(), path: path.into() }
}

/// Notes each member that the converted document does not have.
pub(super) fn note_members(lost: &mut Vec<Note>, path: Arguments<'_>, members: &[String]) {
    lost.extend(members.iter().map(|member| note("member", format!("{path}{member}"))));
}

/// Notes the members of a descriptor that no converted document has.
pub(super) fn note_descriptor(lost: &mut Vec<Note>, path: Arguments<'_>, descriptor: &Descriptor) {
    note_members(lost, path, &descriptor.others);
    if descriptor.artifact_type.is_some() {
        lost.push(note("member", format!("{path}artifactType")));
    }
}
