use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::notes::{note, note_descriptor, note_members};
use super::output::{Rewrite, begin, begin_descriptor};
use crate::document::{Descriptor, EntryPlatform, Index};
use crate::{Digest, Error, Form, Limits};
use downshift_json::Pretty;

/// An entry of the converted list or index: what it was, and the manifest that it names now.
pub(crate) struct Entry<'e> {
    pub(crate) descriptor: &'e Descriptor,
    pub(crate) form: Form,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// Makes a manifest list of an OCI index.
pub(crate) fn to_list(index: &Index, entries: &[Entry<'_>], limits: &Limits) -> Result<Rewrite, Box<Error>> {
    write(index, entries, Form::List, limits)
}

/// Makes an OCI index of a manifest list.
pub(crate) fn to_index(index: &Index, entries: &[Entry<'_>], limits: &Limits) -> Result<Rewrite, Box<Error>> {
    write(index, entries, Form::Index, limits)
}

fn write(index: &Index, entries: &[Entry<'_>], form: Form, limits: &Limits) -> Result<Rewrite, Box<Error>> {
    let mut lost = Vec::new();
    note_members(&mut lost, format_args!(""), &index.others);

    let mut json = begin(form);
    json.key("manifests");
    json.open(b'[');
    for entry in entries {
        json.element();
        begin_descriptor(&mut json, form, entry.form.media_type(), &entry.digest, entry.size);
        if let Some(platform) = &entry.descriptor.platform {
            json.key("platform");
            write_platform(&mut json, platform, form);
            if form == Form::Index && !platform.features.is_empty() {
                lost.push(note(
                    "member",
                    format!("manifests[{}].platform.features", entry.descriptor.digest),
                ));
            }
        }
        json.close(b'}');
        note_descriptor(&mut lost, format_args!("manifests[{}].", entry.descriptor.digest), entry.descriptor);
    }
    json.close(b']');
    json.close(b'}');
    Rewrite::new(json.into_bytes(), lost, limits)
}

fn write_platform(json: &mut Pretty<'_>, entry: &EntryPlatform, form: Form) {
    json.open(b'{');
    json.string_member("architecture", &entry.platform.architecture);
    json.string_member("os", &entry.platform.os);
    if let Some(version) = &entry.os_version {
        json.string_member("os.version", version);
    }
    if !entry.os_features.is_empty() {
        json.strings_member("os.features", &entry.os_features);
    }
    if let Some(variant) = &entry.platform.variant {
        json.string_member("variant", variant);
    }
    if form == Form::List && !entry.features.is_empty() {
        json.strings_member("features", &entry.features);
    }
    json.close(b'}');
}
