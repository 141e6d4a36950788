//! An image in each form, as small as it can be.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use downshift::answer::{Documents, LayerReading, Request, Root, Step, answer};
use downshift::jwk::Jwk;
use downshift::jws::Signature;
use downshift::layer::{Compression, LayerFacts};
use downshift::{
    Capabilities, Digest, Form, Limits, Permissions, PlainLayers, Platform, Policy, UnsignedSchema1,
};

use crate::report::Stored;

pub(super) const NAME: &str = "library/image";
pub(super) const TAG: &str = "latest";

/// A stored image, with all that it is made of.
pub(super) struct Sample {
    pub(super) stored: Stored,
    pub(super) form: Form,
    pub(super) digest: Digest,
    /// The manifest first, then what it names.
    pub(super) documents: Vec<(Digest, Vec<u8>)>,
    /// What its layers are known to be, where they are read.
    pub(super) layers: Vec<(Digest, LayerReading)>,
}

impl Sample {
    fn new(stored: Stored, manifest: Vec<u8>, others: Vec<(Digest, Vec<u8>)>) -> Self {
        let digest = Digest::of(&manifest);
        let mut documents = vec![(digest.clone(), manifest)];
        documents.extend(others);
        Self { stored, form: stored.form(), digest, documents, layers: Vec::new() }
    }
}

impl Stored {
    pub(super) const fn form(self) -> Form {
        match self {
            Self::Schema1Unsigned => Form::Schema1Unsigned,
            Self::Schema1 => Form::Schema1,
            Self::Schema2 => Form::Schema2,
            Self::List => Form::List,
            Self::Oci | Self::Zstd => Form::Oci,
            Self::Index => Form::Index,
        }
    }
}

/// A sample in each form.
pub(super) fn all() -> Vec<Sample> {
    let schema2 = image(Stored::Schema2, "amd64");
    let mut signed = schema1(&schema2, Stored::Schema1);
    let mut unsigned = schema1(&schema2, Stored::Schema1Unsigned);
    for sample in [&mut signed, &mut unsigned] {
        sample.layers.push(layer(Compression::Gzip));
    }
    vec![
        unsigned,
        signed,
        schema2,
        list(Stored::List, Stored::Schema2),
        image(Stored::Oci, "amd64"),
        list(Stored::Index, Stored::Oci),
        zstd(),
    ]
}

/// The sample with a layer that is compressed with zstd.
fn zstd() -> Sample {
    let mut sample = image(Stored::Zstd, "amd64");
    sample.layers.push(layer(Compression::Zstd));
    sample
}

/// The layer of a sample, which nobody looks into: what it is, is made up.
fn layer(compression: Compression) -> (Digest, LayerReading) {
    let digest = Digest::of(b"amd64");
    let facts = LayerFacts {
        digest: digest.clone(),
        compression,
        size: 32,
        diff_id: Digest::of(b""),
        plain_size: 1024,
        zstd_window: (compression == Compression::Zstd).then_some(1024),
        decoder_version: 0,
    };
    (digest, LayerReading::Facts(facts))
}

fn image(stored: Stored, architecture: &str) -> Sample {
    let (config_type, layer_type) = match stored {
        Stored::Oci => {
            ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
        }
        Stored::Zstd => {
            ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+zstd")
        }
        _ => (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
    };
    let config = format!(
        r#"{{"architecture":"{architecture}","os":"linux","history":[{{"created_by":"COPY"}}],"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        Digest::of(b"")
    );
    let (config, digest) = (config.clone().into_bytes(), Digest::of(config.as_bytes()));
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{config_type}","size":{},"digest":"{digest}"}},"layers":[{{"mediaType":"{layer_type}","size":32,"digest":"{}"}}]}}"#,
        stored.form().media_type(),
        config.len(),
        Digest::of(architecture.as_bytes()),
    );
    Sample::new(stored, manifest.into_bytes(), vec![(digest, config)])
}

fn list(stored: Stored, child: Stored) -> Sample {
    let mut entries = Vec::new();
    let mut documents = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let sample = image(child, architecture);
        let size = sample.documents.first().map_or(0, |(_, bytes)| bytes.len());
        entries.push(format!(
            r#"{{"mediaType":"{}","size":{size},"digest":"{}","platform":{{"architecture":"{architecture}","os":"linux"}}}}"#,
            child.form().media_type(),
            sample.digest
        ));
        documents.extend(sample.documents);
    }
    let list = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
        stored.form().media_type(),
        entries.join(",")
    );
    Sample::new(stored, list.into_bytes(), documents)
}

/// The sample in schema 1. What it cannot be converted to is empty, and refused wherever it is asked for.
fn schema1(schema2: &Sample, stored: Stored) -> Sample {
    let request = Request {
        root: Root::Tag { name: NAME.into(), tag: TAG.into(), digest: schema2.digest.clone() },
        client: Capabilities::of(&[stored.form()]),
        policy: Policy::Strict,
        allow: Permissions::default(),
        plain_layers: PlainLayers::default(),
        unsigned_schema1: UnsignedSchema1::default(),
        default_platform: Platform::linux_amd64(),
        time: None,
        limits: Limits::default(),
    };
    let documents: Documents<'_> =
        schema2.documents.iter().map(|(digest, bytes)| (digest, Some(&**bytes))).collect();
    let body = match answer(&request, &documents) {
        Step::Done(draft) => draft.finish().body.into_owned(),
        Step::Sign(prepared) => {
            prepared.seal(placeholder()).map(|answer| answer.body.into_owned()).unwrap_or_default()
        }
        Step::Need(_) | Step::Refused(_) => Vec::new(),
    };
    Sample::new(stored, body, Vec::new())
}

/// A signature that takes the place of one: nobody sees its bytes.
pub(super) fn placeholder() -> Signature {
    Signature { key: Jwk::p256(&[0; 32], &[0; 32]), algorithm: "ES256", bytes: vec![0; 64] }
}
