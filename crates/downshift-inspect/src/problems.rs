//! Problems: members that are missing, odd or contradictory.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use downshift::{Error, Platform};
use downshift_json::Value;
use downshift_sign::VERIFIED_SIGNATURES;

use crate::limits::Limits;
use crate::read::Read;
use crate::report::{DocumentReport, Kind, Part, Problem, Role, Severity, SignatureVerdict};
use crate::text::{Lines, Outside, count};

/// Collects the problems of a document: of each severity, as many as are reported.
pub(crate) struct Problems {
    /// Those of a severity, and how many there were.
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    notes: Vec<Problem>,
    all: usize,
}

impl Problems {
    fn add(&mut self, severity: Severity, code: &str, text: impl fmt::Display) -> Option<&mut Problem> {
        let problems = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
            Severity::Note => &mut self.notes,
        };
        self.all = self.all.saturating_add(1);
        if problems.len() >= Limits::PROBLEMS {
            return None;
        }
        problems.push(Problem {
            severity,
            code: code.to_owned(),
            text: text.to_string(),
            pointer: None,
            span: None,
            line: None,
            column: None,
        });
        problems.last_mut()
    }

    fn add_at(
        &mut self,
        severity: Severity,
        code: &str,
        text: impl fmt::Display,
        pointer: impl fmt::Display,
        at: Range<usize>,
    ) {
        if let Some(problem) = self.add(severity, code, text) {
            problem.pointer = Some(pointer.to_string()).filter(|pointer| !pointer.is_empty());
            problem.span = Some(at.into());
        }
    }

    /// The worst first, with their lines, and how many are left out.
    fn finish(self, bytes: &[u8]) -> Vec<Problem> {
        let mut problems = [self.errors, self.warnings, self.notes].concat();
        problems.truncate(Limits::PROBLEMS);
        let mut in_order: Vec<(usize, &mut Problem)> =
            problems.iter_mut().filter_map(|problem| Some((problem.span?.start, problem))).collect();
        in_order.sort_by_key(|(start, _)| *start);
        let mut lines = Lines::of(bytes);
        for (start, problem) in in_order {
            let (line, column) = lines.position(start);
            (problem.line, problem.column) = (Some(line), Some(column));
        }
        let left_out = self.all.saturating_sub(problems.len());
        if left_out > 0 {
            problems.push(Problem {
                severity: Severity::Note,
                code: "problems-left-out".into(),
                text: format!("{} not shown", are(left_out, "more problem")),
                pointer: None,
                span: None,
                line: None,
                column: None,
            });
        }
        problems
    }
}

/// `1 layer is`, `2 layers are`.
fn are(number: usize, noun: &str) -> String {
    format!("{} {}", count(number, noun), if number == 1 { "is" } else { "are" })
}

/// The problems of a document whose report is complete but for them.
pub(crate) fn problems(read: &Read<'_>, report: &DocumentReport) -> Vec<Problem> {
    let mut problems = Problems { errors: Vec::new(), warnings: Vec::new(), notes: Vec::new(), all: 0 };
    of_failure(read, &mut problems);
    if read.kind.form().is_some() && read.bytes.len() > Limits::MANIFEST_BYTES {
        let text = "the manifest is larger than 4 MiB, the most that registries take";
        problems.add(Severity::Warning, "too-large", text);
    }
    for evidence in report
        .why
        .iter()
        .filter(|evidence| !evidence.agrees && matches!(evidence.code, "content-type" | "named-by"))
    {
        problems.add(
            Severity::Warning,
            evidence.code,
            format_args!("{}, but it is {}", evidence.text, report.title),
        );
    }
    of_response(read, &mut problems);
    if let Some(root) = read.root() {
        of_members(read, root, &mut problems);
        duplicates(root, &mut problems);
    }
    of_layers(read, report, &mut problems);
    of_entries(read, report, &mut problems);
    of_signatures(read, report, &mut problems);
    problems.finish(read.bytes)
}

/// Parts of a response that are not in the report.
fn of_response(read: &Read<'_>, problems: &mut Problems) {
    let headers = read.responses.as_ref().map_or(0, |responses| responses.left_out);
    if headers > 0 {
        let text = format!("{} not read", are(headers, "more header"));
        problems.add(Severity::Note, "headers-left-out", text);
    }
    let errors = read.root().filter(|_| read.kind == Kind::Errors).and_then(|root| root.member("errors"));
    let errors = errors.map_or(0, |errors| errors.elements().count()).saturating_sub(Limits::PROBLEMS);
    if errors > 0 {
        let text = format!("{} not shown", are(errors, "more error"));
        problems.add(Severity::Note, "errors-left-out", text);
    }
}

fn of_failure(read: &Read<'_>, problems: &mut Problems) {
    let Some(error) = read.error.as_deref() else { return };
    match error {
        Error::InvalidJson { document: "document", offset, .. } => {
            problems.add_at(Severity::Error, error.code(), error, "", *offset..*offset);
        }
        _ if read.document.is_some() => {
            let text = format!(
                "the manifest was changed after it was signed, so that no signature covers it: {error}"
            );
            problems.add(Severity::Error, "changed-after-signing", text);
        }
        _ => {
            problems.add(Severity::Error, error.code(), error);
        }
    }
}

fn of_members(read: &Read<'_>, root: Value<'_>, problems: &mut Problems) {
    if read.kind.is_schema1() {
        for name in ["name", "tag", "architecture"] {
            if root.field(name).is_none_or(|value| value.text().is_empty()) {
                problems.add(Severity::Note, "missing-member", format_args!("`{name}` is missing or empty"));
            }
        }
    }
    if read.kind == Kind::Config && root.field("history").is_none() {
        let text = "the config has no history: it does not say which command made which layer";
        problems.add(Severity::Note, "no-history", text);
    }
    if read.kind == Kind::Config && root.field("rootfs").is_none() {
        problems.add(Severity::Warning, "no-rootfs", "the config has no `rootfs`: no engine can run it");
    }
}

/// Keys that are repeated in one object: decoders differ on which they take.
fn duplicates(root: Value<'_>, problems: &mut Problems) {
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        let mut names: Vec<(&[u8], Range<usize>)> = Vec::new();
        for (name, member) in value.members() {
            names.push((name.raw(), name.span()));
            open.push(member);
        }
        open.extend(value.elements());
        if names.len() < 2 {
            continue;
        }
        names.sort_unstable_by(|one, other| (one.0, one.1.start).cmp(&(other.0, other.1.start)));
        for (one, other) in names.iter().zip(names.iter().skip(1)) {
            if one.0 == other.0 {
                let name = String::from_utf8_lossy(one.0);
                let text = format!(
                    "the key {} is repeated in one object: programs differ on which value they take",
                    Outside(&name)
                );
                problems.add_at(Severity::Warning, "duplicate-key", text, "", other.1.clone());
            }
        }
    }
}

/// Where the elements of an array are that is a member.
fn elements(read: &Read<'_>, name: &str) -> Vec<Range<usize>> {
    let elements = read.root().and_then(|root| root.member(name));
    elements.into_iter().flat_map(Value::elements).map(Value::span).collect()
}

fn of_layers(read: &Read<'_>, report: &DocumentReport, problems: &mut Problems) {
    if !matches!(read.kind, Kind::Schema2 | Kind::Oci) {
        return;
    }
    let spans = elements(read, "layers");
    for (index, layer) in report.layers.iter().enumerate() {
        let text = match layer
            .flags
            .iter()
            .find(|flag| matches!(**flag, "encrypted" | "foreign" | "unknown-type" | "zstd"))
        {
            Some(&"encrypted") => "is encrypted: only clients with the key can use it",
            Some(&"foreign") => {
                "is foreign: clients fetch it from elsewhere, and registries need not have it"
            }
            Some(&"zstd") => {
                "is compressed with zstd: Docker before 23 cannot read it, and schema 1 and 2 have no name for it; Downshift gives such clients plain layers"
            }
            Some(&"unknown-type") if report.artifact.is_none() => {
                "has a media type that image layers do not have"
            }
            _ => continue,
        };
        let at = spans.get(index).cloned().unwrap_or_default();
        let code = layer.flags.first().copied().unwrap_or_default();
        let severity = if code == "unknown-type" { Severity::Warning } else { Severity::Note };
        problems.add_at(
            severity,
            code,
            format_args!("layer {} {text}", layer.number),
            format_args!("/layers/{index}"),
            at,
        );
    }
    if let Some(part) = &report.config {
        wrong_size(format_args!("/config/size"), part, problems);
    }
    for (index, layer) in report.layers.iter().enumerate() {
        wrong_size(format_args!("/layers/{index}/size"), &layer.part, problems);
    }
    let has_config = report.config.as_ref().is_some_and(|config| config.document.is_some());
    if !has_config || report.artifact.is_some() {
        return;
    }
    let layers = report.layers.len();
    let diff_ids = report.image.as_ref().map_or(0, |image| image.diff_ids.len());
    if diff_ids != layers {
        let text = format!(
            "the config has {}, but the manifest {}",
            count(diff_ids, "diff id"),
            count(layers, "layer")
        );
        problems.add(Severity::Error, "diff-id-count", text);
    }
    let made = report.history.iter().filter(|entry| !entry.empty).count();
    if !report.history.is_empty() && made != layers {
        let text = format!(
            "the history has {} with a layer, but the manifest {}",
            count(made, "entry"),
            count(layers, "layer")
        );
        problems.add(Severity::Warning, "history-count", text);
    }
}

fn wrong_size(pointer: fmt::Arguments<'_>, part: &Part, problems: &mut Problems) {
    if part.wrong_size {
        let size = part.size.unwrap_or_default();
        let text = format!("`{}` does not have the {size} bytes that its entry says", Outside(&part.digest));
        if let Some(problem) = problems.add(Severity::Error, "wrong-size", text) {
            problem.pointer = Some(pointer.to_string());
        }
    }
}

fn of_entries(read: &Read<'_>, report: &DocumentReport, problems: &mut Problems) {
    let mut seen: BTreeSet<(&Platform, Option<&str>)> = BTreeSet::new();
    let spans = elements(read, "manifests");
    for (index, entry) in report.manifests.iter().enumerate() {
        let pointer = format!("/manifests/{index}");
        let at = || spans.get(index).cloned().unwrap_or_default();
        wrong_size(format_args!("/manifests/{index}/size"), &entry.part, problems);
        match (entry.role, &entry.platform) {
            (Role::Nested, _) => {
                let text = "an entry is itself a list: Docker and Distribution do not follow it";
                problems.add_at(Severity::Warning, "nested-index", text, pointer, at());
            }
            (Role::Image, None) => {
                let text = "an entry has no platform: clients that pick one by platform skip it";
                problems.add_at(Severity::Note, "no-platform", text, pointer, at());
            }
            (Role::Image, Some(platform)) => {
                let version = entry.os_version.as_deref();
                if !seen.insert((platform, version)) {
                    let name = format!("{platform} {}", version.unwrap_or_default());
                    let text = format!(
                        "`{}` is listed more than once: clients take the first",
                        Outside(name.trim())
                    );
                    problems.add_at(Severity::Note, "platform-twice", text, pointer, at());
                }
            }
            _ => {}
        }
        let family = match read.kind {
            Kind::List => "application/vnd.docker.",
            _ => "application/vnd.oci.",
        };
        if entry.role == Role::Image
            && entry.part.media_type.as_ref().is_some_and(|media_type| !media_type.starts_with(family))
        {
            let text = "an entry is of the other family, Docker in OCI or OCI in Docker: some clients refuse such a mixture";
            problems.add_at(
                Severity::Note,
                "mixed-families",
                text,
                format_args!("/manifests/{index}/mediaType"),
                at(),
            );
        }
    }
}

fn of_signatures(read: &Read<'_>, report: &DocumentReport, problems: &mut Problems) {
    for (index, signature) in report.signatures.iter().enumerate() {
        let severity = match signature.verdict {
            SignatureVerdict::Valid => continue,
            SignatureVerdict::Invalid => Severity::Error,
            SignatureVerdict::Unchecked => Severity::Warning,
        };
        let at = signature.span.map_or(0..0, |span| span.start..span.end);
        let code = signature.code.unwrap_or_default();
        if index >= VERIFIED_SIGNATURES {
            break;
        }
        let text = format!("signature {}: {}", index.saturating_add(1), signature.text);
        problems.add_at(severity, code, text, format_args!("/signatures/{index}"), at);
    }
    let unverified = report.signatures.len().saturating_sub(VERIFIED_SIGNATURES);
    if unverified > 0 {
        let text = format!(
            "{} not verified: only the first {VERIFIED_SIGNATURES} of a document are",
            are(unverified, "more signature")
        );
        problems.add(Severity::Warning, "too-many-signatures", text);
    }
    unsigned_members(read, problems);
}

/// Members of a signed document beside its payload: no signature covers them, and some engines believe them.
fn unsigned_members(read: &Read<'_>, problems: &mut Problems) {
    let (Some(signed), Some(root), None) = (read.signed(), read.root(), &read.error) else { return };
    for (name, value) in root.members() {
        let text = name.text();
        if text != "signatures" && value.span().end > signed.format_length {
            let sentence = format!(
                "`{}` is not in the signed payload: Docker 1.10 and later ignore it, and programs that read the whole document are misled",
                Outside(&text)
            );
            let pointer = text.replace('~', "~0").replace('/', "~1");
            problems.add_at(
                Severity::Error,
                "unsigned-member",
                sentence,
                format_args!("/{pointer}"),
                value.span(),
            );
        }
    }
}
