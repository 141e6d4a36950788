//! The cases that every place is judged by, as plain data: recorded conversions, images, signed documents, the tables
//! of `outcomes.md`; and the core in this process as the first [`implementation`].
//!
//! The tests of the core and of its neighbours stand on this crate alone. The suite, `downshift-tests`, puts the same
//! cases to every other place.

pub mod difference;
pub mod documents;
pub mod expectations;
mod files;
pub mod fixed_key;
pub mod found;
pub mod images;
pub mod implementation;
pub mod layers;
pub mod outcomes;
pub mod random;
pub mod response;
pub mod samples;
pub mod signed;
pub mod strict;
pub mod upward;
pub mod vectors;
