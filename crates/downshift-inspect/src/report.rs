//! The reports, as data: nothing of this crate is imported here.
//!
//! `report.d.ts` of the package for JavaScript has the same types, and says what each member means;
//! `tests/types.rs` holds the two to each other.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use downshift::check::Finding;
use downshift::{Digest, Failure, Form, Platform};
use serde::{Serialize, Serializer};

/// Declares an enum whose values are words in JSON.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $value,)+ }

        impl $name {
            /// The word in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$value => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

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
    /// Schema 1, where facts about all of its layers are given: the ids that its image gets.
    pub image_ids: Vec<ImageId>,
    /// The structural rules of old engines that it breaks.
    pub findings: Vec<Finding>,
    /// The errors of a registry's answer.
    pub errors: Vec<RegistryError>,
    /// The annotations of the manifest itself.
    pub annotations: Vec<Pair>,
}

/// The id that a tool gives the image which it makes of schema 1: the digest of the config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageId {
    /// The tool: a stable name.
    pub tool: &'static str,
    /// The tool, for people.
    pub text: &'static str,
    /// The id.
    pub id: Digest,
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

words! {
    /// How bad a problem is.
    pub enum Severity {
        /// It cannot be used.
        Error = "error",
        /// Some clients will fail, or somebody is misled.
        Warning = "warning",
        /// Good to know.
        Note = "note",
    }
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
    /// The entry's purpose.
    pub role: Role,
    /// An attestation: the entry that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<usize>,
    /// Its type, if it is an artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// Its annotations.
    pub annotations: Vec<Pair>,
}

words! {
    /// The purpose of an entry of a list or index.
    pub enum Role {
        /// An image.
        Image = "image",
        /// An attestation for another entry, as BuildKit writes it.
        Attestation = "attestation",
        /// Itself a list or index.
        Nested = "nested",
        /// Anything else.
        Other = "other",
    }
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
    /// How the id was made.
    pub rule: IdRule,
    /// The rule in one sentence.
    pub text: &'static str,
}

words! {
    /// How an id of schema 1 was made.
    pub enum IdRule {
        /// From the layer's digest and the parent's id.
        LayerAndParent = "layer-and-parent",
        /// From these and the config.
        Config = "config",
        /// From data that is not in the manifest.
        Unknown = "unknown",
        /// It is not an id.
        Invalid = "invalid",
    }
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

words! {
    /// The kind of a document.
    #[derive(Default)]
    pub enum Kind {
        /// A manifest in Docker schema 1, signed.
        Schema1 = "schema1",
        /// A manifest in Docker schema 1 without a signature.
        Schema1Unsigned = "schema1-unsigned",
        /// A manifest in Docker schema 2.
        Schema2 = "schema2",
        /// A Docker manifest list.
        List = "list",
        /// An OCI manifest.
        Oci = "oci",
        /// An OCI index.
        Index = "index",
        /// The config of an image.
        Config = "config",
        /// A registry's error response.
        Errors = "errors",
        /// Facts about layers, as `downshift layer --json` writes them.
        LayerFacts = "layer-facts",
        /// JSON of an unknown kind.
        Json = "json",
        /// Not JSON.
        #[default]
        NotJson = "not-json",
    }
}

impl From<Form> for Kind {
    fn from(form: Form) -> Self {
        match form {
            Form::Schema1 => Self::Schema1,
            Form::Schema1Unsigned => Self::Schema1Unsigned,
            Form::Schema2 => Self::Schema2,
            Form::List => Self::List,
            Form::Oci => Self::Oci,
            Form::Index => Self::Index,
            Form::Other => Self::Json,
        }
    }
}

impl Kind {
    /// The form of a manifest of this kind.
    #[must_use]
    pub fn form(self) -> Option<Form> {
        Form::ALL.into_iter().find(|&form| Self::from(form) == self)
    }

    /// The kind in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Schema1 => "Docker schema 1, signed",
            Self::Schema1Unsigned => "Docker schema 1, not signed",
            Self::Schema2 => "Docker schema 2",
            Self::List => "Docker manifest list",
            Self::Oci => "OCI manifest",
            Self::Index => "OCI index",
            Self::Config => "image config",
            Self::Errors => "a registry's error response",
            Self::LayerFacts => "facts about layers",
            Self::Json => "JSON of an unknown kind",
            Self::NotJson => "not JSON",
        }
    }

    /// Whether it is schema 1, signed or not.
    #[must_use]
    pub const fn is_schema1(self) -> bool {
        matches!(self, Self::Schema1 | Self::Schema1Unsigned)
    }
}

/// Why a document is of its kind.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// Its stable code.
    pub code: &'static str,
    /// The evidence.
    pub text: String,
    /// Whether it speaks for the kind.
    pub agrees: bool,
}

/// The digests of a document.
#[derive(Clone, Debug, Serialize)]
pub struct Digests {
    /// Of its bytes.
    pub bytes: Digest,
    /// Of its payload, if it is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Digest>,
    /// By which registries and engines name it.
    pub registry: Digest,
    /// The digest that it is expected to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
}

impl Default for Digests {
    fn default() -> Self {
        let empty = Digest::of(b"");
        Self { bytes: empty.clone(), payload: None, registry: empty, expected: None }
    }
}

/// The result of comparing an expected digest.
#[derive(Clone, Debug, Serialize)]
pub struct Expected {
    /// The digest, as given.
    pub digest: String,
    /// Whether it is the document's.
    pub verdict: ExpectedVerdict,
    /// The verdict in one sentence.
    pub text: String,
    /// The change that leads to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// The given document that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<usize>,
    /// The changes that were tried.
    pub tried: Vec<Variant>,
}

words! {
    /// The verdict on an expected digest.
    pub enum ExpectedVerdict {
        /// It is that of the document's bytes.
        Bytes = "bytes",
        /// It is that of the document's payload.
        Payload = "payload",
        /// A change to the document leads to it.
        Variant = "variant",
        /// It is that of another given document.
        Other = "other",
        /// No change that was tried leads to it.
        None = "none",
        /// It is not a digest.
        Unsupported = "unsupported",
    }
}

impl ExpectedVerdict {
    /// Whether the document is the expected one.
    #[must_use]
    pub const fn is_met(self) -> bool {
        matches!(self, Self::Bytes | Self::Payload)
    }
}

/// A change that keeps what a document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// Its stable code.
    pub code: &'static str,
    /// What is changed.
    pub text: &'static str,
    /// What does that.
    pub cause: &'static str,
}

/// Where a document stops being JSON, and what it may be instead.
#[derive(Clone, Debug, Serialize)]
pub struct Unreadable {
    /// Where, in bytes.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in bytes.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
    /// What it may be: a stable code.
    pub guess: &'static str,
    /// The guess as a sentence.
    pub text: &'static str,
}

/// The result of verifying a signature.
#[derive(Clone, Debug, Serialize)]
pub struct SignatureReport {
    /// The algorithm that its header names.
    pub algorithm: String,
    /// The id of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The kind of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The subject of the certificate that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The time in the protected header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Whether it holds.
    pub verdict: SignatureVerdict,
    /// The code of the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The verdict in one sentence.
    pub text: String,
    /// Where its block is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

words! {
    /// The verdict on a signature.
    pub enum SignatureVerdict {
        /// It holds.
        Valid = "valid",
        /// It does not hold.
        Invalid = "invalid",
        /// It was not verified.
        Unchecked = "unchecked",
    }
}

/// A response, and those before it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ResponseReport {
    /// Its status line and headers.
    #[serde(flatten)]
    pub head: ResponseHead,
    /// Whether lines end with CRLF.
    pub crlf: bool,
    /// The responses that redirect to it.
    pub earlier: Vec<ResponseHead>,
    /// What headers claim, held against the body.
    pub claims: Vec<Claim>,
}

/// The status line and headers of a response.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ResponseHead {
    /// The protocol, such as `HTTP/2`.
    pub version: String,
    /// The status.
    pub status: u16,
    /// The headers, as written.
    pub headers: Vec<Pair>,
}

/// The claim of a header.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// The header, in lower case.
    pub code: &'static str,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether the claim is true.
    pub holds: Holds,
    /// Why.
    pub text: String,
    /// A digest, compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
}

words! {
    /// Whether a claim is true.
    pub enum Holds {
        /// It is.
        True = "true",
        /// It is not.
        False = "false",
        /// It can be neither shown nor refuted.
        Unclear = "unclear",
    }
}

/// What looks secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// The document: an index.
    pub document: usize,
    /// Where it was found: a stable code.
    #[serde(rename = "where")]
    pub place: &'static str,
    /// Its name, never its value.
    pub name: String,
    /// Why it looks secret.
    pub text: &'static str,
}

/// A comparison of two documents.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// What differs.
    pub verdict: DiffVerdict,
    /// The verdict in one sentence.
    pub text: String,
    /// The layers of both.
    pub layers: Vec<DiffLayer>,
    /// All lines of both.
    pub chunks: Vec<Chunk>,
    /// Whether there were too many lines.
    pub coarse: bool,
}

words! {
    /// What differs between two documents.
    pub enum DiffVerdict {
        /// Nothing.
        SameBytes = "same-bytes",
        /// Only how the JSON is written.
        SameContent = "same-content",
        /// The form or other members, but neither config nor layers.
        SameImage = "same-image",
        /// The config, but not the layers.
        SameLayers = "same-layers",
        /// The layers.
        OtherLayers = "other-layers",
        /// Anything else.
        Other = "other",
    }
}

/// A layer of one of two manifests, or of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiffLayer {
    /// Its digest.
    pub digest: String,
    /// Which of the two have it.
    #[serde(rename = "in")]
    pub place: DiffPlace,
}

words! {
    /// Which of two manifests have a layer.
    pub enum DiffPlace {
        /// Both.
        Both = "both",
        /// The first.
        Before = "before",
        /// The second.
        After = "after",
    }
}

/// Lines that are the same in both, or that are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chunk {
    /// Whether they differ.
    pub kind: ChunkKind,
    /// In the one document.
    pub before: Span,
    /// In the other.
    pub after: Span,
    /// The number of its first line in the one, from 1.
    pub before_line: usize,
    /// The number of its first line in the other, from 1.
    pub after_line: usize,
    /// How many lines of the one.
    pub before_lines: usize,
    /// How many lines of the other.
    pub after_lines: usize,
    /// What exactly differs.
    pub parts: Vec<DiffPart>,
}

words! {
    /// Whether lines differ.
    pub enum ChunkKind {
        /// They are the same.
        Same = "same",
        /// They differ.
        Changed = "changed",
    }
}

/// A part of changed lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DiffPart {
    /// What became of it.
    pub kind: DiffPartKind,
    /// In the one document.
    pub before: Span,
    /// In the other.
    pub after: Span,
}

words! {
    /// What became of a part of changed lines.
    pub enum DiffPartKind {
        /// It stayed.
        Same = "same",
        /// It is in the first document only.
        Removed = "removed",
        /// It is in the second document only.
        Added = "added",
    }
}

/// What each client gets of each stored form, from each kind of registry.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// The registries.
    pub registries: Vec<RegistryRow>,
    /// What is stored.
    pub stored: Vec<Stored>,
    /// What each client gets.
    pub clients: Vec<ClientRow>,
}

/// A kind of registry.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RegistryRow {
    /// Its stable id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How it chooses.
    pub text: &'static str,
}

/// What a client gets.
#[derive(Clone, Debug, Serialize)]
pub struct ClientRow {
    /// Its stable id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The headers that it sends.
    pub request: Vec<Pair>,
    /// The forms that it can use.
    pub understands: Vec<Form>,
    /// By registry, by what is asked for, by what is stored.
    pub answers: BTreeMap<&'static str, BTreeMap<AskedBy, BTreeMap<Stored, Cell>>>,
}

words! {
    /// An image as a registry has it: in a form, and with gzip layers unless it says something else.
    pub enum Stored {
        /// Signed schema 1.
        Schema1 = "schema1",
        /// Schema 1 without a signature.
        Schema1Unsigned = "schema1-unsigned",
        /// Schema 2.
        Schema2 = "schema2",
        /// A manifest list.
        List = "list",
        /// An OCI manifest.
        Oci = "oci",
        /// An OCI index.
        Index = "index",
        /// An OCI manifest with layers that are compressed with zstd.
        Zstd = "zstd",
    }
}

words! {
    /// How a client names the manifest that it asks for.
    pub enum AskedBy {
        /// By a tag.
        Tag = "tag",
        /// By a digest.
        Digest = "digest",
    }
}

/// What a client gets of one stored form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// What becomes of the stored manifest.
    pub outcome: Outcome,
    /// The outcome in a word or two.
    pub word: String,
    /// The form of the manifest that it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// The status of the response.
    pub status: u16,
    /// The headers that show it.
    pub response: Vec<Pair>,
    /// Why.
    pub text: String,
}

words! {
    /// What becomes of a stored manifest when a client asks for it.
    pub enum Outcome {
        /// It is served as stored.
        Stored = "stored",
        /// It is converted to another form.
        Converted = "converted",
        /// One of the manifests of the list or index is served.
        Child = "child",
        /// The response is an error.
        Refused = "refused",
        /// The client gets what it cannot read.
        Unusable = "unusable",
    }
}
