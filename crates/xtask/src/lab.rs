//! `cargo xtask bench`, `bless`, `fuzz`, `record` and `soak`: a program of its own, `xtask-lab`, does the work.

use std::ffi::OsString;

use clap::{Args, Subcommand};
use xtask::command::{replace_by, tool};

/// What is passed on.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Rest {
    /// See `--help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Measures Downshift beside docker-registry and nginx, and writes BENCHMARKS.md
    Bench(Rest),
    /// Writes down anew what the strict policy makes of the vectors, and what they may cost the guest
    Bless(Rest),
    /// Lets a fuzzer look for inputs that break what has to hold for all of them
    Fuzz(Rest),
    /// Records conversions of the reference as vectors
    Record(Rest),
    /// Lets clients ask a server for a long time, and checks every byte
    Soak(Rest),
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (name, Rest { arguments }) = match self {
            Self::Bench(rest) => ("bench", rest),
            Self::Bless(rest) => ("bless", rest),
            Self::Fuzz(rest) => ("fuzz", rest),
            Self::Record(rest) => ("record", rest),
            Self::Soak(rest) => ("soak", rest),
        };
        replace_by(tool("xtask-lab").arg(name).args(arguments))
    }
}
