use alloc::format;
use alloc::vec::Vec;
use core::fmt::Arguments;

use super::{Converted, DOCKER_INDENT, OCI_INDENT, note_descriptor, note_members};
use crate::document::{Descriptor, Manifest};
use crate::json::Pretty;
use crate::layer::{DOCKER_CONFIG, LayerType, OCI_CONFIG};
use crate::report::Note;
use crate::{Error, Form, Limits};

/// Makes a schema 2 manifest of an OCI manifest: the same config and layers under Docker's media types.
///
/// Its layout is the one that Docker pushes, so that an image which was once schema 2 gets its first digest back.
pub(crate) fn to_schema2(manifest: &Manifest, limits: &Limits) -> Result<Converted, Error> {
    write(manifest, Form::Schema2, DOCKER_INDENT, limits)
}

/// Makes an OCI manifest of a schema 2 manifest.
pub(crate) fn to_oci(manifest: &Manifest, limits: &Limits) -> Result<Converted, Error> {
    write(manifest, Form::Oci, OCI_INDENT, limits)
}

fn write(manifest: &Manifest, form: Form, indent: &[u8], limits: &Limits) -> Result<Converted, Error> {
    let mut lost = Vec::new();
    note_members(&mut lost, format_args!(""), &manifest.others);

    let mut json = Pretty::new(indent);
    json.open(b'{');
    json.key("schemaVersion");
    json.number(2);
    json.string_member("mediaType", form.media_type());
    json.key("config");
    let config_type = if form == Form::Oci { OCI_CONFIG } else { DOCKER_CONFIG };
    write_descriptor(&mut json, &manifest.config, config_type, form);
    note_lost(&mut lost, format_args!("config."), &manifest.config);
    json.key("layers");
    json.open(b'[');
    for (index, layer) in manifest.layers.iter().enumerate() {
        json.element();
        write_descriptor(&mut json, layer, LayerType::media_type(layer, form)?, form);
        note_lost(&mut lost, format_args!("layers[{index}]."), layer);
    }
    json.close(b']');
    json.close(b'}');
    Converted::new(json.into_bytes(), lost, limits)
}

/// Docker puts the size before the digest, OCI the digest before the size: each as its own tools do.
fn write_descriptor(json: &mut Pretty<'_>, descriptor: &Descriptor, media_type: &str, form: Form) {
    json.open(b'{');
    json.string_member("mediaType", media_type);
    if form == Form::Oci {
        json.string_member("digest", descriptor.digest.as_str());
    }
    json.key("size");
    json.number(descriptor.size);
    if form == Form::Schema2 {
        json.string_member("digest", descriptor.digest.as_str());
    }
    if !descriptor.urls.is_empty() {
        json.strings_member("urls", &descriptor.urls);
    }
    json.close(b'}');
}

fn note_lost(lost: &mut Vec<Note>, path: Arguments<'_>, descriptor: &Descriptor) {
    note_descriptor(lost, path, descriptor);
    if descriptor.platform.is_some() {
        lost.push(super::note("member", format!("{path}platform")));
    }
}
