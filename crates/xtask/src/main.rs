//! The developer's one command: `cargo xtask`.

mod build;
mod lab;
mod package;
mod serve;
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
    Build(build::Arguments),
    Package(package::Arguments),
    Serve(serve::Arguments),
    Test(test::Arguments),
    Worker(worker::Arguments),
    #[command(flatten)]
    Lab(lab::Command),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Build(arguments) => arguments.run(),
        Command::Package(arguments) => arguments.run(),
        Command::Serve(arguments) => arguments.run(),
        Command::Test(arguments) => arguments.run(),
        Command::Worker(arguments) => arguments.run(),
        Command::Lab(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
