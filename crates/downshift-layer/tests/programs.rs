//! Random layers, against the programs whose formats they have: what these make is read to the byte, and what is cut off or
//! damaged is refused where they refuse it.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail, ensure};
use downshift::Digest;
use downshift_cases::random::Random;
use downshift_layer::{Compression, Error, FactsReader, LayerFacts, Limits, Unpacker};
use libtest_mimic::{Arguments, Completion, Trial};

/// Layers of each kind.
const LAYERS: u64 = 300;

/// What all of them are made from.
const SEED: u64 = 24;

fn main() -> ExitCode {
    let trials = KINDS.iter().map(|kind| {
        Trial::ignorable_test(format!("programs::{}", kind.name), || match kind.program {
            Some(program) if !is_installed(program) => {
                let problem = format!("`{program}` is not installed");
                if env::var("CI").is_ok_and(|value| value == "true") {
                    return Err(format!("{problem}, and this is CI").into());
                }
                Ok(Completion::ignored_with(problem))
            }
            _ => kind.run().map(|()| Completion::Completed).map_err(|error| format!("{error:#}").into()),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A kind of layers.
struct Kind {
    name: &'static str,
    compression: Compression,
    /// What compresses it, and with `-dc` unpacks it again.
    program: Option<&'static str>,
    /// The blob of a tar.
    make: fn(&mut Random, &Program<'_>, &[u8]) -> anyhow::Result<Vec<u8>>,
    /// Whether large tars are among them, which repeat what is far away.
    has_large: bool,
}

const KINDS: [Kind; 8] = [
    Kind {
        name: "gzip",
        compression: Compression::Gzip,
        program: Some("gzip"),
        make: |random, gzip, tar| gzip.run(&[&format!("-{}", random.between(1, 9)), "-c"], tar),
        has_large: false,
    },
    Kind {
        name: "gzip_of_several_members",
        compression: Compression::Gzip,
        program: Some("gzip"),
        make: |random, gzip, tar| {
            parts(random, tar)
                .into_iter()
                .map(|part| gzip.run(&["-1c"], part))
                .collect::<Result<Vec<_>, _>>()
                .map(|parts| parts.concat())
        },
        has_large: false,
    },
    Kind {
        name: "zstd",
        compression: Compression::Zstd,
        program: Some("zstd"),
        make: |random, zstd, tar| zstd.run(&["-qc", &level(random), check(random)], tar),
        has_large: false,
    },
    Kind {
        name: "zstd_with_long_windows",
        compression: Compression::Zstd,
        program: Some("zstd"),
        make: |random, zstd, tar| {
            let long = format!("--long={}", random.between(10, 27));
            zstd.run(&["-qc", "-1", &long, check(random)], tar)
        },
        has_large: true,
    },
    Kind {
        name: "zstd_of_several_frames_and_skippable_ones",
        compression: Compression::Zstd,
        program: Some("zstd"),
        make: |random, zstd, tar| {
            let mut blob = Vec::new();
            for part in parts(random, tar) {
                let skipped = noise(random, 100);
                blob.extend([0x50 | random.below(16) as u8, 0x2a, 0x4d, 0x18]);
                blob.extend((skipped.len() as u32).to_le_bytes());
                blob.extend(skipped);
                blob.extend(zstd.run(&["-qc", &level(random), check(random)], part)?);
            }
            Ok(blob)
        },
        has_large: false,
    },
    Kind {
        name: "bzip2",
        compression: Compression::Bzip2,
        program: Some("bzip2"),
        make: |random, bzip2, tar| {
            let level = format!("-{}", random.between(1, 9));
            let parts = if random.chance(50) { vec![tar] } else { parts(random, tar) };
            parts
                .into_iter()
                .map(|part| bzip2.run(&[&level, "-c"], part))
                .collect::<Result<Vec<_>, _>>()
                .map(|parts| parts.concat())
        },
        has_large: false,
    },
    Kind {
        name: "xz",
        compression: Compression::Xz,
        program: Some("xz"),
        make: |random, xz, tar| {
            let mut blob = Vec::new();
            let parts = if random.chance(50) { vec![tar] } else { parts(random, tar) };
            for part in parts {
                let check = format!("--check={}", ["none", "crc32", "crc64", "sha256"][random.below(4)]);
                let dictionary = format!("dict={}KiB", 4 << random.below(6));
                let lzma = format!("--lzma2=preset={},{dictionary}", random.between(0, 6));
                let block = format!("--block-size={}", random.between(1, 20) * 10_000);
                let mut arguments = vec!["-c", &check, "--threads=1"];
                arguments.extend(random.chance(30).then_some(block.as_str()));
                let filter = ["--x86", "--arm", "--powerpc", "--delta=dist=4"][random.below(4)];
                arguments.extend(random.chance(30).then_some(filter));
                arguments.push(&lzma);
                blob.extend(xz.run(&arguments, part)?);
                blob.extend(vec![0; 4 * random.below(3)]);
            }
            Ok(blob)
        },
        has_large: false,
    },
    Kind {
        name: "plain",
        compression: Compression::Plain,
        program: None,
        make: |_, _, tar| Ok(tar.to_vec()),
        has_large: false,
    },
];

/// A level of zstd: seldom one of those that take a hundred MB, for they take as long.
fn level(random: &mut Random) -> String {
    let (first, last) = if random.chance(90) { (1, 9) } else { (10, 19) };
    format!("-{}", random.between(first, last))
}

fn check(random: &mut Random) -> &'static str {
    if random.chance(70) { "--check" } else { "--no-check" }
}

impl Kind {
    fn run(&self) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let program = Program { name: self.program.unwrap_or_default(), file: folder.path().join("input") };
        (0..LAYERS).try_for_each(|index| {
            self.try_layer(index, &program).with_context(|| format!("the layer of {SEED}, {index}"))
        })
    }

    fn try_layer(&self, index: u64, program: &Program<'_>) -> anyhow::Result<()> {
        let mut random = Random::nth(SEED, index);
        let tar = tar(&mut random, self.has_large && index == 0)?;
        let blob = (self.make)(&mut random, program, &tar)?;
        let facts = self.facts(&blob)?.context("it is refused")?;
        if self.compression == Compression::Zstd {
            let others = facts_by(&blob, Unpacker::with_libzstd(&Limits::host()))?;
            ensure!(facts == others, "the libraries differ: {facts:?} and {others:?}");
        }
        ensure!(facts.compression == self.compression, "its compression is {}", facts.compression);
        ensure!(
            facts.digest == Digest::of(&blob) && facts.size == blob.len() as u64,
            "its blob is another one"
        );
        ensure!(
            facts.diff_id == Digest::of(&tar) && facts.plain_size == tar.len() as u64,
            "its tar is another one"
        );
        if self.program.is_none() {
            return Ok(());
        }

        let cut = blob.get(..random.below(blob.len())).unwrap_or_default();
        self.compare(cut, &facts, program).context("it is cut off")?;
        let mut flipped = blob.clone();
        for _ in 0..random.between(1, 2) {
            let (at, bit) = (random.below(blob.len()), random.below(8));
            flipped[at] ^= 1 << bit;
        }
        self.compare(&flipped, &facts, program).context("bits of it are flipped")?;
        let garbage = [&blob[..], &noise(&mut random, 20), b"!"].concat();
        // Some programs only warn.
        ensure!(self.facts(&garbage)?.is_err(), "it is taken with something behind it");
        Ok(())
    }

    /// Compares what comes of a damaged layer with what comes of it by the program.
    fn compare(&self, blob: &[u8], sound: &LayerFacts, program: &Program<'_>) -> anyhow::Result<()> {
        // No bytes are an empty layer, and for some programs nothing to refuse.
        if blob.is_empty() {
            return Ok(());
        }
        match (self.facts(blob)?, program.try_run(&["-dc"], blob)?) {
            (Err(_), None) => Ok(()),
            (Ok(facts), Some(plain)) if facts.diff_id == Digest::of(&plain) => Ok(()),
            (Ok(_), Some(_)) => bail!("it is taken, but for something else"),
            // xz looks at a byte that nothing depends on, the first of a range coder.
            (Ok(facts), None) if self.compression == Compression::Xz && facts.diff_id == sound.diff_id => {
                Ok(())
            }
            (Ok(_), None) => bail!("it is taken, but not by the program"),
            // bzip2 only warns; gzip takes zeros for what is before the beginning, as Go's reader and zlib do not; and zstd
            // does not look whether what it has not used is empty.
            (Err(Error::TrailingBytes { compression: Compression::Bzip2, .. }), Some(_))
            | (Err(Error::Corrupt { compression: Compression::Gzip | Compression::Zstd, .. }), Some(_)) => {
                Ok(())
            }
            (Err(error), Some(_)) => bail!("it is taken by the program, but refused: {error}"),
        }
    }

    /// What comes of a layer.
    fn facts(&self, blob: &[u8]) -> anyhow::Result<Result<LayerFacts, Error>> {
        let outcome = facts_by(blob, Unpacker::new(&Limits::host()));
        if self.compression == Compression::Zstd {
            let others = facts_by(blob, Unpacker::with_libzstd(&Limits::host()));
            // What is damaged may be refused by one of them only.
            let is_same =
                outcome.as_ref().ok().zip(others.as_ref().ok()).is_none_or(|(own, other)| own == other);
            ensure!(is_same, "the libraries differ: {outcome:?} and {others:?}");
        }
        Ok(outcome)
    }
}

fn facts_by(blob: &[u8], unpacker: Unpacker) -> Result<LayerFacts, Error> {
    let mut reader = FactsReader::with(unpacker);
    blob.chunks(50_000).try_for_each(|piece| reader.feed(piece))?;
    reader.finish()
}

/// A program that reads a file and writes to its standard output.
struct Program<'p> {
    name: &'p str,
    file: PathBuf,
}

impl Program<'_> {
    /// What comes of `input`.
    fn run(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.try_run(arguments, input)?.with_context(|| format!("`{}` fails", self.name))
    }

    /// What comes of `input`, unless it is refused.
    fn try_run(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        let path: &Path = &self.file;
        fs::write(path, input)?;
        let mut command = Command::new(self.name);
        command.args(arguments).stdin(Stdio::from(File::open(path)?)).stderr(Stdio::null());
        let output = command.output().with_context(|| format!("`{}` does not start", self.name))?;
        Ok(output.status.success().then_some(output.stdout))
    }
}

/// A tar of some files, and their folders.
fn tar(random: &mut Random, is_large: bool) -> anyhow::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut append = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content)
    };
    for index in 0..random.below(10) {
        let content = content(random);
        append(&format!("usr/share/file-{index}-{}", random.below(1_000_000)), &content)?;
    }
    if is_large {
        // Both ends are alike, with more between them than most windows have.
        let (end, between) = (noise(random, 200_000), vec![7; 20_000_000]);
        append("large", &[&end[..], &between, &end].concat())?;
    }
    Ok(builder.into_inner()?)
}

/// The content of a file: text, noise, or one byte over and over.
fn content(random: &mut Random) -> Vec<u8> {
    let most = if random.chance(5) { 600_000 } else { 30_000 };
    match random.below(3) {
        0 => noise(random, most),
        1 => vec![random.below(256) as u8; random.below(most)],
        _ => {
            let words: Vec<Vec<u8>> = (0..random.between(2, 200)).map(|_| noise(random, 12)).collect();
            let len = random.below(most);
            let mut text = Vec::with_capacity(len);
            while text.len() < len {
                text.extend(&words[random.below(words.len())]);
                text.push(b' ');
            }
            text
        }
    }
}

/// Bytes that do not compress, fewer than `most`.
fn noise(random: &mut Random, most: usize) -> Vec<u8> {
    let len = random.below(most);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend(random.bits().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// `bytes` in a few pieces, of which some may be empty.
fn parts<'b>(random: &mut Random, bytes: &'b [u8]) -> Vec<&'b [u8]> {
    let mut rest = bytes;
    let mut parts = Vec::new();
    for _ in 0..random.between(1, 3) {
        let (part, others) = rest.split_at(random.below(rest.len() + 1));
        parts.push(part);
        rest = others;
    }
    parts.push(rest);
    parts
}
