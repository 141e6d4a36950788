//! Arbitrary images and clients, from parts of images.

use arbitrary::Arbitrary;
use downshift::{Capabilities, Form, Platform, Policy, ZstdSupport};
use downshift_cases::images::{Descriptor, Family, Image, Manifest};
use serde_json::Value as Json;

use crate::images::{Asked, layers};

/// A request for an image, and what has happened to that.
#[derive(Arbitrary, Debug)]
pub struct Case {
    images: [Option<Single>; 3],
    first: Single,
    listed: Option<bool>,
    client: Client,
    is_strict: bool,
    by_digest: bool,
    /// Bytes of documents that are another.
    damage: Vec<(u8, u16, u8)>,
    missing: Option<u8>,
    depth: Option<u8>,
    history: Option<u8>,
}

#[derive(Arbitrary, Debug)]
struct Single {
    is_oci: bool,
    platform: Runs,
    config: Vec<Member>,
    layers: Vec<Layer>,
    surplus: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Runs {
    Amd64,
    Arm64,
    ArmV7,
    Windows,
}

/// A layer of a history, or an entry without one.
#[derive(Arbitrary, Debug)]
struct Layer {
    is_empty: bool,
    kind: LayerType,
    created: Option<Time>,
    created_by: Option<String>,
    comment: Option<String>,
    other: Option<(Name, Value)>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum LayerType {
    Usual,
    Plain,
    Zstd,
    Foreign,
    Encrypted,
    Other,
}

#[derive(Arbitrary, Debug)]
struct Member(Name, Value);

#[derive(Arbitrary, Clone, Debug)]
enum Name {
    Architecture,
    ArchitectureFolded,
    Author,
    Comment,
    Config,
    Container,
    ContainerConfig,
    Created,
    DockerVersion,
    History,
    Id,
    IdKelvin,
    Os,
    Parent,
    RootFs,
    Size,
    Throwaway,
    Other(String),
}

#[derive(Arbitrary, Clone, Debug)]
enum Time {
    At { days: u16, seconds: u16, nanoseconds: u32, offset: i8 },
    Text(String),
}

#[derive(Arbitrary, Clone, Debug)]
enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Text(String),
    Time(Time),
    Raw(Vec<u8>),
    Array(Vec<Value>),
    Object(Vec<(Name, Value)>),
}

#[derive(Arbitrary, Debug)]
struct Client {
    weights: [Option<u16>; 6],
    takes_any: bool,
    unreadable: [bool; 6],
    zstd: Option<u8>,
    platform: Option<Runs>,
}

impl Case {
    pub fn asked(&self) -> Asked {
        let others = self.images.iter().flatten();
        let images: Vec<_> = std::iter::once(&self.first)
            .chain(others)
            .map(|single| (single.platform.platform(), single.image()))
            .collect();
        let mut image = match self.listed {
            Some(is_oci) => Image::index(if is_oci { Family::Oci } else { Family::Docker }, images),
            None => images.into_iter().next().expect("there is a first").1,
        };
        for &(document, place, byte) in &self.damage {
            image.damage(document, place, byte);
        }
        let policy = if self.is_strict { Policy::Strict } else { Policy::Reference };
        let mut asked = Asked::new(&image, self.client.capabilities(), policy, self.by_digest);
        if let Some(missing) = self.missing {
            let digest = asked.documents.keys().nth(usize::from(missing)).cloned();
            digest.map(|digest| asked.documents.remove(&digest));
        }
        if let Some(depth) = self.depth {
            asked.request.limits.depth = depth.into();
        }
        if let Some(history) = self.history {
            asked.request.limits.history = history.into();
        }
        asked
    }
}

trait Damage {
    fn damage(&mut self, document: u8, place: u16, byte: u8);
}

impl Damage for Image {
    fn damage(&mut self, document: u8, place: u16, byte: u8) {
        let document = match document % 3 {
            0 => Some(&mut self.manifest.bytes),
            1 => self.configs.first_mut(),
            _ => self.children.first_mut().map(|child| &mut child.bytes),
        };
        if let Some(document) = document
            && let Some(damaged) = document.get_mut(usize::from(place))
        {
            *damaged = byte;
        }
    }
}

impl Single {
    fn image(&self) -> Image {
        let family = if self.is_oci { Family::Oci } else { Family::Docker };
        let config = self.config();
        let with_layer = || self.layers.iter().filter(|layer| !layer.is_empty);
        let count = with_layer().count() + usize::from(self.surplus) / 100;
        let layers = layers(count);
        let kinds = with_layer().map(|layer| layer.kind).chain(std::iter::repeat(LayerType::Usual));
        let described =
            layers.iter().zip(kinds).map(|(layer, kind)| Descriptor::of(kind.media_type(family), layer));
        let manifest =
            Manifest::single(family, Descriptor::of(family.config(), &config), described.collect());
        Image { manifest, children: Vec::new(), configs: vec![config], layers }
    }

    fn config(&self) -> Vec<u8> {
        let mut out = b"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[".to_vec();
        for (index, layer) in self.layers.iter().filter(|layer| !layer.is_empty).enumerate() {
            let separator = if index == 0 { "" } else { "," };
            out.extend(format!("{separator}\"{}\"", downshift::Digest::of(&[layer.kind as u8])).into_bytes());
        }
        out.extend(b"]},\"history\":[");
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            layer.write(&mut out);
        }
        out.push(b']');
        for Member(name, value) in &self.config {
            out.push(b',');
            name.write(&mut out);
            value.write(0, &mut out);
        }
        out.push(b'}');
        out
    }
}

impl Layer {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(format!("{{\"empty_layer\":{}", self.is_empty).into_bytes());
        if let Some(created) = &self.created {
            out.extend(b",\"created\":");
            created.write(out);
        }
        for (name, text) in [("created_by", &self.created_by), ("comment", &self.comment)] {
            if let Some(text) = text {
                out.extend(format!(",\"{name}\":{}", Json::from(text.as_str())).into_bytes());
            }
        }
        if let Some((name, value)) = &self.other {
            out.push(b',');
            name.write(out);
            value.write(0, out);
        }
        out.push(b'}');
    }
}

impl LayerType {
    fn media_type(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Usual, family) => family.layer(),
            (Self::Plain, Family::Docker) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Plain, Family::Oci) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Zstd, _) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Foreign, _) => "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            (Self::Encrypted, _) => "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            (Self::Other, _) => "text/plain",
        }
    }
}

impl Runs {
    fn platform(self) -> Platform {
        match self {
            Self::Amd64 => Platform::linux_amd64(),
            Self::Arm64 => Platform::new("linux", "arm64"),
            Self::ArmV7 => Platform { variant: Some("v7".to_owned()), ..Platform::new("linux", "arm") },
            Self::Windows => Platform::new("windows", "amd64"),
        }
    }
}

impl Name {
    fn write(&self, out: &mut Vec<u8>) {
        let name = match self {
            Self::Architecture => "architecture",
            Self::ArchitectureFolded => "Architecture",
            Self::Author => "author",
            Self::Comment => "comment",
            Self::Config => "config",
            Self::Container => "container",
            Self::ContainerConfig => "container_config",
            Self::Created => "created",
            Self::DockerVersion => "docker_version",
            Self::History => "history",
            Self::Id => "id",
            Self::IdKelvin => "doc\u{212a}er_version",
            Self::Os => "os",
            Self::Parent => "parent",
            Self::RootFs => "rootfs",
            Self::Size => "Size",
            Self::Throwaway => "throwaway",
            Self::Other(name) => name,
        };
        out.extend(format!("{}:", Json::from(name)).into_bytes());
    }
}

impl Time {
    fn write(&self, out: &mut Vec<u8>) {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::At { days, seconds, nanoseconds, offset } => {
                let seconds = u64::from(*days) * 86_400 + u64::from(*seconds);
                let time = downshift::Timestamp::from_seconds(seconds).unwrap_or_default().to_string();
                let zone = match offset {
                    0 => "Z".to_owned(),
                    offset => format!("{offset:+03}:30"),
                };
                format!("{}.{nanoseconds}{zone}", time.trim_end_matches('Z'))
            }
        };
        out.extend(Json::from(text).to_string().into_bytes());
    }
}

impl Value {
    fn write(&self, depth: usize, out: &mut Vec<u8>) {
        match self {
            _ if depth > 64 => out.extend(b"null"),
            Self::Null => out.extend(b"null"),
            Self::Boolean(value) => out.extend(value.to_string().into_bytes()),
            Self::Integer(value) => out.extend(value.to_string().into_bytes()),
            Self::Text(value) => out.extend(Json::from(value.as_str()).to_string().into_bytes()),
            Self::Time(time) => time.write(out),
            Self::Raw(bytes) => out.extend(bytes),
            Self::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    element.write(depth + 1, out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    name.write(out);
                    value.write(depth + 1, out);
                }
                out.push(b'}');
            }
        }
    }
}

impl Client {
    fn capabilities(&self) -> Capabilities {
        let mut client = Capabilities::default();
        for (form, weight) in Form::ALL.into_iter().zip(self.weights) {
            if let Some(weight) = weight {
                client = client.with_form(form, weight % 1001);
            }
        }
        if self.takes_any {
            client = client.with_any();
        }
        let unreadable =
            Form::ALL.into_iter().zip(self.unreadable).filter(|(_, is_unreadable)| *is_unreadable);
        client = unreadable.fold(client, |client, (form, _)| client.with_unreadable(form));
        if let Some(zstd) = self.zstd {
            client = client.with_zstd(ZstdSupport::ALL[usize::from(zstd) % ZstdSupport::ALL.len()]);
        }
        match self.platform {
            Some(platform) => client.with_platform(platform.platform()),
            None => client,
        }
    }
}
