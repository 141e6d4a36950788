//! From documents to their report.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cell::OnceCell;

use downshift::check::check;
use downshift::document::Document;
use downshift::{Error, Failure};
use downshift_json::Value;

use crate::chain;
use crate::claims::claims;
use crate::config;
use crate::digests::Expected;
use crate::explain::explain;
use crate::kind::{Kind, why};
use crate::layers;
use crate::limits::Limits;
use crate::parts::{entries, named, pairs};
use crate::problems::problems;
use crate::read::Read;
use crate::report::{DocumentReport, Part, RegistryError, Report};
use crate::response::ResponseReport;
use crate::signatures::{Checked, anatomy, signatures};
use crate::text::count;
use crate::unreadable::unreadable;

/// A document that is given: a manifest, a config, or a response with one of these as its body.
#[derive(Clone, Debug, Default)]
pub struct Given<'g> {
    /// The exact bytes.
    pub bytes: &'g [u8],
    /// A name to show.
    pub label: Option<String>,
    /// The digest that it is expected to have.
    pub expected: Option<String>,
}

impl<'g> Given<'g> {
    /// A document of which nothing more is known.
    #[must_use]
    pub fn of(bytes: &'g [u8]) -> Self {
        Self { bytes, label: None, expected: None }
    }
}

/// Reports on documents that are given together. `checked` is what others say of signatures that are not verified
/// here: see [`unchecked`](crate::unchecked).
///
/// # Errors
/// [`Error::LimitExceeded`] if there are too many documents, or if they are too large. Whatever else is wrong with a
/// document is in its report.
pub fn inspect(given: &[Given<'_>], checked: &[Checked]) -> Result<Report, Error> {
    limit("documents", Limits::DOCUMENTS, given.len())?;
    let bytes = given.iter().fold(0_usize, |sum, given| sum.saturating_add(given.bytes.len()));
    limit("given-bytes", Limits::GIVEN_BYTES, bytes)?;
    let rescued: Vec<OnceCell<Vec<u8>>> = given.iter().map(|_| OnceCell::new()).collect();
    let documents = given.iter().zip(&rescued).enumerate();
    let documents: Vec<Read<'_>> =
        documents.map(|(index, (given, rescued))| Read::of(given, index, rescued)).collect();
    let naming: Vec<Vec<(String, String)>> = documents.iter().map(named).collect();
    let mut reports: Vec<DocumentReport> =
        (0..documents.len()).filter_map(|index| document(&documents, index, &naming, checked)).collect();
    for (read, report) in documents.iter().zip(&mut reports) {
        report.problems = problems(read, report);
        report.summary = summary(report);
    }
    let explanations = explain(&documents, &reports);
    Ok(Report { documents: reports, explanations })
}

pub(crate) fn limit(name: &'static str, limit: usize, actual: usize) -> Result<(), Error> {
    if actual > limit { Err(Error::LimitExceeded { name, limit, actual }) } else { Ok(()) }
}

fn document(
    documents: &[Read<'_>],
    index: usize,
    naming: &[Vec<(String, String)>],
    checked: &[Checked],
) -> Option<DocumentReport> {
    let read = documents.get(index)?;
    let mut digests = read.digests.clone();
    digests.expected =
        read.expected.filter(|text| !text.trim().is_empty()).map(|text| Expected::of(text, documents, index));
    let mut report = DocumentReport {
        label: read.label.clone(),
        span: read.span,
        response: response(documents, index),
        size: read.bytes.len(),
        kind: read.kind,
        title: read.kind.title().to_owned(),
        media_type: read.media_type(),
        why: why(read, &named_by(documents, index, naming), &|index| {
            documents.get(index).map(|read| read.label.clone()).unwrap_or_default()
        }),
        digests,
        failure: read.failure(),
        unreadable: unreadable(read),
        ..DocumentReport::default()
    };
    if let Some(root) = read.root() {
        let annotations = root.member("annotations");
        match read.kind {
            Kind::Config => of_config(root, &mut report),
            Kind::Errors => report.errors = errors(root),
            Kind::Json | Kind::NotJson => {}
            _ => report.annotations = annotations.map(pairs).unwrap_or_default(),
        }
        report.subject = root.member("subject").and_then(|subject| Part::of_json(subject, documents));
    }
    of_document(documents, index, checked, &mut report);
    Some(report)
}

/// What other given documents call the one at `index`.
fn named_by(documents: &[Read<'_>], index: usize, naming: &[Vec<(String, String)>]) -> Vec<(usize, String)> {
    let Some(own) = documents.get(index) else { return Vec::new() };
    let is_own = |digest: &str| {
        digest == own.digests.bytes.as_str()
            || own.digests.payload.as_ref().is_some_and(|payload| payload.as_str() == digest)
    };
    let others = naming.iter().enumerate().filter(|(other, _)| *other != index);
    let found = others.filter_map(|(other, named)| {
        let (_, media_type) = named.iter().find(|(digest, _)| is_own(digest))?;
        Some((other, media_type.clone()))
    });
    found.collect()
}

fn response(documents: &[Read<'_>], index: usize) -> Option<ResponseReport> {
    let responses = documents.get(index)?.responses.as_ref()?;
    Some(ResponseReport {
        head: responses.head.clone(),
        crlf: responses.crlf,
        earlier: responses.earlier.clone(),
        claims: claims(documents, index),
    })
}

fn of_config(root: Value<'_>, report: &mut DocumentReport) {
    report.platform = config::platform(root);
    report.history = config::history(root);
    report.image = Some(config::image(root));
}

fn of_document(documents: &[Read<'_>], index: usize, checked: &[Checked], report: &mut DocumentReport) {
    let Some(read) = documents.get(index) else { return };
    match &read.document {
        Some(Document::Schema1(schema1)) => {
            report.name = Some(schema1.name.clone()).filter(|name| !name.is_empty());
            report.tag = Some(schema1.tag.clone()).filter(|tag| !tag.is_empty());
            report.layers = layers::of_schema1(schema1, documents);
            (report.chain, report.history) = chain::read(schema1, documents);
            layers::join_records(&mut report.layers, &mut report.history);
            let limits = Limits::core();
            if let Some(newest) = schema1.history.first()
                && let Ok(json) = downshift_json::Json::parse("v1Compatibility", newest.as_bytes(), &limits)
            {
                report.image = Some(config::image(json.root()));
                report.platform = config::platform(json.root());
            }
            if !schema1.architecture.is_empty() {
                let os = report.platform.take().map_or_else(|| "linux".into(), |platform| platform.os);
                report.platform = Some(downshift::Platform::new(&os, &schema1.architecture));
            }
            report.findings = check(read.bytes, &limits).unwrap_or_default();
            report.signatures = signatures(read, index, checked);
            report.anatomy = anatomy(read);
        }
        Some(Document::Manifest(manifest)) => {
            report.artifact = manifest.artifact();
            report.layers = layers::of_manifest(manifest, documents);
            let part = Part::of(&manifest.config, documents);
            let config =
                part.document.and_then(|index| documents.get(index)).filter(|read| read.kind == Kind::Config);
            if let Some(root) = config.and_then(Read::root) {
                of_config(root, report);
                layers::join(&mut report.layers, &mut report.history);
                if let Some(image) = &report.image {
                    layers::identify(&mut report.layers, &image.diff_ids);
                }
            }
            report.config = Some(part);
        }
        Some(Document::Index(list)) => {
            if let Some(root) = read.root() {
                report.manifests = entries(list, root, documents);
                let artifact = root.member("artifactType").map(Value::text).unwrap_or_default();
                report.artifact = Some(artifact.into_owned()).filter(|artifact| !artifact.is_empty());
            }
        }
        None => {}
    }
    if !report.layers.is_empty() || matches!(read.kind, Kind::Schema2 | Kind::Oci) {
        report.totals = Some(layers::totals(&report.layers, &report.history));
    }
}

/// The errors of a registry, and what their codes mean (OCI distribution specification, "Error Codes").
fn errors(root: Value<'_>) -> Vec<RegistryError> {
    let errors = root.member("errors").into_iter().flat_map(Value::elements).take(Limits::PROBLEMS);
    let read = |error: Value<'_>| {
        let code = error.member("code").map(Value::text).unwrap_or_default().into_owned();
        RegistryError {
            message: config::text(error, "message"),
            detail: error.member("detail").map(|detail| String::from_utf8_lossy(detail.raw()).into_owned()),
            text: meaning(&code),
            code,
        }
    };
    errors.map(read).collect()
}

fn meaning(code: &str) -> &'static str {
    match code {
        "MANIFEST_UNKNOWN" => {
            "there is no such tag or digest, or the client does not accept the form in which it is stored: name the OCI types in Accept, and try again"
        }
        "MANIFEST_INVALID" => {
            "the manifest cannot be read, or not be converted to a form that the client accepts"
        }
        "MANIFEST_UNVERIFIED" => "a signature of the manifest does not hold",
        "MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN" => {
            "a layer or config is not in this repository: push it again"
        }
        "NAME_UNKNOWN" => "there is no such repository, or none that this client may see",
        "NAME_INVALID" => "that is no name of a repository",
        "UNAUTHORIZED" => "the registry wants to know who asks: log in, or get a token for this repository",
        "DENIED" => "this client may not do that with this repository",
        "TOOMANYREQUESTS" => "the registry limits how often is asked: wait, or log in",
        "UNSUPPORTED" => "the registry does not do that",
        "DIGEST_INVALID" => "the content does not have the digest that was given for it",
        "SIZE_INVALID" => "the content does not have the length that was given for it",
        "TAG_INVALID" => "the tag in the manifest is not the one in the path, or is no tag",
        "UNAVAILABLE" => "the registry cannot answer now: try again",
        _ => "the registry says no more than this",
    }
}

fn summary(report: &DocumentReport) -> String {
    let title = &report.title;
    let mut sentence = match report.kind {
        Kind::NotJson => report
            .unreadable
            .as_ref()
            .map_or_else(|| "no JSON".to_owned(), |unreadable| format!("no JSON: {}", unreadable.text)),
        Kind::Errors => {
            let codes: Vec<&str> = report.errors.iter().map(|error| error.code.as_str()).collect();
            format!("{title}: {}", crate::text::Outside(&codes.join(", ")))
        }
        Kind::List | Kind::Index => {
            let images = report.manifests.iter().filter(|entry| entry.role == "image").count();
            let attestations = report.manifests.iter().filter(|entry| entry.role == "attestation").count();
            match attestations {
                0 => format!("{title}: {}", count(images, "image")),
                _ => format!("{title}: {}, {}", count(images, "image"), count(attestations, "attestation")),
            }
        }
        Kind::Config => match &report.platform {
            Some(platform) => format!("{title} for {}", crate::text::Outside(&platform.to_string())),
            None => title.clone(),
        },
        _ => match (&report.artifact, &report.totals) {
            (Some(artifact), _) => format!("{title} of an artifact: `{}`", crate::text::Outside(artifact)),
            (None, Some(totals)) => {
                let layers = count(totals.layers, "layer");
                // What schema 1 counts among its layers, others do not.
                let is_schema1 = matches!(report.kind, Kind::Schema1 | Kind::Schema1Unsigned);
                match totals.empty {
                    0 => format!("{title}: {layers}"),
                    empty if is_schema1 => format!("{title}: {layers}, {empty} of them empty"),
                    empty => format!("{title}: {layers}, {empty} history entries without one"),
                }
            }
            _ => title.clone(),
        },
    };
    if report.failure.is_some() && report.kind == Kind::Schema1 {
        sentence.push_str("; changed after it was signed");
    } else if let Some(failure) = report.failure.as_ref().filter(|_| report.kind == Kind::Json) {
        let Failure { cause, .. } = failure;
        sentence = format!("a manifest that cannot be read: {cause}");
    }
    sentence
}
