//! `downshift verify`

use std::path::PathBuf;

use clap::Args;
use downshift::{Digest, Limits, jws};

use super::input::read_document;
use super::output::print;
use super::verdict::Verdict;
use crate::error::Error;

/// Verify the signatures of a signed schema 1 manifest
///
/// They cover the payload, whose digest is shown; nothing else in the document is signed. A valid signature says that the
/// payload is unchanged, not who signed it: compare the id of the key with the one that you expect. Certificates that
/// come with keys are not verified.
#[derive(Args)]
pub(super) struct Verify {
    /// The document; `-` is standard input
    file: PathBuf,
}

impl Verify {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let limits = Limits::default();
        let document = jws::parse(&read_document(&self.file, &limits)?, &limits)?;
        let verification = downshift_sign::verify(&document);

        let mut lines = vec![format!("payload    {}", Digest::of(&document.payload))];
        for (verdict, block) in verification.verdicts().iter().zip(&document.signatures) {
            let outcome = match &verdict.outcome {
                Ok(()) => "valid".to_owned(),
                Err(problem) => format!("{}: {problem}", problem.code()),
            };
            lines.push(format!("signature  {outcome}"));
            lines.push(format!("  key        {}", verdict.key_id.as_deref().unwrap_or("none")));
            lines.push(format!("  algorithm  {}", verdict.algorithm));
            lines.extend(verdict.key.as_ref().map(|key| format!("  kind       {key}")));
            lines.extend(verdict.certificate.as_ref().map(|subject| format!("  subject    {subject}")));
            lines.push(format!("  time       {}", block.time.as_deref().unwrap_or("none")));
        }
        if document.signatures.is_empty() {
            lines.push("signature  none".to_owned());
        }
        print(lines)?;
        Ok(verification.is_valid().into())
    }
}
