//! Servers, asked by wrk.

use core::time::Duration;
use std::path::Path;

use downshift::Form;

use super::document::{Row, Section, Table, Unit};
use super::figures::Figures;
use super::servers::{self, Contestant, REFERENCE, STATIC_FILE};
use super::site::{COLD_IMAGES, Site, Tagged};
use super::wrk::{CONNECTIONS, THREADS, Wrk};

/// How long a server is asked before a hot load is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// What servers are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// The same tag, without an Accept header.
    Schema1Hot,
    /// Other tags all the time, without an Accept header.
    Schema1Cold,
    /// The same tag, as it is stored.
    Schema2Hot,
}

impl Load {
    fn title(self) -> &'static str {
        match self {
            Self::Schema1Hot => "HTTP: schema 1, hot",
            Self::Schema1Cold => "HTTP: schema 1, cold",
            Self::Schema2Hot => "HTTP: schema 2, hot",
        }
    }

    fn text(self) -> String {
        let asked = match self {
            Self::Schema1Hot => {
                "The same tag again and again, without an Accept header, as Docker 1.6–1.9 ask: a schema 2 image has to be \
                 converted, unless the server remembers."
                    .to_owned()
            }
            Self::Schema1Cold => format!(
                "Each of {COLD_IMAGES} tags once, without an Accept header, from a server that has just been started: \
                 each has an image of its own, so that nothing can be remembered. nginx has them as files."
            ),
            Self::Schema2Hot => "The same tag again and again, as it is stored.".to_owned(),
        };
        format!(
            "{asked} The image has 5 layers and a config of 2.4 KB. nginx serves the same bytes as a file. wrk asks over \
             loopback, with {THREADS} threads and {CONNECTIONS} connections; one server runs at a time."
        )
    }

    fn form(self) -> Form {
        match self {
            Self::Schema1Hot | Self::Schema1Cold => Form::Schema1,
            Self::Schema2Hot => Form::Schema2,
        }
    }
}

/// Measures `loads`, each for `time` in each round.
pub(super) fn measure(
    downshift: &Path,
    loads: &[Load],
    rounds: u32,
    time: Duration,
) -> anyhow::Result<Vec<Section>> {
    let (contestants, missing) = servers::contestants(downshift);
    let wrk = match Wrk::find() {
        Ok(wrk) => wrk,
        Err(reason) => {
            return Ok(loads.iter().map(|&load| section(load, Vec::new(), vec![reason.clone()])).collect());
        }
    };
    let site = Site::write()?;
    for contestant in contestants.iter().filter(|contestant| contestant.takes_pushes()) {
        eprintln!("pushing to {}", contestant.name);
        site.push(&contestant.start(&site)?.url(Form::Schema2))?;
    }
    let measure = |&load: &Load| -> anyhow::Result<_> {
        let mut rows: Vec<Row> = contestants
            .iter()
            .map(|contestant| Row { name: contestant.name.to_owned(), figures: Figures::default() })
            .collect();
        for round in 1..=rounds {
            eprintln!("{}, round {round} of {rounds}", load.title());
            for (contestant, row) in contestants.iter().zip(&mut rows) {
                row.figures.push(rate(&wrk, contestant, &site, load, time)?);
            }
        }
        Ok(section(load, rows, missing.clone()))
    };
    loads.iter().map(measure).collect()
}

/// Starts a server, asks it, and looks whether it answers right.
fn rate(wrk: &Wrk, contestant: &Contestant, site: &Site, load: Load, time: Duration) -> anyhow::Result<f64> {
    let server = contestant.start(site)?;
    let form = load.form();
    let url = server.url(form);
    let (rate, tagged) = match load {
        Load::Schema1Cold => (wrk.cold(&url, time)?, Tagged::cold(COLD_IMAGES - 1)),
        Load::Schema1Hot | Load::Schema2Hot => {
            let tagged = Tagged::hot();
            wrk.hot(&url, &tagged, form, WARM_UP)?;
            (wrk.hot(&url, &tagged, form, time)?, tagged)
        }
    };
    site.check(&url, &tagged, form)?;
    Ok(rate)
}

fn section(load: Load, rows: Vec<Row>, left_out: Vec<String>) -> Section {
    let table = Table { subject: "server", unit: Unit::Rate, bases: &[REFERENCE, STATIC_FILE], rows };
    Section { title: load.title().to_owned(), text: load.text(), table, left_out }
}
