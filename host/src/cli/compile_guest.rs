//! `downshift compile-guest`

use std::io::{self, Read as _};
use std::path::PathBuf;

use clap::Args;

use super::Verdict;
use crate::engine::Engine;
use crate::error::Error;

/// Compile the component on standard input into a folder: a server starts this, and then finds it there
#[derive(Args)]
pub(super) struct CompileGuest {
    /// The folder, which is made if there is none
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl CompileGuest {
    pub(super) fn run(&self) -> Result<Verdict, Error> {
        let mut component = Vec::new();
        io::stdin()
            .lock()
            .read_to_end(&mut component)
            .map_err(|error| Error::unreadable("-".as_ref(), error))?;
        Engine::wasm(&component, 1, Some(&self.folder))?;
        Ok(Verdict::Yes)
    }
}
