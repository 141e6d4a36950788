//! Recorded documents: those that the reference signed, and those of the fixed key.

use anyhow::{Context, ensure};
use downshift::{Limits, jws};
use downshift_cases::difference;
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::vectors::{self, Expected};
use downshift_sign::{GraviolaSigner, P256Signer, PrivateKey, Signer, verify};

#[test]
fn the_signatures_of_the_reference_hold() -> anyhow::Result<()> {
    let mut count = 0;
    for vector in vectors::read_all()? {
        let Some(signed) = vector.signed_example() else { continue };
        let document = jws::parse(signed.as_bytes(), &Limits::default())?;
        ensure!(verify(&document).is_valid(), "`{}`: the signature does not hold", vector.id);
        let Expected::Payload(payload) = vector.expected()? else { continue };
        difference::compare(&vector.id, &payload, &document.payload)?;
        count += 1;
    }
    ensure!(count > 0, "the reference has signed nothing");
    Ok(())
}

#[test]
fn signers_of_rfc_6979_make_the_recorded_documents() -> anyhow::Result<()> {
    let fixed_key = FixedKey::read()?;
    let key = PrivateKey::parse(fixed_key.pem().as_bytes())?;
    let images = fixed_key.cases.iter().map(|case| (&case.name, &case.signed));
    let objects = fixed_key.format_cases.iter().map(|case| (&case.name, &case.signed));
    for (name, signed) in images.chain(objects) {
        let document = jws::parse(signed.as_bytes(), &Limits::default()).context(name.clone())?;
        ensure!(verify(&document).is_valid(), "`{name}`: the signature does not hold");
        let unsigned = jws::prepare(document.payload, fixed_key.time()?, &Limits::default())?;
        for signer in [&P256Signer::new(&key) as &dyn Signer, &GraviolaSigner::new(&key)] {
            let again = unsigned.seal(&[signer.sign(&unsigned.signing_input())?])?;
            difference::compare(name, signed.as_bytes(), &again)?;
        }
    }
    Ok(())
}
