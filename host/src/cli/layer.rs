//! `downshift layer`

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use downshift::Failure;
use downshift_layer::{LayerFacts, Limits};
use serde::Serialize;

use super::output::{json, print, write_document};
use super::verdict::Verdict;
use crate::engine::EngineName;
use crate::engine::layers::{LayerEngine, LayerError, LayerPass};
use crate::error::Error;

/// Bytes that are read of a file at a time.
const CHUNK_BYTES: usize = 128 * 1024;

/// Show what is known of layers: how they are compressed, their digests, diff ids and sizes
///
/// Each one is unpacked and checked to its end, whatever its media type says: gzip of any number of members, zstd of any
/// number of frames, bzip2, xz, or a plain tar. The digest is that of the blob, and the diff id that of the plain tar, which
/// configs have. Nothing is written anywhere. What --json writes are facts for `downshift convert --facts`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Layer {
    /// Blobs of layers; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write JSON, for programs
    #[arg(long)]
    json: bool,
    /// Where layers are unpacked: in a sandbox with limits on memory and time (wasm), or in this process, which is faster
    /// (native)
    #[arg(long, value_name = "wasm|native", value_enum, hide_possible_values = true, default_value = "wasm")]
    engine: EngineName,
    /// Change a limit: layer-bytes, plain-bytes, ratio, window-bytes or work
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = limit)]
    limits: Vec<(String, u64)>,
}

const AFTER_HELP: &str = "\
Examples:
  downshift layer layer.tar.zst
  curl -s http://127.0.0.1:5000/v2/podman/hello/blobs/sha256:HEX | downshift layer --json -

Limits, each of one layer:
  layer-bytes   bytes of the layer as it is stored                               68719476736
  plain-bytes   bytes of the plain tar                                          137438953472
  ratio         plain bytes of a compressed one, past the first 256 MiB                 1100
  window-bytes  bytes of the window of zstd, or of the dictionary of xz            134217728
  work          about one for each nanosecond of a processor                    600000000000

The exit status is 1 if one of the layers is damaged, no layer at all, or exceeds a limit.";

/// What is known of the layers.
#[derive(Serialize)]
struct Report {
    layers: Vec<LayerReport>,
}

/// What is known of a layer, or why it is refused.
#[derive(Serialize)]
struct LayerReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Facts(LayerFacts),
    Failure(Failure),
}

impl Layer {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let mut limits = Limits::host();
        for (name, value) in &self.limits {
            limits.set(name, *value).map_err(|error| Error::Core(error.into()))?;
        }
        let engine = LayerEngine::of_command(self.engine);
        let mut layers = Vec::with_capacity(self.files.len());
        for path in &self.files {
            let outcome = match read(path, &engine, &limits) {
                Ok(facts) => Outcome::Facts(facts),
                Err(LayerError::Failed(Error::Core(failure))) => Outcome::Failure(failure),
                Err(error) => return Err(error.of_file(path)),
            };
            let file = Some(path.display().to_string()).filter(|file| file != "-");
            layers.push(LayerReport { file, outcome });
        }
        let is_sound = layers.iter().all(|layer| matches!(layer.outcome, Outcome::Facts(_)));
        if self.json {
            write_document(None, &json(&Report { layers })?)?;
        } else {
            print(layers.iter().flat_map(lines))?;
        }
        Ok(is_sound.into())
    }
}

/// Reads a layer from a file, or from standard input if that is called `-`: what is known of it.
pub(super) fn read(path: &Path, engine: &LayerEngine, limits: &Limits) -> Result<LayerFacts, LayerError> {
    match path.to_str() {
        Some("-") => read_stream(&mut io::stdin().lock(), engine, limits),
        _ => read_stream(&mut File::open(path).map_err(LayerError::Blob)?, engine, limits),
    }
}

pub(super) fn read_stream(
    stream: &mut dyn Read,
    engine: &LayerEngine,
    limits: &Limits,
) -> Result<LayerFacts, LayerError> {
    let mut pass = LayerPass::new(engine.open(limits, None, None)?);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let len = match stream.read(&mut chunk) {
            Ok(0) => return pass.finish().map_err(LayerError::without_digest),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(LayerError::Blob(error)),
        };
        pass.feed(chunk.get(..len).unwrap_or_default(), &mut |_| Ok(()))?;
    }
}

fn lines(layer: &LayerReport) -> Vec<String> {
    let mut lines: Vec<String> = layer.file.iter().map(|file| format!("file         {file}")).collect();
    match &layer.outcome {
        Outcome::Facts(facts) => {
            lines.push(format!("digest       {}", facts.digest));
            lines.push(format!("compression  {}", facts.compression));
            lines.push(format!("size         {}", facts.size));
            lines.push(format!("diff id      {}", facts.diff_id));
            lines.push(format!("plain size   {}", facts.plain_size));
            lines.extend(facts.zstd_window.map(|window| format!("window       {window}")));
        }
        Outcome::Failure(failure) => {
            lines.push(format!("refused      {}: {}", failure.code, failure.cause));
            lines.push(format!("remedy       {}", failure.remedy));
        }
    }
    lines
}

/// Parses a limit, as it is written on the command line.
fn limit(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let value = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
    Limits::host().set(name, value).map_err(|error| format!("{error}: {}", error.remedy()))?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_read_from_a_stream_to_its_facts() {
        let blob = downshift::EMPTY_LAYER;
        let engine = LayerEngine::Native;
        let facts = read_stream(&mut blob.as_slice(), &engine, &Limits::host()).unwrap();
        let file = Some("blob".to_owned());
        let lines = lines(&LayerReport { file, outcome: Outcome::Facts(facts) });
        assert_eq!(
            lines,
            [
                "file         blob",
                "digest       sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
                "compression  gzip",
                "size         32",
                "diff id      sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
                "plain size   1024",
            ]
        );
        match read_stream(&mut &blob[..31], &engine, &Limits::host()) {
            Err(LayerError::Failed(error)) => assert_eq!(error.code(), "truncated-layer"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn limits_are_known_by_their_names() {
        assert_eq!(limit("ratio=7"), Ok(("ratio".to_owned(), 7)));
        assert_eq!(limit("ratio=x"), Err("`x` is not a number".to_owned()));
        assert!(
            limit("depth=7")
                .unwrap_err()
                .ends_with("use layer-bytes, plain-bytes, ratio, window-bytes or work")
        );
        assert!(limit("ratio").is_err());
    }
}
