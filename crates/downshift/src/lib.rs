//! Converts container image manifests: OCI ↔ Docker schema 2 ↔ signed Docker schema 1.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    // What comes from outside must never bring the program down.
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used
)]

extern crate alloc;

pub mod answer;
mod capabilities;
pub mod check;
mod config;
mod convert;
mod digest;
pub mod document;
mod error;
mod form;
pub mod inspect;
mod json;
pub mod jwk;
pub mod jws;
mod layer;
mod limits;
mod platform;
mod policy;
pub mod report;
pub mod schema1;
mod time;

pub use answer::answer;
pub use capabilities::Capabilities;
pub use digest::{Digest, EMPTY_LAYER};
pub use error::{Error, Fault};
pub use form::Form;
pub use limits::Limits;
pub use platform::Platform;
pub use policy::Policy;
pub use time::Timestamp;
