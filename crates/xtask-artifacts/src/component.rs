//! `xtask-artifacts component`

use std::path::PathBuf;

use clap::Args;
use wit_component::ComponentEncoder;

use crate::files;

/// Wraps a module as a component.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The module, as rustc wrote it
    module: PathBuf,
    /// The component to write
    component: PathBuf,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let module = files::read(&self.module)?;
        let component = ComponentEncoder::default().module(&module)?.validate(true).encode()?;
        files::write(&self.component, &component)
    }
}
