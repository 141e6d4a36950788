//! `downshift inspect`

mod lines;

use std::path::PathBuf;

use clap::Args;
use downshift::Limits;
use downshift_inspect::{DocumentReport, Given, inspect};

use self::lines::lines;
use super::input::read_document;
use super::output::{json, print, write_document};
use super::verdict::Verdict;
use crate::error::Error;

/// Show what manifests contain, and why a digest is not the expected one
///
/// Files that are given together are linked where one names the other: a manifest, its config, the manifests of an
/// index. A file may also be a response as `curl -i` prints it; its headers are then checked against its body. Facts about
/// layers, as `downshift layer --json` writes them, add to schema 1 what it does not say: sizes, diff ids, and the ids that
/// tools give its image.
#[derive(Args)]
pub(super) struct Inspect {
    /// Manifests, configs, responses or facts; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The digest that the first file should have: if it has another, say which change would lead to it
    #[arg(long, value_name = "DIGEST")]
    expect: Option<String>,
    /// Write JSON, for programs
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let mut limits = Limits::default();
        limits.document_bytes = downshift_inspect::Limits::GIVEN_BYTES;
        let read = |path: &PathBuf| Ok((path.display().to_string(), read_document(path, &limits)?));
        let read: Vec<(String, Vec<u8>)> = self.files.iter().map(read).collect::<Result<_, Error>>()?;
        let mut expect = self.expect;
        let given = read.iter().map(|(label, bytes)| {
            let label = Some(label.clone()).filter(|label| label != "-");
            Given { bytes, label, expected: expect.take() }
        });
        let report = inspect(&given.collect::<Vec<_>>(), &[])?;
        if self.json {
            write_document(None, &json(&report)?)?;
        } else {
            print(lines(&report))?;
        }
        Ok(report.documents.iter().all(is_sound).into())
    }
}

/// Whether a document can be read, and is the one that was expected.
fn is_sound(document: &DocumentReport) -> bool {
    document.failure.is_none()
        && document.digests.expected.as_ref().is_none_or(|expected| expected.verdict.is_met())
}
