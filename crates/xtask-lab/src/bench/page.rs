//! The page for browsers, in Chromium: `tests/js/page/bench.mjs`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use downshift_tests::programs::{CHROMIUM, NODE, locate};
use downshift_tests::server::Server;

use super::document::{Chapter, Row, Section, Table, Unit};
use super::figures::Figures;
use xtask::{command, node};

const TEXT: &str = "\
Milliseconds in Chromium, of the page as `downshift serve` serves it.

* to the verdict: from the fall of the files to the verdict, laid out.
* longest pause: how long the page did not react meanwhile.
* drawn again: to show a report anew which is there, with all of its sections.";

/// Measures the page, where there is a browser.
pub(super) fn measure(program: &Path, rounds: u32) -> anyhow::Result<Chapter> {
    let mut chapter =
        Chapter { title: "The page", text: TEXT.to_owned(), sections: Vec::new(), left_out: Vec::new() };
    let Some(browser) = locate(CHROMIUM).filter(|_| node::is_installed()) else {
        chapter.left_out.push(format!("the page, as `{CHROMIUM}` or `{NODE}` is not installed"));
        return Ok(chapter);
    };
    let rows = rows(program, &browser, rounds)?;
    let table = Table { subject: "what", unit: Unit::Milliseconds, bases: &[], details: &[], rows };
    chapter.sections.push(Section {
        title: "127 layers, and a manifest of 4 MiB".to_owned(),
        text: None,
        table,
    });
    Ok(chapter)
}

fn rows(program: &Path, browser: &Path, rounds: u32) -> anyhow::Result<Vec<Row>> {
    node::install()?;
    let store = tempfile::tempdir()?;
    let mut serve = Command::new(program);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--store"]).arg(store.path());
    let server = Server::start(&mut serve)?;
    let mut script = Command::new(NODE);
    script.arg(command::project()?.join("tests/js/page/bench.mjs")).arg("chrome").arg(browser);
    script.arg(format!("http://{}/_downshift/", server.address()));
    script.arg(command::target_folder()?.join("artifacts/page")).arg(rounds.to_string());
    let output = script.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the benchmark of the page failed: {}", output.status);
    String::from_utf8(output.stdout)?.lines().map(row).collect()
}

fn row(line: &str) -> anyhow::Result<Row> {
    let (name, figures) = line.split_once('\t').with_context(|| format!("`{line}` has no figures"))?;
    Ok(Row { figures: Figures::parse(figures)?, ..Row::new(name) })
}
