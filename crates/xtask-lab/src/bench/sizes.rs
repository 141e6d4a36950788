//! The sizes of all that is shipped.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::document::{Chapter, Detail, Row, Section, Table, Unit};
use xtask::js::{self, Built};
use xtask::{guest, node};

/// Measures what is built.
pub(super) fn measure(program: &Path) -> anyhow::Result<Chapter> {
    let mut chapter = Chapter {
        title: "Sizes",
        text: "Of all that is shipped, as it is, and as gzip makes it at its smallest.".to_owned(),
        sections: Vec::new(),
        left_out: Vec::new(),
    };
    let mut rows = vec![
        row("the program `downshift`", &[program.to_path_buf()])?,
        row("in it, the guest", &[guest::build()?])?,
        row("in it, the reader of layers", &[guest::build_layer_reader()?])?,
    ];
    if node::is_installed() {
        let Built { package, worker } = js::build()?;
        for name in ["edge.wasm", "full.wasm", "inspect.wasm", "p256.wasm", "pull.wasm"] {
            rows.push(row(&format!("the package's `{name}`"), &[package.join(name)])?);
        }
        rows.push(row("the worker, all of it", &files(&worker)?)?);
        rows.push(row("the page as one file", &[xtask::page::shipped()?.join("manifest-inspector.html")])?);
    } else {
        chapter.left_out.push("what is made of JavaScript, for `node` or `npm` is not installed".to_owned());
    }
    let details = &[Detail { name: "compressed", unit: Unit::Bytes }];
    let table = Table { subject: "what", unit: Unit::Bytes, bases: &[], details, rows };
    chapter.sections.push(Section { title: "Bytes".to_owned(), text: None, table });
    Ok(chapter)
}

/// The files of a folder.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

fn row(name: &str, paths: &[PathBuf]) -> anyhow::Result<Row> {
    let (mut size, mut compressed) = (0, 0);
    for path in paths {
        let bytes = fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        size += bytes.len();
        compressed += encoder.finish()?.len();
    }
    let mut row = Row::new(name);
    row.push(size as f64, [compressed as f64]);
    Ok(row)
}
