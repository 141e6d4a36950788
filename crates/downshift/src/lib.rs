//! Converts container image manifests: OCI ↔ Docker schema 2 ↔ signed Docker schema 1.
//!
//! The heart is one pure function, [`answer()`]: from a [request](answer::Request) and the documents at hand to the next
//! [step](answer::Step). It does no I/O, and knows no clock, no randomness and no keys; a shell around it – a server, a
//! CDN worker, a page in a browser, a test – fetches what it needs and signs what it prepares.
//!
//! ```
//! use downshift::answer::{Documents, Request, Root, Step, answer};
//! use downshift::{
//!     Capabilities, Digest, Form, Limits, Permissions, PlainLayers, Platform, Policy, UnsignedSchema1,
//! };
//!
//! let config = br#"{"architecture":"amd64","os":"linux","history":[{"created_by":"CMD","empty_layer":true}],
//!     "rootfs":{"type":"layers","diff_ids":[]}}"#;
//! let manifest = format!(
//!     r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/vnd.docker.container.image.v1+json",
//!         "size":{},"digest":"{}"}},"layers":[]}}"#,
//!     Form::Schema2.media_type(), config.len(), Digest::of(config),
//! );
//! let stored = [(Digest::of(manifest.as_bytes()), manifest.as_bytes()), (Digest::of(config), &config[..])];
//!
//! let request = Request {
//!     root: Root::Tag { name: "library/base".into(), tag: "latest".into(), digest: stored[0].0.clone() },
//!     client: Capabilities::of(&[Form::Schema1Unsigned]),
//!     policy: Policy::Strict,
//!     allow: Permissions::default(),
//!     plain_layers: PlainLayers::default(),
//!     unsigned_schema1: UnsignedSchema1::default(),
//!     default_platform: Platform::linux_amd64(),
//!     time: None,
//!     limits: Limits::default(),
//! };
//! let mut at_hand = 0;
//! let manifest = loop {
//!     let documents: Documents = stored[..at_hand].iter().map(|(digest, bytes)| (digest, Some(*bytes))).collect();
//!     match answer(&request, &documents) {
//!         // First the manifest is needed, then its config.
//!         Step::Need(needs) => {
//!             assert_eq!(needs.documents[0].digest, stored[at_hand].0);
//!             at_hand += 1;
//!         }
//!         Step::Done(draft) => break draft.finish(),
//!         Step::Sign(_) | Step::Refused(_) => unreachable!("an unsigned manifest was asked for"),
//!     }
//! };
//! assert_eq!(manifest.form, Form::Schema1Unsigned);
//! assert!(manifest.body.starts_with(b"{\n   \"schemaVersion\": 1,\n   \"name\": \"library/base\","));
//! ```
//!
//! A schema 1 payload made from schema 2 is the one that Distribution 2.8 makes, to the byte. That takes the rules of
//! Go's `encoding/json`, which [`downshift_json`] follows.
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

pub mod answer;
mod base64url;
mod capabilities;
pub mod check;
mod config;
mod convert;
mod digest;
pub mod document;
mod error;
mod form;
#[cfg(fuzzing)]
pub mod fuzzing;
mod go_struct;
pub mod jwk;
pub mod jws;
pub mod layer;
mod limits;
pub mod opaque;
mod platform;
mod policy;
pub mod report;
pub mod schema1;
mod source_signature;
mod time;

pub use answer::answer;
pub use capabilities::{Capabilities, ZstdSupport};
pub use convert::UpgradeTool;
pub use digest::{Digest, EMPTY_LAYER};
pub use error::{Error, Failure, Fault, Unreadable};
pub use form::{Form, is_manifest_type};
pub use limits::Limits;
pub use platform::Platform;
pub use policy::{Permission, Permissions, PlainLayers, Policy, UnsignedSchema1};
pub use source_signature::{SignatureReading, SourceSignature, SourceVerdict};
pub use time::Timestamp;
