//! The step function, for images around a config or a manifest of which every byte is the fuzzer's.

#![no_main]

use downshift_fuzz::answers::{is_sound, native};
use downshift_fuzz::images::Asked;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(asked) = Asked::plain(input) {
        is_sound(&asked, &native(&asked));
    }
});
