//! Whole signed documents with a fixed key and time, to the byte: `tests/vectors/fixed-key.json`.

use anyhow::Context;
use downshift::{Limits, jws};
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::implementation::Native;
use downshift_cases::{difference, documents};
use downshift_sign::Signer;

#[test]
fn images_give_the_recorded_documents() -> anyhow::Result<()> {
    let fixed_key = FixedKey::read()?;
    for case in &fixed_key.cases {
        documents::check(&Native, case, fixed_key.time()?).with_context(|| case.name.clone())?;
    }
    Ok(())
}

#[test]
fn a_signature_keeps_the_layout_of_its_payload() -> anyhow::Result<()> {
    let fixed_key = FixedKey::read()?;
    let signer = fixed_key.signer()?;
    for case in &fixed_key.format_cases {
        let payload = case.payload.as_bytes();
        let unsigned = jws::prepare(payload.to_vec(), fixed_key.time()?, &Limits::default())?;
        let signed = unsigned.seal(&[signer.sign(&unsigned.signing_input())?])?;
        difference::compare(&case.name, case.signed.as_bytes(), &signed)?;
        let read = jws::parse(&signed, &Limits::default()).with_context(|| case.name.clone())?;
        difference::compare(&case.name, payload, &read.payload)?;
    }
    Ok(())
}
