use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::fmt::Arguments;

use super::notes::{note, note_descriptor, note_members};
use super::output::{Rewrite, begin, begin_descriptor};
use crate::document::{Descriptor, Manifest};
use crate::layer::{DOCKER_CONFIG, LayerType, OCI_CONFIG};
use crate::report::Note;
use crate::{Error, Form, Limits};
use downshift_json::Pretty;

/// Makes a schema 2 manifest of an OCI manifest: the same config and layers under Docker's media types; where it
/// `names_zstd`, those too that are compressed with it, as BuildKit writes them.
pub(crate) fn to_schema2(
    manifest: &Manifest,
    names_zstd: bool,
    limits: &Limits,
) -> Result<Rewrite, Box<Error>> {
    write(manifest, Form::Schema2, names_zstd, limits)
}

/// Makes an OCI manifest of a schema 2 manifest.
pub(crate) fn to_oci(manifest: &Manifest, limits: &Limits) -> Result<Rewrite, Box<Error>> {
    write(manifest, Form::Oci, true, limits)
}

fn write(manifest: &Manifest, form: Form, names_zstd: bool, limits: &Limits) -> Result<Rewrite, Box<Error>> {
    let mut lost = Vec::new();
    note_members(&mut lost, format_args!(""), &manifest.others);

    let mut json = begin(form);
    json.key("config");
    let config_type = if form == Form::Oci { OCI_CONFIG } else { DOCKER_CONFIG };
    write_descriptor(&mut json, &manifest.config, config_type, form);
    note_lost(&mut lost, format_args!("config."), &manifest.config);
    json.key("layers");
    json.open(b'[');
    for (index, layer) in manifest.layers.iter().enumerate() {
        json.element();
        write_descriptor(&mut json, layer, LayerType::media_type(layer, form, names_zstd)?, form);
        note_lost(&mut lost, format_args!("layers[{index}]."), layer);
    }
    json.close(b']');
    json.close(b'}');
    Rewrite::new(json.into_bytes(), lost, limits)
}

fn write_descriptor(json: &mut Pretty<'_>, descriptor: &Descriptor, media_type: &str, form: Form) {
    begin_descriptor(json, form, media_type, &descriptor.digest, descriptor.size);
    if !descriptor.urls.is_empty() {
        json.strings_member("urls", &descriptor.urls);
    }
    json.close(b'}');
}

fn note_lost(lost: &mut Vec<Note>, path: Arguments<'_>, descriptor: &Descriptor) {
    note_descriptor(lost, path, descriptor);
    if descriptor.platform.is_some() {
        lost.push(note("member", format!("{path}platform")));
    }
}
