//! `downshift check-config`

use clap::Args;

use super::options::Options;
use super::output::print;
use super::verdict::Verdict;
use crate::error::Error;
use crate::log::explain;
use crate::service;

/// Check the settings of a server: the file, the environment and the options, and every file that these name
///
/// Nothing is written, and no registry is contacted.
#[derive(Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    options: Options,
}

impl CheckConfig {
    pub(super) fn run(&self) -> Result<Verdict, Error> {
        match self.options.settings().and_then(|settings| service::check(&settings)) {
            Ok(()) => {
                print(["the configuration is sound"])?;
                Ok(Verdict::Yes)
            }
            Err(error) => {
                explain(&error);
                Ok(Verdict::No)
            }
        }
    }
}
