//! The report, as data. What each member means is written in `report.d.ts` of the package for JavaScript.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use downshift::check::Finding;
use downshift::{Failure, Platform};
use serde::Serialize;

use crate::digests::Digests;
use crate::kind::{Evidence, Kind};
use crate::response::ResponseReport;
use crate::signatures::SignatureReport;
use crate::unreadable::Unreadable;

/// What there is to know of documents that were given together.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One for each that was given, in their order.
    pub documents: Vec<DocumentReport>,
    /// What is worth explaining about them.
    pub explanations: Vec<Explanation>,
}

/// What there is to know of one document.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DocumentReport {
    /// Its name.
    pub label: String,
    /// Where it is in the bytes that were given.
    pub span: Span,
    /// The response in whose body it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseReport>,
    /// Its size in bytes.
    pub size: usize,
    /// What it is.
    pub kind: Kind,
    /// The kind in words.
    pub title: String,
    /// What it is, in one sentence.
    pub summary: String,
    /// The media type under which it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Why it is of that kind.
    pub why: Vec<Evidence>,
    /// Its digests.
    pub digests: Digests,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Where it stops being JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<Unreadable>,
    /// What is missing, odd or contradicts itself.
    pub problems: Vec<Problem>,
    /// Schema 1: the repository's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Schema 1: the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The media type that makes it an artifact instead of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// The manifest that this one is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Part>,
    /// The config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Part>,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// Numbers over the layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
    /// The history, oldest first.
    pub history: Vec<HistoryEntry>,
    /// The manifests of a list or index.
    pub manifests: Vec<Entry>,
    /// What the image runs with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageConfig>,
    /// Schema 1: the chain of ids, lowest first.
    pub chain: Vec<ChainLink>,
    /// Schema 1: the signatures.
    pub signatures: Vec<SignatureReport>,
    /// Signed schema 1: how payload and signatures lie in the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anatomy: Option<Anatomy>,
    /// The structural rules of old engines that it breaks.
    pub findings: Vec<Finding>,
    /// The errors of a registry's answer.
    pub errors: Vec<RegistryError>,
    /// The annotations of the manifest itself.
    pub annotations: Vec<Pair>,
}

/// A part of some bytes: without `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// Where it has ended.
    pub end: usize,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl Span {
    /// The bytes of the part.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// What is missing, odd or contradicts itself.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable code.
    pub code: String,
    /// What is wrong, in one line.
    pub text: String,
    /// Where, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Where, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The line in which it begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The byte of that line at which it begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot be used.
    Error,
    /// Some clients will fail, or somebody is misled.
    Warning,
    /// Good to know.
    Note,
}

/// Another document or blob that a document names.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Part {
    /// Its digest, as written.
    pub digest: String,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The given document that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<usize>,
    /// Whether the given document has another size.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub wrong_size: bool,
}

/// A layer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Layer {
    /// Its blob.
    #[serde(flatten)]
    pub part: Part,
    /// From 1, the lowest.
    pub number: usize,
    /// Whether there is nothing in it.
    pub empty: bool,
    /// What is special about it.
    pub flags: Vec<&'static str>,
    /// The digest of the uncompressed layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<String>,
    /// The digest over all diff ids up to this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<String>,
    /// The history entry that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<usize>,
}

/// Numbers over layers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// All of them.
    pub layers: usize,
    /// Those with nothing in them.
    pub empty: usize,
    /// Bytes of all distinct layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes of the largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest: Option<u64>,
}

/// A step in which an image was made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HistoryEntry {
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it made no layer.
    pub empty: bool,
    /// The layer that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
}

/// An entry of a list or index.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The manifest.
    #[serde(flatten)]
    pub part: Part,
    /// Its platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The version of its operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What it needs of its operating system.
    pub os_features: Vec<String>,
    /// `image`, `attestation`, `nested` or `other`.
    pub role: &'static str,
    /// An attestation: the entry that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<usize>,
    /// Its type, if it is an artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// Its annotations.
    pub annotations: Vec<Pair>,
}

/// A name and a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The name.
    pub name: String,
    /// The text.
    pub value: String,
}

impl Pair {
    pub(crate) fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// What an image runs with.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are those of the OCI image specification, config.md")]
pub struct ImageConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    pub env: Vec<Pair>,
    pub labels: Vec<Pair>,
    pub exposed_ports: Vec<String>,
    pub volumes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<Vec<String>>,
    pub diff_ids: Vec<String>,
}

/// A link of the chain of schema 1's ids.
#[derive(Clone, Debug, Serialize)]
pub struct ChainLink {
    /// The id, as written.
    pub id: String,
    /// The parent, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The layer: an index.
    pub layer: usize,
    /// The history entry: an index.
    pub history: usize,
    /// Whether the parent is the id below.
    pub joined: bool,
    /// How the id comes about.
    pub rule: &'static str,
    /// The rule in one sentence.
    pub text: &'static str,
}

/// How payload and signatures lie in the bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Anatomy {
    /// The beginning of the payload.
    pub head: Span,
    /// The signatures.
    pub signatures: Span,
    /// What the payload ends with.
    pub tail: String,
    /// Bytes of the payload.
    pub payload_size: usize,
}

/// An error of a registry's answer.
#[derive(Clone, Debug, Serialize)]
pub struct RegistryError {
    /// Its code.
    pub code: String,
    /// Its message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its detail, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the code means.
    pub text: &'static str,
}

/// An answer to a question, and a command that proves it.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Its stable code.
    pub code: &'static str,
    /// The question.
    pub title: &'static str,
    /// The answer, a sentence each.
    pub text: Vec<String>,
    /// A command for a POSIX shell.
    pub command: String,
    /// The documents that it is about.
    pub documents: Vec<usize>,
}
