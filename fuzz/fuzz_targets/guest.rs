//! The step function in the sandbox and in this process: the same to the byte, and no trap.

#![no_main]

use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use downshift_cases::implementation::Outcome;
use downshift_fuzz::answers::{drive, native};
use downshift_fuzz::arbitrary::Case;
use downshift_fuzz::images::Asked;
use downshift_host::engine::GUEST;
use downshift_host::engine::wasm::Sandbox;
use libfuzzer_sys::fuzz_target;

static SANDBOX: LazyLock<Arc<Sandbox>> =
    LazyLock::new(|| Sandbox::new(GUEST, 1, None).expect("the guest of this program can be run"));

// Before the first input: compiling the guest may take longer than an input may.
fuzz_target!(init: { LazyLock::force(&SANDBOX); }, |input: &[u8]| compare(input));

fn compare(input: &[u8]) {
    // The first byte says whether the rest are bytes of a document or of choices.
    let asked = match input.split_first() {
        Some((choice, rest)) if choice % 2 == 1 => {
            Case::arbitrary_take_rest(Unstructured::new(rest)).ok().map(|case| case.asked())
        }
        Some((_, rest)) => Asked::plain(rest),
        None => None,
    };
    let Some(asked) = asked else { return };
    let own = native(&asked);
    let in_sandbox = match SANDBOX.open() {
        Ok(mut session) => drive(&asked, |fetched| session.step(&asked.request, fetched)),
        Err(failure) => Outcome::refused(failure),
    };
    assert_eq!(own, in_sandbox);
    assert_eq!(SANDBOX.traps(), 0, "the guest trapped");
}
