//! A report as text.

use downshift_inspect::{DocumentReport, Entry, Explanation, Layer, Part, Report, Role};

/// The lines of a report: a paragraph for each document, and one for each explanation.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let mut paragraphs: Vec<Vec<String>> = report.documents.iter().map(document).collect();
    if let ([paragraph], [document]) = (&mut *paragraphs, &*report.documents)
        && document.response.is_none()
    {
        // There is only one, which needs no name.
        paragraph.remove(0);
    }
    paragraphs.extend(report.explanations.iter().map(explanation));
    paragraphs.join(&String::new())
}

/// The lines of a paragraph: a label, and what it is.
#[derive(Default)]
struct Paragraph(Vec<String>);

impl Paragraph {
    fn add(&mut self, label: &str, value: impl AsRef<str>) {
        self.0.push(format!("{label:12}{}", value.as_ref()));
    }

    fn add_some(&mut self, label: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.add(label, value);
        }
    }
}

fn document(document: &DocumentReport) -> Vec<String> {
    let mut lines = Paragraph::default();
    lines.add("document", &document.label);
    lines.add("kind", document.kind.name());
    lines.add("summary", &document.summary);
    lines.add_some("media type", document.media_type.as_ref());
    response(document, &mut lines);
    lines.add("size", bytes(document.size as u64));
    digests(document, &mut lines);
    for evidence in &document.why {
        lines.add(if evidence.agrees { "because" } else { "although" }, &evidence.text);
    }
    lines.add_some("name", document.name.as_ref());
    lines.add_some("tag", document.tag.as_ref());
    lines.add_some("platform", document.platform.as_ref().map(ToString::to_string));
    lines.add_some("artifact", document.artifact.as_ref());
    lines.add_some("subject", document.subject.as_ref().map(part));
    lines.add_some("config", document.config.as_ref().map(part));
    for layer in &document.layers {
        lines.add("layer", self::layer(layer));
    }
    for entry in &document.manifests {
        lines.add("manifest", self::entry(entry));
    }
    for entry in &document.history {
        let empty = if entry.empty { "(empty) " } else { "" };
        let created = entry.created.as_deref().unwrap_or("no time");
        lines
            .add("history", format!("{created}  {empty}{}", entry.created_by.as_deref().unwrap_or_default()));
    }
    for link in &document.chain {
        let joined = if link.joined { "" } else { "  not joined to the id below" };
        lines.add("id", format!("{}  {}{joined}", link.id, link.rule));
    }
    for id in &document.image_ids {
        lines.add("image id", format!("{}  {}", id.id, id.text));
    }
    for signature in &document.signatures {
        let outcome = signature.code.unwrap_or(signature.verdict.name());
        let key = signature.key_id.as_deref().unwrap_or("no key");
        let time = signature.time.as_deref().unwrap_or("no time");
        lines.add("signature", format!("{outcome}  {}  {key}  {time}", signature.algorithm));
    }
    for error in &document.errors {
        lines.add("error", format!("{}: {}", error.code, error.text));
    }
    findings(document, &mut lines);
    lines.0
}

fn response(document: &DocumentReport, lines: &mut Paragraph) {
    let Some(response) = &document.response else { return };
    for earlier in &response.earlier {
        lines.add("before", format!("{} {}", earlier.version, earlier.status));
    }
    lines.add("response", format!("{} {}", response.head.version, response.head.status));
    for claim in &response.claims {
        let value = claim.value.as_deref().unwrap_or("absent");
        lines.add("header", format!("{}: {value} ({}: {})", claim.code, claim.holds, claim.text));
    }
}

fn digests(document: &DocumentReport, lines: &mut Paragraph) {
    let digests = &document.digests;
    lines.add("digest", digests.bytes.as_str());
    lines.add_some("payload", digests.payload.as_ref().map(downshift::Digest::as_str));
    if let Some(expected) = &digests.expected {
        lines.add("expected", format!("{}: {}", expected.digest, expected.text));
        for tried in expected
            .tried
            .iter()
            .filter(|tried| Some(tried.code) != expected.variant.map(|variant| variant.code))
        {
            lines.add("tried", tried.text);
        }
    }
}

fn findings(document: &DocumentReport, lines: &mut Paragraph) {
    for problem in &document.problems {
        let at = problem.line.zip(problem.column).map(|(line, column)| format!("{line}:{column}: "));
        lines.add(
            problem.severity.name(),
            format!("{}{}: {}", at.unwrap_or_default(), problem.code, problem.text),
        );
    }
    if let Some(unreadable) = &document.unreadable {
        lines.add("perhaps", unreadable.text);
    }
    for finding in &document.findings {
        lines.add("finding", format!("{}: {}: {}", finding.path, finding.rule, finding.detail));
    }
}

fn explanation(explanation: &Explanation) -> Vec<String> {
    let mut lines = vec![explanation.title.to_owned()];
    lines.extend(explanation.text.iter().map(|sentence| format!("  {sentence}")));
    lines.extend(explanation.command.lines().enumerate().map(|(index, line)| {
        let prompt = if index == 0 { "$ " } else { "> " };
        format!("  {prompt}{line}")
    }));
    lines
}

fn layer(layer: &Layer) -> String {
    let flags = layer.empty.then_some("empty").into_iter().chain(layer.flags.iter().copied());
    columns([Some(part(&layer.part)), Some(flags.collect::<Vec<_>>().join(", "))])
}

fn entry(entry: &Entry) -> String {
    let role = Some(entry.role).filter(|role| *role != Role::Image).map(|role| role.to_string());
    columns([Some(part(&entry.part)), entry.platform.as_ref().map(ToString::to_string), role])
}

fn part(part: &Part) -> String {
    columns([Some(part.digest.clone()), part.size.map(bytes), part.media_type.clone()])
}

fn columns<const N: usize>(columns: [Option<String>; N]) -> String {
    columns.into_iter().flatten().filter(|column| !column.is_empty()).collect::<Vec<_>>().join("  ")
}

fn bytes(size: u64) -> String {
    format!("{size} bytes")
}
