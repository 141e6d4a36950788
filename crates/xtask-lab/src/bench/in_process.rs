//! The core alone, without a server around it: `tests/benches/in_process.rs`.

use std::process::Stdio;

use anyhow::{Context, ensure};

use super::document::{Chapter, Row, Section, Table, Unit};
use super::figures::Figures;
use xtask::command::cargo;

const TEXT: &str = "\
Microseconds for one image, by one thread: from schema 2 to schema 1, and where a table says so from schema 1 to OCI.

* convert: all steps of one conversion, from the manifest, which says what else is needed, to the answer without a
  signature, its digest included. Documents, and what is known of layers, are in memory; fetching and checking them is not in it. Native is the core as a part of the program;
  fresh wasm is the core in a sandbox that is made for this one conversion, as the server does; warm wasm is the same
  sandbox again and again.
* sign: put together the bytes to sign, and sign them.
* seal: put the signature into the document, and compute the digest.";

/// The row that others are compared with.
const BASE: &str = "convert, native";

/// Measures all images.
pub(super) fn measure(rounds: u32) -> anyhow::Result<Chapter> {
    let mut command = cargo();
    command.args(["bench", "--quiet", "--package", "downshift-tests", "--bench", "in_process", "--"]);
    let output = command.arg(rounds.to_string()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the benchmark in process failed: {}", output.status);
    let mut sections: Vec<Section> = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let (image, row) =
            row(line).with_context(|| format!("`{line}` is no image, operation and figures"))?;
        match sections.last_mut().filter(|section| section.title == image) {
            Some(section) => section.table.rows.push(row),
            None => sections.push(section(image, row)),
        }
    }
    Ok(Chapter { title: "In process", text: TEXT.to_owned(), sections, left_out: Vec::new() })
}

/// The name of an image, and what was measured of it.
fn row(line: &str) -> Option<(&str, Row)> {
    let (image, rest) = line.split_once('\t')?;
    let (name, figures) = rest.split_once('\t')?;
    Some((image, Row { figures: Figures::parse(figures).ok()?, ..Row::new(name) }))
}

fn section(image: &str, row: Row) -> Section {
    let table = Table {
        subject: "operation",
        unit: Unit::Microseconds,
        bases: &[BASE],
        details: &[],
        rows: vec![row],
    };
    Section { title: image.to_owned(), text: None, table }
}
