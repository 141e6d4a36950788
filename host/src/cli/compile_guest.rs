//! `downshift compile-guest`

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::verdict::Verdict;
use crate::bounded;
use crate::engine::wasm::layers::LayerSandbox;
use crate::engine::{Engine, LAYER_READER, MAX_GUEST_BYTES};
use crate::error::Error;

/// Compile the component on standard input into a folder: a server starts this, and then finds it there
#[derive(Args)]
pub(super) struct CompileGuest {
    /// The folder, which is made if there is none
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// That it is the module that reads layers
    #[arg(long = LAYER_READER)]
    is_layer_reader: bool,
}

impl CompileGuest {
    pub(super) fn run(&self) -> Result<Verdict, Error> {
        let path = Path::new("-");
        let component = bounded::read(io::stdin().lock(), MAX_GUEST_BYTES)
            .map_err(|error| Error::unreadable(path, error))?
            .ok_or_else(|| Error::too_large(path, MAX_GUEST_BYTES))?;
        if self.is_layer_reader {
            LayerSandbox::new(&component, Some(&self.folder))
                .map_err(|error| Error::Guest { problem: error.to_string() })?;
        } else {
            Engine::wasm(&component, 1, Some(&self.folder))?;
        }
        Ok(Verdict::Yes)
    }
}
