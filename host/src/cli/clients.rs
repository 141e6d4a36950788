//! `downshift clients`

use std::path::PathBuf;

use clap::Args;
use downshift::Timestamp;

use super::output::{json, print, write_document};
use super::verdict::Verdict;
use crate::data::old_clients::{self, Sighting};
use crate::error::Error;
use crate::log::printable;
use crate::time::now;

/// List the clients that still ask for old forms: engine, repository, and when they were last seen
///
/// These are clients that do not know OCI manifests. A server writes them into its data folder every few seconds.
#[derive(Args)]
pub(super) struct Clients {
    /// The data folder of the server
    #[arg(long, value_name = "DIR", env = "DOWNSHIFT_DATA")]
    data: PathBuf,
    /// Only those that were seen within this many days
    #[arg(long, value_name = "DAYS")]
    within: Option<u64>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

impl Clients {
    pub(super) fn run(&self) -> Result<Verdict, Error> {
        let mut seen = old_clients::read(&self.data)?;
        if let Some(days) = self.within {
            let since = now().saturating_sub(days.saturating_mul(24 * 60 * 60));
            seen.retain(|sighting| sighting.last >= since);
        }
        if self.json {
            write_document(None, &json(&seen)?)?;
        } else {
            print(lines(&seen))?;
        }
        Ok(Verdict::Yes)
    }
}

/// A table, of which no column is wider than what is in it.
fn lines(seen: &[Sighting]) -> Vec<String> {
    let head = ["ENGINE", "REPOSITORY", "GETS", "REQUESTS", "FIRST SEEN", "LAST SEEN", "FROM"];
    let rows = seen.iter().map(|sighting| {
        let Sighting { engine, repository, form, requests, first, last, address } = sighting;
        [
            if engine.is_empty() { "-" } else { engine }.to_owned(),
            repository.clone(),
            form.clone(),
            requests.to_string(),
            time(*first),
            time(*last),
            address.clone(),
        ]
    });
    // What is escaped takes more room.
    let rows = rows.map(|row| row.map(|cell| printable(&cell)));
    let rows: Vec<_> = core::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn time(seconds: u64) -> String {
    Timestamp::from_seconds(seconds).map_or_else(|| seconds.to_string(), |time| time.to_string())
}
