//! Layer media types, and what a manifest is of.

mod compression;
mod facts;

use alloc::boxed::Box;
use alloc::string::{String, ToString};

pub use self::compression::Compression;
pub use self::facts::{DECODER_VERSION, LayerFacts};

use crate::document::{Descriptor, Manifest};
use crate::{Error, Form, Permission, Permissions};

/// The media type of a layer, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerType {
    /// How the layer is compressed.
    pub compression: Compression,
    /// Whether the layer is fetched from elsewhere.
    pub is_foreign: bool,
}

const PLAIN: LayerType = LayerType { compression: Compression::Plain, is_foreign: false };
const GZIP: LayerType = LayerType { compression: Compression::Gzip, is_foreign: false };
const ZSTD: LayerType = LayerType { compression: Compression::Zstd, is_foreign: false };
const FOREIGN_PLAIN: LayerType = LayerType { compression: Compression::Plain, is_foreign: true };
const FOREIGN_GZIP: LayerType = LayerType { compression: Compression::Gzip, is_foreign: true };
const FOREIGN_ZSTD: LayerType = LayerType { compression: Compression::Zstd, is_foreign: true };

/// The names of the limits of a layer that is unpacked, as operators write them.
pub const LIMITS: [&str; 5] = ["layer-bytes", "plain-bytes", "ratio", "window-bytes", "work"];

/// Docker's layer types (image manifest version 2, schema 2, "Media Types"; zstd as BuildKit writes it).
const DOCKER: [(&str, LayerType); 5] = [
    ("application/vnd.docker.image.rootfs.diff.tar", PLAIN),
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", GZIP),
    ("application/vnd.docker.image.rootfs.diff.tar.zstd", ZSTD),
    ("application/vnd.docker.image.rootfs.foreign.diff.tar", FOREIGN_PLAIN),
    ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", FOREIGN_GZIP),
];

/// OCI's layer types (OCI image specification, layer.md).
const OCI: [(&str, LayerType); 6] = [
    ("application/vnd.oci.image.layer.v1.tar", PLAIN),
    ("application/vnd.oci.image.layer.v1.tar+gzip", GZIP),
    ("application/vnd.oci.image.layer.v1.tar+zstd", ZSTD),
    ("application/vnd.oci.image.layer.nondistributable.v1.tar", FOREIGN_PLAIN),
    ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", FOREIGN_GZIP),
    ("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", FOREIGN_ZSTD),
];

/// What ocicrypt appends to the type of a layer that it encrypts.
const ENCRYPTED: &str = "+encrypted";

/// What registries and engines of 2016 left as the type of a config in schema 2, and Docker takes for an image's to this
/// day (moby, distribution/registry.go, `imageTypes`).
const UNTOLD: [&str; 4] = ["", "application/octet-stream", "application/json", "text/html"];

pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

impl LayerType {
    /// Reads the media type of a layer.
    ///
    /// # Errors
    /// [`Error::EncryptedLayer`] or [`Error::UnknownLayerType`].
    pub fn of(layer: &Descriptor) -> Result<Self, Box<Error>> {
        if layer.media_type.ends_with(ENCRYPTED) {
            return Err(Error::EncryptedLayer { digest: layer.digest.clone() }.into());
        }
        let known = DOCKER.iter().chain(&OCI).find(|(name, _)| *name == layer.media_type);
        match known {
            Some(&(_, layer_type)) => Ok(layer_type),
            None => Err(Error::UnknownLayerType {
                digest: layer.digest.clone(),
                media_type: layer.media_type.clone(),
            }
            .into()),
        }
    }

    /// Checks that engines of the schema 1 days can fetch and unpack the layer, or that it is allowed all the same.
    pub(crate) fn check_schema1(layer: &Descriptor, allow: Permissions) -> Result<(), Box<Error>> {
        let digest = || layer.digest.clone();
        let layer_type = match Self::of(layer) {
            Err(error)
                if matches!(*error, Error::UnknownLayerType { .. })
                    && allow.has(Permission::UnknownLayerType) =>
            {
                PLAIN
            }
            other => other?,
        };
        if layer_type.is_foreign && !allow.has(Permission::ForeignLayer) {
            return Err(Error::ForeignLayer { digest: digest() }.into());
        }
        if layer_type.compression == Compression::Zstd && !allow.has(Permission::ZstdLayer) {
            return Err(Error::ZstdLayer { digest: digest() }.into());
        }
        if layer.digest.algorithm() != "sha256" && !allow.has(Permission::DigestAlgorithm) {
            return Err(Error::DigestAlgorithm { digest: digest() }.into());
        }
        Ok(())
    }

    /// The media type of the same layer in a manifest of the form `form`.
    pub(crate) fn media_type(
        layer: &Descriptor,
        form: Form,
        names_zstd: bool,
    ) -> Result<&'static str, Box<Error>> {
        let layer_type = Self::of(layer)?;
        if layer_type.compression == Compression::Zstd && !names_zstd {
            return Err(Error::ZstdLayer { digest: layer.digest.clone() }.into());
        }
        let found = layer_type.name_in(form);
        found.ok_or_else(|| Error::ZstdLayer { digest: layer.digest.clone() }.into())
    }

    /// The media type by this name in a manifest of the form `form`, if it has one.
    pub(crate) fn name_in(self, form: Form) -> Option<&'static str> {
        let table: &[(&'static str, Self)] = if form == Form::Schema2 { &DOCKER } else { &OCI };
        table.iter().find(|(_, candidate)| *candidate == self).map(|&(name, _)| name)
    }
}

impl Manifest {
    /// The media type that makes it an artifact instead of an image, if one does.
    #[must_use]
    pub fn artifact(&self) -> Option<String> {
        match Content::of(self) {
            Content::Artifact(error) => match *error {
                Error::Artifact { media_type } => Some(media_type),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a manifest is of, as far as it says itself.
pub(crate) enum Content {
    Image,
    /// An image if its config is one: its type does not tell.
    ImageIfConfigIs,
    /// Something else: the error says by which media type.
    Artifact(Box<Error>),
}

impl Content {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let artifact =
            |media_type: &str| Self::Artifact(Error::Artifact { media_type: media_type.to_string() }.into());
        if let Some(artifact_type) = manifest.artifact_type.as_deref().filter(|text| !text.is_empty()) {
            return artifact(artifact_type);
        }
        // A manifest whose layers are all of unknown types is a signature, a chart, a module …; one with some of
        // them is an image that cannot be converted, and conversion says which layer it is.
        let unknown = |layer: &Descriptor| {
            LayerType::of(layer).is_err_and(|error| matches!(*error, Error::UnknownLayerType { .. }))
        };
        if let Some(layer) = manifest.layers.first().filter(|_| manifest.layers.iter().all(unknown)) {
            return artifact(&layer.media_type);
        }
        match manifest.config.media_type.as_str() {
            DOCKER_CONFIG | OCI_CONFIG => Self::Image,
            other if manifest.form == Form::Schema2 && is_untold(other) => Self::ImageIfConfigIs,
            other => artifact(other),
        }
    }
}

/// Whether the media type of a config says nothing: such a type was taken from a registry's Content-Type, which may have
/// parameters.
fn is_untold(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    UNTOLD.iter().any(|untold| untold.eq_ignore_ascii_case(essence))
}
