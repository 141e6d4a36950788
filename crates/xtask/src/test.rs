//! `cargo xtask test`

use clap::Args;

use crate::{build, guest, js, node, page};

/// Builds the program and runs all tests: those of the crates, and the one suite.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Passed on to the test programs: a part of the names to run, such as node::vectors, or options such as --nocapture
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let program = build::program(false)?;
        guest::build_misbehaving()?;
        let mut cargo = build::cargo();
        cargo.args(["test", "--workspace", "--"]).args(&self.arguments).env("DOWNSHIFT_BIN", program);
        // Whoever has no Node is told which tests want it.
        if node::is_installed() {
            let js::Built { package, worker } = js::build()?;
            cargo.env("DOWNSHIFT_WORKER_THAT_TRAPS", js::trapping_worker(&package)?);
            cargo.env("DOWNSHIFT_JS", package).env("DOWNSHIFT_WORKER", worker);
            cargo.env("DOWNSHIFT_INSPECTOR", page::build()?);
        }
        build::run(&mut cargo)
    }
}
