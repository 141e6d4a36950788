//! `downshift inspect`

use std::path::PathBuf;

use clap::Args;
use downshift::Limits;
use downshift::inspect::{Inspection, Part, inspect};

use super::{Verdict, json, print, read_document, write_document};
use crate::error::Error;

/// Show what a manifest is and says
#[derive(Args)]
pub(super) struct Inspect {
    /// The manifest, list or index; `-` is standard input
    file: PathBuf,
    /// Write JSON, for programs
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let limits = Limits::default();
        let inspection = inspect(&read_document(&self.file, &limits)?, &limits)?;
        if self.json {
            write_document(None, &json(&inspection)?)?;
        } else {
            print(lines(&inspection))?;
        }
        Ok(Verdict::Yes)
    }
}

fn lines(inspection: &Inspection) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add =
        |label: &str, value: Option<String>| lines.extend(value.map(|value| format!("{label:12}{value}")));
    add("form", Some(inspection.form.to_string()));
    add("media type", Some(inspection.media_type.to_owned()));
    add("size", Some(bytes(inspection.size as u64)));
    add("digest", Some(inspection.digest.to_string()));
    add("payload", inspection.payload_digest.as_ref().map(ToString::to_string));
    add("name", inspection.name.clone());
    add("tag", inspection.tag.clone());
    add("platform", inspection.architecture.clone());
    add("artifact", inspection.artifact.clone());
    add("config", inspection.config.as_ref().map(part));
    for layer in &inspection.layers {
        add("layer", Some(part(layer)));
    }
    for manifest in &inspection.manifests {
        add("manifest", Some(part(manifest)));
    }
    for signature in &inspection.signatures {
        let kid = signature.kid.as_deref().unwrap_or("no key");
        let time = signature.time.as_deref().unwrap_or("no time");
        add("signature", Some(format!("{kid}  {}  {time}", signature.algorithm)));
    }
    for finding in &inspection.findings {
        add("finding", Some(format!("{}: {}: {}", finding.path, finding.rule, finding.detail)));
    }
    lines
}

fn part(part: &Part) -> String {
    let platform = part.platform.as_ref().map(ToString::to_string);
    let media_type = Some(part.media_type.clone()).filter(|media_type| !media_type.is_empty());
    let columns = [Some(part.digest.clone()), part.size.map(bytes), media_type, platform];
    columns.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn bytes(size: u64) -> String {
    format!("{size} bytes")
}
