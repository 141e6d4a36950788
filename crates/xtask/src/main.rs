//! The developer's one command: `cargo xtask`.

mod bench;
mod bless;
mod build;
mod fuzz;
mod guest;
mod js;
mod node;
mod package;
mod page;
mod record;
mod serve;
mod soak;
mod test;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, tests and tries Downshift.
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
    Build(build::Arguments),
    Fuzz(fuzz::Arguments),
    Package(package::Arguments),
    Record(record::Arguments),
    Serve(serve::Arguments),
    Soak(soak::Arguments),
    Test(test::Arguments),
    Worker(worker::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Bench(arguments) => arguments.run(),
        Command::Bless(arguments) => arguments.run(),
        Command::Build(arguments) => arguments.run(),
        Command::Fuzz(arguments) => arguments.run(),
        Command::Package(arguments) => arguments.run(),
        Command::Record(arguments) => arguments.run(),
        Command::Serve(arguments) => arguments.run(),
        Command::Soak(arguments) => arguments.run(),
        Command::Test(arguments) => arguments.run(),
        Command::Worker(arguments) => arguments.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
