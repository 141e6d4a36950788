//! Documents, read as far as they can be.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell};
use core::ops::Deref;

use downshift::document::Document;
use downshift::jws::{self, SignedDocument};
use downshift::layer::LayerFacts;
use downshift::{Digest, Error, Failure};
use downshift_json::{Json, Kind as JsonKind, Value};

use crate::facts;
use crate::given::Given;
use crate::kind::of_json;
use crate::limits::Limits;
use crate::report::{Digests, Kind, Span};
use crate::response::Responses;

/// Documents that were read together.
pub(crate) struct Documents<'g> {
    reads: Vec<Read<'g>>,
    /// The first document with a digest, be it that of its payload. Those of SHA-256 only: others are rare.
    by_digest: BTreeMap<Digest, usize>,
    /// Where the first facts about each layer are: a document, and an index there.
    facts: BTreeMap<String, (usize, usize)>,
    /// Bytes that may still be hashed in a search.
    search: Cell<usize>,
}

impl<'g> Documents<'g> {
    pub(crate) fn new(reads: Vec<Read<'g>>) -> Self {
        let (mut by_digest, mut facts) = (BTreeMap::new(), BTreeMap::new());
        for (index, read) in reads.iter().enumerate() {
            for digest in [Some(&read.digests.bytes), read.digests.payload.as_ref()].into_iter().flatten() {
                by_digest.entry(digest.clone()).or_insert(index);
            }
            for (at, layer) in read.facts.iter().flatten().enumerate() {
                facts.entry(layer.digest.to_string()).or_insert((index, at));
            }
        }
        Self { reads, by_digest, facts, search: Cell::new(Limits::SEARCH_BYTES) }
    }

    /// The document with a digest: an index.
    pub(crate) fn find(&self, digest: &str) -> Option<usize> {
        self.by_digest.get(&Digest::parse(digest).ok()?).copied()
    }

    /// What is known of the layer with a digest, if facts about it are among the documents.
    pub(crate) fn facts(&self, digest: &str) -> Option<&LayerFacts> {
        let (document, index) = self.facts.get(digest)?;
        self.reads.get(*document)?.facts.as_ref().ok()?.get(*index)
    }

    /// Whether a search may go on for so many bytes, which counts as done then.
    pub(crate) fn may_hash(&self, bytes: usize) -> bool {
        let left = self.search.get().checked_sub(bytes);
        self.search.set(left.unwrap_or_default());
        left.is_some()
    }
}

impl<'g> Deref for Documents<'g> {
    type Target = [Read<'g>];

    fn deref(&self) -> &Self::Target {
        &self.reads
    }
}

/// A document, read as far as it can be.
pub(crate) struct Read<'g> {
    pub(crate) label: String,
    /// Whether the label was given.
    pub(crate) is_labelled: bool,
    pub(crate) expected: Option<&'g str>,
    /// Where it is in the bytes that were given.
    pub(crate) span: Span,
    pub(crate) bytes: &'g [u8],
    pub(crate) responses: Option<Responses>,
    /// What it is as JSON, if it is that.
    pub(crate) json: Option<Json<'g>>,
    /// What it is as a manifest, if it is that.
    pub(crate) document: Option<Document<'g>>,
    /// Why it is not what it seems to be.
    pub(crate) error: Option<Box<Error>>,
    pub(crate) kind: Kind,
    pub(crate) digests: Digests,
    /// The facts about layers that it has, if it is a document of these.
    pub(crate) facts: Result<Vec<LayerFacts>, Failure>,
    signed: OnceCell<Option<SignedDocument>>,
}

impl<'g> Read<'g> {
    /// Reads a document. `rescued` is room for what can be saved of one that was changed after it was signed.
    pub(crate) fn of(given: &'g Given<'g>, index: usize, rescued: &'g OnceCell<Vec<u8>>) -> Self {
        let label = given.label.clone().filter(|label| !label.is_empty());
        let is_labelled = label.is_some();
        let label = label.unwrap_or_else(|| format!("document {}", index.saturating_add(1)));
        let responses = Responses::parse(given.bytes);
        let span = responses.as_ref().map_or(Span { start: 0, end: given.bytes.len() }, |found| found.body);
        let bytes = span.of(given.bytes);
        let limits = Limits::core();
        let (json, json_error) = match Json::parse("document", bytes, &limits) {
            Ok(json) => (Some(json), None),
            Err(error) => (None, Some(error)),
        };
        let kind = json.as_ref().map_or(Kind::NotJson, |json| of_json(json.root()));
        let (document, error) = match (kind, json_error) {
            (_, Some(error)) => (None, Some(error.into())),
            (Kind::Json, None) if json.as_ref().is_some_and(|json| seems_manifest(json.root())) => {
                match Document::parse(bytes, &limits) {
                    Ok(document) => (Some(document), None),
                    Err(error) => {
                        let rest = json.as_ref().and_then(|json| without_signatures(bytes, json.root()));
                        let rest = rest.map(|rest| &**rescued.get_or_init(|| rest));
                        (rest.and_then(|rest| Document::parse(rest, &limits).ok()), Some(error))
                    }
                }
            }
            _ => (None, None),
        };
        let kind = match &document {
            Some(_) if error.is_some() => Kind::Schema1,
            Some(document) => document.form().into(),
            None => kind,
        };
        let payload = match &document {
            Some(Document::Schema1(schema1)) if error.is_none() => Some(schema1.payload()),
            _ => None,
        };
        let digests = digests(bytes, payload);
        let expected = given.expected.as_deref();
        let facts = match &json {
            Some(json) if kind == Kind::LayerFacts => facts::of_json(json.root()),
            _ => Ok(Vec::new()),
        };
        let signed = OnceCell::new();
        Self {
            label,
            is_labelled,
            expected,
            span,
            bytes,
            responses,
            json,
            document,
            error,
            kind,
            digests,
            facts,
            signed,
        }
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> Option<Value<'_>> {
        self.json.as_ref().map(Json::root)
    }

    /// What signatures cover, if there are some.
    pub(crate) fn payload(&self) -> Option<&[u8]> {
        match &self.document {
            Some(Document::Schema1(schema1)) if schema1.is_signed() => Some(schema1.payload()),
            _ => None,
        }
    }

    /// The document taken apart, if it is signed.
    pub(crate) fn signed(&self) -> Option<&SignedDocument> {
        let parse = || match self.kind {
            Kind::Schema1 => jws::parse(self.bytes, &Limits::core()).ok(),
            _ => None,
        };
        self.signed.get_or_init(parse).as_ref()
    }

    /// Whether there are signatures, or what seems to be some.
    pub(crate) fn looks_signed(&self) -> bool {
        match self.root() {
            Some(root) => root.member("signatures").is_some(),
            None => has_signatures(self.bytes),
        }
    }

    /// The media type under which the document is served.
    pub(crate) fn media_type(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Errors | Kind::LayerFacts => Some("application/json"),
            _ => self.kind.form().map(downshift::Form::media_type),
        }
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.error.as_deref().map(Failure::from).or_else(|| self.facts.as_ref().err().cloned())
    }
}

fn digests(bytes: &[u8], payload: Option<&[u8]>) -> Digests {
    let digest = Digest::of(bytes);
    // A document that is not signed is its own payload.
    let payload = payload.filter(|payload| *payload != bytes).map(Digest::of);
    let registry = payload.as_ref().unwrap_or(&digest).clone();
    Digests { bytes: digest, payload, registry, expected: None }
}

/// Whether a document may have a member `signatures`. From the end, near which it stands.
pub(crate) fn has_signatures(bytes: &[u8]) -> bool {
    const NAME: &[u8] = b"\"signatures\"";
    let mut rest = bytes;
    while let Some(at) = rest.iter().rposition(|&byte| byte == b's') {
        // The last letter of the name.
        if bytes.get(..at.saturating_add(2)).is_some_and(|head| head.ends_with(NAME)) {
            return true;
        }
        rest = rest.get(..at).unwrap_or_default();
    }
    false
}

/// What a schema 1 manifest says whose signatures do not fit it: the document with them cut out.
fn without_signatures(bytes: &[u8], root: Value<'_>) -> Option<Vec<u8>> {
    root.member("schemaVersion").filter(|version| version.raw() == b"1")?;
    let is_list = |(name, value): &(Value<'_>, Value<'_>)| {
        name.is_text("signatures") && value.kind() == JsonKind::Array
    };
    let (name, value) = root.members().find(is_list)?;
    let head = bytes.get(..name.span().start)?.trim_ascii_end().strip_suffix(b",")?;
    Some([head, bytes.get(value.span().end..)?].concat())
}

/// Whether a document says that it is a manifest.
fn seems_manifest(root: Value<'_>) -> bool {
    root.kind() == JsonKind::Object
        && ["schemaVersion", "fsLayers", "manifests"].iter().any(|name| root.member(name).is_some())
}
