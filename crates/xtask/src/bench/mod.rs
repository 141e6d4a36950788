//! `cargo xtask bench`

mod document;
mod edge;
mod figures;
mod http;
mod in_process;
mod machine;
mod page;
mod servers;
mod site;
mod wrk;

use core::time::Duration;
use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::{Args, ValueEnum};

use self::document::Chapter;
use self::http::Load;
use self::machine::Machine;
use crate::build;

/// Measures Downshift beside docker-registry and nginx, and writes BENCHMARKS.md.
///
/// Run it on a machine that does nothing else.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long a server is asked in each round
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Only this part, which is then printed and not written; may be repeated
    #[arg(long, value_name = "PART", value_enum)]
    only: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    InProcess,
    Edge,
    Schema1Hot,
    Schema1Cold,
    Schema2Hot,
    Page,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let parts = if self.only.is_empty() { Part::value_variants() } else { &self.only };
        let machine = Machine::look();
        let program = build::program(true)?;
        let mut chapters = Vec::new();
        if parts.contains(&Part::InProcess) {
            chapters.push(in_process::measure(self.rounds)?);
        }
        if parts.contains(&Part::Edge) {
            chapters.push(edge::measure(self.rounds)?);
        }
        let loads: Vec<Load> = parts.iter().copied().filter_map(Part::load).collect();
        if !loads.is_empty() {
            let time = Duration::from_secs(self.seconds.into());
            chapters.push(http::measure(&program, &loads, self.rounds, time)?);
        }
        if parts.contains(&Part::Page) {
            chapters.push(page::measure(&program, self.rounds)?);
        }
        if !self.only.is_empty() {
            chapters.iter().for_each(|chapter| println!("{chapter}"));
            return Ok(());
        }
        self.write(&machine, &chapters)
    }

    fn write(&self, machine: &Machine, chapters: &[Chapter]) -> anyhow::Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../BENCHMARKS.md");
        let text = document::whole(machine, self.rounds, self.seconds, chapters);
        fs::write(&path, text).with_context(|| format!("`{}` cannot be written", path.display()))?;
        println!("wrote BENCHMARKS.md");
        Ok(())
    }
}

impl Part {
    fn load(self) -> Option<Load> {
        match self {
            Self::InProcess | Self::Edge | Self::Page => None,
            Self::Schema1Hot => Some(Load::Schema1Hot),
            Self::Schema1Cold => Some(Load::Schema1Cold),
            Self::Schema2Hot => Some(Load::Schema2Hot),
        }
    }
}
