//! `cargo xtask serve`

use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use xtask::command::{announce, replace_by, run, target_folder, tool};
use xtask::program::{self, Build};

/// Builds the program and serves a folder of images with it: a small sample, unless told otherwise.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder with an OCI image layout for each repository [default: a sample in target/sample-store]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: String,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let program = program::build(Build::Plain)?;
        let target = target_folder()?;
        let store = match &self.store {
            Some(store) => store.clone(),
            None => target.join("sample-store"),
        };
        announce(&format!("serving {}", store.display()));
        if self.store.is_none() {
            run(tool("xtask-artifacts").arg("sample").arg(&store).args(["--listen", &self.listen]))?;
        }
        let mut serve = Command::new(program);
        serve.arg("serve").arg("--store").arg(store).args(["--listen", &self.listen]);
        replace_by(serve.arg("--data").arg(target.join("sample-data")))
    }
}
