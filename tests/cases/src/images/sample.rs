//! A small image with real files in it, in every form in which images are stored.
//!
//! It has three layers and, between them, history entries without one. The bytes are the same each time.

use std::collections::BTreeMap;
use std::io::Write;

use downshift::{Digest, Platform};
use flate2::{Compression, GzBuilder};
use serde_json::Value;
use tar::{EntryType, Header};

use super::{Descriptor, Family, Image, Manifest, built, zstd};

/// A config as the classic builder of Docker 18.09 writes it.
const CLASSIC_CONFIG: &str = include_str!("classic.json");

/// A config as BuildKit writes it.
const BUILDKIT_CONFIG: &str = include_str!("buildkit.json");

/// 2020-03-01T12:00:00Z, the time of every file.
const FILE_TIME: u64 = 1_583_064_000;

/// What a container made of the image has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File {
        /// Its permissions.
        mode: u32,
        /// What is in it.
        content: String,
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        target: String,
    },
}

/// The files of the image for linux/amd64 when all its layers are on each other, by path. There is no `etc/motd`.
#[must_use]
pub fn files() -> BTreeMap<String, Entry> {
    let file = |mode, content: &str| Entry::File { mode, content: content.to_string() };
    BTreeMap::from([
        ("bin/greet".to_string(), file(0o755, "#!/bin/sh\ncat /etc/greeting\n")),
        ("bin/hello".to_string(), Entry::Link { target: "greet".to_string() }),
        ("etc/greeting".to_string(), file(0o644, "Hello, wörld <&>\n")),
        (
            "etc/os-release".to_string(),
            file(0o644, "NAME=\"A small sample\"\nID=sample\nARCHITECTURE=amd64\n"),
        ),
    ])
}

/// The image in every form that is converted, each under the form's name as its tag.
#[must_use]
pub fn in_every_form() -> [(&'static str, Image); 4] {
    [("schema2", schema2()), ("list", list()), ("oci", oci()), ("index", index())]
}

/// The image as Docker schema 2, for linux/amd64.
#[must_use]
pub fn schema2() -> Image {
    image(Family::Docker, CLASSIC_CONFIG, &Platform::linux_amd64())
}

/// The image as an OCI manifest, for linux/amd64.
#[must_use]
pub fn oci() -> Image {
    image(Family::Oci, BUILDKIT_CONFIG, &Platform::linux_amd64())
}

/// The image as a Docker manifest list, for linux/arm64 and linux/amd64.
#[must_use]
pub fn list() -> Image {
    for_platforms(Family::Docker, CLASSIC_CONFIG)
}

/// The image as an OCI index, for linux/arm64 and linux/amd64.
#[must_use]
pub fn index() -> Image {
    for_platforms(Family::Oci, BUILDKIT_CONFIG)
}

/// A schema 2 image without layers, whose history is one entry without a layer.
#[must_use]
pub fn without_layers() -> Image {
    let config = r##"{"architecture":"amd64","config":{"Cmd":["/bin/sh"]},"created":"2016-05-10T09:15:02.601Z","docker_version":"1.11.1","history":[{"created":"2016-05-10T09:15:02.601Z","created_by":"/bin/sh -c #(nop) CMD [\"/bin/sh\"]","empty_layer":true}],"os":"linux","rootfs":{"type":"layers"}}"##;
    Image::single(Family::Docker, config.into(), Vec::new())
}

/// The image for linux/amd64, as if its layers were of `media_type`.
#[must_use]
pub fn with_layers(family: Family, media_type: &'static str) -> Image {
    let image = match family {
        Family::Docker => schema2(),
        Family::Oci => oci(),
    };
    let config = Descriptor::of(family.config(), &image.configs.concat());
    let layers = image.layers.iter().map(|layer| Descriptor::of(media_type, layer)).collect();
    Image { manifest: Manifest::single(family, config, layers), ..image }
}

/// The OCI image for linux/amd64, with layers that are compressed with zstd.
#[must_use]
pub fn zstd() -> Image {
    zstd_for(Family::Oci, &Platform::linux_amd64(), BUILDKIT_CONFIG)
}

/// The schema 2 image for linux/amd64, with layers that are compressed with zstd, as BuildKit writes it.
#[must_use]
pub fn zstd_schema2() -> Image {
    zstd_for(Family::Docker, &Platform::linux_amd64(), CLASSIC_CONFIG)
}

/// The image for a platform, with layers that are compressed with zstd.
fn zstd_for(family: Family, platform: &Platform, config: &str) -> Image {
    let layers = layers(platform).iter().map(|layer| zstd::frame(layer)).collect();
    let image = Image { layers, ..image(family, config, platform) };
    let config = Descriptor::of(family.config(), &image.configs.concat());
    let layers = image.layers.iter().map(|layer| Descriptor::of(family.zstd_layer(), layer)).collect();
    Image { manifest: Manifest::single(family, config, layers), ..image }
}

/// The layers of the image for linux/amd64 as plain tars, lowest first.
#[must_use]
pub fn plain_layers() -> [Vec<u8>; 3] {
    layers(&Platform::linux_amd64())
}

/// The image for linux/amd64 as it was stored in schema 1, with these layers, the lowest first.
///
/// # Errors
/// If it cannot be made.
pub fn schema1(layers: Vec<Vec<u8>>) -> anyhow::Result<Image> {
    built::in_schema1(Image::single(Family::Docker, schema2().configs.concat(), layers))
}

/// The OCI image for linux/amd64, with layers that are not compressed.
#[must_use]
pub fn with_plain_layers() -> Image {
    let layers = plain_layers().to_vec();
    let image = oci();
    let config = Descriptor::of(Family::Oci.config(), &image.configs.concat());
    let described = layers.iter().map(|layer| Descriptor::of(Family::Oci.plain_layer(), layer)).collect();
    Image { manifest: Manifest::single(Family::Oci, config, described), layers, ..image }
}

/// A manifest list of hybrids: of schema 2 with layers that are compressed with zstd, for linux/arm64 and linux/amd64.
#[must_use]
pub fn zstd_list() -> Image {
    let platforms = [Platform::new("linux", "arm64"), Platform::linux_amd64()];
    let images =
        platforms.map(|platform| (platform.clone(), zstd_for(Family::Docker, &platform, CLASSIC_CONFIG)));
    Image::index(Family::Docker, images.into())
}

/// An OCI index of images whose layers are compressed with zstd, for linux/arm64 and linux/amd64.
#[must_use]
pub fn zstd_index() -> Image {
    let platforms = [Platform::new("linux", "arm64"), Platform::linux_amd64()];
    Image::index(
        Family::Oci,
        platforms
            .map(|platform| (platform.clone(), zstd_for(Family::Oci, &platform, BUILDKIT_CONFIG)))
            .into(),
    )
}

/// The same with one compressed with gzip after each of them.
#[must_use]
pub fn zstd_beside_gzip() -> Image {
    let config = by("somebody with two compressions");
    let platforms = [Platform::new("linux", "arm64"), Platform::linux_amd64()];
    let both = platforms.into_iter().flat_map(|platform| {
        let gzip = image(Family::Oci, &config, &platform);
        [(platform.clone(), zstd_for(Family::Oci, &platform, &config)), (platform, gzip)]
    });
    Image::index(Family::Oci, both.collect())
}

/// An OCI index of nothing but the index for linux/arm64 and linux/amd64.
#[must_use]
pub fn nested_index() -> Image {
    Image::index_of(Family::Oci, vec![for_platforms(Family::Oci, &by("somebody who nests"))])
}

/// An OCI index of images for linux/arm64 and linux/amd64 that does not say so.
#[must_use]
pub fn no_platforms() -> Image {
    let config = by("somebody without platforms");
    let platforms = [Platform::new("linux", "arm64"), Platform::linux_amd64()];
    Image::index_of(Family::Oci, platforms.map(|platform| image(Family::Oci, &config, &platform)).into())
}

/// An OCI index of variants, of each architecture first the one that does not run everywhere.
#[must_use]
pub fn variants() -> Image {
    let platforms = ["linux/amd64/v3", "linux/amd64", "linux/arm/v7", "linux/arm/v6", "linux/arm64/v8"];
    let images = platforms.map(|text| {
        let platform: Platform = text.parse().expect("it has two or three parts");
        (platform.clone(), image(Family::Oci, BUILDKIT_CONFIG, &platform))
    });
    Image::index(Family::Oci, images.into())
}

/// The schema 2 image with one more layer, of which its history says nothing.
#[must_use]
pub fn surplus_layer() -> Image {
    let Image { configs, mut layers, .. } = schema2();
    let mut surplus = Archive::default();
    surplus.file("etc/surplus", 0o644, "");
    let surplus = surplus.finish();
    let config = edited(&configs.concat(), |config| {
        let diff_ids = config["rootfs"]["diff_ids"].as_array_mut();
        diff_ids.expect("the sample has diff ids").push(Digest::of(&surplus).as_str().into());
    });
    layers.push(gzip(&surplus));
    Image::single(Family::Docker, config, layers)
}

/// The schema 2 image without its history, as some builders leave it out.
#[must_use]
pub fn no_history() -> Image {
    let Image { configs, layers, .. } = schema2();
    let config = edited(&configs.concat(), |config| {
        config.as_object_mut().expect("a config is an object").remove("history");
    });
    Image::single(Family::Docker, config, layers)
}

/// The schema 2 image with another history.
#[must_use]
pub fn with_history(history: Value) -> Image {
    let Image { configs, layers, .. } = schema2();
    Image::single(Family::Docker, edited(&configs.concat(), |config| config["history"] = history), layers)
}

/// The image for linux/amd64, as if its config were of `media_type`.
#[must_use]
pub fn with_config_type(family: Family, media_type: &'static str) -> Image {
    let image = match family {
        Family::Docker => schema2(),
        Family::Oci => oci(),
    };
    let config = Descriptor::of(media_type, &image.configs.concat());
    let layers = image.layers.iter().map(|layer| Descriptor::of(family.layer(), layer)).collect();
    Image { manifest: Manifest::single(family, config, layers), ..image }
}

/// `image` with descriptors in its manifest that say another size, as those of k8s.gcr.io/coredns:1.1.3 do.
#[must_use]
pub fn with_wrong_sizes(image: Image) -> Image {
    let text = String::from_utf8(image.manifest.bytes).expect("a manifest is text");
    let manifest =
        Manifest { form: image.manifest.form, bytes: text.replace("\"size\": ", "\"size\": 1").into_bytes() };
    Image { manifest, ..image }
}

/// A manifest list or an OCI index that has the image for linux/arm64 only.
#[must_use]
pub fn arm64_only(family: Family) -> Image {
    let config = match family {
        Family::Docker => CLASSIC_CONFIG,
        Family::Oci => BUILDKIT_CONFIG,
    };
    let platform = Platform::new("linux", "arm64");
    Image::index(family, vec![(platform.clone(), image(family, config, &platform))])
}

/// A Docker manifest list of OCI images, for linux/arm64 and linux/amd64.
#[must_use]
pub fn list_of_oci() -> Image {
    let platforms = [Platform::new("linux", "arm64"), Platform::linux_amd64()];
    let images = platforms.map(|platform| (platform.clone(), image(Family::Oci, BUILDKIT_CONFIG, &platform)));
    Image::index(Family::Docker, images.into())
}

/// `image` without the `mediaType` of its manifest, which OCI leaves to whoever writes one.
#[must_use]
pub fn untyped(image: Image) -> Image {
    let line = format!("   \"mediaType\": \"{}\",\n", image.manifest.form.media_type());
    let text = String::from_utf8(image.manifest.bytes).expect("a manifest is text");
    let manifest = Manifest { form: image.manifest.form, bytes: text.replacen(&line, "", 1).into_bytes() };
    Image { manifest, ..image }
}

/// No image but a list of what is in one, in OCI's form.
#[must_use]
pub fn artifact() -> Image {
    let (config, document) = (b"{}".to_vec(), br#"{"spdxVersion":"SPDX-2.3"}"#.to_vec());
    let manifest = Manifest::single(
        Family::Oci,
        Descriptor::of("application/vnd.oci.empty.v1+json", &config),
        vec![Descriptor::of("application/spdx+json", &document)],
    );
    Image { manifest, children: Vec::new(), configs: vec![config], layers: vec![document] }
}

/// A config with a change.
fn edited(config: &[u8], edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut config: Value = serde_json::from_slice(config).expect("the sample has a config");
    edit(&mut config);
    config.to_string().into_bytes()
}

/// BuildKit's config by another author: what comes of two images is not to have one digest, for then it depends on who asked
/// last which of them counts.
fn by(author: &str) -> String {
    BUILDKIT_CONFIG.replacen('{', &format!("{{\"author\":\"{author}\","), 1)
}

fn for_platforms(family: Family, config: &str) -> Image {
    let platforms = [Platform::new("linux", "arm64"), Platform::linux_amd64()];
    Image::index(
        family,
        platforms.map(|platform| (platform.clone(), image(family, config, &platform))).into(),
    )
}

fn image(family: Family, config: &str, platform: &Platform) -> Image {
    let layers = layers(platform);
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", Digest::of(layer))).collect();
    // The files have a line for each member, which the builders do not.
    let config = config.lines().collect::<String>();
    let config =
        config.replace("$ARCHITECTURE", &platform.architecture).replace("\"$DIFF_IDS\"", &diff_ids.join(","));
    Image::single(family, config.into(), layers.iter().map(|layer| gzip(layer)).collect())
}

/// The layers as tar archives, lowest first.
fn layers(platform: &Platform) -> [Vec<u8>; 3] {
    let greet = "#!/bin/sh\ncat /etc/greeting\n";
    let architecture = platform.to_string().replace("linux/", "");
    let release = format!("NAME=\"A small sample\"\nID=sample\nARCHITECTURE={architecture}\n");
    let mut base = Archive::default();
    base.folder("bin").file("bin/greet", 0o755, greet).folder("etc").file("etc/os-release", 0o644, &release);
    base.file("etc/motd", 0o644, "This line is removed by a layer further up.\n").folder("tmp");
    let mut greeting = Archive::default();
    greeting.file("etc/greeting", 0o644, "Hello, wörld <&>\n");
    let mut removal = Archive::default();
    removal.file("etc/.wh.motd", 0o644, "").link("bin/hello", "greet");
    [base, greeting, removal].map(Archive::finish)
}

/// A tar archive in which nothing depends on the time or the machine.
pub(super) struct Archive(tar::Builder<Vec<u8>>);

impl Default for Archive {
    fn default() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }
}

impl Archive {
    pub(super) fn file(&mut self, path: &str, mode: u32, content: &str) -> &mut Self {
        self.entry(EntryType::Regular, path, mode, None, content)
    }

    fn folder(&mut self, path: &str) -> &mut Self {
        self.entry(EntryType::Directory, &format!("{path}/"), 0o755, None, "")
    }

    fn link(&mut self, path: &str, target: &str) -> &mut Self {
        self.entry(EntryType::Symlink, path, 0o777, Some(target), "")
    }

    fn entry(
        &mut self,
        kind: EntryType,
        path: &str,
        mode: u32,
        target: Option<&str>,
        content: &str,
    ) -> &mut Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(FILE_TIME);
        header.set_size(content.len() as u64);
        if let Some(target) = target {
            header.set_link_name(target).expect("the target is short");
        }
        self.0.append_data(&mut header, path, content.as_bytes()).expect("memory takes everything");
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0.into_inner().expect("memory takes everything")
    }
}

/// A tar, compressed with gzip, the same bytes each time.
///
/// # Panics
/// Never: memory takes everything.
#[must_use]
pub fn gzip(archive: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    encoder.write_all(archive).and_then(|()| encoder.finish()).expect("memory takes everything")
}
