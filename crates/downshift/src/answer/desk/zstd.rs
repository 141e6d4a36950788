//! Which layers are compressed with zstd.

use crate::document::{Descriptor, Manifest};
use crate::layer::{Compression, Content, LayerType};

/// The first layer of an image that is compressed with zstd, as its media type says, be it encrypted as well: who does not
/// read the one does not read the other.
pub(super) fn zstd_layer<'m>(manifest: &'m Manifest, content: &Content) -> Option<&'m Descriptor> {
    let is_image = !matches!(content, Content::Artifact(_));
    manifest.layers.iter().find(|layer| is_image && (is_zstd(layer) || layer.media_type.ends_with(ENCRYPTED)))
}

/// How the media type of such a layer ends (ocicrypt).
const ENCRYPTED: &str = "+zstd+encrypted";

pub(super) fn is_zstd(layer: &Descriptor) -> bool {
    LayerType::of(layer).is_ok_and(|layer| layer.compression == Compression::Zstd)
}
