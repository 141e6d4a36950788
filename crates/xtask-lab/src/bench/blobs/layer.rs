//! The layer that is asked for, with as many bytes as are wanted, on the disk of every server.

use core::iter;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use downshift::Digest;
use downshift_cases::images::{Descriptor, Family, Image, Manifest, layout};
use downshift_tests::programs::{ZSTD, locate};
use downshift_tests::registry::Registry;
use serde_json::json;

use super::super::site::Site;

/// Bytes in a MiB.
const MEBIBYTE: u64 = 1024 * 1024;

/// How often the layer is on the disk at the most: as it is made, with docker-registry, and with what it is fetched by; and each
/// time compressed as well.
const COPIES: u64 = 6;

/// The tag of the images.
const TAG: &str = "latest";

/// A layer, as a plain tar and compressed, each in a repository of its own.
pub(super) struct Layer {
    /// The tar.
    pub(super) tar: Blob,
    /// The same, compressed.
    pub(super) zstd: Blob,
}

/// A blob in a file.
pub(super) struct Blob {
    /// The repository that has it.
    pub(super) repository: &'static str,
    /// Its digest.
    pub(super) digest: Digest,
    /// How many bytes it has.
    pub(super) bytes: u64,
    media_type: &'static str,
    file: PathBuf,
}

/// Whether there is room for a layer of so many MiB, or the reason why not.
pub(super) fn has_room(site: &Site, mebibytes: u32) -> anyhow::Result<Result<(), String>> {
    let said = output(Command::new("df").args(["--output=avail", "--block-size=1M"]).arg(site.path("")))?;
    let free: u64 = said.lines().last().unwrap_or_default().trim().parse()?;
    let needed = u64::from(mebibytes) * COPIES;
    Ok(if free < needed { Err(format!("of {needed} MiB on the disk {free} are free")) } else { Ok(()) })
}

impl Layer {
    /// Makes it, and puts it where Downshift has it in a folder, and where nginx has it.
    pub(super) fn make(site: &Site, mebibytes: u32) -> anyhow::Result<Self> {
        let (tar, zstd) = (site.path("layer.tar"), site.path("layer.tar.zst"));
        write_tar(&tar, u64::from(mebibytes) * MEBIBYTE)
            .with_context(|| format!("`{}` cannot be written", tar.display()))?;
        let program = locate(ZSTD).context("zstd is gone")?;
        output(Command::new(program).args(["-q", "-3"]).arg(&tar).arg("-o").arg(&zstd))?;
        let layer = Self {
            tar: Blob::of("library/tar", Family::Oci.plain_layer(), tar)?,
            zstd: Blob::of("library/zstd", Family::Oci.zstd_layer(), zstd)?,
        };
        for blob in layer.blobs() {
            let folder = site.store().join(blob.repository);
            layout::write(&folder, &[(TAG, layer.image(blob))])?;
            link(&blob.file, &folder.join("blobs/sha256").join(blob.digest.hex()))?;
            let path = blob.path(&blob.digest);
            link(&blob.file, &site.files().join("blobs").join(path.trim_start_matches('/')))?;
        }
        Ok(layer)
    }

    /// Pushes it to docker-registry.
    pub(super) fn push(&self, url: &str) -> anyhow::Result<()> {
        let registry = Registry::at(url);
        for blob in self.blobs() {
            registry.push_file(blob.repository, &blob.digest, &blob.file)?;
            registry.push(blob.repository, TAG, &self.image(blob))?;
        }
        Ok(())
    }

    fn blobs(&self) -> [&Blob; 2] {
        [&self.tar, &self.zstd]
    }

    /// The image with a blob as its only layer, without that.
    fn image(&self, blob: &Blob) -> Image {
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [self.tar.digest] },
            "history": [{ "created_by": "COPY / /" }],
        });
        let config = config.to_string().into_bytes();
        let described = Descriptor {
            media_type: blob.media_type,
            size: usize::try_from(blob.bytes).unwrap_or(usize::MAX),
            digest: blob.digest.clone(),
            platform: None,
        };
        let manifest =
            Manifest::single(Family::Oci, Descriptor::of(Family::Oci.config(), &config), vec![described]);
        Image { manifest, children: Vec::new(), configs: vec![config], layers: Vec::new() }
    }
}

impl Blob {
    fn of(repository: &'static str, media_type: &'static str, file: PathBuf) -> anyhow::Result<Self> {
        let (digest, bytes) = (digest_of(&file)?, file.metadata()?.len());
        Ok(Self { repository, digest, bytes, media_type, file })
    }

    /// The path of what has `digest` in its repository.
    pub(super) fn path(&self, digest: &Digest) -> String {
        format!("/v2/{}/blobs/{digest}", self.repository)
    }

    /// The path of the manifest in a repository.
    pub(super) fn manifest_path(repository: &str) -> String {
        format!("/v2/{repository}/manifests/{TAG}")
    }

    /// Whether a file has its bytes.
    pub(super) fn check(&self, file: &Path) -> anyhow::Result<()> {
        let digest = digest_of(file)?;
        ensure!(digest == self.digest, "{digest} came, not {}", self.digest);
        Ok(())
    }
}

/// Writes so many bytes that compress as those of programs and texts do: words, of which some are frequent, and noise.
fn write_tar(path: &Path, bytes: u64) -> std::io::Result<()> {
    const WORDS: usize = 4096;
    const NOISE: usize = 2048;
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let words: Vec<Vec<u8>> = iter::repeat_with(|| {
        let length = 3 + next() as usize % 12;
        iter::repeat_with(|| b'a' + (next() % 26) as u8).take(length).collect()
    })
    .take(WORDS)
    .collect();
    let mut file = BufWriter::new(File::create(path)?);
    let mut left = bytes;
    let mut block = Vec::new();
    while left > 0 {
        block.clear();
        while block.len() < 4 * NOISE {
            let random = next() as usize;
            // The lower of two: the first words come more often.
            let word = (random % WORDS).min((random >> 32) % WORDS);
            block.extend_from_slice(&words[word]);
            block.push(b' ');
        }
        for _ in 0..NOISE / 8 {
            block.extend_from_slice(&next().to_le_bytes());
        }
        block.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&block)?;
        left -= block.len() as u64;
    }
    file.flush()
}

/// The digest of a file, of any size.
fn digest_of(file: &Path) -> anyhow::Result<Digest> {
    let said = output(Command::new("sha256sum").arg(file))?;
    let hex = said.split_whitespace().next().unwrap_or_default();
    Ok(Digest::parse(&format!("sha256:{hex}"))?)
}

/// Has a file under another name as well.
fn link(file: &Path, name: &Path) -> anyhow::Result<()> {
    let folder = name.parent().context("a file is in no folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::hard_link(file, name))
        .with_context(|| format!("`{}` cannot be made", name.display()))
}

/// What a program says.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
