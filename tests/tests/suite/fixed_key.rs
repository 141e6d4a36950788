//! Whole signed documents, to the byte. The core in this process is judged by its own tests.

use std::sync::Arc;

use downshift::Timestamp;
use downshift_cases::documents;
use downshift_cases::fixed_key::{FixedKey, ImageCase};
use downshift_cases::implementation::Implementation;
use downshift_tests::programs::case_with;
use libtest_mimic::Trial;

use crate::Named;

/// A check of one image, signed at a time.
type Check = fn(&dyn Implementation, &ImageCase, Timestamp) -> anyhow::Result<()>;

/// Images, answered and signed by the implementation.
pub(crate) fn trials(implementation: &Arc<dyn Implementation>) -> anyhow::Result<Vec<Trial>> {
    let fixed_key = FixedKey::read()?;
    let time = fixed_key.time()?;
    let (function, run): Named<Check> = named!(gives_the_whole_document);
    let trial = |image_case: ImageCase| {
        let implementation = Arc::clone(implementation);
        let name = format!("{}::fixed_key::{function}::{}", implementation.name(), image_case.name);
        case_with(implementation.programs(), name, move || run(implementation.as_ref(), &image_case, time))
    };
    Ok(fixed_key.cases.into_iter().map(trial).collect())
}

fn gives_the_whole_document(
    implementation: &dyn Implementation,
    image_case: &ImageCase,
    time: Timestamp,
) -> anyhow::Result<()> {
    documents::check(implementation, image_case, time)
}
