//! What a module has in the place of the standard library.

use talc::wasm::WasmDynamicTalc;

#[global_allocator]
static ALLOCATOR: WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// The locks of a program with one thread, for the multiples of the curve's generator: they are computed once.
#[cfg(feature = "sign")]
struct OneThread;

#[cfg(feature = "sign")]
critical_section::set_impl!(OneThread);

#[cfg(feature = "sign")]
#[expect(unsafe_code, reason = "there is one thread, and so nobody is to be kept out")]
unsafe impl critical_section::Impl for OneThread {
    unsafe fn acquire() -> critical_section::RawRestoreState {}

    unsafe fn release((): critical_section::RawRestoreState) {}
}

/// A panic is a trap. What it says would be for nobody.
#[cfg(not(any(feature = "compare", feature = "layer")))]
#[panic_handler]
fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
