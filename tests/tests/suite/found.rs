//! What the fuzz targets have found, held to every implementation but the core in this process, whose tests have it.

use std::sync::Arc;

use downshift_cases::found;
use downshift_cases::implementation::Implementation;
use downshift_tests::programs::case_with;
use libtest_mimic::Trial;

use crate::Named;

pub(crate) fn trials(implementation: &Arc<dyn Implementation>) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(&dyn Implementation) -> anyhow::Result<()>>| {
        let implementation = Arc::clone(implementation);
        let name = format!("{}::found::{name}", implementation.name());
        case_with(implementation.programs(), name, move || run(implementation.as_ref()))
    };
    vec![trial(named!(a_manifest_listed_under_two_types_is_needed_once))]
}

fn a_manifest_listed_under_two_types_is_needed_once(
    implementation: &dyn Implementation,
) -> anyhow::Result<()> {
    found::a_manifest_listed_under_two_types_is_needed_once(implementation)
}
