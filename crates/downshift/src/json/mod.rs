//! JSON on bytes, with the rules of Go's `encoding/json`.
//!
//! The reference is written in Go, and what it makes of a config depends on rules that no Rust library has: strings
//! may hold invalid UTF-8, lone surrogates are replaced, keys match without regard to case, values are copied as
//! they were spelt. So the core reads documents into a flat tape of nodes that point into the bytes, and decodes
//! nothing before somebody asks.

mod byte_set;
mod object;
mod pretty;
mod read;
mod write;

use byte_set::ByteSet;
pub use object::{Object, array, string};
pub(crate) use pretty::Pretty;
pub use read::{Json, Kind, Value};
#[cfg(fuzzing)]
pub(crate) use write::push_escaped_lossy;
pub(crate) use write::{push_compact, push_escaped};
