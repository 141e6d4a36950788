//! One pull, from the head of its request to the last byte of its response, as a machine that only says what it wants.
//!
//! Who may pull, what a registry is asked and how often, tokens, redirects, retries, staleness, which documents and
//! records are needed, under which key an answer is kept: all of that is decided here, once for every place. There is no
//! socket, file, clock, thread or lock. A *shell* – the server, a worker at an edge, a test – creates a [`Pull`], calls
//! [`Pull::step`], carries out the [`Effect`]s that it returns, in any order and side by side, and steps again with what
//! came of them:
//!
//! ```
//! use std::sync::Arc;
//!
//! use downshift_pull::{Access, Done, Effect, Pull, Settings, Step};
//! use downshift_registry::Request;
//!
//! let settings = Arc::new(Settings::new(Vec::new(), Access::Open, |_, _| None));
//! let request = Request::read("GET", "/v2/", []).unwrap();
//! let mut pull = Pull::new(settings, request, "https");
//!
//! let Step::Wants { new, .. } = pull.step(0, []) else { panic!("it wants to respond") };
//! let [(ticket, Effect::Respond(reply))] = &new[..] else { panic!("and nothing else") };
//! assert_eq!(reply.response.status, 200);
//! assert!(matches!(pull.step(0, [(*ticket, Done::Responded)]), Step::Finished));
//! ```
//!
//! Inside, the code reads from top to bottom: async functions whose only await is a request to the shell. No future of
//! this crate is ever held by a shell, which has three reasons. At some edges no request may wait for what another one has
//! begun. A trap in WebAssembly takes every future in that memory with it, while a pull that waits outside survives. And
//! whether futures are `Send` is checked here, once.
//!
//! Whatever a shell is asked for twice at the same time by two pulls it may carry out once, for an effect has in it all
//! that decides its outcome, credentials included. Outcomes of pulls are never shared: what one caller was refused says
//! nothing about another.
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

mod access;
mod blob;
mod blob_at;
mod caller;
mod catalog;
mod effect;
mod failure;
mod filling;
mod front;
mod layers;
mod lists;
mod manifest;
mod memory;
mod names;
mod permit;
mod pull;
mod pulp;
mod referrers;
mod registry;
mod repository;
mod repository_kind;
mod settings;
mod shell;
mod trouble;
mod v1;
mod value;
mod variables;

pub use blob::CHECKED_FIRST;
pub use blob_at::BlobAt;
pub use caller::CallerId;
pub use effect::{
    Answered, Ask, AskMethod, Body, BodyId, Conversion, Converted, Copied, Copy, Done, Effect, Event,
    HEADERS, KnownLayer, LayerRead, Learnt, Login, NotFilled, Reply, Response, StoredBlob, StoredCheck,
    StoredManifest, Take, Ticket, Unpack,
};
pub use failure::SharedFailure;
pub use memory::{MAX_PERMITS, MAX_TOKENS, Memory};
pub use names::ListedHost;
pub use pull::{Pull, Step};
pub use settings::{
    Access, Delivery, Domain, Origin, OriginId, Place, Pulp, Registry, Resolve, Scope, Settings, Url,
};
pub use trouble::Trouble;
pub use v1::{MAX_V1_TAGS, V1_PULL_LIFETIME};
pub use value::{AnswerValue, HeadOf, Key, ListValue, ReferrersValue, TagTarget, Value};
pub use variables::{UPSTREAM_TIMEOUT, Variables};
