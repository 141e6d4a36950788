//! `downshift completions`

use clap::Args;
use clap_complete::Shell;

use super::{Verdict, write_document};
use crate::error::Error;

/// Write what completes this program's command line in a shell
#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<Verdict, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "downshift", &mut script);
        write_document(None, &script)?;
        Ok(Verdict::Yes)
    }
}
