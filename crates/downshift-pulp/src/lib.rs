//! What Pulp 2 publishes for Crane: the metadata of a repository, read, and the files of one, written. Nothing here reads or
//! writes a file itself.
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        reason = "a test fails where it does"
    )
)]

mod metadata;
mod publication;

pub use metadata::{Content, METADATA_BYTES, Metadata, Single, Unusable};
pub use publication::{File, Manifest, Publication, Unpublishable, folder_of, id_of};
