//! Benchmarks, soak tests, fuzzing, and recordings of the reference. `cargo xtask` calls it.

mod bench;
mod bless;
mod fuzz;
mod record;
mod soak;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures, fuzzes and records.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Arguments),
    Bless(bless::Arguments),
    Fuzz(fuzz::Arguments),
    Record(record::Arguments),
    Soak(soak::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Bench(arguments) => arguments.run(),
        Command::Bless(arguments) => arguments.run(),
        Command::Fuzz(arguments) => arguments.run(),
        Command::Record(arguments) => arguments.run(),
        Command::Soak(arguments) => arguments.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
