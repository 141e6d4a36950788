//! The native server and command line: what the program `downshift` is made of.
//!
//! Only [`engine::wasm`] is of use to others: it runs the core in a sandbox.
#![cfg_attr(
    not(test),
    deny(
        // What comes from outside must never bring the program down.
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::panic_in_result_fn,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod access;
mod allocator;
mod bounded;
mod byte_cache;
mod cli;
mod client_generation;
mod core_dumps;
mod data;
mod digest;
pub mod engine;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod log;
mod metrics;
mod origin;
mod page;
mod permissions;
mod pull;
mod server;
mod service;
mod settings;
mod time;
mod work_budget;

pub use cli::{run, run_with};
