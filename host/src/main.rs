//! `downshift`: serves and converts container image manifests.

mod cli;
mod engine;
mod error;
mod keys;
mod layout;
mod log;
mod records;
mod registry;
mod server;
mod store;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
