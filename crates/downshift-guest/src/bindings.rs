//! What `wit/world.wit` says, as Rust.

#[allow(clippy::all, reason = "generated code, of which Clippy finds something or nothing")]
#[expect(unsafe_code, reason = "generated code; the interface is documented in wit/world.wit")]
mod generated {
    wit_bindgen::generate!({ path: "wit", world: "converter", std_feature, generate_unused_types: true });
}

pub(crate) use generated::downshift::convert::types as wit;
pub(crate) use generated::*;
