//! The one test suite: every case, for every implementation.
//!
//! Names begin with the place, and end with the function that fails, or with that and the row of its table: so that
//! `cargo xtask test node::vectors` runs what it says, and what is printed is what to look for.

/// A function with its own name, for a trial that carries it.
macro_rules! named {
    ($function:ident) => {
        (stringify!($function), $function as _)
    };
}

/// What [`named`] makes.
type Named<F> = (&'static str, F);

mod arbitrary;
mod archives;
mod chain;
mod clients;
mod command_line;
mod convert;
mod edge;
mod engines;
mod fixed_key;
mod found;
mod http;
mod inspect;
mod layers;
mod oci_client;
mod operation;
mod outcomes;
mod package;
mod page;
mod proxy;
mod publish;
mod pulp;
mod pulp_sync;
mod refusals;
mod registry;
mod replay;
mod rows;
mod seed;
mod skopeo;
mod sync;
mod terminal;
mod threats;
mod upstream;
mod upward;
mod vectors;
mod wasmtime;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use downshift_cases::implementation::{Implementation, Native};
use downshift_tests::front::{ENGINES, Engine};
use downshift_tests::javascript::{JavaScript, Place};
use libtest_mimic::{Arguments, Trial};

use self::wasmtime::Wasmtime;

/// Trials that run at a time for each processor: most of them wait for a server, a browser or a clock most of the time.
const THREADS_PER_PROCESSOR: usize = 6;

/// Trials that run at a time.
static THREADS: OnceLock<usize> = OnceLock::new();

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    let threads = arguments.test_threads.unwrap_or_else(|| {
        THREADS_PER_PROCESSOR * std::thread::available_parallelism().map_or(1, usize::from)
    });
    arguments.test_threads = Some(*THREADS.get_or_init(|| threads));
    let mut trials = proxy::trials();
    let implementations: [Arc<dyn Implementation>; 5] = [
        Arc::new(Native),
        Arc::new(Wasmtime::new()?),
        Arc::new(JavaScript::new(Place::Node)),
        Arc::new(JavaScript::new(Place::Browser)),
        Arc::new(JavaScript::new(Place::Workerd)),
    ];
    let [native, wasmtime, ..] = &implementations;
    trials.extend(arbitrary::trials(native, wasmtime));
    trials.extend(registry::trials(native));
    for implementation in &implementations[1..] {
        trials.extend(vectors::trials(implementation)?);
        trials.extend(fixed_key::trials(implementation)?);
        trials.extend(registry::trials(implementation));
        trials.extend(found::trials(implementation));
    }
    for &engine in ENGINES {
        trials.extend(front(engine)?);
        trials.extend(threats::trials(engine));
        trials.extend(pulp::trials(engine));
        trials.extend(convert::trials(engine));
    }
    trials.extend(edge::trials()?);
    trials.extend(rows::trials());
    trials.extend(package::trials());
    trials.extend(outcomes::reference_trials()?);
    trials.extend(wasmtime::trials()?);
    trials.extend(command_line::trials());
    trials.extend(terminal::trials());
    trials.extend(inspect::trials()?);
    trials.extend(engines::trials());
    trials.extend(operation::trials());
    trials.extend(publish::trials());
    trials.extend(chain::trials());
    trials.extend(sync::trials());
    trials.extend(pulp_sync::trials());
    // A worker has one thread, and so has a browser.
    let is_of_one_worker = |trial: &Trial| trial.name().starts_with("workerd::upstream::outcomes");
    let (of_one_worker, trials) = trials.into_iter().partition(is_of_one_worker);
    let trials = spread(page::trials(), spread(of_one_worker, trials));
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// Puts those that wait for one another between others: side by side they would keep every thread waiting, and no processor
/// busy.
fn spread(few: Vec<Trial>, many: Vec<Trial>) -> Vec<Trial> {
    let distance = many.len() / (few.len() + 1) + 1;
    let mut few = few.into_iter();
    let mut all = Vec::with_capacity(few.len() + many.len());
    for (at, trial) in many.into_iter().enumerate() {
        if at % distance == 0 {
            all.extend(few.next());
        }
        all.push(trial);
    }
    all.extend(few);
    all
}

/// Every case of what is served over HTTP.
fn front(engine: Engine) -> anyhow::Result<Vec<Trial>> {
    let mut trials = seed::trials(engine);
    trials.extend(http::trials(engine));
    trials.extend(refusals::trials(engine));
    trials.extend(clients::trials(engine));
    trials.extend(replay::trials(engine));
    trials.extend(skopeo::trials(engine));
    trials.extend(upstream::trials(engine));
    trials.extend(layers::trials(engine));
    trials.extend(upward::trials(engine));
    trials.extend(archives::trials(engine));
    trials.extend(outcomes::trials(engine)?);
    Ok(trials)
}
