//! What is missing, odd or contradicts itself.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::fmt;
use core::ops::Range;

use downshift::Error;
use downshift_json::Value;

use crate::kind::Kind;
use crate::limits::Limits;
use crate::read::Read;
use crate::report::{DocumentReport, Problem, Severity};
use crate::text::{Outside, count, line_breaks, position};

/// Collects the problems of a document.
pub(crate) struct Problems<'r> {
    bytes: &'r [u8],
    /// Where lines end, once somebody asks.
    breaks: OnceCell<Vec<usize>>,
    found: Vec<Problem>,
}

impl Problems<'_> {
    fn add(&mut self, severity: Severity, code: &str, text: impl fmt::Display) {
        if self.found.len() < Limits::PROBLEMS {
            self.found.push(Problem {
                severity,
                code: code.to_owned(),
                text: text.to_string(),
                pointer: None,
                span: None,
                line: None,
                column: None,
            });
        }
    }

    fn add_at(
        &mut self,
        severity: Severity,
        code: &str,
        text: impl fmt::Display,
        pointer: String,
        at: Range<usize>,
    ) {
        let before = self.found.len();
        self.add(severity, code, text);
        if self.found.len() > before
            && let Some(problem) = self.found.last_mut()
        {
            let (line, column) = position(self.breaks.get_or_init(|| line_breaks(self.bytes)), at.start);
            problem.pointer = Some(pointer).filter(|pointer| !pointer.is_empty());
            problem.span = Some(at.into());
            problem.line = Some(line);
            problem.column = Some(column);
        }
    }
}

/// The problems of a document whose report is complete but for them.
pub(crate) fn problems(read: &Read<'_>, report: &DocumentReport) -> Vec<Problem> {
    let mut problems = Problems { bytes: read.bytes, breaks: OnceCell::new(), found: Vec::new() };
    of_failure(read, &mut problems);
    if read.kind.form().is_some() && read.bytes.len() > Limits::MANIFEST_BYTES {
        let text = "the manifest is larger than 4 MiB, which is all that registries take";
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
    if let Some(root) = read.root() {
        of_members(read, root, &mut problems);
        duplicates(root, &mut problems);
    }
    of_layers(read, report, &mut problems);
    of_entries(read, report, &mut problems);
    of_signatures(read, report, &mut problems);
    let found = problems.found;
    let of = |severity| found.iter().filter(move |problem| problem.severity == severity).cloned();
    [Severity::Error, Severity::Warning, Severity::Note].into_iter().flat_map(of).collect()
}

fn of_failure(read: &Read<'_>, problems: &mut Problems<'_>) {
    let Some(error) = read.error.as_deref() else { return };
    match error {
        Error::InvalidJson { document: "document", offset, .. } => {
            problems.add_at(Severity::Error, error.code(), error, String::new(), *offset..*offset);
        }
        _ if read.document.is_some() => {
            let text = format!(
                "the manifest was changed after it was signed, and what is shown is not signed: {error}"
            );
            problems.add(Severity::Error, "changed-after-signing", text);
        }
        _ => problems.add(Severity::Error, error.code(), error),
    }
}

fn of_members(read: &Read<'_>, root: Value<'_>, problems: &mut Problems<'_>) {
    if read.kind == Kind::Schema1 || read.kind == Kind::Schema1Unsigned {
        for name in ["name", "tag", "architecture"] {
            if root.field(name).is_none_or(|value| value.text().is_empty()) {
                problems.add(Severity::Note, "missing-member", format_args!("`{name}` is missing or empty"));
            }
        }
    }
    if read.kind == Kind::Config && root.field("history").is_none() {
        let text = "the config has no history: it cannot tell which command made which layer";
        problems.add(Severity::Note, "no-history", text);
    }
    if read.kind == Kind::Config && root.field("rootfs").is_none() {
        problems.add(Severity::Warning, "no-rootfs", "the config has no `rootfs`: no engine can run it");
    }
}

/// Keys that stand twice in one object: decoders differ on which they take.
fn duplicates(root: Value<'_>, problems: &mut Problems<'_>) {
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
                    "the key {} stands twice in one object: programs differ on which they take",
                    Outside(&name)
                );
                problems.add_at(Severity::Warning, "duplicate-key", text, String::new(), other.1.clone());
            }
        }
        if problems.found.len() >= Limits::PROBLEMS {
            return;
        }
    }
}

/// Where the element at `index` of a member is.
fn element(read: &Read<'_>, name: &str, index: usize) -> Range<usize> {
    let element = read.root().and_then(|root| root.member(name)?.elements().nth(index));
    element.map(Value::span).unwrap_or_default()
}

fn of_layers(read: &Read<'_>, report: &DocumentReport, problems: &mut Problems<'_>) {
    if !matches!(read.kind, Kind::Schema2 | Kind::Oci) {
        return;
    }
    for (index, layer) in report.layers.iter().enumerate() {
        let text = match layer
            .flags
            .iter()
            .find(|flag| matches!(**flag, "encrypted" | "foreign" | "unknown-type" | "zstd"))
        {
            Some(&"encrypted") => "is encrypted: only clients that have the key can use it",
            Some(&"foreign") => "is fetched from elsewhere: registries need not have it",
            Some(&"zstd") => {
                "is compressed with zstd: Docker before 23 cannot read it, and schema 1 and 2 cannot name it"
            }
            Some(&"unknown-type") if report.artifact.is_none() => {
                "has a media type that is none of an image layer"
            }
            _ => continue,
        };
        let at = element(read, "layers", index);
        let code = layer.flags.first().copied().unwrap_or_default();
        let severity = if code == "unknown-type" { Severity::Warning } else { Severity::Note };
        problems.add_at(
            severity,
            code,
            format_args!("layer {} {text}", layer.number),
            format!("/layers/{index}"),
            at,
        );
    }
    for (pointer, part) in report.config.iter().map(|part| ("/config/size".to_owned(), part)).chain(
        report.layers.iter().enumerate().map(|(index, layer)| (format!("/layers/{index}/size"), &layer.part)),
    ) {
        wrong_size(pointer, part, problems);
    }
    let has_config = report.config.as_ref().is_some_and(|config| config.document.is_some());
    if !has_config || report.artifact.is_some() {
        return;
    }
    let layers = report.layers.len();
    let diff_ids = report.image.as_ref().map_or(0, |image| image.diff_ids.len());
    if diff_ids != layers {
        let text =
            format!("the config has {}, the manifest {}", count(diff_ids, "diff id"), count(layers, "layer"));
        problems.add(Severity::Error, "diff-id-count", text);
    }
    let made = report.history.iter().filter(|entry| !entry.empty).count();
    if !report.history.is_empty() && made != layers {
        let text = format!(
            "the history has {} with a layer, the manifest {}",
            count(made, "entry"),
            count(layers, "layer")
        );
        problems.add(Severity::Warning, "history-count", text);
    }
}

fn wrong_size(pointer: String, part: &crate::report::Part, problems: &mut Problems<'_>) {
    if part.wrong_size {
        let size = part.size.unwrap_or_default();
        problems.add(
            Severity::Error,
            "wrong-size",
            format_args!("`{}` is said to have {size} bytes, but has another size", Outside(&part.digest)),
        );
        if let Some(problem) = problems.found.last_mut() {
            problem.pointer = Some(pointer);
        }
    }
}

fn of_entries(read: &Read<'_>, report: &DocumentReport, problems: &mut Problems<'_>) {
    let mut seen: Vec<String> = Vec::new();
    for (index, entry) in report.manifests.iter().enumerate() {
        let pointer = format!("/manifests/{index}");
        let at = || element(read, "manifests", index);
        wrong_size(format!("{pointer}/size"), &entry.part, problems);
        match (entry.role, &entry.platform) {
            ("nested", _) => {
                let text = "an entry is itself a list: Docker and Distribution do not go into it";
                problems.add_at(Severity::Warning, "nested-index", text, pointer, at());
            }
            ("image", None) => {
                let text = "an entry has no platform: clients that pick one by platform pass it over";
                problems.add_at(Severity::Note, "no-platform", text, pointer, at());
            }
            ("image", Some(platform)) => {
                let name = format!("{platform} {}", entry.os_version.as_deref().unwrap_or_default());
                if seen.contains(&name) {
                    let text = format!("`{}` stands twice: clients take the first", Outside(name.trim()));
                    problems.add_at(Severity::Note, "platform-twice", text, pointer, at());
                } else if seen.len() < Limits::PROBLEMS {
                    seen.push(name);
                }
            }
            _ => {}
        }
        let family = match read.kind {
            Kind::List => "application/vnd.docker.",
            _ => "application/vnd.oci.",
        };
        if entry.role == "image"
            && entry.part.media_type.as_ref().is_some_and(|media_type| !media_type.starts_with(family))
        {
            let text = "an entry is of the other family, Docker in OCI or OCI in Docker: some clients refuse the mixture";
            problems.add_at(
                Severity::Note,
                "mixed-families",
                text,
                format!("/manifests/{index}/mediaType"),
                at(),
            );
        }
    }
}

fn of_signatures(read: &Read<'_>, report: &DocumentReport, problems: &mut Problems<'_>) {
    for (index, signature) in report.signatures.iter().enumerate() {
        let severity = match signature.verdict {
            "valid" => continue,
            "invalid" => Severity::Error,
            _ => Severity::Warning,
        };
        let at = signature.span.map_or(0..0, |span| span.start..span.end);
        let code = signature.code.unwrap_or_default();
        let text = format!("signature {}: {}", index.saturating_add(1), signature.text);
        problems.add_at(severity, code, text, format!("/signatures/{index}"), at);
    }
    unsigned_members(read, problems);
}

/// What a signed document holds beside its payload is covered by no signature, and some engines believe it.
fn unsigned_members(read: &Read<'_>, problems: &mut Problems<'_>) {
    let (Some(signed), Some(root), None) = (read.signed(), read.root(), &read.error) else { return };
    for (name, value) in root.members() {
        let text = name.text();
        if text != "signatures" && value.span().end > signed.format_length {
            let sentence = format!(
                "`{}` is not in the signed payload: Docker 1.10 and later ignore it, and whoever reads all of the document is misled",
                Outside(&text)
            );
            problems.add_at(Severity::Error, "unsigned-member", sentence, format!("/{text}"), value.span());
        }
    }
}
