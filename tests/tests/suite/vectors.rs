//! The recorded conversions, under both policies.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::ensure;
use downshift::Policy;
use downshift_tests::implementation::Implementation;
use downshift_tests::programs::case_with;
use downshift_tests::strict;
use downshift_tests::vectors::{self, Vector};
use libtest_mimic::Trial;

pub(crate) fn trials(implementation: &Arc<dyn Implementation>) -> anyhow::Result<Vec<Trial>> {
    let table = Arc::new(strict::read()?);
    let name = implementation.name();
    let vectors = vectors::read_all()?;
    let ids: BTreeSet<String> = vectors.iter().map(|vector| vector.id.clone()).collect();
    let mut trials = Vec::new();
    for vector in vectors {
        let case_name =
            vector.id.rsplit_once('-').map_or(vector.id.clone(), |(file, line)| format!("{file}::{line}"));
        let vector = Arc::new(vector);
        trials.push(case_with(implementation.programs(), format!("{name}::{case_name}"), {
            let (implementation, vector) = (Arc::clone(implementation), Arc::clone(&vector));
            move || follows_the_reference(implementation.as_ref(), &vector)
        }));
        trials.push(case_with(implementation.programs(), format!("{name}::strict::{case_name}"), {
            let (implementation, table) = (Arc::clone(implementation), Arc::clone(&table));
            move || strict::check(&table, implementation.as_ref(), &vector)
        }));
    }
    trials.push(case_with(
        implementation.programs(),
        format!("{name}::strict::the_table_has_no_other_lines"),
        move || {
            let stale: Vec<&String> = table.keys().filter(|id| !ids.contains(*id)).collect();
            ensure!(stale.is_empty(), "there are no vectors {stale:?}: run `cargo xtask bless`");
            Ok(())
        },
    ));
    Ok(trials)
}

fn follows_the_reference(implementation: &dyn Implementation, vector: &Vector) -> anyhow::Result<()> {
    let outcome = implementation.answer(&vector.request(Policy::Reference)?, &vector.documents()?);
    vector.expected()?.check(&outcome)
}
