//! The developer's one command: `cargo xtask`.

mod bench;
mod bless;
mod build;
mod guest;
mod js;
mod node;
mod page;
mod record;
mod serve;
mod test;

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
    Record(record::Arguments),
    Serve(serve::Arguments),
    Test(test::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Bench(arguments) => arguments.run(),
        Command::Bless(arguments) => arguments.run(),
        Command::Build(arguments) => arguments.run(),
        Command::Record(arguments) => arguments.run(),
        Command::Serve(arguments) => arguments.run(),
        Command::Test(arguments) => arguments.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
