//! Origins: where images are. OCI layouts in a folder, what Pulp 2 has published, and registries with what they have said.

pub(crate) mod cache;
pub(crate) mod layout;
mod layout_tags;
pub(crate) mod layout_writer;
pub(crate) mod pulp;
pub(crate) mod registry;
pub(crate) mod store;
pub(crate) mod store_files;
pub(crate) mod store_writer;
pub(crate) mod url;
pub(crate) mod verified_blobs;
