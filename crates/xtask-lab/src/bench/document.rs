//! BENCHMARKS.md, and the tables in it.

use core::fmt::{self, Display, Write as _};

use super::figures::Figures;
use super::machine::Machine;

const INTRODUCTION: &str = "\
# Benchmarks

This file is written by `cargo xtask bench`, whole. On Debian it needs

    apt-get install chromium curl docker-registry hey nginx nodejs npm valgrind wrk zstd

and a machine that does nothing else meanwhile: everything runs on the same one, servers and clients, so that the
ratios between the rows mean more than the rows themselves. `cargo xtask bench --help` has the options.

All rows of a table are measured in turn, and that several times over. A figure is the median of these rounds; a ratio
is the median of the rounds' ratios. The column after the figure says between which ones the middle half of the rounds
lies; those after that are medians, too.
";

/// Tables of one kind.
pub(super) struct Chapter {
    /// The heading.
    pub(super) title: &'static str,
    /// What is true of all of them.
    pub(super) text: String,
    /// The tables.
    pub(super) sections: Vec<Section>,
    /// What is not in the tables, and why.
    pub(super) left_out: Vec<String>,
}

/// A table with its heading.
pub(super) struct Section {
    /// The heading.
    pub(super) title: String,
    /// What the table is about, where the heading does not say it.
    pub(super) text: Option<String>,
    /// The figures.
    pub(super) table: Table,
}

/// Figures side by side.
pub(super) struct Table {
    /// What the rows are.
    pub(super) subject: &'static str,
    /// What the figures are.
    pub(super) unit: Unit,
    /// The names of the rows that the others are compared with.
    pub(super) bases: &'static [&'static str],
    /// What else was measured with each figure.
    pub(super) details: &'static [Detail],
    /// The rows.
    pub(super) rows: Vec<Row>,
}

/// A column beside that of the figures.
pub(super) struct Detail {
    /// Its heading.
    pub(super) name: &'static str,
    /// What its figures are.
    pub(super) unit: Unit,
}

/// What was measured of one thing.
pub(super) struct Row {
    /// What it is.
    pub(super) name: String,
    /// The figures.
    pub(super) figures: Figures,
    /// Those of the details.
    pub(super) details: Vec<Figures>,
}

impl Row {
    /// A row without figures.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), figures: Figures::default(), details: Vec::new() }
    }

    /// Adds what was measured in one round.
    pub(super) fn push<const N: usize>(&mut self, figure: f64, details: [f64; N]) {
        self.figures.push(figure);
        self.details.resize_with(N, Figures::default);
        for (figures, detail) in self.details.iter_mut().zip(details) {
            figures.push(detail);
        }
    }
}

/// What a figure is.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// Microseconds for one.
    Microseconds,
    /// Requests a second.
    Rate,
    /// Conversions a second.
    Conversions,
    /// Milliseconds.
    Milliseconds,
    /// MiB of memory.
    Mebibytes,
    /// MiB a second.
    Throughput,
    /// Bytes.
    Bytes,
    /// How often memory was allocated.
    Allocations,
    /// Instructions of a processor.
    Instructions,
}

/// The text of the file.
pub(super) fn whole(machine: &Machine, rounds: u32, seconds: u32, chapters: &[Chapter]) -> String {
    let mut text =
        format!("{INTRODUCTION}\n{machine}| rounds | {rounds}, of {seconds} s for each server |\n");
    for chapter in chapters {
        let _ = write!(text, "\n{chapter}");
    }
    text
}

impl Display for Chapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}", self.title, self.text)?;
        self.left_out.iter().try_for_each(|reason| writeln!(f, "\nLeft out: {reason}."))?;
        self.sections.iter().try_for_each(|section| write!(f, "\n{section}"))
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        self.text.iter().try_for_each(|text| writeln!(f, "{text}\n"))?;
        write!(f, "{}", self.table)
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratios: String = self.bases.iter().map(|base| format!(" × {base} |")).collect();
        let details: String =
            self.details.iter().map(|Detail { name, unit }| format!(" {name}, {unit} |")).collect();
        writeln!(f, "| {} |{ratios} {} | middle half |{details}", self.subject, self.unit)?;
        writeln!(f, "|---|{}---:|---:|", "---:|".repeat(self.bases.len() + self.details.len()))?;
        for row in &self.rows {
            write!(f, "| {} |", row.name)?;
            for base in self.bases {
                match self.rows.iter().find(|row| row.name == *base) {
                    Some(base) => write!(f, " {} |", Ratio(row.figures.ratio_to(&base.figures)))?,
                    None => write!(f, " – |")?,
                }
            }
            let (from, to) = row.figures.middle_half();
            let show = |figure| self.unit.show(figure);
            write!(f, " {} | {} – {} |", show(row.figures.median()), show(from), show(to))?;
            for (Detail { unit, .. }, figures) in self.details.iter().zip(&row.details) {
                write!(f, " {} |", unit.show(figures.median()))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            _ if figure.is_nan() => "–".to_owned(),
            Self::Microseconds | Self::Milliseconds | Self::Mebibytes if figure < 100.0 => {
                format!("{figure:.1}")
            }
            _ => thousands(figure),
        }
    }
}

impl Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Microseconds => "µs",
            Self::Rate => "requests/s",
            Self::Conversions => "conversions/s",
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
            Self::Throughput => "MiB/s",
            Self::Bytes => "bytes",
            Self::Allocations => "allocations",
            Self::Instructions => "instructions",
        })
    }
}

/// A ratio, with three digits that count.
struct Ratio(f64);

impl Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ratio if ratio >= 100.0 => write!(f, "{ratio:.0}"),
            ratio if ratio >= 10.0 => write!(f, "{ratio:.1}"),
            ratio if ratio >= 1.0 => write!(f, "{ratio:.2}"),
            ratio => write!(f, "{ratio:.3}"),
        }
    }
}

/// A whole number, with commas.
fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn a_comma_stands_before_every_three_digits() {
        assert_eq!(["999", "1,000", "1,234,567"], [999.4, 999.5, 1_234_567.0].map(thousands));
    }
}
