//! Whole signed documents, held to an implementation.

use anyhow::bail;
use downshift::{Policy, Timestamp};

use crate::difference;
use crate::fixed_key::ImageCase;
use crate::implementation::{Implementation, Outcome, schema1_request};

/// Checks what an implementation makes of an image, and signs at `time`, against the recorded document.
///
/// # Errors
/// If it is another document, or none.
pub fn check(
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
