//! The table of access and faults: what registries do, who asks for what and when, what comes, and what the registries were
//! asked.
//!
//! A row is data, and says nothing about the place: [`run`] puts it to a [`Place`], which is the [world](crate::world) or a
//! server that has the same network behind it on real sockets.

mod access;
mod blobs;
mod documents;
mod failures;
mod field;
mod layers;
mod lists;
mod mirrors;
mod row;
mod tags;
mod upward;
mod v1;

pub use self::row::{
    AccessOption, Ask, Comes, Options, Place, Row, Step, Upstream, resolve, run, schema1_digest,
    schema1_digest_of,
};

/// All rows.
#[must_use]
pub fn all() -> Vec<Row> {
    let rows = [access::rows(), documents::rows(), field::rows(), tags::rows(), blobs::rows(), lists::rows()];
    [rows.concat(), failures::rows(), mirrors::rows(), layers::rows(), upward::rows(), v1::rows()].concat()
}
