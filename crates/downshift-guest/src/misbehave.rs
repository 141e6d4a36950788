//! What the suite's bad guests do: see the features in `Cargo.toml`. In the real one this is nothing.

/// Does one bad thing, if this guest was built for that.
pub(crate) fn misbehave() {
    #[cfg(feature = "loops")]
    loop {
        core::hint::black_box(());
    }
    #[cfg(feature = "grows")]
    loop {
        core::mem::forget(core::hint::black_box(alloc::vec![1_u8; 1 << 20]));
    }
    #[cfg(feature = "traps")]
    core::arch::wasm32::unreachable();
}
