//! `cargo xtask worker`

use std::process::Command;

use clap::Args;

use xtask::command::{project, replace_by};
use xtask::js;

/// Builds the worker for Cloudflare and runs it on this machine, in workerd.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What the worker is told, such as `--upstream docker.io`; `--help` lists it all
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
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
