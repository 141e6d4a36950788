//! The recorded conversions, `tests/vectors/*.jsonl`: under the reference policy against what Distribution made of
//! them, to the byte; under the strict policy against `tests/vectors/strict.tsv`.

use std::collections::BTreeSet;

use anyhow::ensure;
use downshift::Policy;
use downshift_cases::implementation::{Implementation, Native};
use downshift_cases::strict;
use downshift_cases::vectors::{self, Vector};

/// How many failures of one file are told in full.
const TOLD: usize = 10;

/// The files that the tests below judge.
const FILES: [&str; 5] = ["edge", "json", "list", "oci", "real"];

#[test]
fn vectors_of_edge_follow_the_reference() -> anyhow::Result<()> {
    judge("edge", follows_the_reference)
}

#[test]
fn vectors_of_json_follow_the_reference() -> anyhow::Result<()> {
    judge("json", follows_the_reference)
}

#[test]
fn vectors_of_list_follow_the_reference() -> anyhow::Result<()> {
    judge("list", follows_the_reference)
}

#[test]
fn vectors_of_oci_follow_the_reference() -> anyhow::Result<()> {
    judge("oci", follows_the_reference)
}

#[test]
fn vectors_of_real_follow_the_reference() -> anyhow::Result<()> {
    judge("real", follows_the_reference)
}

#[test]
fn vectors_of_edge_follow_the_strict_table() -> anyhow::Result<()> {
    judge_strictly("edge")
}

#[test]
fn vectors_of_json_follow_the_strict_table() -> anyhow::Result<()> {
    judge_strictly("json")
}

#[test]
fn vectors_of_list_follow_the_strict_table() -> anyhow::Result<()> {
    judge_strictly("list")
}

#[test]
fn vectors_of_oci_follow_the_strict_table() -> anyhow::Result<()> {
    judge_strictly("oci")
}

#[test]
fn vectors_of_real_follow_the_strict_table() -> anyhow::Result<()> {
    judge_strictly("real")
}

#[test]
fn no_file_and_no_line_of_the_table_is_left_out() -> anyhow::Result<()> {
    ensure!(vectors::names()? == FILES, "there are other files: {:?}", vectors::names()?);
    let ids: BTreeSet<String> = vectors::read_all()?.into_iter().map(|vector| vector.id).collect();
    let table = strict::read()?;
    let stale: Vec<&String> = table.keys().filter(|id| !ids.contains(*id)).collect();
    ensure!(stale.is_empty(), "there are no vectors {stale:?}: run `cargo xtask bless`");
    Ok(())
}

fn follows_the_reference(vector: &Vector) -> anyhow::Result<()> {
    let outcome = Native.answer(&vector.request(Policy::Reference)?, &vector.documents()?);
    vector.expected()?.check(&outcome)
}

fn judge_strictly(file: &str) -> anyhow::Result<()> {
    let table = strict::read()?;
    judge(file, |vector| strict::check(&table, &Native, vector))
}

/// Checks every vector of a file, and says why the first of those that fail do.
fn judge(file: &str, check: impl Fn(&Vector) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let vectors = vectors::read(file)?;
    ensure!(!vectors.is_empty(), "`{file}` has no vectors");
    let problem = |vector: &Vector| {
        check(vector).err().map(|error| format!("{} {}: {error:#}", vector.id, vector.note))
    };
    let problems: Vec<String> = vectors.iter().filter_map(problem).collect();
    ensure!(
        problems.is_empty(),
        "{} of {} vectors fail\n{}",
        problems.len(),
        vectors.len(),
        problems[..problems.len().min(TOLD)].join("\n")
    );
    Ok(())
}
