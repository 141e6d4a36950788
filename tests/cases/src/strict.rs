//! What the strict policy makes of the vectors: a table beside them, so that a change shows as a difference to review.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use downshift::Policy;

use crate::files;
use crate::implementation::{Implementation, Outcome};
use crate::vectors::{self, Vector};

/// Stands in the table for a vector that is converted.
pub const CONVERTED: &str = "converted";

/// Stands in the table for one that is converted with history that was made up: the reference drops the layers that have
/// none, or crashes.
pub const COMPLETED: &str = "completed";

/// The table: of each vector, by id, that it is [`CONVERTED`] or [`COMPLETED`], or the code of the error.
pub type Table = BTreeMap<String, String>;

/// Reads the table.
///
/// # Errors
/// If it cannot be read. The error says how to make it.
pub fn read() -> anyhow::Result<Table> {
    let path = path();
    let text = fs::read_to_string(&path)
        .with_context(|| format!("`{}` cannot be read: make it with `cargo xtask bless`", path.display()))?;
    let pair = |line: &str| line.split_once('\t').map(|(id, outcome)| (id.to_string(), outcome.to_string()));
    text.lines().map(|line| pair(line).with_context(|| format!("`{line}` is no line of the table"))).collect()
}

/// Makes the table anew, as `implementation` has it.
///
/// # Errors
/// If a vector cannot be read, or the table not written.
pub fn bless(implementation: &dyn Implementation) -> anyhow::Result<PathBuf> {
    let mut text = String::new();
    for vector in vectors::read_all()? {
        writeln!(text, "{}\t{}", vector.id, word(&answer(implementation, &vector)?))?;
    }
    let path = path();
    fs::write(&path, text).with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(path)
}

/// Compares what `implementation` makes of `vector` with the table, and with the reference where both convert it.
///
/// # Errors
/// If they are not the same.
pub fn check(table: &Table, implementation: &dyn Implementation, vector: &Vector) -> anyhow::Result<()> {
    let outcome = answer(implementation, vector)?;
    let expected = table.get(&vector.id).map_or("nothing", String::as_str);
    // An edge makes no report, which says what was made up.
    let is_unsaid = matches!(&outcome, Outcome::Answered(answered) if answered.report.is_null());
    if is_unsaid && expected == COMPLETED {
        return Ok(());
    }
    ensure!(
        word(&outcome) == expected,
        "the table has `{expected}`, but it is `{}`: if that is meant, run `cargo xtask bless`",
        word(&outcome)
    );
    match (&outcome, vector.expected()?) {
        (Outcome::Answered(answered), _) if answered.is_completed() => Ok(()),
        (Outcome::Answered(_), expected @ vectors::Expected::Payload(_)) => expected.check(&outcome),
        _ => Ok(()),
    }
}

fn path() -> PathBuf {
    files::path("vectors/strict.tsv")
}

fn answer(implementation: &dyn Implementation, vector: &Vector) -> anyhow::Result<Outcome> {
    Ok(implementation.answer(&vector.request(Policy::Strict)?, &vector.documents()?))
}

fn word(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Answered(answered) if answered.is_completed() => COMPLETED,
        Outcome::Answered(_) => CONVERTED,
        Outcome::Refused { failure, .. } => &failure.code,
        Outcome::Missing(_) => "a document is missing",
    }
}
