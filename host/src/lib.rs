//! The native server and command line: what the program `downshift` is made of.
//!
//! Only [`engine::wasm`] is of use to others: it runs the core in a sandbox.

mod access;
mod answers;
mod blob;
mod cli;
mod converter;
pub mod engine;
mod error;
mod front;
mod keys;
mod layout;
mod log;
mod page;
mod records;
mod server;
mod store;
mod upstream;
mod workers;

pub use cli::run;
