//! `downshift check-config`

use clap::Args;

use super::options::Options;
use super::output::print;
use super::runtime::runtime;
use super::verdict::Verdict;
use crate::error::Error;
use crate::log::explain;
use crate::service;

/// Check the settings of a server: the file, the environment and the options, and every file that these name
///
/// Nothing is written. No registry is contacted, unless --online is given.
#[derive(Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    options: Options,
    /// Ask each upstream registry once: whether it can be reached, is a registry, and accepts the password in the settings
    #[arg(long)]
    online: bool,
}

impl CheckConfig {
    pub(super) fn run(&self) -> Result<Verdict, Error> {
        let checked = match self.options.settings().and_then(|settings| service::check(&settings)) {
            Ok(checked) => checked,
            Err(error) => {
                explain(&error);
                return Ok(Verdict::No);
            }
        };
        if self.online {
            let failures = runtime()?.block_on(checked.probe());
            let is_sound = failures.is_empty();
            failures.into_iter().map(Error::Core).for_each(|error| explain(&error));
            if !is_sound {
                return Ok(Verdict::No);
            }
        }
        print(["the configuration is sound"])?;
        Ok(Verdict::Yes)
    }
}
