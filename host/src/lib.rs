//! The native server and command line: what the program `downshift` is made of.
//!
//! Only [`engine::wasm`] is of use to others: it runs the core in a sandbox.

mod access;
mod answers;
mod blob;
mod cli;
mod converter;
mod documents;
pub mod engine;
mod error;
mod front;
#[cfg(fuzzing)]
pub mod fuzzing;
mod generation;
mod keys;
mod layout;
mod log;
mod metrics;
mod page;
mod records;
mod secrets;
mod server;
mod service;
mod settings;
mod sightings;
mod store;
mod upstream;
mod workers;

pub use cli::{run, run_with};
