//! `cargo xtask bench`

mod blobs;
mod counts;
mod curl;
mod document;
mod edge;
mod figures;
mod hey;
mod http;
mod in_process;
mod machine;
mod page;
mod process;
mod servers;
mod site;
mod sizes;
mod start;
mod upward;
mod wrk;

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};

use self::blobs::Size;
use self::document::Chapter;
use self::http::Load;
use self::machine::Machine;
use self::wrk::CONNECTIONS;
use xtask::program::{self, Build};

/// On how many connections a hot load is measured beside [`CONNECTIONS`].
const OTHER_CONNECTIONS: [usize; 3] = [1, 16, 256];

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
    /// How large the image is that is stored in schema 1, in MiB
    #[arg(long, value_name = "N", default_value_t = 500)]
    mebibytes: usize,
    /// How large the larger of the blobs is, in MiB
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    large_blob: u32,
    /// Measure this program, and build none
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Only this part, which is then printed and not written; may be repeated
    #[arg(long, value_name = "PART", value_enum)]
    only: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    InProcess,
    Counts,
    Edge,
    Start,
    Sizes,
    Schema1Hot,
    Schema1Head,
    Schema1Unchanged,
    Schema1Cold,
    Schema2Hot,
    Connections,
    Blob,
    Upward,
    LargeBlob,
    Page,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let parts = if self.only.is_empty() { Part::value_variants() } else { &self.only };
        let machine = Machine::look();
        let program = self.program.clone().map_or_else(|| program::build(Build::Release), Ok)?;
        let mut chapters = Vec::new();
        if parts.contains(&Part::InProcess) {
            chapters.push(in_process::measure(self.rounds)?);
        }
        if parts.contains(&Part::Counts) {
            chapters.push(counts::measure()?);
        }
        if parts.contains(&Part::Sizes) {
            chapters.push(sizes::measure(&program)?);
        }
        if parts.contains(&Part::Start) {
            chapters.push(start::measure(&program, self.rounds)?);
        }
        if parts.contains(&Part::Edge) {
            chapters.push(edge::measure(self.rounds)?);
        }
        let time = Duration::from_secs(self.seconds.into());
        let loads: Vec<Load> = parts.iter().copied().flat_map(Part::loads).collect();
        if !loads.is_empty() {
            chapters.push(http::measure(&program, &loads, self.rounds, time)?);
        }
        if parts.contains(&Part::Upward) {
            chapters.push(upward::measure(&program, self.rounds, self.mebibytes)?);
        }
        let blobs: Vec<Size> = parts.iter().filter_map(|part| part.blob(self.large_blob)).collect();
        if !blobs.is_empty() {
            chapters.push(blobs::measure(&program, &blobs, self.rounds, time)?);
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
    /// Which blob servers are asked for, the larger with so many MiB.
    fn blob(self, large: u32) -> Option<Size> {
        match self {
            Self::Blob => Some(Size::Small),
            Self::LargeBlob => Some(Size::Large(large)),
            _ => None,
        }
    }

    /// What servers are asked.
    fn loads(self) -> Vec<Load> {
        match self {
            Self::Schema1Hot => vec![Load::Schema1Hot(CONNECTIONS)],
            Self::Schema1Head => vec![Load::Schema1Head],
            Self::Schema1Unchanged => vec![Load::Schema1Unchanged],
            Self::Schema1Cold => vec![Load::Schema1Cold],
            Self::Schema2Hot => vec![Load::Schema2Hot(CONNECTIONS)],
            Self::Connections => OTHER_CONNECTIONS
                .into_iter()
                .flat_map(|connections| [Load::Schema1Hot(connections), Load::Schema2Hot(connections)])
                .collect(),
            Self::InProcess
            | Self::Counts
            | Self::Edge
            | Self::Start
            | Self::Sizes
            | Self::Upward
            | Self::Blob
            | Self::LargeBlob
            | Self::Page => Vec::new(),
        }
    }
}
