//! The core for JavaScript. What people import is the package around it, in `js/`: here is what that calls.
//!
//! Plain data crosses the border as JSON, which both sides have anyway, and documents as bytes. There is no logic here:
//! each function decodes, calls the core or the registry's side of HTTP, and encodes.

#![allow(missing_docs, unreachable_pub, reason = "what is public here is for JavaScript")]
// A tenth of what edges would load is what the standard library says of panics.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

#[cfg(target_arch = "wasm32")]
mod bare;

#[cfg(any(feature = "convert", feature = "inspect", feature = "layer", feature = "sign"))]
mod js_error;
#[cfg(any(feature = "convert", feature = "inspect", feature = "layer", feature = "sign"))]
mod json;

#[cfg(feature = "convert")]
mod argument;
#[cfg(feature = "compare")]
mod compare;
#[cfg(feature = "convert")]
mod conversion;
#[cfg(feature = "convert")]
mod decode;
#[cfg(feature = "convert")]
mod encode;
#[cfg(feature = "inspect")]
mod inspect;
#[cfg(feature = "layer")]
mod layer;
#[cfg(feature = "pull")]
mod pull;
#[cfg(feature = "registry")]
mod registry;
#[cfg(feature = "registry")]
mod reply;
#[cfg(feature = "sign")]
mod signer;
#[cfg(feature = "registry")]
mod upstream;
