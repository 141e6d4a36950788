//! `downshift completions`

use clap::{Args, Command};
use clap_complete::Shell;

use super::output::write_document;
use super::verdict::Verdict;
use crate::error::Error;

/// Write a completion script for a shell
#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, mut command: Command) -> Result<Verdict, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "downshift", &mut script);
        write_document(None, &script)?;
        Ok(Verdict::Yes)
    }
}
