//! Requests for images made around bytes from the fuzzer, so that these can be documents that somebody wrote.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use downshift::answer::{Request, Root};
use downshift::{
    Capabilities, Digest, Form, Limits, Permissions, PlainLayers, Platform, Policy, UnsignedSchema1,
};
use downshift_cases::images::{Descriptor, Family, Image, Manifest, sample};
use serde_json::Value;

/// The suite's own images, whose layers take longer to compress than an input takes otherwise.
static SAMPLES: LazyLock<Vec<Image>> = LazyLock::new(|| {
    let images = sample::in_every_form().map(|(_, image)| image);
    images.into_iter().chain([sample::zstd(), sample::zstd_schema2()]).collect()
});

/// A request, and the documents that are there.
pub struct Asked {
    pub request: Request,
    pub documents: BTreeMap<Digest, Vec<u8>>,
}

impl Asked {
    pub fn new(image: &Image, client: Capabilities, policy: Policy, by_digest: bool) -> Self {
        let (name, tag, digest) = ("library/sample".to_owned(), "latest".to_owned(), image.manifest.digest());
        let root = match by_digest {
            true => Root::Digest { name, digest, tag: Some(tag), record: None },
            false => Root::Tag { name, tag, digest },
        };
        let request = Request {
            root,
            client,
            policy,
            allow: Permissions::default(),
            plain_layers: PlainLayers::default(),
            unsigned_schema1: UnsignedSchema1::default(),
            default_platform: Platform::linux_amd64(),
            time: None,
            limits: Limits::default(),
        };
        Self { request, documents: image.documents() }
    }

    /// The request that `input` stands for: a byte of choices, and a config or manifest.
    pub fn plain(input: &[u8]) -> Option<Self> {
        let (&choices, bytes) = input.split_first()?;
        let policy = if choices & 1 == 0 { Policy::Strict } else { Policy::Reference };
        let image = match choices >> 5 {
            0 => around(Family::Docker, Family::Docker.config(), bytes),
            1 => around(Family::Oci, Family::Oci.config(), bytes),
            2 => around(Family::Docker, "application/octet-stream", bytes),
            3 => listed(Family::Docker, around(Family::Docker, Family::Docker.config(), bytes)),
            4 => listed(Family::Oci, around(Family::Oci, Family::Oci.config(), bytes)),
            5 => listed(Family::Docker, Image::bare(Form::Schema2, bytes.to_vec())),
            6 => listed(Family::Oci, Image::bare(Form::Oci, bytes.to_vec())),
            _ => Image::bare(Form::Schema2, bytes.to_vec()),
        };
        let mut asked = Self::new(&image, client(choices >> 2), policy, choices & 2 != 0);
        if choices >> 5 >= 5 {
            // What a manifest of the suite's own images refers to.
            asked.documents.extend(SAMPLES.iter().flat_map(Image::documents));
        }
        Some(asked)
    }
}

/// Clients that differ.
fn client(choice: u8) -> Capabilities {
    match choice & 7 {
        0 => Capabilities::default(),
        1 => Capabilities::default().with_schema1_engine().with_platform(Platform::linux_amd64()),
        2 => Capabilities::of(&[Form::Schema1Unsigned]),
        3 => Capabilities::of(&[Form::Schema2, Form::List]),
        4 => Capabilities::of(&[Form::Schema2]).with_platform(Platform::new("linux", "arm64")),
        5 => Capabilities::of(&[Form::Oci, Form::Index]),
        6 => Capabilities::of(&[Form::Oci]).with_any(),
        _ => Capabilities::default().with_form(Form::Schema1Unsigned, 1000).with_form(Form::Schema1, 500),
    }
}

/// An image with this config, and with as many layers as its history has.
fn around(family: Family, config_type: &'static str, config: &[u8]) -> Image {
    let layers = layers(layer_count(config));
    let manifest = Manifest::single(
        family,
        Descriptor::of(config_type, config),
        layers.iter().map(|layer| Descriptor::of(family.layer(), layer)).collect(),
    );
    Image { manifest, children: Vec::new(), configs: vec![config.to_vec()], layers }
}

pub fn layers(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("layer {number}").into_bytes()).collect()
}

fn layer_count(config: &[u8]) -> usize {
    let config: Value = serde_json::from_str(&String::from_utf8_lossy(config)).unwrap_or_default();
    let history = config["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    history.iter().filter(|entry| entry["empty_layer"] != true).count().min(200)
}

/// A list or index of one image that is sound and this one.
fn listed(family: Family, image: Image) -> Image {
    static OTHERS: LazyLock<[Image; 2]> = LazyLock::new(|| [sample::oci(), sample::schema2()]);
    let [oci, schema2] = &*OTHERS;
    let other = match family {
        Family::Docker => oci.clone(),
        Family::Oci => schema2.clone(),
    };
    Image::index(family, vec![(Platform::new("linux", "arm64"), other), (Platform::linux_amd64(), image)])
}
