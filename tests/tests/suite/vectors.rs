//! The recorded conversions, under both policies. The core in this process is judged by its own tests.

use std::sync::Arc;

use downshift::Policy;
use downshift_cases::implementation::Implementation;
use downshift_cases::strict::{self, Table};
use downshift_cases::vectors::{self, Vector};
use downshift_tests::programs::case_with;
use libtest_mimic::Trial;

use crate::Named;

/// A check of one vector.
type Check = fn(&dyn Implementation, &Vector, &Table) -> anyhow::Result<()>;

pub(crate) fn trials(implementation: &Arc<dyn Implementation>) -> anyhow::Result<Vec<Trial>> {
    let table = Arc::new(strict::read()?);
    let name = implementation.name();
    let vectors = vectors::read_all()?;
    let mut trials = Vec::new();
    for vector in vectors {
        let case_name =
            vector.id.rsplit_once('-').map_or(vector.id.clone(), |(file, line)| format!("{file}::{line}"));
        let vector = Arc::new(vector);
        let trial = |(function, run): Named<Check>| {
            let name = format!("{name}::vectors::{function}::{case_name}");
            let (implementation, vector, table) =
                (Arc::clone(implementation), Arc::clone(&vector), Arc::clone(&table));
            case_with(implementation.programs(), name, move || run(implementation.as_ref(), &vector, &table))
        };
        trials.push(trial(named!(follows_the_reference)));
        trials.push(trial(named!(follows_the_strict_table)));
    }
    Ok(trials)
}

fn follows_the_reference(
    implementation: &dyn Implementation,
    vector: &Vector,
    _: &Table,
) -> anyhow::Result<()> {
    let outcome = implementation.answer(&vector.request(Policy::Reference)?, &vector.documents()?);
    vector.expected()?.check(&outcome)
}

fn follows_the_strict_table(
    implementation: &dyn Implementation,
    vector: &Vector,
    table: &Table,
) -> anyhow::Result<()> {
    strict::check(table, implementation, vector)
}
