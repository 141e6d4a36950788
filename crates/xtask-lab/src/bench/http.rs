//! Servers, asked by wrk.

use core::time::Duration;
use std::path::Path;

use anyhow::Context;
use downshift::Form;
use downshift_tests::programs::{HEY, locate};

use super::document::{Chapter, Detail, Row, Section, Table, Unit};
use super::servers::{self, Contestant, REFERENCE, Running, STATIC_FILE};
use super::site::{COLD_IMAGES, Site, Tagged};
use super::wrk::{Asked, CONNECTIONS, THREADS, Wrk};
use super::{hey, process};

/// How long a server is asked before a hot load is measured.
pub(super) const WARM_UP: Duration = Duration::from_secs(1);

/// What is measured with the requests a second.
pub(super) const DETAILS: &[Detail] = &[
    Detail { name: "half within", unit: Unit::Microseconds },
    Detail { name: "99 % within", unit: Unit::Microseconds },
    Detail { name: "processor time for one", unit: Unit::Microseconds },
    Detail { name: "most memory", unit: Unit::Mebibytes },
];

/// What servers are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// The same tag, without an Accept header, on so many connections.
    Schema1Hot(usize),
    /// The same without the body.
    Schema1Head,
    /// The same by a client that has it.
    Schema1Unchanged,
    /// Other tags all the time, without an Accept header.
    Schema1Cold,
    /// The same tag, as it is stored, on so many connections.
    Schema2Hot(usize),
}

impl Load {
    fn title(self) -> String {
        match self {
            Self::Schema1Hot(CONNECTIONS) => "Schema 1, hot".to_owned(),
            Self::Schema1Hot(connections) => format!("Schema 1, hot, {}", on(connections)),
            Self::Schema1Head => "Schema 1, hot, HEAD".to_owned(),
            Self::Schema1Unchanged => "Schema 1, hot, unchanged".to_owned(),
            Self::Schema1Cold => "Schema 1, cold".to_owned(),
            Self::Schema2Hot(CONNECTIONS) => "Schema 2, hot".to_owned(),
            Self::Schema2Hot(connections) => format!("Schema 2, hot, {}", on(connections)),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Schema1Hot(_) => {
                "The same tag again and again, without an Accept header, as Docker 1.6–1.9 ask.".to_owned()
            }
            Self::Schema1Head => "The same without the body. Asked by hey, for wrk waits for one; hey itself takes more of the processors.".to_owned(),
            Self::Schema1Unchanged => {
                "The same with the ETag of the answer before, so that it is 304 Not Modified.".to_owned()
            }
            Self::Schema1Cold => format!(
                "Each of {COLD_IMAGES} tags once, without an Accept header. Every tag has an image of its own, so that \
                 there is nothing to\nremember."
            ),
            Self::Schema2Hot(_) => "The same tag again and again, in the form in which it is stored.".to_owned(),
        }
    }

    fn form(self) -> Form {
        match self {
            Self::Schema1Hot(_) | Self::Schema1Head | Self::Schema1Unchanged | Self::Schema1Cold => {
                Form::Schema1
            }
            Self::Schema2Hot(_) => Form::Schema2,
        }
    }

    fn connections(self) -> usize {
        match self {
            Self::Schema1Hot(connections) | Self::Schema2Hot(connections) => connections,
            _ => CONNECTIONS,
        }
    }
}

fn on(connections: usize) -> String {
    if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") }
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
        if load == Load::Schema1Head && locate(HEY).is_none() {
            chapter.left_out.push(format!("{}, for `{HEY}` is not installed", load.title()));
            continue;
        }
        let mut rows: Vec<Row> = contestants.iter().map(|contestant| Row::new(contestant.name)).collect();
        for round in 1..=rounds {
            eprintln!("{}, round {round} of {rounds}", load.title());
            for (contestant, row) in contestants.iter().zip(&mut rows) {
                let measured = ask(&wrk, contestant, &site, load, time);
                let (figure, details) = measured.with_context(|| contestant.name)?;
                row.push(figure, details);
            }
        }
        let bases = &[REFERENCE, STATIC_FILE];
        let table = Table { subject: "server", unit: Unit::Rate, bases, details: DETAILS, rows };
        chapter.sections.push(Section { title: load.title(), text: Some(load.text()), table });
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

wrk asks over loopback, with {THREADS} threads and {CONNECTIONS} connections where nothing else is said. Each measurement starts its server anew, and no other runs
meanwhile; before a hot load is measured, the server is asked for {} s. Every server has its usual settings, but writes
no log. Processor time and memory are those of the server, all of its processes together.",
        WARM_UP.as_secs()
    )
}

/// Starts a server, asks it, and looks whether it answers right. Gives requests a second, and the details.
fn ask(
    wrk: &Wrk,
    contestant: &Contestant,
    site: &Site,
    load: Load,
    time: Duration,
) -> anyhow::Result<(f64, [f64; 4])> {
    let server = contestant.start(site)?;
    let form = load.form();
    let url = server.url(form);
    if load == Load::Schema1Cold {
        let measured = with_costs(&server, || wrk.cold(&url, time))?;
        site.check(&url, &Tagged::cold(COLD_IMAGES - 1), form)?;
        return Ok(measured);
    }
    let tagged = Tagged::hot();
    let target = format!("{url}{}", tagged.path());
    let mut headers = Vec::new();
    if load == Load::Schema1Unchanged {
        headers.push(format!("If-None-Match: {}", entity_tag(&target)?));
    }
    if matches!(load, Load::Schema2Hot(_)) {
        headers.push(format!("Accept: {}", form.media_type()));
    }
    let ask = |time| match load {
        Load::Schema1Head => hey::head(&target, load.connections(), time),
        _ => wrk.hot(&target, &headers, load.connections(), time),
    };
    ask(WARM_UP)?;
    let measured = with_costs(&server, || ask(time))?;
    site.check(&url, &tagged, form)?;
    Ok(measured)
}

/// The ETag of what is at a URL: the same again and again, as long as the server remembers the answer.
fn entity_tag(url: &str) -> anyhow::Result<String> {
    Ok(servers::get(url)?.header("etag").context("there is no ETag")?.to_owned())
}

/// Asks a server, and adds what that costs it.
fn with_costs(
    server: &Running,
    ask: impl FnOnce() -> anyhow::Result<Asked>,
) -> anyhow::Result<(f64, [f64; 4])> {
    let before = process::processor_time(server.process())?;
    let Asked { rate, requests, median, percentile_99 } = ask()?;
    let taken = process::processor_time(server.process())?.saturating_sub(before);
    let peak = process::memory(server.process())?.peak;
    let costs = [median, percentile_99, taken.as_secs_f64() * 1e6 / requests, peak];
    Ok((rate, costs))
}
