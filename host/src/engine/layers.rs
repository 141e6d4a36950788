//! The engine for layers: from the bytes of a blob to those of the plain tar, one layer at a time.
//!
//! [`LayerReader`](reader::LayerReader) is a step function: whoever calls it has a thread for that. [`LayerReaders`] is for the server: it has the
//! threads, and bounds what all layers take together.

mod error;
mod pass;
mod reader;
mod readers;
mod unpacking;

pub(crate) use self::error::{LayerError, Take};
pub(crate) use self::pass::LayerPass;
pub(crate) use self::reader::LayerEngine;
pub(crate) use self::readers::{LayerReaders, Wanted};
pub(crate) use self::unpacking::Unpacking;

#[cfg(test)]
pub(super) mod tests;
