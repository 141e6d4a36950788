//! The one test suite: every case, for every implementation.
//!
//! Names begin with the implementation, so that `cargo xtask test native::edge` runs what it says.

mod arbitrary;
mod clients;
mod command_line;
mod convert;
mod engines;
mod fixed_key;
mod http;
mod inspect;
mod outcomes;
mod page;
mod proxy;
mod refusals;
mod registry;
mod replay;
mod seed;
mod skopeo;
mod upstream;
mod vectors;
mod wasmtime;

use std::process::ExitCode;
use std::sync::Arc;

use downshift_tests::front::{ENGINES, WORKERD};
use downshift_tests::implementation::{Implementation, Native};
use downshift_tests::javascript::{JavaScript, Place};
use libtest_mimic::Arguments;

use self::wasmtime::Wasmtime;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::from_args();
    let mut trials = proxy::trials();
    let implementations: [Arc<dyn Implementation>; 4] = [
        Arc::new(Native),
        Arc::new(Wasmtime::new()?),
        Arc::new(JavaScript::new(Place::Node)),
        Arc::new(JavaScript::new(Place::Workerd)),
    ];
    let [native, wasmtime, ..] = &implementations;
    trials.extend(arbitrary::trials(native, wasmtime));
    for implementation in implementations {
        trials.extend(vectors::trials(&implementation)?);
        trials.extend(fixed_key::trials(&implementation)?);
        trials.extend(registry::trials(&implementation));
    }
    for &engine in ENGINES {
        trials.extend(seed::trials(engine));
        trials.extend(http::trials(engine));
        trials.extend(refusals::trials(engine));
        trials.extend(clients::trials(engine));
        trials.extend(replay::trials(engine));
        trials.extend(convert::trials(engine));
        trials.extend(skopeo::trials(engine));
        trials.extend(upstream::trials(engine));
    }
    trials.extend(skopeo::trials(WORKERD));
    trials.extend(outcomes::trials()?);
    trials.extend(page::trials());
    trials.extend(fixed_key::format_trials()?);
    trials.extend(wasmtime::trials()?);
    trials.extend(command_line::trials());
    trials.extend(inspect::trials()?);
    trials.extend(engines::trials());
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
