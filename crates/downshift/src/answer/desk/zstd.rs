//! Which layers are compressed with zstd.

use crate::document::{Descriptor, Manifest};
use crate::layer::{Compression, Content, LayerType};

/// The first layer of an image that is compressed with zstd, as its media type says.
pub(super) fn zstd_layer<'m>(manifest: &'m Manifest, content: &Content) -> Option<&'m Descriptor> {
    let is_image = !matches!(content, Content::Artifact(_));
    manifest.layers.iter().find(|layer| is_image && is_zstd(layer))
}

pub(super) fn is_zstd(layer: &Descriptor) -> bool {
    LayerType::of(layer).is_ok_and(|layer| layer.compression == Compression::Zstd)
}
