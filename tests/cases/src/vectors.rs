//! Recorded conversions: `tests/vectors/*.jsonl`, one image a line, with what the reference answered.
//!
//! The README beside them says where they come from and what each file is about.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::answer::{Record, Request};
use downshift::{Digest, Form, Limits, Policy, jws};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::difference;
use crate::images::Manifest;
use crate::images::random::RandomImage;
use crate::implementation::{self, Outcome};
use crate::{files, upward};

/// The names of the files, without their ending, in order.
///
/// # Errors
/// If the folder cannot be read.
pub fn names() -> anyhow::Result<Vec<String>> {
    let folder = files::path("vectors");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("`{}` cannot be read", folder.display()))? {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")).map(ToString::to_string));
    }
    // Those have a reader of their own.
    names.retain(|name| !name.starts_with(upward::NAME));
    names.sort();
    Ok(names)
}

/// The vectors of the file with this name, by line.
///
/// # Errors
/// If the file cannot be read, or a line is not a vector. The error names both.
pub fn read(name: &str) -> anyhow::Result<Vec<Vector>> {
    let path = files::path(&format!("vectors/{name}.jsonl"));
    let text = fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let vector = |(index, line): (usize, &str)| {
        serde_json::from_str(line)
            .with_context(|| format!("`{}`, line {}, is not a vector", path.display(), index + 1))
    };
    text.lines().enumerate().map(vector).collect()
}

/// All vectors, by file name and line.
///
/// # Errors
/// As [`read`].
pub fn read_all() -> anyhow::Result<Vec<Vector>> {
    let mut vectors = Vec::new();
    for name in names()? {
        vectors.extend(read(&name)?);
    }
    Ok(vectors)
}

/// An image that was pushed to the reference, and what its tag gave to a client without an Accept header.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Vector {
    /// The file's name, a hyphen, and a number of four digits.
    pub id: String,
    /// The file's name.
    pub category: String,
    /// What is special about the image.
    pub note: String,
    /// The repository's name.
    pub repository: String,
    /// The tag.
    pub tag: String,
    source_media_type: String,
    manifest: String,
    manifest_digest: String,
    /// Of a list or index: the manifests that it lists, by digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    manifests: BTreeMap<String, Child>,
    /// The configs, by digest, in base64. Conversion never looks into a layer.
    blobs: BTreeMap<String, String>,
    /// 0 where the reference crashed and closed the connection.
    status: u16,
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema1_payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema1_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_example: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema1_payload_of_schema2_twin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema1_digest_of_schema2_twin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Child {
    media_type: String,
    body: String,
}

/// The reference's answer to a request for a tag.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// An answer.
    Answer {
        /// The status.
        status: u16,
        /// `Content-Type`.
        content_type: Option<String>,
        /// `Docker-Content-Digest`.
        digest: Option<String>,
        /// The body.
        body: Vec<u8>,
    },
    /// The connection was closed, as the registry does where its handler panics.
    Dropped,
}

/// What an image must give to a client that reads nothing but schema 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A signed document with this payload.
    Payload(Vec<u8>),
    /// No manifest: the reference answered with an error, or crashed.
    Refusal,
}

impl Vector {
    /// The vector of a random image and what the reference made of it.
    ///
    /// # Errors
    /// If a manifest is not UTF-8, or the answer is no signed schema 1.
    pub fn new(id: String, random: &RandomImage, fetched: &Fetched) -> anyhow::Result<Self> {
        let image = &random.image;
        let text = |manifest: &Manifest| {
            String::from_utf8(manifest.bytes.clone())
                .context("a manifest that is not UTF-8 cannot be recorded")
        };
        let child = |manifest: &Manifest| -> anyhow::Result<_> {
            let media_type = manifest.form.media_type().to_string();
            Ok((manifest.digest().to_string(), Child { media_type, body: text(manifest)? }))
        };
        let mut vector = Self {
            category: id.rsplit_once('-').map_or("", |(category, _)| category).to_string(),
            id,
            note: random.note.clone(),
            repository: random.repository.to_string(),
            tag: random.tag.clone(),
            source_media_type: image.manifest.form.media_type().to_string(),
            manifest: text(&image.manifest)?,
            manifest_digest: image.manifest.digest().to_string(),
            manifests: image.children.iter().map(child).collect::<Result<_, _>>()?,
            blobs: image
                .configs
                .iter()
                .map(|config| (Digest::of(config).to_string(), STANDARD.encode(config)))
                .collect(),
            status: 0,
            content_type: None,
            schema1_payload: None,
            schema1_digest: None,
            signed_example: None,
            schema1_payload_of_schema2_twin: None,
            schema1_digest_of_schema2_twin: None,
            error: None,
        };
        match fetched {
            Fetched::Dropped => vector.error = Some("the reference closed the connection".into()),
            Fetched::Answer { status, content_type, body, .. } => {
                vector.status = *status;
                vector.content_type = content_type.clone();
                match fetched.expected()? {
                    Expected::Refusal => vector.error = serde_json::from_slice(body).ok(),
                    Expected::Payload(payload) => {
                        vector.schema1_digest = Some(Digest::of(&payload).to_string());
                        vector.schema1_payload = Some(String::from_utf8(payload)?);
                        vector.signed_example = Some(String::from_utf8(body.clone())?);
                    }
                }
            }
        }
        Ok(vector)
    }

    /// The vector as a line of a file, without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a vector is plain data")
    }

    /// What the reference made of it. Of an OCI image, which it refuses: what it made of the same config and layers
    /// pushed as schema 2.
    ///
    /// # Errors
    /// If the line contradicts itself.
    pub fn expected(&self) -> anyhow::Result<Expected> {
        let recorded = match (&self.schema1_payload_of_schema2_twin, &self.schema1_digest_of_schema2_twin) {
            (None, None) => (&self.schema1_payload, &self.schema1_digest),
            twin => twin,
        };
        match (recorded, self.status) {
            ((Some(payload), Some(digest)), _) => {
                let payload = payload.clone().into_bytes();
                ensure!(
                    Digest::of(&payload).as_str() == digest,
                    "`{}` has a payload of another digest",
                    self.id
                );
                Ok(Expected::Payload(payload))
            }
            ((None, None), 0 | 400..) => Ok(Expected::Refusal),
            _ => bail!("`{}` has neither a payload nor an error", self.id),
        }
    }

    /// The whole document that the reference answered with, signed by a key of its own.
    #[must_use]
    pub fn signed_example(&self) -> Option<&str> {
        self.signed_example.as_deref()
    }

    /// The request of a client that reads nothing but schema 1.
    ///
    /// # Errors
    /// If the manifest's digest is none.
    pub fn request(&self, policy: Policy) -> anyhow::Result<Request> {
        let digest = Digest::parse(&self.manifest_digest)?;
        Ok(implementation::schema1_request(&self.repository, &self.tag, digest, policy))
    }

    /// Everything that conversion can ask for, by digest.
    ///
    /// # Errors
    /// If a document is not what its digest says.
    pub fn documents(&self) -> anyhow::Result<BTreeMap<Digest, Vec<u8>>> {
        let root = (&self.manifest_digest, self.manifest.clone().into_bytes());
        let children = self.manifests.iter().map(|(digest, child)| (digest, child.body.clone().into_bytes()));
        let mut documents = BTreeMap::new();
        for (digest, bytes) in core::iter::once(root).chain(children) {
            documents.insert(Digest::parse(digest)?, bytes);
        }
        for (digest, text) in &self.blobs {
            documents.insert(Digest::parse(digest)?, STANDARD.decode(text.as_bytes())?);
        }
        match documents.iter().find(|(digest, bytes)| !digest.matches(bytes)) {
            Some((digest, _)) => bail!("`{}` has something else under `{digest}`", self.id),
            None => Ok(documents),
        }
    }
}

impl Fetched {
    /// What this asks of an implementation.
    ///
    /// # Errors
    /// If it is neither schema 1 nor an error, or its digest is not its payload's.
    pub fn expected(&self) -> anyhow::Result<Expected> {
        match self {
            Self::Dropped | Self::Answer { status: 400.., .. } => Ok(Expected::Refusal),
            Self::Answer { status: 200, content_type, digest, body } => {
                ensure!(
                    content_type.as_deref() == Some(Form::Schema1.media_type()),
                    "a tag gave {content_type:?}"
                );
                let payload = jws::parse(body, &Limits::default())?.payload;
                let reported = digest.as_deref().context("a manifest came without its digest")?;
                ensure!(
                    Digest::of(&payload).as_str() == reported,
                    "the payload's digest is not `{reported}`"
                );
                Ok(Expected::Payload(payload))
            }
            Self::Answer { status, .. } => bail!("a tag gave status {status}"),
        }
    }
}

impl Expected {
    /// Compares it with what an implementation answered.
    ///
    /// # Errors
    /// If they are not the same: how they differ.
    pub fn check(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let (payload, answer) = match (self, outcome) {
            (Self::Refusal, Outcome::Refused { .. }) => return Ok(()),
            (Self::Payload(payload), Outcome::Answered(answer)) => (payload, answer),
            (Self::Refusal, Outcome::Answered(answer)) => {
                bail!("the reference refuses it, but the answer is {}", answer.body.escape_ascii())
            }
            (Self::Payload(_), Outcome::Refused { failure, .. }) => {
                bail!("the reference converts it, but it is refused: `{}`: {failure}", failure.code)
            }
            (_, Outcome::Missing(digest)) => {
                bail!("the document `{digest}` was asked for, but is no part of it")
            }
        };
        let signed = jws::parse(&answer.body, &Limits::default())?;
        difference::compare("payload", payload, &signed.payload)?;
        ensure!(answer.form == Form::Schema1, "the form is `{}`", answer.form);
        ensure!(
            answer.digest == Digest::of(payload),
            "`{}` is reported, which is not its digest",
            answer.digest
        );
        ensure!(downshift_sign::verify(&signed).is_valid(), "the signature does not hold");
        let recorded = |record: &Record| record.digest == answer.digest && record.payload == *payload;
        ensure!(answer.records.iter().any(recorded), "what is reported is not recorded");
        Ok(())
    }
}
