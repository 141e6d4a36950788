//! Servers, asked by wrk.

use core::time::Duration;
use std::path::Path;

use downshift::Form;

use super::document::{Chapter, Row, Section, Table, Unit};
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
            Self::Schema1Hot => "Schema 1, hot",
            Self::Schema1Cold => "Schema 1, cold",
            Self::Schema2Hot => "Schema 2, hot",
        }
    }

    fn text(self) -> String {
        match self {
            Self::Schema1Hot => {
                "The same tag again and again, without an Accept header, as Docker 1.6–1.9 ask.".to_owned()
            }
            Self::Schema1Cold => format!(
                "Each of {COLD_IMAGES} tags once, without an Accept header. Every tag has an image of its own, so that \
                 there is nothing to\nremember."
            ),
            Self::Schema2Hot => "The same tag again and again, in the form in which it is stored.".to_owned(),
        }
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
) -> anyhow::Result<Chapter> {
    let (contestants, missing) = servers::contestants(downshift);
    let mut chapter = Chapter { title: "HTTP", text: text(), sections: Vec::new(), left_out: missing };
    let wrk = match Wrk::find() {
        Ok(wrk) => wrk,
        Err(reason) => {
            chapter.left_out = vec![reason];
            return Ok(chapter);
        }
    };
    let mut images = vec![vec![Tagged::hot()]];
    if loads.contains(&Load::Schema1Cold) {
        images.extend(Tagged::all_cold());
    }
    let site = Site::write(images)?;
    for contestant in contestants.iter().filter(|contestant| contestant.takes_pushes()) {
        eprintln!("pushing to {}", contestant.name);
        site.push(&contestant.start(&site)?.url(Form::Schema2))?;
    }
    for &load in loads {
        let mut rows: Vec<Row> = contestants.iter().map(|contestant| Row::new(contestant.name)).collect();
        for round in 1..=rounds {
            eprintln!("{}, round {round} of {rounds}", load.title());
            for (contestant, row) in contestants.iter().zip(&mut rows) {
                row.figures.push(rate(&wrk, contestant, &site, load, time)?);
            }
        }
        let table = Table { subject: "server", unit: Unit::Rate, bases: &[REFERENCE, STATIC_FILE], rows };
        chapter.sections.push(Section { title: load.title().to_owned(), text: Some(load.text()), table });
    }
    Ok(chapter)
}

fn text() -> String {
    format!(
        "\
Requests a second. All images are stored as schema 2, with 5 layers and a config of 2.4 KB. Who asks for schema 1 gets a
conversion, unless the server remembers one; Downshift signs with p256, and has every digest that it reports on the disk
before it does. It has its images from a folder, or from docker-registry, which then runs on the same processors. nginx
serves the same bytes as files.

wrk asks over loopback, with {THREADS} threads and {CONNECTIONS} connections. Each measurement starts its server anew, and no other runs
meanwhile; before a hot load is measured, the server is asked for {} s. Every server has its usual settings, but writes
no log.",
        WARM_UP.as_secs()
    )
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
