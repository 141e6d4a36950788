//! Images made for tests: real ones, and random ones that go to the edges of what the reference reads.

pub mod built;
pub mod layout;
pub mod random;
pub mod sample;
mod text;
pub mod zstd;

use std::collections::BTreeMap;

use downshift::{Digest, Form, Limits, Platform, jws};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// The repository that the images are stored in.
pub const REPOSITORY: &str = "library/sample";

/// An image as a registry stores it: what a tag points to, and all that it refers to.
#[derive(Clone, Debug)]
pub struct Image {
    /// What the tag points to.
    pub manifest: Manifest,
    /// Of a list or index: the manifests that it lists.
    pub children: Vec<Manifest>,
    /// The configs.
    pub configs: Vec<Vec<u8>>,
    /// The layers.
    pub layers: Vec<Vec<u8>>,
}

/// A manifest of any form, as it is stored.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its form.
    pub form: Form,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// Whose media types an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Docker's: schema 2 and manifest lists.
    Docker,
    /// OCI's: manifests and indexes.
    Oci,
}

/// A descriptor of another document, as it stands in a manifest.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The document's media type.
    pub media_type: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// Its digest.
    pub digest: Digest,
    /// In a list or index: what it was built for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Image {
    /// Whether any of its manifests is OCI's.
    #[must_use]
    pub fn has_oci(&self) -> bool {
        let mut manifests = core::iter::once(&self.manifest).chain(&self.children);
        manifests.any(|manifest| matches!(manifest.form, Form::Oci | Form::Index))
    }

    /// An image for one platform.
    #[must_use]
    pub fn single(family: Family, config: Vec<u8>, layers: Vec<Vec<u8>>) -> Self {
        let manifest = Manifest::single(
            family,
            Descriptor::of(family.config(), &config),
            layers.iter().map(|layer| Descriptor::of(family.layer(), layer)).collect(),
        );
        Self { manifest, children: Vec::new(), configs: vec![config], layers }
    }

    /// An image of nothing but its manifest: in schema 1 there is no config, and who asks for a manifest needs no layers.
    #[must_use]
    pub fn bare(form: Form, bytes: Vec<u8>) -> Self {
        let manifest = Manifest { form, bytes };
        Self { manifest, children: Vec::new(), configs: Vec::new(), layers: Vec::new() }
    }

    /// A list or index of images for one platform each.
    #[must_use]
    pub fn index(family: Family, images: Vec<(Platform, Self)>) -> Self {
        let entry = |(platform, image): &(Platform, Self)| Descriptor {
            platform: Some(platform.clone()),
            ..Descriptor::of(image.manifest.form.media_type(), &image.manifest.bytes)
        };
        let manifest = Manifest::index(family, images.iter().map(entry).collect());
        Self::listing(manifest, images.into_iter().map(|(_, image)| image))
    }

    /// A list or index of images that does not say what they are for.
    #[must_use]
    pub fn index_of(family: Family, images: Vec<Self>) -> Self {
        let entry = |image: &Self| Descriptor::of(image.manifest.form.media_type(), &image.manifest.bytes);
        let manifest = Manifest::index(family, images.iter().map(entry).collect());
        Self::listing(manifest, images)
    }

    /// What `manifest`, a list or index, and the `images` that it lists are together.
    fn listing(manifest: Manifest, images: impl IntoIterator<Item = Self>) -> Self {
        let mut index = Self { manifest, children: Vec::new(), configs: Vec::new(), layers: Vec::new() };
        for image in images {
            // What lists others after these, as they have to be pushed.
            index.children.extend(image.children);
            index.children.push(image.manifest);
            index.configs.extend(image.configs);
            index.layers.extend(image.layers);
        }
        index
    }

    /// All its documents and blobs, by digest.
    #[must_use]
    pub fn documents(&self) -> BTreeMap<Digest, Vec<u8>> {
        let manifests =
            core::iter::once(&self.manifest).chain(&self.children).map(|manifest| &manifest.bytes);
        let documents = manifests.chain(&self.configs).chain(&self.layers);
        documents.map(|bytes| (Digest::of(bytes), bytes.clone())).collect()
    }
}

impl Manifest {
    /// A schema 2 or OCI manifest.
    #[must_use]
    pub fn single(family: Family, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document {
            schema_version: u8,
            media_type: &'static str,
            config: Descriptor,
            layers: Vec<Descriptor>,
        }
        let form = family.manifest();
        Self::print(form, &Document { schema_version: 2, media_type: form.media_type(), config, layers })
    }

    /// A manifest list or an OCI index.
    #[must_use]
    pub fn index(family: Family, manifests: Vec<Descriptor>) -> Self {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document {
            schema_version: u8,
            media_type: &'static str,
            manifests: Vec<Descriptor>,
        }
        let form = family.index();
        Self::print(form, &Document { schema_version: 2, media_type: form.media_type(), manifests })
    }

    /// With three spaces, as Docker indents its manifests.
    fn print(form: Form, document: &impl Serialize) -> Self {
        let mut bytes = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"   "));
        document.serialize(&mut serializer).expect("a manifest is plain data");
        Self { form, bytes }
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Whether it says that a layer of it is compressed with zstd.
    #[must_use]
    pub fn has_zstd(&self) -> bool {
        let text = String::from_utf8_lossy(&self.bytes);
        [".tar+zstd\"", ".tar.zstd\""].iter().any(|end| text.contains(end))
    }
}

impl Descriptor {
    /// The descriptor of `document`.
    #[must_use]
    pub fn of(media_type: &'static str, document: &[u8]) -> Self {
        Self { media_type, size: document.len(), digest: Digest::of(document), platform: None }
    }
}

impl Family {
    fn manifest(self) -> Form {
        match self {
            Self::Docker => Form::Schema2,
            Self::Oci => Form::Oci,
        }
    }

    fn index(self) -> Form {
        match self {
            Self::Docker => Form::List,
            Self::Oci => Form::Index,
        }
    }

    /// The media type of its configs.
    #[must_use]
    pub const fn config(self) -> &'static str {
        match self {
            Self::Docker => "application/vnd.docker.container.image.v1+json",
            Self::Oci => "application/vnd.oci.image.config.v1+json",
        }
    }

    /// The media type of its layers: gzipped tar archives.
    #[must_use]
    pub const fn layer(self) -> &'static str {
        match self {
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
        }
    }

    /// The media type of its layers that are compressed with zstd.
    #[must_use]
    pub const fn zstd_layer(self) -> &'static str {
        match self {
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.zstd",
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// The media type of its layers that are not compressed.
    #[must_use]
    pub const fn plain_layer(self) -> &'static str {
        match self {
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar",
            Self::Oci => "application/vnd.oci.image.layer.v1.tar",
        }
    }
}

/// The digest by which registries know a manifest: of signed schema 1, that of its payload.
///
/// # Errors
/// If it is signed and cannot be taken apart.
pub fn digest_of(form: Form, manifest: &[u8]) -> anyhow::Result<Digest> {
    Ok(match form {
        Form::Schema1 => Digest::of(&jws::parse(manifest, &Limits::default())?.payload),
        _ => Digest::of(manifest),
    })
}
