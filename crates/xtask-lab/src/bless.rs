//! `cargo xtask bless`

use clap::Args;
use downshift_cases::implementation::Native;
use downshift_cases::strict;

use xtask::command;
use xtask::program::{self, Build};

/// Writes down anew what the strict policy makes of the vectors, and what they may cost the guest.
///
/// The difference to the table before is what a review has to look at: git shows it.
#[derive(Args)]
pub(crate) struct Arguments {}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let table = strict::bless(&Native)?;
        println!("wrote {}", table.display());
        // What the guest costs is known only where it runs, which is in the suite.
        program::build(Build::Plain)?;
        let mut suite = command::cargo();
        suite.args(["test", "--package", "downshift-tests", "--test", "suite", "--", "wasmtime::budgets"]);
        command::run(suite.env("DOWNSHIFT_BLESS", "1"))
    }
}
