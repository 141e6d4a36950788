//! Makes of compiled WebAssembly what is shipped. `cargo xtask` calls it.

mod component;
mod files;
mod module;
mod page;
mod sample;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes of compiled WebAssembly what is shipped.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Component(component::Arguments),
    Module(module::Arguments),
    Page(page::Arguments),
    Sample(sample::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Component(arguments) => arguments.run(),
        Command::Module(arguments) => arguments.run(),
        Command::Page(arguments) => arguments.run(),
        Command::Sample(arguments) => arguments.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
