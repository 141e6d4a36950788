//! `downshift check`

use std::path::PathBuf;

use clap::Args;
use downshift::Limits;
use downshift::check::check;

use super::input::read_document;
use super::output::print;
use super::verdict::Verdict;
use crate::error::Error;

/// Check a schema 1 manifest against the rules of the engines that pull it
///
/// The rules are about its structure, such as the chain of parents. `downshift verify` verifies its signatures.
#[derive(Args)]
pub(super) struct Check {
    /// The manifest; `-` is standard input
    file: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let limits = Limits::default();
        let findings = check(&read_document(&self.file, &limits)?, &limits)?;
        let lines = findings.iter().map(|finding| {
            format!("{}: {}: {} (refused by {})", finding.path, finding.rule, finding.detail, finding.engines)
        });
        print(lines)?;
        Ok(findings.is_empty().into())
    }
}
