//! What is the same each time a conversion is done: `tests/benches/counted.rs`.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use downshift_tests::programs::{VALGRIND, locate};

use super::document::{Chapter, Detail, Row, Section, Table, Unit};
use xtask::command::cargo;

const TEXT: &str = "\
One conversion from schema 2 to schema 1, without a signature, by the core as a part of a program: the same each time on
the same machine, and so a change shows where times only tremble. Instructions are those that valgrind counts, which has
no instructions for SHA-256.";

/// The numbers of layers.
const LAYERS: [usize; 4] = [1, 10, 100, 1000];

/// How many conversions instructions are counted of.
const CONVERSIONS: usize = 10;

/// Counts.
pub(super) fn measure() -> anyhow::Result<Chapter> {
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    let counts_instructions = locate(VALGRIND).is_some();
    if !counts_instructions {
        left_out.push(format!("instructions, for `{VALGRIND}` is not installed"));
    }
    for layers in LAYERS {
        eprintln!("counting: {layers} layers");
        let [allocations, bytes] = counted(&mut bench(layers, 1))?;
        let instructions = if counts_instructions { instructions(layers)? } else { f64::NAN };
        let mut row = Row::new(&layers.to_string());
        row.push(allocations, [bytes, instructions, instructions / layers as f64]);
        rows.push(row);
    }
    let details = &[
        Detail { name: "most memory", unit: Unit::Bytes },
        Detail { name: "all", unit: Unit::Instructions },
        Detail { name: "for each layer", unit: Unit::Instructions },
    ];
    let table = Table { subject: "layers", unit: Unit::Allocations, bases: &[], details, rows };
    let section = Section { title: "Allocations and instructions".to_owned(), text: None, table };
    Ok(Chapter { title: "Counts", text: TEXT.to_owned(), sections: vec![section], left_out })
}

/// The program that converts.
fn bench(layers: usize, repetitions: usize) -> Command {
    let mut command = cargo();
    command.args(["bench", "--quiet", "--package", "downshift-tests", "--bench", "counted", "--"]);
    command.args([layers.to_string(), repetitions.to_string()]);
    command
}

/// How often one conversion allocates, and how many bytes it has at the most.
fn counted(command: &mut Command) -> anyhow::Result<[f64; 2]> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the program that counts failed: {}", output.status);
    let said = String::from_utf8(output.stdout)?;
    let mut figures = said.split_whitespace().map(str::parse);
    let (Some(Ok(allocations)), Some(Ok(bytes))) = (figures.next(), figures.next()) else {
        anyhow::bail!("`{said}` is not two numbers");
    };
    Ok([allocations, bytes])
}

/// The instructions of one conversion: what more of them take.
fn instructions(layers: usize) -> anyhow::Result<f64> {
    let [few, many] = [1, 1 + CONVERSIONS].map(|repetitions| -> anyhow::Result<f64> {
        let mut command = bench(layers, repetitions);
        command.env(runner(), format!("{VALGRIND} --tool=callgrind --callgrind-out-file=/dev/null"));
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{VALGRIND}` failed: {said}");
        let collected = said.lines().find_map(|line| line.split_once("Collected :"));
        Ok(collected.context("`valgrind` has counted nothing")?.1.trim().parse()?)
    });
    Ok((many? - few?) / CONVERSIONS as f64)
}

/// The name of the variable by which cargo runs what it has built with another program.
fn runner() -> String {
    let machine = format!("{}_unknown_linux_gnu", std::env::consts::ARCH);
    format!("CARGO_TARGET_{}_RUNNER", machine.to_uppercase())
}
