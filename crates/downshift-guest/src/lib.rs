//! The core as a WebAssembly component: decode, call, encode.
//!
//! The interface is `wit/world.wit`. There is no logic here, and there are no imports: what runs in the sandbox is the
//! crate `downshift` and nothing else.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![cfg(target_arch = "wasm32")]

extern crate alloc;

mod bindings;
mod decode;
mod encode;

use alloc::vec::Vec;

use downshift::answer::{Documents, answer};

use bindings::{Guest, wit};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// The core does not panic; should it do so all the same, this request ends with a trap, and only this one.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

struct Component;

impl Guest for Component {
    fn answer(
        request: wit::Request,
        documents: Vec<wit::Document>,
        layers: Vec<wit::Layer>,
        signatures: Vec<wit::Verified>,
    ) -> wit::Step {
        let decoded = match decode::request(request) {
            Ok(request) => request,
            Err(error) => return encode::refused(error),
        };
        let documents = match decode::documents(&documents) {
            Ok(documents) => documents,
            Err(error) => return encode::refused(error),
        };
        let layers = match decode::layers(layers) {
            Ok(layers) => layers,
            Err(error) => return encode::refused(error),
        };
        let signatures = match decode::signatures(signatures) {
            Ok(signatures) => signatures,
            Err(error) => return encode::refused(error),
        };
        let at_hand: Documents<'_> = documents.iter().map(|(digest, bytes)| (digest, *bytes)).collect();
        let at_hand = at_hand.with_layers(layers.iter().map(|(digest, reading)| (digest, reading)));
        let at_hand = at_hand.with_signatures(signatures.iter().map(|(digest, reading)| (digest, reading)));
        encode::step(answer(&decoded, &at_hand))
    }
}

#[expect(unsafe_code, reason = "generated code: what the component exports")]
mod exports {
    use super::{Component, bindings};

    bindings::export!(Component with_types_in bindings);
}
