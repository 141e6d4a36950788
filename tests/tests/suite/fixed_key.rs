//! Whole signed documents, to the byte.

use std::sync::Arc;

use anyhow::bail;
use downshift::{Limits, Policy, Timestamp, jws};
use downshift_sign::Signer;
use downshift_tests::difference;
use downshift_tests::fixed_key::{FixedKey, FormatCase, ImageCase};
use downshift_tests::implementation::{Implementation, Outcome, schema1_request};
use downshift_tests::programs::{case, case_with};
use libtest_mimic::Trial;

/// Images, answered and signed by the implementation.
pub(crate) fn trials(implementation: &Arc<dyn Implementation>) -> anyhow::Result<Vec<Trial>> {
    let fixed_key = FixedKey::read()?;
    let time = fixed_key.time()?;
    let trial = |image_case: ImageCase| {
        let implementation = Arc::clone(implementation);
        let name = format!("{}::fixed-key::{}", implementation.name(), image_case.name);
        case_with(implementation.programs(), name, move || {
            gives_the_whole_document(implementation.as_ref(), &image_case, time)
        })
    };
    Ok(fixed_key.cases.into_iter().map(trial).collect())
}

/// JSON objects in several layouts, sealed by the core's own module for that.
pub(crate) fn format_trials() -> anyhow::Result<Vec<Trial>> {
    let fixed_key = Arc::new(FixedKey::read()?);
    let trial = |format_case: &FormatCase| {
        let (fixed_key, format_case) = (Arc::clone(&fixed_key), format_case.clone());
        case(format!("jws::{}", format_case.name.replace(' ', "-")), move || {
            keeps_the_layout(&fixed_key, &format_case)
        })
    };
    Ok(fixed_key.format_cases.iter().map(trial).collect())
}

/// Checks what an implementation makes of an image, and signs, against the recorded document.
pub(crate) fn gives_the_whole_document(
    implementation: &dyn Implementation,
    image_case: &ImageCase,
    time: Timestamp,
) -> anyhow::Result<()> {
    let image = image_case.image()?;
    let digest = image.manifest.digest();
    let mut request = schema1_request(&image_case.repository, &image_case.tag, digest, Policy::Reference);
    request.time = Some(time);
    match implementation.answer(&request, &image.documents()) {
        Outcome::Answered(answer) => {
            difference::compare("document", image_case.signed.as_bytes(), &answer.body)
        }
        outcome => bail!("it is not converted: {outcome:?}"),
    }
}

fn keeps_the_layout(fixed_key: &FixedKey, format_case: &FormatCase) -> anyhow::Result<()> {
    let payload = format_case.payload.as_bytes();
    let unsigned = jws::prepare(payload.to_vec(), fixed_key.time()?, &Limits::default())?;
    let signature = fixed_key.signer()?.sign(&unsigned.signing_input())?;
    let signed = unsigned.seal(&[signature])?;
    difference::compare("document", format_case.signed.as_bytes(), &signed)?;
    difference::compare("recovered payload", payload, &jws::parse(&signed, &Limits::default())?.payload)
}
