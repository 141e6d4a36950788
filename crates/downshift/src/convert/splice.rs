//! A manifest in its own form with other layers: all else of it stays, to the byte.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::notes::note;
use super::output::{Rewrite, begin_descriptor};
use crate::document::{Descriptor, Manifest};
use crate::report::Note;
use crate::{Error, Form, Limits};
use downshift_json::{Json, Kind, Pretty, Value};

/// Annotations about the compressed bytes of a layer, by how they begin: by them a client asks for ranges of the blob.
const OF_COMPRESSED_BYTES: [&str; 3] = [
    // zstd:chunked (containers/storage, pkg/chunked/internal/compression.go).
    "io.github.containers.zstd-chunked.",
    // What eStargz adds to that (stargz-snapshotter, estargz/types.go).
    "io.containers.estargz.",
    // containerd's remote snapshotters: stargz, overlaybd, nydus.
    "containerd.io/snapshot/",
];

/// Puts the layers of `renamed` in the place of those in the document `bytes`, which was read as `manifest`.
pub(crate) fn rename_layers(
    bytes: &[u8],
    manifest: &Manifest,
    renamed: &Manifest,
    limits: &Limits,
) -> Result<Rewrite, Box<Error>> {
    let json = Json::parse("manifest", bytes, limits)?;
    let layers = json.root().member("layers").ok_or_else(|| Error::missing_member("layers"))?;
    let (mut made, mut lost, mut copied) = (Vec::with_capacity(bytes.len()), Vec::new(), 0);
    let both = manifest.layers.iter().zip(&renamed.layers);
    for (index, (element, (before, after))) in layers.elements().zip(both).enumerate() {
        if before == after {
            continue;
        }
        let span = element.span();
        made.extend_from_slice(bytes.get(copied..span.start).unwrap_or_default());
        let is_other = before.digest != after.digest;
        made.extend(write_layer(element, after, renamed.form, is_other.then_some(index), &mut lost));
        copied = span.end;
    }
    made.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    Rewrite::new(made, lost, limits)
}

/// The descriptor of a layer under its new name, with all other members that it had; of another blob, whose place is
/// `other`, without what is about the bytes of the former one.
fn write_layer(
    element: Value<'_>,
    layer: &Descriptor,
    form: Form,
    other: Option<usize>,
    lost: &mut Vec<Note>,
) -> Vec<u8> {
    let mut json = Pretty::new(b"");
    begin_descriptor(&mut json, form, &layer.media_type, &layer.digest, layer.size);
    for (key, value) in element.members() {
        let name = key.text();
        match (name.as_ref(), other) {
            ("mediaType" | "digest" | "size", _) | ("urls", Some(_)) => {}
            ("data", Some(index)) => lost.push(note("member", format!("layers[{index}].data"))),
            ("annotations", Some(index)) if value.kind() == Kind::Object => {
                let is_lost =
                    |name: &str| OF_COMPRESSED_BYTES.iter().any(|beginning| name.starts_with(beginning));
                let all = value.members().map(|(key, value)| (key.text(), value));
                let (dropped, kept): (Vec<_>, Vec<_>) = all.partition(|(name, _)| is_lost(name));
                for (name, _) in &dropped {
                    lost.push(note("annotation", format!("layers[{index}].annotations.{name}")));
                }
                if kept.is_empty() && !dropped.is_empty() {
                    continue;
                }
                json.key("annotations");
                json.open(b'{');
                for (name, value) in kept {
                    json.any_key(&name);
                    json.json(value.raw());
                }
                json.close(b'}');
            }
            _ => {
                json.any_key(&name);
                json.json(value.raw());
            }
        }
    }
    json.close(b'}');
    json.into_bytes()
}
