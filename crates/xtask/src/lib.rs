//! How the project is built: what `cargo xtask` and the programs beside it share.
//!
//! This crate has next to no dependencies, as the first command of a newcomer waits for them. What takes long to compile
//! is in programs of their own, which are built when they are needed: `xtask-artifacts` makes of compiled WebAssembly what
//! is shipped, and `xtask-lab` measures, fuzzes and records.

pub mod command;
pub mod guest;
pub mod js;
pub mod node;
pub mod page;
pub mod program;
pub mod python;
pub mod toolchain;
