//! The component's world, as `wasmtime` makes Rust of it.

wasmtime::component::bindgen!({ path: "../crates/downshift-guest/wit", world: "converter" });
