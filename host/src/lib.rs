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
mod answer_cache;
mod blob_body;
mod bounded;
mod cli;
mod client_generation;
mod converter;
mod core_dumps;
mod data;
mod digest;
mod disk_cache;
pub mod engine;
mod error;
mod front;
#[cfg(fuzzing)]
pub mod fuzzing;
mod keys;
mod layout;
mod log;
mod metrics;
mod old_clients;
mod page;
mod permissions;
mod records;
mod server;
mod service;
mod settings;
mod store;
mod store_files;
mod time;
mod upstream;
mod verified_blobs;
mod work_budget;
mod workers;

pub use cli::{run, run_with};
