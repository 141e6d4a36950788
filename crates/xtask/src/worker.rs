//! `cargo xtask worker`

use std::process::Command;

use clap::Args;

use xtask::command::{project, replace_by};
use xtask::js;

/// Builds the worker for Cloudflare and runs it on this machine, in workerd.
#[derive(Args)]
#[command(
    override_usage = "cargo xtask worker --upstream URL [OPTIONS]",
    after_help = include_str!("../../edge-cloudflare/options.txt")
)]
pub(crate) struct Arguments {
    /// The options of the worker, which are listed below
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "OPTIONS")]
    arguments: Vec<String>,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let worker = js::build()?.worker;
        let script = project()?.join("crates/edge-cloudflare/local.mjs");
        let mut node = Command::new("node");
        replace_by(node.arg(script).arg("--worker").arg(worker).args(&self.arguments))
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::Arguments;

    #[test]
    fn its_help_lists_the_options_of_the_worker() {
        let help = Arguments::augment_args(Command::new("worker")).render_help().to_string();
        for option in ["--upstream URL", "--upstream-docker-config FILE", "--secret NAME=FILE", "--data DIR"]
        {
            assert!(help.contains(option), "{option} is not in {help}");
        }
    }
}
