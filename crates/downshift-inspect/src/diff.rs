//! An exact comparison of two documents.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::OnceCell;

use imara_diff::{Algorithm, InternedInput};

use crate::given::Given;
use crate::limits::Limits;
use crate::read::Read;
use crate::report::{
    Chunk, ChunkKind, Diff, DiffLayer, DiffPart, DiffPartKind, DiffPlace, DiffVerdict, Span,
};
use crate::text::count;
use crate::variant::variant;

/// Compares two documents: their content, and their bytes.
#[must_use]
pub fn diff(before: &[u8], after: &[u8]) -> Diff {
    let (verdict, text, layers) = content(before, after);
    let (chunks, coarse) = chunks(before, after);
    Diff { verdict, text, layers, chunks, coarse }
}

fn content(before: &[u8], after: &[u8]) -> (DiffVerdict, String, Vec<DiffLayer>) {
    let [given, other] = [Given::of(before), Given::of(after)];
    let rescued = [OnceCell::new(), OnceCell::new()];
    let [one, other] = [Read::of(&given, 0, &rescued[0]), Read::of(&other, 1, &rescued[1])];
    let (blobs, others) = (Blobs::of(&one), Blobs::of(&other));
    let layers = align(&blobs.layers, &others.layers);
    let all = |place| layers.iter().filter(|layer| layer.place == place).count();
    let (removed, added) = (all(DiffPlace::Before), all(DiffPlace::After));
    if before == after {
        return (DiffVerdict::SameBytes, "the bytes are the same".into(), layers);
    }
    if let (Some(compact), Some(other)) = (plain(before), plain(after))
        && compact == other
    {
        return (
            DiffVerdict::SameContent,
            "the same JSON, written differently: only white space or escapes differ".into(),
            layers,
        );
    }
    let is_manifest = |blobs: &Blobs| blobs.config.is_some() || !blobs.layers.is_empty();
    if !is_manifest(&blobs) || !is_manifest(&others) {
        return (DiffVerdict::Other, "the content differs".into(), layers);
    }
    if removed == 0 && added == 0 {
        let wrapper = if one.kind == other.kind { "other members differ" } else { "the form differs" };
        return match (&blobs.config, &others.config) {
            (Some(config), Some(other)) if config != other => {
                (DiffVerdict::SameLayers, "the same layers, but another config".into(), layers)
            }
            (Some(_), Some(_)) => {
                (DiffVerdict::SameImage, format!("the same config and layers; {wrapper}"), layers)
            }
            _ => (DiffVerdict::SameImage, format!("the same layers; {wrapper}"), layers),
        };
    }
    let sorted = |blobs: &Blobs| {
        let mut layers = blobs.layers.clone();
        layers.sort_unstable();
        layers
    };
    let text = if sorted(&blobs) == sorted(&others) {
        "the same layers in another order".to_owned()
    } else {
        format!(
            "other layers: {removed} removed, {added} added, {} the same",
            count(all(DiffPlace::Both), "layer")
        )
    };
    (DiffVerdict::OtherLayers, text, layers)
}

/// What a manifest is made of.
struct Blobs {
    config: Option<String>,
    layers: Vec<String>,
}

impl Blobs {
    fn of(read: &Read<'_>) -> Self {
        use downshift::Digest;
        use downshift::document::Document;

        match &read.document {
            Some(Document::Manifest(manifest)) => Self {
                config: Some(manifest.config.digest.to_string()),
                layers: manifest.layers.iter().map(|layer| layer.digest.to_string()).collect(),
            },
            // The empty layers of schema 1 stand for history entries, which others have in the config.
            Some(Document::Schema1(schema1)) => Self {
                config: None,
                layers: schema1
                    .layers
                    .iter()
                    .rev()
                    .filter(|layer| *layer != Digest::EMPTY_LAYER)
                    .cloned()
                    .collect(),
            },
            Some(Document::Index(index)) => Self {
                config: None,
                layers: index.entries.iter().map(|entry| entry.digest.to_string()).collect(),
            },
            None => Self { config: None, layers: Vec::new() },
        }
    }
}

/// A document without what only its spelling adds.
fn plain(bytes: &[u8]) -> Option<Vec<u8>> {
    let compact = |bytes: &[u8]| variant(bytes, "compact").unwrap_or_else(|| bytes.to_vec());
    let unescaped = variant(bytes, "compact-unescaped").unwrap_or_else(|| compact(bytes));
    downshift_json::Json::parse("document", bytes, &Limits::core()).ok()?;
    Some(unescaped)
}

fn align(before: &[String], after: &[String]) -> Vec<DiffLayer> {
    let mut input: InternedInput<&str> = InternedInput::default();
    input.update_before(before.iter().map(String::as_str));
    input.update_after(after.iter().map(String::as_str));
    let found = imara_diff::Diff::compute(Algorithm::Myers, &input);
    let mut layers = Vec::with_capacity(before.len().max(after.len()));
    let mut at = 0_usize;
    let mut add = |digests: &[String], place| {
        layers.extend(digests.iter().map(|digest| DiffLayer { digest: digest.clone(), place }));
    };
    for hunk in found.hunks() {
        let range = hunk.before.start as usize..hunk.before.end as usize;
        add(before.get(at..range.start).unwrap_or_default(), DiffPlace::Both);
        add(before.get(range.clone()).unwrap_or_default(), DiffPlace::Before);
        add(
            after.get(hunk.after.start as usize..hunk.after.end as usize).unwrap_or_default(),
            DiffPlace::After,
        );
        at = range.end;
    }
    add(before.get(at..).unwrap_or_default(), DiffPlace::Both);
    layers
}

/// Lines with their breaks: where each begins, and where the last ends.
fn line_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    starts.extend(
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at.saturating_add(1)),
    );
    if starts.last() != Some(&bytes.len()) {
        starts.push(bytes.len());
    }
    starts
}

fn tokens<'b>(bytes: &'b [u8], starts: &[usize]) -> Vec<&'b [u8]> {
    starts
        .iter()
        .zip(starts.iter().skip(1))
        .map(|(&start, &end)| bytes.get(start..end).unwrap_or_default())
        .collect()
}

fn chunks(before: &[u8], after: &[u8]) -> (Vec<Chunk>, bool) {
    let (starts, other_starts) = (line_starts(before), line_starts(after));
    let (lines, other_lines) = (tokens(before, &starts), tokens(after, &other_starts));
    let coarse = lines.len().saturating_add(other_lines.len()) > Limits::DIFF_LINES;
    let hunks = if coarse { middle(&lines, &other_lines) } else { hunks(&lines, &other_lines) };
    let offset = |starts: &[usize], line: usize| starts.get(line).copied().unwrap_or_default();
    let mut chunks = Vec::new();
    let mut words_left = Limits::DIFF_WORDS;
    let (mut at, mut other_at) = (0_usize, 0_usize);
    let mut add = |kind, lines: (usize, usize), others: (usize, usize)| {
        if lines.0 == lines.1 && others.0 == others.1 {
            return;
        }
        let span = Span { start: offset(&starts, lines.0), end: offset(&starts, lines.1) };
        let other = Span { start: offset(&other_starts, others.0), end: offset(&other_starts, others.1) };
        let parts = if kind == ChunkKind::Changed {
            parts(before, after, span, other, &mut words_left)
        } else {
            Vec::new()
        };
        chunks.push(Chunk {
            kind,
            before: span,
            after: other,
            before_line: lines.0.saturating_add(1),
            after_line: others.0.saturating_add(1),
            before_lines: lines.1.saturating_sub(lines.0),
            after_lines: others.1.saturating_sub(others.0),
            parts,
        });
    };
    for (range, other) in hunks {
        add(ChunkKind::Same, (at, range.0), (other_at, other.0));
        add(ChunkKind::Changed, range, other);
        (at, other_at) = (range.1, other.1);
    }
    add(ChunkKind::Same, (at, lines.len()), (other_at, other_lines.len()));
    (chunks, coarse)
}

type Hunks = Vec<((usize, usize), (usize, usize))>;

/// What differs, as ranges of indices.
fn hunks(before: &[&[u8]], after: &[&[u8]]) -> Hunks {
    let mut input: InternedInput<&[u8]> = InternedInput::default();
    input.update_before(before.iter().copied());
    input.update_after(after.iter().copied());
    let mut found = imara_diff::Diff::compute(Algorithm::Histogram, &input);
    found.postprocess_no_heuristic(&input);
    let range = |range: core::ops::Range<u32>| (range.start as usize, range.end as usize);
    found.hunks().map(|hunk| (range(hunk.before), range(hunk.after))).collect()
}

/// All between what both begin and end with.
fn middle(before: &[&[u8]], after: &[&[u8]]) -> Hunks {
    let shorter = before.len().min(after.len());
    let head = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| one == other).count();
    let tail = tail.min(shorter.saturating_sub(head));
    vec![((head, before.len().saturating_sub(tail)), (head, after.len().saturating_sub(tail)))]
}

/// What exactly differs in a changed chunk: by words, numbers and signs.
fn parts(before: &[u8], after: &[u8], span: Span, other: Span, words_left: &mut usize) -> Vec<DiffPart> {
    let (words, other_words) = (words(span.of(before)), words(other.of(after)));
    match words_left.checked_sub(words.len().saturating_add(other_words.len())) {
        Some(left) => *words_left = left,
        None => return Vec::new(),
    }
    let (lengths, other_lengths) = (offsets(&words, span.start), offsets(&other_words, other.start));
    let offset = |offsets: &[usize], index: usize| offsets.get(index).copied().unwrap_or_default();
    let mut parts = Vec::new();
    let (mut at, mut other_at) = (0_usize, 0_usize);
    let mut add = |kind, range: (usize, usize), others: (usize, usize)| {
        let before = Span { start: offset(&lengths, range.0), end: offset(&lengths, range.1) };
        let after = Span { start: offset(&other_lengths, others.0), end: offset(&other_lengths, others.1) };
        if before.start < before.end || after.start < after.end {
            parts.push(DiffPart { kind, before, after });
        }
    };
    for (range, others) in hunks(&words, &other_words) {
        add(DiffPartKind::Same, (at, range.0), (other_at, others.0));
        add(DiffPartKind::Removed, range, (others.0, others.0));
        add(DiffPartKind::Added, (range.1, range.1), others);
        (at, other_at) = (range.1, others.1);
    }
    add(DiffPartKind::Same, (at, words.len()), (other_at, other_words.len()));
    parts
}

/// Runs of letters and digits, runs of white space, and all else byte by byte.
fn words(bytes: &[u8]) -> Vec<&[u8]> {
    let class = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => 1,
        b' ' | b'\t' => 2,
        _ => 0,
    };
    bytes.chunk_by(|&one, &other| class(one) == class(other) && class(one) != 0).collect()
}

fn offsets(words: &[&[u8]], start: usize) -> Vec<usize> {
    let mut offsets = Vec::with_capacity(words.len().saturating_add(1));
    let mut at = start;
    offsets.push(at);
    for word in words {
        at = at.saturating_add(word.len());
        offsets.push(at);
    }
    offsets
}
