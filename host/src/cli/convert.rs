//! `downshift convert`

mod layers;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use downshift::answer::{LayerNeed, Need, NeedKind, Record, Request, Root};
use downshift::document::Document;
use downshift::jws::Signature;
use downshift::report;
use downshift::{
    Capabilities, Digest, Form, Permission, PlainLayers, Platform, Policy, Timestamp, UnsignedSchema1,
};
use downshift_inspect::{ImageId, image_ids};
use downshift_registry::{is_repository_name, is_tag};
use downshift_sign::{GraviolaSigner, PrivateKey, Signer};
use serde::Serialize;

use self::layers::Layers;
use super::arguments::{EngineArgs, LimitArgs};
use super::input::read_document;
use super::output::{json, write_document};
use super::verdict::Verdict;
use crate::data::keys;
use crate::engine;
use crate::error::Error;
use crate::log;
use crate::origin::layout::Layout;
use crate::origin::store_files::StoreFiles;

/// Convert one manifest, and write its exact bytes to standard output
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Convert {
    /// The manifest, list or index; `-` is standard input
    manifest: PathBuf,
    /// The form to convert it to
    #[arg(long, value_enum, value_name = "FORM")]
    to: Target,
    /// The repository's name, which is written into schema 1
    #[arg(long, value_parser = name, required_if_eq("to", "schema1"))]
    name: Option<String>,
    /// The tag, which is written into schema 1
    #[arg(long, value_parser = tag, required_if_eq("to", "schema1"))]
    tag: Option<String>,
    /// The image's config
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of an OCI image layout with the other documents that are needed
    #[arg(long, value_name = "DIR")]
    layout: Option<PathBuf>,
    /// A file with facts about layers, as `downshift layer --json` writes them; `-` is standard input; can be repeated
    #[arg(long, value_name = "FILE")]
    facts: Vec<PathBuf>,
    /// The blob of a layer, which is read for its facts if they are needed; `-` is standard input; can be repeated
    #[arg(long, value_name = "FILE")]
    layer: Vec<PathBuf>,
    /// The platform to pick from a list or index; the reference policy knows linux/amd64 only
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Leave schema 1 without a signature
    #[arg(long)]
    unsigned: bool,
    /// The private key to sign with: P-256, as JWK or in PEM; by default a new one, which is thrown away
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    key: Option<PathBuf>,
    /// The time to sign with, instead of the image's own
    #[arg(long, value_name = "RFC3339")]
    time: Option<Timestamp>,
    /// What to do with images that Distribution converts with a loss: refuse them (strict) or convert them as it does
    /// (reference)
    #[arg(long, value_name = "strict|reference", default_value_t)]
    policy: Policy,
    /// A refusal of the strict policy to lift, by its code, such as foreign-layer; can be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    allow: Vec<Permission>,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Write the manifest to a file instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the config that is made of schema 1 to a file; by default it goes into the layout
    #[arg(long, value_name = "FILE")]
    config_out: Option<PathBuf>,
    /// Write a report to a file, as JSON: what was lost or added, and why the digest differs
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  downshift convert manifest.json --config config.json --to schema1 --name library/httpd --tag latest
  downshift convert - --layout images/library/httpd --to schema2 --platform linux/arm64 < index.json

The other documents that are needed, a config or the manifests of a list or index, are read from
the layout's blobs/sha256/HEX. Each must have the digest and size that the manifest says. Layers
that are compressed with zstd are read there, too, where the form has no name for them: they go by
the digests of their plain tars, which `downshift layer` shows.

Schema 1 upwards:
  downshift convert schema1.json --layout images/team/app --to oci > manifest.json
  downshift layer --json *.tar.gz > facts.json
  downshift convert schema1.json --facts facts.json --to schema2 --config-out config.json
  curl -s REGISTRY/v2/NAME/blobs/sha256:HEX | downshift convert schema1.json --layer - --to oci

Schema 1 has neither a config nor the sizes and diff ids of its layers. These come from --facts, or
from the layers themselves, in the layout or in the files of --layer. The config is made as Docker
makes it, so that the image has the id that it has there. It is written to --config-out, or else
into the layout as a blob, and so is the manifest that names it.";

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    Schema1,
    Schema2,
    Oci,
    List,
    Index,
}

impl Convert {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        self.check_input()?;
        let limits = self.limits.limits()?;
        let manifest = read_document(&self.manifest, &limits)?;
        let config = self.config.as_deref().map(|path| read_document(path, &limits)).transpose()?;
        let key = self.key.as_deref().map(keys::read).transpose()?;
        let layout = self.layout.map(|folder| Layout::new(Arc::new(StoreFiles::with_all_links(folder)), ""));

        let layer_engine = self.engine.layer_engine();
        let mut layers = Layers::new(&self.facts, self.layer, layout.as_ref(), layer_engine, &limits)?;
        let engine = self.engine.engine()?;
        let form = self.to.form(self.unsigned);
        let client = Capabilities::of(&[form]);
        let from = Document::parse(&manifest, &limits)?.form();
        let digest = Digest::of(&manifest);
        let request = Request {
            root: Root::Tag {
                name: self.name.unwrap_or_default(),
                tag: self.tag.unwrap_or_default(),
                digest: digest.clone(),
            },
            client: self.platform.iter().cloned().fold(client, Capabilities::with_platform),
            policy: self.policy,
            allow: self.allow.iter().copied().collect(),
            plain_layers: PlainLayers::default(),
            unsigned_schema1: UnsignedSchema1::default(),
            default_platform: Platform::default(),
            time: self.time,
            limits: limits.clone(),
        };
        let fetch = |need: &Need| {
            let document = match (&config, &layout) {
                _ if need.digest == digest => Some(manifest.clone()),
                (Some(config), _) if need.kind == NeedKind::Blob => Some(checked_config(config, need)?),
                (_, Some(layout)) => layout.document(&need.digest, &limits)?,
                (_, None) => None,
            };
            document.map(Some).ok_or_else(|| Error::NotGiven { digest: need.digest.clone() })
        };
        let read = |needs: &[LayerNeed]| layers.read(needs);
        let no_conversion = || -> Error { downshift::Error::NoConversion { from, to: form }.into() };
        let answer =
            engine::run(&engine, &request, fetch, read, |bytes| sign(bytes, key)).map_err(|no_answer| {
                // There is no Accept header here to name another type in.
                if no_answer.error.code() == "not-acceptable" {
                    no_conversion()
                } else {
                    Error::Shared(no_answer.error)
                }
            })?;
        if answer.form != form {
            return Err(no_conversion());
        }

        let config = answer.records.iter().find(|record| record.is_config());
        let has_config = config.is_some();
        if let Some(config) = config {
            match (&self.config_out, &layout) {
                (Some(path), _) => write_document(Some(path), &config.payload)?,
                (None, Some(layout)) => {
                    layout.add_blob(&config.digest, &config.payload)?;
                    layout.add_blob(&answer.digest, &answer.body)?;
                }
                (None, None) => notice_lost(config),
            }
        }
        if let Some(path) = &self.report {
            let image_ids = match Document::parse(&manifest, &limits)? {
                Document::Schema1(schema1) if has_config => image_ids(&schema1, &|blob| layers.facts(blob)),
                _ => Vec::new(),
            };
            write_document(Some(path), &json(&Report { conversion: &answer.report, image_ids })?)?;
        }
        write_document(self.output.as_deref(), &answer.body)?;
        Ok(Verdict::Yes)
    }

    /// Refuses to read two things from standard input: the second would find nothing there.
    fn check_input(&self) -> Result<(), Error> {
        let files = [&self.manifest].into_iter().chain(&self.config).chain(&self.facts).chain(&self.layer);
        let stdin = Path::new("-");
        match files.filter(|path| path.as_path() == stdin).count() {
            0 | 1 => Ok(()),
            _ => Err(Error::unusable(stdin, "standard input is one file, and was named more than once")),
        }
    }
}

/// What `--report` writes.
#[derive(Serialize)]
struct Report<'r> {
    #[serde(flatten)]
    conversion: &'r report::Report,
    /// Of what is made of schema 1: the ids that tools give the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_ids: Vec<ImageId>,
}

impl Target {
    fn form(self, unsigned: bool) -> Form {
        match self {
            Self::Schema1 if unsigned => Form::Schema1Unsigned,
            Self::Schema1 => Form::Schema1,
            Self::Schema2 => Form::Schema2,
            Self::Oci => Form::Oci,
            Self::List => Form::List,
            Self::Index => Form::Index,
        }
    }
}

/// Says that nobody keeps a config that was made.
fn notice_lost(config: &Record) {
    let digest = &config.digest;
    log::notice(format_args!(
        "downshift: the config `{digest}` is not written: name a file for it with --config-out, or a --layout"
    ));
}

fn checked_config(config: &[u8], need: &Need) -> Result<Vec<u8>, Error> {
    if need.digest.matches(config) {
        Ok(config.to_vec())
    } else {
        Err(Error::OtherConfig { expected: need.digest.clone(), actual: Digest::of(config) })
    }
}

fn sign(bytes: &[u8], key: Option<PrivateKey>) -> Result<Signature, Error> {
    let key = match key {
        Some(key) => key,
        None => {
            log::notice(
                "downshift: the signing key is thrown away after use: give one with --key, or use --unsigned",
            );
            PrivateKey::generate()?
        }
    };
    Ok(GraviolaSigner::new(&key).sign(bytes)?)
}

fn name(text: &str) -> Result<String, &'static str> {
    if is_repository_name(text) { Ok(text.to_owned()) } else { Err("not a repository name") }
}

fn tag(text: &str) -> Result<String, &'static str> {
    if is_tag(text) { Ok(text.to_owned()) } else { Err("not a tag") }
}
