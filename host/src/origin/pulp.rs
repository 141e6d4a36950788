//! What Pulp 2 has published for Crane: a folder with `app`, which says what there is, and `web`, which has it. It is only
//! read.
//!
//! The folder is the one that Pulp calls `docker`, with both in `v1` and in `v2`, or one of these. Pulp puts links there:
//! to the last state that was published, which is beside them, and from there to its content, which is elsewhere.

mod files;
mod repository;
mod tree;
mod v1;

pub(crate) use self::repository::Repository;
pub(crate) use self::tree::{Blobs, Protected, PulpTree};
