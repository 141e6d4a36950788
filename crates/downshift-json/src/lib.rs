//! JSON on bytes, with the rules of Go's `encoding/json`.
//!
//! The reference is written in Go, and what it makes of a config depends on rules that no Rust library has: strings
//! may hold invalid UTF-8, lone surrogates are replaced, keys match without regard to case, values are copied as they
//! were spelt. So a document is read into a flat tape of nodes that point into its bytes, and nothing is decoded before
//! somebody asks.
//!
//! ```
//! use downshift_json::{Json, Limits};
//!
//! let json = Json::parse("config", br#"{"OS":"linux","history":[{}, null]}"#, Limits::default())?;
//! let root = json.root();
//! assert_eq!(root.field("os").map(|os| os.text()).as_deref(), Some("linux"));
//! assert_eq!(root.member("os").map(|os| os.kind()), None);
//! assert_eq!(root.member("history").map(|history| history.raw()), Some(&b"[{}, null]"[..]));
//! # Ok::<(), Box<downshift_json::Error>>(())
//! ```
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

mod byte_set;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod limits;
mod object;
mod pretty;
mod read;
mod write;

pub use error::Error;
pub use limits::Limits;
pub use object::{Object, array, string};
pub use pretty::Pretty;
pub use read::{Json, Kind, Value};
