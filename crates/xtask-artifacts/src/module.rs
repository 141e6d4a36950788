//! `xtask-artifacts module`

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use wasm_bindgen_cli_support::Bindgen;

use crate::files;

/// Makes a module for JavaScript: `NAME.wasm`, `NAME.js`, which calls it, and `NAME.wasm.mjs`, the module in a script.
#[derive(Args)]
pub(crate) struct Arguments {
    name: String,
    /// The module, as rustc wrote it
    compiled: PathBuf,
    /// The folder to write, beside which stands what it was made from
    folder: PathBuf,
    /// A program that makes the module smaller
    #[arg(long, value_name = "PROGRAM")]
    optimiser: Option<PathBuf>,
    /// Its arguments
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

impl Arguments {
    /// The same is not made of the same again: optimising takes a while.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let compiled = files::read(&self.compiled)?;
        let extension = if self.optimiser.is_some() { "optimised" } else { "plain" };
        let origin = self.folder.with_extension(extension);
        if self.folder.is_dir() && fs::read(&origin).is_ok_and(|before| before == compiled) {
            return Ok(());
        }
        for stale in ["optimised", "plain"] {
            let _ = fs::remove_file(self.folder.with_extension(stale));
        }
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::create_dir_all(&self.folder)?;
        let module = self.folder.join(format!("{}.wasm", self.name));
        self.bind(&compiled, &module)?;
        if let Some(optimiser) = &self.optimiser {
            self.optimise(optimiser, &module)?;
        }
        let inline = format!("export default \"{}\";\n", STANDARD.encode(files::read(&module)?));
        files::write(&self.folder.join(format!("{}.wasm.mjs", self.name)), inline.as_bytes())?;
        files::write(&origin, &compiled)
    }

    fn bind(&self, compiled: &[u8], module: &Path) -> anyhow::Result<()> {
        let mut output = Bindgen::new()
            .input_bytes(&self.name, compiled.to_vec())
            .out_name(&self.name)
            .web(true)
            .and_then(|bindgen| {
                bindgen
                    .typescript(false)
                    .remove_name_section(true)
                    .remove_producers_section(true)
                    .omit_default_module_path(true)
                    .reset_state_function(true)
                    .generate_output()
            })
            .map_err(|error| anyhow!("wasm-bindgen failed: {error:#}"))?;
        files::write(module, &output.wasm_mut().emit_wasm())?;
        files::write(&module.with_extension("js"), output.js().as_bytes())
    }

    fn optimise(&self, optimiser: &Path, module: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(optimiser);
        command.arg(module).arg("-o").arg(module).args(&self.arguments);
        let mut run =
            || command.status().with_context(|| format!("`{}` does not start", optimiser.display()));
        let mut status = run()?;
        // It runs in Node, which ended once with SIGILL in code of its own: that says nothing of the module.
        if status.code().is_none() {
            status = run()?;
        }
        ensure!(status.success(), "`{}` failed: {status}", optimiser.display());
        Ok(())
    }
}
