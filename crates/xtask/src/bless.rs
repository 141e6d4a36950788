//! `cargo xtask bless`

use clap::Args;
use downshift_tests::implementation::Native;
use downshift_tests::strict;

/// Writes down anew what the strict policy makes of the vectors.
///
/// The difference to the table before is what a review has to look at: git shows it.
#[derive(Args)]
pub(crate) struct Arguments {}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let table = strict::bless(&Native::new()?)?;
        println!("wrote {}", table.display());
        Ok(())
    }
}
