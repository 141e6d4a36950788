//! The step function, for arbitrary images and clients.

#![no_main]

use downshift_fuzz::answers::{is_sound, native};
use downshift_fuzz::arbitrary::Case;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|case: Case| {
    let asked = case.asked();
    is_sound(&asked, &native(&asked));
});
