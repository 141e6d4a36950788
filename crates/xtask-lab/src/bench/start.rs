//! How soon servers answer, and what they take of the memory when nobody asks.

use core::time::Duration;
use std::path::Path;
use std::thread;
use std::time::Instant;

use downshift::Form;

use super::document::{Chapter, Detail, Row, Section, Table, Unit};
use super::process;
use super::servers::{self, REFERENCE, STATIC_FILE};
use super::site::{Site, Tagged};

const TEXT: &str = "\
From the start of the process to the end of the first answer, to a tag without an Accept header. When it is started for
the first time, Downshift compiles its guest, and keeps that in its data folder. What looks whether a server listens does so every 10 ms, for those that do not
say so themselves. The memory is what is resident a second later.";

/// How long after the first answer the memory is looked at.
const REST: Duration = Duration::from_secs(1);

/// Measures all servers that are installed.
pub(super) fn measure(downshift: &Path, rounds: u32) -> anyhow::Result<Chapter> {
    let (contestants, left_out) = servers::contestants(downshift);
    let site = Site::write(vec![vec![Tagged::hot()]])?;
    for contestant in contestants.iter().filter(|contestant| contestant.takes_pushes()) {
        site.push(&contestant.start(&site)?.url(Form::Schema2))?;
    }
    let mut rows = Vec::new();
    for contestant in contestants.iter().filter(|contestant| contestant.is_alone()) {
        rows.push((contestant, false, Row::new(contestant.name)));
        if contestant.compiles() {
            rows.push((contestant, true, Row::new(&format!("{}, for the first time", contestant.name))));
        }
    }
    for round in 1..=rounds {
        eprintln!("starts of servers, round {round} of {rounds}");
        for (contestant, is_first, row) in &mut rows {
            if !*is_first {
                // Leaves behind what the next one finds.
                drop(contestant.start(&site)?);
            }
            let start = Instant::now();
            let server = if *is_first { contestant.start(&site)? } else { contestant.start_again(&site)? };
            servers::get(&format!("{}{}", server.url(Form::Schema1), Tagged::hot().path()))?;
            let taken = start.elapsed();
            thread::sleep(REST);
            let resident = process::memory(server.process())?.resident;
            row.push(taken.as_secs_f64() * 1e3, [resident]);
        }
    }
    let rows = rows.into_iter().map(|(_, _, row)| row).collect();
    let details = &[Detail { name: "idle memory", unit: Unit::Mebibytes }];
    let table = Table {
        subject: "server",
        unit: Unit::Milliseconds,
        bases: &[REFERENCE, STATIC_FILE],
        details,
        rows,
    };
    let section = Section { title: "First answer".to_owned(), text: None, table };
    Ok(Chapter { title: "Start", text: TEXT.to_owned(), sections: vec![section], left_out })
}
