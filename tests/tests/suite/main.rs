//! The one test suite: every case, for every implementation.
//!
//! Names begin with the implementation, so that `cargo xtask test native::edge` runs what it says.

mod fixed_key;
mod proxy;
mod registry;
mod vectors;
mod wasmtime;

use std::process::ExitCode;
use std::sync::Arc;

use downshift_tests::implementation::{Implementation, Native};
use libtest_mimic::Arguments;

use self::wasmtime::Wasmtime;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::from_args();
    let mut trials = proxy::trials();
    let implementations: [Arc<dyn Implementation>; 2] = [Arc::new(Native), Arc::new(Wasmtime::new()?)];
    for implementation in implementations {
        trials.extend(vectors::trials(&implementation)?);
        trials.extend(fixed_key::trials(&implementation)?);
        trials.extend(registry::trials(&implementation));
    }
    trials.extend(fixed_key::format_trials()?);
    trials.extend(wasmtime::trials()?);
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
