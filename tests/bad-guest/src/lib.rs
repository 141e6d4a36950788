//! A guest that misbehaves: with the interface of the real one, and none of its promises. The tag that is asked for says
//! what it does, so that one component shows everything that a sandbox has to stop.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![cfg(target_arch = "wasm32")]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

#[expect(clippy::all, unsafe_code, reason = "generated code; the interface is documented in world.wit")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../crates/downshift-guest/wit",
        world: "converter",
        std_feature,
        generate_unused_types: true,
    });
}

use bindings::Guest;
use bindings::downshift::convert::types as wit;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

struct Component;

impl Guest for Component {
    fn answer(
        request: wit::Request,
        documents: Vec<wit::Document>,
        _: Vec<wit::Layer>,
        _: Vec<wit::Verified>,
    ) -> wit::Step {
        match tag(&request) {
            "asks" => wit::Step::Need(needs(vec![need(root(&request))])),
            "floods" => wit::Step::Need(needs((0..100_000).map(|number| need(digest(number))).collect())),
            "floods-layers" => {
                let layers = (0..100_000).map(|number| layer_need(digest(number))).collect();
                wit::Step::Need(wit::Needs { documents: Vec::new(), layers, signatures: Vec::new() })
            }
            "grows" => grow(),
            "lies" => lie(&request, &documents),
            "loops" => spin(),
            "names-layers" => name_layers(),
            "records" => record(&request),
            _ => core::arch::wasm32::unreachable(),
        }
    }
}

#[expect(unsafe_code, reason = "generated code: what the component exports")]
mod exports {
    use super::{Component, bindings};

    bindings::export!(Component with_types_in bindings);
}

/// Never ends.
fn spin() -> ! {
    loop {
        core::hint::black_box(());
    }
}

/// Takes memory until there is no more.
fn grow() -> ! {
    loop {
        core::mem::forget(core::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

/// Gives the stored manifest under the digest of something else.
fn lie(request: &wit::Request, documents: &[wit::Document]) -> wit::Step {
    if documents.is_empty() {
        return wit::Step::Need(needs(vec![need(root(request))]));
    }
    let stored = wit::Described { form: wit::Form::Schema2, digest: root(request), size: 2 };
    wit::Step::Done(wit::Draft {
        form: wit::Form::Schema2,
        media_type: None,
        body: wit::Body::Stored(root(request)),
        digest: Some(digest(1)),
        stored,
        source: None,
        platform: None,
        warnings: Vec::new(),
        signature: None,
        conversion: None,
    })
}

/// Refuses, and has a layer recorded that nobody has read.
fn name_layers() -> wit::Step {
    wit::Step::Refused(wit::Refusal { failure: failure(), records: Vec::new(), layers: vec![digest(1)] })
}

fn failure() -> wit::Failure {
    wit::Failure {
        code: "invalid-json".to_string(),
        fault: wit::Fault::Document,
        cause: "x".to_string(),
        remedy: "x".to_string(),
    }
}

/// Refuses, and has something recorded for another repository.
fn record(request: &wit::Request) -> wit::Step {
    let record = wit::Reported {
        name: "library/other".to_string(),
        digest: digest(1),
        form: wit::Form::Schema2,
        payload: b"{}".to_vec(),
        source: root(request),
        tag: None,
        platform: None,
        time: None,
        signature: None,
    };
    wit::Step::Refused(wit::Refusal { failure: failure(), records: vec![record], layers: Vec::new() })
}

fn digest(number: u32) -> String {
    format!("sha256:{number:064x}")
}

fn tag(request: &wit::Request) -> &str {
    match &request.root {
        wit::Root::Tag(root) => &root.tag,
        wit::Root::Digest(_) => "",
    }
}

fn root(request: &wit::Request) -> String {
    match &request.root {
        wit::Root::Tag(root) => root.digest.clone(),
        wit::Root::Digest(root) => root.digest.clone(),
    }
}

fn need(digest: String) -> wit::Need {
    wit::Need { digest, size: None, media_type: None, kind: wit::NeedKind::Manifest }
}

fn layer_need(digest: String) -> wit::LayerNeed {
    wit::LayerNeed { digest, size: None, media_type: None }
}

fn needs(documents: Vec<wit::Need>) -> wit::Needs {
    wit::Needs { documents, layers: Vec::new(), signatures: Vec::new() }
}
