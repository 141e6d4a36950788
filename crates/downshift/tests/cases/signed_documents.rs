//! Whole signed documents with a fixed key and time, to the byte: `tests/vectors/fixed-key.json`.

use anyhow::{Context, bail};
use downshift::answer::{Request, Root};
use downshift::{Capabilities, Digest, Form, Limits, Policy, jws};
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::implementation::{Implementation, Native, Outcome, schema1_request};
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

/// A folder may name the signed bytes by a digest of their own. Whoever asks for it gets these bytes: the payload without
/// its signature, or with another one, has another digest.
#[test]
fn signed_bytes_are_what_their_own_digest_gives() -> anyhow::Result<()> {
    let fixed_key = FixedKey::read()?;
    let clients = [
        Capabilities::default(),
        Capabilities::default().with_schema1_engine(),
        Capabilities::of(&[Form::Schema1Unsigned]),
        Capabilities::of(&[Form::Schema1Unsigned, Form::Schema1]),
    ];
    for stored in fixed_key.cases.iter().map(|case| case.signed.as_bytes()) {
        let digest = Digest::of(stored);
        let documents = [(digest.clone(), stored.to_vec())].into();
        for client in &clients {
            let name = "library/archive".to_owned();
            let root = Root::Digest { name, digest: digest.clone(), tag: None, record: None };
            let request = schema1_request("library/archive", "latest", digest.clone(), Policy::Strict);
            let request = Request { root, client: client.clone(), ..request };
            let Outcome::Answered(answer) = Native.answer(&request, &documents) else {
                bail!("{client:?}: no answer")
            };
            difference::compare("body", stored, &answer.body)?;
            assert_eq!(answer.digest, digest, "{client:?}");
        }
    }
    Ok(())
}
