//! Reports on manifests: bytes in, report out.
//!
//! [`inspect()`] reports on documents that are given together, [`diff()`] compares two of them, and [`matrix()`] says
//! which client gets what, of those that [`clients()`] lists. The reports are plain data that serialise to the JSON
//! which `downshift inspect --json` writes and the package for JavaScript returns; its types, with what each member
//! means, are in `report.d.ts` of that package. There is no I/O here.
//!
//! ```
//! use downshift_inspect::{Given, Kind, inspect};
//!
//! let bytes = br#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":
//!     "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
//! let report = inspect(&[Given::of(bytes)], &[])?;
//! assert_eq!(report.documents[0].kind, Kind::Oci);
//! # Ok::<(), downshift::Error>(())
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

mod chain;
mod claims;
mod command;
mod config;
mod container;
#[cfg(feature = "compare")]
mod diff;
mod evidence;
mod expected;
mod explain;
mod facts;
mod given;
#[cfg(feature = "compare")]
mod image_ids;
mod inspect;
mod kind;
mod layers;
mod limits;
mod matrix;
mod parts;
mod problems;
mod read;
mod report;
mod response;
mod secrets;
mod signatures;
mod text;
mod unreadable;
mod variant;

pub use container::{pack, unpack};
#[cfg(feature = "compare")]
pub use diff::diff;
pub use facts::facts;
pub use given::Given;
#[cfg(feature = "compare")]
pub use image_ids::image_ids;
pub use inspect::inspect;
pub use limits::Limits;
pub use matrix::{Client, clients, matrix};
pub use report::*;
pub use secrets::secrets;
pub use signatures::{Checked, Unchecked, unchecked, verify};
pub use variant::{payload, variant};
