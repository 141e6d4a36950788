//! The native server and command line: what the program `downshift` is made of.
//!
//! Only [`engine::wasm`] is of use to others: it runs the core in a sandbox.

mod answers;
mod cli;
pub mod engine;
mod error;
mod keys;
mod layout;
mod log;
mod records;
mod registry;
mod server;
mod store;
mod workers;

pub use cli::run;
