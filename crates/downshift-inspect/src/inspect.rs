//! The report on documents.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
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
use crate::evidence::why;
use crate::expected;
use crate::explain::explain;
use crate::given::{Given, limit};
#[cfg(feature = "compare")]
use crate::image_ids::image_ids;
use crate::layers;
use crate::limits::Limits;
use crate::parts::{entries, named, pairs};
use crate::problems::problems;
use crate::read::{Documents, Read};
use crate::report::{DocumentReport, Kind, Part, RegistryError, Report, ResponseReport, Role};
use crate::signatures::{Checked, anatomy, signatures};
use crate::text::{Outside, count};
use crate::unreadable::unreadable;

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
    let documents =
        Documents::new(documents.map(|(index, (given, rescued))| Read::of(given, index, rescued)).collect());
    let naming = naming(&documents);
    let mut reports: Vec<DocumentReport> =
        (0..documents.len()).filter_map(|index| document(&documents, index, &naming, checked)).collect();
    for (read, report) in documents.iter().zip(&mut reports) {
        report.problems = problems(read, report);
        report.summary = summary(read, report);
    }
    let explanations = explain(&documents, &reports);
    Ok(Report { documents: reports, explanations })
}

fn document(
    documents: &Documents<'_>,
    index: usize,
    naming: &Naming,
    checked: &[Checked],
) -> Option<DocumentReport> {
    let read = documents.get(index)?;
    let mut digests = read.digests.clone();
    digests.expected = read
        .expected
        .filter(|text| !text.trim().is_empty())
        .map(|text| expected::compare(text, documents, index));
    let mut report = DocumentReport {
        label: read.label.clone(),
        span: read.span,
        response: response(documents, index),
        size: read.bytes.len(),
        kind: read.kind,
        title: read.kind.title().to_owned(),
        media_type: read.media_type().map(str::to_owned),
        why: why(read, &named_by(documents, index, naming)),
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
            Kind::Json | Kind::NotJson | Kind::LayerFacts => {}
            _ => report.annotations = annotations.map(pairs).unwrap_or_default(),
        }
        report.subject = root.member("subject").and_then(|subject| Part::of_json(subject, documents));
    }
    of_document(documents, index, checked, &mut report);
    Some(report)
}

/// The media types that documents give each other: by the digest that is named, the naming document and the type.
type Naming = BTreeMap<String, Vec<(usize, String)>>;

fn naming(documents: &Documents<'_>) -> Naming {
    let mut naming = Naming::new();
    for (index, read) in documents.iter().enumerate() {
        for (digest, media_type) in named(read) {
            let found = naming.entry(digest).or_default();
            // What a document says of another first.
            if found.last().is_none_or(|(last, _)| *last != index) {
                found.push((index, media_type));
            }
        }
    }
    naming
}

/// The labels of the documents that name the one at `index`, and the media types that they give it.
fn named_by<'d>(documents: &'d Documents<'_>, index: usize, naming: &'d Naming) -> Vec<(&'d str, &'d str)> {
    let Some(own) = documents.get(index) else { return Vec::new() };
    let digests = [Some(&own.digests.bytes), own.digests.payload.as_ref()].into_iter().flatten();
    let mut types: BTreeMap<usize, &str> = BTreeMap::new();
    for (other, media_type) in digests.filter_map(|digest| naming.get(digest.as_str())).flatten() {
        if *other != index {
            types.entry(*other).or_insert(media_type);
        }
    }
    let label = |other: usize| documents.get(other).map_or("", |read| read.label.as_str());
    types.into_iter().map(|(other, media_type)| (label(other), media_type)).collect()
}

fn response(documents: &Documents<'_>, index: usize) -> Option<ResponseReport> {
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

fn of_document(documents: &Documents<'_>, index: usize, checked: &[Checked], report: &mut DocumentReport) {
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
            #[cfg(feature = "compare")]
            {
                report.image_ids = image_ids(schema1, &|blob| documents.facts(blob).cloned());
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
            "there is no such tag or digest, or the client does not accept the stored form: name the OCI types in Accept, and try again"
        }
        "MANIFEST_INVALID" => {
            "the manifest cannot be read, or cannot be converted to a form that the client accepts"
        }
        "MANIFEST_UNVERIFIED" => "a signature of the manifest does not hold",
        "MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN" => {
            "a layer or config is not in this repository: push it again"
        }
        "NAME_UNKNOWN" => "there is no such repository, or this client may not see it",
        "NAME_INVALID" => "this is not a valid repository name",
        "UNAUTHORIZED" => "the registry wants credentials: log in, or get a token for this repository",
        "DENIED" => "this client may not do that with this repository",
        "TOOMANYREQUESTS" => "the registry limits the rate of requests: wait, or log in",
        "UNSUPPORTED" => "the registry does not support this",
        "DIGEST_INVALID" => "the content does not have the given digest",
        "SIZE_INVALID" => "the content does not have the given length",
        "TAG_INVALID" => "the tag in the manifest differs from the one in the path, or is not a tag",
        "UNAVAILABLE" => "the registry cannot answer now: try again later",
        _ => "the code is not one of the specification",
    }
}

fn summary(read: &Read<'_>, report: &DocumentReport) -> String {
    let title = &report.title;
    let mut sentence = match report.kind {
        Kind::NotJson => report
            .unreadable
            .as_ref()
            .map_or_else(|| "not JSON".to_owned(), |unreadable| format!("not JSON: {}", unreadable.text)),
        Kind::Errors => {
            let codes: Vec<&str> = report.errors.iter().map(|error| error.code.as_str()).collect();
            format!("{title}: {}", Outside(&codes.join(", ")))
        }
        Kind::List | Kind::Index => {
            let images = report.manifests.iter().filter(|entry| entry.role == Role::Image).count();
            let attestations =
                report.manifests.iter().filter(|entry| entry.role == Role::Attestation).count();
            match attestations {
                0 => format!("{title}: {}", count(images, "image")),
                _ => format!("{title}: {}, {}", count(images, "image"), count(attestations, "attestation")),
            }
        }
        Kind::LayerFacts => match &read.facts {
            Ok(facts) => format!("{title}: {}", count(facts.len(), "layer")),
            Err(failure) => failure.cause.clone(),
        },
        Kind::Config => match &report.platform {
            Some(platform) => format!("{title} for {}", Outside(&platform.to_string())),
            None => title.clone(),
        },
        _ => match (&report.artifact, &report.totals) {
            (Some(artifact), _) => format!("{title} of an artifact: `{}`", Outside(artifact)),
            (None, Some(totals)) => {
                let layers = count(totals.layers, "layer");
                // Schema 1 counts them among its layers, the other forms do not.
                match totals.empty {
                    0 => format!("{title}: {layers}"),
                    empty if report.kind.is_schema1() => format!("{title}: {layers}, {empty} of them empty"),
                    empty => format!("{title}: {layers}, {} without one", count(empty, "history entry")),
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
