//! Registries made of files, which any web server can serve: who gets which of them, and what a web server has to be told for
//! that. Nothing here reads or writes a file.
//!
//! What a client gets is decided elsewhere, by asking for each image as it does. Clients that are answered alike in everything
//! are one [`Variant`]; here it is found out by which `User-Agent` and `Accept` a web server knows them.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::panic_in_result_fn,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod audience;
mod naming;
mod pattern;
mod rules;
pub mod server;
mod tree;
mod v1;

pub use audience::{Audience, MAX_CLIENTS, Named};
pub use naming::Naming;
pub use rules::{Rule, Rules, Variant};
pub use tree::{
    HEADERS, Headers, NETLIFY_HEADERS, TAGS_MAP, VARIANTS_MAP, base_path, blob_path, catalog_path,
    client_link, extension, is_by_digest, manifest_path, object_path, plain_tag_path, reported_headers,
    tag_link, tags_path,
};
pub use v1::{
    V1, V1_CLIENT, V1_SIZES, V1Ids, v1_audience, v1_image_link, v1_image_of, v1_images_path, v1_object_path,
    v1_ping_path, v1_tags_path, v1_variants,
};
