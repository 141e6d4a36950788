//! The table of access and faults, in the scripted world: one test for each row.

use std::process::ExitCode;

use downshift_world::rows;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let trials = rows::all().into_iter().map(|row| {
        Trial::test(row.name.clone(), move || {
            let mut world = row.options.world("http");
            rows::run(&row, &mut world).map_err(|error| format!("{error:?}").into())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
