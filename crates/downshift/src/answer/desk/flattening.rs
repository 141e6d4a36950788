//! Notes on lists and indexes in whose place their entries stand.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::document::{Descriptor, Index};
use crate::report::Note;

/// What the entries of a list or index do not have any more, or have in addition, once those of others are in their places.
#[derive(Default)]
pub(super) struct FlatteningNotes {
    pub(super) lost: Vec<Note>,
    pub(super) added: Vec<Note>,
}

impl FlatteningNotes {
    /// Notes what goes with a list or index in whose place its entries stand: members of its descriptor and its own.
    pub(super) fn of_opened(&mut self, entry: &Descriptor, opened: &Index) {
        let artifact_type = entry.artifact_type.as_ref().map(|_| "artifactType");
        let members = entry.others.iter().chain(&opened.others).map(String::as_str).chain(artifact_type);
        for member in members {
            let path = format!("manifests[{}].{member}", entry.digest);
            // Annotations may stand in both.
            if self.lost.last().is_none_or(|last| last.path != path) {
                self.lost.push(Note { code: "member".into(), path });
            }
        }
    }

    /// Notes that an entry has a platform which it does not say itself.
    pub(super) fn of_platform(&mut self, entry: &Descriptor) {
        if entry.platform.is_some() {
            self.added.push(Note {
                code: "platform".into(),
                path: format!("manifests[{}].platform", entry.digest),
            });
        }
    }
}
